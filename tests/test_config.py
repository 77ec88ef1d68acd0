"""Settings: every one, and every way to get one wrong."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from feeds import config
from feeds.config import KEY, KEY_FILE, NAMED, Settings
from feeds.domain.quota import Rate
from feeds.errors import SettingsError

ROOT = Path(__file__).parents[1]
DOCUMENTS = "\n".join(
    path.read_text("utf-8") for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
)
REQUIRED = {KEY: "secret-key", "FEEDS_TIMEZONE": "Europe/Paris"}


def read(**settings: str) -> Settings:
    return config.read(REQUIRED | settings)


def faults(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        config.read(environ)
    return caught.value.faults


def fault(name: str, value: str) -> str:
    """The one fault of an environment in which only this setting is wrong."""
    (line,) = faults(REQUIRED | {name: value})
    assert line.startswith(f"{name} ")
    assert "\n" not in line
    return line


class TestGiven:
    def test_two_are_required_and_the_others_have_defaults(self):
        assert config.read(REQUIRED) == Settings(
            api_key="secret-key",
            timezone="Europe/Paris",
            api_url="https://api.intervals.run",
            public_url="http://localhost:8000",
            database_url="sqlite:///var/feeds.sqlite3",
            max_age=None,
            rate=Rate(100, timedelta(minutes=1), 20),
        )

    def test_the_defaults_of_the_environment_are_those_of_the_class(self):
        assert config.read(REQUIRED) == Settings(api_key="secret-key", timezone="Europe/Paris")

    def test_all_are_taken_as_given(self):
        assert read(
            FEEDS_API_URL="http://127.0.0.1:8001",
            FEEDS_PUBLIC_URL="https://feeds.example.org",
            FEEDS_DATABASE_URL="sqlite:////srv/feeds.sqlite3",
            FEEDS_MAX_AGE="300",
            FEEDS_UPSTREAM_RATE="1000/hour;burst=7",
        ) == Settings(
            api_key="secret-key",
            timezone="Europe/Paris",
            api_url="http://127.0.0.1:8001",
            public_url="https://feeds.example.org",
            database_url="sqlite:////srv/feeds.sqlite3",
            max_age=timedelta(minutes=5),
            rate=Rate(1000, timedelta(hours=1), 7),
        )

    @pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
    def test_an_empty_one_counts_as_not_given(self, nothing):
        assert config.read(dict.fromkeys(NAMED, nothing) | REQUIRED) == config.read(REQUIRED)

    def test_space_around_one_is_none_of_it(self):
        padded = {name: f"  {value}\n" for name, value in REQUIRED.items()}

        assert config.read(padded) == config.read(REQUIRED)

    def test_other_variables_are_none_of_its_business(self):
        assert read(PATH="/bin", HOME="", PORT="x") == config.read(REQUIRED)

    def test_no_secret_is_in_the_repr(self):
        settings = read(FEEDS_DATABASE_URL="postgresql+psycopg://me:secret-word@db/feeds")

        assert "secret" not in repr(settings)


class TestFaults:
    def test_all_are_told_at_once_a_line_each(self):
        lines = faults(
            {
                "FEEDS_API_URL": "api.intervals.run",
                "FEEDS_PUBLIC_URL": "ftp://feeds.example.org",
                "FEEDS_DATABASE_URL": "mysql://localhost",
                "FEEDS_MAX_AGE": "soon",
                "FEEDS_UPSTREAM_RATE": "a lot",
            }
        )

        assert [line.split()[0] for line in lines] == [
            KEY,
            "FEEDS_TIMEZONE",
            "FEEDS_API_URL",
            "FEEDS_PUBLIC_URL",
            "FEEDS_DATABASE_URL",
            "FEEDS_MAX_AGE",
            "FEEDS_UPSTREAM_RATE",
        ]
        assert not any("\n" in line for line in lines)
        assert all(line.endswith(".") for line in lines)

    @pytest.mark.parametrize("missing", REQUIRED)
    def test_one_that_is_required_and_missing_is_told(self, missing):
        (line,) = faults({name: value for name, value in REQUIRED.items() if name != missing})

        assert line.startswith(f"{missing} is not set; ")

    @pytest.mark.parametrize(
        "name", ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC", "Etc/GMT+5"]
    )
    def test_a_timezone_is_a_name_of_the_iana_database(self, name):
        assert read(FEEDS_TIMEZONE=name).timezone == name

    @pytest.mark.parametrize(
        "name",
        ["Mars/Olympus", "Europe", "europe/paris", "+01:00", "CET-1CEST", "../Paris", "localtime"],
    )
    def test_nothing_else_is_one(self, name):
        assert "is no name of the IANA time zone database" in fault("FEEDS_TIMEZONE", name)

    @pytest.mark.parametrize("setting", ["FEEDS_API_URL", "FEEDS_PUBLIC_URL"])
    @pytest.mark.parametrize(
        "address",
        [
            "https://feeds.example.org",
            "http://127.0.0.1:8123",
            "http://[::1]:8000",
            "https://example.org/running/feeds",
            "HTTPS://feeds.example.org",
        ],
    )
    def test_an_address_has_a_scheme_and_a_host_and_may_have_a_path(self, setting, address):
        assert address in repr(read(**{setting: address}))

    @pytest.mark.parametrize("setting", ["FEEDS_API_URL", "FEEDS_PUBLIC_URL"])
    def test_slashes_at_its_end_are_dropped(self, setting):
        assert read(**{setting: "https://a.example/b//"}) == read(
            **{setting: "https://a.example/b"}
        )

    @pytest.mark.parametrize("setting", ["FEEDS_API_URL", "FEEDS_PUBLIC_URL"])
    @pytest.mark.parametrize(
        "address",
        [
            "feeds.example.org",
            "//feeds.example.org",
            "/events",
            "ftp://feeds.example.org",
            "webcal://feeds.example.org",
            "https://",
            "https:///events",
            "https://:443",
            "https://[::1",
            "https://a.example:http",
            "https://a.example:99999",
            "https://a.example:0",
            "https://user:word@a.example",
            "https://@a.example",
            "https://a.example/?",
            "https://a.example/?a=b",
            "https://a.example/#",
            "https://a.example/#top",
            "https://a.example/a b",
            "https://a.example/a\tb",
            "https://a.example\nX: y",
            "https://a.example/\x01",
            'https://a.example/"x',
            "https://a.example/<x>",
            "https://a.example\\b",
            "https://läufe.example",
        ],
    )
    def test_what_is_no_address_is_a_fault(self, setting, address):
        line = fault(setting, address)

        assert "takes an address such as https://feeds.example.org" in line

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite:///feeds.sqlite3",
            "sqlite:////srv/feeds/feeds.sqlite3",
            "sqlite:///C:/feeds.sqlite3",
            "sqlite:///läufe und mehr.sqlite3",
        ],
    )
    def test_a_database_is_a_file_of_sqlite(self, url):
        assert read(FEEDS_DATABASE_URL=url).database_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql+psycopg://feeds:secret@db.example.org:5432/feeds",
            "postgresql+psycopg://db.example.org/feeds?sslmode=require",
            "postgresql+psycopg:///feeds?host=/run/postgresql",
        ],
    )
    def test_or_one_of_postgresql(self, url):
        assert read(FEEDS_DATABASE_URL=url).database_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "feeds.sqlite3",
            "sqlite:",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///?mode=memory",
            "sqlite:///feeds.sqlite3?timeout=soon",
            "mysql://localhost/feeds",
            "postgres://me:secret@localhost/feeds",
            "postgresql://me:secret@localhost/feeds",
            "postgresql+psycopg2://me:secret@localhost/feeds",
            "postgresql+psycopg://me:secret@localhost",
            "postgresql+psycopg://me:secret@localhost:port/feeds",
        ],
    )
    def test_what_is_neither_is_a_fault(self, url):
        line = fault("FEEDS_DATABASE_URL", url)

        assert "takes sqlite:/// and a path" in line
        assert "postgresql+psycopg://user:password@host/name." in line
        assert "secret" not in line

    @pytest.mark.parametrize(("seconds", "max_age"), [("1", 1), ("300", 300), ("86400", 86400)])
    def test_a_max_age_is_a_number_of_seconds(self, seconds, max_age):
        assert read(FEEDS_MAX_AGE=seconds).max_age == timedelta(seconds=max_age)

    @pytest.mark.parametrize(
        "text",
        ["0", "-1", "+5", "86401", "1.5", "1e3", "5m", "1_000", "\u0665", "²", "soon", "9" * 5000],
    )
    def test_another_one_is_a_fault(self, text):
        assert "takes a number of seconds from 1 to 86400." in fault("FEEDS_MAX_AGE", text)

    @pytest.mark.parametrize(
        ("text", "rate"),
        [
            ("100/minute;burst=20", Rate(100, timedelta(minutes=1), 20)),
            ("100/day", Rate(100, timedelta(days=1), 20)),
            ("1000/minute", Rate(1000, timedelta(minutes=1), 50)),
            ("3/second", Rate(3, timedelta(seconds=1), 1)),
            ("1/hour;burst=1", Rate(1, timedelta(hours=1), 1)),
            ("60 / hour; burst = 60", Rate(60, timedelta(hours=1), 60)),
        ],
    )
    def test_a_rate_is_calls_within_a_window_and_how_many_at_once(self, text, rate):
        assert read(FEEDS_UPSTREAM_RATE=text).rate == rate

    @pytest.mark.parametrize(
        "text",
        [
            "100",
            "100/",
            "100/month",
            "100/minutes",
            "0/minute",
            "-1/minute",
            "1.5/minute",
            "100/minute;burst=0",
            "100/minute;burst=101",
            "100/minute;burst=",
            "100/minute;bursts=20",
            "100/minute,burst=20",
            "\u0661/minute",
            "9" * 5000 + "/day",
        ],
    )
    def test_another_one_is_refused(self, text):
        assert "such as 100/minute;burst=20 or 100/day." in fault("FEEDS_UPSTREAM_RATE", text)


class TestTheKey:
    @staticmethod
    def from_file(path: Path | str) -> dict[str, str]:
        return {KEY_FILE: str(path), "FEEDS_TIMEZONE": "UTC"}

    @pytest.mark.parametrize("content", [b"file-key", b"file-key\n", b"  file-key\r\n\r\n"])
    def test_it_may_stand_in_a_file(self, content, tmp_path):
        (tmp_path / "key").write_bytes(content)

        assert config.read(self.from_file(tmp_path / "key")).api_key == "file-key"

    @pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n"])
    def test_an_empty_file_holds_none(self, content, tmp_path):
        (tmp_path / "key").write_bytes(content)

        (line,) = faults(self.from_file(tmp_path / "key"))
        assert line.startswith(f"{KEY} is not set; ")

    @pytest.mark.parametrize("name", ["missing", "missing/key", "."])
    def test_a_file_that_cannot_be_read_is_told_by_the_name_of_its_setting(self, name, tmp_path):
        assert faults(self.from_file(tmp_path / name)) == (
            f"{KEY} cannot be read from the file that {KEY_FILE} names.",
        )

    def test_a_file_that_is_no_text_cannot_be_read(self, tmp_path):
        (tmp_path / "key").write_bytes(b"\xff\xfe\x00")

        (line,) = faults(self.from_file(tmp_path / "key"))
        assert "cannot be read" in line

    def test_a_file_beside_an_empty_variable_is_fine(self, tmp_path):
        (tmp_path / "key").write_text("file-key")

        assert config.read(self.from_file(tmp_path / "key") | {KEY: " "}).api_key == "file-key"

    def test_both_ways_at_once_are_a_fault(self, tmp_path):
        (tmp_path / "key").write_text("file-key")

        (line,) = faults(self.from_file(tmp_path / "key") | REQUIRED)
        assert line == f"{KEY} and {KEY_FILE} are both set; set one of them."

    @pytest.mark.parametrize("key", ["two words", "two\nlines", "schlüssel", "a\x00b", "“quoted”"])
    def test_one_that_no_header_can_carry_is_a_fault_and_not_told(self, key, tmp_path):
        (tmp_path / "key").write_text(key, "utf-8")

        for environ in (REQUIRED | {KEY: key}, self.from_file(tmp_path / "key")):
            (line,) = faults(environ)
            assert line.startswith(f"{KEY} holds a space, a line break or")
            assert key not in line

    def test_it_is_in_no_fault(self):
        told = "\n".join(faults({KEY: "secret-key", "FEEDS_MAX_AGE": "x"}))

        assert "secret-key" not in told


class TestUnknown:
    def test_names_that_look_like_settings_and_are_none_are_found(self):
        environ = dict.fromkeys(
            [*NAMED, "FEEDS_TIMEZON", "FEEDS_", "FEEDS_max_age", "FEED_X", "feeds_x", "PORT"], "x"
        )

        assert config.find_unknown(environ) == ["FEEDS_", "FEEDS_TIMEZON", "FEEDS_max_age"]

    def test_they_are_no_fault(self):
        assert read(FEEDS_TIMEZON="x") == config.read(REQUIRED)


class TestNamed:
    @pytest.mark.parametrize("name", NAMED)
    def test_each_setting_is_read(self, name):
        """None is named in vain: a wrong value, or for the keys both, makes a fault."""
        wrong = {KEY_FILE: "/missing"}.get(name, "ü ?")

        assert any(name in line for line in faults(REQUIRED | {name: wrong}))

    def test_the_table_of_settings_has_every_setting_with_its_default(self):
        table = (ROOT / "docs" / "settings.md").read_text("utf-8")
        row = re.compile(r"^\| `((?:FEEDS|INTERVALS)_\w+)` \| `?([^`|]+?)`? \|", re.MULTILINE)
        rows = row.findall(table)
        required = dict.fromkeys((KEY, "FEEDS_TIMEZONE"), "required")

        assert dict(rows) == dict.fromkeys(NAMED, "none") | config.DEFAULTS | required
        assert len(rows) == len(NAMED)

    def test_no_document_names_a_setting_that_does_not_exist(self):
        assert set(re.findall(r"\b(?:FEEDS|INTERVALS)_[A-Z_]+\b", DOCUMENTS)) <= set(NAMED)

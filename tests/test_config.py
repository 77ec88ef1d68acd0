"""The settings: values, defaults, and how invalid values are reported."""

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

URLS = ("FEEDS_API_URL", "FEEDS_PUBLIC_URL")
DATABASE, MAX_AGE, RATE = "FEEDS_DATABASE_URL", "FEEDS_MAX_AGE", "FEEDS_UPSTREAM_RATE"


def read(**settings: str) -> Settings:
    return config.read(REQUIRED | settings)


def errors(environ: dict[str, str]) -> tuple[str, ...]:
    """The lines about the invalid settings of an environment."""
    with pytest.raises(SettingsError) as caught:
        config.read(environ)
    assert not any("\n" in line for line in caught.value.faults)
    assert all(line.endswith(".") for line in caught.value.faults)
    assert "secret" not in "".join(caught.value.faults)
    return caught.value.faults


def key_file(path: Path) -> dict[str, str]:
    """An environment with the key in a file."""
    return {KEY_FILE: str(path), "FEEDS_TIMEZONE": "UTC"}


def test_two_settings_are_required_and_the_others_have_defaults():
    assert config.read(REQUIRED) == Settings(api_key="secret-key", timezone="Europe/Paris")
    assert config.read(REQUIRED) == Settings(
        api_key="secret-key",
        timezone="Europe/Paris",
        api_url="https://api.intervals.run",
        public_url="http://localhost:8000",
        database_url="sqlite:///var/feeds.sqlite3",
        max_age=None,
        rate=Rate(100, timedelta(minutes=1), 20),
        locale="en_US",
        trusted_proxies=0,
        log_level="info",
        access_log=False,
    )


def test_every_setting_is_read_from_the_environment():
    assert read(
        FEEDS_API_URL="http://127.0.0.1:8001",
        FEEDS_PUBLIC_URL="https://feeds.example.org",
        FEEDS_DATABASE_URL="sqlite:////srv/feeds.sqlite3",
        FEEDS_MAX_AGE="300",
        FEEDS_UPSTREAM_RATE="1000/hour;burst=7",
        FEEDS_LOCALE="en_GB",
        FEEDS_TRUSTED_PROXIES="2",
        FEEDS_LOG_LEVEL="WARNING",
        FEEDS_ACCESS_LOG="1",
        FEEDS_METRICS_BIND="127.0.0.1:9464",
    ) == Settings(
        api_key="secret-key",
        timezone="Europe/Paris",
        api_url="http://127.0.0.1:8001",
        public_url="https://feeds.example.org",
        database_url="sqlite:////srv/feeds.sqlite3",
        max_age=timedelta(minutes=5),
        rate=Rate(1000, timedelta(hours=1), 7),
        locale="en_GB",
        trusted_proxies=2,
        log_level="warning",
        access_log=True,
        metrics_bind=("127.0.0.1", 9464),
    )


@pytest.mark.parametrize(
    "environ",
    [
        *(dict.fromkeys(NAMED, nothing) | REQUIRED for nothing in ("", " ", "\t\n")),
        {name: f"  {value}\n" for name, value in REQUIRED.items()},
        REQUIRED | {"PATH": "/bin", "HOME": "", "PORT": "x", "FEEDS_TIMEZON": "x"},
    ],
    ids=["empty", "blank", "white space", "padded", "others"],
)
def test_empty_and_other_variables_and_space_around_a_value_are_ignored(environ):
    assert config.read(environ) == config.read(REQUIRED)


def test_the_repr_of_the_settings_has_no_secret():
    settings = read(FEEDS_DATABASE_URL="postgresql+psycopg://me:secret-word@db/feeds")

    assert "secret" not in repr(settings)


def test_all_invalid_settings_are_reported_together_with_one_line_each():
    lines = errors(dict.fromkeys(NAMED, "ü ?") | {KEY: "", KEY_FILE: "", "FEEDS_TIMEZONE": ""})

    assert sorted(line.split()[0] for line in lines) == sorted({*NAMED} - {KEY_FILE})
    for name, line in zip(REQUIRED, lines, strict=False):
        assert line.startswith(f"{name} is not set; ")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("timezone", name) for name in ("Europe/Berlin", "America/Argentina/Ushuaia")),
        *(("timezone", name) for name in ("UTC", "Etc/GMT+5")),
        *(
            (setting, url)
            for setting in ("api_url", "public_url")
            for url in (
                *("https://feeds.example.org", "http://127.0.0.1:8123", "http://[::1]:8000"),
                *("https://example.org/running/feeds", "HTTPS://feeds.example.org"),
            )
        ),
        *(
            ("database_url", url)
            for url in (
                *("sqlite:///feeds.sqlite3", "sqlite:////srv/feeds/feeds.sqlite3"),
                *("sqlite:///C:/feeds.sqlite3", "sqlite:///läufe und mehr.sqlite3"),
                "postgresql+psycopg://feeds:secret@db.example.org:5432/feeds",
                "postgresql+psycopg://db.example.org/feeds?sslmode=require",
                "postgresql+psycopg:///feeds?host=/run/postgresql",
            )
        ),
    ],
)
def test_a_valid_value_stays_as_it_is(setting, value):
    assert getattr(read(**{f"FEEDS_{setting.upper()}": value}), setting) == value


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_database_may_have_each_scheme_that_platforms_hand_out(scheme):
    url = f"{scheme}://feeds:secret@db.example.org/feeds?sslmode=require"
    expected = "postgresql+psycopg://feeds:secret@db.example.org/feeds?sslmode=require"
    assert read(FEEDS_DATABASE_URL=url).database_url == expected


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/feeds.sqlite3", "var/feeds.sqlite3"),
        ("sqlite:////srv/feeds.sqlite3", None),
        ("postgresql+psycopg://db.example.org/feeds", None),
    ],
)
def test_the_path_of_a_relative_database_is_resolved_against_the_working_directory(
    url, path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert config.find_relative_path(url) == (path and tmp_path / path)


@pytest.mark.parametrize("setting", URLS)
def test_slashes_at_the_end_of_a_url_are_removed(setting):
    assert read(**{setting: "https://a.example/b//"}) == read(**{setting: "https://a.example/b"})


@pytest.mark.parametrize("seconds", [1, 300, 86400])
def test_a_max_age_is_a_number_of_seconds(seconds):
    assert read(FEEDS_MAX_AGE=str(seconds)).max_age == timedelta(seconds=seconds)


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
def test_a_rate_has_calls_per_window_and_an_optional_burst(text, rate):
    assert read(FEEDS_UPSTREAM_RATE=text).rate == rate


@pytest.mark.parametrize(
    ("text", "locale"),
    [("en_GB", "en_GB"), ("en-GB", "en_GB"), ("EN_au", "en_AU"), ("en", "en"), ("en_IN", "en_IN")],
)
def test_any_english_locale_can_be_set_in_either_spelling(text, locale):
    assert read(FEEDS_LOCALE=text).locale == locale


INVALID = {
    ("FEEDS_LOCALE",): (
        "is no English locale of CLDR, such as en_US, en_GB or en_AU.",
        *("english", "de_DE", "en_XX", "en_US.UTF-8", "C", "en@calendar=buddhist", "../en"),
    ),
    ("FEEDS_TIMEZONE",): (
        "is no name of the IANA time zone database",
        *("Mars/Olympus", "Europe", "europe/paris", "+01:00", "CET-1CEST", "../Paris", "localtime"),
    ),
    URLS: (
        "takes an address such as https://feeds.example.org",
        *("feeds.example.org", "//feeds.example.org", "/events", "ftp://feeds.example.org"),
        *("webcal://feeds.example.org", "https://", "https:///events", "https://:443"),
        *("https://[::1", "https://a.example:http", "https://a.example:99999"),
        *("https://a.example:0", "https://user:word@a.example", "https://@a.example"),
        *("https://a.example/?", "https://a.example/?a=b", "https://a.example/#"),
        *("https://a.example/#top", "https://a.example/a b", "https://a.example/a\tb"),
        *("https://a.example\nX: y", "https://a.example/\x01", 'https://a.example/"x'),
        *("https://a.example/<x>", "https://a.example\\b", "https://läufe.example"),
        *("https://a..example", f"https://{'a' * 64}.example"),
    ),
    (DATABASE,): (
        "such as sqlite:///var/feeds.sqlite3, or postgresql://user:password@host/name.",
        *("feeds.sqlite3", "sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:"),
        *("sqlite:///?mode=memory", "sqlite:///feeds.sqlite3?timeout=soon"),
        *("mysql://localhost/feeds", "postgres://me:secret@localhost"),
        *("postgres:///", "postgresql://me:secret@localhost", "POSTGRES+X://localhost/feeds"),
        *("postgresql+psycopg2://me:secret@localhost/feeds", "postgresqls://localhost/feeds"),
        "postgresql+psycopg://me:secret@localhost:port/feeds",
        *("postgresql://me:secret@db..example/feeds", f"postgresql://{'a' * 64}/feeds"),
    ),
    (MAX_AGE,): (
        "takes a number of seconds from 1 to 86400.",
        *("0", "-1", "+5", "86401", "1.5", "1e3", "5m", "1_000", "\u0665", "²", "soon", "9" * 5000),
    ),
    ("FEEDS_TRUSTED_PROXIES",): (
        "takes the number of proxies in front, from 0 to 9.",
        *("-1", "10", "1.0", "one", "10.0.0.1", "*", "\u0665", "²", "true"),
    ),
    ("FEEDS_LOG_LEVEL",): (
        "is none of debug, info, warning, error.",
        *("trace", "10", "info,debug", "warn", "critical"),
    ),
    ("FEEDS_ACCESS_LOG",): ("takes 1, for yes, or 0.", *("yes", "true", "2", "01", "\u0661")),
    (RATE,): (
        "such as 100/minute;burst=20 or 100/day.",
        *("100", "100/", "100/month", "100/minutes", "0/minute", "-1/minute", "1.5/minute"),
        *("100/minute;burst=0", "100/minute;burst=101", "100/minute;burst="),
        *("100/minute;bursts=20", "100/minute,burst=20", "\u0661/minute", "9" * 5000 + "/day"),
    ),
}
"""Settings, what is said about their invalid values, and invalid values."""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (name, value, words)
        for names, (words, *values) in INVALID.items()
        for name in names
        for value in values
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_an_invalid_value_is_reported_in_one_line_that_says_what_the_setting_takes(
    name, value, words
):
    (line,) = errors(REQUIRED | {name: value})
    assert line.startswith(f"{name} ")
    assert words in line


@pytest.mark.parametrize("content", [b"file-key", b"file-key\n", b"  file-key\r\n\r\n"])
def test_the_key_can_be_in_a_file(content, tmp_path):
    (tmp_path / "key").write_bytes(content)

    assert config.read(key_file(tmp_path / "key") | {KEY: " "}).api_key == "file-key"


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n"])
def test_an_empty_key_file_counts_as_no_key(content, tmp_path):
    (tmp_path / "key").write_bytes(content)

    (line,) = errors(key_file(tmp_path / "key"))
    assert line.startswith(f"{KEY} is not set; ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("binary", "that is no text"),
    ],
)
def test_a_key_file_that_cannot_be_read_is_reported_with_the_reason_without_its_path(
    name, reason, tmp_path
):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    assert errors(key_file(tmp_path / name)) == (
        f"{KEY} cannot be read from the file of {KEY_FILE}: {reason}.",
    )


def test_a_key_and_a_key_file_together_are_invalid(tmp_path):
    (tmp_path / "key").write_text("file-key")

    (line,) = errors(key_file(tmp_path / "key") | REQUIRED)
    assert line == f"{KEY} and {KEY_FILE} are both set; set one of them."


@pytest.mark.parametrize("key", ["two words", "two\nlines", "schlüssel", "a\x00b", "“quoted”"])
def test_a_key_that_no_header_can_carry_is_invalid_and_not_shown(key, tmp_path):
    (tmp_path / "key").write_text(key, "utf-8")

    for environ in (REQUIRED | {KEY: key}, key_file(tmp_path / "key")):
        (line,) = errors(environ)
        assert line.startswith(f"{KEY} holds a space, a line break or")
        assert key not in line


def test_unknown_settings_are_found_by_their_prefix():
    environ = dict.fromkeys(
        [*NAMED, "FEEDS_TIMEZON", "FEEDS_", "FEEDS_max_age", "FEED_X", "feeds_x", "PORT"], "x"
    )

    assert config.find_unknown(environ) == ["FEEDS_", "FEEDS_TIMEZON", "FEEDS_max_age"]


def test_the_documents_name_every_setting_with_its_default_and_no_other():
    table = (ROOT / "docs" / "settings.md").read_text("utf-8")
    row = re.compile(r"^\| `((?:FEEDS|INTERVALS)_\w+)` \| `?([^`|]+?)`? \|", re.MULTILINE)
    rows = row.findall(table)
    required = dict.fromkeys((KEY, "FEEDS_TIMEZONE"), "required")

    assert dict(rows) == dict.fromkeys(NAMED, "none") | config.DEFAULTS | required
    assert len(rows) == len(NAMED)
    assert set(re.findall(r"\b(?:FEEDS|INTERVALS)_[A-Z_]+\b", DOCUMENTS)) <= set(NAMED)


@pytest.mark.parametrize(
    "password", ["p@ssw0rd", "ssw0rd@", "p@/ssw0rd", "p@h/ssw0rd", "p@h:1/s?w"]
)
@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg"])
def test_an_at_sign_in_a_password_is_refused_without_a_part_of_the_password(scheme, password):
    with pytest.raises(SettingsError) as refusal:
        read(FEEDS_DATABASE_URL=f"{scheme}://feeds:{password}@127.0.0.1/db")
    (line,) = refusal.value.faults
    assert line == "FEEDS_DATABASE_URL has an @ in its user or password; write %40 for it."


@pytest.mark.parametrize(
    ("url", "in_clear"),
    [
        ("http://api.example.org", True),
        ("http://localhost.example.org:8001", True),
        ("https://api.example.org", False),
        *((f"http://{host}:8001", False) for host in ("localhost", "127.0.0.1", "[::1]")),
    ],
)
def test_a_key_that_leaves_the_machine_without_encryption_is_noticed(url, in_clear):
    assert config.sends_key_in_clear(url) is in_clear


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("localhost:1", ("localhost", 1)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ("[::1]:9464", ("::1", 9464)),
        ("[2001:db8::1]:9464", ("2001:db8::1", 9464)),
    ],
)
def test_the_address_of_the_metrics_is_a_host_and_a_port(text, bind):
    assert read(FEEDS_METRICS_BIND=text).metrics_bind == bind


@pytest.mark.parametrize(
    "text",
    [
        *("9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536"),
        *("::1:9464", "http://127.0.0.1:9464", "127.0.0.1:9464/metrics", "unix:/run/x", "a b:1"),
    ],
)
def test_another_address_of_the_metrics_is_refused_in_one_line(text):
    (line,) = errors(REQUIRED | {"FEEDS_METRICS_BIND": text})

    assert line.startswith("FEEDS_METRICS_BIND takes an address of this machine and a port")

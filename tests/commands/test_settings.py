"""``feeds config``: the effective settings, without secrets."""

import pytest

from feeds.config import NAMED


def read_lines(output):
    return dict(line.split("=", 1) for line in output.splitlines())


def test_the_command_shows_every_setting_and_which_are_defaults(run, service, database):
    lines = read_lines(run("config", FEEDS_MAX_AGE="300"))
    assert list(lines) == list(NAMED)
    assert lines == {
        "INTERVALS_PARTNER_API_KEY": "***",
        "INTERVALS_PARTNER_API_KEY_FILE": "",
        "FEEDS_TIMEZONE": "America/Chicago",
        "FEEDS_API_URL": service.upstream.url,
        "FEEDS_PUBLIC_URL": "https://feeds.example.org",
        "FEEDS_DATABASE_URL": f"sqlite:///{database}",
        "FEEDS_UPSTREAM_RATE": "100/minute;burst=20  # default",
        "FEEDS_LOCALE": "en_US  # default",
        "FEEDS_TRUSTED_PROXIES": "0  # default",
        "FEEDS_LOG_LEVEL": "info  # default",
        "FEEDS_ACCESS_LOG": "0  # default",
        "FEEDS_MAX_AGE": "300",
        "FEEDS_METRICS_BIND": "",
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:open-sesame@db/feeds", "postgresql+psycopg://me:***@db/feeds"),
        (
            "postgresql:///feeds?host=db&password=open-sesame&sslpassword=open-sesame",
            "postgresql+psycopg:///feeds?host=db&password=%2A%2A%2A&sslpassword=%2A%2A%2A",
        ),
    ],
)
def test_no_secret_is_shown(run, tmp_path, url, shown):
    (tmp_path / "key").write_text("open-sesame")
    key = {"INTERVALS_PARTNER_API_KEY": "", "INTERVALS_PARTNER_API_KEY_FILE": "key"}
    output = run("config", FEEDS_DATABASE_URL=url, **key)
    assert "sesame" not in output
    assert read_lines(output)["FEEDS_DATABASE_URL"] == shown
    assert read_lines(output)["INTERVALS_PARTNER_API_KEY_FILE"] == "key"


def test_a_relative_path_is_shown_in_full(run, tmp_path):
    output = run("config", FEEDS_DATABASE_URL="sqlite:///var/x.db")
    assert read_lines(output)["FEEDS_DATABASE_URL"] == f"sqlite:///{tmp_path}/var/x.db"


def test_invalid_settings_are_reported_instead(run):
    assert run("config", code=1, FEEDS_MAX_AGE="soon").startswith("FEEDS_MAX_AGE takes ")

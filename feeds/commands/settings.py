"""``feeds config``: the settings as the service reads them."""

import os

import click
import sqlalchemy as sa

from feeds import config
from feeds.commands.startup import read_settings
from feeds.config import DEFAULTS, KEY, KEY_FILE, NAMED, Settings

HIDDEN = "***"


@click.command(name="config")
def show_config() -> None:
    """Show the effective settings, without the key and passwords."""
    settings = read_settings()
    for name in NAMED:
        given = bool(os.environ.get(name, "").strip())
        value = _describe(name, settings)
        note = "" if given or name == KEY else "  # default" if name in DEFAULTS else ""
        click.echo(f"{name}={value}{note}")


def _describe(name: str, settings: Settings) -> str:
    """The effective value of a setting; a secret is hidden."""
    if name == KEY:
        return HIDDEN
    if name == "FEEDS_DATABASE_URL":
        return _hide_password(settings.database_url)
    given = os.environ.get(name, "").strip() or DEFAULTS.get(name, "")
    effective = {
        KEY_FILE: given,
        "FEEDS_TIMEZONE": settings.timezone,
        "FEEDS_LOCALE": settings.locale,
        "FEEDS_API_URL": settings.api_url,
        "FEEDS_PUBLIC_URL": settings.public_url,
        "FEEDS_LOG_LEVEL": settings.log_level,
    }
    return effective.get(name, given)


def _hide_password(database_url: str) -> str:
    """A database URL without passwords, and with the whole path of a file."""
    if path := config.find_sqlite_path(database_url):
        return f"sqlite:///{path}"
    url = sa.make_url(database_url)
    hidden = {name: HIDDEN for name in url.query if "password" in name.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)

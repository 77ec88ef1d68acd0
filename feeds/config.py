"""The settings: read in one place, checked before anything starts, all faults told at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from feeds.errors import SettingsError
from feeds.zones import NAMES

T = TypeVar("T")

KEY = "INTERVALS_PARTNER_API_KEY"
KEY_FILE = "INTERVALS_PARTNER_API_KEY_FILE"
DEFAULTS = {
    "FEEDS_API_URL": "https://api.intervals.run",
    "FEEDS_PUBLIC_URL": "http://localhost:8000",
    "FEEDS_DATABASE_URL": "sqlite:///var/feeds.sqlite3",
}
NAMED = (KEY, KEY_FILE, "FEEDS_TIMEZONE", *DEFAULTS, "FEEDS_MAX_AGE")
"""Every setting, by its name in the environment."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a deployment decides. The key stays out of the repr."""

    api_key: str = field(repr=False)
    timezone: str
    api_url: str = DEFAULTS["FEEDS_API_URL"]
    public_url: str = DEFAULTS["FEEDS_PUBLIC_URL"]
    database_url: str = DEFAULTS["FEEDS_DATABASE_URL"]
    max_age: timedelta | None = None


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment; one that is empty counts as not given.

    Raises ``SettingsError`` with a line for each fault.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    faults: list[str] = []

    def checked(name: str, check: Callable[[str], T], default: T) -> T:
        try:
            return check(given.get(name) or DEFAULTS.get(name, ""))
        except ValueError as fault:
            faults.append(f"{name} {fault}")
            return default

    settings = Settings(
        api_key=checked(KEY, lambda _: _key(given), ""),
        timezone=checked("FEEDS_TIMEZONE", _timezone, ""),
        api_url=checked("FEEDS_API_URL", _address, ""),
        public_url=checked("FEEDS_PUBLIC_URL", _address, ""),
        database_url=checked("FEEDS_DATABASE_URL", _database, ""),
        max_age=checked("FEEDS_MAX_AGE", _seconds, None),
    )
    if faults:
        raise SettingsError(*faults)
    return settings


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Names that look like settings of this service and are none: a slip of the pen, mostly."""
    return sorted(name for name in environ if name.startswith("FEEDS_") and name not in NAMED)


def _key(given: Mapping[str, str]) -> str:
    if KEY in given and KEY_FILE in given:
        raise ValueError(f"and {KEY_FILE} are both set; set one of them.")
    key = given.get(KEY, "")
    if KEY_FILE in given:
        try:
            key = Path(given[KEY_FILE]).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"cannot be read from the file that {KEY_FILE} names.") from None
    if not key:
        raise ValueError(f"is not set; it is the partner API's key, or {KEY_FILE} names its file.")
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("holds a space, a line break or a character that is not ASCII.")
    return key


def _timezone(name: str) -> str:
    if not name:
        raise ValueError("is not set; it is the zone of events without a place, Europe/Paris say.")
    if name not in NAMES:
        raise ValueError("is no name of the IANA time zone database, such as America/Chicago.")
    return name


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("takes an address such as https://feeds.example.org.")
    if parts.username is not None or not url.isascii() or any(c.isspace() for c in url):
        raise ValueError("takes an address without a user, spaces or characters beyond ASCII.")
    return url.rstrip("/")


def _database(url: str) -> str:
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        raise ValueError("takes sqlite:/// and a path, such as sqlite:///var/feeds.sqlite3.")
    return url


def _seconds(text: str) -> timedelta | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 86400):  # noqa: PLR2004 - a day
        raise ValueError("takes a number of seconds from 1 to 86400.")
    return timedelta(seconds=int(text))

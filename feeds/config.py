"""The settings: read in one place; all invalid settings are reported at startup."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa

from feeds.domain.history.delisting import CONFIRM_AFTER
from feeds.domain.quota import Rate
from feeds.domain.timezones import ZONE_NAMES
from feeds.errors import SettingsError
from feeds.logformat import LEVELS
from feeds.store.engines import POSTGRESQL
from feeds.text.dates import find_locale

T = TypeVar("T")

KEY = "INTERVALS_PARTNER_API_KEY"
KEY_FILE = "INTERVALS_PARTNER_API_KEY_FILE"
DEFAULTS = {
    "FEEDS_API_URL": "https://api.intervals.run",
    "FEEDS_PUBLIC_URL": "http://localhost:8000",
    "FEEDS_DATABASE_URL": "sqlite:///var/feeds.sqlite3",
    "FEEDS_UPSTREAM_RATE": "100/minute;burst=20",
    "FEEDS_LOCALE": "en_US",
    "FEEDS_TRUSTED_PROXIES": "0",
    "FEEDS_LOG_LEVEL": "info",
    "FEEDS_ACCESS_LOG": "0",
}
NAMED = (KEY, KEY_FILE, "FEEDS_TIMEZONE", *DEFAULTS, "FEEDS_MAX_AGE", "FEEDS_METRICS_BIND")
"""The names of all settings in the environment."""

# Characters that no URI has (RFC 3986 2), or that do not belong into the address of a service.
_NOT_IN_ADDRESS = re.compile(r"""[^!-~]|[?#@"<>\\^`{|}]""")

_POSTGRES = re.compile(r"\Apostgres(ql)?://")  # as platforms hand them out

_WINDOWS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_RATE = re.compile(rf"([0-9]{{1,7}})/({'|'.join(_WINDOWS)})(?:;burst=([0-9]{{1,7}}))?")
MAX_DEFAULT_BURST = 50
"""The largest burst of a rate that names none."""

MAX_PORT = 65535

RATE = Rate(100, timedelta(minutes=1), 20)

MAX_PROXIES = 9
"""The most proxies in front of the service, one behind the other."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a deployment. Secrets stay out of the repr."""

    api_key: str = field(repr=False)
    timezone: str
    locale: str = DEFAULTS["FEEDS_LOCALE"]
    api_url: str = DEFAULTS["FEEDS_API_URL"]
    public_url: str = DEFAULTS["FEEDS_PUBLIC_URL"]
    database_url: str = field(default=DEFAULTS["FEEDS_DATABASE_URL"], repr=False)
    max_age: timedelta | None = None
    rate: Rate = RATE
    trusted_proxies: int = 0
    log_level: str = DEFAULTS["FEEDS_LOG_LEVEL"]
    access_log: bool = False
    metrics_bind: tuple[str, int] | None = None
    """The host and the port of the metrics; None if nothing is counted."""
    confirm_after: timedelta = CONFIRM_AFTER
    """How long answers lack a run or an event before it counts as no longer listed.

    No variable of the environment sets it: only the demo and tests shorten it.
    """


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment; an empty one counts as not set.

    Raises ``SettingsError`` with a line for each invalid setting.
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
        api_key=checked(KEY, lambda _: _read_key(given), ""),
        timezone=checked("FEEDS_TIMEZONE", _check_timezone, ""),
        locale=checked("FEEDS_LOCALE", _check_locale, ""),
        api_url=checked("FEEDS_API_URL", _check_url, ""),
        public_url=checked("FEEDS_PUBLIC_URL", _check_url, ""),
        database_url=checked("FEEDS_DATABASE_URL", _check_database_url, ""),
        max_age=checked("FEEDS_MAX_AGE", _parse_seconds, None),
        rate=checked("FEEDS_UPSTREAM_RATE", _parse_rate, RATE),
        trusted_proxies=checked("FEEDS_TRUSTED_PROXIES", _parse_proxies, 0),
        log_level=checked("FEEDS_LOG_LEVEL", _check_level, ""),
        access_log=checked("FEEDS_ACCESS_LOG", _parse_switch, False),  # noqa: FBT003 - a default
        metrics_bind=checked("FEEDS_METRICS_BIND", _parse_bind, None),
    )
    if faults:
        raise SettingsError(*faults)
    return settings


def read_log_level(environ: Mapping[str, str]) -> str:
    """The level of the log, which is needed before all settings are checked."""
    level = environ.get("FEEDS_LOG_LEVEL", "").strip().lower()
    return level if level in LEVELS else DEFAULTS["FEEDS_LOG_LEVEL"]


def sends_key_in_clear(api_url: str) -> bool:
    """Whether calls leave this machine without encryption."""
    parts = urlsplit(api_url)
    return parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


def find_sqlite_path(database_url: str) -> Path | None:
    """The absolute path of a SQLite database; None for a server."""
    path = database_url.removeprefix("sqlite:///")
    return None if path == database_url else Path(path).absolute()


def find_relative_path(database_url: str) -> Path | None:
    """Where a SQLite database is whose path is relative to the working directory."""
    return None if database_url.startswith("sqlite:////") else find_sqlite_path(database_url)


def find_unknown(environ: Mapping[str, str]) -> list[str]:
    """Names that start with FEEDS_ and are no setting: mostly spelling mistakes."""
    return sorted(name for name in environ if name.startswith("FEEDS_") and name not in NAMED)


def _read_key(given: Mapping[str, str]) -> str:
    if KEY in given and KEY_FILE in given:
        raise ValueError(f"and {KEY_FILE} are both set; set one of them.")
    key = given.get(KEY, "")
    if KEY_FILE in given:
        try:
            key = Path(given[KEY_FILE]).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "that is no text"
            raise ValueError(f"cannot be read from the file of {KEY_FILE}: {reason}.") from None
    if not key:
        raise ValueError(f"is not set; it is the partner API's key, or {KEY_FILE} names its file.")
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("holds a space, a line break or a character that is not ASCII.")
    return key


def _check_timezone(name: str) -> str:
    if not name:
        raise ValueError("is not set; it is the zone of events without a place, Europe/Paris say.")
    if name not in ZONE_NAMES:
        raise ValueError("is no name of the IANA time zone database, such as America/Chicago.")
    return name


def _check_locale(name: str) -> str:
    locale = find_locale(name)
    if locale is None:
        raise ValueError("is no English locale of CLDR, such as en_US, en_GB or en_AU.")
    return locale


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        _check_host(parts.hostname)
    except ValueError:  # half an IPv6 address, or an invalid port
        usable = False
    if not usable or _NOT_IN_ADDRESS.search(url):
        raise ValueError(
            "takes an address such as https://feeds.example.org, without a user or a query."
        )
    return url.rstrip("/")


def _check_host(host: str | None) -> None:
    """Raise ``ValueError`` for a name with a part that is empty or longer than 63 characters.

    Python cannot look such a name up.
    """
    (host or "").encode("idna")


def _check_database_url(url: str) -> str:
    url = _POSTGRES.sub(f"{POSTGRESQL}://", url)
    try:
        parts = sa.make_url(url)
        usable = parts.drivername == POSTGRESQL and parts.database
        _check_host(parts.host)
    except (sa.exc.ArgumentError, ValueError):
        usable = False
    # The first @ ends the password: the driver would take the rest for a host, and name it.
    if url.startswith("postgresql") and url.count("@") > 1:
        raise ValueError("has an @ in its user or password; write %40 for it.")
    path = url.removeprefix("sqlite:///")
    # A database in memory, or with driver parameters, would be another one in each process.
    if not usable and (path in (url, "", ":memory:") or "?" in path):
        raise ValueError(
            "takes sqlite:/// and a path, such as sqlite:///var/feeds.sqlite3, "
            "or postgresql://user:password@host/name."
        )
    return url


def _parse_rate(text: str) -> Rate:
    found = _RATE.fullmatch(text.replace(" ", ""))
    limit = int(found[1]) if found else 0
    burst = int(found[3]) if found and found[3] else min(max(limit // 5, 1), MAX_DEFAULT_BURST)
    if not found or not 1 <= burst <= limit:
        raise ValueError(
            "takes calls for a second, minute, hour or day, and how many of them at once, "
            "such as 100/minute;burst=20 or 100/day."
        )
    return Rate(limit, _WINDOWS[found[2]], burst)


def _parse_proxies(text: str) -> int:
    if not re.fullmatch("[0-9]", text):
        raise ValueError(f"takes the number of proxies in front, from 0 to {MAX_PROXIES}.")
    return int(text)


def _check_level(level: str) -> str:
    if level.lower() not in LEVELS:
        raise ValueError(f"is none of {', '.join(LEVELS)}.")
    return level.lower()


def _parse_switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("takes 1, for yes, or 0.")
    return text == "1"


def _parse_seconds(text: str) -> timedelta | None:
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 86400:  # noqa: PLR2004 - a day
        raise ValueError("takes a number of seconds from 1 to 86400.")
    return timedelta(seconds=int(text))


def _parse_bind(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", text)
    if not found or not 1 <= int(found[2]) <= MAX_PORT:
        raise ValueError("takes an address of this machine and a port, such as 127.0.0.1:9464.")
    return found[1].strip("[]"), int(found[2])

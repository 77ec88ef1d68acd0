"""Databases for tests, of both engines: what holds for one holds for the other."""

from feeds.store.database import Database
from tests.support.factories import NOW

ENGINES = ("sqlite", "postgresql")
API = "https://api.intervals.run"

_in_use: list[Database] = []


def another(url: str) -> Database:
    """The database there, as one more process has it, until the end of the test."""
    _in_use.append(Database(url))
    return _in_use[-1]


def opened(url, *, api=API, fingerprint="first", now=NOW):
    database = another(url)
    database.open(api, fingerprint, now)
    return database


def close_all() -> None:
    """Close all that a test has used: a server's database is dropped after it."""
    while _in_use:
        _in_use.pop().close()

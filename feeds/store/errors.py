"""Errors of the database driver, converted to those of this package."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import ClassVar

import sqlalchemy as sa

from feeds import metrics
from feeds.errors import DatabaseUnusable, StorageUnavailable
from feeds.logs import Outage, Throttle

log = logging.getLogger(__name__)
throttle = Throttle(log, monotonic)
outage = Outage(log, "the database", monotonic)


class Writes:
    """Whether the last write of this process has failed: a full disk can be read all the time.

    A failure counts for five minutes. A process that is not ready may get no polls, and without
    polls it never tries to write again.
    """

    FAILED_FOR: ClassVar = 300.0

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._failed_at = -inf

    def note_failure(self) -> None:
        self._failed_at = monotonic()

    def have_failed(self) -> bool:
        return monotonic() - self._failed_at < self.FAILED_FOR


writes = Writes()

ADVICE = "Check FEEDS_DATABASE_URL, its disk or its server."


@contextmanager
def convert_errors(*, writing: bool = False) -> Iterator[None]:
    """Raise ``StorageUnavailable``."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        if writing:
            writes.note_failure()
        cause = _describe(error)
        if not outage.begin("the database is unavailable: %s. %s", cause, ADVICE):
            throttle.warning(cause, "the database is unavailable: %s", cause)
        if recorder := metrics.get():
            recorder.count_database_error(type(error).__name__)
        raise StorageUnavailable from None
    else:
        if writing:
            writes.clear()
        if not writes.have_failed():
            outage.end()


def _describe(error: sa.exc.SQLAlchemyError) -> str:
    """SQLite's own words, which hold no data; of a server, the kind of the error alone."""
    cause = getattr(error, "orig", None)
    return str(cause) if isinstance(cause, sqlite3.Error) else type(error).__name__


@contextmanager
def convert_startup_errors() -> Iterator[None]:
    """Raise ``DatabaseUnusable`` with the driver's reason in one line."""
    try:
        yield
    except (OSError, sa.exc.SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
        raise DatabaseUnusable(f"FEEDS_DATABASE_URL cannot be used: {reason}.") from None

"""The list of known events, read from the database for all requests of a process."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.model import NEVER, Event
from feeds.errors import StorageUnavailable
from feeds.service.singleflight import BoundedWaitTask
from feeds.store.database import Database

MAX_LISTED = 100
"""Events in the list."""

MAX_COMING = 49_999
"""Events that are not over: a sitemap has 50,000 URLs, and the home page is one."""

COMING_AGE = timedelta(hours=1)
"""How old the list of events that are not over may get."""

MAX_WAIT = 3.0
"""Seconds that a request waits for the database."""


class KnownEvents:
    """The known events; threads may share them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._events: list[Event] | None = None
        self._read_at = NEVER
        self._task = BoundedWaitTask(self._read, MAX_WAIT)
        self._coming: tuple[datetime, Sequence[str]] | None = None
        self._coming_task = BoundedWaitTask(self._read_coming, MAX_WAIT)

    def list(self) -> list[Event]:
        """The known events, the next one first; an older list while the database is unavailable.

        The list is read every two seconds, and after a save here; it is the same object until what
        it holds has changed. Raises ``StorageUnavailable`` if no list was read yet.
        """
        if not self._read_at <= self._clock() < self._read_at + INVALIDATION_INTERVAL:
            self._task.run()
        if self._events is None:
            raise StorageUnavailable
        return self._events

    def invalidate(self) -> None:
        """Have the next ``list`` read the database: an event was saved."""
        self._read_at = NEVER

    def _read(self) -> None:
        now = self._clock()
        with suppress(StorageUnavailable):
            events = self._database.list_events(now, MAX_LISTED)
            if events != self._events:
                self._events = events
        self._read_at = now

    def list_coming(self) -> Sequence[str]:
        """The ids of events that are not over, read from the database once an hour.

        Raises as ``list`` does.
        """
        if self._coming is None or self._clock() - self._coming[0] >= COMING_AGE:
            self._coming_task.run()
        if self._coming is None:
            raise StorageUnavailable
        return self._coming[1]

    def _read_coming(self) -> None:
        now = self._clock()
        with suppress(StorageUnavailable):
            self._coming = now, self._database.list_coming(now, MAX_COMING)

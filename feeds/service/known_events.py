"""The list of known events, read from the database for all requests of a process."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.model import NEVER, Event
from feeds.errors import StorageUnavailable
from feeds.service.singleflight import BoundedWaitTask
from feeds.store.database import Database

MAX_LISTED = 100
"""Events in the list."""

MAX_WAIT = 3.0
"""Seconds that a request waits for the database."""


class KnownEvents:
    """The known events; threads may share them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._events: list[Event] = []
        self._read_at = NEVER
        self._task = BoundedWaitTask(self._read, MAX_WAIT)

    def list(self) -> list[Event]:
        """The known events, the next one first; an older list while the database is unavailable.

        The list is read every two seconds, and after a save here; it is the same object until what
        it holds has changed.
        """
        if not self._read_at <= self._clock() < self._read_at + INVALIDATION_INTERVAL:
            self._task.run()
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

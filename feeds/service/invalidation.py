"""What processes exchange through the database: which events were saved, polled, and are known."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Lock

from cachetools import LRUCache

from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.model import NEVER, Event
from feeds.errors import StorageUnavailable
from feeds.service.singleflight import BoundedWaitTask
from feeds.store.database import Database
from feeds.store.saves import Saves

NOTED_EVERY = timedelta(hours=1)
"""How often a process notes in the database that an event is polled."""

MAX_NOTED = 10_000
"""Events whose last note is remembered; an id has 64 characters at most."""


class Invalidation:
    """Threads may share it; one of them at a time reads."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._noted: LRUCache[str, datetime] = LRUCache(MAX_NOTED)
        self._pending: set[str] = set()
        self._last: Saves | None = None
        self._polled = 0
        self._read_at = self._read_again = 0.0
        self._lock = Lock()

    def count_polled(self) -> int:
        """How many events are polled at present, as of the last ``read``."""
        return self._polled

    def note_poll(self, event_id: str, now: datetime) -> None:
        """Note that an event was polled; the database gets the note with the next ``read``."""
        with self._lock:
            noted = self._noted.get(event_id)
            if noted is None or not noted <= now < noted + NOTED_EVERY:
                self._noted[event_id] = now
                self._pending.add(event_id)

    def is_current(self, now: float) -> bool:
        """Whether the last ``read`` began less than ``INVALIDATION_INTERVAL`` ago (POSIX time)."""
        return self._read_at <= now < self._read_again

    def start_if_due(self) -> bool:
        """Whether it is time to ``read``; True for one caller in each interval."""
        now = self._clock().timestamp()
        with self._lock:
            if self.is_current(now):
                return False
            self._read_at = now
            self._read_again = now + INVALIDATION_INTERVAL.total_seconds()
            return True

    def read(self) -> Saves | None:
        """What was saved since the last ``confirm``; None while the database is unavailable."""
        now = self._clock()
        with self._lock:
            pending = frozenset(self._pending)
        try:
            saves = self._database.read_saves(self._last, now)
            if pending:
                self._database.mark_polled(pending, now)
        except StorageUnavailable:
            return None
        self._polled = saves.polled
        with self._lock:
            self._pending -= pending
        return saves

    def confirm(self, saves: Saves) -> None:
        """Do not read these saves again: the events are invalidated."""
        self._last = saves


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

        The list is read every two seconds, and after a save here; the same object is returned until
        its content changes. Raises ``StorageUnavailable`` if no list was read yet.
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
        now, coming = self._clock(), self._coming
        if coming is None or not coming[0] <= now < coming[0] + COMING_AGE:
            self._coming_task.run()
        if self._coming is None:
            raise StorageUnavailable
        return self._coming[1]

    def _read_coming(self) -> None:
        now = self._clock()
        with suppress(StorageUnavailable):
            self._coming = now, self._database.list_coming(now, MAX_COMING)

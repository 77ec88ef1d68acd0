"""What processes exchange through the database: which events were saved, and which are polled."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from cachetools import LRUCache

from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.errors import StorageUnavailable
from feeds.store.database import Database, Saves

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

"""What a process tells the others, and hears from them: what is polled, what was saved."""

from collections.abc import Callable
from datetime import datetime
from threading import Lock

from feeds.domain.freshness import INVALIDATION_INTERVAL, NOTED_EVERY
from feeds.errors import StorageUnavailable
from feeds.service.recent import Recent
from feeds.store.database import Database, Saves

REMEMBERED = 10_000
"""Events whose last note is remembered."""


class Invalidation:
    """Threads may share it; one of them at a time may look."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._noted: Recent[str, datetime] = Recent(REMEMBERED)
        self._pending: set[str] = set()
        self._revision: int | None = None
        self._looked = self._look_again = 0.0
        self._lock = Lock()

    def note(self, event_id: str, now: datetime) -> None:
        """That an event was polled: the database is told once an hour."""
        noted = self._noted.get(event_id)
        if noted is None or not noted <= now < noted + NOTED_EVERY:
            self._noted.put(event_id, now)
            self._pending.add(event_id)

    def looked(self, now: float) -> bool:
        """Whether somebody has looked of late, or is looking."""
        return self._looked <= now < self._look_again

    def time_to_look(self, now: float) -> bool:
        """Whether it is time to look; who is told so looks, others not before ``LOOK`` is over."""
        with self._lock:
            if self.looked(now):
                return False
            self._looked = now
            self._look_again = now + INVALIDATION_INTERVAL.total_seconds()
            return True

    def look(self) -> Saves | None:
        """What was saved since the last look; none while the database is away."""
        now, pending = self._clock(), frozenset(self._pending)
        try:
            news = self._database.read_saves(self._revision, now)
            if pending:
                self._database.mark_polled(pending, now)
        except StorageUnavailable:
            return None
        self._revision = news.save_number
        self._pending -= pending
        return news

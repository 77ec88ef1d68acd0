"""Calls of the upstream: a lease and a call of the rate limit for each, for all processes."""

from collections.abc import Callable
from datetime import datetime, timedelta

from feeds.domain import freshness
from feeds.domain.quota import Priority, Rate
from feeds.errors import UpstreamError
from feeds.store.database import Database
from feeds.store.leases import HeldByOther, Lease

MAX_ACQUIRE_TIME = timedelta(seconds=1)
"""A lease that took longer to acquire is released: too little of its time is left."""


class Calls:
    """The calls of one upstream; threads may share them. ``rate`` is what the upstream grants."""

    def __init__(self, database: Database, clock: Callable[[], datetime], rate: Rate) -> None:
        self._database = database
        self._clock = clock
        self.rate = rate

    def acquire(
        self, key: str, token: str, priority: Priority
    ) -> Lease | HeldByOther | UpstreamError | None:
        """Take the lease of an event or a part of the catalog, and a call: ``Database.acquire``.

        Raises ``StorageUnavailable``.
        """
        now, quota = self._clock(), self.rate.quota_for(priority)
        acquired = self._database.acquire(key, token, quota, now)
        if isinstance(acquired, Lease) and self._clock() - now > MAX_ACQUIRE_TIME:
            self._database.give_up(acquired, quota)
            return HeldByOther(self._clock())
        return acquired

    def renew(self, lease: Lease, priority: Priority) -> Lease | UpstreamError | None:
        """Take one more call under a lease: ``Database.renew``; raises ``StorageUnavailable``."""
        return self._database.renew(lease, self.rate.quota_for(priority), self._clock())

    def close_upstream(self, error: UpstreamError, now: datetime) -> datetime:
        """Stop the calls of all processes after a refusal; returns when they may go on."""
        closed = freshness.compute_reopening(now, error.retry_at, self.rate.window)
        self._database.close_upstream(closed, error, now, self.rate.window)
        return closed

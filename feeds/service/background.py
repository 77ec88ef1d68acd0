"""Refresh recently polled events before they expire, so that most polls do not wait.

Changes are noticed between polls as well. The nearest events come first; the refresher leaves half
of the rate limit to polls.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from threading import Event as Flag

from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.errors import QuotaExhausted, RateLimited, StorageUnavailable, Unauthorized
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.refresh import MAX_CONCURRENT_REFRESHES, Refresh
from feeds.store.database import Database
from feeds.store.leases import Lease

log = logging.getLogger(__name__)

MAX_ROUND = 60.0
"""Seconds after which a round ends without the calls that have not ended."""

MAX_DUE = 50
"""Events of one round; the next round finds out again which are the nearest."""


class BackgroundRefresher:
    """One process of it is enough; several share the work."""

    def __init__(
        self,
        refresh: Refresh,
        database: Database,
        invalidation: Invalidation,
        clock: Callable[[], datetime],
    ) -> None:
        self._refresh = refresh
        self._database = database
        self._invalidation = invalidation
        self._clock = clock
        self._closed_until: datetime | None = None

    def run(self, ends: Flag) -> None:
        """Run round after round until the flag is set, then wait for the calls under way."""
        with ThreadPoolExecutor(MAX_CONCURRENT_REFRESHES) as threads:
            while not ends.is_set():
                self.run_round(threads, ends)
                ends.wait(self._compute_pause())

    def run_round(self, threads: ThreadPoolExecutor, ends: Flag) -> None:
        """Refresh the events that are due now, until the flag is set or calls are refused."""
        if saves := self._invalidation.read():  # the number of polled events stretches max-age
            self._invalidation.confirm(saves)
        try:
            due = self._database.list_due(self._clock(), MAX_DUE)
        except StorageUnavailable:
            return
        calls = [threads.submit(self._refresh_unless_stopped, id_, ends) for id_ in due]
        _, late = wait(calls, MAX_ROUND)
        for call in late:  # a call that hangs holds its thread, but not the next round
            call.cancel()

    def _refresh_unless_stopped(self, event_id: str, ends: Flag) -> None:
        if not ends.is_set():
            self.refresh_event(event_id)

    def refresh_event(self, event_id: str) -> None:
        """Refresh an event, unless another process does or no call can be made."""
        if self._closed_until and self._clock() < self._closed_until:
            return
        self._closed_until = None
        try:
            entry = self._refresh.read(event_id)
            acquired = self._refresh.acquire(event_id, entry, polled=False)
            if isinstance(acquired, Lease):
                acquired = self._refresh.fetch(acquired, entry, polled=False)
        except StorageUnavailable:
            return
        except Exception:  # a bug with one event must not keep the others waiting
            log.exception("event %s cannot be refreshed", event_id)
            return
        error = acquired.error if isinstance(acquired, CacheEntry) else None
        if isinstance(error, QuotaExhausted | RateLimited | Unauthorized):
            self._closed_until = error.retry_at

    def _compute_pause(self) -> float:
        """Seconds until the next round."""
        now, pause = self._clock(), INVALIDATION_INTERVAL
        if self._closed_until and self._closed_until > now:
            pause = min(pause, self._closed_until - now)
        return pause.total_seconds()

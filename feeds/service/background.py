"""Keeps those events fresh that are polled, so that most polls never wait.

A change is noticed between polls as well. The nearest come first; what it may spend leaves polls
the half of the budget.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event as Flag

from feeds.domain.freshness import INVALIDATION_INTERVAL, MAX_CONCURRENT_REFRESHES
from feeds.errors import QuotaExhausted, RateLimited, StorageUnavailable, Unauthorized
from feeds.service.refresh import Refresh
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease

log = logging.getLogger(__name__)

LISTED = 50
"""Events of one round; the next round sees which are the nearest by then."""


class BackgroundRefresher:
    """One process of it is enough; more share the work."""

    def __init__(
        self,
        editor: Updater,
        reporter: Refresh,
        database: Database,
        clock: Callable[[], datetime],
    ) -> None:
        self._editor = editor
        self._reporter = reporter
        self._database = database
        self._clock = clock
        self._closed: datetime | None = None

    def run(self, ends: Flag) -> None:
        """One round after the other until the flag is set; what is in flight is awaited."""
        with ThreadPoolExecutor(MAX_CONCURRENT_REFRESHES) as threads:
            while not ends.is_set():
                self.round(threads, ends)
                ends.wait(self._pause())

    def round(self, threads: ThreadPoolExecutor, ends: Flag) -> None:
        """Refresh what is due now, until the flag is set or no call can be made."""
        now = self._clock()
        try:
            self._editor.polled = self._database.read_saves(None, now).polled
            due = self._database.list_due(now, LISTED)
        except StorageUnavailable:
            return
        list(threads.map(lambda id_: None if ends.is_set() else self.refresh(id_), due))

    def _pause(self) -> float:
        """Seconds until there may be something to do."""
        now = self._clock()
        wait = self._closed - now if self._closed and self._closed > now else INVALIDATION_INTERVAL
        return min(wait, INVALIDATION_INTERVAL).total_seconds()

    def refresh(self, event_id: str) -> None:
        """Refresh an event, unless somebody else does or no call can be made."""
        if self._closed and self._clock() < self._closed:
            return
        self._closed = None
        try:
            known = self._reporter.stored(event_id).edition
            claimed = self._reporter.claim(event_id, known, polled=False)
            if isinstance(claimed, Lease):
                claimed = self._reporter.report(claimed, known, polled=False)
        except StorageUnavailable:
            return
        except Exception:  # a fault of ours with one event must not keep the others waiting
            log.exception("event %s cannot be refreshed", event_id)
            return
        error = getattr(claimed, "error", None)
        if isinstance(error, QuotaExhausted | RateLimited | Unauthorized):
            self._closed = error.retry_at

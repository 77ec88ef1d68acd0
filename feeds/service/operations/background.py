"""Refresh recently polled events before they expire, so that most polls do not wait.

Changes are noticed between polls as well. The nearest events come first; the refresher leaves half
of the rate limit to polls. The lists of polled collections are refreshed, too, and those of their
members are fetched that have no edition yet, or that are gone but listed.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Event as Flag
from time import monotonic

from feeds.domain.catalog import EventList
from feeds.domain.freshness import INVALIDATION_INTERVAL, POLLED_WITHIN, compute_refresh_time
from feeds.domain.model import NEVER
from feeds.domain.quota import Priority
from feeds.errors import (
    FeedsError,
    QuotaExhausted,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
)
from feeds.service.collections.entry import CatalogEntry, is_outage
from feeds.service.collections.refresh import CatalogRefresh
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.refresh import MAX_CONCURRENT_REFRESHES, Refresh
from feeds.store.database import Database
from feeds.store.leases import Lease

log = logging.getLogger(__name__)

MAX_ROUND = 60.0
"""Seconds after which a round ends without the calls that have not ended."""

CHECK_INTERVAL = 0.5
"""Seconds between two looks at whether a round is to end."""

NOTE_INTERVAL = timedelta(minutes=1)
"""How often the refresher stores that it runs, for ``health``."""

MAX_DUE = 50
"""Events of one round; the next round finds out again which are the nearest."""


class BackgroundRefresher:
    """Refreshes what was polled, in rounds. One process is enough; several share the work."""

    def __init__(
        self,
        refresh: Refresh,
        catalog: CatalogRefresh,
        database: Database,
        invalidation: Invalidation,
        clock: Callable[[], datetime],
    ) -> None:
        self._refresh = refresh
        self._catalog = catalog
        self._database = database
        self._invalidation = invalidation
        self._clock = clock
        # When a call was refused, and until when no further one is made.
        self._closed = NEVER, NEVER
        self._noted_at = NEVER
        # When a call for a listed event found no readable document, or failed for a gone event.
        self._unreadable: dict[str, datetime] = {}

    def run(self, ends: Flag) -> None:
        """Run round after round until the flag is set, then wait for the calls under way.

        The end is stored before that wait: a call may hang, and the process may be killed.
        """
        with ThreadPoolExecutor(MAX_CONCURRENT_REFRESHES) as threads:
            while not ends.is_set():
                self._note_running()
                self.run_round(threads, ends)
                ends.wait(self._compute_pause())
            with suppress(StorageUnavailable):
                self._database.overview.note_refresher(None)

    def run_round(self, threads: ThreadPoolExecutor, ends: Flag) -> None:
        """Refresh what is due now, until the flag is set or calls are refused.

        First the lists of polled collections, then events, then members without an edition, and
        those that may be published again.
        """
        if saves := self._invalidation.read():  # the number of polled events stretches max-age
            self._invalidation.confirm(saves)
        now = self._clock()
        try:
            names = self._database.list_polled_parts(now - POLLED_WITHIN)
            lists = {name: self._catalog.read(name) for name in names}
            due = self._database.list_due(now, MAX_DUE)
            unread = self._list_unread(lists, now) if lists else []
        except StorageUnavailable:
            return
        tasks: list[Callable[[], object]] = [
            partial(self._refresh_list, name, entry)
            for name, entry in lists.items()
            if _is_due(entry, now)
        ]
        tasks += (partial(self.refresh_event, id_) for id_ in due)
        tasks += (partial(self.refresh_event, id_) for id_ in unread[: MAX_DUE - len(due)])
        calls = [threads.submit(self._run_unless_stopped, task, ends) for task in tasks]
        late, end = set(calls), monotonic() + MAX_ROUND
        while late and (left := end - monotonic()) > 0 and not ends.is_set():
            _, late = wait(late, min(left, CHECK_INTERVAL))
        for call in late:  # a call that hangs holds its thread, but not the next round
            call.cancel()

    def _note_running(self) -> None:
        """Store that this process runs, once a minute."""
        now = self._clock()
        if self._noted_at <= now < self._noted_at + NOTE_INTERVAL:
            return
        with suppress(StorageUnavailable):
            self._database.overview.note_refresher(now)
            self._noted_at = now

    def _list_unread(self, lists: Mapping[str, CatalogEntry], now: datetime) -> list[str]:
        """The members without an edition, and the gone members that the list contains.

        The next events come first. An event that does not exist, or cannot be read, is fetched
        again after a newer list.
        """
        found: dict[str, None] = {}
        stored, gone = self._database.list_ends(NEVER), self._database.list_gone(now)
        for entry in lists.values():
            part = entry.part
            if part is None or not isinstance(part.value, EventList):
                continue
            for listed in part.value.items:
                if listed.id not in stored:
                    asked = self._unreadable.get(listed.id, NEVER)
                elif listed.id in gone and listed.id not in part.value.missing:
                    asked = max(gone[listed.id], self._unreadable.get(listed.id, NEVER))
                else:
                    continue
                if not part.fetched <= asked <= now:  # the clock may have been set back
                    found[listed.id] = None
        return list(found)

    def _run_unless_stopped(self, task: Callable[[], object], ends: Flag) -> None:
        if not (self._find_reopening(self._clock()) or ends.is_set()):
            task()

    def _refresh_list(self, name: str, entry: CatalogEntry) -> None:
        """Refresh a list, unless another process does or no call can be made."""
        try:
            found = self._catalog.refresh(name, entry, Priority.REFRESHER)
        except StorageUnavailable:
            return
        if isinstance(found, CatalogEntry):
            self._note(found.error)

    def refresh_event(self, event_id: str) -> None:
        """Refresh an event, unless another process does or no call can be made."""
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
        if not isinstance(acquired, CacheEntry):
            return
        self._note(acquired.error)
        if acquired.edition:  # a gone event is fetched once for each list
            is_unreadable = acquired.failed and acquired.edition.gone is not None
        else:
            is_unreadable = not is_outage(acquired.error)
        if is_unreadable:
            self._unreadable[event_id] = self._clock()

    def _note(self, error: FeedsError | None) -> None:
        """Make no further call for as long as an error concerns all of them."""
        if isinstance(error, QuotaExhausted | RateLimited | Unauthorized):
            now = self._clock()
            self._closed = now, error.retry_at or now

    def _find_reopening(self, now: datetime) -> datetime | None:
        """When calls may be made again; None if now, or if the clock was set back."""
        since, until = self._closed
        return until if since <= now < until else None

    def _compute_pause(self) -> float:
        """Seconds until the next round."""
        now, pause = self._clock(), INVALIDATION_INTERVAL
        if reopening := self._find_reopening(now):
            pause = min(pause, reopening - now)
        return pause.total_seconds()


def _is_due(entry: CatalogEntry, now: datetime) -> bool:
    """Whether a list expires soon; False for a list that was never fetched."""
    part = entry.part
    return part is not None and compute_refresh_time(part.fetched, part.due) <= now

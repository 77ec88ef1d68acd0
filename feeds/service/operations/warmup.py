"""Fill a database with events before their first poll, as fast as the rate limit allows."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Event as Flag

from msgspec import Struct, field

from feeds.domain.catalog import EVENTS, EventList
from feeds.domain.quota import Priority
from feeds.errors import (
    EventNotFound,
    InvalidResponse,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Stopped,
)
from feeds.service.collections.refresh import CatalogRefresh
from feeds.service.entry import CacheEntry
from feeds.service.refresh import Refresh
from feeds.store.leases import HeldByOther, Lease

POLL_INTERVAL = timedelta(seconds=0.2)
"""How often the warm-up looks whether another process has refreshed an event."""

MAX_PAUSE = timedelta(seconds=5)
"""How long a list waits for the call of its next page without looking again."""


OnWait = Callable[[datetime], object]


def _ignore(_: datetime) -> None:
    """Report nothing."""


class Tally(Struct):
    """The ids by outcome, and the number of calls that were made.

    One call was made before the warm-up started: for the organization of the key.
    """

    fetched: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    calls: int = 1


class Warmup:
    """Fetches events that are not stored.

    ``ends`` stops the work. Methods raise ``Stopped`` then, and any error that would meet the next
    event as well. They call ``on_wait`` with the time before which no call can be made.
    """

    def __init__(
        self,
        refresh: Refresh,
        catalog: CatalogRefresh,
        *,
        clock: Callable[[], datetime],
        ends: Flag,
    ) -> None:
        self._refresh = refresh
        self._catalog = catalog
        self._clock = clock
        self._ends = ends
        self.tally = Tally()

    def list_ids(self, on_wait: OnWait = _ignore) -> Sequence[str]:
        """The ids of the events of the organization's collection, the next ones first.

        The list is fetched anew, and stored for the web processes.
        """
        known = self._catalog.read(EVENTS)
        while True:
            self._check()
            found = self._catalog.refresh(
                EVENTS, known, Priority.REFRESHER, partial(self._wait_for_call, on_wait)
            )
            if isinstance(found, HeldByOther):
                self._wait(self._clock() + POLL_INTERVAL, on_wait)
            elif isinstance(found.error, QuotaExhausted):
                self._wait(found.until, on_wait)
            elif found.error or found.part is None:
                raise found.error or InvalidResponse
            else:
                break
        self.tally.calls += found.part.pages
        value = found.part.value
        return [each.id for each in value.items] if isinstance(value, EventList) else []

    def _wait_for_call(self, on_wait: OnWait, until: datetime) -> bool:
        """Wait for the call of the next page; the lease of the list must not end meanwhile."""
        soon = self._clock() + MAX_PAUSE
        self._wait(min(until, soon), on_wait)
        return True

    def fetch(self, event_id: str, on_wait: OnWait = _ignore) -> None:
        """Store an event, if the upstream has it, and count the outcome."""
        self._check()
        entry = self._refresh.read(event_id)
        if entry.edition:
            self.tally.stored.append(event_id)
            return
        entry = self._wait_and_fetch(event_id, entry, on_wait)
        if entry.edition:
            self.tally.fetched.append(event_id)
        elif isinstance(entry.error, EventNotFound):
            self.tally.unknown.append(event_id)
        elif isinstance(entry.error, InvalidResponse | Rejected):
            self.tally.unreadable.append(event_id)
        elif entry.error:
            raise entry.error

    def _wait_and_fetch(self, event_id: str, known: CacheEntry, on_wait: OnWait) -> CacheEntry:
        """The result for an event that was not stored, as soon as a call can be made."""
        while True:
            acquired = self._refresh.acquire(event_id, known, polled=False)
            if isinstance(acquired, Lease):
                self.tally.calls += 1
                acquired = self._refresh.fetch(acquired, known, polled=False)
            if isinstance(acquired, HeldByOther):
                self._wait(self._clock() + POLL_INTERVAL, on_wait)
            elif isinstance(acquired.error, QuotaExhausted | RateLimited):
                self._wait(acquired.until, on_wait)
            else:
                return acquired

    def _wait(self, until: datetime, on_wait: OnWait) -> None:
        """Wait, and report waits of more than a second."""
        seconds = (until - self._clock()).total_seconds()
        if seconds > 1:
            on_wait(until)
        self._ends.wait(max(0, seconds))
        self._check()

    def _check(self) -> None:
        if self._ends.is_set():
            raise Stopped

"""Fill a database with events before their first poll, as fast as the rate limit allows."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from threading import Event as Flag

from msgspec import Struct, field

from feeds.domain.quota import Priority, Rate
from feeds.errors import (
    EventNotFound,
    InvalidResponse,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Stopped,
    Unauthorized,
)
from feeds.service.entry import CacheEntry
from feeds.service.refresh import Refresh
from feeds.store.database import Database
from feeds.store.leases import HeldByOther, Lease
from feeds.upstream.client import IntervalsClient, ListedEvent

POLL_INTERVAL = timedelta(seconds=0.2)
"""How often the warm-up looks whether another process has refreshed an event."""


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
        source: IntervalsClient,
        refresh: Refresh,
        database: Database,
        rate: Rate,
        *,
        clock: Callable[[], datetime],
        ends: Flag,
    ) -> None:
        self._source = source
        self._refresh = refresh
        self._database = database
        self._quota = rate.quota_for(Priority.REFRESHER)
        self._clock = clock
        self._ends = ends
        self.tally = Tally()

    def list_ids(self, on_wait: OnWait = _ignore) -> Sequence[str]:
        """The ids of all events of the organization: the next ones first, then the latest."""
        today = self._clock().date()

        def sort_key(event: ListedEvent) -> tuple[bool, int]:
            days = ((event.day or date.min) - today).days
            return (days < 0, abs(days))

        return [event.id for event in sorted(self._read_pages(on_wait), key=sort_key)]

    def _read_pages(self, on_wait: OnWait) -> Iterator[ListedEvent]:
        seen: set[str] = set()
        after = None
        while True:
            while refusal := self._database.spend_call(self._quota, self._clock()):
                self._wait(refusal.retry_at or self._clock() + POLL_INTERVAL, on_wait)
            self._check()
            self.tally.calls += 1
            try:
                page = self._source.fetch_page(after)
            except (RateLimited, Unauthorized) as error:
                self._refresh.close_upstream(error, self._clock())
                raise
            new = [event for event in page.events if event.id not in seen]
            yield from new
            seen.update(event.id for event in new)
            if page.after is None or not new:  # a list that repeats itself would have no end
                return
            after = page.after

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

"""Refresh one part of the catalog: take its lease, fetch all pages, store the list or the failure.

A list that fails in the middle of its pages changes nothing. Whatever the upstream does, the last
good list stays until there is a newer one.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from msgspec import Struct, field, structs

from feeds.domain import catalog
from feeds.domain.catalog import (
    LISTED_AGE,
    EventList,
    GroupList,
    Nothing,
    RecurrenceList,
    Value,
)
from feeds.domain.freshness import FAILURE_CACHED_FOR, MAX_CLOCK_SKEW
from feeds.domain.history.delisting import UNLISTED_SHOWN_FOR
from feeds.domain.quota import Priority
from feeds.errors import (
    Forbidden,
    InvalidResponse,
    QuotaExhausted,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
    UpstreamError,
    UpstreamTimeout,
)
from feeds.logs import Throttle
from feeds.service.calls import Calls
from feeds.service.collections.entry import CatalogEntry
from feeds.service.refresh import ADVICE
from feeds.service.update import Source
from feeds.store.catalog import Part
from feeds.store.database import Database
from feeds.store.leases import HeldByOther, Lease
from feeds.upstream.http import DEADLINE
from feeds.upstream.lists import decode_events, decode_groups
from feeds.upstream.recurrences import decode_recurrences

log = logging.getLogger(__name__)

MAX_PAGES = 200
"""Pages of a list; one that has more is not understood."""

MAX_WAIT_FOR_CALL = 5.0
"""Seconds that a list waits for the call of its next page, once the first page is there."""

ASKED_AGAIN_AFTER = timedelta(hours=1)
"""When to ask again for a part that is asked for once a day, after a failure."""

SCOPES = {
    catalog.ORGANIZATION: ("read:series", "pages do not name the organization"),
    catalog.GROUPS: ("read:groups", "groups have no feeds"),
    catalog.RECURRENCES: ("read:recurrences", "pages do not tell how often run clubs meet"),
}
"""The scope that a part of the catalog needs, and what happens without it."""


class PagesRead(Struct):
    """The pages of a list that were read so far: when the first was read, items and cursors."""

    since: datetime
    items: list[Any] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)


Wait = Callable[[datetime], bool]
"""Waits until a call can be made at this time, or for a part of that time; False to give up."""


class CatalogRefresh:
    """Refreshes the parts of the catalog; threads may share it."""

    def __init__(
        self,
        source: Source,
        calls: Calls,
        database: Database,
        clock: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._calls = calls
        self._database = database
        self._clock = clock
        self._throttle = Throttle(log, lambda: clock().timestamp())
        self._forbidden: set[str] = set()
        # Pages that were read before the budget had no call left. A small budget never has all the
        # calls of a list at once.
        self._begun: dict[str, PagesRead] = {}

    def read(self, name: str, last: CatalogEntry | None = None) -> CatalogEntry:
        """The part that was saved last; that of ``last`` if the database has none.

        Raises ``StorageUnavailable``.
        """
        part, now = self._database.read_part(name), self._clock()
        if part is None:
            lost = structs.replace(last.part, token="") if last and last.part else None
            return CatalogEntry(now, now, lost)
        plausible = part.fetched - MAX_CLOCK_SKEW <= now  # else the clock was set back
        return CatalogEntry(now, part.due if plausible else now, part)

    def refresh(
        self, name: str, known: CatalogEntry, priority: Priority, wait: Wait | None = None
    ) -> CatalogEntry | HeldByOther:
        """The part after a call for each of its pages; ``HeldByOther`` while another process asks.

        ``wait`` waits for the calls of further pages. Raises ``StorageUnavailable``.
        """
        token = known.part.token if known.part else ""
        acquired = self._calls.acquire(name, token, priority)
        match acquired:
            case HeldByOther():
                return acquired
            case UpstreamError():
                return self._keep(known, acquired)
            case None:
                return self.read(name, known)
            case Lease():
                return self._fetch(acquired, known, priority, wait or self._build_wait())

    def store(self, name: str, value: Value) -> None:
        """Store what the upstream has answered already; raises ``StorageUnavailable``."""
        now = self._clock().replace(microsecond=0)
        due = catalog.compute_due(value, now, 0, self._calls.rate)
        self._database.save_part(Part(name, "", value, now, now, due))

    def _build_wait(self) -> Wait:
        """Wait for a few seconds in all."""
        end = monotonic() + MAX_WAIT_FOR_CALL

        def wait(until: datetime) -> bool:
            left = (until - self._clock()).total_seconds()
            if monotonic() + left > end:
                return False
            sleep(max(0.0, left))
            return True

        return wait

    def _fetch(
        self, lease: Lease, known: CatalogEntry, priority: Priority, wait: Wait
    ) -> CatalogEntry | HeldByOther:
        try:
            return self._fetch_and_save(lease, known, priority, wait)
        except UpstreamError as error:
            return self._fail(lease, error, known)
        except StorageUnavailable:
            raise
        except Exception:  # a bug must not keep the part leased
            log.exception("the list %s cannot be refreshed", lease.key)
            return self._fail(lease, InvalidResponse(), known)

    def _fetch_and_save(
        self, lease: Lease, known: CatalogEntry, priority: Priority, wait: Wait
    ) -> CatalogEntry | HeldByOther:
        name, last, at = lease.key, known.part, lease.at.replace(microsecond=0)
        try:
            value, pages = self._ask(lease, last.value if last else None, priority, wait)
        except Forbidden:
            if name == catalog.EVENTS:
                raise
            self._log_forbidden(name)
            value, pages = (last.value if last else Nothing()), 1
            if isinstance(value, RecurrenceList):  # a refusal is no answer that could lack one
                value = structs.replace(value, missing={})
        is_same = last is not None and _get_items(last.value) == _get_items(value)
        all_pages = pages + self._database.count_pages(name)
        due = catalog.compute_due(value, at, all_pages, self._calls.rate)
        part = self._database.save_part(
            Part(
                name=name,
                token="",
                value=value,
                fetched=at,
                changed=last.changed if last and is_same else at,
                due=due,
                pages=pages,
                served=last.served if last else False,
            ),
            lease,
        )
        return CatalogEntry(self._clock(), due, part) if part else HeldByOther(self._clock())

    def _ask(
        self, lease: Lease, last: Value | None, priority: Priority, wait: Wait
    ) -> tuple[Value, int]:
        """The value after the upstream's answer, and the number of calls."""
        name, at = lease.key, lease.at.replace(microsecond=0)
        if name == catalog.ORGANIZATION:
            return self._source.fetch_organization(DEADLINE), 1
        items, pages = self._fetch_pages(lease, priority, wait)
        if name == catalog.RECURRENCES:
            recurring = last if isinstance(last, RecurrenceList) else None
            return catalog.list_recurrences(recurring, decode_recurrences(items), at), pages
        if name == catalog.GROUPS:
            known = last if isinstance(last, GroupList) else None
            return catalog.list_groups(known, decode_groups(items), at), pages
        members = last if isinstance(last, EventList) else None
        make = catalog.list_members if name == catalog.EVENTS else catalog.list_group_members
        ends = self._database.list_ends(at - UNLISTED_SHOWN_FOR)
        return make(members, decode_events(items), self._list_series(), ends, at), pages

    def _list_series(self) -> Collection[str]:
        part = self._database.read_part(catalog.RECURRENCES)
        return part.value.items if part and isinstance(part.value, RecurrenceList) else ()

    def _fetch_pages(self, lease: Lease, priority: Priority, wait: Wait) -> tuple[list[Any], int]:
        """All items of a list, and the number of its pages.

        Raises ``InvalidResponse`` if its pages do not end.
        """
        path = lease.key
        begun = self._begun.pop(path, None)
        if begun is None or lease.at - begun.since > max(LISTED_AGE, self._calls.rate.window):
            begun = PagesRead(lease.at)
        while len(begun.cursors) < MAX_PAGES:
            page = self._source.fetch_page(path, begun.cursors[-1] if begun.cursors else None)
            begun.items += page.items
            if page.after is None:
                return begun.items, len(begun.cursors) + 1
            if page.after in begun.cursors:  # pages that go in circles
                break
            begun.cursors.append(page.after)
            try:
                self._take_next_call(lease, priority, wait)
            except QuotaExhausted:
                self._begun[path] = begun
                raise
        raise InvalidResponse

    def _take_next_call(self, lease: Lease, priority: Priority, wait: Wait) -> None:
        """Take the call of the next page, and begin the lease anew."""
        while True:
            match self._calls.renew(lease, priority):
                case None:  # another process has the lease
                    raise UpstreamTimeout
                case UpstreamError() as refusal:
                    if not wait(refusal.retry_at or self._clock()):
                        raise refusal
                case Lease():
                    return

    def _fail(
        self, lease: Lease, error: UpstreamError, known: CatalogEntry
    ) -> CatalogEntry | HeldByOther:
        """Store why a call failed; all processes wait with the next one.

        ``HeldByOther`` if another process has the lease: what that one has asked for is newer.
        """
        now = self._clock()
        retry = now + FAILURE_CACHED_FOR
        advice = ADVICE.get(type(error), "")
        self._throttle.warning(type(error).__name__, "list %s: %s%s", lease.key, error, advice)
        if isinstance(error, RateLimited | Unauthorized):
            error = error.copy(retry_at=self._calls.close_upstream(error, now))
        retry = min(retry, error.retry_at or retry)
        if not self._database.fail(lease, error, retry):
            return HeldByOther(now)
        if lease.key in catalog.SELDOM:
            retry = self._postpone(lease.key, known.part, now)
        return structs.replace(known, since=now, until=retry, error=error.copy(retry_at=retry))

    def _postpone(self, name: str, part: Part | None, now: datetime) -> datetime:
        """Postpone the next request for a part that is fetched once a day; returns its time."""
        due = now.replace(microsecond=0) + ASKED_AGAIN_AFTER
        known = part or Part(name, "", Nothing(), now, now, due, pages=0)
        self._database.save_part(structs.replace(known, due=due))
        return due

    def _keep(self, known: CatalogEntry, error: UpstreamError) -> CatalogEntry:
        """The known part with the error for which it is not asked for."""
        now = self._clock()
        retry = min(now + FAILURE_CACHED_FOR, error.retry_at or now + FAILURE_CACHED_FOR)
        return structs.replace(known, since=now, until=retry, error=error.copy(retry_at=retry))

    def _log_forbidden(self, name: str) -> None:
        """Log once which scope is missing."""
        part = name if name in SCOPES else catalog.GROUPS
        if part not in self._forbidden:
            self._forbidden.add(part)
            message = "INTERVALS_PARTNER_API_KEY lacks the scope %s: %s"
            log.warning(message, *SCOPES[part])


def _get_items(value: Value) -> object:
    """The items of a value, without the counts of what answers lacked."""
    return getattr(value, "items", value)

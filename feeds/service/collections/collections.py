"""The current state of a collection: its list, and the editions of its members."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic, sleep

from msgspec import Struct, structs

from feeds.domain import catalog
from feeds.domain.catalog import EventList, Group, ListedEvent
from feeds.domain.entries import Timetable
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.history.delisting import has_ended_as_gone
from feeds.domain.model import Edition
from feeds.domain.options import Options
from feeds.errors import (
    CollectionIncomplete,
    EventNotFound,
    FeedsError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.service.admission import Bulkhead
from feeds.service.collections.catalog import Catalog
from feeds.service.editions import MAX_WAIT, MAX_WAIT_COLD, POLL_INTERVAL, Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.singleflight import Flight, Singleflight
from feeds.store.catalog import Part
from feeds.store.database import Database

log = logging.getLogger(__name__)

MAX_REFRESHES = 3
"""Members that one poll has refreshed."""

MIN_MAX_AGE = timedelta(minutes=1)
"""The shortest max-age of a collection."""

REQUIRED_WITHIN = timedelta(days=28)
"""A collection is served once all members that start within this time have an edition."""

MAX_FLIGHTS = 16
"""Collections that are composed at a time."""

RETRY_AFTER = timedelta(seconds=10)
"""When clients are asked to come again while members lack an edition."""

MAX_WAIT_FOR_CALL = 10.0
"""Seconds that the filling of a collection waits for a call of the rate limit."""

FILLED_AT_A_TIME = 4
"""Members without an edition that are fetched at a time."""

_OUTAGES = (
    UpstreamTimeout
    | UpstreamUnavailable
    | QuotaExhausted
    | RateLimited
    | Unauthorized
    | Overloaded
    | StorageUnavailable
)
"""Errors that say nothing about an event: it may be readable in a minute."""


class Content(Struct, frozen=True, weakref=True):
    """What a collection shows: its members that have an edition, as of ``listed``.

    ``listed`` is when the list changed last, ``group`` is None for the whole organization.
    """

    group: Group | None
    timetables: tuple[Timetable, ...]
    listed: datetime

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the editions: equal tokens have equal editions."""
        return tuple(timetable.edition.token for timetable in self.timetables)


class CollectionEntry(Struct, frozen=True, weakref=True):
    """A collection from ``since`` until ``until`` (UTC), or until ``version`` has changed.

    ``lacking`` are the members that have no edition yet and start within ``REQUIRED_WITHIN``, out
    of ``required``.
    """

    since: datetime
    until: datetime
    version: tuple[int, int]
    content: Content
    lacking: tuple[ListedEvent, ...] = ()
    required: int = 0

    @property
    def expires(self) -> float:
        """When clients need a newer one, in POSIX time."""
        return self.until.timestamp()


class Collections:
    """The collections of an organization, for all requests of a process; threads may share it."""

    def __init__(
        self,
        catalog_: Catalog,
        editions: Editions,
        database: Database,
        invalidation: Invalidation,
        clock: Callable[[], datetime],
        *,
        bulkhead: Bulkhead,
    ) -> None:
        self._catalog = catalog_
        self._editions = editions
        self._database = database
        self._invalidation = invalidation
        self._clock = clock
        self._bulkhead = bulkhead
        self._entries: dict[str, CollectionEntry] = {}
        self._served: set[str] = set()
        self._lock = Lock()
        self._flights: Singleflight[CollectionEntry | FeedsError] = Singleflight(MAX_FLIGHTS)
        self._fills: Singleflight[None] = Singleflight(limit=1)

    def get(self, slug: str | None = None, options: Options = Options()) -> CollectionEntry:  # noqa: B008 - frozen
        """The collection of a group, or of the organization, to serve now.

        1. Find the list in the catalog, and the editions of its members in memory and storage.
        2. Refresh up to three members that have expired, the next one first; wait 3 s for them.
        3. Have all members without an edition fetched, in the background.
        4. Serve what there is, once all members that start within 28 days had an edition.

        ``options`` tell which members matter. Raises ``EventNotFound`` for an unknown group and if
        no event that the options name is known, ``CollectionIncomplete`` while members lack an
        edition, and the error for which there is no list.
        """
        self._editions.catch_up()
        group = self._catalog.find_group(slug) if slug else None
        name = catalog.build_group_part(slug) if slug else catalog.EVENTS
        entry = self._get_fresh(name) or self._compose(name, group)
        self._invalidation.note_poll(name, self._clock())
        for timetable in entry.content.timetables:
            self._invalidation.note_poll(timetable.edition.event.id, self._clock())
        self._check(name, entry, options)
        return entry

    def holds(self, name: str, entry: CollectionEntry | None, now: float) -> bool:
        """Whether ``get`` would answer with this entry at ``now`` (POSIX time)."""
        return (
            entry is not None
            and self._invalidation.is_current(now)
            and self._entries.get(name) is entry
            and entry.version == (self._editions.version, self._catalog.version)
        )

    def _get_fresh(self, name: str) -> CollectionEntry | None:
        entry = self._entries.get(name)
        if entry is None or not entry.since <= self._clock() < entry.until:
            return None
        return entry if entry.version == self._read_version() else None

    def _read_version(self) -> tuple[int, int]:
        return self._editions.version, self._catalog.version

    def _check(self, name: str, entry: CollectionEntry, options: Options) -> None:
        """Raise the error for which a collection cannot be served with these options."""
        chosen = [each for each in entry.lacking if not options.event or each.id in options.event]
        if chosen and name not in self._served:
            read = entry.required - len(entry.lacking)
            raise CollectionIncomplete(
                f"{read} of {entry.required} events are read so far. Try again in a minute.",
                retry_at=self._clock() + RETRY_AFTER,
            )
        if name not in self._served and not entry.lacking:
            with self._lock:
                self._served.add(name)

    def _compose(self, name: str, group: Group | None) -> CollectionEntry:
        """The collection as of now; an older one if that takes longer than ``MAX_WAIT``."""
        started = monotonic()
        flight = self._flights.join(name, lambda flight: self._run(name, group, flight))
        result: CollectionEntry | FeedsError | None = None
        if flight is not None:
            wait = MAX_WAIT if name in self._entries else MAX_WAIT_COLD
            self._bulkhead.wait(flight.wait, started + wait)
            result = flight.result
        if isinstance(result, CollectionEntry):
            return result
        if last := self._entries.get(name):
            return last
        if result:
            raise result.copy()
        raise Overloaded if flight is None or self._bulkhead.is_full() else UpstreamTimeout

    def _run(
        self, name: str, group: Group | None, flight: Flight[CollectionEntry | FeedsError]
    ) -> CollectionEntry | FeedsError:
        try:
            return self._compose_now(name, group, flight.began + MAX_WAIT)
        except FeedsError as error:
            return error.copy()

    def _compose_now(self, name: str, group: Group | None, end: float) -> CollectionEntry:
        part = self._catalog.get(name).part
        assert part is not None and isinstance(part.value, EventList)  # noqa: PT018, S101 - by the catalog
        members, version = part.value, self._read_version()
        entries = self._editions.read_many([each.id for each in members.items])
        stale = self._choose_stale(members, entries, part)
        if stale:
            self._refresh(stale, end)
            version = self._read_version()
            entries = self._editions.read_many([each.id for each in members.items])
        unseen = [each for each in members.items if not _get_edition(entries.get(each.id))]
        if unseen:
            self._fills.join("", lambda _: self._fill([each.id for each in unseen]))
        if part.served:
            self._served.add(name)
        entry = self._build_entry(members, entries, part, group, version)
        with self._lock:
            last = self._entries.get(name)
            if last and _is_same(last.content, entry.content):
                entry = structs.replace(entry, content=last.content)
            self._entries[name] = entry
        if not entry.lacking and not part.served:
            self._database.mark_served(name)
        return entry

    def _choose_stale(
        self, members: EventList, entries: dict[str, CacheEntry], part: Part
    ) -> list[str]:
        """The members that need a refresh most: the next ones, of those that have an edition.

        A member that the list lacks is asked for again, since the event may be gone.
        """
        found = []
        for listed in members.items:
            entry = entries.get(listed.id)
            edition = _get_edition(entry)
            if entry is None or edition is None or has_ended_as_gone(edition):
                continue
            doubted = listed.id in members.missing and edition.fetched < part.fetched
            if not entry.since <= self._clock() < entry.until or (doubted and not entry.failed):
                found.append(listed.id)
        return found[:MAX_REFRESHES]

    def _refresh(self, ids: Iterable[str], end: float) -> None:
        flights = [self._editions.start_refresh(id_) for id_ in ids]
        for flight in flights:
            if flight:
                flight.wait(max(0.0, end - monotonic()))

    def _fill(self, ids: Sequence[str]) -> None:
        """Fetch members that have no edition, until an error concerns the next one as well."""
        left = list(ids)
        while left:
            tried, left = left[:FILLED_AT_A_TIME], left[FILLED_AT_A_TIME:]
            flights = {id_: self._editions.start_refresh(id_) for id_ in tried}
            for id_, flight in flights.items():
                if flight is None or not flight.wait(MAX_WAIT_COLD) or flight.result is None:
                    return
                error = flight.result.error
                if isinstance(error, QuotaExhausted) and self._wait_for_call(error):
                    left.append(id_)
                elif isinstance(error, _OUTAGES):
                    return

    def _wait_for_call(self, error: FeedsError) -> bool:
        """Wait until a call can be made; False if that takes too long."""
        now = self._clock()
        seconds = ((error.retry_at or now) - now).total_seconds()
        if seconds > MAX_WAIT_FOR_CALL:
            return False
        sleep(max(seconds, POLL_INTERVAL))
        return True

    def _build_entry(
        self,
        members: EventList,
        entries: dict[str, CacheEntry],
        part: Part,
        group: Group | None,
        version: tuple[int, int],
    ) -> CollectionEntry:
        now = self._clock()
        timetables, ends, lacking, required = [], [], [], 0
        latest = (now + REQUIRED_WITHIN).date()
        for listed in members.items:
            entry = entries.get(listed.id)
            edition = _get_edition(entry)
            soon = listed.day is None or listed.day <= latest
            if entry and edition:
                required += soon
                if not has_ended_as_gone(edition):
                    timetables.append(entry.get_timetable())
                    ends.append(entry.until)
            elif soon and (entry is None or entry.error is None or _is_outage(entry)):
                required += 1
                lacking.append(listed)
        until = max(min(ends, default=now), now + MIN_MAX_AGE)
        if lacking:
            until = now + INVALIDATION_INTERVAL
        content = Content(group, tuple(timetables), part.changed)
        return CollectionEntry(now, until, version, content, tuple(lacking), required)

    def add_named(self, content: Content, options: Options) -> Content:
        """The content, with the stored events that the options name and the list lacks.

        None is fetched. Raises ``EventNotFound`` if the options name events and runs, and none of
        them is known.
        """
        known = {timetable.edition.event.id for timetable in content.timetables}
        named = self._editions.read_many(set(options.event) - known)
        added = [
            entry.get_timetable()
            for _, entry in sorted(named.items())
            if entry.edition and not has_ended_as_gone(entry.edition)
        ]
        timetables = (*content.timetables, *added)
        if options.event or options.run:
            ids = {each.edition.event.id for each in timetables}
            runs = {entry.run.id for each in timetables for entry in each.entries}
            if ids.isdisjoint(options.event) and runs.isdisjoint(options.run):
                raise EventNotFound("None of these events and runs is known.")
        return structs.replace(content, timetables=timetables) if added else content


def _get_edition(entry: CacheEntry | None) -> Edition | None:
    return entry.edition if entry else None


def _is_outage(entry: CacheEntry) -> bool:
    return isinstance(entry.error, _OUTAGES)


def _is_same(one: Content, other: Content) -> bool:
    return (one.group, one.listed, one.tokens) == (other.group, other.listed, other.tokens)

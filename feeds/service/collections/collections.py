"""The current state of a collection: its list, and the editions of its members."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from time import monotonic

from msgspec import structs

from feeds.domain import catalog
from feeds.domain.catalog import EventList, Group
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.options import Options
from feeds.errors import (
    CollectionIncomplete,
    EventNotFound,
    FeedsError,
    Overloaded,
    StorageUnavailable,
    UpstreamTimeout,
)
from feeds.service.admission import Bulkhead
from feeds.service.collections.catalog import Catalog
from feeds.service.collections.entry import (
    CollectionEntry,
    build_entry,
    needs_call,
)
from feeds.service.collections.failures import MemberFailures
from feeds.service.collections.filling import Filling
from feeds.service.collections.named import NamedEvents, refresh_events
from feeds.service.collections.stale import MAX_REFRESHES_PER_POLL, choose_stale
from feeds.service.editions import MAX_WAIT, MAX_WAIT_COLD, Editions
from feeds.service.invalidation import Invalidation
from feeds.service.singleflight import Flight, Singleflight
from feeds.store.database import Database

log = logging.getLogger(__name__)

MAX_FLIGHTS = 16
"""Collections that are composed at a time."""

RETRY_AFTER = timedelta(seconds=10)
"""When clients are asked to come again while members lack an edition."""


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
        # Collections that lacked no member at one time, but for broken ones.
        self._full: set[str] = set()
        self._lock = Lock()
        self._flights: Singleflight[CollectionEntry | FeedsError] = Singleflight(MAX_FLIGHTS)
        self._named = NamedEvents(editions, invalidation, clock, bulkhead)
        self._filling = Filling(editions, clock)
        self._failures = MemberFailures()

    def get(self, slug: str | None = None, options: Options = Options()) -> CollectionEntry:  # noqa: B008 - frozen
        """The collection of a group, or of the organization, to serve now.

        1. Find the list in the catalog, and the editions of its members in memory and storage.
        2. If members have expired, refresh three members for 3 s: one without an edition, then
           those that ``choose_stale`` selects. Not for a collection that was never served.
        3. Have all members without an edition fetched, in the background; for a collection that was
           never served, wait 10 s in all.
        4. Serve what there is, once all members that start within 28 days had an edition, and the
           others are not being fetched just now. Members that the options name must have one,
           however far ahead they start; if another one is known, the wait ends after a day.

        Raises ``EventNotFound`` for an unknown group and if no event that the options name is
        known, ``CollectionIncomplete`` while members lack an edition, and the error for which there
        is no list.
        """
        self._editions.catch_up()
        group = self._catalog.find_group(slug) if slug else None
        name = catalog.build_group_part(slug) if slug else catalog.EVENTS
        end = monotonic() + MAX_WAIT_COLD
        entry = self._get_fresh(name) or self._compose(name, group)
        if entry.unread and not (name in self._served or self._filling.has_ended(name)):
            self._bulkhead.wait(partial(self._filling.wait, name), end)
            entry = self._get_fresh(name) or self._compose(name, group)
        now = self._clock()
        for part in {name, catalog.GROUPS} if slug else {name}:
            self._invalidation.note_poll(part, now)
        for timetable in entry.content.timetables:
            # What has ended would stretch the max-age of all events (rules 8.2).
            if timetable.span[1] > now:
                self._invalidation.note_poll(timetable.edition.event.id, now)
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
        lacking, required = entry.lacking, entry.required
        if options.event or options.run:
            lacking = (entry.unread | entry.unreadable) & set(options.event)
            if lacking & entry.given_up and self._knows_any(entry, options):
                lacking -= entry.given_up
            required = len(lacking) + len(set(options.event) & entry.content.ids)
            if not entry.content.run_ids.issuperset(options.run) and name not in self._full:
                # The run may be of any event that is not read yet.
                lacking = entry.unread
                required = len(lacking) + len(entry.content.timetables)
        elif name in self._served:
            return
        elif not self._is_complete(name, entry):
            # What is being fetched is there in a moment: a calendar would drop it until then.
            lacking = entry.unread or entry.unreadable
            required = len(lacking) + len(entry.content.timetables)
        if lacking:
            raise CollectionIncomplete(
                f"{required - len(lacking)} of {required} events are read so far."
                " Try again in a minute.",
                retry_at=self._clock() + RETRY_AFTER,
            )

    def _knows_any(self, entry: CollectionEntry, options: Options) -> bool:
        """Whether any event or run that the options name is known, also one that is not listed."""
        try:
            self.add_named(entry, options)
        except EventNotFound:
            return False
        return True

    def _compose(self, name: str, group: Group | None) -> CollectionEntry:
        """The collection as of now; an older one once that has taken longer than ``MAX_WAIT``."""
        started = monotonic()
        flight = self._flights.join(name, lambda flight: self._run(name, group, flight))
        result: CollectionEntry | FeedsError | None = None
        if flight is not None:
            is_known = name in self._entries
            end = flight.began + MAX_WAIT if is_known else started + MAX_WAIT_COLD
            self._bulkhead.wait(flight.wait, end)
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
        error: FeedsError = UpstreamTimeout()
        try:
            return self._compose_now(name, group, flight.began + MAX_WAIT)
        except FeedsError as failure:
            error = failure.copy()
        except Exception:  # a bug must not leave requests waiting
            log.exception("the collection %s cannot be read", name)
        with self._lock:
            now, last = self._clock(), self._entries.get(name)
            if last is None:
                return error
            entry = structs.replace(
                last,
                since=now,
                until=now + INVALIDATION_INTERVAL,
                version=self._read_version(),
                failed=True,
            )
            self._entries[name] = entry
        return entry

    def _compose_now(self, name: str, group: Group | None, end: float) -> CollectionEntry:
        # Before the list is read: a newer list, or a newer edition, is for the next entry.
        version = self._read_version()
        found = self._catalog.get(name, background=True)
        part = found.part
        if part is None or not isinstance(part.value, EventList):  # the key may not read it
            raise EventNotFound("There is no such group.")
        wait = max(0.0, end - monotonic())
        owner = group or self._catalog.get_organization(wait, background=True)
        members = part.value
        ids = [each.id for each in members.items]
        entries = self._editions.read_many(ids)
        now = self._clock()
        unseen = [id_ for id_ in ids if needs_call(entries.get(id_), part, now)]
        unseen.sort(key=lambda id_: id_ in entries)  # those whose calls failed come last
        # Nobody gets a collection that was never served: its calls are for what it lacks.
        is_held = bool(unseen) and not (part.served or name in self._served)
        stale = [] if is_held else choose_stale(members, entries, part, now)
        if stale:  # which must not spend all calls of a small budget
            next_ones = [*unseen[:1], *stale][:MAX_REFRESHES_PER_POLL]
            refresh_events(self._editions, next_ones, end)
            version = self._editions.version, version[1]
            entries = self._editions.read_many(ids)
            now = self._clock()
            unseen = [id_ for id_ in unseen if needs_call(entries.get(id_), part, now)]
        self._filling.start(name, unseen)
        missing = [id_ for id_ in ids if (each := entries.get(id_)) is None or not each.edition]
        broken = self._failures.find_broken(name, unseen, entries, part.fetched)
        entry = build_entry(
            owner,
            part,
            members,
            entries,
            broken=broken,
            given_up=self._failures.find_given_up(name, missing, entries, part.fetched),
            failing=found.error is not None,
            version=version,
            now=self._clock(),
        )
        with self._lock:
            last = self._entries.get(name)
            if last and last.content.equals(entry.content):
                entry = structs.replace(entry, content=last.content)
            self._entries[name] = entry
        if entry.unread <= broken:
            self._full.add(name)
        if part.served:
            self._served.add(name)
        elif self._is_complete(name, entry) and name not in self._served:
            with suppress(StorageUnavailable):
                self._database.mark_served(name)
                self._served.add(name)
                if broken:
                    ids = sorted(broken)
                    log.warning("%s is served without events whose calls fail: %s", name, ids)
        return entry

    def _is_complete(self, name: str, entry: CollectionEntry) -> bool:
        """Whether what is there can be served, and nothing more is there in a moment.

        A collection is not empty because none of its members can be read (rules 11.10).
        """
        if not entry.content.timetables:
            return not (entry.unread or entry.unreadable)
        return not entry.lacking and (self._filling.has_ended(name) or not entry.unread)

    def add_named(self, entry: CollectionEntry, options: Options) -> CollectionEntry:
        """The entry with the events that the options name: as ``NamedEvents.add``."""
        return self._named.add(entry, options)

"""Events that a query names and the list lacks, for the feeds and the page of chosen races."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from time import monotonic

from feeds.domain.history.delisting import has_ended_as_gone
from feeds.domain.options import Options
from feeds.errors import EventNotFound, Overloaded, StorageUnavailable
from feeds.service.admission import Bulkhead
from feeds.service.collections.entry import CollectionEntry, add_events
from feeds.service.collections.stale import is_stale, select_stale
from feeds.service.editions import MAX_WAIT, Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.singleflight import Flight, Singleflight

MAX_FLIGHTS = 16
"""Choices whose events are refreshed at a time."""


class NamedEvents:
    """The stored events that options name, for all requests of a process; threads may share it."""

    def __init__(
        self,
        editions: Editions,
        invalidation: Invalidation,
        clock: Callable[[], datetime],
        bulkhead: Bulkhead,
    ) -> None:
        self._editions = editions
        self._invalidation = invalidation
        self._clock = clock
        self._bulkhead = bulkhead
        self._flights: Singleflight[dict[str, CacheEntry]] = Singleflight(MAX_FLIGHTS)

    def add(self, entry: CollectionEntry, options: Options) -> CollectionEntry:
        """The entry, with the stored events that the options name and the list lacks.

        The entry is as fresh as these events. No unknown event is fetched. Raises ``EventNotFound``
        if the options name events or runs, and none of them is known.
        """
        named = self._read(sorted(set(options.event) - entry.content.ids))
        added = [
            each
            for _, each in sorted(named.items())
            if each.edition and not has_ended_as_gone(each.edition)
        ]
        entry = add_events(entry, added, self._clock())
        content = entry.content
        if options.event or options.run:
            knows_event = not content.ids.isdisjoint(options.event)
            if not (knows_event or not content.run_ids.isdisjoint(options.run)):
                raise EventNotFound("None of these events and runs is known.")
        return entry

    def _read(self, ids: list[str]) -> dict[str, CacheEntry]:
        """The entries of the stored events among these, refreshed as members are."""
        if not ids:
            return {}
        flight = self._flights.join(" ".join(ids), partial(self._read_fresh, ids))
        if flight is None:
            if found := self._editions.recall(ids):
                return found
            raise Overloaded
        self._bulkhead.wait(flight.wait, flight.began + MAX_WAIT)
        known = flight.fallback if flight.result is None else flight.result
        if known is None:
            raise StorageUnavailable
        return known

    def _read_fresh(
        self, ids: list[str], flight: Flight[dict[str, CacheEntry]]
    ) -> dict[str, CacheEntry]:
        now = self._clock()
        found = flight.set_fallback(self._editions.read_many(ids))
        stale = {id_: entry for id_, entry in found.items() if is_stale(entry, now)}
        for id_ in found:
            self._invalidation.note_poll(id_, now)
        if not stale:
            return found
        refresh_events(self._editions, select_stale(stale, now), flight.began + MAX_WAIT)
        return self._editions.read_many(ids)


def refresh_events(editions: Editions, ids: Iterable[str], end: float) -> None:
    """Refresh these events, and wait for that until ``end`` (monotonic time)."""
    flights = [editions.start_refresh(id_) for id_ in ids]
    for flight in flights:
        if flight:
            flight.wait(max(0.0, end - monotonic()))

"""The catalog: what the upstream lists, from memory, from the database, or after a refresh."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from time import monotonic, sleep

from feeds.domain import catalog
from feeds.domain.catalog import Group, GroupList, Organization, RecurrenceList, Value
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.quota import Priority
from feeds.errors import FeedsError, GroupNotFound, StorageUnavailable, UpstreamTimeout
from feeds.service.admission import Bulkhead
from feeds.service.collections.entry import CatalogEntry
from feeds.service.collections.refresh import CatalogRefresh
from feeds.service.singleflight import Flight, Singleflight
from feeds.store.saves import Saves

MAX_WAIT_COLD = 10.0
"""Seconds that a request waits for a list that was never fetched; an older list is served."""

MAX_FLIGHTS = 16
"""Parts of the catalog that are refreshed at a time."""

MAX_FLIGHT_AGE = 20.0
"""Seconds after which another refresh of a part may start. A server that drips a header can hold a
call for longer (rules 8.25)."""

MAX_CALLS = 4
"""Calls for a part that may hang: each holds a thread and a connection."""

POLL_INTERVAL = 0.05
"""Seconds between two looks at a refresh that another process makes."""


class Catalog:
    """The parts of the catalog, for all requests of a process; threads may share it."""

    def __init__(
        self, refresh: CatalogRefresh, clock: Callable[[], datetime], bulkhead: Bulkhead
    ) -> None:
        self._refresh = refresh
        self._clock = clock
        self._bulkhead = bulkhead
        self._entries: dict[str, CatalogEntry] = {}
        self._lock = Lock()
        self._flights: Singleflight[CatalogEntry] = Singleflight(MAX_FLIGHTS, MAX_FLIGHT_AGE)
        self._calls: Counter[str] = Counter()
        self._looks = 0
        self.version = 0
        """Rises whenever an entry changes."""

    def get(
        self,
        name: str,
        max_wait: float = MAX_WAIT_COLD,
        *,
        patient: bool = False,
        background: bool = False,
    ) -> CatalogEntry:
        """A part of the catalog, however old; waits for ``max_wait`` seconds if none is known.

        ``patient`` waits for a newer one as well. ``background`` waits however many requests wait,
        because its thread serves no request. Raises the error for which nothing is known.
        """
        now, entry = self._clock(), self._entries.get(name)
        if entry and entry.since <= now < entry.until:
            return self._check(entry)
        flight = self._flights.join(name, lambda flight: self._run(name, flight))
        if entry and entry.part and not patient:
            return entry
        if flight:
            wait = _wait if background else self._bulkhead.wait
            # Do not wait for an older flight: its call hangs (rules 8.25).
            end = min(monotonic() + max_wait, flight.began + MAX_FLIGHT_AGE)
            wait(flight.wait_for_fallback, end)
            if patient or not (flight.fallback and flight.fallback.part):
                wait(flight.wait, end)
            entry = flight.result or flight.fallback or entry
        return self._check(entry or CatalogEntry(now, now, error=UpstreamTimeout()))

    def get_value(
        self,
        name: str,
        max_wait: float = MAX_WAIT_COLD,
        *,
        patient: bool = False,
        background: bool = False,
    ) -> Value | None:
        """The value of a part, as ``get`` finds it; None while nothing is known of it."""
        try:
            part = self.get(name, max_wait, patient=patient, background=background).part
        except FeedsError:
            return None
        return part.value if part else None

    def find_group(self, slug: str) -> Group:
        """A group; raises ``GroupNotFound`` for an unknown one, and as ``get`` does."""
        part = self.get(catalog.GROUPS).part
        groups = part.value.items if part and isinstance(part.value, GroupList) else ()
        found = next((each for each in groups if each.slug == slug), None)
        if found is None:
            raise GroupNotFound
        return found

    def list_groups(self, max_wait: float = 0) -> tuple[Group, ...]:
        """All groups that are known now, or after so many seconds."""
        value = self.get_value(catalog.GROUPS, max_wait)
        return value.items if isinstance(value, GroupList) else ()

    def get_organization(
        self, max_wait: float = 0, *, background: bool = False
    ) -> Organization | None:
        """The organization, if it is known within so many seconds."""
        value = self.get_value(catalog.ORGANIZATION, max_wait, background=background)
        return value if isinstance(value, Organization) else None

    def find_recurrences(self, max_wait: float) -> RecurrenceList | None:
        """All recurrences, as of today at best; None if nothing is known of them.

        Waits for ``max_wait`` seconds at most.
        """
        value = self.get_value(catalog.RECURRENCES, max_wait, patient=True, background=True)
        return value if isinstance(value, RecurrenceList) else None

    def note_saves(self, saves: Saves) -> None:
        """Invalidate the parts that other processes have saved, and those that are lost."""
        with self._lock:
            self._looks += 1
            for name in self._entries if saves.complete else self._entries.keys() & saves.saved:
                entry = self._entries[name]
                if entry.part and saves.saved.get(name, "") != entry.part.token:
                    self._entries[name] = entry.invalidate()
                    self.version += 1

    def _check(self, entry: CatalogEntry) -> CatalogEntry:
        if entry.part is None:
            raise (entry.error or UpstreamTimeout()).copy()
        return entry

    def _run(self, name: str, flight: Flight[CatalogEntry]) -> CatalogEntry:
        """Refresh a part, in a background thread, and keep the result in memory."""
        with self._lock:
            last, looks = self._entries.get(name), self._looks
        entry: CatalogEntry | None = None
        self._bulkhead.begin()
        try:
            entry = self._read_or_refresh(name, flight, last)
        except StorageUnavailable as error:
            now = self._clock()
            part = last.part if last else None
            entry = CatalogEntry(now, now + INVALIDATION_INTERVAL, part, error.copy())
        finally:
            self._bulkhead.end_after(None if entry is None else entry.error)
        if monotonic() - flight.began > MAX_FLIGHT_AGE:  # a later refresh may have a newer result
            return entry
        with self._lock:
            # A save that was noted meanwhile may be newer than what was read.
            self._entries[name] = entry if looks == self._looks else entry.invalidate()
            self.version += 1
        return entry

    def _read_or_refresh(
        self, name: str, flight: Flight[CatalogEntry], last: CatalogEntry | None
    ) -> CatalogEntry:
        end = monotonic() + MAX_WAIT_COLD
        entry = self._refresh.read(name, last)
        while not self._clock() < entry.until:
            if entry.part:
                flight.set_fallback(entry)
            if name.endswith(catalog.EVENTS):  # what repeats is a member, however old it is
                self.find_recurrences(end - monotonic())
            priority = Priority.REFRESHER if name in catalog.SELDOM else Priority.ORDINARY
            with self._take_place(name) as has_place:
                found = self._refresh.refresh(name, entry, priority) if has_place else None
            if isinstance(found, CatalogEntry):
                return found
            if not has_place or monotonic() > end:  # another process has the lease
                now = self._clock()
                return CatalogEntry(now, now + INVALIDATION_INTERVAL, entry.part, UpstreamTimeout())
            sleep(POLL_INTERVAL)
            entry = self._refresh.read(name, entry)
        return entry

    @contextmanager
    def _take_place(self, name: str) -> Iterator[bool]:
        """Take a place for a call; False if ``MAX_CALLS`` calls for the part are under way."""
        with self._lock:
            has_place = self._calls[name] < MAX_CALLS
            self._calls[name] += has_place
        try:
            yield has_place
        finally:
            with self._lock:
                self._calls[name] -= has_place


def _wait(wait: Callable[[float], bool], end: float) -> bool:
    """As ``Bulkhead.wait``, however many requests wait."""
    return wait(max(0.0, end - monotonic()))

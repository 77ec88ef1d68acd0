"""The current edition of an event: from memory, from the database, or after a refresh."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep

from msgspec import structs

from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.history.delisting import has_ended_as_gone
from feeds.errors import (
    EventGone,
    EventNotFound,
    Overloaded,
    QuotaExhausted,
    StorageUnavailable,
    UpstreamTimeout,
)
from feeds.service.admission import MAX_GUESSES, MAX_UNSEEN, Admission, Bulkhead, Purpose, Turn
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation, KnownEvents
from feeds.service.memory import EditionCache
from feeds.service.refresh import MAX_CONCURRENT_REFRESHES, Refresh
from feeds.service.singleflight import BoundedWaitTask, Flight, Singleflight
from feeds.store.database import Database
from feeds.store.leases import Lease
from feeds.store.saves import Saves

log = logging.getLogger(__name__)

MAX_WAIT = 3.0
"""Seconds that a request waits for a refresh where there is a stale edition to serve."""

MAX_WAIT_COLD = 10.0
"""Seconds that a request waits where there is no edition."""

MAX_REFRESHES = 64 + MAX_UNSEEN + MAX_GUESSES
"""Refreshes of a process that are running or waiting for their turn; known events have 64."""

MAX_FLIGHT_AGE = 20.0
"""Seconds after which another refresh of the event may start: MAX_WAIT_COLD for a place, and a
call's time. A server that drips a header can hold a call for longer (rules 8.25)."""

POLL_INTERVAL = 0.05
"""Seconds between two looks at a refresh that another process makes."""


class Editions:
    """The editions of one upstream, for all requests of a process; threads may share it."""

    def __init__(
        self,
        refresh: Refresh,
        database: Database,
        invalidation: Invalidation,
        clock: Callable[[], datetime],
        *,
        bulkhead: Bulkhead,
        note_saves: Callable[[Saves], object],
    ) -> None:
        self._refresh = refresh
        self._invalidation = invalidation
        self._note_saves = note_saves
        self._clock = clock
        self._entries = EditionCache()
        self._flights: Singleflight[CacheEntry] = Singleflight(MAX_REFRESHES, MAX_FLIGHT_AGE)
        self._admission = Admission(refresh.window, clock)
        # Events whose refreshes ask the database now: it may be locked by another program.
        self._in_database: set[str] = set()
        self._bulkhead = bulkhead
        self._catch_up_task = BoundedWaitTask(self._catch_up, MAX_WAIT)
        self.known_events = KnownEvents(database, clock)

    def get(self, event_id: str, client: str = "") -> CacheEntry:
        """Find the edition to serve now, for the client at this address.

        1. Every two seconds, read which events other processes have saved, and invalidate them.
        2. Serve the edition in memory while it is fresh.
        3. Else join the refresh of the event, or start it in a background thread: ``_run_refresh``.
        4. Wait for the refresh: 3 s if a stale edition is known, 10 s otherwise.
        5. Serve the new edition, else the stale one, else raise the error.

        Raises ``EventNotFound`` for an unknown id, ``EventGone`` for an event that has been gone
        for 30 days, and the error that leaves the service without any edition.
        """
        self.catch_up()
        entry = self._get_fresh(event_id) or self._wait_for_refresh(event_id, client)
        edition = entry.get_timetable().edition
        self._invalidation.note_poll(event_id, self._clock())
        if has_ended_as_gone(edition):
            raise EventGone
        return entry

    @property
    def version(self) -> int:
        """Rises whenever an event has another edition, or a failure, than before."""
        return self._entries.version

    def holds(self, event_id: str, entry: CacheEntry | None, now: float) -> bool:
        """Whether ``get`` would answer with this entry at ``now`` (POSIX time).

        False, too, when it is time to ask what other processes have saved.
        """
        return (
            entry is not None
            and self._invalidation.is_current(now)
            and self._entries.get(event_id) is entry
        )

    def catch_up(self) -> None:
        """Every two seconds, invalidate what other processes have saved."""
        if self._invalidation.start_if_due():
            self._catch_up_task.run()

    def read_many(self, ids: Iterable[str]) -> dict[str, CacheEntry]:
        """The entries of these events as known, however old: from memory, or from the database.

        No call is made. Unknown events are left out. Raises ``StorageUnavailable``.
        """
        found = {}
        for event_id in ids:
            entry = self._entries.get(event_id)
            if entry is None or entry.until <= entry.since:  # not known, or invalidated
                entry = self._entries.read_again(
                    event_id, partial(self._refresh.read, event_id, entry)
                )
            if entry is not None:
                found[event_id] = entry
        return found

    def recall(self, ids: Iterable[str]) -> dict[str, CacheEntry]:
        """The entries of these events in memory, however old."""
        return {each: entry for each in ids if (entry := self._entries.get(each))}

    def start_refresh(self, event_id: str) -> Flight[CacheEntry] | None:
        """Refresh an event that the upstream lists, in the background; None under heavy load."""
        return self._flights.join(
            event_id, lambda flight: self._run_refresh(event_id, flight, "", listed=True)
        )

    def _catch_up(self) -> None:
        """Invalidate the events that other processes have saved, and those whose save is lost."""
        saved_here = self._entries.list_saved_here()
        saves = self._invalidation.read()
        if saves is None:
            return
        self._entries.note_saves(saves, saved_here, self._flights.keys())
        self._note_saves(saves)  # for the catalog
        self._invalidation.confirm(saves)

    def _get_fresh(self, event_id: str) -> CacheEntry | None:
        """The entry in memory while it is valid; not after the clock was set back."""
        entry = self._entries.get(event_id)
        return entry if entry and entry.since <= self._clock() < entry.until else None

    def _wait_for_refresh(self, event_id: str, client: str) -> CacheEntry:
        """The entry after a refresh, or after waiting for it long enough."""
        started = monotonic()
        flight = self._flights.join(
            event_id, lambda flight: self._run_refresh(event_id, flight, client)
        )
        last = self._entries.get(event_id)
        if flight is None:
            return self._give_up(event_id, last, overloaded=not self._in_database)
        end = flight.began + MAX_WAIT
        if not _has_edition(last):  # is there one in the database?
            self._bulkhead.wait(flight.wait_for_fallback, end)
            last = flight.fallback or last
        if _has_edition(last):
            self._bulkhead.wait(flight.wait, end)
        else:
            with self._admission.wait_for_unseen(client) as admitted:
                if not admitted:
                    return flight.result or self._give_up(event_id, last, overloaded=True)
                self._bulkhead.wait(flight.wait, started + MAX_WAIT_COLD)
        last = flight.fallback or self._entries.get(event_id)
        return flight.result or self._give_up(event_id, last)

    def _run_refresh(
        self, event_id: str, flight: Flight[CacheEntry], client: str, *, listed: bool = False
    ) -> CacheEntry:
        """Refresh an event, in a background thread, and keep the result in memory.

        1. Read the database: another process may have saved a fresh edition. After a deploy, save
           the edition again if its bytes have changed.
        2. Take a place of this process; known events, ids never seen and guesses have their own.
        3. Take the event's lease and one call of the rate limit, for all processes.
        4. Fetch and decode the document, compare it with the history, save the next edition.
        5. After a failure keep the last good edition, and store the failure for all processes.
        """
        if entry := self._get_fresh(event_id):  # another flight ended just before this one began
            return entry
        last = self._entries.begin_refresh(event_id)
        if last:
            flight.set_fallback(last)
        self._bulkhead.begin()
        try:
            entry = self._read_or_refresh(event_id, flight, client, listed=listed)
        except StorageUnavailable as error:
            now = self._clock()
            last = flight.fallback or CacheEntry(now, now)
            until = now + INVALIDATION_INTERVAL
            entry = structs.replace(last, since=now, until=until, error=error)
        except Exception:  # a bug must not leave requests waiting
            log.exception("event %s cannot be refreshed", event_id)
            entry = self._give_up(event_id, flight.fallback)
        self._bulkhead.end_after(entry.error)
        if entry.error:  # a traceback would keep the answer and the requests in memory
            entry = structs.replace(entry, error=entry.error.copy())
        if monotonic() - flight.began <= MAX_FLIGHT_AGE:  # else a later refresh has its result
            is_transient = entry.edition is None and isinstance(entry.error, _TRANSIENT)
            self._entries.end_refresh(event_id, entry, keep=not is_transient)
        return entry

    def _read_or_refresh(
        self, event_id: str, flight: Flight[CacheEntry], client: str, *, listed: bool
    ) -> CacheEntry:
        """The edition that another process has saved, if it is fresh; else the upstream's."""
        with self._use_database(event_id):
            entry = flight.set_fallback(self._refresh.read(event_id, flight.fallback))
        if entry.is_fresh:
            return entry
        known = entry.edition is not None or listed
        with self._admission.admit(client, known=known) as turn:
            if turn is None:
                return self._give_up(event_id, entry, overloaded=True)
            return self._wait_and_refresh(turn, event_id, flight, entry, listed=listed)

    def _wait_and_refresh(
        self,
        turn: Turn,
        event_id: str,
        flight: Flight[CacheEntry],
        entry: CacheEntry,
        *,
        listed: bool,
    ) -> CacheEntry:
        """The result of a refresh that has waited for its turn, or of waiting for too long."""
        max_wait = timedelta(seconds=MAX_WAIT if entry.edition else MAX_WAIT_COLD)
        end = flight.began + MAX_WAIT_COLD
        while turn.take_place(end - monotonic()):
            try:
                with self._use_database(event_id):
                    acquired = self._refresh.acquire(
                        event_id, entry, guessed=turn.purpose is Purpose.GUESS, listed=listed
                    )
                if isinstance(acquired, Lease):
                    entry = self._refresh.fetch(acquired, entry)
                    if isinstance(entry.error, EventNotFound):
                        turn.count_miss()
                    elif not entry.failed:
                        self._entries.note_saved_here(event_id)
                        self.known_events.invalidate()
                    return entry
            finally:
                turn.free_place()
            if isinstance(acquired, CacheEntry):
                entry = flight.set_fallback(acquired)
                if entry.failed or entry.is_fresh:
                    return entry
            elif self._clock() - acquired.since >= max_wait or monotonic() >= end:
                break
            sleep(POLL_INTERVAL)
        return self._give_up(event_id, entry)

    @contextmanager
    def _use_database(self, event_id: str) -> Iterator[None]:
        self._in_database.add(event_id)
        try:
            yield
        finally:
            self._in_database.discard(event_id)

    def _give_up(
        self, event_id: str, last: CacheEntry | None, *, overloaded: bool = False
    ) -> CacheEntry:
        """The stale edition, or an error if no edition is known; to be tried again soon."""
        now = self._clock()
        retry = now + INVALIDATION_INTERVAL
        # The refresh asks the database, or waits for others that do.
        waiting = self._in_database
        unavailable = event_id in waiting or len(waiting) >= MAX_CONCURRENT_REFRESHES
        cause = StorageUnavailable if unavailable else UpstreamTimeout
        error = Overloaded if overloaded or self._bulkhead.is_full() else cause
        last = last or CacheEntry(now, now)
        return structs.replace(last, since=now, until=retry, error=error(retry_at=retry))


_TRANSIENT = StorageUnavailable | Overloaded | QuotaExhausted
"""Errors that say nothing about an id: another client may get an answer."""


def _has_edition(entry: CacheEntry | None) -> bool:
    return entry is not None and entry.edition is not None

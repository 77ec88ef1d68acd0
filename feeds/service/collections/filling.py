"""Fetch members of collections that have no edition yet, in the background."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event as Flag
from threading import main_thread
from time import monotonic, sleep

from msgspec import Struct

from feeds.domain.history.delisting import CONFIRM_AFTER, MIN_ANSWERS, compute_doubt_limit
from feeds.errors import FeedsError, QuotaExhausted, UpstreamTimeout, UpstreamUnavailable
from feeds.service.collections.entry import is_outage
from feeds.service.editions import MAX_WAIT_COLD, POLL_INTERVAL, Editions
from feeds.service.entry import CacheEntry
from feeds.service.singleflight import Singleflight

MAX_WAIT_FOR_CALL = 10.0
"""Seconds that the filling waits for a call of the rate limit."""

AT_A_TIME = 4
"""Members that are fetched at a time."""


_FAILED = UpstreamTimeout | UpstreamUnavailable

_LONG = compute_doubt_limit(CONFIRM_AFTER)
"""After this time, an outage is not expected to end."""


class Failures(Struct, frozen=True):
    """The lists after which a member could not be read: the first, the last, how many."""

    first: datetime
    last: datetime
    lists: int = 1

    def count(self, listed: datetime) -> "Failures":
        """With the list that was fetched at ``listed``; anew after the clock was set back."""
        if listed < self.first:
            return Failures(listed, listed)
        return self if listed <= self.last else Failures(self.first, listed, self.lists + 1)

    def spans(self, least: timedelta) -> bool:
        """Whether there are enough lists over so much time."""
        return self.lists >= MIN_ANSWERS and self.last - self.first >= least


class Filling:
    """The fetching of members in one process: one collection at a time."""

    def __init__(self, editions: Editions, clock: Callable[[], datetime]) -> None:
        self._editions = editions
        self._clock = clock
        self._flights: Singleflight[None] = Singleflight(limit=1)
        self._ended: defaultdict[str, Flag] = defaultdict(Flag)
        self._failures: dict[str, dict[str, Failures]] = {}
        self._unusable: dict[str, dict[str, Failures]] = {}

    def has_ended(self, name: str) -> bool:
        """Whether the first filling of this collection has ended, with all members or without."""
        return self._ended[name].is_set()

    def wait(self, name: str, seconds: float) -> bool:
        """Wait for the end of the first filling; False if it goes on for longer."""
        return self._ended[name].wait(seconds)

    def start(self, name: str, ids: Sequence[str]) -> None:
        """Fetch these members of a collection that have no edition.

        Not while others are being fetched: the next poll asks again.
        """
        if ids:
            self._flights.join("", lambda _: self._fill_and_note(name, list(ids)))
        else:
            self._ended[name].set()

    def find_broken(
        self, name: str, unread: Sequence[str], entries: Mapping[str, CacheEntry], listed: datetime
    ) -> frozenset[str]:
        """The members without an edition for which no collection waits any longer (rules 11.7).

        The calls for them failed after each of several lists, although the upstream answered the
        calls for the lists. A single such member is given up after half an hour. If there are
        several, the upstream is probably at fault, and they are given up after a day.
        """
        failed = {id_ for id_ in unread if _has_failed(entries.get(id_), listed)}
        failures = _count_failures(self._failures.get(name, {}), unread, failed, listed)
        self._failures[name] = failures
        return _select(failures, CONFIRM_AFTER if len(failures) == 1 else _LONG)

    def find_given_up(
        self, name: str, missing: Sequence[str], entries: Mapping[str, CacheEntry], listed: datetime
    ) -> frozenset[str]:
        """The members without an edition for which no choice waits any longer (rules 11.11).

        For a day, they have not existed, could not be understood, or their calls have failed.
        """
        failed = {
            id_
            for id_ in missing
            if _has_failed(entry := entries.get(id_), listed)
            or (entry and entry.since >= listed and not is_outage(entry.error))
        }
        unusable = _count_failures(self._unusable.get(name, {}), missing, failed, listed)
        self._unusable[name] = unusable
        return _select(unusable, _LONG)

    def _fill_and_note(self, name: str, ids: list[str]) -> None:
        try:
            self._fill(ids)
        finally:
            self._ended[name].set()

    def _fill(self, left: list[str]) -> None:
        """Fetch until all are fetched, or an error concerns the next event as well.

        Also stop if the calls for all events that are fetched at a time fail, or if there is no
        call after the wait for a call: others spend the calls.

        Events for which there was no call are tried again first: they are the next to start.
        """
        tried: list[str] = []
        waited = False
        while (tried or left) and main_thread().is_alive():  # else the process is ending
            if not tried:
                tried, left = left[:AT_A_TIME], left[AT_A_TIME:]
            flights = {id_: self._editions.start_refresh(id_) for id_ in tried}
            tried, exhausted, failed = [], None, 0
            for id_, flight in flights.items():
                if flight is None or not flight.wait(MAX_WAIT_COLD) or flight.result is None:
                    return
                error = flight.result.error
                if isinstance(error, QuotaExhausted):
                    tried.append(id_)
                    exhausted = error
                elif isinstance(error, _FAILED):
                    failed += 1
                elif error and is_outage(error):
                    return
            if failed == len(flights):
                return
            is_refused = waited and len(tried) == len(flights)
            if exhausted and (is_refused or not self._wait_for_call(exhausted)):
                return
            waited = exhausted is not None

    def _wait_for_call(self, error: FeedsError) -> bool:
        """Wait until a call can be made; False if that takes too long."""
        now = self._clock()
        seconds = ((error.retry_at or now) - now).total_seconds()
        if seconds > MAX_WAIT_FOR_CALL:
            return False
        end = monotonic() + seconds
        sleep(POLL_INTERVAL)
        while monotonic() < end and main_thread().is_alive():
            sleep(POLL_INTERVAL)
        return True


def _has_failed(entry: CacheEntry | None, listed: datetime) -> bool:
    """Whether the call for a member has failed since the list was fetched."""
    return entry is not None and entry.since >= listed and isinstance(entry.error, _FAILED)


def _count_failures(
    known: Mapping[str, Failures], ids: Sequence[str], failed: Collection[str], listed: datetime
) -> dict[str, Failures]:
    """The failures of the members with these ids, with the list fetched at ``listed``."""
    counted = {id_: known[id_] for id_ in ids if id_ in known}
    for id_ in failed:
        counted[id_] = counted.get(id_, Failures(listed, listed)).count(listed)
    return counted


def _select(failures: Mapping[str, Failures], least: timedelta) -> frozenset[str]:
    return frozenset(id_ for id_, each in failures.items() if each.spans(least))

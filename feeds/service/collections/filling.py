"""Fetch members of collections that have no edition yet, in the background."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
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


class Failures(Struct, frozen=True):
    """The lists after which the calls for a member failed: the first, the last, how many."""

    first: datetime
    last: datetime
    lists: int = 1


def count_failures(
    known: Mapping[str, Failures],
    unread: Sequence[str],
    entries: Mapping[str, CacheEntry],
    listed: datetime,
) -> dict[str, Failures]:
    """The failures of members without an edition, after the list that was fetched at ``listed``.

    The upstream answered for each list that counts: it is not down.
    """
    found = dict(known)
    for id_ in unread:
        entry, last = entries.get(id_), known.get(id_)
        if entry is None or entry.since < listed or not isinstance(entry.error, _FAILED):
            continue
        if last is None:
            found[id_] = Failures(listed, listed)
        elif last.last < listed:
            found[id_] = Failures(last.first, listed, last.lists + 1)
    return {id_: found[id_] for id_ in unread if id_ in found}


def find_broken(failures: Mapping[str, Failures]) -> frozenset[str]:
    """The members that no collection waits for any longer (rules 11.7).

    One alone may be at fault. If several fail, it is probably the upstream that is.
    """
    least = CONFIRM_AFTER if len(failures) == 1 else compute_doubt_limit(CONFIRM_AFTER)
    return frozenset(
        id_
        for id_, each in failures.items()
        if each.lists >= MIN_ANSWERS and each.last - each.first >= least
    )


_FAILED = UpstreamTimeout | UpstreamUnavailable


class Filling:
    """The fetching of members in one process: one collection at a time."""

    def __init__(self, editions: Editions, clock: Callable[[], datetime]) -> None:
        self._editions = editions
        self._clock = clock
        self._flights: Singleflight[None] = Singleflight(limit=1)
        self._ended: defaultdict[str, Flag] = defaultdict(Flag)

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

    def _fill_and_note(self, name: str, ids: list[str]) -> None:
        try:
            self._fill(ids)
        finally:
            self._ended[name].set()

    def _fill(self, left: list[str]) -> None:
        """Fetch until all are fetched, or an error concerns the next event as well.

        Ends, too, if the calls for all that are fetched at a time fail, and if there is still no
        call after the wait for one: others spend them.

        Events for which there was no call come next, so that the soonest are there first.
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

"""Fetch members of collections that have no edition yet, in the background."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event as Flag
from threading import main_thread
from time import monotonic, sleep

from feeds.errors import FeedsError, QuotaExhausted
from feeds.service.collections.entry import is_outage
from feeds.service.collections.failures import CALL_FAILED
from feeds.service.editions import MAX_WAIT_COLD, POLL_INTERVAL, Editions
from feeds.service.singleflight import Singleflight

MAX_WAIT_FOR_CALL = 10.0
"""Seconds that the filling waits for a call of the rate limit."""

AT_A_TIME = 4
"""Members that are fetched at a time."""


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
                elif isinstance(error, CALL_FAILED):
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

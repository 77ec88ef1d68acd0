"""Which refreshes may run, which clients guess ids, and how many threads may wait for a refresh.

``Admission``: known events, ids never seen and guesses have places and queues of their own, so that
guessed ids delay neither known events nor an id that another client asks for first.

``Misses``: a client guesses if it has asked for too many ids that do not exist. Its
guesses may not spend the calls that are reserved for other clients (``domain.quota``). Clients
behind one proxy, which have one address, share what guesses may spend.

``Bulkhead``: a thread that waits serves no cached answers. While refreshes end, every request may
wait; when none has ended for ``STALLED_AFTER`` seconds, 48 threads at most wait for one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum, auto
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import Lock, Semaphore
from time import monotonic

from cachetools import LRUCache

from feeds.domain.freshness import UNKNOWN_CACHED_FOR
from feeds.errors import (
    FeedsError,
    Overloaded,
    QuotaExhausted,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.service.refresh import MAX_CONCURRENT_REFRESHES

MAX_MISSES = 5
"""Ids that do not exist for which a client may ask at once."""

MAX_CLIENTS = 10_000
"""Clients that a process remembers, with at most 24 characters each: 2 MB."""


class Misses:
    """The misses of all clients, as counted by one process; threads may share it.

    ``window`` is that of the rate limit: a client has one more miss after each window, and after
    ten minutes at the earliest. The misses of a client are stored as a token bucket, by the time at
    which the bucket is full again, as in ``store.ratelimit``.
    """

    def __init__(self, window: timedelta) -> None:
        self._interval = max(window, UNKNOWN_CACHED_FOR)
        self._full_at: LRUCache[str, datetime] = LRUCache(MAX_CLIENTS)
        self._lock = Lock()

    def count(self, address: str, now: datetime) -> None:
        """Count an id that does not exist, which the client at this address has asked for."""
        client = _identify(address)
        with self._lock:
            full_at = max(self._full_at.get(client, now), now) + self._interval
            # Never more than empty, also after the clock was set back.
            self._full_at[client] = min(full_at, now + MAX_MISSES * self._interval)

    def are_spent(self, address: str, now: datetime) -> bool:
        with self._lock:
            full_at = self._full_at.get(_identify(address), now)
        left = now + MAX_MISSES * self._interval - full_at
        return timedelta(0) <= left < self._interval


def _identify(address: str) -> str:
    """The client at an address; a client has a whole network of IPv6 (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket has no address
        return ""
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)


MAX_UNSEEN = 40
"""Refreshes of ids never seen that run or wait for a place, of clients that do not guess."""

MAX_GUESSES = 8
"""The same for clients that guess. Of 64 threads of a worker, 16 remain for known events."""

MAX_CONCURRENT_GUESSES = 2
"""Refreshes for clients that guess, at a time; the others have ``MAX_CONCURRENT_REFRESHES``."""

MAX_WAITING_GUESSES = 16
"""Threads that wait for an id never seen, and serve clients that guess."""


class Purpose(Enum):
    """What a refresh is for."""

    KNOWN = auto()
    UNSEEN = auto()
    GUESS = auto()


class Turn:
    """A refresh that waits for a place or has one; ``purpose`` is that of the place.

    ``count_miss`` counts the id as one that does not exist, before the place is free.
    """

    def __init__(
        self,
        places: dict[Purpose, Semaphore],
        choose_purpose: Callable[[], Purpose],
        count_miss: Callable[[], None],
    ) -> None:
        self.purpose = choose_purpose()
        self.count_miss = count_miss
        self._places = places
        self._choose_purpose = choose_purpose

    def take_place(self, seconds: float) -> bool:
        """Take a place; False if none became free within so many seconds."""
        end = monotonic() + seconds
        while self._places[self.purpose].acquire(timeout=max(0.0, end - monotonic())):
            if self._choose_purpose() is self.purpose:
                return True
            self.free_place()  # the client guesses, as other answers have shown meanwhile
            self.purpose = self._choose_purpose()
        return False

    def free_place(self) -> None:
        self._places[self.purpose].release()


class Admission:
    """The places and queues of a process; threads may share it.

    ``window`` is that of the rate limit, ``clock`` the time.
    """

    def __init__(self, window: timedelta, clock: Callable[[], datetime]) -> None:
        self._places = {
            Purpose.KNOWN: Semaphore(MAX_CONCURRENT_REFRESHES),
            Purpose.UNSEEN: Semaphore(MAX_CONCURRENT_REFRESHES),
            Purpose.GUESS: Semaphore(MAX_CONCURRENT_GUESSES),
        }
        self._queues = {
            Purpose.UNSEEN: Semaphore(MAX_UNSEEN),
            Purpose.GUESS: Semaphore(MAX_GUESSES),
        }
        self._waiting = Semaphore(MAX_WAITING_GUESSES)
        self._misses = Misses(window)
        self._clock = clock

    @contextmanager
    def admit(self, client: str, *, known: bool) -> Iterator[Turn | None]:
        """Admit a refresh for the client at this address; None if too many wait already."""
        turn = Turn(
            self._places,
            lambda: Purpose.KNOWN if known else self._choose_purpose(client),
            lambda: self._misses.count(client, self._clock()),
        )
        queue = self._queues.get(turn.purpose)
        if queue is None:
            yield turn
        else:
            with _enter(queue) as entered:
                yield turn if entered else None

    @contextmanager
    def wait_for_unseen(self, client: str) -> Iterator[bool]:
        """Wait for an id never seen; False if too many threads do so for clients that guess."""
        if self._choose_purpose(client) is Purpose.UNSEEN:
            yield True
        else:
            with _enter(self._waiting) as entered:
                yield entered

    def _choose_purpose(self, client: str) -> Purpose:
        return Purpose.GUESS if self._misses.are_spent(client, self._clock()) else Purpose.UNSEEN


@contextmanager
def _enter(semaphore: Semaphore) -> Iterator[bool]:
    """Hold the semaphore during a block; False if there is no room."""
    entered = semaphore.acquire(blocking=False)
    try:
        yield entered
    finally:
        if entered:
            semaphore.release()


MAX_WAITING = 48
"""Threads that may wait while refreshes are stalled, of the 64 that a worker has."""

STALLED_AFTER = 3.0
"""Seconds without the end of a refresh, while one is running."""

CHECK_INTERVAL = 0.1
"""Seconds between two checks whether too many threads wait."""


class Bulkhead:
    """All threads of a process that wait for a refresh."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting = 0
        self._running = 0
        self._answered = True
        self._since = 0.0

    def wait(self, wait: Callable[[float], bool], end: float) -> bool:
        """Call ``wait`` with seconds to wait until it answers True; ``end`` is monotonic time.

        False at the end, or as soon as the bulkhead is full.
        """
        with self._lock:
            self._waiting += 1
        try:
            while (left := end - monotonic()) > 0 and not self.is_full():
                if wait(min(left, CHECK_INTERVAL)):
                    return True
            return wait(0)
        finally:
            with self._lock:
                self._waiting -= 1

    def is_full(self) -> bool:
        """Whether refreshes have stalled and too many threads wait."""
        stalled = self._running > 0 and monotonic() - self._since > STALLED_AFTER
        return stalled and self._waiting > MAX_WAITING

    def begin(self) -> None:
        with self._lock:
            if self._answered and not self._running:
                self._since = monotonic()
            self._running += 1

    def end(self, *, answered: bool | None) -> None:
        """Count a refresh that ends.

        ``answered`` is whether the upstream answered in time; None if it was not asked.
        """
        with self._lock:
            self._running -= 1
            if answered is not None:
                self._answered = answered
            if answered:
                self._since = monotonic()

    def end_after(self, error: FeedsError | None) -> None:
        """Count a refresh that ends with this error, or without one."""
        is_unasked = isinstance(error, Overloaded | QuotaExhausted)
        is_unanswered = isinstance(error, UpstreamTimeout | UpstreamUnavailable)
        self.end(answered=None if is_unasked else not is_unanswered)

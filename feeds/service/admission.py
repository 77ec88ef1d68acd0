"""Which refreshes may run, and which wait: known events, ids never seen and guesses each by itself.

So guessed ids delay neither known events nor an id that another client asks for first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum, auto
from threading import Semaphore
from time import monotonic

from feeds.service.misses import Misses
from feeds.service.refresh import MAX_CONCURRENT_REFRESHES

MAX_UNSEEN = 40
"""Refreshes of ids never seen that run or wait for a place, of clients that do not guess."""

MAX_GUESSES = 8
"""Those of clients that guess. Of the 64 threads of a worker, 16 remain for known events."""

MAX_CONCURRENT_GUESSES = 2
"""Guesses that run; of ids never seen and of known events, ``MAX_CONCURRENT_REFRESHES`` each."""

MAX_WAITING_CLIENTS = 16
"""Threads that wait for an id never seen, and serve clients that guess."""


class Kind(Enum):
    """What a refresh is for."""

    KNOWN = auto()
    UNSEEN = auto()
    GUESS = auto()


class Turn:
    """A refresh that waits for a place or has one; ``kind`` is that of the place.

    ``count_miss`` counts the id as one that does not exist, before the place is free.
    """

    def __init__(
        self,
        places: dict[Kind, Semaphore],
        choose_kind: Callable[[], Kind],
        count_miss: Callable[[], None],
    ) -> None:
        self.kind = choose_kind()
        self.count_miss = count_miss
        self._places = places
        self._choose_kind = choose_kind

    def take_place(self, seconds: float) -> bool:
        """Take a place; False if none became free within so many seconds."""
        end = monotonic() + seconds
        while self._places[self.kind].acquire(timeout=max(0.0, end - monotonic())):
            if self._choose_kind() is self.kind:
                return True
            self.free_place()  # the client guesses, as other answers have shown meanwhile
            self.kind = self._choose_kind()
        return False

    def free_place(self) -> None:
        """Free the place."""
        self._places[self.kind].release()


class Admission:
    """The places and queues of a process; threads may share it.

    ``window`` is that of the rate limit, ``clock`` the time.
    """

    def __init__(self, window: timedelta, clock: Callable[[], datetime]) -> None:
        self._places = {
            Kind.KNOWN: Semaphore(MAX_CONCURRENT_REFRESHES),
            Kind.UNSEEN: Semaphore(MAX_CONCURRENT_REFRESHES),
            Kind.GUESS: Semaphore(MAX_CONCURRENT_GUESSES),
        }
        self._queues = {Kind.UNSEEN: Semaphore(MAX_UNSEEN), Kind.GUESS: Semaphore(MAX_GUESSES)}
        self._waiting = Semaphore(MAX_WAITING_CLIENTS)
        self._misses = Misses(window)
        self._clock = clock

    @contextmanager
    def admit(self, client: str, *, known: bool) -> Iterator[Turn | None]:
        """Admit a refresh for the client at this address; None if too many wait already."""
        turn = Turn(
            self._places,
            lambda: Kind.KNOWN if known else self._choose_kind(client),
            lambda: self._misses.count(client, self._clock()),
        )
        queue = self._queues.get(turn.kind)
        if queue is None:
            yield turn
        else:
            with _enter(queue) as entered:
                yield turn if entered else None

    @contextmanager
    def wait_for_unseen(self, client: str) -> Iterator[bool]:
        """Wait for an id never seen; False if too many threads do so for clients that guess."""
        if self._choose_kind(client) is Kind.UNSEEN:
            yield True
        else:
            with _enter(self._waiting) as entered:
                yield entered

    def _choose_kind(self, client: str) -> Kind:
        return Kind.GUESS if self._misses.are_spent(client, self._clock()) else Kind.UNSEEN


@contextmanager
def _enter(semaphore: Semaphore) -> Iterator[bool]:
    """Hold the semaphore during a block; False if there is no room."""
    entered = semaphore.acquire(blocking=False)
    try:
        yield entered
    finally:
        if entered:
            semaphore.release()

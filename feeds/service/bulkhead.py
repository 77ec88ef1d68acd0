"""Bulkhead: when refreshes have stalled for 3 s, at most 48 threads may wait for one.

A thread that waits serves no cached answers. While refreshes end, every request may wait; when none
has ended for ``STALLED_AFTER`` seconds, some threads of the worker stay free.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic

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
        """Count a refresh that begins."""
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

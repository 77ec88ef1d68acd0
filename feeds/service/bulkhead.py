"""Threads that wait for a refresh, and how many may when none comes to its end.

A thread that waits serves no hits. While answers come in, everybody may wait for one; when none has
come for as long as anybody waits who could be served something else, only so many may that there
are threads left.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic

MOST = 48
"""Threads that wait when refreshes have stalled, of the 64 that a worker has."""

STALLED_AFTER = 3.0
"""Seconds without an answer, while somebody has asked."""

GLANCE = 0.1
"""Seconds between two looks at the crowd."""


class Bulkhead:
    """All that wait in a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting = 0
        self._under_way = 0
        self._well = True
        self._since = 0.0

    def wait(self, take: Callable[[float], bool], end: float) -> bool:
        """Wait until ``take``, which is given seconds to wait, answers true; ``end`` is monotonic.

        False at the end, or as soon as too many wait in vain.
        """
        with self._lock:
            self._waiting += 1
        try:
            while (left := end - monotonic()) > 0 and not self.too_large():
                if take(min(left, GLANCE)):
                    return True
            return take(0)
        finally:
            with self._lock:
                self._waiting -= 1

    def too_large(self) -> bool:
        """Whether more wait than may."""
        stalled = self._under_way > 0 and monotonic() - self._since > STALLED_AFTER
        return stalled and self._waiting > MOST

    def begun(self) -> None:
        """A refresh has begun."""
        with self._lock:
            if self._well and not self._under_way:
                self._since = monotonic()
            self._under_way += 1

    def ended(self, *, well: bool) -> None:
        """It has ended; if not ``well``, because the upstream gave no answer, or none in time."""
        with self._lock:
            self._under_way -= 1
            self._well = well
            if well:
                self._since = monotonic()

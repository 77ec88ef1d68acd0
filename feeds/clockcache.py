"""A cache that is bounded in bytes and read without a lock.

An LRU cache moves a key at each read, which needs a lock and takes most of the time of a read. This
one notes the read instead, and moves the key when the cache is full: the CLOCK algorithm, also
called second chance (Corbató, "A paging experiment with the Multics system", 1968).
"""

from collections.abc import Callable
from typing import TypeVar

from cachetools import Cache, FIFOCache

K = TypeVar("K")
V = TypeVar("V")


class ClockCache(FIFOCache[K, V]):
    """A FIFO cache that keeps its oldest entry if the entry was read since the last check.

    Threads may ``read`` at any time; they share a lock to change the cache.
    """

    def __init__(self, maxsize: float, getsizeof: Callable[[V], float]) -> None:
        super().__init__(maxsize, getsizeof)
        self._read: set[K] = set()

    def read(self, key: K) -> V | None:
        """The value of a key, or None; notes that the key was read."""
        try:
            value = Cache.__getitem__(self, key)
        except KeyError:
            return None
        self._read.add(key)
        return value

    def popitem(self) -> tuple[K, V]:
        """Remove and return the oldest entry that was not read."""
        key, value = super().popitem()
        while key in self._read:
            self._read.discard(key)
            self[key] = value  # the newest entry now
            key, value = super().popitem()
        if len(self._read) > len(self):  # keys that left while they were read, or otherwise
            self._read.intersection_update(self)
        return key, value

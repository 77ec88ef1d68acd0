"""A cache that is bounded in bytes and read without a lock.

An LRU cache moves a key at each read, which needs a lock and takes most of the time of a read. This
one marks the entry instead, and moves the key when the cache is full: the CLOCK algorithm, also
called second chance (Corbató, "A paging experiment with the Multics system", 1968).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Slot(Generic[V]):
    """An entry; ``read`` is whether it was read since the last check."""

    __slots__ = ("read", "size", "value")

    def __init__(self, value: V, size: int) -> None:
        self.value = value
        self.size = size
        self.read = False


class ClockCache(MutableMapping[K, V]):
    """A mapping of at most ``maxsize`` bytes; when full, it drops the oldest unread entry.

    Threads may ``read`` at any time; they share a lock to change the cache. ``measure`` returns the
    bytes of a value.
    """

    def __init__(self, maxsize: int, measure: Callable[[V], int]) -> None:
        self._maxsize = maxsize
        self._measure = measure
        # The oldest first. A dict would take ever longer to find its first key as first keys leave.
        self._slots: OrderedDict[K, _Slot[V]] = OrderedDict()
        self.currsize = 0

    def read(self, key: K) -> V | None:
        """The value of a key, or None; notes that the key was read."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        slot.read = True
        return slot.value

    def __getitem__(self, key: K) -> V:
        return self._slots[key].value

    def __setitem__(self, key: K, value: V) -> None:
        """Raises ``ValueError`` for a value that is larger than the whole cache."""
        size = self._measure(value)
        if size > self._maxsize:
            raise ValueError
        while self.currsize - self._get_size(key) + size > self._maxsize:
            self._remove_oldest()
        self.currsize += size - self._get_size(key)
        self._slots[key] = _Slot(value, size)  # in place: a reader finds the old value or this one

    def __delitem__(self, key: K) -> None:
        self.currsize -= self._slots.pop(key).size

    def __iter__(self) -> Iterator[K]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)

    def _get_size(self, key: K) -> int:
        slot = self._slots.get(key)
        return slot.size if slot else 0

    def _remove_oldest(self) -> None:
        key = next(iter(self._slots))
        while self._slots[key].read:
            self._slots[key].read = False
            self._slots.move_to_end(key)  # a reader finds the key meanwhile
            key = next(iter(self._slots))
        del self[key]

"""A mapping that forgets what was not asked for longest."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most ``most`` entries, which weigh at most ``heaviest`` together; threads may share it.

    ``weigh`` tells what one weighs; nothing, without.
    """

    def __init__(
        self, most: int, heaviest: int = 0, weigh: Callable[[V], int] = lambda _: 0
    ) -> None:
        self._most = most
        self._heaviest = heaviest
        self._weigh = weigh
        self._weight = 0
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()
        # The value of a key, for which it does not count as asked for: the dictionary's own method,
        # since hits are counted in microseconds.
        self.peek: Callable[[K], V | None] = self._entries.get

    def get(self, key: K) -> V | None:
        # Without the lock, which would cost more than all the rest: each of these is one step of
        # the interpreter, and what is dropped between the two was not there.
        try:
            self._entries.move_to_end(key)
            return self._entries[key]
        except KeyError:
            return None

    def put(self, key: K, value: V) -> None:
        with self._lock:
            before = self._entries.get(key)
            self._weight += self._weigh(value) - (0 if before is None else self._weigh(before))
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self._most or self._weight > self._heaviest:
                self._weight -= self._weigh(self._entries.popitem(last=False)[1])

    def change(self, keys: Collection[K] | None, change: Callable[[V], V]) -> None:
        """Change the values of these keys, of all without any, in their places."""
        with self._lock:
            # In a list of their own: a get moves them meanwhile.
            for key in list(self._entries) if keys is None else self._entries.keys() & keys:
                self._entries[key] = change(self._entries[key])

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

    def get(self, key: K) -> V | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        with self._lock:
            if key in self._entries:
                self._weight -= self._weigh(self._entries.pop(key))
            self._entries[key] = value
            self._weight += self._weigh(value)
            while len(self._entries) > self._most or self._weight > self._heaviest:
                self._weight -= self._weigh(self._entries.popitem(last=False)[1])

    def change(self, keys: Collection[K] | None, change: Callable[[V], V]) -> None:
        """Change the values of these keys, of all without any, in their places."""
        with self._lock:
            for key in self._entries if keys is None else self._entries.keys() & keys:
                self._entries[key] = change(self._entries[key])

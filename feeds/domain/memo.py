"""What functions of values gave, remembered: a part of a feed is rendered once.

Such a function is given all that its value depends on, each a value itself, so that what is
remembered is never out of date. Of values that are equal but written differently (``0.0`` and
``-0.0``, an instant on two clocks) there must be one only: the decoders see to it.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar, TypeVarTuple

Of = TypeVarTuple("Of")
V = TypeVar("V")

HEAVIEST = 8 * 1024 * 1024
"""Bytes of what a process remembers."""

BESIDES = 1_500
"""Bytes that a value keeps alive besides its text: what it was made from, as objects."""


class Memo:
    """Values with what they were made from, ``heaviest`` bytes at most; threads may share it.

    ``functools.lru_cache`` would count them, but one is as long as an organizer's text. There are
    two halves instead: once the newer one is full it becomes the older one, and what nobody asked
    for since that was last so is gone. Nothing is locked: at worst two threads make one value.
    """

    def __init__(self, heaviest: int = HEAVIEST) -> None:
        self._half = heaviest // 2
        self.forget()

    def forget(self) -> None:
        """Be as in a process that has just begun."""
        self._newer: dict[Hashable, Any] = {}
        self._older: dict[Hashable, Any] = {}
        self._weight = 0

    def remembers(
        self, weigh: Callable[[Any], int]
    ) -> Callable[[Callable[[*Of], V]], Callable[[*Of], V]]:
        """Decorate a pure function of values; ``weigh`` tells the bytes of what it gives."""

        def decorate(function: Callable[[*Of], V]) -> Callable[[*Of], V]:
            @wraps(function)
            def remembering(*of: *Of) -> V:
                key = (function, *of)
                value: V | None = self._newer.get(key)
                if value is None:
                    value = self._older.get(key)
                    if value is None:
                        value = function(*of)
                    self._put(key, value, weigh(value))
                return value

            return remembering

        return decorate

    def _put(self, key: Hashable, value: object, length: int) -> None:
        weight = 2 * length + BESIDES  # its texts are those of what it was made from
        if weight > self._half:
            return
        if self._weight + weight > self._half:
            self._older, self._newer, self._weight = self._newer, {}, 0
        self._newer[key] = value
        self._weight += weight


memo = Memo()
"""The parts of all feeds."""

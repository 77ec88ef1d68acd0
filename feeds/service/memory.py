"""The editions in the memory of a process, and their invalidation by saves of other processes."""

from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Lock

from msgspec import json

from feeds.clockcache import ClockCache
from feeds.service.entry import CacheEntry
from feeds.store.saves import Saves

MAX_MEMORY = 96 * 1024 * 1024
"""Bytes of editions that a process keeps in memory: 10,000 events with a few runs each."""


class EditionCache:
    """The entries of a process by the ids of events, bounded in bytes; threads may share it.

    ``version`` rises whenever an event has another entry than before.
    """

    def __init__(self) -> None:
        self._entries: ClockCache[str, CacheEntry] = ClockCache(MAX_MEMORY, _estimate_size)
        self._lock = Lock()  # to change the entries
        # Tokens of what other processes saved during a refresh here.
        self._saved_elsewhere: dict[str, str] = {}
        # Events that were saved here, until a look at all saves has shown that they are there.
        self._saved_here: set[str] = set()
        self._looks = 0
        self.version = 0

    def get(self, event_id: str) -> CacheEntry | None:
        """The entry of an event, however old."""
        return self._entries.read(event_id)

    def begin_refresh(self, event_id: str) -> CacheEntry | None:
        """The entry before a refresh; saves of other processes are noted from now on."""
        with self._lock:
            self._saved_elsewhere.pop(event_id, None)
            return self._entries.read(event_id)

    def note_saved_here(self, event_id: str) -> None:
        with self._lock:
            self._saved_here.add(event_id)

    def end_refresh(self, event_id: str, entry: CacheEntry, *, keep: bool) -> None:
        """Keep the result of a refresh; invalidate it if another process has saved the event since.

        Without ``keep``, the result says nothing about the event.
        """
        with self._lock:
            if self._saved_elsewhere.pop(event_id, entry.token) != entry.token:
                entry = entry.invalidate()
            if keep:
                self._set(event_id, entry)
                self.version += 1

    def read_again(self, event_id: str, read: Callable[[], CacheEntry]) -> CacheEntry | None:
        """Read an event from the database and keep the entry; None if the event is not stored."""
        with self._lock:
            last, looks = self._entries.read(event_id), self._looks
        entry = read()
        if entry.edition is None:
            return None
        with self._lock:
            now = self._entries.read(event_id)
            if now is not last:  # a refresh has ended meanwhile
                return now
            # A save that was noted meanwhile may be newer than what was read.
            self._set(event_id, entry if looks == self._looks else entry.invalidate())
        return entry

    def list_saved_here(self) -> frozenset[str]:
        """The events that were saved here, and that no look at all saves has shown yet."""
        with self._lock:
            return frozenset(self._saved_here)

    def note_saves(
        self, saves: Saves, saved_here: frozenset[str], running: Collection[str]
    ) -> None:
        """Invalidate the events that other processes have saved, and those whose save is lost.

        ``saved_here`` is as of before the look at all saves, ``running`` are the events that are
        being refreshed here.
        """
        with self._lock:
            self._looks += 1
            # A save of this process that is not among the saves is lost.
            changed = (self._entries if saves.complete else saves.saved).keys() | saved_here
            for event_id in self._entries.keys() & changed:
                entry = self._entries[event_id]
                if saves.saved.get(event_id, "") != entry.token:
                    self._entries[event_id] = entry.invalidate()
                    self.version += 1
            for event_id in running if saves.complete else changed & set(running):
                self._saved_elsewhere[event_id] = saves.saved.get(event_id, "")
            self._saved_here -= saved_here

    def _set(self, event_id: str, entry: CacheEntry) -> None:
        self._entries.pop(event_id, None)
        with suppress(ValueError):  # larger than the whole cache
            self._entries[event_id] = entry


def _estimate_size(entry: CacheEntry) -> int:
    """Bytes of memory that an entry takes: objects take about five times their JSON."""
    edition = entry.edition
    if edition is None:
        return 1_000
    return 3_000 + 5 * len(json.encode(edition.event)) + 1_500 * len(edition.changes)

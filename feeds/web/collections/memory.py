"""What the pages of collections keep between requests, for all threads of a process."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import NamedTuple
from weakref import ref

from cachetools import LRUCache
from flask import current_app

from feeds.domain.model import Event
from feeds.service.collections.entry import Content
from feeds.text.collections import EventSummary, Members
from feeds.web.cache import OVERHEAD

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of cached pages that show no edition, each with ``OVERHEAD``."""


class PageCache:
    """Rendered pages that show no edition, for all threads of a process; bounded in bytes."""

    def __init__(self) -> None:
        self._state: object = None
        self._pages: LRUCache[Hashable, bytes] = LRUCache(0)
        self._lock = Lock()  # to read and change both

    def get_or_render(self, state: object, key: Hashable, render: Callable[[], str]) -> bytes:
        """The page with this key, as rendered since ``state`` was passed for the first time.

        All pages are rendered from ``state``; with another object, all pages are rendered anew.
        """
        with self._lock:
            if self._state is not state:
                self._state = state
                self._pages = LRUCache(MAX_PAGE_BYTES, lambda page: len(page) + OVERHEAD)
            pages = self._pages
            page = pages.get(key)
        if page is None:
            page = render().encode()
            with self._lock, suppress(ValueError):  # larger than the whole cache
                pages[key] = page
        return page


class KnownListing(NamedTuple):
    """The known events as the page lists them in one minute: the time decides which run is next.

    ``names`` are folded for the search.
    """

    events: list[Event]
    minute: int
    names: tuple[str, ...]
    summaries: tuple[EventSummary, ...]


class PageMemory:
    """The rendered pages of searches, and what they are made of.

    ``searches`` are pages of the club and its groups, ``known`` are pages of the known events.
    """

    def __init__(self) -> None:
        self.searches = PageCache()
        self.known = PageCache()
        self._listing: KnownListing | None = None
        self._members: dict[str, tuple[ref[Content], Members]] = {}
        self._may_list = True

    def get_listing(
        self, events: list[Event], minute: int, build: Callable[[], KnownListing]
    ) -> KnownListing:
        """The listing of this list of events, the same object, in this minute; built once."""
        listing = self._listing
        if listing is None or listing.events is not events or listing.minute != minute:
            listing = self._listing = build()
        return listing

    def get_members(self, part: str, content: Content, build: Callable[[], Members]) -> Members:
        """The members of the content of a collection, without a filter; built once."""
        kept = self._members.get(part)
        if kept and kept[0]() is content:
            return kept[1]
        members = build()
        self._members[part] = ref(content), members
        return members

    def note_list(self, *, allowed: bool) -> None:
        """Note whether the key may list the events of the organization."""
        self._may_list = allowed

    @property
    def may_list(self) -> bool:
        """Whether the key may list the events of the organization, as last noted."""
        return self._may_list


def get_memory() -> PageMemory:
    memory: PageMemory = current_app.extensions["page_memory"]
    return memory

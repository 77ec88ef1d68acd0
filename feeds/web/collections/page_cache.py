"""A cache of rendered pages that show no edition."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock

from cachetools import LRUCache

from feeds.web.cache import OVERHEAD

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of cached pages that show no edition, each with ``OVERHEAD``."""


class PageCache:
    """Rendered pages that show no edition, for all threads of a process; bounded in bytes."""

    def __init__(self) -> None:
        self._state: object = None
        self._pages: LRUCache[Hashable, bytes] = LRUCache(0)
        self._lock = Lock()  # of both

    def get_or_render(self, state: object, key: Hashable, render: Callable[[], str]) -> bytes:
        """The page with this key, as rendered since ``state`` was passed for the first time.

        ``state`` is what all pages are made of; another object makes all of them anew.
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

"""The representation cache: editions rendered once each, and answers before routing.

Every feed and page of an event goes this way: the edition comes from ``Editions``, its
representation from this cache or the renderer, the answer from ``make_response``. A request for a
feed that was answered before, while nothing about the feed has changed, is answered by
``middleware`` before Flask routes it: the same answer, in less time.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple
from weakref import ref
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from cachetools import LRUCache
from flask import Response, request
from msgspec import Struct

from feeds.domain.freshness import compute_max_age
from feeds.domain.model import Edition
from feeds.formats import FORMATS
from feeds.service.editions import Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import NOTED_EVERY
from feeds.web.conditional import Representation, WsgiResponse, make_response

MAX_BYTES = 96 * 1024 * 1024
"""Bytes of cached representations, in both codings."""

MAX_URL_BYTES = 8 * 1024 * 1024
"""Bytes of the URLs of which the cache knows the representation."""

OVERHEAD = 2_000
"""Bytes that an entry of a cache takes besides its body or its URL."""

MAX_URL_LENGTH = 512
"""Characters of a path and its query; longer ones are routed each time."""

Key = tuple[str, str, str]
"""An event's id, a kind of representation, a canonical query."""

Url = tuple[str, str]
"""A path and a query, as sent."""


class Rendering(Struct, frozen=True):
    """A representation of an edition, and when the clock alone changes it, if it does."""

    representation: Representation
    until: datetime | None

    def has_ended(self, now: datetime) -> bool:
        """Whether the clock has changed it."""
        return self.until is not None and now >= self.until


class CachedRendering(NamedTuple):
    """A rendering, and from when until when it is the answer, as long as ``entry`` is current.

    The references are weak, so that this cache keeps no edition in memory. Times are POSIX time:
    comparing datetimes would take most of the time of a hit.
    """

    rendering: Rendering
    edition: ref[Edition]
    entry: ref[CacheEntry]
    expires: float | None
    since: float
    until: float


class KnownUrl(NamedTuple):
    """What a URL leads to: its own length, a key of the cache, and whether it is a download."""

    length: int
    key: Key
    download: bool


class RepresentationCache:
    """Representations of ``editions``; threads may share it. ``timestamp`` is in POSIX time."""

    def __init__(self, editions: Editions, timestamp: Callable[[], float]) -> None:
        self._editions = editions
        self._timestamp = timestamp
        self._renderings: LRUCache[Key, CachedRendering] = LRUCache(MAX_BYTES, getsizeof=_weigh)
        self._urls: LRUCache[Url, KnownUrl] = LRUCache(
            MAX_URL_BYTES, getsizeof=lambda known: known.length + OVERHEAD
        )
        self._lock = Lock()  # of both

    def respond(
        self,
        event_id: str,
        kind: str,
        query: str,
        render: Callable[[Edition, datetime], Rendering],
        *,
        download: bool = False,
        entry: CacheEntry | None = None,
    ) -> Response:
        """The answer to this request; ``kind`` and canonical ``query`` tell renderings apart.

        ``entry`` is the edition to serve, for callers that have asked for it.
        """
        entry = entry or self._editions.get(event_id)
        key = (event_id, kind, query)
        rendering = self._get_or_render(key, entry, render)
        if kind in FORMATS:
            self._remember_url(request.environ, key, download=download)
        now = self._timestamp()  # rendering takes time
        return to_flask(
            make_response(
                rendering.representation,
                request.environ,
                now=now,
                max_age=compute_max_age(entry.expires, now),
                download=download,
            )
        )

    def middleware(self, application: WSGIApplication) -> WSGIApplication:
        """The application, with answers from the cache before it."""

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            found = self.lookup(environ)
            if found is None:
                return application(environ, start_response)
            start_response(found.status, found.headers)
            return (found.body,)

        return answer

    def lookup(self, environ: WSGIEnvironment) -> WsgiResponse | None:
        """The answer to a request that was made before, while nothing about it has changed."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        with self._lock:
            url = self._urls.get(_get_url(environ))
            cached = url and self._renderings.get(url.key)
        if not (url and cached):
            return None
        now = self._timestamp()
        if not cached.since <= now < cached.until:
            return None
        if not self._editions.holds(url.key[0], cached.entry(), now):
            return None
        return make_response(
            cached.rendering.representation,
            environ,
            now=now,
            max_age=compute_max_age(cached.expires, now),
            download=url.download,
        )

    def _remember_url(self, environ: WSGIEnvironment, key: Key, *, download: bool) -> None:
        url = _get_url(environ)
        length = len(url[0]) + len(url[1])
        if length <= MAX_URL_LENGTH:
            with self._lock:
                self._urls[url] = KnownUrl(length, key, download)

    def _get_or_render(
        self, key: Key, entry: CacheEntry, render: Callable[[Edition, datetime], Rendering]
    ) -> Rendering:
        edition, since = entry.get_edition(), self._timestamp()
        now = datetime.fromtimestamp(since, UTC)
        with self._lock:
            cached = self._renderings.get(key)
        if (
            cached
            and cached.edition() is edition
            and cached.since <= since
            and not cached.rendering.has_ended(now)
        ):
            rendering = cached.rendering
        else:
            rendering = render(edition, now)
        ends = [entry.until, now + NOTED_EVERY]  # polls are noted by Editions, once an hour
        if rendering.until:
            ends.append(rendering.until)
        if edition.gone:
            ends.append(now)  # Editions decides whether it is to be refused
        until = min(ends).timestamp()
        cached = CachedRendering(rendering, ref(edition), ref(entry), entry.expires, since, until)
        with self._lock:
            if _weigh(cached) <= MAX_BYTES:
                self._renderings[key] = cached
        return rendering


def _weigh(cached: CachedRendering) -> int:
    """Bytes of a cached rendering."""
    representation = cached.rendering.representation
    return len(representation.identity.body) + len(representation.gzip.body) + OVERHEAD


def _get_url(environ: WSGIEnvironment) -> Url:
    """The path and the query of a request; both may be absent (PEP 3333)."""
    return environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")


def split_at(
    instants: Iterable[datetime], now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The last instant that has passed, and the next one that has not."""
    known = list(instants)
    return (
        max((instant for instant in known if instant <= now), default=None),
        min((instant for instant in known if instant > now), default=None),
    )


def to_flask(response: WsgiResponse) -> Response:
    """A response for Flask, which would set the length of an empty body for HEAD."""
    made = Response(response.body, response.status)
    made.headers.clear()
    made.headers.extend(response.headers)
    return made

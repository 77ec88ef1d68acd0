"""The representation cache: each edition is rendered once, and repeated requests skip Flask.

Views of an event answer with ``RepresentationCache.respond``: the edition comes from ``Editions``,
its representation from this cache or from a renderer, the response from ``make_response``.
``middleware`` answers a request for the URL of a feed that was requested before, without routing,
as long as nothing about the feed has changed. Its response is the one that the view would make.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter
from threading import Lock
from time import perf_counter
from typing import Any, Protocol
from weakref import ref
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response, request
from msgspec import Struct

from feeds import metrics
from feeds.clockcache import ClockCache
from feeds.domain.entries import Timetable
from feeds.domain.freshness import compute_max_age
from feeds.formats import FORMATS
from feeds.metrics.requests import Hit
from feeds.service.editions import Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import NOTED_EVERY
from feeds.web.conditional import Representation, WsgiResponse, make_response
from feeds.web.operations.counting import mark_stale
from feeds.web.operations.requests import ID_HEADER, ID_KEY

MAX_BYTES = 96 * 1024 * 1024
"""Bytes of cached representations, both codings and the keys included."""

MAX_URL_BYTES = 16 * 1024 * 1024
"""Bytes of known URLs, each with the key of its representation: 16,000 ordinary URLs."""

OVERHEAD = 2_050
"""Bytes of memory that a cached representation takes besides its bodies and its key (measured)."""

URL_OVERHEAD = 960
"""Bytes of memory that a known URL takes besides its characters and those of the key (measured)."""

MAX_URL_LENGTH = 512
"""Characters of the path and the query of a known URL. Longer URLs are routed each time."""

Key = tuple[str, str, str]
"""The id of an event or the name of a collection, a kind of representation (``ics``, ``html``), and
a canonical query."""


class Cacheable(Protocol):
    """What a representation is made of: an edition of an event, or the members of a collection.

    Equal contents are the same object. The other members are as in ``CacheEntry``.
    """

    @property
    def content(self) -> object: ...
    @property
    def until(self) -> datetime: ...
    @property
    def expires(self) -> float | None: ...
    @property
    def least_max_age(self) -> int: ...


class EntrySource(Protocol):
    """Where entries come from: ``Editions`` or ``Collections``."""

    def holds(self, name: str, entry: Any, now: float) -> bool:  # noqa: ANN401 - its own entry
        """Whether an entry is still the one to serve at ``now`` (POSIX time)."""


Url = tuple[str, str]
"""The path and the query of a request, as sent."""


class CachedRepresentation(Struct, frozen=True):
    """A representation of ``content``, and when ``middleware`` may answer with it.

    ``middleware`` may do so from ``since`` until ``until`` while ``entry`` is the current one. All
    times are POSIX time, because comparing datetimes would take most of the time of a hit. The
    references are weak, so that this cache keeps no edition in memory. ``size`` is in bytes.
    """

    representation: Representation
    content: ref[Any]
    entry: ref[Any]
    expires: float | None
    least_max_age: int
    since: float
    until: float
    size: int


class KnownUrl(Struct, frozen=True):
    """The representation that a URL leads to, whether as a download, and the size in bytes.

    ``source`` is where the entry came from: the editions, or the collections.
    """

    source: EntrySource
    key: Key
    download: bool
    size: int


class RepresentationCache:
    """The representations of events and collections, for all threads of a process.

    ``timestamp`` is the clock, in POSIX time. ``note_hit`` notes the answers of ``middleware``, if
    they are counted. Both caches are bounded in bytes.
    """

    def __init__(
        self,
        editions: Editions,
        timestamp: Callable[[], float],
        note_hit: Callable[[Hit], object] | None = None,
    ) -> None:
        self._editions = editions
        self._timestamp = timestamp
        self._note_hit = note_hit
        size = attrgetter("size")
        self._cached: ClockCache[Key, CachedRepresentation] = ClockCache(MAX_BYTES, size)
        self._urls: ClockCache[Url, KnownUrl] = ClockCache(MAX_URL_BYTES, size)
        self._lock = Lock()  # to change both caches

    def respond(
        self,
        event_id: str,
        kind: str,
        query: str,
        render: Callable[[Timetable], Representation],
        *,
        finish: Callable[[Representation], Representation] | None = None,
        download: bool = False,
        entry: CacheEntry | None = None,
    ) -> Response:
        """Make the response to the current request of Flask for an event.

        1. Ask ``Editions`` for the edition to serve: from memory, or after a refresh.
        2. Take the cached representation of that edition, or render it and keep it.
        3. Remember which representation the URL leads to, for ``middleware``.
        4. Make the status, the header fields and the body: ``make_response``.

        ``kind`` and the canonical ``query`` identify the representation among those of the event.
        ``render`` makes the representation if none is cached. ``finish`` makes from it, at each
        request, the representation to send. ``entry`` is the edition to serve, if the caller has
        asked ``Editions`` for it. Raises what ``Editions.get`` and ``render`` raise.
        """
        entry = entry or self._editions.get(event_id, request.remote_addr or "")
        timetable = entry.get_timetable()
        key = (event_id, kind, query)
        return self.respond_with(
            self._editions,
            key,
            entry,
            lambda: render(timetable),
            finish=finish,
            download=download,
        )

    def respond_with(
        self,
        source: EntrySource,
        key: Key,
        entry: Cacheable,
        render: Callable[[], Representation],
        *,
        finish: Callable[[Representation], Representation] | None = None,
        download: bool = False,
    ) -> Response:
        """Make the response for an entry that came from ``source``: steps 2 to 4 of ``respond``."""
        mark_stale(entry.expires)
        representation = self._get_or_render(key, entry, render)
        if key[1] in FORMATS:
            self._remember_url(source, request.environ, key, download=download)
        now = self._timestamp()  # rendering takes time
        return to_flask(
            make_response(
                finish(representation) if finish else representation,
                request.environ,
                now=now,
                max_age=compute_max_age(entry.expires, now, entry.least_max_age),
                download=download,
            )
        )

    def middleware(
        self, application: WSGIApplication, choose_id: Callable[[WSGIEnvironment], str]
    ) -> WSGIApplication:
        """Wrap an application that answers, with ids of its own, what ``lookup`` does not."""

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            found = self.lookup(environ)
            if found is None:
                return application(environ, start_response)
            environ[ID_KEY] = request_id = choose_id(environ)
            found.headers.append((ID_HEADER, request_id))
            start_response(found.status, found.headers)
            return (found.body,)

        return answer

    def lookup(self, environ: WSGIEnvironment) -> WsgiResponse | None:
        """The response to a request for a known URL, or None if the application has to answer.

        The application has to answer GET and HEAD when the URL is unknown, when its representation
        has left the cache, when the event may have another edition, and once an hour, so that
        ``Editions`` notes that the event is polled.
        """
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        sent = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")  # PEP 3333
        url = self._urls.read(sent)
        cached = url and self._cached.read(url.key)
        if not (url and cached):
            return None
        now = self._timestamp()
        if not cached.since <= now < cached.until:
            return None
        if not url.source.holds(url.key[0], cached.entry(), now):
            return None
        response = make_response(
            cached.representation,
            environ,
            now=now,
            max_age=compute_max_age(cached.expires, now, cached.least_max_age),
            download=url.download,
        )
        if self._note_hit:
            stale, user_agent = cached.expires is None, environ.get("HTTP_USER_AGENT")
            self._note_hit((url.key, sent, response.status, stale, user_agent))
        return response

    def _remember_url(
        self, source: EntrySource, environ: WSGIEnvironment, key: Key, *, download: bool
    ) -> None:
        url = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")  # PEP 3333
        length = _count_characters(url)
        if length <= MAX_URL_LENGTH:
            size = length + _count_characters(key) + URL_OVERHEAD
            with self._lock:
                self._urls[url] = KnownUrl(source, key, download, size)

    def _get_or_render(
        self, key: Key, entry: Cacheable, render: Callable[[], Representation]
    ) -> Representation:
        content, since = entry.content, self._timestamp()
        cached = self._cached.read(key)
        if cached and cached.content() is content:
            representation = cached.representation
        else:
            representation = _render(key[1], render)
        until = min(entry.until.timestamp(), since + NOTED_EVERY.total_seconds())
        bodies = len(representation.identity.body) + len(representation.gzip.body)
        size = OVERHEAD + bodies + _count_characters(key)
        if size <= MAX_BYTES:
            with self._lock:
                self._cached[key] = CachedRepresentation(
                    representation,
                    ref(content),
                    ref(entry),
                    entry.expires,
                    entry.least_max_age,
                    since,
                    until,
                    size,
                )
        return representation


def _render(kind: str, render: Callable[[], Representation]) -> Representation:
    began = perf_counter()
    representation = render()
    if recorder := metrics.get():
        recorder.observe_render(kind if kind in FORMATS else "page", perf_counter() - began)
    return representation


def _count_characters(texts: Iterable[str]) -> int:
    return sum(map(len, texts))


def to_flask(response: WsgiResponse) -> Response:
    """The same response for Flask, which must not add a Content-Length of its own to HEAD."""
    made = Response(response.body, response.status)
    made.headers.clear()
    made.headers.extend(response.headers)
    return made

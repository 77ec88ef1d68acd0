"""From a request for an event to its answer: the way that all feeds and pages of events take."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import ref
from wsgiref.types import WSGIEnvironment

from flask import Response, current_app, request
from msgspec import Struct

from feeds.domain.freshness import NOTED_EVERY, MaxAge
from feeds.domain.model import Edition
from feeds.errors import SettingsError, StorageUnavailable
from feeds.formats import FORMATS
from feeds.service.editions import Current, Editions
from feeds.service.recent import Recent
from feeds.service.refresh import CacheEntry
from feeds.web.conditional import Representation, WsgiResponse, make_response

KEPT = 12_000
"""Representations that a process keeps, and requests of which it remembers what they led to."""

HEAVIEST = 96 * 1024 * 1024
"""Bytes of those representations, in both codings."""

SAID = 1_000
SAID_HEAVIEST = 8 * 1024 * 1024
"""Answers that a process gives again, and bytes of their bodies."""

LONGEST = 512
"""Characters of a path and its query, or of a request, that are remembered."""


class Rendering(Struct, frozen=True):
    """A representation of an edition, and when the clock alone changes it."""

    representation: Representation
    until: datetime | None

    def over(self, now: datetime) -> bool:
        """Whether the clock has changed it."""
        return self.until is not None and now >= self.until

    @property
    def weight(self) -> int:
        """Bytes."""
        return len(self.representation.identity.body) + len(self.representation.gzip.body)


Key = tuple[str, str, str]
"""An event, a kind of rendering, a canonical query."""


class Kept(NamedTuple):
    """A rendering, of which edition, and when it is served without asking for what is current.

    Editions are remembered by others: here are references that keep none alive. In POSIX time: to
    compare and subtract datetimes would take most of what a hit takes.
    """

    rendering: Rendering
    edition: ref[Edition]
    report: ref[CacheEntry]
    max_age: MaxAge
    since: float
    until: float


class Said(NamedTuple):
    """An answer, and when it is the answer to the same request: at most until max-age is another.

    The event, and the report that it rests on.
    """

    answer: WsgiResponse
    event_id: str
    report: ref[CacheEntry]
    since: float
    until: float

    @property
    def weight(self) -> int:
        """Bytes."""
        return len(self.answer.body)


Request = tuple[str | None, ...]
"""All of a request that an answer depends on: its method, address, and what ``answer`` reads."""


class Delivery:
    """Editions from the newsroom, rendered once each and kept until there is a newer one.

    ``timestamp`` tells the POSIX time, ``timezone`` is the home zone, ``since`` tells when the
    service began to write bytes as it does now.
    """

    def __init__(
        self,
        newsroom: Editions,
        timestamp: Callable[[], float],
        timezone: str,
        since: Callable[[], datetime],
    ) -> None:
        self.newsroom = newsroom
        self._timestamp = timestamp
        self.timezone = timezone
        self._since = since
        self._kept: Recent[Key, Kept] = Recent(KEPT, HEAVIEST, lambda kept: kept.rendering.weight)
        self._asked: Recent[tuple[str, str], tuple[Key, bool]] = Recent(KEPT)
        self._said: Recent[Request, Said] = Recent(SAID, SAID_HEAVIEST, lambda said: said.weight)

    def clock(self) -> datetime:
        """The time that it is."""
        return datetime.fromtimestamp(self._timestamp(), UTC)

    @property
    def since(self) -> datetime:
        """When the service began to write bytes as it does now; raises ``StorageAway``."""
        try:
            return self._since()
        except SettingsError:
            raise StorageUnavailable from None

    def deliver(
        self,
        event_id: str,
        kind: str,
        query: str,
        render: Callable[[Edition, datetime], Rendering],
        *,
        download: bool = False,
        current: Current | None = None,
    ) -> Response:
        """The answer to this request; ``kind`` and canonical ``query`` tell renderings apart.

        ``current`` is the edition to serve, for those who know it already.
        """
        current = current or self.newsroom.current(event_id)
        key = (event_id, kind, query)
        rendering = self._rendered(key, current, self.clock(), render)
        if kind in FORMATS:
            asked = _asked(request.environ)
            if len(asked[0]) + len(asked[1]) <= LONGEST:
                self._asked.put(asked, (key, download))
        now = self._timestamp()  # it may have taken its time
        answered = make_response(
            rendering.representation,
            request.environ,
            now=now,
            max_age=current.max_age.at(now),
            download=download,
        )
        return to_flask(answered)

    def at_hand(self, environ: WSGIEnvironment) -> WsgiResponse | None:
        """The answer to a request that was made before, while nothing about it has changed."""
        get = environ.get
        request = (
            environ["REQUEST_METHOD"],
            get("PATH_INFO"),
            get("QUERY_STRING"),
            get("HTTP_ACCEPT_ENCODING"),
            get("HTTP_IF_NONE_MATCH"),
            get("HTTP_IF_MODIFIED_SINCE"),
        )
        said, now = self._said.peek(request), self._timestamp()
        if (
            said
            and said.since <= now < said.until
            and self.newsroom.holds(said.event_id, said.report(), now)
        ):
            return said.answer
        return self._say(environ, request, now)

    def _say(self, environ: WSGIEnvironment, request: Request, now: float) -> WsgiResponse | None:
        """The answer that what is kept makes, to be given again within the second."""
        asked = self._asked.peek(_asked(environ))
        if asked is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        key, download = asked
        event_id, kept = key[0], self._kept.get(key)
        if kept is None or not kept.since <= now < kept.until:
            return None
        if not self.newsroom.holds(event_id, kept.report(), now):
            return None
        representation, max_age = kept.rendering.representation, kept.max_age.at(now)
        found = make_response(representation, environ, now=now, max_age=max_age, download=download)
        until = min(kept.until, kept.max_age.another(now), representation.another(now))
        if sum(len(each or "") for each in request) <= LONGEST:
            self._said.put(request, Said(found, event_id, kept.report, now, until))
        return found

    def _rendered(
        self,
        key: Key,
        current: Current,
        now: datetime,
        render: Callable[[Edition, datetime], Rendering],
    ) -> Rendering:
        kept, since = self._kept.get(key), now.timestamp()
        if (
            kept
            and kept.edition() is current.edition
            and kept.since <= since
            and not kept.rendering.over(now)
        ):
            rendering = kept.rendering
        else:
            rendering = render(current.edition, now)
        ends = [current.report.until, now + NOTED_EVERY]  # that it is polled has to be noted again
        if rendering.until:
            ends.append(rendering.until)
        if current.edition.gone:
            ends.append(now)  # it may be one to refuse
        edition, report = ref(current.edition), ref(current.report)
        until = min(ends).timestamp()
        self._kept.put(key, Kept(rendering, edition, report, current.max_age, since, until))
        return rendering


def _asked(environ: WSGIEnvironment) -> tuple[str, str]:
    """The path and the query of a request; both may be absent (PEP 3333)."""
    return environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")


def passed(marks: Iterable[datetime], now: datetime) -> tuple[datetime | None, datetime | None]:
    """The last of some instants that has passed, and the next one that has not."""
    known = list(marks)
    return (
        max((mark for mark in known if mark <= now), default=None),
        min((mark for mark in known if mark > now), default=None),
    )


def to_flask(answered: WsgiResponse) -> Response:
    """An answer for Flask, which would tell the length of the body itself: of none, for HEAD."""
    made = Response(answered.body, answered.status)
    made.headers.clear()
    made.headers.extend(answered.headers)
    return made


def delivery() -> Delivery:
    """The delivery of the application that handles this request."""
    found = current_app.extensions["delivery"]
    if not isinstance(found, Delivery):
        raise TypeError("create_app() makes the delivery")
    return found

"""From a request for an event to its answer: the way that all feeds and pages of events take."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple
from wsgiref.types import WSGIEnvironment

from flask import Response, current_app, request
from msgspec import Struct
from werkzeug.datastructures import EnvironHeaders

from feeds.errors import SettingsError, StorageAway
from feeds.formats import FORMATS
from feeds.model import Edition
from feeds.newsroom import Current, Newsroom
from feeds.recent import Recent
from feeds.web.answer import Answer, Representation, answer

KEPT = 12_000
"""Representations that a process keeps, and requests of which it remembers what they led to."""

HEAVIEST = 96 * 1024 * 1024
"""Bytes of those representations, in both codings."""

LONGEST = 512
"""Characters of a path and its query that are remembered."""


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
        return len(self.representation.body) + len(self.representation.gzipped)


Key = tuple[str, str, str]
"""An event, a kind of rendering, a canonical query."""


class Kept(NamedTuple):
    """A rendering, and what it was made from."""

    edition: Edition
    rendering: Rendering


class Delivery:
    """Editions from the newsroom, rendered once each and kept until there is a newer one.

    ``timezone`` is the home zone, ``since`` tells when the service began to write bytes as it does
    now.
    """

    def __init__(
        self,
        newsroom: Newsroom,
        clock: Callable[[], datetime],
        timezone: str,
        since: Callable[[], datetime],
    ) -> None:
        self.newsroom = newsroom
        self.clock = clock
        self.timezone = timezone
        self._since = since
        self._kept: Recent[Key, Kept] = Recent(KEPT, HEAVIEST, lambda kept: kept.rendering.weight)
        self._asked: Recent[tuple[str, str], tuple[Key, bool]] = Recent(KEPT)

    @property
    def since(self) -> datetime:
        """When the service began to write bytes as it does now; raises ``StorageAway``."""
        try:
            return self._since()
        except SettingsError:
            raise StorageAway from None

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
        now = self.clock()
        key = (event_id, kind, query)
        rendering = self._rendered(key, current.edition, now, render)
        if kind in FORMATS:
            asked = _asked(request.environ)
            if len(asked[0]) + len(asked[1]) <= LONGEST:
                self._asked.put(asked, (key, download))
        answered = answer(
            rendering.representation,
            request.method,
            request.headers,
            now=now,
            max_age=current.max_age(now),
            download=download,
        )
        return respond(answered)

    def at_hand(self, environ: WSGIEnvironment) -> Answer | None:
        """The answer to a request that was made before, while nothing about it has changed."""
        asked = self._asked.get(_asked(environ))
        if asked is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        key, download = asked
        current, kept, now = self.newsroom.at_hand(key[0]), self._kept.get(key), self.clock()
        if not (current and kept and kept.edition is current.edition) or kept.rendering.over(now):
            return None
        return answer(
            kept.rendering.representation,
            environ["REQUEST_METHOD"],
            EnvironHeaders(environ),
            now=now,
            max_age=current.max_age(now),
            download=download,
        )

    def _rendered(
        self,
        key: Key,
        edition: Edition,
        now: datetime,
        render: Callable[[Edition, datetime], Rendering],
    ) -> Rendering:
        kept = self._kept.get(key)
        if kept and kept.edition is edition and not kept.rendering.over(now):
            return kept.rendering
        rendering = render(edition, now)
        self._kept.put(key, Kept(edition, rendering))
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


def respond(answered: Answer) -> Response:
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

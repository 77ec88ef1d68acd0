"""From a request for an event to its answer: the way that all feeds and pages of events take."""

from collections.abc import Callable, Iterable
from datetime import datetime

from flask import Response, current_app, request
from msgspec import Struct

from feeds.errors import SettingsError, StorageAway
from feeds.model import Edition
from feeds.newsroom import Newsroom
from feeds.recent import Recent
from feeds.web.answer import Representation, answer

KEPT = 2_000
"""Representations that a process keeps."""


class Rendering(Struct, frozen=True):
    """A representation of an edition, and when the clock alone changes it."""

    representation: Representation
    until: datetime | None


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
        self._kept: Recent[tuple[str, str, str], tuple[Edition, Rendering]] = Recent(KEPT)

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
    ) -> Response:
        """The answer to this request; ``kind`` and canonical ``query`` tell renderings apart."""
        current = self.newsroom.current(event_id)
        now = self.clock()
        answered = answer(
            self._rendered((event_id, kind, query), current.edition, now, render),
            request.method,
            request.headers,
            now=now,
            max_age=current.max_age(now),
            download=download,
        )
        response = Response(answered.body, answered.status)
        response.headers.clear()
        response.headers.extend(answered.headers)
        return response

    def _rendered(
        self,
        key: tuple[str, str, str],
        edition: Edition,
        now: datetime,
        render: Callable[[Edition, datetime], Rendering],
    ) -> Representation:
        kept = self._kept.get(key)
        if kept and kept[0] is edition and (kept[1].until is None or now < kept[1].until):
            return kept[1].representation
        rendering = render(edition, now)
        self._kept.put(key, (edition, rendering))
        return rendering.representation


def passed(marks: Iterable[datetime], now: datetime) -> tuple[datetime | None, datetime | None]:
    """The last of some instants that has passed, and the next one that has not."""
    known = list(marks)
    return (
        max((mark for mark in known if mark <= now), default=None),
        min((mark for mark in known if mark > now), default=None),
    )


def delivery() -> Delivery:
    """The delivery of the application that handles this request."""
    found = current_app.extensions["delivery"]
    if not isinstance(found, Delivery):
        raise TypeError("create_app() makes the delivery")
    return found

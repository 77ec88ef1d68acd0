"""From a request for an event to its answer: the way that all feeds and pages of events take."""

from collections.abc import Callable
from datetime import datetime

from flask import Response, current_app, request

from feeds.model import Edition
from feeds.newsroom import Newsroom
from feeds.recent import Recent
from feeds.web.answer import Representation, answer

KEPT = 2_000
"""Representations that a process keeps."""


class Delivery:
    """Editions from the newsroom, rendered once each and kept until there is a newer one.

    ``public_url`` is where the service is found, ``timezone`` the home zone.
    """

    def __init__(
        self, newsroom: Newsroom, clock: Callable[[], datetime], public_url: str, timezone: str
    ) -> None:
        self.public_url = public_url
        self.timezone = timezone
        self.clock = clock
        self._newsroom = newsroom
        self._kept: Recent[tuple[str, str, str], tuple[Edition, Representation]] = Recent(KEPT)

    def page(self, event_id: str) -> str:
        """The address of an event's page; with an extension added, of its feeds."""
        return f"{self.public_url}/events/{event_id}"

    def nearest(self, most: int) -> list[Edition]:
        """The events that the service knows, the next one first."""
        return self._newsroom.nearest(most)

    def deliver(
        self,
        event_id: str,
        kind: str,
        query: str,
        render: Callable[[Edition], Representation],
        *,
        download: bool = False,
    ) -> Response:
        """The answer to this request; ``kind`` and canonical ``query`` tell renderings apart."""
        current = self._newsroom.current(event_id)
        key = (event_id, kind, query)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not current.edition:
            kept = (current.edition, render(current.edition))
            self._kept.put(key, kept)
        now = self.clock()
        answered = answer(
            kept[1],
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


def delivery() -> Delivery:
    """The delivery of the application that handles this request."""
    found = current_app.extensions["delivery"]
    if not isinstance(found, Delivery):
        raise TypeError("create_app() makes the delivery")
    return found

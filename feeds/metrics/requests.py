"""A request as metrics see it: route, format, outcome. No address of a client is kept."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

FORMATS = ("ics", "rss", "json")
"""Extensions of feeds: a request for them that is answered is a poll."""

FRESH, NOT_MODIFIED, STALE = "200", "304", "stale"
REDIRECT, REFUSED, ERROR = "redirect", "refused", "error"
"""Outcomes besides: the answer was another address, a 4xx, a 5xx."""

ANSWERED = (FRESH, NOT_MODIFIED, STALE)


Hit = tuple[tuple[str, str, str], tuple[str, str], str, bool, str | None]
"""An answer of the cache in front of the views: the key of the representation, the path and the
query, the status line, whether the last refresh had failed, the user agent.

A plain tuple: a class would take most of the time of noting a hit.
"""


class Request(NamedTuple):
    """A request that was answered. ``address`` is the path and the query, as sent."""

    route: str
    format: str
    outcome: str
    address: str = ""
    user_agent: str = ""

    @property
    def is_poll(self) -> bool:
        """Whether a client got the current state of a feed."""
        return self.format in FORMATS and self.outcome in ANSWERED


class RequestGroup(NamedTuple):
    """What hits have in common that are counted together."""

    collection: str
    extension: str
    status: str
    stale: bool
    user_agent: str | None

    def describe(self) -> Request:
        """The request that each hit of the group was."""
        outcome = choose_outcome(int(self.status[:3]), stale=self.stale)
        route = name_route(self.collection, self.extension)
        return Request(route, self.extension, outcome, "", self.user_agent or "")


def group_hits(hits: Iterable[Hit]) -> dict[RequestGroup, int]:
    """The number of hits in each group. Thousands of events are few groups."""
    counts = Counter(
        (name if name[:1] == "/" else "", extension, status, stale, user_agent)
        for (name, extension, _), _, status, stale, user_agent in hits
    )
    return {RequestGroup(*key): number for key, number in counts.items()}


def name_route(name: str, extension: str) -> str:
    """The route of a feed by the id of an event, or by the path of a collection.

    >>> name_route("harbor-run", "ics"), name_route("/events", "rss")
    ('/events/<id>.ics', '/events.rss')
    """
    if not name.startswith("/"):
        base = "/events/<id>"
    else:
        base = "/events" if name == "/events" else "/groups/<slug>"
    return f"{base}.{extension}"


def choose_outcome(status: int, *, stale: bool = False) -> str:
    """The outcome of a request by the status of its answer."""
    if status < 300 or status == 304:  # noqa: PLR2004
        if stale:
            return STALE
        return NOT_MODIFIED if status == 304 else FRESH  # noqa: PLR2004
    if status < 400:  # noqa: PLR2004
        return REDIRECT
    return REFUSED if status < 500 else ERROR  # noqa: PLR2004


def join_address(path: str, query: str) -> str:
    """The path and the query as one text."""
    return f"{path}?{query}" if query else path

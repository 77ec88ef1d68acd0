"""The formats of a feed. Routes, links and tests walk ``FORMATS``."""

from collections.abc import Callable

from msgspec import Struct

from feeds.domain.feed import Feed
from feeds.formats import ical, jsonfeed, rss


class Format(Struct, frozen=True):
    """A format: its media type, its renderer, the names of the query options that it takes.

    The feed of a collection takes ``COLLECTION_OPTIONS`` and ``own_options`` besides.
    """

    media_type: str
    render: Callable[[Feed], bytes]
    options: frozenset[str]
    own_options: frozenset[str] = frozenset()

    @property
    def collection_options(self) -> frozenset[str]:
        return self.options | COLLECTION_OPTIONS | self.own_options


COLLECTION_OPTIONS = frozenset({"event", "from", "to", "type", "virtual"})


FORMATS = {
    "ics": Format(
        "text/calendar; charset=utf-8",
        ical.render,
        frozenset({"busy", "cancelled", "distance", "download", "registration", "run"}),
    ),
    "rss": Format(
        "application/rss+xml; charset=utf-8",
        rss.render,
        frozenset({"distance", "download", "run"}),
    ),
    "json": Format(
        "application/feed+json; charset=utf-8",
        jsonfeed.render,
        frozenset({"distance", "download", "run"}),
        frozenset({"days", "limit"}),
    ),
}
"""By the extension of the URL, which selects the format; Accept is ignored."""

"""The formats: what a feed looks like as bytes. Routes, links and tests walk ``FORMATS``."""

from collections.abc import Callable

from msgspec import Struct

from feeds.formats import ical, rss
from feeds.model import Feed


class Format(Struct, frozen=True):
    """A representation of a feed: its media type, its bytes, the options it takes."""

    media_type: str
    render: Callable[[Feed], bytes]
    options: frozenset[str]


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
}
"""By the extension that stands in the URL, which alone decides the type."""

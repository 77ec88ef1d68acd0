"""The formats of a feed. Routes, links and tests walk ``FORMATS``."""

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct

from feeds.domain.feed import Feed, find_removal_times
from feeds.formats import ical, items, jsonfeed, rss


class Format(Struct, frozen=True):
    """A format: its media type, its renderer, the names of the query options that it takes.

    ``find_changing_times`` gives the instants at which the bytes change by the clock alone.
    """

    media_type: str
    render: Callable[[Feed], bytes]
    options: frozenset[str]
    find_changing_times: Callable[[Feed], Iterable[datetime]]


FORMATS = {
    "ics": Format(
        "text/calendar; charset=utf-8",
        ical.render,
        frozenset({"busy", "cancelled", "distance", "download", "registration", "run"}),
        find_removal_times,
    ),
    "rss": Format(
        "application/rss+xml; charset=utf-8",
        rss.render,
        frozenset({"distance", "download", "run"}),
        lambda feed: (*find_removal_times(feed), *items.find_registration_times(feed)),
    ),
    "json": Format(
        "application/feed+json; charset=utf-8",
        jsonfeed.render,
        frozenset({"distance", "download", "run"}),
        lambda feed: (*find_removal_times(feed), *items.find_registration_times(feed)),
    ),
}
"""By the extension of the URL, which selects the format; Accept is ignored."""

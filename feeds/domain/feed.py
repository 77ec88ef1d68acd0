"""A feed: the editions that a representation is rendered from, and the entries that it shows."""

import logging

from msgspec import Struct

from feeds.domain.entries import Entry, Timetable, order_by_start
from feeds.domain.model import Options
from feeds.domain.options import selects

log = logging.getLogger(__name__)

MAX_RUNS = 1000
"""Runs in one feed: Google is reported to take some 1,100."""


class Feed(Struct, frozen=True, kw_only=True):
    """What a representation is rendered from: nothing else reaches its bytes.

    ``page`` is the address where people read about it, ``source`` that of this feed, both absolute.
    ``timezone`` is the name of the home zone, for events without a known place.
    """

    title: str
    page: str
    source: str
    timezone: str
    timetables: tuple[Timetable, ...]
    options: Options = Options()


def build_page_url(public_url: str, event_id: str) -> str:
    """The address of an event's page; with an extension added, of its feeds."""
    return f"{public_url}/events/{event_id}"


def select_entries(feed: Feed) -> tuple[Entry, ...]:
    """The entries that a feed shows, in the order of time; of too many, the last ``MAX_RUNS``."""
    shown = [
        entry
        for timetable in feed.timetables
        for entry in timetable.list_current(by_start=True)
        if selects(feed.options, entry.run)
    ]
    if len(feed.timetables) > 1:
        shown.sort(key=order_by_start)
    if len(shown) > MAX_RUNS:
        log.warning("%s: %d runs, the last %d are shown", feed.source, len(shown), MAX_RUNS)
    return tuple(shown[-MAX_RUNS:])

"""A feed: the editions that a representation is rendered from, and the entries that it shows."""

import datetime as dt
import logging
from collections.abc import Iterator

from msgspec import Struct

from feeds.domain.entries import UNLISTED_SHOWN_FOR, Entry, Timetable, order_by_start
from feeds.domain.model import Kind, Options
from feeds.domain.options import selects

log = logging.getLogger(__name__)

MAX_RUNS = 1000
"""Runs in one feed: Google is reported to take some 1,100."""


class Feed(Struct, frozen=True, kw_only=True):
    """What a representation is rendered from.

    ``page`` is the address where people read about it, ``source`` that of this feed, both absolute.
    ``timezone`` is the name of the home zone, for events without a known place. ``as_of`` is the
    last instant that has passed of those at which the clock changes the bytes. ``deployed_at`` is
    since when the service writes bytes as it does now. ``now`` is the present: no item lies ahead
    of it, not even after the clock was set back.
    """

    title: str
    page: str
    source: str
    timezone: str
    timetables: tuple[Timetable, ...]
    options: Options = Options()
    as_of: dt.datetime | None = None
    deployed_at: dt.datetime | None = None
    now: dt.datetime | None = None


def build_page_url(public_url: str, event_id: str) -> str:
    """The address of an event's page; with an extension added, of its feeds."""
    return f"{public_url}/events/{event_id}"


def select_entries(feed: Feed) -> tuple[Entry, ...]:
    """The entries that a feed shows, in the order of time; of too many, the last ``MAX_RUNS``."""
    shown = [
        entry
        for timetable in feed.timetables
        for entry in timetable.list_current(feed.as_of, by_start=True)
        if selects(feed.options, entry.run)
    ]
    if len(feed.timetables) > 1:
        shown.sort(key=order_by_start)
    if len(shown) > MAX_RUNS:
        log.warning("%s: %d runs, the last %d are shown", feed.source, len(shown), MAX_RUNS)
    return tuple(shown[-MAX_RUNS:])


def find_removal_times(feed: Feed) -> Iterator[dt.datetime]:
    """The instants at which runs leave a feed, without any change of the event."""
    for timetable in feed.timetables:
        for run in timetable.edition.event.runs:
            if run.unlisted and selects(feed.options, run):
                yield run.unlisted + UNLISTED_SHOWN_FOR


def compute_last_modified(feed: Feed) -> dt.datetime:
    """When the bytes of a feed last changed: by an entry, by the clock, or by a deploy."""
    instants = [entry.revision.last_modified for entry in select_entries(feed)]
    chosen = feed.options
    for timetable in feed.timetables:
        # A run that has another distance now has left the feeds of its old one.
        instants += [
            change.noticed
            for change in timetable.edition.changes
            if change.kind == Kind.OTHER_DISTANCE
            and change.was.distance in chosen.distance
            and (not chosen.run or change.run in chosen.run)
        ]
    return max([*instants, *(each for each in (feed.as_of, feed.deployed_at) if each)])

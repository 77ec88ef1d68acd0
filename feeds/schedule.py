"""When a run starts and ends: from an event's dates and wall-clock times to entries with a period.

The partner API gives runs a start at most, and events one end for all of them.
"""

import datetime as dt
import logging
from collections.abc import Iterable
from math import ceil
from zoneinfo import ZoneInfo

from msgspec import Struct

from feeds.model import Edition, Event, Feed, Run, Stamp
from feeds.options import keeps
from feeds.zones import localize, zone_at

log = logging.getLogger(__name__)

DAY = dt.timedelta(days=1)
HALF_HOUR = dt.timedelta(minutes=30)

MINUTES_PER_KM = 10
MINUTES_PER_KM_WALKING = 15
SHORTEST = dt.timedelta(hours=1)
LONGEST = dt.timedelta(hours=72)

MOST = 1000
"""Runs in one feed: Google is reported to take some 1,100."""


class Period(Struct, frozen=True):
    """A start and an end: both days, the end exclusive (RFC 5545 3.6.1), or both instants.

    ``estimated`` tells that nobody announced the end.
    """

    start: dt.date
    end: dt.date
    estimated: bool = False

    @property
    def all_day(self) -> bool:
        return not isinstance(self.start, dt.datetime)


class Entry(Struct, frozen=True):
    """What becomes a VEVENT and an item: a run in its event, when it takes place, its stamp.

    Of an event without runs it is the event itself; ``run`` then has the event's id.
    """

    event: Event
    run: Run
    period: Period
    zone: ZoneInfo
    stamp: Stamp

    @property
    def uid(self) -> str:
        """The same for ever, on every deployment and in every feed (RFC 5545 3.8.4.7)."""
        return f"{self.run.id}@intervals.run"


def entries(edition: Edition, home: str) -> tuple[Entry, ...]:
    """The entries of an edition; ``home`` is the zone of events without a known place."""
    event = edition.event
    zone = zone_at(event.point, home)
    main = _main(event)
    return tuple(
        Entry(event, run, _period(run, event, zone, main=run.id in main), zone, edition.stamp)
        for run in event.entries
    )


def entries_of(feed: Feed) -> tuple[Entry, ...]:
    """The entries that a feed shows, in the order of time; at most ``MOST``."""
    shown = sorted(
        (
            entry
            for edition in feed.editions
            for entry in entries(edition, feed.timezone)
            if keeps(feed.options, entry.run)
        ),
        key=lambda entry: (instant(entry.period.start, entry.zone), entry.uid),
    )
    if len(shown) > MOST:
        log.warning("%s: %d runs, the first %d are shown", feed.source, len(shown), MOST)
    return tuple(shown[:MOST])


def limit(run: Run) -> dt.timedelta:
    """How long the last finisher may take, in half hours."""
    pace = MINUTES_PER_KM_WALKING if run.walking else MINUTES_PER_KM
    return min(max(ceil(run.distance_meters * pace / 30_000) * HALF_HOUR, SHORTEST), LONGEST)


def span(entries: Iterable[Entry]) -> tuple[dt.datetime, dt.datetime]:
    """The earliest start and the latest end as instants in UTC."""
    starts, ends = zip(
        *(
            (instant(each.period.start, each.zone), instant(each.period.end, each.zone))
            for each in entries
        ),
        strict=True,
    )
    return min(starts), max(ends)


def instant(when: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The instant in UTC of a start or an end: itself, or the midnight with which a day begins."""
    if not isinstance(when, dt.datetime):
        when = localize(dt.datetime.combine(when, dt.time.min), zone)
    return when.astimezone(dt.UTC)


def _main(event: Event) -> frozenset[str]:
    """The runs that the event's end is about: the longest of the last day that anyone runs."""
    runs = [run for run in event.entries if not run.virtual and not run.cancelled]
    last = max(((run.date, run.distance_meters) for run in runs), default=None)
    return frozenset(run.id for run in runs if (run.date, run.distance_meters) == last)


def _period(run: Run, event: Event, zone: ZoneInfo, *, main: bool) -> Period:
    if run.virtual:
        return _days(run.date, event.end_date)
    reach = 2 * limit(run) if event.runs else dt.timedelta.max  # an event's own end always counts
    clock = run.start_time or (event.start_time if run.date == event.date else None)
    if clock is None:
        whole = main and event.end_date is not None and event.end_date - run.date <= reach
        return _days(run.date, event.end_date if whole else None)
    announced = dt.datetime.combine(run.date, clock)
    start = localize(announced, zone)
    closing = localize(start.replace(tzinfo=None) + limit(run), zone)
    end = _announced_end(event, announced, zone)
    # Differences of times in one zone are differences on the wall clock.
    if end is not None and end > start:
        if main and (end.date() == run.date or end - start <= reach):
            return Period(start, end)
        if not main and end <= closing:
            return Period(start, end)
    return Period(start, closing, estimated=True)


def _days(first: dt.date, last: dt.date | None) -> Period:
    return Period(first, max(first, last or first) + DAY)


def _announced_end(event: Event, start: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    """The event's end, if it has one after a start; both are compared as announced.

    A gap may move either past the other (02:45 becomes 03:45, which is after 03:15).
    """
    if event.end_time is None:
        return None
    following = start.date() if event.end_time > start.time() else start.date() + DAY
    end = dt.datetime.combine(event.end_date or following, event.end_time)
    return localize(end, zone) if end > start else None

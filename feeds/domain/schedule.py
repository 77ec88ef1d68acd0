"""When a run starts and ends: from an event's dates and wall-clock times to entries with a period.

The partner API gives runs a start at most, and events one end for all of them.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from feeds.domain.model import NO_REVISION, Change, Edition, Event, Feed, Kind, Revision, Run
from feeds.domain.options import selects
from feeds.domain.timezones import find_zone, localize

log = logging.getLogger(__name__)

DAY = dt.timedelta(days=1)
HALF_HOUR = dt.timedelta(minutes=30)

MINUTES_PER_KM = 10
MINUTES_PER_KM_WALKING = 15
MIN_TIME_LIMIT = dt.timedelta(hours=1)
MAX_TIME_LIMIT = dt.timedelta(hours=72)

UNLISTED_SHOWN_FOR = dt.timedelta(days=30)
"""How long a run, or an event, that is no longer listed is shown as such."""

MAX_RUNS = 1000
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
    """What becomes a VEVENT and an item: a run in its event, when it takes place, its revision.

    Of an event without runs it is the event itself; ``run`` then has the event's id. The ``event``
    is without its runs, and ``alone`` tells that this is the only one: an entry is all that texts
    of a run depend on, so that what is made of equal entries can be used again.
    """

    event: Event
    alone: bool
    run: Run
    period: Period
    zone: ZoneInfo
    revision: Revision
    changes: tuple[Change, ...]

    @property
    def uid(self) -> str:
        """The same for ever, on every deployment and in every feed (RFC 5545 3.8.4.7)."""
        return f"{self.run.id}@intervals.run"

    @property
    def last_move(self) -> Change | None:
        """The last time that its start or its place changed; it may be rescheduled to the same."""
        moves = (Kind.MOVED, Kind.RESCHEDULED)
        return next(
            (
                each
                for each in reversed(self.changes)
                if each.kind in moves and (each.new_start or each.new_place)
            ),
            None,
        )

    @property
    def place(self) -> str | None:
        """Where it is, on one line; without an address the coordinates; none if it is virtual."""
        event = self.event
        if self.run.virtual:
            return None
        if event.location or not event.point:
            return event.location
        latitude, longitude = event.point
        return f"{latitude:z.5f}, {longitude:z.5f}"

    @property
    def register(self) -> str | None:
        """Where to register, unless nobody should come."""
        return None if self.off else self.run.registration_url or self.event.registration_url

    @property
    def off(self) -> bool:
        """Whether nobody should come."""
        return self.run.cancelled or self.run.withdrawn


def build_entries(edition: Edition, home: str, at: dt.datetime | None = None) -> tuple[Entry, ...]:
    """The entries of an edition at a time; without one, those that have left as well.

    ``home`` is the zone of events without a known place.
    """
    revisions = tuple(edition.revisions.items())
    return _entries(edition.event, revisions, edition.changes, gone=edition.gone, home=home, at=at)


@lru_cache(maxsize=8)
def _entries(
    event: Event,
    revisions: tuple[tuple[str, Revision], ...],
    changes: tuple[Change, ...],
    *,
    gone: dt.datetime | None,
    home: str,
    at: dt.datetime | None,
) -> tuple[Entry, ...]:
    """The entries of an edition; they are asked for several times while a feed is rendered."""
    zone = find_zone(event.point, home)
    bare = structs.replace(event, runs=())
    runs = [run for run in event.runs if not has_left(run, at)]
    if runs:
        # Of those that have left as well: the clock must not change when others end.
        main = _main(event.runs)
        timed = [(run, _period(run, bare, zone, main=run.id in main)) for run in runs]
    else:
        timed = [_itself(bare, gone, zone)]
    alone, by_id = len(event.runs) == 1, dict(revisions)
    by_run: dict[str, list[Change]] = {}
    for change in changes:
        by_run.setdefault(change.run, []).append(change)
    return tuple(
        Entry(
            event=bare,
            alone=alone,
            run=run,
            period=period,
            zone=zone,
            revision=by_id.get(run.id, NO_REVISION),
            changes=tuple(by_run.get(run.id, ())),
        )
        for run, period in timed
    )


def _itself(event: Event, gone: dt.datetime | None, zone: ZoneInfo) -> tuple[Run, Period]:
    """What stands for an event without runs; one that was over when it went was not withdrawn."""
    run = structs.replace(event.as_run, unlisted=gone)
    period = _period(run, event, zone, main=True, as_run=True)
    withdrawn = gone is not None and gone < to_instant(period.end, zone)
    return structs.replace(run, withdrawn=withdrawn), period


def has_left(run: Run, at: dt.datetime | None) -> bool:
    """Whether a run that is no longer listed has been shown as such for long enough."""
    return at is not None and run.unlisted is not None and run.unlisted + UNLISTED_SHOWN_FOR <= at


def select_entries(feed: Feed) -> tuple[Entry, ...]:
    """The entries that a feed shows, in the order of time; of too many, the last ``MOST``."""
    shown = sorted(
        (
            entry
            for edition in feed.editions
            for entry in build_entries(edition, feed.timezone, feed.at)
            if selects(feed.options, entry.run)
        ),
        key=lambda entry: (to_instant(entry.period.start, entry.zone), entry.uid),
    )
    if len(shown) > MAX_RUNS:
        log.warning("%s: %d runs, the last %d are shown", feed.source, len(shown), MAX_RUNS)
    return tuple(shown[-MAX_RUNS:])


def find_ended(edition: Edition, home: str, now: dt.datetime) -> frozenset[str]:
    """The ids of the entries that have ended."""
    return frozenset(
        entry.run.id
        for entry in build_entries(edition, home)
        if to_instant(entry.period.end, entry.zone) <= now
    )


def find_removal_times(feed: Feed) -> Iterator[dt.datetime]:
    """The instants at which runs of a feed leave it, without anything having changed."""
    for edition in feed.editions:
        for run in edition.event.runs:
            if run.unlisted and selects(feed.options, run):
                yield run.unlisted + UNLISTED_SHOWN_FOR


def compute_last_modified(feed: Feed) -> dt.datetime:
    """When what a feed shows last changed: content, the clock at ``feed.at``, or the service."""
    instants = [entry.revision.last_modified for entry in select_entries(feed)]
    chosen = feed.options
    for edition in feed.editions:
        # A run that is of another distance now has left the feeds of its old one.
        instants += [
            change.noticed
            for change in edition.changes
            if change.kind == Kind.OTHER_DISTANCE
            and change.was.distance in chosen.distance
            and (not chosen.run or change.run in chosen.run)
        ]
    return max([*instants, *(each for each in (feed.at, feed.since) if each)])


def compute_time_limit(run: Run) -> dt.timedelta:
    """How long the last finisher may take, in half hours."""
    pace = MINUTES_PER_KM_WALKING if run.walking else MINUTES_PER_KM
    return min(
        max(ceil(run.distance_meters * pace / 30_000) * HALF_HOUR, MIN_TIME_LIMIT), MAX_TIME_LIMIT
    )


def compute_span(entries: Iterable[Entry]) -> tuple[dt.datetime, dt.datetime]:
    """The earliest start and the latest end as instants in UTC."""
    starts, ends = zip(
        *(
            (to_instant(each.period.start, each.zone), to_instant(each.period.end, each.zone))
            for each in entries
        ),
        strict=True,
    )
    return min(starts), max(ends)


def to_instant(when: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The instant in UTC of a start or an end: itself, or the midnight with which a day begins."""
    if not isinstance(when, dt.datetime):
        when = localize(dt.datetime.combine(when, dt.time.min), zone)
    return when.astimezone(dt.UTC)


def _main(runs: Iterable[Run]) -> frozenset[str]:
    """The runs that the event's end is about: the longest of the last day that anyone runs."""
    runs = [run for run in runs if not (run.virtual or run.cancelled or run.withdrawn)]
    last = max(((run.date, run.distance_meters) for run in runs), default=None)
    return frozenset(run.id for run in runs if (run.date, run.distance_meters) == last)


def _period(run: Run, event: Event, zone: ZoneInfo, *, main: bool, as_run: bool = False) -> Period:
    if run.virtual:
        return _days(run.date, event.end_date)
    reach = (
        dt.timedelta.max if as_run else 2 * compute_time_limit(run)
    )  # an event's own end always counts
    clock = run.start_time or (event.start_time if run.date == event.date else None)
    if clock is None:
        whole = main and event.end_date is not None and event.end_date - run.date <= reach
        return _days(run.date, event.end_date if whole else None)
    announced = dt.datetime.combine(run.date, clock)
    start = localize(announced, zone)
    closing = localize(start.replace(tzinfo=None) + compute_time_limit(run), zone)
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

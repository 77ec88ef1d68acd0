"""When a run starts and ends: from an event's dates and wall-clock times to a period.

The partner API gives runs a start at most, and events one end for all of them
(docs/rules.md, section 2).
"""

import datetime as dt
from collections.abc import Iterable
from math import ceil
from zoneinfo import ZoneInfo

from msgspec import Struct

from feeds.domain.model import Event, Run
from feeds.domain.timezones import localize

DAY = dt.timedelta(days=1)
HALF_HOUR = dt.timedelta(minutes=30)

END_OF_DAY = dt.time.max
"""24:00 as a wall time: the midnight with which the day ends."""

MINUTES_PER_KM = 10
MINUTES_PER_KM_WALKING = 15
MIN_TIME_LIMIT = dt.timedelta(hours=1)
MAX_TIME_LIMIT = dt.timedelta(hours=72)

MARATHON_METERS = 42_195


class Period(Struct, frozen=True):
    """A start and an end: both days, the end exclusive (RFC 5545 3.6.1), or both instants.

    ``estimated`` says that the organizer announced no end, or one that could not be read.
    """

    start: dt.date
    end: dt.date
    estimated: bool = False

    @property
    def all_day(self) -> bool:
        return not isinstance(self.start, dt.datetime)

    @property
    def first_day(self) -> dt.date:
        return self.start.date() if isinstance(self.start, dt.datetime) else self.start

    @property
    def last_day(self) -> dt.date:
        """The last day of an all-day period; of others the day of the start, as one speaks."""
        return self.end - DAY if self.all_day else self.first_day


def compute_time_limit(run: Run) -> dt.timedelta:
    """How long the last finisher may take, in half hours."""
    pace = MINUTES_PER_KM_WALKING if run.walking else MINUTES_PER_KM
    return min(
        max(ceil(run.distance_meters * pace / 30_000) * HALF_HOUR, MIN_TIME_LIMIT), MAX_TIME_LIMIT
    )


def tells_length(run: Run) -> bool:
    """Whether the distance tells how long a run takes: neither 0 nor one lap of an ultra."""
    is_lap = run.distance_standard == "Ultra" and run.distance_meters < MARATHON_METERS
    return run.distance_meters > 0 and not is_lap


def to_instant(when: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The instant in UTC of a start or an end: itself, or the midnight with which a day begins."""
    if not isinstance(when, dt.datetime):
        when = localize(dt.datetime.combine(when, dt.time.min), zone)
    return when.astimezone(dt.UTC)


def find_main_runs(runs: Iterable[Run]) -> frozenset[str]:
    """The runs that the event's end is about: the longest in-person runs of the last day.

    Their status does not matter: a relay that is cancelled must not move the ends of other runs.
    If all runs are virtual, they are the longest of those.
    """
    runs = [run for run in runs if not run.left]
    runs = [run for run in runs if not run.virtual] or runs
    last = max(((run.date, run.distance_meters) for run in runs), default=None)
    return frozenset(run.id for run in runs if (run.date, run.distance_meters) == last)


def find_start_time(run: Run, event: Event) -> dt.time | None:
    """The wall time at which a run starts, as far as it was announced and read."""
    if is_start_unread(run, event):
        return None
    return run.start_time or (event.start_time if run.date == event.date else None)


def is_start_unread(run: Run, event: Event) -> bool:
    """Whether the time at which a run starts was announced, but could not be read."""
    if "start_time" in run.unread:
        return True
    return run.start_time is None and run.date == event.date and "start_time" in event.unread


def compute_period(
    run: Run, event: Event, zone: ZoneInfo, *, main: bool, as_run: bool = False
) -> Period:
    """The period of a run. ``zone`` is a guess if the point could not be read: then it is a day."""
    reach = (
        dt.timedelta.max if as_run else 2 * compute_time_limit(run)
    )  # an event's own end always counts
    clock = find_start_time(run, event)
    goes_on = "end_date" in event.unread or (event.end_date or run.date) > run.date
    if clock is None or "point" in event.unread or (run.virtual and goes_on):
        if "end_date" in event.unread and (run.virtual or main):
            return _days(run.date, None, estimated=True)
        whole = main and event.end_date is not None and event.end_date - run.date <= reach
        return _days(run.date, event.end_date if run.virtual or whole else None)
    announced = _combine(run.date, clock)
    start = localize(announced, zone)
    closing = localize(start.replace(tzinfo=None) + compute_time_limit(run), zone)
    end = _announced_end(event, announced, zone)
    # Differences of times in one zone are differences on the wall clock.
    if end is not None and end > start:
        last = end.date() - DAY if event.end_time == END_OF_DAY else end.date()
        if main and (last == run.date or end - start <= reach):
            return Period(start, end)
        if not main and end <= closing:
            return Period(start, end)
    return Period(start, closing, estimated=True)


def _combine(day: dt.date, clock: dt.time) -> dt.datetime:
    if clock == END_OF_DAY:
        day, clock = day + DAY, dt.time.min
    return dt.datetime.combine(day, clock)


def _days(first: dt.date, last: dt.date | None, *, estimated: bool = False) -> Period:
    return Period(first, max(first, last or first) + DAY, estimated)


def _announced_end(event: Event, start: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    """The event's end, if it has one after a start; both are compared as announced.

    A gap may move either past the other (02:45 becomes 03:45, which is after 03:15).
    """
    if event.end_time is None or "end_date" in event.unread:
        return None
    following = start.date() if event.end_time > start.time() else start.date() + DAY
    end = _combine(event.end_date or following, event.end_time)
    return localize(end, zone) if end > start else None

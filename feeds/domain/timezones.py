"""Time zones: the zone at a place, wall times in a zone, and a zone's yearly rules.

Pure, except that zoneinfo reads the package data of tzdata.
"""

import zoneinfo
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzfpy

# zoneinfo would prefer the system's copy of the zone rules to tzdata's. The system's copy is older
# and differs from machine to machine; the bytes of a feed must be the same on all machines.
zoneinfo.reset_tzpath(to=())

ZONE_NAMES = frozenset(zoneinfo.available_timezones() - {"Factory"})
"""The names that a setting or a place may have; ``Factory`` means that no zone was configured."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The instant from which on yearly rules are compared with zoneinfo."""

# The years that the rules of a zone are fitted to. tzdata lists single transitions up to 2087
# (Morocco, Palestine); after the last one, zoneinfo repeats yearly rules for ever (RFC 9636 3.3).
# In these 28 years, January 1 falls on each weekday, in common years and in leap years.
_FITTED = range(2101, 2129)

# The distance of the samples of a zone's offset: one sample must lie between each change and the
# next. The two nearest changes since 1970 are a week less an hour apart (Recife, October 2000).
_STEP = timedelta(days=6)

_SECOND = timedelta(seconds=1)
_LAST = -1


class YearlyRule(NamedTuple):
    """A wall time that recurs every year, such as 02:00 on the second Sunday in March.

    ``week`` counts the ``weekday`` (0: Monday) in the ``month`` and is 1 to 4, or -1 for the last
    one; ``time`` is the time since midnight.
    """

    month: int
    week: int
    weekday: int
    time: timedelta

    def onset(self, year: int) -> datetime:
        """The naive wall time in a year, on the clock that is right until then."""
        day = datetime(year, self.month, 1)  # noqa: DTZ001  # a wall time has no zone
        weeks = 4 if self.week == _LAST else self.week - 1
        day += timedelta((self.weekday - day.weekday()) % 7, weeks=weeks)
        if day.month != self.month:
            day -= timedelta(weeks=1)
        return day + self.time


class Observance(NamedTuple):
    """An offset from UTC and the rule that starts it; ``rule`` is None for a fixed offset."""

    tzname: str
    offset_from: timedelta
    offset_to: timedelta
    rule: YearlyRule | None

    def onset(self, year: int) -> datetime:
        """The naive wall time at which it starts in a year; 1970-01-01 00:00 without a rule."""
        return self.rule.onset(year) if self.rule else EPOCH.replace(tzinfo=None)


def load_boundaries() -> None:
    """Unpack the boundaries of all zones (33 MiB, 0.1 s), so that no look-up has to wait."""
    tzfpy.get_tz(0, 0)


def find_zone(point: tuple[float, float] | None, home: str) -> ZoneInfo:
    """Return the zone at a point, else the zone named ``home``, which is a guess (rules 2.1)."""
    return find_zone_at(point) or ZoneInfo(home)


def find_zone_at(point: tuple[float, float] | None) -> ZoneInfo | None:
    """Return the zone at a point (latitude, longitude) in degrees, if it is known (rules 2.1).

    It is unknown without a point, off the globe, on the open sea (an ``Etc/`` zone), as at 0,0 (an
    empty form), and where tzdata does not know the zone.
    """
    name = ""
    if point:
        latitude, longitude = point
        name = tzfpy.get_tz(longitude, latitude)  # "" off the globe and for NaN
    return ZoneInfo(name) if name in ZONE_NAMES and not name.startswith("Etc/") else None


def localize(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the aware time that a naive wall time means in a zone (RFC 5545 3.3.5).

    A time in a gap becomes the existing time after the gap (02:30 becomes 03:30), which may be
    later than the result for a later wall time (03:00 stays 03:00). A repeated time means its first
    pass. The first and the last day of the calendar (years 1 and 9999) raise OverflowError.
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)


@cache
def find_yearly_rules(name: str) -> tuple[tuple[Observance, ...] | None, frozenset[int]]:
    """Return the observances of a zone, and the years from 1970 on in which they are wrong.

    The observances are those that zoneinfo repeats for ever: a single fixed offset, or standard
    time and daylight time in this order. Daylight time has the larger offset, also in Dublin, where
    tzdata calls winter the exception. They are None if a change does not recur on the nth or the
    last weekday of a month.

    A calendar year (of UTC) counts as a whole: rules that agree with zoneinfo only for a Ramadan or
    a summer agree by accident. An unknown name raises ZoneInfoNotFoundError.
    """
    zone = ZoneInfo(name)
    observances = _fit_observances(zone)
    if observances is None:
        return None, frozenset()
    return observances, frozenset(_find_irregular_years(zone, observances))


def _fit_observances(zone: ZoneInfo) -> tuple[Observance, ...] | None:
    """Return the observances that a zone has in the fitted years, None without yearly rules."""
    start, end = (EPOCH.replace(year=year) for year in (_FITTED.start, _FITTED.stop))
    walls = defaultdict(list)
    for instant in _find_transitions(zone, start, end):
        before, after = _find_offset(zone, instant - _SECOND), _find_offset(zone, instant)
        change = _find_tzname(zone, instant), before, after
        walls[change].append((instant + before).replace(tzinfo=None))
    if not walls:
        offset = _find_offset(zone, start)
        return (Observance(_find_tzname(zone, start), offset, offset, None),)
    rules = {change: _fit_rule(onsets) for change, onsets in walls.items()}
    if None in rules.values():
        return None
    observances = (Observance(*change, rule) for change, rule in rules.items())
    return tuple(sorted(observances, key=attrgetter("offset_to")))


def _fit_rule(onsets: list[datetime]) -> YearlyRule | None:
    """Find the rule that recurs at these wall times, and at no other, in the fitted years."""
    first = onsets[0]
    time = first - first.replace(hour=0, minute=0, second=0)
    for week in (1, 2, 3, 4, _LAST):
        rule = YearlyRule(first.month, week, first.weekday(), time)
        if onsets == [rule.onset(year) for year in _FITTED]:
            return rule
    return None


def _find_transitions(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Find the instants from ``start`` to ``end`` at which a zone's offset changes."""
    sampled = ((instant, _find_offset(zone, instant)) for instant in _sample(start, end))
    for (before, offset_before), (after, offset_after) in pairwise(sampled):
        if offset_before != offset_after:
            changed = partial(_differ, zone, before)
            seconds = bisect_left(range((after - before) // _SECOND), x=True, key=changed)
            yield before + seconds * _SECOND


def _differ(zone: ZoneInfo, instant: datetime, seconds: int) -> bool:
    """Whether the offset at an instant and the offset some seconds later are different."""
    return _find_offset(zone, instant) != _find_offset(zone, instant + seconds * _SECOND)


def _find_irregular_years(zone: ZoneInfo, observances: tuple[Observance, ...]) -> Iterator[int]:
    """Find the years before the fitted years in which the observances give another offset."""
    years = range(EPOCH.year, _FITTED.start)
    offsets = {
        (observance.onset(year) - observance.offset_from).replace(tzinfo=UTC): observance.offset_to
        for observance in observances
        for year in years
    }
    new_years = (EPOCH.replace(year=year) for year in (*years, years.stop))
    offset = None  # the rules give no offset before their first onset
    for start, end in pairwise(sorted({*offsets, *new_years})):
        offset = offsets.get(start, offset)
        if any(_find_offset(zone, instant) != offset for instant in _sample(start, end)):
            yield start.year


def _sample(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the first and the last second of a time span, and instants in steps between them."""
    last = end - _SECOND
    while start < last:
        yield start
        start += _STEP
    yield last


def _find_offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _find_tzname(zone: ZoneInfo, instant: datetime) -> str:
    return f"{instant.astimezone(zone):%Z}"

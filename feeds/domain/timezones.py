"""Time zones: the one at a place, wall times in it, and its VTIMEZONE.

Pure but for reading the package data of tzdata.
"""

import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import product
from zoneinfo import ZoneInfo

import tzfpy
from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from feeds.domain import posix_tz
from feeds.domain.posix_tz import Observance

# The system's copy of the zone rules would win over tzdata's. It is older, and another one on
# every machine; the bytes of a feed must be the same on all.
zoneinfo.reset_tzpath(to=())

ZONE_NAMES = frozenset(zoneinfo.available_timezones() - {"Factory"})
"""The names a setting or a place may have; ``Factory`` means that nobody has set one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TZIF_HEADER = 44


def load_boundaries() -> None:
    """Unpack the zones' boundaries: 33 MiB and 0.1 s, which else the first look-up costs."""
    tzfpy.get_tz(0, 0)


def find_zone(point: tuple[float, float] | None, home: str) -> ZoneInfo:
    """The zone at a point (latitude, longitude) in degrees, else the zone named ``home``.

    Home it is without a point, at 0,0 (a form not filled in), off the globe, on the open sea (an
    ``Etc/`` zone), and where tzdata does not know the zone.
    """
    name = ""
    if point and point != (0, 0):
        latitude, longitude = point
        name = tzfpy.get_tz(longitude, latitude)  # "" off the globe and for NaN
    return ZoneInfo(name if name in ZONE_NAMES and not name.startswith("Etc/") else home)


def localize(wall: datetime, zone: ZoneInfo) -> datetime:
    """The time in a zone that a naive wall time means (RFC 5545 3.3.5).

    In a gap it is the existing time after it (02:30 becomes 03:30), and so may come after what a
    later wall time means (03:00 is 03:00). A repeated time means its first pass. The first and the
    last day of the calendar (years 1 and 9999) raise OverflowError.
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)


def build_vtimezone(name: str, first: datetime, last: datetime) -> Timezone | None:
    """The VTIMEZONE of a zone for times from ``first`` to ``last``, both aware (RFC 5545 3.6.5).

    It is one STANDARD, or STANDARD and DAYLIGHT with yearly rules from 1970 on: the shape that all
    clients read. None where such rules do not give zoneinfo's offsets; the times are written in UTC
    then. A calendar year (of UTC) counts as a whole: rules that are right for a Ramadan or a summer
    only are so by accident.

    The component is the caller's own. An unknown name raises ZoneInfoNotFoundError.
    """
    years = range(first.astimezone(UTC).year, last.astimezone(UTC).year + 1)
    observances, irregular = _yearly(name)
    if not observances or years.start < _EPOCH.year or not irregular.isdisjoint(years):
        return None
    component = Timezone()
    component.add("TZID", name)
    for observance in observances:
        component.add_component(_component(observance))
    return component


def _component(observance: Observance) -> TimezoneStandard | TimezoneDaylight:
    """STANDARD or DAYLIGHT, its properties in the order in which icalendar sorts them."""
    summer = observance.offset_to > observance.offset_from
    component = TimezoneDaylight() if summer else TimezoneStandard()
    component.add("DTSTART", _onset(observance, _EPOCH.year))
    if rule := observance.rule:
        component.add("RRULE", vRecur(FREQ="YEARLY", BYMONTH=rule.month, BYDAY=rule.byday))
    component.add("TZNAME", observance.tzname)
    component.add("TZOFFSETFROM", observance.offset_from)
    component.add("TZOFFSETTO", observance.offset_to)
    return component


def _onset(observance: Observance, year: int) -> datetime:
    """When an observance begins in a year, as wall time before; the epoch if it always was."""
    return observance.rule.onset(year) if observance.rule else _EPOCH.replace(tzinfo=None)


@cache
def _yearly(name: str) -> tuple[tuple[Observance, ...] | None, frozenset[int]]:
    """The yearly rules of a zone, and the years since 1970 (of UTC) in which they were not right.

    Past the last transition in the zone's file the rules are what zoneinfo goes by; until then both
    are compared wherever one of them changes the offset, and at every new year.
    """
    zone = ZoneInfo(name)
    transitions, footer = _tzif(name)
    observances = posix_tz.observances(footer)
    if observances is None:
        return None, frozenset()
    years = range(_EPOCH.year, max(transitions, default=_EPOCH).year + 1)
    onsets = {}
    for observance, year in product(observances, years):
        wall = _onset(observance, year)
        onsets[(wall - observance.offset_from).replace(tzinfo=UTC)] = observance.offset_to
    irregular = set()
    offset = None
    for instant in sorted({*onsets, *transitions, *(_EPOCH.replace(year=year) for year in years)}):
        offset = onsets.get(instant, offset)
        if instant.astimezone(zone).utcoffset() != offset:
            irregular.add(instant.year)
    return observances, frozenset(irregular)


def _tzif(name: str) -> tuple[list[datetime], str]:
    """The transitions since 1970 in a zone's TZif file, and the POSIX TZ string it ends with.

    The file has everything twice: with 32 bits first, which is skipped, then with 64
    (RFC 9636 3.1 and 3.2).
    """
    data = resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
    isut, isstd, leap, time, kind, char = struct.unpack_from(">6L", data, 20)
    start = _TZIF_HEADER + isut + isstd + leap * 8 + time * 5 + kind * 6 + char
    (count,) = struct.unpack_from(">L", data, start + 32)
    seconds = struct.unpack_from(f">{count}q", data, start + _TZIF_HEADER)
    transitions = [_EPOCH + timedelta(seconds=second) for second in seconds if second >= 0]
    return transitions, data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii")

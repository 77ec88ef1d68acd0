"""VTIMEZONE components against zoneinfo, read with nothing but RFC 5545 3.6.5 and the bytes."""

import re
import zoneinfo
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # no stubs among ours
from icalendar import Timezone

from feeds.formats.vtimezone import build_vtimezone


def list_distinct_zones():
    """The first name of each zone; many names of tzdata have the bytes of another."""
    folder = files("tzdata.zoneinfo")
    names: dict[bytes, str] = {}
    for name in sorted(zoneinfo.available_timezones() - {"Factory"}):
        names.setdefault(folder.joinpath(name).read_bytes(), name)
    return list(names.values())


NAMES = list_distinct_zones()
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def utc(*args):
    return datetime(*args).replace(tzinfo=UTC)  # noqa: DTZ001


FIRST, LAST = utc(2025, 1, 1), utc(2029, 12, 31)


class Reader:
    """The onsets that a VTIMEZONE has until a year, and the offset at an instant."""

    def __init__(self, component: Timezone, year: int) -> None:
        self.onsets: list[tuple[datetime, timedelta]] = []
        observances = re.findall(
            r"BEGIN:(?:STANDARD|DAYLIGHT)\r\n(.*?)END:", component.to_ical().decode(), re.DOTALL
        )
        for lines in observances:
            value = dict(line.split(":", 1) for line in lines.splitlines())
            dtstart = datetime.strptime(value["DTSTART"], "%Y%m%dT%H%M%S")  # noqa: DTZ007
            offset_from, offset_to = map(read_offset, (value["TZOFFSETFROM"], value["TZOFFSETTO"]))
            walls = [dtstart]
            if "RRULE" in value:
                rule = rrulestr(value["RRULE"], dtstart=dtstart)
                walls = rule.between(dtstart, datetime(year + 1, 1, 1), inc=True)  # noqa: DTZ001
                assert walls[0] == dtstart, "DTSTART is the first instance of the rule"
            self.onsets += [((at - offset_from).replace(tzinfo=UTC), offset_to) for at in walls]
        self.onsets.sort()
        self._instants = [instant for instant, _ in self.onsets]

    def get_offset(self, instant: datetime) -> timedelta | None:
        """Return the offset of the observance with the latest onset, None before the first."""
        count = bisect_right(self._instants, instant)
        return self.onsets[count - 1][1] if count else None


def read_offset(text: str) -> timedelta:
    hours, minutes = int(text[1:3]), int(text[3:])
    return timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1)


def find_instants(zone: ZoneInfo, first: int, last: int) -> Iterator[datetime]:
    """Yield noons of some years, and instants from a day before each change to a day after.

    No zone has an offset for less than the ten days between two noons.
    """
    start = utc(first, 1, 1, 12)
    noons = [start + 10 * DAY * count for count in range((last + 1 - first) * 73 // 2)]
    yield from noons
    offsets = [noon.astimezone(zone).utcoffset() for noon in noons]
    for before, (offset, after) in zip(noons[:-1], pairwise(offsets), strict=True):
        if offset != after:

            def is_changed(seconds, before=before, offset=offset):
                return (before + seconds * SECOND).astimezone(zone).utcoffset() != offset

            seconds = bisect_left(range(10 * DAY // SECOND), x=True, key=is_changed)
            change = before + seconds * SECOND
            yield change - SECOND
            yield from (change + HOUR * hours for hours in (-24, -2, -1, 0, 1, 2, 24))


def find_wrong_years(component: Timezone, name: str, first: int, last: int) -> set[int]:
    """Return the years (of UTC) in which a component and zoneinfo give different offsets."""
    reader, zone = Reader(component, last), ZoneInfo(name)
    return {
        instant.year
        for instant in find_instants(zone, first, last)
        if instant.astimezone(zone).utcoffset() != reader.get_offset(instant)
    }


def test_every_zone_has_a_vtimezone_in_exactly_the_years_in_which_zoneinfo_agrees():
    first, last = 2020, 2035
    differences = {}
    for name in NAMES:
        built = {
            year: component
            for year in range(first, last + 1)
            if (component := build_vtimezone(name, utc(year, 1, 1), utc(year, 12, 31)))
        }
        if built:
            wrong = find_wrong_years(built[max(built)], name, first, last)
            if wrong != set(range(first, last + 1)) - built.keys():
                differences[name] = sorted(built), sorted(wrong)
    assert differences == {}


def test_at_most_fifteen_zones_have_no_vtimezone_in_five_years():
    missing = [name for name in NAMES if not build_vtimezone(name, FIRST, LAST)]
    assert len(missing) <= 15, missing


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        # the law of 2007 changed both dates, not the offset in June
        ("America/Chicago", utc(2006, 6, 10), utc(2006, 6, 11)),
        ("America/Chicago", utc(2006, 6, 10), utc(2025, 6, 11)),
        # daylight time with a pause in Ramadan: within the pause, around the pause, in August
        ("Africa/Casablanca", utc(2025, 3, 10), utc(2025, 3, 11)),
        ("Africa/Casablanca", utc(2025, 2, 20), utc(2025, 4, 10)),
        ("Africa/Casablanca", utc(2025, 8, 1), utc(2025, 8, 2)),
        # daylight time was given up between the two days, and in the same year
        ("Asia/Tehran", utc(2022, 6, 1), utc(2023, 6, 1)),
        ("Asia/Amman", utc(2022, 12, 1), utc(2022, 12, 2)),
        # another offset from 2018 to 2020
        ("Europe/Volgograd", utc(2016, 1, 1), utc(2023, 1, 1)),
        # a day left out
        ("Pacific/Apia", utc(2011, 12, 28), utc(2012, 1, 2)),
        # before the first onset
        ("Asia/Tokyo", utc(1969, 12, 31), utc(2025, 1, 1)),
        ("America/Chicago", utc(1970, 1, 1), utc(1970, 1, 2)),
        # no rule fits
        ("Asia/Jerusalem", utc(2040, 1, 1), utc(2040, 1, 2)),
    ],
)
def test_no_vtimezone_is_built_if_a_year_does_not_follow_the_rules(name, first, last):
    assert build_vtimezone(name, first, last) is None


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("America/Chicago", 2007, 2030),
        ("Europe/Volgograd", 2015, 2017),
        ("Asia/Tokyo", 1970, 1970),
        ("Asia/Tokyo", 1971, 2199),
        ("Europe/Dublin", 2037, 2038),
        ("Pacific/Auckland", 2090, 2110),
        ("America/New_York", 2195, 2205),
    ],
)
def test_a_vtimezone_gives_the_offsets_of_zoneinfo_in_old_and_far_years(name, first, last):
    component = build_vtimezone(name, utc(first, 1, 1), utc(last, 12, 31))
    assert component is not None
    assert find_wrong_years(component, name, first, last) == set()


def test_the_years_of_the_first_and_the_last_time_are_years_of_utc():
    # 2006 in Chicago, 2007 in UTC
    new_year = datetime(2006, 12, 31, 19, tzinfo=ZoneInfo("America/Chicago"))
    assert build_vtimezone("America/Chicago", new_year, new_year) is not None
    assert build_vtimezone("America/Chicago", new_year - 2 * HOUR, new_year) is None


def test_the_properties_are_in_the_order_in_which_icalendar_sorts_them():
    component = build_vtimezone("Europe/London", FIRST, LAST)
    assert component is not None
    assert component.to_ical(sorted=False) == component.to_ical()


@pytest.mark.parametrize(
    "name", ["America/Chicago", "Asia/Tokyo", "Australia/Lord_Howe", "Europe/Dublin"]
)
def test_icalendar_reads_the_same_offsets_from_a_vtimezone(name):
    component = build_vtimezone(name, FIRST, LAST)
    assert component is not None
    parsed = Timezone.from_ical(component.to_ical())
    assert isinstance(parsed, Timezone)
    zone, parsed_zone = ZoneInfo(name), parsed.to_tz(lookup_tzid=False)
    for instant in find_instants(zone, FIRST.year, LAST.year):
        local = instant.astimezone(zone)
        if local.fold == 0:  # a client has only the wall time
            assert local.replace(tzinfo=parsed_zone).utcoffset() == local.utcoffset(), instant

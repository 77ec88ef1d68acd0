import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import tzfpy
from hypothesis import assume, example, given
from hypothesis import strategies as st

from feeds.domain import timezones
from feeds.domain.timezones import ZONE_NAMES, YearlyRule, find_yearly_rules

CHICAGO = ZoneInfo("America/Chicago")
DUBLIN = ZoneInfo("Europe/Dublin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")

SUNDAY = 6
HOUR = timedelta(hours=1)


def utc(*args):
    return datetime(*args).replace(tzinfo=UTC)  # noqa: DTZ001


def wall(text):
    return datetime.fromisoformat(text)


def test_zone_names_has_the_names_of_zones_and_nothing_else():
    assert {"America/Chicago", "UTC", "Etc/GMT-3"} <= ZONE_NAMES
    others = {"", "localtime", "Factory", "posixrules", "posix/Europe/Berlin", "America"}
    assert ZONE_NAMES.isdisjoint(others | {"america/chicago", "zone.tab", "Europe/Berlin\n"})


def test_zoneinfo_does_not_read_the_zone_rules_of_the_system():
    assert zoneinfo.TZPATH == ()


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ((0, -78.45), "America/Guayaquil"),
        ((-90, 0), "Antarctica/McMurdo"),
        ((41.88, 272.37), "America/New_York"),  # out of range
        ((20.0, 180.0), "America/New_York"),  # on the open sea
        ((1.0, 0.5), "America/New_York"),
    ],
)
def test_a_place_on_the_edge_of_the_globe_has_the_zone_of_its_land_or_else_the_home_zone(
    point, name
):
    assert timezones.find_zone(point, "America/New_York").key == name


def test_find_zone_returns_the_home_zone_where_tzdata_does_not_know_the_zone(monkeypatch):
    monkeypatch.setattr(tzfpy, "get_tz", lambda lng, lat: "Asia/Edo")
    assert timezones.find_zone((35.68, 139.69), "America/Chicago") is CHICAGO


@given(st.tuples(st.floats(), st.floats()))
def test_find_zone_returns_a_zone_on_land_for_any_two_numbers(point):
    name = timezones.find_zone(point, "Europe/Berlin").key
    assert name in ZONE_NAMES
    assert not name.startswith("Etc/")


def test_tzdata_knows_every_zone_on_the_map():
    assert set(tzfpy.timezonenames()) <= ZONE_NAMES


@pytest.mark.parametrize(
    ("zone", "given", "instant", "shown"),
    [
        # an ordinary time
        (CHICAGO, "2025-06-14T08:00", utc(2025, 6, 14, 13), "2025-06-14T08:00"),
        # a gap of an hour: times in the gap, and the time after
        (CHICAGO, "2025-03-09T02:00", utc(2025, 3, 9, 8), "2025-03-09T03:00"),
        (CHICAGO, "2025-03-09T02:30", utc(2025, 3, 9, 8, 30), "2025-03-09T03:30"),
        (CHICAGO, "2025-03-09T03:00", utc(2025, 3, 9, 8), "2025-03-09T03:00"),
        # a repeated hour: the first pass
        (CHICAGO, "2025-11-02T01:00", utc(2025, 11, 2, 6), "2025-11-02T01:00"),
        (CHICAGO, "2025-11-02T01:59:59", utc(2025, 11, 2, 6, 59, 59), "2025-11-02T01:59:59"),
        # the same in a zone where tzdata calls winter the exception
        (DUBLIN, "2025-03-30T01:30", utc(2025, 3, 30, 1, 30), "2025-03-30T02:30"),
        (DUBLIN, "2025-10-26T01:30", utc(2025, 10, 26, 0, 30), "2025-10-26T01:30"),
        # a change by half an hour
        (LORD_HOWE, "2025-10-05T02:15", utc(2025, 10, 4, 15, 45), "2025-10-05T02:45"),
        (LORD_HOWE, "2025-04-06T01:45", utc(2025, 4, 5, 14, 45), "2025-04-06T01:45"),
        # a day that Samoa left out
        (APIA, "2011-12-30T10:00", utc(2011, 12, 30, 20), "2011-12-31T10:00"),
    ],
)
def test_localize_returns_the_instant_that_a_wall_time_means(zone, given, instant, shown):
    aware = timezones.localize(wall(given), zone)
    assert aware.astimezone(UTC) == instant
    assert aware.replace(tzinfo=None) == wall(shown)
    assert aware.tzinfo is zone
    assert aware.fold == 0


WALLS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
# Random times seldom meet the gap and the repeated hour.
WALLS_NEAR_CHANGES = st.builds(
    lambda at, minutes: at + timedelta(minutes=minutes),
    st.sampled_from([wall("2025-03-09T02:00"), wall("2025-11-02T01:00")]),
    st.integers(-180, 180),
)
ZONES = st.sampled_from(sorted(ZONE_NAMES)).map(ZoneInfo)


@given(WALLS, ZONES)
@example(wall("2025-03-09T02:30"), CHICAGO)
@example(wall("2011-12-30T12:00"), APIA)
def test_localize_returns_a_time_that_exists_and_is_not_earlier(time, zone):
    aware = timezones.localize(time, zone)
    again = aware.astimezone(UTC).astimezone(zone)
    assert (again.replace(tzinfo=None), again.fold) == (aware.replace(tzinfo=None), 0)
    assert again.utcoffset() == aware.utcoffset()
    assert aware.replace(tzinfo=None) >= time


@given(WALLS | WALLS_NEAR_CHANGES, WALLS | WALLS_NEAR_CHANGES, ZONES)
@example(wall("2025-03-09T01:59:59"), wall("2025-03-09T03:00"), CHICAGO)
@example(wall("2025-11-02T01:59:59"), wall("2025-11-02T02:00"), CHICAGO)
@example(wall("2011-12-29T23:59"), wall("2011-12-31T00:00"), APIA)
def test_localize_keeps_the_order_of_wall_times_that_exist(one, other, zone):
    early, late = (timezones.localize(time, zone) for time in sorted((one, other)))
    assume(early.replace(tzinfo=None) == min(one, other))
    assume(late.replace(tzinfo=None) == max(one, other))
    assert (early.astimezone(UTC) < late.astimezone(UTC)) == (one != other)


@pytest.mark.parametrize(
    ("month", "week", "weekday", "year", "onset"),
    [
        (3, 2, SUNDAY, 2025, "2025-03-09T02:00"),
        (2, -1, SUNDAY, 2032, "2032-02-29T02:00"),  # the fifth one, in a leap year
        (2, -1, SUNDAY, 2026, "2026-02-22T02:00"),  # the fourth one
        (2, 4, SUNDAY, 2032, "2032-02-22T02:00"),
        (6, 1, SUNDAY, 2025, "2025-06-01T02:00"),  # the month begins on a Sunday
        (6, 1, 5, 2025, "2025-06-07T02:00"),  # the first Saturday is the last day of the week
        (12, -1, 2, 2025, "2025-12-31T02:00"),
    ],
)
def test_a_yearly_rule_finds_its_day_in_a_year(month, week, weekday, year, onset):
    assert YearlyRule(month, week, weekday, 2 * HOUR).onset(year) == wall(onset)


@pytest.mark.parametrize(
    "name",
    [
        "Africa/Cairo",  # Thursday 24:00
        "America/Nuuk",  # the day before the last Sunday
        "America/Santiago",  # the Sunday on or after the 2nd
        "Asia/Jerusalem",  # the Friday before the last Sunday
    ],
)
def test_find_yearly_rules_returns_none_where_no_rule_fits_a_change(name):
    assert find_yearly_rules(name) == (None, frozenset())

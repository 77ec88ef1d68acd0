import re
import subprocess
import sys
import zoneinfo
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
import tzfpy
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # no stubs among ours
from hypothesis import assume, example, given
from hypothesis import strategies as st
from icalendar import Timezone

from feeds.domain import timezones as zones
from feeds.domain.posix_tz import observances

CHICAGO = ZoneInfo("America/Chicago")
DUBLIN = ZoneInfo("Europe/Dublin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
LAST = datetime(2030, 1, 1, tzinfo=UTC) - timedelta(seconds=1)


def utc(*args):
    return datetime(*args).replace(tzinfo=UTC)  # noqa: DTZ001


def wall(text):
    return datetime.fromisoformat(text)


def written(name, first=FIRST, last=LAST):
    """The content lines of a zone's VTIMEZONE."""
    component = zones.build_vtimezone(name, first, last)
    assert component is not None
    return component.to_ical().decode().splitlines()


class Reader:
    """A VTIMEZONE as a client reads it that has nothing but RFC 5545 3.6.5 and the bytes."""

    def __init__(self, ical, until):
        self.onsets = []
        for lines in re.findall(
            r"BEGIN:(?:STANDARD|DAYLIGHT)\r\n(.*?)END:", ical.decode(), re.DOTALL
        ):
            value = dict(line.split(":", 1) for line in lines.splitlines())
            dtstart = datetime.strptime(value["DTSTART"], "%Y%m%dT%H%M%S")  # noqa: DTZ007
            offset_from, offset_to = map(self.offset, (value["TZOFFSETFROM"], value["TZOFFSETTO"]))
            walls = [dtstart]
            if "RRULE" in value:
                rule = rrulestr(value["RRULE"], dtstart=dtstart)
                walls = list(rule.between(dtstart, until.replace(tzinfo=None), inc=True))
                assert walls[0] == dtstart, "DTSTART is an instance of its rule"
            self.onsets += [((at - offset_from).replace(tzinfo=UTC), offset_to) for at in walls]
        self.onsets.sort()

    @staticmethod
    def offset(text):
        sign, hours, minutes = text[0], int(text[1:3]), int(text[3:])
        return timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)

    def utcoffset(self, instant):
        """The offset of the observance with the latest onset, None before the first."""
        count = bisect_right(self.onsets, instant, key=lambda onset: onset[0])
        return self.onsets[count - 1][1] if count else None


def transitions(zone, first, last):
    """The instants at which a zone changes its offset, found from its offsets alone."""
    step = timedelta(hours=12)
    before = first
    while before < last:
        after = before + step
        offset = before.astimezone(zone).utcoffset()
        if after.astimezone(zone).utcoffset() != offset:
            low, high = before, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if middle.astimezone(zone).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            yield high
        before = after


def instants(zone, first, last):
    """Noon of each week, and just before, at and just after each transition."""
    second = timedelta(seconds=1)
    for at in transitions(zone, first, last):
        yield from (at - second, at, at + second)
    noon = first.replace(hour=12)
    while noon < last:
        yield noon
        noon += timedelta(weeks=1)


def disagreements(component, name, first, last):
    reader = Reader(component.to_ical(), last + timedelta(days=2))
    zone = ZoneInfo(name)
    return [
        instant
        for instant in instants(zone, first, last)
        if reader.utcoffset(instant) != instant.astimezone(zone).utcoffset()
    ]


class TestNames:
    @pytest.mark.parametrize("name", ["America/Chicago", "UTC", "Etc/GMT-3", "Asia/Kolkata"])
    def test_a_zone_of_tzdata_is_a_name(self, name):
        assert name in zones.ZONE_NAMES

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "localtime",
            "Factory",
            "posixrules",
            "posix/Europe/Berlin",
            "America",
            "america/chicago",
            "../x",
            "Europe/../Europe/Berlin",
            "/usr/share/zoneinfo/Europe/Berlin",
            "/etc/localtime",
            "Europe/Berlin\n",
            "zone.tab",
            "CST6CDT,M3.2.0,M11.1.0",
        ],
    )
    def test_anything_else_is_not(self, name):
        assert name not in zones.ZONE_NAMES

    def test_every_name_is_a_zone_with_a_whole_file(self):
        for name in zones.ZONE_NAMES:
            assert ZoneInfo(name).key == name
            assert zones._tzif(name)[1]

    def test_the_rules_of_the_system_are_not_asked(self):
        assert zoneinfo.TZPATH == ()


class TestZoneAt:
    @pytest.mark.parametrize(
        ("point", "name"),
        [
            ((41.88, -87.63), "America/Chicago"),
            ((53.35, -6.26), "Europe/Dublin"),
            ((-33.87, 151.21), "Australia/Sydney"),
            ((35.68, 139.69), "Asia/Tokyo"),
            ((33.45, -112.07), "America/Phoenix"),
            ((-13.83, -171.77), "Pacific/Apia"),
            ((0, -78.45), "America/Guayaquil"),
            ((5.6, 0.0), "Africa/Accra"),
            ((-90, 0), "Antarctica/McMurdo"),
        ],
    )
    def test_a_place_has_its_zone(self, point, name):
        assert zones.find_zone(point, "Europe/Berlin").key == name

    @pytest.mark.parametrize(
        "point",
        [
            None,
            (0, 0),
            (0.0, -0.0),
            (91.0, 10.0),
            (-90.1, 10.0),
            (41.88, 272.37),
            (41.88, -448.0),
            (10.0, 180.1),
            (float("nan"), 10.0),
            (10.0, float("nan")),
            (float("inf"), 10.0),
            (10.0, float("-inf")),
            (1e308, -1e308),
        ],
    )
    def test_what_is_no_place_is_home(self, point):
        assert zones.find_zone(point, "Europe/Berlin").key == "Europe/Berlin"

    @pytest.mark.parametrize("point", [(30.0, -45.0), (-40.0, -120.0), (20.0, 180.0), (1.0, 0.5)])
    def test_the_open_sea_is_home(self, point):
        assert tzfpy.get_tz(point[1], point[0]).startswith("Etc/")
        assert zones.find_zone(point, "America/Chicago") is CHICAGO

    def test_a_zone_that_tzdata_does_not_know_is_home(self, monkeypatch):
        monkeypatch.setattr(tzfpy, "get_tz", lambda lng, lat: "Asia/Edo")
        assert zones.find_zone((35.68, 139.69), "America/Chicago") is CHICAGO

    def test_every_zone_on_the_map_is_a_name(self):
        assert set(tzfpy.timezonenames()) <= zones.ZONE_NAMES

    @given(st.tuples(st.floats(), st.floats()))
    def test_any_two_numbers_have_a_zone(self, point):
        name = zones.find_zone(point, "Europe/Berlin").key
        assert name in zones.ZONE_NAMES
        assert not name.startswith("Etc/")

    def test_home_may_be_utc(self):
        assert zones.find_zone(None, "Etc/UTC").key == "Etc/UTC"


class TestLocalize:
    @pytest.mark.parametrize(
        ("zone", "given", "instant", "shown"),
        [
            # an ordinary time
            (CHICAGO, "2025-06-14T08:00", utc(2025, 6, 14, 13), "2025-06-14T08:00"),
            # an hour's gap: its first and its last moment, and the time after it
            (CHICAGO, "2025-03-09T01:59:59", utc(2025, 3, 9, 7, 59, 59), "2025-03-09T01:59:59"),
            (CHICAGO, "2025-03-09T02:00", utc(2025, 3, 9, 8), "2025-03-09T03:00"),
            (CHICAGO, "2025-03-09T02:30", utc(2025, 3, 9, 8, 30), "2025-03-09T03:30"),
            (CHICAGO, "2025-03-09T03:00", utc(2025, 3, 9, 8), "2025-03-09T03:00"),
            # an hour that comes twice: its first pass
            (CHICAGO, "2025-11-02T01:00", utc(2025, 11, 2, 6), "2025-11-02T01:00"),
            (CHICAGO, "2025-11-02T01:59:59", utc(2025, 11, 2, 6, 59, 59), "2025-11-02T01:59:59"),
            (CHICAGO, "2025-11-02T02:00", utc(2025, 11, 2, 8), "2025-11-02T02:00"),
            # the same in a zone whose winter counts as the exception
            (DUBLIN, "2025-03-30T01:30", utc(2025, 3, 30, 1, 30), "2025-03-30T02:30"),
            (DUBLIN, "2025-10-26T01:30", utc(2025, 10, 26, 0, 30), "2025-10-26T01:30"),
            # half an hour
            (LORD_HOWE, "2025-10-05T02:15", utc(2025, 10, 4, 15, 45), "2025-10-05T02:45"),
            (LORD_HOWE, "2025-10-05T02:30", utc(2025, 10, 4, 15, 30), "2025-10-05T02:30"),
            (LORD_HOWE, "2025-04-06T01:45", utc(2025, 4, 5, 14, 45), "2025-04-06T01:45"),
            (LORD_HOWE, "2025-04-06T02:00", utc(2025, 4, 5, 15, 30), "2025-04-06T02:00"),
            # a day that never was
            (APIA, "2011-12-29T23:59", utc(2011, 12, 30, 9, 59), "2011-12-29T23:59"),
            (APIA, "2011-12-30T00:00", utc(2011, 12, 30, 10), "2011-12-31T00:00"),
            (APIA, "2011-12-30T10:00", utc(2011, 12, 30, 20), "2011-12-31T10:00"),
            (APIA, "2011-12-31T00:00", utc(2011, 12, 30, 10), "2011-12-31T00:00"),
        ],
    )
    def test_a_wall_time_means_one_instant(self, zone, given, instant, shown):
        aware = zones.localize(wall(given), zone)
        assert aware.astimezone(UTC) == instant
        assert aware.replace(tzinfo=None) == wall(shown)
        assert aware.tzinfo is zone
        assert aware.fold == 0

    def test_the_second_pass_cannot_be_asked_for(self):
        second = wall("2025-11-02T01:30").replace(fold=1)
        assert zones.localize(second, CHICAGO).astimezone(UTC) == utc(2025, 11, 2, 6, 30)

    times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
    # Around the gap and the repeated hour, where chance would seldom look.
    near = st.builds(
        lambda at, minutes: at + timedelta(minutes=minutes),
        st.sampled_from([wall("2025-03-09T02:00"), wall("2025-11-02T01:00")]),
        st.integers(-180, 180),
    )
    places = st.sampled_from(sorted(zones.ZONE_NAMES)).map(ZoneInfo)

    @given(times, places)
    @example(wall("2025-03-09T02:30"), CHICAGO)
    @example(wall("2011-12-30T12:00"), APIA)
    def test_what_comes_out_exists(self, time, zone):
        aware = zones.localize(time, zone)
        again = aware.astimezone(UTC).astimezone(zone)
        assert (again.replace(tzinfo=None), again.fold) == (aware.replace(tzinfo=None), 0)
        assert again.utcoffset() == aware.utcoffset()

    @given(times, places)
    @example(wall("2025-03-09T02:30"), CHICAGO)
    def test_the_clock_is_never_put_back(self, time, zone):
        shown = zones.localize(time, zone).replace(tzinfo=None)
        assert shown >= time
        assert zones.localize(shown, zone).replace(tzinfo=None) == shown

    @given(times | near, times | near, places)
    @example(wall("2025-03-09T01:59:59"), wall("2025-03-09T03:00"), CHICAGO)
    @example(wall("2025-11-02T01:59:59"), wall("2025-11-02T02:00"), CHICAGO)
    @example(wall("2011-12-29T23:59"), wall("2011-12-31T00:00"), APIA)
    def test_times_that_exist_keep_their_order(self, one, other, zone):
        early, late = (zones.localize(time, zone) for time in sorted((one, other)))
        assume(early.replace(tzinfo=None) == min(one, other))
        assume(late.replace(tzinfo=None) == max(one, other))
        assert (early.astimezone(UTC) < late.astimezone(UTC)) == (one != other)

    @given(st.integers(0, 3599))
    def test_a_gap_moves_its_times_by_its_length(self, second):
        lost = wall("2025-03-09T02:00") + timedelta(seconds=second)
        shown = zones.localize(lost, CHICAGO).replace(tzinfo=None)
        assert shown == lost + timedelta(hours=1)


class TestVtimezone:
    """RFC 5545 3.6.5."""

    def test_summer_time_is_two_yearly_rules(self):
        assert written("America/Chicago") == [
            "BEGIN:VTIMEZONE",
            "TZID:America/Chicago",
            "BEGIN:STANDARD",
            "DTSTART:19701101T020000",
            "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11",
            "TZNAME:CST",
            "TZOFFSETFROM:-0500",
            "TZOFFSETTO:-0600",
            "END:STANDARD",
            "BEGIN:DAYLIGHT",
            "DTSTART:19700308T020000",
            "RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3",
            "TZNAME:CDT",
            "TZOFFSETFROM:-0600",
            "TZOFFSETTO:-0500",
            "END:DAYLIGHT",
            "END:VTIMEZONE",
        ]

    def test_one_offset_is_a_standard_without_a_rule(self):
        assert written("Asia/Kolkata") == [
            "BEGIN:VTIMEZONE",
            "TZID:Asia/Kolkata",
            "BEGIN:STANDARD",
            "DTSTART:19700101T000000",
            "TZNAME:IST",
            "TZOFFSETFROM:+0530",
            "TZOFFSETTO:+0530",
            "END:STANDARD",
            "END:VTIMEZONE",
        ]

    def test_the_larger_offset_is_daylight_in_dublin_too(self):
        lines = written("Europe/Dublin")
        assert lines.index("BEGIN:STANDARD") < lines.index("BEGIN:DAYLIGHT")
        assert lines[lines.index("BEGIN:DAYLIGHT") + 1 : lines.index("END:DAYLIGHT")] == [
            "DTSTART:19700329T010000",
            "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
            "TZNAME:IST",
            "TZOFFSETFROM:+0000",
            "TZOFFSETTO:+0100",
        ]

    def test_half_an_hour_in_the_south(self):
        lines = written("Australia/Lord_Howe")
        assert lines[lines.index("BEGIN:DAYLIGHT") + 1 : lines.index("END:DAYLIGHT")] == [
            "DTSTART:19701004T020000",
            "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=10",
            "TZNAME:+11",
            "TZOFFSETFROM:+1030",
            "TZOFFSETTO:+1100",
        ]

    @pytest.mark.parametrize(
        ("name", "tzname"),
        [
            ("Asia/Dubai", "+04"),
            ("America/Sao_Paulo", "-03"),
            ("Asia/Kathmandu", "+0545"),
            ("Asia/Tokyo", "JST"),
        ],
    )
    def test_a_tzname_stands_without_brackets(self, name, tzname):
        assert f"TZNAME:{tzname}" in written(name)

    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [
            # the rules of 2007 are not those of 2006, not even in June
            ("America/Chicago", utc(2006, 3, 25), utc(2006, 3, 26)),
            ("America/Chicago", utc(2006, 6, 10), utc(2006, 6, 11)),
            ("America/Chicago", utc(2006, 6, 10), utc(2025, 6, 11)),
            # summer time suspended for Ramadan: within it, around it, in another month
            ("Africa/Casablanca", utc(2025, 3, 10), utc(2025, 3, 11)),
            ("Africa/Casablanca", utc(2025, 2, 20), utc(2025, 4, 10)),
            ("Africa/Casablanca", utc(2025, 8, 1), utc(2025, 8, 2)),
            # summer time given up between the two days, in the year before, and since
            ("Asia/Tehran", utc(2022, 6, 1), utc(2023, 6, 1)),
            ("America/Sao_Paulo", utc(2019, 1, 5), utc(2019, 1, 6)),
            ("Asia/Amman", utc(2022, 12, 1), utc(2022, 12, 2)),
            # a new offset in the year
            ("Europe/Volgograd", utc(2020, 12, 30), utc(2021, 1, 2)),
            ("Asia/Almaty", utc(2024, 2, 1), utc(2024, 4, 1)),
            # a day that never was
            ("Pacific/Apia", utc(2011, 12, 28), utc(2012, 1, 2)),
            # before the first year of the rules
            ("Asia/Tokyo", utc(1969, 12, 31), utc(2025, 1, 1)),
            ("America/Chicago", utc(1970, 1, 1), utc(1970, 1, 2)),
        ],
    )
    def test_rules_that_were_others_then_are_not_told(self, name, first, last):
        assert zones.build_vtimezone(name, first, last) is None

    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [
            ("America/Chicago", utc(2007, 1, 1), utc(2007, 12, 31)),
            ("Asia/Tehran", utc(2023, 1, 1), utc(2023, 6, 1)),
            ("America/Sao_Paulo", utc(2020, 1, 5), utc(2026, 1, 6)),
            ("Asia/Amman", utc(2023, 1, 1), utc(2025, 12, 2)),
            ("Asia/Almaty", utc(2025, 1, 1), utc(2025, 4, 1)),
            ("Asia/Tokyo", utc(1971, 1, 1), utc(2199, 12, 31)),
            ("Asia/Tokyo", utc(1970, 1, 1), utc(1970, 1, 2)),
        ],
    )
    def test_rules_that_held_since_are_told(self, name, first, last):
        component = zones.build_vtimezone(name, first, last)
        assert component is not None
        assert disagreements(component, name, first, min(last, utc(2030, 1, 1))) == []

    @pytest.mark.parametrize(
        "name", ["Asia/Jerusalem", "Asia/Gaza", "Africa/Cairo", "America/Santiago", "America/Nuuk"]
    )
    def test_a_change_outside_of_the_day_is_not_told(self, name):
        assert zones.build_vtimezone(name, utc(2040, 1, 1), utc(2040, 1, 2)) is None

    @pytest.mark.parametrize(
        "name", ["America/New_York", "Europe/Dublin", "Pacific/Auckland", "Asia/Tokyo"]
    )
    @pytest.mark.parametrize("year", [2037, 2038, 2100, 2199])
    def test_the_rules_hold_in_far_years(self, name, year):
        first, last = utc(year, 1, 1), utc(year, 12, 31)
        component = zones.build_vtimezone(name, first, last)
        assert component is not None
        assert disagreements(component, name, first, last) == []

    def test_the_ends_may_be_in_any_zone(self):
        # 2006 in Chicago, 2007 in UTC
        first = datetime(2006, 12, 31, 19, tzinfo=CHICAGO)
        assert zones.build_vtimezone("America/Chicago", first, first) is not None
        assert zones.build_vtimezone("America/Chicago", first - timedelta(hours=2), first) is None

    @pytest.mark.parametrize("name", ["Mars/Phobos", "../x"])
    def test_an_unknown_name_is_an_error(self, name):
        with pytest.raises((ZoneInfoNotFoundError, ValueError)):
            zones.build_vtimezone(name, FIRST, LAST)

    def test_a_component_is_the_callers_own(self):
        before = written("Europe/London")
        component = zones.build_vtimezone("Europe/London", FIRST, LAST)
        assert component is not None
        component["TZID"] = "Europe/Lisbon"
        component.subcomponents[0]["TZNAME"] = "WET"
        component.subcomponents.clear()
        assert written("Europe/London") == before

    def test_the_order_of_lines_is_ours_as_well_as_icalendars(self):
        component = zones.build_vtimezone("Europe/London", FIRST, LAST)
        assert component is not None
        assert component.to_ical(sorted=False) == component.to_ical()

    def test_other_processes_write_the_same_bytes(self):
        script = (
            "from datetime import datetime, UTC;"
            "from feeds.domain.timezones import build_vtimezone;"
            "at = datetime(2025, 6, 1, tzinfo=UTC);"
            "print(build_vtimezone('Europe/London', at, at).to_ical().decode(), end='')"
        )
        for seed in ("1", "2"):
            output = subprocess.run(
                [sys.executable, "-c", script],
                cwd=Path(zones.__file__).parents[2],
                env={"PYTHONHASHSEED": seed, "PYTHONTZPATH": "/usr/share/zoneinfo"},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
            assert output.splitlines() == written("Europe/London")


class TestEveryZone:
    """Five years of all names of tzdata, read by someone who knows nothing of zones.py."""

    @pytest.mark.parametrize("name", sorted(zoneinfo.available_timezones()))
    def test_a_vtimezone_agrees_with_zoneinfo_or_is_not_written(self, name):
        component = zones.build_vtimezone(name, FIRST, LAST)
        if component is not None:
            assert disagreements(component, name, FIRST, LAST) == []

    def test_few_are_not_written(self):
        missing = [
            name
            for name in sorted(zones.ZONE_NAMES)
            if not zones.build_vtimezone(name, FIRST, LAST)
        ]
        assert len(missing) <= 30, missing

    @pytest.mark.parametrize(
        "name",
        [
            "America/Chicago",
            "America/Phoenix",
            "Asia/Kolkata",
            "Asia/Tokyo",
            "Australia/Lord_Howe",
            "Australia/Sydney",
            "Europe/Dublin",
            "Europe/London",
        ],
    )
    def test_icalendar_reads_the_same_offsets(self, name):
        component = zones.build_vtimezone(name, FIRST, LAST)
        assert component is not None
        read = Timezone.from_ical(component.to_ical())
        assert isinstance(read, Timezone)
        zone, theirs = ZoneInfo(name), read.to_tz(lookup_tzid=False)
        for instant in instants(zone, FIRST, LAST):
            shown = instant.astimezone(zone)
            if shown.fold == 0:  # a client has the wall time only
                assert shown.replace(tzinfo=theirs).utcoffset() == shown.utcoffset(), instant


class TestObservances:
    """RFC 9636 3.3, as much of it as a yearly rule can say."""

    def test_the_time_is_two_and_summer_an_hour_ahead_unless_told(self):
        standard, daylight = observances("CST6CDT,M3.2.0,M11.1.0") or ()
        assert (standard.offset_to, daylight.offset_to) == (
            timedelta(hours=-6),
            timedelta(hours=-5),
        )
        assert daylight.rule is not None
        assert daylight.rule.onset(2025) == wall("2025-03-09T02:00")

    def test_what_is_told_counts(self):
        standard, daylight = observances("<+1030>-10:30<+11>-11,M10.1.0/0,M4.5.6/23:45") or ()
        assert (standard.tzname, daylight.tzname) == ("+1030", "+11")
        assert standard.offset_to == daylight.offset_from == timedelta(hours=10, minutes=30)
        assert standard.offset_from == daylight.offset_to == timedelta(hours=11)
        assert standard.rule is not None
        assert daylight.rule is not None
        assert (standard.rule.byday, daylight.rule.byday) == ("-1SA", "1SU")
        assert daylight.rule.onset(2025) == wall("2025-10-05T00:00")

    @pytest.mark.parametrize(
        ("rule", "year", "onset"),
        [
            ("M2.5.0", 2032, "2032-02-29T02:00"),  # the fifth, in a month that has five
            ("M2.5.0", 2026, "2026-02-22T02:00"),  # the last of four
            ("M6.1.0", 2025, "2025-06-01T02:00"),  # the month begins with it
            ("M6.1.6", 2025, "2025-06-07T02:00"),  # the month begins the day after
            ("M12.5.3", 2025, "2025-12-31T02:00"),
        ],
    )
    def test_a_rule_finds_its_day(self, rule, year, onset):
        _, daylight = observances(f"AAA0BBB,{rule},M10.5.0") or ()
        assert daylight.rule is not None
        assert daylight.rule.onset(year) == wall(onset)

    @pytest.mark.parametrize(
        "string",
        [
            "",
            "CST",
            "CST6CDT",  # when it changes is not told
            "CST6CDT,M3.2.0",
            "CST6CDT,M3.2.0,M11.1.0,M12.1.0",
            "CST6CDT,J60,J300",
            "CST6CDT,59,M11.1.0",
            "XXX3EDT4,0/0,J365/23",  # summer all year
            "CST6CDT,M3.2.0/24,M11.1.0",
            "CST6CDT,M3.2.0,M11.1.0/-1",
            "IST-2IDT,M3.4.4/26,M10.5.0",
            "CST6CDT,M13.2.0,M11.1.0",
            "CST6CDT,M0.2.0,M11.1.0",
            "CST6CDT,M3.6.0,M11.1.0",
            "CST6CDT,M3.0.0,M11.1.0",
            "CST6CDT,M3.2.7,M11.1.0",
            "CST6CDT,M3.2.0/2:60,M11.1.0",
            "LMT0:01:15",
            "CST6CDT,M3.2.0,M11.1.0\n",
        ],
    )
    def test_anything_else_is_not_read(self, string):
        assert observances(string) is None

"""Start and end, row by row: periods are told on the wall clock, with offsets where they matter."""

import logging
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.domain.entries import Entry, compute_span
from feeds.domain.feed import MAX_RUNS, select_entries
from feeds.domain.model import Event, Run
from feeds.domain.schedule import compute_time_limit, to_instant
from feeds.domain.timezones import ZONE_NAMES
from tests.support.factories import HOME, a_feed, a_run, an_edition, an_event, entries_of, the_entry

FRI, SAT, SUN, MON = (date(2025, 6, day) for day in (13, 14, 15, 16))
SPRING = date(2025, 3, 9)
"""In Chicago 02:00 to 03:00 does not exist."""
FALL = date(2025, 11, 2)
"""In Chicago 01:00 to 02:00 comes twice."""

HALF = 21_097.5
MARATHON = 42_195
HUNDRED_MILES = 160_934.4

SYDNEY = (-33.87, 151.2)
LORD_HOWE = (-31.55, 159.08)
OPEN_SEA = (0.0, -30.0)


def at(text):
    return time.fromisoformat(text)


def told(entry: Entry) -> str:
    """``06-14T08:00 to 06-14T10:00, estimated``; of days, the second is the exclusive end."""
    period = entry.period
    form = "%m-%d" if period.all_day else "%m-%dT%H:%M"
    estimated = ", estimated" if period.estimated else ""
    return f"{period.start:{form}} to {period.end:{form}}{estimated}"


def when(run: Run, **event: Any) -> str:
    """When the only run of an event takes place."""
    return told(the_entry(run, **event))


def schedule(*runs: Run, **event: Any) -> dict[str, str]:
    """When each run of an event takes place, by id."""
    return {
        each.run.id: told(each) for each in entries_of(an_edition(an_event(*runs, **event)), HOME)
    }


def itself(**event: Any) -> str:
    """When an event without runs takes place."""
    (entry,) = entries_of(an_edition(an_event(**event)), HOME)
    assert entry.uid == "harbor@intervals.run"
    return told(entry)


def offsets(entry: Entry) -> str:
    """Start and end with their offsets from UTC, hours and minutes."""
    period = entry.period
    assert isinstance(period.start, datetime)
    assert isinstance(period.end, datetime)
    return f"{period.start:%H:%M%z} to {period.end:%H:%M%z}"


def elapsed(entry: Entry) -> timedelta:
    start, end = compute_span([entry])
    return end - start


class TestStart:
    @pytest.mark.parametrize(
        ("run", "event", "start"),
        [
            pytest.param({"start_time": at("08:00")}, {}, "06-14T08:00", id="own"),
            pytest.param(
                {"start_time": at("08:00"), "date": SUN}, {}, "06-15T08:00", id="own-on-a-later-day"
            ),
            pytest.param(
                {"start_time": at("09:30")},
                {"start_time": at("08:00")},
                "06-14T09:30",
                id="own-before-the-event's",
            ),
            pytest.param({"start_time": at("00:00")}, {}, "06-14T00:00", id="own-at-midnight"),
        ],
    )
    def test_a_run_starts_at_its_own_start_time(self, run, event, start):
        assert when(a_run(**run), **event).startswith(f"{start} to")

    @pytest.mark.parametrize(
        ("day", "clock"),
        [
            pytest.param(SAT, "07:15", id="morning"),
            pytest.param(SUN, "18:00", id="evening"),
            pytest.param(SUN, "00:00", id="midnight"),
        ],
    )
    def test_without_one_it_starts_at_the_events_on_the_events_date(self, day, clock):
        told = when(a_run(date=day), date=day, start_time=at(clock))
        assert told.startswith(f"{day:%m-%d}T{clock} to")

    @pytest.mark.parametrize("day", [FRI, SUN, MON], ids=str)
    def test_the_events_start_time_is_not_for_other_days(self, day):
        told = when(a_run(date=day), date=SAT, start_time=at("08:00"))
        assert told == f"{day:%m-%d} to {day + timedelta(days=1):%m-%d}"

    @pytest.mark.parametrize(
        "event", [{}, {"end_time": at("15:00")}], ids=["nothing-known", "only-an-end-time"]
    )
    def test_without_any_start_time_it_is_all_day(self, event):
        entry = the_entry(a_run(), **event)
        assert entry.period.all_day
        assert told(entry) == "06-14 to 06-15"

    def test_seconds_are_kept_in_start_and_end(self):
        entry = the_entry(a_run(start_time=at("08:00:30")), end_time=at("12:30:15"))
        assert entry.period.start == datetime(2025, 6, 14, 8, 0, 30, tzinfo=entry.zone)
        assert entry.period.end == datetime(2025, 6, 14, 12, 30, 15, tzinfo=entry.zone)

    def test_seconds_are_kept_in_an_estimate(self):
        entry = the_entry(a_run(start_time=at("08:00:30")))
        assert entry.period.end == datetime(2025, 6, 14, 10, 0, 30, tzinfo=entry.zone)


class TestLimit:
    @pytest.mark.parametrize(
        ("km", "hours"),
        [
            (0, 1),
            (1.609344, 1),
            (5, 1),
            (6, 1),
            (6.001, 1.5),
            (9, 1.5),
            (9.001, 2),
            (10, 2),
            (12, 2),
            (15, 2.5),
            (21.0975, 4),
            (42.195, 7.5),
            (50, 8.5),
            (80.4672, 13.5),
            (100, 17),
            (160.9344, 27),
            (431.9, 72),
            (432, 72),
            (432.001, 72),
            (10_000, 72),
        ],
    )
    def test_ten_minutes_per_km_in_half_hours_from_1_to_72_hours(self, km, hours):
        assert compute_time_limit(a_run(distance_meters=km * 1000)) == timedelta(hours=hours)

    @pytest.mark.parametrize(
        ("km", "hours"),
        [
            (0, 1),
            (4, 1),
            (4.001, 1.5),
            (5, 1.5),
            (6, 1.5),
            (6.001, 2),
            (10, 2.5),
            (21.0975, 5.5),
            (42.195, 11),
            (160.9344, 40.5),
            (288, 72),
            (288.001, 72),
            (432, 72),
        ],
    )
    def test_fifteen_minutes_per_km_when_walking(self, km, hours):
        assert compute_time_limit(a_run(distance_meters=km * 1000, walking=True)) == timedelta(
            hours=hours
        )


class TestVirtual:
    @pytest.mark.parametrize(
        ("run", "event", "days"),
        [
            pytest.param({}, {}, "06-14 to 06-15", id="one-day"),
            pytest.param({}, {"end_date": SAT}, "06-14 to 06-15", id="until-the-same-day"),
            pytest.param({}, {"end_date": MON}, "06-14 to 06-17", id="three-days"),
            pytest.param(
                {}, {"end_date": date(2025, 7, 14)}, "06-14 to 07-15", id="a-month-for-any-distance"
            ),
            pytest.param({}, {"end_date": FRI}, "06-14 to 06-15", id="end-date-before-its-date"),
            pytest.param({"date": SUN}, {"end_date": MON}, "06-15 to 06-17", id="from-its-own-day"),
            pytest.param(
                {"start_time": at("08:00")},
                {"end_date": MON, "end_time": at("12:00")},
                "06-14 to 06-17",
                id="start-and-end-time-are-ignored",
            ),
            pytest.param(
                {}, {"start_time": at("08:00")}, "06-14 to 06-15", id="the-event's-start-is-ignored"
            ),
            pytest.param(
                {"status": "cancelled"}, {"end_date": MON}, "06-14 to 06-17", id="cancelled"
            ),
        ],
    )
    def test_is_all_day_from_its_date_to_the_end_date_inclusive(self, run, event, days):
        assert when(a_run(virtual=True, **run), **event) == days


class TestNoStartTime:
    @pytest.mark.parametrize(
        ("run", "event", "days"),
        [
            pytest.param(
                {"distance_meters": HUNDRED_MILES},
                {"end_date": SUN},
                "06-14 to 06-16",
                id="100-miles-two-days",
            ),
            pytest.param(
                {"distance_meters": HUNDRED_MILES},
                {"end_date": MON},
                "06-14 to 06-17",
                id="100-miles-48-of-54-hours",
            ),
            pytest.param(
                {"distance_meters": 72_000}, {"end_date": SUN}, "06-14 to 06-16", id="exactly-2x12h"
            ),
            pytest.param(
                {"distance_meters": 48_000, "walking": True},
                {"end_date": SUN},
                "06-14 to 06-16",
                id="walking-exactly-2x12h",
            ),
            pytest.param({}, {"end_date": SAT}, "06-14 to 06-15", id="the-same-day"),
            pytest.param(
                {"distance_meters": HUNDRED_MILES},
                {"end_date": SUN, "end_time": at("11:00")},
                "06-14 to 06-16",
                id="the-end-time-does-not-matter",
            ),
        ],
    )
    def test_a_main_run_lasts_to_an_end_date_within_twice_its_limit(self, run, event, days):
        assert when(a_run(**run), **event) == days

    @pytest.mark.parametrize(
        ("run", "event"),
        [
            pytest.param({}, {}, id="no-end-date"),
            pytest.param({}, {"end_date": SUN}, id="10K-4-of-24-hours"),
            pytest.param({"distance_meters": MARATHON}, {"end_date": SUN}, id="marathon-15-of-24"),
            pytest.param({"distance_meters": 69_000}, {"end_date": SUN}, id="23-of-24-hours"),
            pytest.param(
                {"distance_meters": HUNDRED_MILES},
                {"end_date": date(2025, 6, 17)},
                id="100-miles-54-of-72-hours",
            ),
            pytest.param({}, {"end_date": FRI}, id="end-date-before-its-date"),
            pytest.param({"status": "cancelled"}, {"end_date": SUN}, id="cancelled"),
            pytest.param(
                {"status": "cancelled", "distance_meters": HUNDRED_MILES},
                {"end_date": SUN},
                id="cancelled-100-miles",
            ),
        ],
    )
    def test_otherwise_it_ends_the_day_after(self, run, event):
        assert when(a_run(**run), **event) == "06-14 to 06-15"

    def test_a_run_that_is_not_main_ends_the_day_after(self):
        assert schedule(
            a_run(id="100M", distance_meters=HUNDRED_MILES),
            a_run(id="100K", distance_meters=100_000),
            end_date=SUN,
        ) == {"100M": "06-14 to 06-16", "100K": "06-14 to 06-15"}

    def test_days_are_never_called_an_estimate(self):
        assert not the_entry(a_run(), end_date=SUN).period.estimated


class TestMainRun:
    @pytest.mark.parametrize(
        ("run", "event", "period"),
        [
            pytest.param(
                {"start_time": at("08:00")},
                {"end_time": at("11:00")},
                "06-14T08:00 to 06-14T11:00",
                id="without-end-date",
            ),
            pytest.param(
                {"start_time": at("08:00")},
                {"end_date": SAT, "end_time": at("11:00")},
                "06-14T08:00 to 06-14T11:00",
                id="with-end-date",
            ),
            pytest.param(
                {"start_time": at("08:00"), "distance_meters": 5000},
                {"end_time": at("23:59")},
                "06-14T08:00 to 06-14T23:59",
                id="5K-16-hours-on-its-date",
            ),
            pytest.param(
                {"start_time": at("08:00"), "distance_meters": 5000},
                {"end_time": at("08:05")},
                "06-14T08:00 to 06-14T08:05",
                id="however-early",
            ),
            pytest.param(
                {"start_time": at("08:00"), "date": SUN},
                {"date": SAT, "end_time": at("11:00")},
                "06-15T08:00 to 06-15T11:00",
                id="on-the-run's-date-not-the-event's",
            ),
            pytest.param(
                {"start_time": at("08:00"), "status": "postponed"},
                {"end_time": at("23:00")},
                "06-14T08:00 to 06-14T23:00",
                id="postponed-is-not-cancelled",
            ),
        ],
    )
    def test_an_end_on_its_date_counts(self, run, event, period):
        assert when(a_run(**run), **event) == period

    @pytest.mark.parametrize(
        ("run", "event", "period"),
        [
            pytest.param(
                {"start_time": at("22:00")},
                {"end_date": SUN, "end_time": at("02:00")},
                "06-14T22:00 to 06-15T02:00",
                id="10K-exactly-4-hours",
            ),
            pytest.param(
                {"start_time": at("22:00"), "walking": True},
                {"end_date": SUN, "end_time": at("03:00")},
                "06-14T22:00 to 06-15T03:00",
                id="walking-10K-exactly-5-hours",
            ),
            pytest.param(
                {"start_time": at("05:00"), "distance_meters": HUNDRED_MILES},
                {"end_date": SUN, "end_time": at("11:00")},
                "06-14T05:00 to 06-15T11:00",
                id="100-miles-30-hours",
            ),
            pytest.param(
                {"start_time": at("05:00"), "distance_meters": HUNDRED_MILES},
                {"end_date": MON, "end_time": at("11:00")},
                "06-14T05:00 to 06-16T11:00",
                id="100-miles-exactly-54-hours",
            ),
        ],
    )
    def test_an_end_within_twice_its_limit_counts(self, run, event, period):
        assert when(a_run(**run), **event) == period

    @pytest.mark.parametrize(
        ("run", "event", "period"),
        [
            pytest.param(
                {"start_time": at("22:00")},
                {"end_date": SUN, "end_time": at("02:01")},
                "06-14T22:00 to 06-15T00:00, estimated",
                id="10K-a-minute-over-4-hours",
            ),
            pytest.param(
                {"start_time": at("22:00")},
                {"end_date": SUN, "end_time": at("02:00:01")},
                "06-14T22:00 to 06-15T00:00, estimated",
                id="10K-a-second-over-4-hours",
            ),
            pytest.param(
                {"start_time": at("05:00"), "distance_meters": HUNDRED_MILES},
                {"end_date": MON, "end_time": at("11:01")},
                "06-14T05:00 to 06-15T08:00, estimated",
                id="100-miles-a-minute-over-54-hours",
            ),
            pytest.param(
                {"start_time": at("08:00"), "distance_meters": MARATHON},
                {"end_date": SUN, "end_time": at("15:00")},
                "06-14T08:00 to 06-14T15:30, estimated",
                id="marathon-that-ends-on-another-day",
            ),
            pytest.param(
                {"start_time": at("08:00")},
                {"end_date": SAT, "end_time": at("07:00")},
                "06-14T08:00 to 06-14T10:00, estimated",
                id="on-its-date-but-before-the-start",
            ),
            pytest.param(
                {"start_time": at("08:00")},
                {"end_date": SAT, "end_time": at("08:00")},
                "06-14T08:00 to 06-14T10:00, estimated",
                id="at-the-start",
            ),
            pytest.param(
                {"start_time": at("08:00")},
                {"end_date": FRI, "end_time": at("15:00")},
                "06-14T08:00 to 06-14T10:00, estimated",
                id="the-day-before",
            ),
        ],
    )
    def test_any_other_end_does_not_count_and_the_limit_is_the_estimate(self, run, event, period):
        assert when(a_run(**run), **event) == period

    @pytest.mark.parametrize(
        ("run", "end_time", "period"),
        [
            pytest.param(
                {"start_time": at("22:00")},
                "01:30",
                "06-14T22:00 to 06-15T01:30",
                id="10K-past-midnight",
            ),
            pytest.param(
                {"start_time": at("22:00")},
                "00:00",
                "06-14T22:00 to 06-15T00:00",
                id="10K-at-midnight",
            ),
            pytest.param(
                {"start_time": at("08:00"), "distance_meters": HUNDRED_MILES},
                "08:00",
                "06-14T08:00 to 06-15T08:00",
                id="24-hours-when-both-are-equal",
            ),
            pytest.param(
                {"start_time": at("08:00"), "distance_meters": 72_000},
                "08:00",
                "06-14T08:00 to 06-15T08:00",
                id="exactly-2x12h-when-both-are-equal",
            ),
            pytest.param(
                {"start_time": at("08:00")},
                "08:00",
                "06-14T08:00 to 06-14T10:00, estimated",
                id="10K-equal-is-too-far",
            ),
            pytest.param(
                {"start_time": at("08:00")},
                "07:59",
                "06-14T08:00 to 06-14T10:00, estimated",
                id="10K-a-minute-earlier-is-too-far",
            ),
        ],
    )
    def test_without_end_date_an_end_time_not_after_the_start_is_of_the_following_day(
        self, run, end_time, period
    ):
        assert when(a_run(**run), end_time=at(end_time)) == period

    @pytest.mark.parametrize(
        "event", [{}, {"end_date": SAT}, {"end_date": SUN}], ids=["none", "same-day", "next-day"]
    )
    def test_an_end_date_without_end_time_is_no_end_of_a_run_with_a_start(self, event):
        told = when(a_run(start_time=at("08:00"), distance_meters=HUNDRED_MILES), **event)
        assert told == "06-14T08:00 to 06-15T11:00, estimated"


class TestWhichRunsAreMain:
    """Told by ends at 15:00: main runs end then, others at the limit."""

    FIVE = "06-14T08:00 to 06-14T09:00, estimated"
    TEN = "06-14T08:00 to 06-14T10:00, estimated"
    TILL_THREE = "06-14T08:00 to 06-14T15:00"

    def runs(self, *changes):
        """5K, 10K and half marathon at 08:00 on Saturday, with changes of each."""
        ordinary = (("5K", 5000), ("10K", 10_000), ("half", HALF))
        return schedule(
            *(
                a_run(**{"id": id_, "distance_meters": meters, "start_time": at("08:00")} | change)
                for (id_, meters), change in zip(ordinary, changes, strict=True)
            ),
            end_time=at("15:00"),
        )

    def test_the_longest_is(self):
        assert self.runs({}, {}, {}) == {
            "5K": self.FIVE,
            "10K": self.TEN,
            "half": self.TILL_THREE,
        }

    def test_all_that_tie_are(self):
        runs = self.runs({}, {"distance_meters": HALF}, {})
        assert runs == {"5K": self.FIVE, "10K": self.TILL_THREE, "half": self.TILL_THREE}

    def test_a_cancelled_one_is_not(self):
        runs = self.runs({}, {}, {"status": "cancelled"})
        assert runs["10K"] == self.TILL_THREE
        assert runs["half"] == "06-14T08:00 to 06-14T12:00, estimated"

    @pytest.mark.parametrize("status", ["postponed", "rescheduled", "on hold"])
    def test_one_with_any_other_status_is(self, status):
        runs = self.runs({}, {}, {"status": status})
        assert runs["10K"] == self.TEN
        assert runs["half"] == self.TILL_THREE

    def test_a_virtual_one_is_not(self):
        runs = self.runs({}, {}, {"virtual": True})
        assert runs["10K"] == self.TILL_THREE
        assert runs["half"] == "06-14 to 06-15"

    def test_none_is_when_all_are_cancelled(self):
        runs = self.runs(*[{"status": "cancelled"}] * 3)
        assert runs == {
            "5K": self.FIVE,
            "10K": self.TEN,
            "half": "06-14T08:00 to 06-14T12:00, estimated",
        }

    def test_one_of_an_earlier_day_is_not_even_if_it_is_longer(self):
        assert schedule(
            a_run(id="half", distance_meters=HALF, date=SAT, start_time=at("08:00")),
            a_run(id="5K", distance_meters=5000, date=SUN, start_time=at("08:00")),
            end_date=SUN,
            end_time=at("15:00"),
        ) == {
            "half": "06-14T08:00 to 06-14T12:00, estimated",
            "5K": "06-15T08:00 to 06-15T15:00",
        }

    @pytest.mark.parametrize(
        "change", [{"status": "cancelled"}, {"virtual": True}], ids=["cancelled", "virtual"]
    )
    def test_the_last_day_is_one_that_somebody_runs_on_in_person(self, change):
        assert (
            schedule(
                a_run(id="10K", date=SAT, start_time=at("08:00")),
                a_run(id="5K", distance_meters=5000, date=SUN, start_time=at("08:00"), **change),
                end_date=SAT,
                end_time=at("15:00"),
            )["10K"]
            == self.TILL_THREE
        )

    def test_a_weekends_last_day_has_its_own_longest(self):
        assert schedule(
            a_run(id="5K", distance_meters=5000, date=SAT, start_time=at("09:00")),
            a_run(id="10K", date=SUN, start_time=at("07:30")),
            a_run(id="marathon", distance_meters=MARATHON, date=SUN, start_time=at("07:00")),
            end_date=SUN,
            end_time=at("14:00"),
        ) == {
            "5K": "06-14T09:00 to 06-14T10:00, estimated",
            "10K": "06-15T07:30 to 06-15T09:30, estimated",
            "marathon": "06-15T07:00 to 06-15T14:00",
        }


class TestOtherRun:
    @pytest.mark.parametrize(
        ("start", "event", "period"),
        [
            pytest.param(
                "08:00", {"end_time": at("09:30")}, "06-14T08:00 to 06-14T09:30", id="E-is-earlier"
            ),
            pytest.param(
                "08:00", {"end_time": at("10:00")}, "06-14T08:00 to 06-14T10:00", id="E-is-equal"
            ),
            pytest.param(
                "08:00",
                {"end_time": at("10:01")},
                "06-14T08:00 to 06-14T10:00, estimated",
                id="the-limit-is-earlier",
            ),
            pytest.param(
                "08:00",
                {"end_date": SUN, "end_time": at("09:00")},
                "06-14T08:00 to 06-14T10:00, estimated",
                id="E-on-another-day",
            ),
            pytest.param(
                "23:00",
                {"end_date": SUN, "end_time": at("00:30")},
                "06-14T23:00 to 06-15T00:30",
                id="E-is-earlier-past-midnight",
            ),
            pytest.param(
                "23:00",
                {"end_time": at("00:30")},
                "06-14T23:00 to 06-15T00:30",
                id="E-of-the-following-day-is-earlier",
            ),
        ],
    )
    def test_ends_at_the_earlier_of_the_announced_end_and_its_limit(self, start, event, period):
        runs = schedule(
            a_run(id="10K", start_time=at(start)),
            a_run(id="half", distance_meters=HALF, start_time=at(start)),
            **event,
        )
        assert runs["10K"] == period

    @pytest.mark.parametrize(
        ("start", "event", "period"),
        [
            pytest.param("08:00", {}, "06-14T08:00 to 06-14T10:00, estimated", id="no-E"),
            pytest.param(
                "16:00",
                {"end_date": SAT, "end_time": at("15:00")},
                "06-14T16:00 to 06-14T18:00, estimated",
                id="E-before-its-start",
            ),
            pytest.param(
                "15:00",
                {"end_date": SAT, "end_time": at("15:00")},
                "06-14T15:00 to 06-14T17:00, estimated",
                id="E-at-its-start",
            ),
            pytest.param(
                "16:00",
                {"end_time": at("15:00")},
                "06-14T16:00 to 06-14T18:00, estimated",
                id="E-on-the-following-day",
            ),
        ],
    )
    def test_ends_at_its_limit_when_no_announced_end_is_after_its_start(self, start, event, period):
        runs = schedule(
            a_run(id="10K", start_time=at(start)),
            a_run(id="half", distance_meters=HALF, start_time=at("08:00")),
            **event,
        )
        assert runs["10K"] == period


class TestOtherwise:
    @pytest.mark.parametrize(
        ("run", "period"),
        [
            pytest.param({"distance_meters": 5000}, "06-14T08:00 to 06-14T09:00", id="5K"),
            pytest.param({}, "06-14T08:00 to 06-14T10:00", id="10K"),
            pytest.param({"walking": True}, "06-14T08:00 to 06-14T10:30", id="walking-10K"),
            pytest.param({"distance_meters": HALF}, "06-14T08:00 to 06-14T12:00", id="half"),
            pytest.param(
                {"distance_meters": MARATHON}, "06-14T08:00 to 06-14T15:30", id="marathon"
            ),
            pytest.param(
                {"distance_meters": HUNDRED_MILES}, "06-14T08:00 to 06-15T11:00", id="100-miles"
            ),
            pytest.param(
                {"distance_meters": 1_000_000}, "06-14T08:00 to 06-17T08:00", id="1000K-three-days"
            ),
        ],
    )
    def test_the_limit_is_added_and_the_end_is_an_estimate(self, run, period):
        assert when(a_run(start_time=at("08:00"), **run)) == f"{period}, estimated"


class TestEventWithoutRuns:
    @pytest.mark.parametrize(
        ("event", "period"),
        [
            pytest.param({}, "06-14 to 06-15", id="a-date"),
            pytest.param({"end_date": SUN}, "06-14 to 06-16", id="a-weekend"),
            pytest.param({"end_date": date(2025, 7, 31)}, "06-14 to 08-01", id="far-away"),
            pytest.param({"end_date": FRI}, "06-14 to 06-15", id="end-date-before-its-date"),
            pytest.param({"end_time": at("15:00")}, "06-14 to 06-15", id="only-an-end-time"),
        ],
    )
    def test_is_all_day_to_its_end_date_without_a_start_time(self, event, period):
        assert itself(**event) == period

    @pytest.mark.parametrize(
        ("event", "period"),
        [
            pytest.param({"end_time": at("15:00")}, "06-14T08:00 to 06-14T15:00", id="same-day"),
            pytest.param(
                {"end_time": at("07:00")}, "06-14T08:00 to 06-15T07:00", id="following-day"
            ),
            pytest.param(
                {"end_time": at("08:00")}, "06-14T08:00 to 06-15T08:00", id="a-day-when-equal"
            ),
            pytest.param(
                {"end_date": SUN, "end_time": at("15:00")},
                "06-14T08:00 to 06-15T15:00",
                id="a-weekend",
            ),
            pytest.param(
                {"end_date": date(2025, 7, 31), "end_time": at("15:00")},
                "06-14T08:00 to 07-31T15:00",
                id="far-away",
            ),
        ],
    )
    def test_believes_its_own_end(self, event, period):
        assert itself(start_time=at("08:00"), **event) == period

    @pytest.mark.parametrize(
        "event",
        [
            pytest.param({}, id="no-end"),
            pytest.param({"end_date": SUN}, id="no-end-time"),
            pytest.param({"end_date": SAT, "end_time": at("07:00")}, id="end-before-its-start"),
            pytest.param({"end_date": FRI, "end_time": at("15:00")}, id="end-the-day-before"),
        ],
    )
    def test_lasts_an_hour_by_estimate_when_no_end_is_after_its_start(self, event):
        assert itself(start_time=at("08:00"), **event) == "06-14T08:00 to 06-14T09:00, estimated"


class TestZone:
    @pytest.mark.parametrize(
        ("point", "zone"),
        [
            pytest.param((41.9, -87.6), "America/Chicago", id="Chicago"),
            pytest.param(SYDNEY, "Australia/Sydney", id="Sydney"),
            pytest.param((35.7, 139.7), "Asia/Tokyo", id="Tokyo"),
            pytest.param(None, "Europe/Dublin", id="no-place"),
            pytest.param((0.0, 0.0), "Europe/Dublin", id="form-not-filled-in"),
            pytest.param(OPEN_SEA, "Europe/Dublin", id="open-sea"),
        ],
    )
    def test_is_that_of_the_place_else_home(self, point, zone):
        entry = the_entry(a_run(start_time=at("08:00")), home="Europe/Dublin", point=point)
        assert entry.zone == ZoneInfo(zone)
        assert isinstance(entry.period.start, datetime)
        assert entry.period.start.tzinfo is entry.zone
        assert told(entry) == "06-14T08:00 to 06-14T10:00, estimated"

    @pytest.mark.parametrize(
        ("home", "period"),
        [
            ("UTC", "08:00+0000 to 10:00+0000"),
            ("Etc/GMT-3", "08:00+0300 to 10:00+0300"),
            ("Asia/Kolkata", "08:00+0530 to 10:00+0530"),
            ("Pacific/Honolulu", "08:00-1000 to 10:00-1000"),
        ],
    )
    @pytest.mark.parametrize("day", [SPRING, SAT, FALL], ids=str)
    def test_may_have_one_offset_for_ever(self, home, period, day):
        entry = the_entry(a_run(date=day, start_time=at("08:00")), home=home)
        assert offsets(entry) == period
        assert elapsed(entry) == timedelta(hours=2)


class TestChangeOfTheClock:
    @pytest.mark.parametrize(
        ("day", "hours", "period"),
        [
            pytest.param(date(2025, 3, 8), 6.5, "22:00-0600 to 05:30-0500", id="spring"),
            pytest.param(date(2025, 11, 1), 8.5, "22:00-0500 to 05:30-0600", id="fall"),
        ],
    )
    def test_limits_are_added_on_the_wall_clock(self, day, hours, period):
        run = a_run(date=day, start_time=at("22:00"), distance_meters=MARATHON)
        entry = the_entry(run)
        assert offsets(entry) == period
        assert elapsed(entry) == timedelta(hours=hours)

    @pytest.mark.parametrize(
        ("day", "hours"),
        [
            pytest.param(date(2025, 3, 8), 3, id="spring"),
            pytest.param(date(2025, 11, 1), 5, id="fall"),
        ],
    )
    def test_twice_the_limit_is_of_the_wall_clock(self, day, hours):
        run = a_run(date=day, start_time=at("23:00"))
        entry = the_entry(run, end_time=at("03:00"))
        assert told(entry).endswith("T03:00")
        assert elapsed(entry) == timedelta(hours=hours)
        assert the_entry(run, end_time=at("03:01")).period.estimated

    @pytest.mark.parametrize(
        ("start", "end", "period"),
        [
            pytest.param("02:30", None, "03:30-0500 to 05:30-0500", id="start"),
            pytest.param("02:00", None, "03:00-0500 to 05:00-0500", id="start-at-its-beginning"),
            pytest.param("03:00", None, "03:00-0500 to 05:00-0500", id="start-at-its-end"),
            pytest.param("01:59", None, "01:59-0600 to 03:59-0500", id="start-before-it"),
            pytest.param("00:30", None, "00:30-0600 to 03:30-0500", id="estimated-end"),
            pytest.param("01:30", "02:30", "01:30-0600 to 03:30-0500", id="announced-end"),
            pytest.param("02:15", "02:45", "03:15-0500 to 03:45-0500", id="start-and-end"),
            pytest.param("02:30", "04:00", "03:30-0500 to 04:00-0500", id="start-before-the-end"),
        ],
    )
    def test_a_time_in_a_gap_is_the_existing_time_after_it(self, start, end, period):
        run = a_run(date=SPRING, start_time=at(start))
        entry = the_entry(run, end_time=end and at(end))
        assert offsets(entry) == period
        assert entry.period.estimated == (end is None)

    @pytest.mark.parametrize("end", ["03:00", "03:15", "03:30", "03:45"])
    @pytest.mark.parametrize("event", [{}, {"end_date": SPRING}], ids=["end-time", "end-date"])
    def test_an_end_that_a_moved_start_has_overtaken_does_not_count(self, end, event):
        run = a_run(date=SPRING, start_time=at("02:45"), distance_meters=HUNDRED_MILES)
        told = when(run, end_time=at(end), **event)
        assert told == "03-09T03:45 to 03-10T06:45, estimated"

    def test_a_moved_start_still_ends_on_the_following_day_when_that_was_announced(self):
        run = a_run(date=SPRING, start_time=at("02:45"), distance_meters=HUNDRED_MILES)
        assert when(run, end_time=at("02:45")) == "03-09T03:45 to 03-10T02:45"

    def test_an_event_without_runs_is_no_day_longer_for_a_moved_start(self):
        told = itself(date=SPRING, start_time=at("02:30"), end_time=at("03:00"))
        assert told == "03-09T03:30 to 03-09T04:30, estimated"

    @pytest.mark.parametrize(
        ("km", "period"),
        [
            pytest.param(10, "03-09T03:15 to 03-09T05:15, estimated", id="10K"),
            pytest.param(160.9344, "03-09T03:15 to 03-10T02:45", id="100-miles"),
        ],
    )
    def test_an_end_in_the_gap_does_not_pass_a_later_start(self, km, period):
        run = a_run(date=SPRING, start_time=at("03:15"), distance_meters=km * 1000)
        assert when(run, end_time=at("02:45")) == period

    def test_an_end_before_the_start_is_none_even_if_the_gap_moves_it_past(self):
        run = a_run(date=SPRING, start_time=at("03:15"))
        told = when(run, end_date=SPRING, end_time=at("02:45"))
        assert told == "03-09T03:15 to 03-09T05:15, estimated"

    @pytest.mark.parametrize(
        ("start", "end", "period"),
        [
            pytest.param("01:30", None, "01:30-0500 to 03:30-0600", id="start"),
            pytest.param("01:00", None, "01:00-0500 to 03:00-0600", id="start-at-its-beginning"),
            pytest.param("02:00", None, "02:00-0600 to 04:00-0600", id="start-at-its-end"),
            pytest.param("00:30", "01:30", "00:30-0500 to 01:30-0500", id="end"),
            pytest.param("01:15", "01:45", "01:15-0500 to 01:45-0500", id="start-and-end"),
            pytest.param("00:00", "02:00", "00:00-0500 to 02:00-0600", id="end-at-its-end"),
        ],
    )
    def test_a_repeated_time_means_its_first_pass(self, start, end, period):
        run = a_run(date=FALL, start_time=at(start))
        assert offsets(the_entry(run, end_time=end and at(end))) == period

    def test_an_estimated_end_in_a_repeated_hour_means_its_first_pass(self):
        entry = the_entry(a_run(date=FALL, start_time=at("00:30"), distance_meters=5000))
        assert offsets(entry) == "00:30-0500 to 01:30-0500"
        assert elapsed(entry) == timedelta(hours=1)

    @pytest.mark.parametrize(
        ("point", "day", "start", "period"),
        [
            pytest.param(
                SYDNEY, date(2025, 10, 5), "02:30", "03:30+1100 to 05:30+1100", id="Sydney-gap"
            ),
            pytest.param(
                SYDNEY, date(2025, 4, 6), "02:30", "02:30+1100 to 04:30+1000", id="Sydney-repeated"
            ),
            pytest.param(
                SYDNEY, date(2025, 4, 6), "01:00", "01:00+1100 to 03:00+1000", id="Sydney-across"
            ),
            pytest.param(
                LORD_HOWE,
                date(2025, 10, 5),
                "02:15",
                "02:45+1100 to 04:45+1100",
                id="Lord-Howe-half-an-hour",
            ),
            pytest.param(
                LORD_HOWE,
                date(2025, 4, 6),
                "01:45",
                "01:45+1100 to 03:45+1030",
                id="Lord-Howe-repeated",
            ),
            pytest.param(
                (23.1, -82.4),
                SPRING,
                "00:15",
                "01:15-0400 to 03:15-0400",
                id="Havana-has-no-midnight",
            ),
        ],
    )
    def test_is_that_of_the_place(self, point, day, start, period):
        entry = the_entry(a_run(date=day, start_time=at(start)), point=point)
        assert offsets(entry) == period


class TestEntriesOf:
    def test_are_in_the_order_of_their_instants(self):
        tokyo = an_event(
            a_run(id="tokyo", start_time=at("19:00")), id="tokyo-run", point=(35.7, 139.7)
        )
        chicago = an_event(
            a_run(id="evening", start_time=at("18:00")), a_run(id="early", start_time=at("05:30"))
        )
        feed = a_feed(chicago, tokyo)
        assert [entry.run.id for entry in select_entries(feed)] == ["tokyo", "early", "evening"]

    def test_an_all_day_entry_stands_at_the_beginning_of_its_day(self):
        feed = a_feed(
            an_event(
                a_run(id="b-first-thing", start_time=at("00:01")),
                a_run(id="c-all-day"),
                a_run(id="a-eve", date=FRI, start_time=at("23:59")),
            )
        )
        runs = [entry.run.id for entry in select_entries(feed)]
        assert runs == ["a-eve", "c-all-day", "b-first-thing"]

    def test_of_the_same_start_are_in_the_order_of_their_uids(self):
        runs = [a_run(id=id_, start_time=at("08:00")) for id_ in ("c", "a", "b")]
        feed = a_feed(an_event(*runs))
        assert [entry.uid for entry in select_entries(feed)] == [
            "a@intervals.run",
            "b@intervals.run",
            "c@intervals.run",
        ]

    @pytest.mark.parametrize(
        ("options", "kept"),
        [
            pytest.param({}, ["10K", "5K"], id="all"),
            pytest.param({"run": ("5K",)}, ["5K"], id="run"),
            pytest.param({"distance": ("10K",)}, ["10K"], id="distance"),
            pytest.param({"run": ("5K",), "distance": ("10K",)}, [], id="both"),
        ],
    )
    def test_are_those_that_the_options_keep(self, options, kept):
        event = an_event(a_run(id="10K"), a_run(id="5K", distance_standard="5K"))
        assert [entry.run.id for entry in select_entries(a_feed(event, **options))] == kept

    def test_a_filter_does_not_change_when_a_run_ends(self):
        event = an_event(
            a_run(id="10K", start_time=at("08:00")),
            a_run(id="half", start_time=at("08:00"), distance_meters=HALF),
            end_time=at("15:00"),
        )
        (only,) = select_entries(a_feed(event, run=("10K",)))
        assert told(only) == "06-14T08:00 to 06-14T10:00, estimated"

    def test_the_earliest_beyond_a_thousand_are_left_out_and_logged(self, caplog):
        days = [date(2025, 1, 1) + timedelta(days=count) for count in range(MAX_RUNS + 1)]
        runs = [a_run(id=f"r{day:%Y%m%d}", date=day) for day in reversed(days)]
        with caplog.at_level(logging.WARNING, logger="feeds.domain.schedule"):
            shown = select_entries(a_feed(an_event(*runs)))
        assert [entry.run.date for entry in shown] == days[1:]
        assert "1001 runs" in caplog.text

    def test_a_thousand_are_all_shown_without_a_word(self, caplog):
        runs = [a_run(id=f"r{count}") for count in range(1000)]
        with caplog.at_level(logging.WARNING, logger="feeds.domain.schedule"):
            assert len(select_entries(a_feed(an_event(*runs)))) == 1000
        assert not caplog.records

    def test_a_thousand_are_counted_after_the_filter(self, caplog):
        runs = [a_run(id=f"r{count}") for count in range(1500)]
        feed = a_feed(an_event(*runs), run=("r1499",))
        with caplog.at_level(logging.WARNING, logger="feeds.domain.schedule"):
            assert [entry.run.id for entry in select_entries(feed)] == ["r1499"]
        assert not caplog.records


class TestSpan:
    def of(self, *runs, **event):
        return compute_span(entries_of(an_edition(an_event(*runs, **event)), HOME))

    def test_is_from_the_earliest_start_to_the_latest_end_in_utc(self):
        assert self.of(
            a_run(id="late", start_time=at("18:00"), distance_meters=5000),
            a_run(id="long", start_time=at("06:00"), distance_meters=HUNDRED_MILES),
            a_run(id="early", start_time=at("05:00"), distance_meters=5000),
        ) == (
            datetime(2025, 6, 14, 10, tzinfo=UTC),
            datetime(2025, 6, 15, 14, tzinfo=UTC),
        )

    def test_of_days_is_from_midnight_to_midnight_at_the_place(self):
        assert self.of(a_run()) == (
            datetime(2025, 6, 14, 5, tzinfo=UTC),
            datetime(2025, 6, 15, 5, tzinfo=UTC),
        )

    def test_of_a_day_of_23_hours_is_23_hours(self):
        start, end = self.of(a_run(date=SPRING))
        assert end - start == timedelta(hours=23)

    def test_of_a_day_without_midnight_begins_with_its_first_instant(self):
        start, end = compute_span([the_entry(a_run(date=SPRING), home="America/Havana")])
        assert start == datetime(2025, 3, 9, 5, tzinfo=UTC)
        assert end == datetime(2025, 3, 10, 4, tzinfo=UTC)

    def test_takes_days_and_times_together(self):
        start, end = self.of(
            a_run(id="day", date=SAT), a_run(id="eve", date=FRI, start_time=at("20:00"))
        )
        assert start == datetime(2025, 6, 14, 1, tzinfo=UTC)
        assert end == datetime(2025, 6, 15, 5, tzinfo=UTC)

    def test_takes_cancelled_and_virtual_runs_too(self):
        start, end = self.of(
            a_run(id="off", status="cancelled", date=FRI),
            a_run(id="home", virtual=True),
            end_date=MON,
        )
        assert start == datetime(2025, 6, 13, 5, tzinfo=UTC)
        assert end == datetime(2025, 6, 17, 5, tzinfo=UTC)


def changes_of_the_clock(name):
    """The days in 2024 to 2026 that are not as long as others in a zone."""
    zone = ZoneInfo(name)
    days = [date(2024, 1, 1) + timedelta(days=count) for count in range(3 * 365)]
    return [
        day
        for day in days
        if (to_instant(day + timedelta(days=1), zone) - to_instant(day, zone)) != timedelta(days=1)
    ]


UNEVEN = [
    (name, day)
    for name in (
        "America/Chicago",
        "America/Havana",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Europe/Dublin",
    )
    for day in changes_of_the_clock(name)
]
# Since 2012: a day that a zone left out (Samoa's 30 December 2011) has no instants at all.
ANY = st.tuples(st.sampled_from(sorted(ZONE_NAMES)), st.dates(date(2012, 1, 1), date(2199, 12, 1)))
DAYS = (st.just(0) | st.integers(-2, 3)).map(lambda days: timedelta(days=days))
NIGHT = st.integers(0, 15).map(lambda quarters: time(quarters // 4, quarters % 4 * 15))
CLOCKS = NIGHT | st.none() | st.times()
RARELY = st.sampled_from([False, False, False, True])
METERS = st.sampled_from([0.0, 5000.0, 10_000.0, HALF, HUNDRED_MILES]) | st.floats(0, 1e7)


@st.composite
def scheduled(draw) -> tuple[str, Event]:
    """A zone and an event there, often on a day on which the clock changes."""
    home, day = draw(st.sampled_from(UNEVEN) | ANY)
    runs = [
        a_run(
            id=f"r{count}",
            date=day + draw(DAYS),
            distance_meters=draw(METERS),
            start_time=draw(CLOCKS),
            status="cancelled" if draw(RARELY) else "scheduled",
            virtual=draw(RARELY),
            walking=draw(RARELY),
        )
        for count in range(draw(st.integers(0, 4)))
    ]
    event = an_event(
        *runs,
        date=day,
        start_time=draw(CLOCKS),
        end_date=draw(DAYS.map(lambda days: day + days) | st.none()),
        end_time=draw(CLOCKS),
    )
    return home, event


# The first example in a zone reads its rules.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class TestAnySchedule:
    @UNHURRIED
    @given(scheduled())
    def test_an_entry_ends_after_its_start_on_the_wall_clock_and_as_an_instant(self, scheduled):
        home, event = scheduled
        for entry in entries_of(an_edition(event), home):
            start, end = entry.period.start, entry.period.end
            assert end > start  # of times in one zone Python compares the wall clock
            assert to_instant(end, entry.zone) > to_instant(start, entry.zone)

    @UNHURRIED
    @given(scheduled())
    def test_start_and_end_are_both_days_or_both_times_in_the_entrys_zone(self, scheduled):
        home, event = scheduled
        for entry in entries_of(an_edition(event), home):
            start, end = entry.period.start, entry.period.end
            if entry.period.all_day:
                assert (type(start), type(end)) == (date, date)
            else:
                assert isinstance(start, datetime)
                assert isinstance(end, datetime)
                assert start.tzinfo is end.tzinfo is entry.zone

    @UNHURRIED
    @given(scheduled())
    def test_every_time_exists_in_its_zone_and_is_a_first_pass(self, scheduled):
        home, event = scheduled
        for entry in entries_of(an_edition(event), home):
            for each in (entry.period.start, entry.period.end):
                if isinstance(each, datetime):
                    again = each.astimezone(UTC).astimezone(entry.zone)
                    assert (again.replace(tzinfo=None), again.fold) == (
                        each.replace(tzinfo=None),
                        0,
                    )

    @UNHURRIED
    @given(scheduled(), st.randoms(use_true_random=False))
    def test_no_period_depends_on_the_order_of_the_runs(self, scheduled, random):
        home, event = scheduled
        shuffled = list(event.runs)
        random.shuffle(shuffled)
        other = an_event(
            *shuffled,
            date=event.date,
            start_time=event.start_time,
            end_date=event.end_date,
            end_time=event.end_time,
        )
        periods, others = (
            {entry.uid: entry.period for entry in entries_of(an_edition(each), home)}
            for each in (event, other)
        )
        assert periods == others

    @UNHURRIED
    @given(scheduled())
    def test_a_run_in_person_lasts_a_day_or_twice_its_limit_at_most(self, scheduled):
        home, event = scheduled
        for entry in entries_of(an_edition(event), home):
            if event.runs and not entry.run.virtual:
                start, end = entry.period.start, entry.period.end
                last = end - timedelta(days=1) if entry.period.all_day else end
                assert last - start <= max(2 * compute_time_limit(entry.run), timedelta(days=1))

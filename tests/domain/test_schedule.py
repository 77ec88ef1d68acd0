"""When a run starts and ends, row by row: on the wall clock, with offsets where they matter."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.entries import Entry, compute_span
from feeds.domain.model import Event, Run
from feeds.domain.schedule import compute_time_limit, to_instant
from feeds.domain.timezones import ZONE_NAMES
from tests.support.factories import a_run, an_edition, an_event, entries_of, the_entry

FRI, SAT, SUN, MON, TUE = (date(2025, 6, day) for day in (13, 14, 15, 16, 17))
JULY = date(2025, 7, 14)
SPRING = date(2025, 3, 9)
"""In Chicago 02:00 to 03:00 does not exist."""
FALL = date(2025, 11, 2)
"""In Chicago 01:00 to 02:00 comes twice."""

HALF = 21_097.5
MARATHON = 42_195
HUNDRED_MILES = 160_934.4

SYDNEY = (-33.87, 151.2)
LORD_HOWE = (-31.55, 159.08)
HAVANA = (23.1, -82.4)

RUN = {"start": "start_time", "meters": "distance_meters", "day": "date"}
EVENT = {
    "event_day": "date",
    "event_start": "start_time",
    "end_day": "end_date",
    "end": "end_time",
}


def parse(names: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """Fields of the model by short names, with times as texts; other names stay as they are."""
    clocks = ("start", "event_start", "end")
    return {
        names.get(name, name): time.fromisoformat(value) if name in clocks and value else value
        for name, value in given.items()
    }


def an_entry(*, home: str = "America/Chicago", point: Any = None, **given: Any) -> Entry:
    """The entry of the only run of an event; an end and an event's start are of the event."""
    event = {name: given.pop(name) for name in EVENT if name in given}
    return the_entry(a_run(**parse(RUN, given)), home=home, point=point, **parse(EVENT, event))


def describe(entry: Entry) -> str:
    """``06-14T08:00 to 06-14T10:00, estimated``; of days, the second is the exclusive end."""
    period = entry.period
    form = "%m-%d" if period.all_day else "%m-%dT%H:%M"
    estimated = ", estimated" if period.estimated else ""
    return f"{period.start:{form}} to {period.end:{form}}{estimated}"


def when(**given: Any) -> str:
    """When the only run of an event takes place."""
    return describe(an_entry(**given))


def a_named_run(id_: str, **given: Any) -> Run:
    return a_run(id=id_, **parse(RUN, given))


def schedule(*runs: Run, **event: Any) -> dict[str, str]:
    """When each run of an event takes place, by id."""
    edition = an_edition(an_event(*runs, **parse(EVENT, event)))
    return {each.run.id: describe(each) for each in entries_of(edition)}


def describe_event(**given: Any) -> str:
    """When an event without runs takes place."""
    (entry,) = entries_of(an_edition(an_event(**parse(EVENT, given))))
    assert entry.uid == "harbor@intervals.run"
    return describe(entry)


def offsets(entry: Entry) -> str:
    """Start and end with their offsets from UTC, hours and minutes."""
    period = entry.period
    assert isinstance(period.start, datetime)
    assert isinstance(period.end, datetime)
    return f"{period.start:%H:%M%z} to {period.end:%H:%M%z}"


def elapsed(entry: Entry) -> timedelta:
    start, end = compute_span([entry])
    return end - start


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ({"start": "08:00"}, "06-14T08:00"),
        ({"start": "08:00", "day": SUN}, "06-15T08:00"),
        ({"start": "09:30", "event_start": "08:00"}, "06-14T09:30"),
        ({"start": "00:00"}, "06-14T00:00"),
    ],
    ids=str,
)
def test_a_run_starts_at_its_own_start_time(given, start):
    assert when(**given).startswith(f"{start} to")


@pytest.mark.parametrize(("day", "clock"), [(SAT, "07:15"), (SUN, "18:00"), (SUN, "00:00")])
def test_a_run_without_a_start_time_on_the_day_of_the_event_starts_with_the_event(day, clock):
    assert when(day=day, event_day=day, event_start=clock).startswith(f"{day:%m-%d}T{clock} to")


@pytest.mark.parametrize("day", [FRI, SUN, MON], ids=str)
def test_a_run_without_a_start_time_on_another_day_than_the_event_is_all_day(day):
    following = day + timedelta(days=1)
    assert when(day=day, event_start="08:00") == f"{day:%m-%d} to {following:%m-%d}"


@pytest.mark.parametrize("given", [{}, {"end": "15:00"}], ids=str)
def test_a_run_is_all_day_if_neither_the_run_nor_the_event_has_a_start_time(given):
    entry = an_entry(**given)
    assert entry.period.all_day
    assert describe(entry) == "06-14 to 06-15"


def test_seconds_are_kept_in_start_and_end():
    entry = an_entry(start="08:00:30", end="12:30:15")
    assert entry.period.start == datetime(2025, 6, 14, 8, 0, 30, tzinfo=entry.zone)
    assert entry.period.end == datetime(2025, 6, 14, 12, 30, 15, tzinfo=entry.zone)
    entry = an_entry(start="08:00:30")
    assert entry.period.end == datetime(2025, 6, 14, 10, 0, 30, tzinfo=entry.zone)


@pytest.mark.parametrize(
    ("km", "hours"),
    [
        *((0, 1), (1.609344, 1), (5, 1), (6, 1), (6.001, 1.5), (9, 1.5), (9.001, 2), (10, 2)),
        *((12, 2), (15, 2.5), (21.0975, 4), (42.195, 7.5), (50, 8.5), (80.4672, 13.5), (100, 17)),
        *((160.9344, 27), (431.9, 72), (432, 72), (432.001, 72), (10_000, 72)),
    ],
)
def test_the_time_limit_is_10_minutes_per_km_in_half_hours_from_1_to_72_hours(km, hours):
    assert compute_time_limit(a_run(distance_meters=km * 1000)) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("km", "hours"),
    [
        *((0, 1), (4, 1), (4.001, 1.5), (5, 1.5), (6, 1.5), (6.001, 2), (10, 2.5), (21.0975, 5.5)),
        *((42.195, 11), (160.9344, 40.5), (288, 72), (288.001, 72), (432, 72)),
    ],
)
def test_the_time_limit_of_a_walk_is_15_minutes_per_km(km, hours):
    run = a_run(distance_meters=km * 1000, walking=True)
    assert compute_time_limit(run) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("given", "days"),
    [
        ({}, "06-14 to 06-15"),
        ({"end_day": SAT}, "06-14 to 06-15"),
        ({"end_day": MON}, "06-14 to 06-17"),
        ({"end_day": JULY}, "06-14 to 07-15"),
        ({"end_day": FRI}, "06-14 to 06-15"),
        ({"day": SUN, "end_day": MON}, "06-15 to 06-17"),
        ({"start": "08:00", "end_day": MON, "end": "12:00"}, "06-14 to 06-17"),
        ({"event_start": "08:00"}, "06-14 to 06-15"),
        ({"status": "cancelled", "end_day": MON}, "06-14 to 06-17"),
    ],
    ids=str,
)
def test_a_virtual_run_is_all_day_until_the_end_date_of_the_event(given, days):
    assert when(virtual=True, **given) == days


@pytest.mark.parametrize(
    ("given", "days"),
    [
        ({"meters": HUNDRED_MILES, "end_day": SUN}, "06-14 to 06-16"),
        ({"meters": HUNDRED_MILES, "end_day": MON}, "06-14 to 06-17"),  # 48 of 54 hours
        ({"meters": 72_000, "end_day": SUN}, "06-14 to 06-16"),  # exactly 2 x 12 hours
        ({"meters": 48_000, "walking": True, "end_day": SUN}, "06-14 to 06-16"),  # the same
        ({"end_day": SAT}, "06-14 to 06-15"),
        ({"meters": HUNDRED_MILES, "end_day": SUN, "end": "11:00"}, "06-14 to 06-16"),
    ],
    ids=str,
)
def test_an_all_day_main_run_lasts_to_an_end_date_within_twice_its_time_limit(given, days):
    assert when(**given) == days


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"end_day": SUN},  # 4 of 24 hours
        {"meters": MARATHON, "end_day": SUN},  # 15 of 24 hours
        {"meters": 69_000, "end_day": SUN},  # 23 of 24 hours
        {"meters": HUNDRED_MILES, "end_day": TUE},  # 54 of 72 hours
        {"end_day": FRI},
        {"status": "cancelled", "end_day": SUN},
        {"status": "cancelled", "meters": HUNDRED_MILES, "end_day": SUN},
    ],
    ids=str,
)
def test_an_all_day_run_lasts_one_day_otherwise(given):
    assert when(**given) == "06-14 to 06-15"


def test_an_all_day_run_that_is_not_main_lasts_one_day():
    assert schedule(
        a_named_run("100M", meters=HUNDRED_MILES),
        a_named_run("100K", meters=100_000),
        end_day=SUN,
    ) == {"100M": "06-14 to 06-16", "100K": "06-14 to 06-15"}


def test_the_end_of_an_all_day_run_is_never_called_estimated():
    assert not an_entry(end_day=SUN).period.estimated


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"end": "11:00"}, "06-14T08:00 to 06-14T11:00"),
        ({"end_day": SAT, "end": "11:00"}, "06-14T08:00 to 06-14T11:00"),
        ({"meters": 5000, "end": "23:59"}, "06-14T08:00 to 06-14T23:59"),
        ({"meters": 5000, "end": "08:05"}, "06-14T08:00 to 06-14T08:05"),
        ({"day": SUN, "event_day": SAT, "end": "11:00"}, "06-15T08:00 to 06-15T11:00"),
        ({"status": "postponed", "end": "23:00"}, "06-14T08:00 to 06-14T23:00"),
    ],
    ids=str,
)
def test_a_main_run_ends_at_an_announced_end_on_its_own_date(given, period):
    assert when(start="08:00", **given) == period


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"start": "22:00", "end": "02:00"}, "06-14T22:00 to 06-15T02:00"),
        ({"start": "22:00", "walking": True, "end": "03:00"}, "06-14T22:00 to 06-15T03:00"),
        ({"start": "05:00", "meters": HUNDRED_MILES, "end": "11:00"}, "06-14T05:00 to 06-15T11:00"),
    ],
    ids=str,
)
def test_a_main_run_ends_at_an_announced_end_within_twice_its_time_limit(given, period):
    assert when(end_day=SUN, **given) == period


def test_a_main_run_ends_at_an_announced_end_after_exactly_twice_its_time_limit():
    given = {"start": "05:00", "meters": HUNDRED_MILES, "end_day": MON}
    assert when(end="11:00", **given) == "06-14T05:00 to 06-16T11:00"
    assert when(end="11:01", **given) == "06-14T05:00 to 06-15T08:00, estimated"


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"start": "22:00", "end_day": SUN, "end": "02:01"}, "06-14T22:00 to 06-15T00:00"),
        ({"start": "22:00", "end_day": SUN, "end": "02:00:01"}, "06-14T22:00 to 06-15T00:00"),
        ({"meters": MARATHON, "end_day": SUN, "end": "15:00"}, "06-14T08:00 to 06-14T15:30"),
        ({"end_day": SAT, "end": "07:00"}, "06-14T08:00 to 06-14T10:00"),
        ({"end_day": SAT, "end": "08:00"}, "06-14T08:00 to 06-14T10:00"),
        ({"end_day": FRI, "end": "15:00"}, "06-14T08:00 to 06-14T10:00"),
    ],
    ids=str,
)
def test_a_main_run_ends_at_its_time_limit_by_estimate_after_any_other_end(given, period):
    assert when(**{"start": "08:00"} | given) == f"{period}, estimated"


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"start": "22:00", "end": "01:30"}, "06-14T22:00 to 06-15T01:30"),
        ({"start": "22:00", "end": "00:00"}, "06-14T22:00 to 06-15T00:00"),
        ({"start": "08:00", "meters": HUNDRED_MILES, "end": "08:00"}, "06-14T08:00 to 06-15T08:00"),
        ({"start": "08:00", "meters": 72_000, "end": "08:00"}, "06-14T08:00 to 06-15T08:00"),
        ({"start": "08:00", "end": "08:00"}, "06-14T08:00 to 06-14T10:00, estimated"),  # too far
        ({"start": "08:00", "end": "07:59"}, "06-14T08:00 to 06-14T10:00, estimated"),  # too far
    ],
    ids=str,
)
def test_an_end_time_not_after_the_start_is_of_the_following_day_without_an_end_date(given, period):
    assert when(**given) == period


@pytest.mark.parametrize("given", [{}, {"end_day": SAT}, {"end_day": SUN}], ids=str)
def test_an_end_date_without_an_end_time_is_no_end_of_a_run_with_a_start_time(given):
    period = when(start="08:00", meters=HUNDRED_MILES, **given)
    assert period == "06-14T08:00 to 06-15T11:00, estimated"


UNTIL_THREE = "06-14T08:00 to 06-14T15:00"
"""The period of a main run of ``schedule_three``."""
LIMITS = {
    "5K": "06-14T08:00 to 06-14T09:00, estimated",
    "10K": "06-14T08:00 to 06-14T10:00, estimated",
    "half": "06-14T08:00 to 06-14T12:00, estimated",
}
"""The periods of its other runs."""


def schedule_three(five=None, ten=None, half=None):
    """5K, 10K and half marathon at 08:00 on Saturday until 15:00, with these fields changed."""
    ordinary = {"5K": (5000, five), "10K": (10_000, ten), "half": (HALF, half)}
    return schedule(
        *(
            a_named_run(id_, **{"meters": meters, "start": "08:00"} | (changed or {}))
            for id_, (meters, changed) in ordinary.items()
        ),
        end="15:00",
    )


def test_the_longest_run_is_the_main_run():
    assert schedule_three() == LIMITS | {"half": UNTIL_THREE}


def test_all_runs_of_the_longest_distance_are_main_runs():
    main = {"10K": UNTIL_THREE, "half": UNTIL_THREE}
    assert schedule_three(ten={"meters": HALF}) == LIMITS | main


def test_a_cancelled_run_is_not_the_main_run():
    assert schedule_three(half={"status": "cancelled"}) == LIMITS | {"10K": UNTIL_THREE}
    off = {"status": "cancelled"}
    assert schedule_three(off, off, off) == LIMITS


@pytest.mark.parametrize("status", ["postponed", "rescheduled", "on hold"])
def test_a_run_of_any_other_status_can_be_the_main_run(status):
    assert schedule_three(half={"status": status}) == LIMITS | {"half": UNTIL_THREE}


def test_a_virtual_run_is_not_the_main_run():
    periods = {"10K": UNTIL_THREE, "half": "06-14 to 06-15"}
    assert schedule_three(half={"virtual": True}) == LIMITS | periods


def test_a_longer_run_of_an_earlier_day_is_not_the_main_run():
    assert schedule(
        a_named_run("half", meters=HALF, start="08:00"),
        a_named_run("5K", meters=5000, day=SUN, start="08:00"),
        end_day=SUN,
        end="15:00",
    ) == {"half": LIMITS["half"], "5K": "06-15T08:00 to 06-15T15:00"}


@pytest.mark.parametrize("off", [{"status": "cancelled"}, {"virtual": True}], ids=str)
def test_a_day_with_only_cancelled_and_virtual_runs_is_not_the_last_day(off):
    periods = schedule(
        a_named_run("10K", start="08:00"),
        a_named_run("5K", meters=5000, day=SUN, start="08:00", **off),
        end_day=SAT,
        end="15:00",
    )
    assert periods["10K"] == UNTIL_THREE


def test_the_main_run_of_a_weekend_is_the_longest_of_sunday():
    assert schedule(
        a_named_run("5K", meters=5000, start="09:00"),
        a_named_run("10K", day=SUN, start="07:30"),
        a_named_run("marathon", meters=MARATHON, day=SUN, start="07:00"),
        end_day=SUN,
        end="14:00",
    ) == {
        "5K": "06-14T09:00 to 06-14T10:00, estimated",
        "10K": "06-15T07:30 to 06-15T09:30, estimated",
        "marathon": "06-15T07:00 to 06-15T14:00",
    }


@pytest.mark.parametrize(
    ("start", "event", "period"),
    [
        ("08:00", {"end": "09:30"}, "06-14T08:00 to 06-14T09:30"),
        ("08:00", {"end": "10:00"}, "06-14T08:00 to 06-14T10:00"),
        ("08:00", {"end": "10:01"}, "06-14T08:00 to 06-14T10:00, estimated"),
        ("08:00", {"end_day": SUN, "end": "09:00"}, "06-14T08:00 to 06-14T10:00, estimated"),
        ("23:00", {"end_day": SUN, "end": "00:30"}, "06-14T23:00 to 06-15T00:30"),
        ("23:00", {"end": "00:30"}, "06-14T23:00 to 06-15T00:30"),
    ],
    ids=str,
)
def test_another_run_ends_at_the_announced_end_or_its_time_limit_if_that_is_earlier(
    start, event, period
):
    main = a_named_run("half", meters=HALF, start=start)
    assert schedule(a_named_run("10K", start=start), main, **event)["10K"] == period


@pytest.mark.parametrize(
    ("start", "event", "period"),
    [
        ("08:00", {}, "06-14T08:00 to 06-14T10:00, estimated"),
        ("16:00", {"end_day": SAT, "end": "15:00"}, "06-14T16:00 to 06-14T18:00, estimated"),
        ("15:00", {"end_day": SAT, "end": "15:00"}, "06-14T15:00 to 06-14T17:00, estimated"),
        ("16:00", {"end": "15:00"}, "06-14T16:00 to 06-14T18:00, estimated"),
    ],
    ids=str,
)
def test_another_run_ends_at_its_time_limit_when_no_announced_end_is_after_its_start(
    start, event, period
):
    main = a_named_run("half", meters=HALF, start="08:00")
    assert schedule(a_named_run("10K", start=start), main, **event)["10K"] == period


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"meters": 5000}, "06-14T09:00"),
        ({}, "06-14T10:00"),
        ({"walking": True}, "06-14T10:30"),
        ({"meters": HALF}, "06-14T12:00"),
        ({"meters": MARATHON}, "06-14T15:30"),
        ({"meters": HUNDRED_MILES}, "06-15T11:00"),
        ({"meters": 1_000_000}, "06-17T08:00"),
    ],
    ids=str,
)
def test_a_run_without_an_announced_end_ends_at_its_time_limit_by_estimate(given, end):
    assert when(start="08:00", **given) == f"06-14T08:00 to {end}, estimated"


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({}, "06-14 to 06-15"),
        ({"end_day": SUN}, "06-14 to 06-16"),
        ({"end_day": JULY}, "06-14 to 07-15"),
        ({"end_day": FRI}, "06-14 to 06-15"),
        ({"end": "15:00"}, "06-14 to 06-15"),
    ],
    ids=str,
)
def test_an_event_without_runs_and_start_time_is_all_day_to_its_end_date(given, period):
    assert describe_event(**given) == period


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"end": "15:00"}, "06-14T15:00"),
        ({"end": "07:00"}, "06-15T07:00"),
        ({"end": "08:00"}, "06-15T08:00"),
        ({"end_day": SUN, "end": "15:00"}, "06-15T15:00"),
        ({"end_day": JULY, "end": "15:00"}, "07-14T15:00"),
    ],
    ids=str,
)
def test_an_event_without_runs_ends_at_its_own_end_however_far_that_is(given, end):
    assert describe_event(event_start="08:00", **given) == f"06-14T08:00 to {end}"


@pytest.mark.parametrize(
    "given",
    [{}, {"end_day": SUN}, {"end_day": SAT, "end": "07:00"}, {"end_day": FRI, "end": "15:00"}],
    ids=str,
)
def test_an_event_without_runs_lasts_an_hour_by_estimate_without_an_end_after_its_start(given):
    period = describe_event(event_start="08:00", **given)
    assert period == "06-14T08:00 to 06-14T09:00, estimated"


@pytest.mark.parametrize(
    ("day", "hours", "period"),
    [
        (date(2025, 3, 8), 6.5, "22:00-0600 to 05:30-0500"),
        (date(2025, 11, 1), 8.5, "22:00-0500 to 05:30-0600"),
    ],
)
def test_a_time_limit_is_added_on_the_wall_clock(day, hours, period):
    entry = an_entry(day=day, start="22:00", meters=MARATHON)
    assert offsets(entry) == period
    assert elapsed(entry) == timedelta(hours=hours)


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 8), 3), (date(2025, 11, 1), 5)])
def test_twice_the_time_limit_is_compared_on_the_wall_clock(day, hours):
    entry = an_entry(day=day, start="23:00", end="03:00")
    assert describe(entry).endswith("T03:00")
    assert elapsed(entry) == timedelta(hours=hours)
    assert an_entry(day=day, start="23:00", end="03:01").period.estimated


@pytest.mark.parametrize(
    ("start", "end", "period"),
    [
        ("02:30", None, "03:30-0500 to 05:30-0500"),
        ("02:00", None, "03:00-0500 to 05:00-0500"),
        ("03:00", None, "03:00-0500 to 05:00-0500"),
        ("01:59", None, "01:59-0600 to 03:59-0500"),
        ("00:30", None, "00:30-0600 to 03:30-0500"),
        ("01:30", "02:30", "01:30-0600 to 03:30-0500"),
        ("02:15", "02:45", "03:15-0500 to 03:45-0500"),
        ("02:30", "04:00", "03:30-0500 to 04:00-0500"),
    ],
)
def test_a_time_in_a_gap_of_the_clock_is_the_time_after_the_gap(start, end, period):
    entry = an_entry(day=SPRING, start=start, end=end)
    assert offsets(entry) == period
    assert entry.period.estimated == (end is None)


@pytest.mark.parametrize("end", ["03:00", "03:15", "03:30", "03:45"])
@pytest.mark.parametrize("given", [{}, {"end_day": SPRING}], ids=str)
def test_an_end_that_is_no_longer_after_a_start_moved_by_a_gap_is_no_end(end, given):
    period = when(day=SPRING, start="02:45", meters=HUNDRED_MILES, end=end, **given)
    assert period == "03-09T03:45 to 03-10T06:45, estimated"


def test_a_start_moved_by_a_gap_leaves_an_end_on_the_following_day():
    period = when(day=SPRING, start="02:45", meters=HUNDRED_MILES, end="02:45")
    assert period == "03-09T03:45 to 03-10T02:45"


def test_a_start_moved_by_a_gap_makes_an_event_without_runs_no_day_longer():
    period = describe_event(event_day=SPRING, event_start="02:30", end="03:00")
    assert period == "03-09T03:30 to 03-09T04:30, estimated"


@pytest.mark.parametrize(
    ("meters", "period"),
    [
        (10_000, "03-09T03:15 to 03-09T05:15, estimated"),
        (HUNDRED_MILES, "03-09T03:15 to 03-10T02:45"),
    ],
)
def test_an_end_in_a_gap_is_of_the_following_day_if_announced_before_the_start(meters, period):
    assert when(day=SPRING, start="03:15", meters=meters, end="02:45") == period


def test_an_end_before_the_start_on_the_end_date_is_no_end_even_if_a_gap_moves_it():
    period = when(day=SPRING, start="03:15", end_day=SPRING, end="02:45")
    assert period == "03-09T03:15 to 03-09T05:15, estimated"


@pytest.mark.parametrize(
    ("start", "end", "period"),
    [
        ("01:30", None, "01:30-0500 to 03:30-0600"),
        ("01:00", None, "01:00-0500 to 03:00-0600"),
        ("02:00", None, "02:00-0600 to 04:00-0600"),
        ("00:30", "01:30", "00:30-0500 to 01:30-0500"),
        ("01:15", "01:45", "01:15-0500 to 01:45-0500"),
        ("00:00", "02:00", "00:00-0500 to 02:00-0600"),
    ],
)
def test_a_time_that_comes_twice_means_the_first_one(start, end, period):
    assert offsets(an_entry(day=FALL, start=start, end=end)) == period


def test_an_estimated_end_that_comes_twice_means_the_first_one():
    entry = an_entry(day=FALL, start="00:30", meters=5000)
    assert offsets(entry) == "00:30-0500 to 01:30-0500"
    assert elapsed(entry) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("point", "day", "start", "period"),
    [
        (SYDNEY, date(2025, 10, 5), "02:30", "03:30+1100 to 05:30+1100"),
        (SYDNEY, date(2025, 4, 6), "02:30", "02:30+1100 to 04:30+1000"),
        (SYDNEY, date(2025, 4, 6), "01:00", "01:00+1100 to 03:00+1000"),
        (LORD_HOWE, date(2025, 10, 5), "02:15", "02:45+1100 to 04:45+1100"),  # half an hour
        (LORD_HOWE, date(2025, 4, 6), "01:45", "01:45+1100 to 03:45+1030"),
        (HAVANA, SPRING, "00:15", "01:15-0400 to 03:15-0400"),  # there is no midnight
    ],
)
def test_gaps_and_times_that_come_twice_are_those_of_the_place(point, day, start, period):
    assert offsets(an_entry(day=day, start=start, point=point)) == period


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
def test_a_zone_without_clock_changes_has_one_offset(home, period, day):
    entry = an_entry(day=day, start="08:00", home=home)
    assert offsets(entry) == period
    assert elapsed(entry) == timedelta(hours=2)


def find_uneven_days(name):
    """The days in 2024 to 2026 that are not as long as others in a zone."""
    zone, one = ZoneInfo(name), timedelta(days=1)
    days = [date(2024, 1, 1) + timedelta(days=count) for count in range(3 * 365)]
    return [day for day in days if to_instant(day + one, zone) - to_instant(day, zone) != one]


UNEVEN = [
    (name, day)
    for name in (
        *("America/Chicago", "America/Havana", "Africa/Casablanca"),
        *("Australia/Lord_Howe", "Australia/Sydney", "Europe/Dublin"),
    )
    for day in find_uneven_days(name)
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


@UNHURRIED
@given(scheduled())
def test_every_entry_has_a_period_that_is_possible(scheduled):
    home, event = scheduled
    for entry in entries_of(an_edition(event), home):
        start, end = entry.period.start, entry.period.end
        assert end > start  # of times in one zone Python compares the wall clock
        assert to_instant(end, entry.zone) > to_instant(start, entry.zone)
        if entry.period.all_day:
            assert (type(start), type(end)) == (date, date)
            continue
        for each in (start, end):
            assert isinstance(each, datetime)
            assert each.tzinfo is entry.zone
            again = each.astimezone(UTC).astimezone(entry.zone)  # it exists, and is the first
            assert (again.replace(tzinfo=None), again.fold) == (each.replace(tzinfo=None), 0)


@UNHURRIED
@given(scheduled(), st.randoms(use_true_random=False))
def test_no_period_depends_on_the_order_of_the_runs(scheduled, random):
    home, event = scheduled
    shuffled = list(event.runs)
    random.shuffle(shuffled)
    other = structs.replace(event, runs=tuple(shuffled))
    periods, others = (
        {entry.uid: entry.period for entry in entries_of(an_edition(each), home)}
        for each in (event, other)
    )
    assert periods == others


@UNHURRIED
@given(scheduled())
def test_a_run_in_person_lasts_a_day_or_twice_its_time_limit_at_most(scheduled):
    home, event = scheduled
    for entry in entries_of(an_edition(event), home):
        if event.runs and not entry.run.virtual:
            start, end = entry.period.start, entry.period.end
            last = end - timedelta(days=1) if entry.period.all_day else end
            assert last - start <= max(2 * compute_time_limit(entry.run), timedelta(days=1))

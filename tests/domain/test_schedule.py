"""When a run starts and ends, row by row: on the wall clock, with offsets where they matter."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.entries import Entry
from feeds.domain.model import Event, Run
from feeds.domain.schedule import compute_time_limit, to_instant
from feeds.domain.timezones import ZONE_NAMES
from tests.support.factories import a_run, an_edition, an_event, entries_of, the_entry

FRI, SAT, SUN = (date(2025, 6, day) for day in (13, 14, 15))
JULY = date(2025, 7, 14)
SPRING = date(2025, 3, 9)
"""In Chicago 02:00 to 03:00 does not exist."""
FALL = date(2025, 11, 2)
"""In Chicago 01:00 to 02:00 comes twice."""

HALF = 21_097.5
HUNDRED_MILES = 160_934.4

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


def offsets(entry: Entry) -> str:
    """Start and end with their offsets from UTC, hours and minutes."""
    period = entry.period
    assert isinstance(period.start, datetime)
    assert isinstance(period.end, datetime)
    return f"{period.start:%H:%M%z} to {period.end:%H:%M%z}"


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"virtual": True, "end_day": FRI}, "06-14 to 06-15"),
        # all day: to an end date within twice the limit
        ({"meters": 72_000, "end_day": SUN}, "06-14 to 06-16"),  # exactly 2 x 12 hours
        ({"meters": 48_000, "walking": True, "end_day": SUN}, "06-14 to 06-16"),  # the same
        ({"meters": 69_000, "end_day": SUN}, "06-14 to 06-15"),  # 24 of 23 hours
        ({"meters": HUNDRED_MILES, "status": "cancelled", "end_day": SUN}, "06-14 to 06-16"),
        # an announced end on the run's own date, within twice the limit, or not after the start
        ({"start": "08:00", "meters": 5000, "end": "08:05"}, "06-14T08:00 to 06-14T08:05"),
        ({"start": "08:00", "day": SUN, "end": "11:00"}, "06-15T08:00 to 06-15T11:00"),
        ({"start": "08:00", "status": "postponed", "end": "23:00"}, "06-14T08:00 to 06-14T23:00"),
        (
            {"start": "22:00", "end_day": SUN, "end": "02:00:01"},
            "06-14T22:00 to 06-15T00:00, estimated",
        ),
        (
            {"start": "08:00", "end_day": SAT, "end": "08:00"},
            "06-14T08:00 to 06-14T10:00, estimated",
        ),
        # without an end date it is of the following day
        ({"start": "08:00", "meters": 72_000, "end": "08:00"}, "06-14T08:00 to 06-15T08:00"),
        ({"start": "08:00", "end": "07:59"}, "06-14T08:00 to 06-14T10:00, estimated"),  # too far
    ],
    ids=str,
)
def test_the_only_run_of_an_event_takes_place(given, period):
    assert when(**given) == period


def test_an_all_day_run_that_is_not_main_lasts_one_day():
    assert schedule(
        a_named_run("100M", meters=HUNDRED_MILES),
        a_named_run("100K", meters=100_000),
        end_day=SUN,
    ) == {"100M": "06-14 to 06-16", "100K": "06-14 to 06-15"}


@pytest.mark.parametrize(
    ("start", "event", "period"),
    [
        ("08:00", {"end": "10:00"}, "06-14T08:00 to 06-14T10:00"),
        ("23:00", {"end": "00:30"}, "06-14T23:00 to 06-15T00:30"),
        ("15:00", {"end_day": SAT, "end": "15:00"}, "06-14T15:00 to 06-14T17:00, estimated"),
    ],
    ids=str,
)
def test_another_run_ends_at_the_announced_end_or_its_time_limit_if_that_is_earlier(
    start, event, period
):
    main = a_named_run("half", meters=HALF, start=start)
    assert schedule(a_named_run("10K", start=start), main, **event)["10K"] == period


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"end_day": JULY}, "06-14 to 07-15"),
        ({"event_start": "08:00", "end": "08:00"}, "06-14T08:00 to 06-15T08:00"),
        ({"event_start": "08:00"}, "06-14T08:00 to 06-14T09:00, estimated"),
        (
            {"event_start": "08:00", "end_day": FRI, "end": "15:00"},
            "06-14T08:00 to 06-14T09:00, estimated",
        ),
        # a start that a gap moves makes the event no day longer
        (
            {"event_day": SPRING, "event_start": "02:30", "end": "03:00"},
            "03-09T03:30 to 03-09T04:30, estimated",
        ),
    ],
    ids=str,
)
def test_an_event_without_runs_ends_at_its_own_end_however_far_that_is(given, period):
    assert schedule(**given) == {"harbor": period}


# Changes of the clock


@pytest.mark.parametrize("day", [date(2025, 3, 8), date(2025, 11, 1)], ids=str)
def test_twice_the_time_limit_is_compared_on_the_wall_clock(day):
    assert when(day=day, start="23:00", end="03:00").endswith("T03:00")
    assert when(day=day, start="23:00", end="03:01").endswith("estimated")


@pytest.mark.parametrize(
    ("given", "period"),
    [
        # a time in a gap is the time after the gap
        ({"day": SPRING, "start": "00:30"}, "00:30-0600 to 03:30-0500"),
        ({"day": SPRING, "start": "02:15", "end": "02:45"}, "03:15-0500 to 03:45-0500"),
        # a time that comes twice means the first one
        ({"day": FALL, "start": "00:30", "end": "01:30"}, "00:30-0500 to 01:30-0500"),
        ({"day": FALL, "start": "00:00", "end": "02:00"}, "00:00-0500 to 02:00-0600"),
        # gaps of half an hour, and at midnight
        (
            {"day": date(2025, 10, 5), "start": "02:15", "point": LORD_HOWE},
            "02:45+1100 to 04:45+1100",
        ),
        ({"day": SPRING, "start": "00:15", "point": HAVANA}, "01:15-0400 to 03:15-0400"),
    ],
    ids=str,
)
def test_a_run_takes_place_where_the_clock_changes(given, period):
    assert offsets(an_entry(**given)) == period


@pytest.mark.parametrize(
    ("given", "period"),
    [
        # a gap moves the start to or after the end
        ({"start": "02:45", "end": "03:15"}, "03-09T03:45 to 03-10T06:45, estimated"),
        ({"start": "02:45", "end": "03:45"}, "03-09T03:45 to 03-10T06:45, estimated"),
        # the end is of the following day
        ({"start": "02:45", "end": "02:45"}, "03-09T03:45 to 03-10T02:45"),
        ({"start": "03:15", "end": "02:45"}, "03-09T03:15 to 03-10T02:45"),
        # on the end date it is no end, even if a gap moves it after the start
        (
            {"start": "03:15", "end_day": SPRING, "end": "02:45"},
            "03-09T03:15 to 03-10T06:15, estimated",
        ),
    ],
    ids=str,
)
def test_start_and_end_are_compared_as_announced_when_a_gap_moves_one_of_them(given, period):
    assert when(day=SPRING, meters=HUNDRED_MILES, **given) == period


# Random events


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

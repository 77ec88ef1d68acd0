"""Section 2 of docs/rules.md: start, end and time zone.

``h``, ``t`` and ``f`` in the ids of runs are a half marathon, a 10K and a 5K, whose limits are
4 hours, 2 hours and 1 hour.
"""

import datetime as dt

import pytest

from tests.support.service import a_5k, a_run

NOWHERE = {"address": None, "lat": None, "lng": None}


def at(lat, lng):
    return {"lat": lat, "lng": lng}


def zones(calendar):
    return [str(each["TZID"]) for each in calendar.timezones]


def lines(body, name):
    """The content lines of a property, without those of VTIMEZONE."""
    text = body.decode().partition("BEGIN:VEVENT")[2]
    return [line for line in text.split("\r\n") if line.startswith(name)]


def period(entry):
    """DTSTART and DTEND, as in ``08-15 08:00 to 08-15 10:00``; days as in ``08-15 to 08-16``."""
    return f"{brief(entry['DTSTART'].dt)} to {brief(entry['DTEND'].dt)}"


def end(entry):
    return brief(entry["DTEND"].dt)


def brief(when):
    return f"{when:%m-%d %H:%M}" if isinstance(when, dt.datetime) else f"{when:%m-%d}"


def a_half(id_="half", **fields):
    distance = {"distanceStandard": "Half Marathon", "distanceLabel": "Half Marathon"}
    return a_run(id_, distanceMeters=21097.5, **distance | fields)


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        (at(41.8917, -87.6043), "America/Chicago"),
        (at(48.8461, 2.2769), "Europe/Paris"),
        (at(-33.9186, 151.149), "Australia/Sydney"),
        (at(None, None), "Asia/Tokyo"),
        (at(41.8917, None), "Asia/Tokyo"),
        (at(0, 0), "Asia/Tokyo"),
        (at(90.1, 10), "Asia/Tokyo"),
        (at(50, -180.1), "Asia/Tokyo"),
        (at(30, -40), "Asia/Tokyo"),
    ],
)
def test_the_zone_is_that_of_the_coordinates_or_the_home_zone_where_they_give_none(
    service, place, zone
):
    """Rules 2.1."""
    service.restart(timezone="Asia/Tokyo")
    service.announce(a_run(), **place)
    assert service.entry()["DTSTART"].params["TZID"] == zone
    assert service.items()["ten"]["_intervals"]["timezone"] == zone


def test_every_time_of_a_calendar_has_a_zone(service):
    """Rules 2.2."""
    service.announce(
        a_run(registrationOpensAt="2026-06-01T15:00:00Z"), a_5k(startTime=None), a_half()
    )
    body = service.poll(".ics?registration=1")
    assert "DTSTART;TZID=America/Chicago:20260815T080000" in lines(body, "DTSTART")
    named = ("DTSTART;TZID=America/Chicago:", "DTEND;TZID=America/Chicago:")
    days = ("DTSTART;VALUE=DATE:", "DTEND;VALUE=DATE:")
    times = lines(body, "DTSTART") + lines(body, "DTEND")
    assert len(times) == 8
    assert [line for line in times if not line.startswith(named + days)] == []


@pytest.mark.parametrize("query", ["", "?run=ten"])
def test_the_vtimezone_of_the_home_zone_comes_first_and_a_filter_does_not_change_them(
    service, query
):
    """Rules 2.3."""
    service.restart(timezone="Europe/Paris")
    service.announce(a_run(), a_5k(startTime=None))
    assert zones(service.calendar(query)) == ["Europe/Paris", "America/Chicago"]


def test_the_vtimezone_of_the_home_zone_is_there_also_if_no_time_uses_it(service):
    """Rules 2.3."""
    service.announce(a_run(startTime=None))
    assert zones(service.calendar()) == ["America/Chicago"]


@pytest.mark.parametrize(
    ("zone", "standard", "daylight"),
    [
        ("America/Chicago", "-0600", "-0500"),
        ("Australia/Sydney", "+1000", "+1100"),
        ("Europe/Dublin", "+0000", "+0100"),
        ("Asia/Tokyo", "+0900", None),
        ("America/Phoenix", "-0700", None),
    ],
)
def test_a_vtimezone_has_yearly_rules_and_the_larger_offset_is_daylight(
    service, zone, standard, daylight
):
    """Rules 2.3."""
    service.restart(timezone=zone)
    service.announce(a_run(), **NOWHERE)
    (vtimezone,) = service.calendar().timezones
    parts = {
        part.name: (part["TZOFFSETTO"].to_ical(), part.get("RRULE", {}).get("FREQ"))
        for part in vtimezone.subcomponents
    }
    yearly = ["YEARLY"] if daylight else None
    assert parts.pop("STANDARD") == (standard, yearly)
    assert parts == ({"DAYLIGHT": (daylight, yearly)} if daylight else {})


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Asia/Jerusalem", "20260815T050000Z", "20260815T070000Z"),
        ("Africa/Casablanca", "20260815T070000Z", "20260815T090000Z"),
        ("Africa/Cairo", "20260815T050000Z", "20260815T070000Z"),
        ("America/Vancouver", "20260815T150000Z", "20260815T170000Z"),
    ],
)
def test_times_are_in_utc_where_no_yearly_rule_gives_the_offsets(service, zone, start, end):
    """Rules 2.4."""
    service.restart(timezone=zone)
    service.announce(a_run(), **NOWHERE)
    body = service.poll()
    assert lines(body, "DTSTART") + lines(body, "DTEND") == [f"DTSTART:{start}", f"DTEND:{end}"]
    assert zones(service.calendar()) == []
    assert f"08:00 local time ({zone})" in service.entry()["DESCRIPTION"]


def test_only_the_years_from_the_first_to_the_last_instant_of_the_feed_need_yearly_rules(service):
    """Rules 2.4."""
    service.restart(timezone="America/Vancouver")
    service.announce(a_run(date="2027-05-15"), date="2027-05-15", **NOWHERE)
    assert zones(service.calendar()) == ["America/Vancouver"]
    service.edit("ten", registrationOpensAt="2026-12-01T12:00:00Z")
    service.advance(hours=2)
    assert zones(service.calendar()) == []


@pytest.mark.parametrize(
    ("run", "event", "start"),
    [
        ({"startTime": "08:00"}, {"startTime": "07:00"}, "2026-08-15 08:00:00-05:00"),
        ({"startTime": "9:05"}, {}, "2026-08-15 09:05:00-05:00"),
        ({"startTime": "08:00:30"}, {}, "2026-08-15 08:00:30-05:00"),
        ({"startTime": None}, {"startTime": "07:00"}, "2026-08-15 07:00:00-05:00"),
        ({"startTime": None}, {"startTime": "7:00:15"}, "2026-08-15 07:00:15-05:00"),
        ({"startTime": None, "date": "2026-08-16"}, {"startTime": "07:00"}, "2026-08-16"),
        ({"startTime": None}, {}, "2026-08-15"),
        ({"startTime": "24:00"}, {}, "2026-08-15"),
        ({"startTime": "8am"}, {"startTime": "07:00"}, "2026-08-15 07:00:00-05:00"),
    ],
)
def test_a_run_starts_at_its_own_time_else_at_that_of_its_event_on_the_events_date_else_all_day(
    service, run, event, start
):
    """Rules 2.5."""
    service.announce(a_run(**run), **event)
    assert str(service.entry()["DTSTART"].dt) == start


@pytest.mark.parametrize(
    ("meters", "walking", "hours"),
    [
        (0, False, 1),
        (1000, False, 1),
        (6000, False, 1),
        (6001, False, 1.5),
        (10000, False, 2),
        (10000, True, 2.5),
        (21097.5, False, 4),
        (42195, False, 7.5),
        (42195, True, 11),
        (160934, False, 27),
        (432000, False, 72),
        (500000, False, 72),
    ],
)
def test_the_limit_is_10_minutes_a_km_or_15_walking_in_half_hours_from_1_to_72_hours(
    service, meters, walking, hours
):
    """Rules 2.6."""
    service.announce(a_run(distanceMeters=meters, isWalking=walking))
    entry = service.entry()
    assert entry["DTEND"].dt - entry["DTSTART"].dt == dt.timedelta(hours=hours)


def until(day=None, time=None):
    """The fields of an event that ends at that time on that day."""
    return {"endDate": day and f"2026-{day}", "endTime": time}


@pytest.mark.parametrize(
    ("start", "announced", "expected"),
    [
        # E falls on run.date.
        ("08:00", until(time="09:00"), "08-15 09:00"),
        ("08:00", until(time="20:00"), "08-15 20:00"),
        ("08:00", until("08-15", "20:00"), "08-15 20:00"),
        # Without endDate, an endTime that is not after the start means the following day.
        ("22:00", until(time="01:00"), "08-16 01:00"),
        ("08:00", until(time="08:00"), "08-15 10:00"),
        # At most 2 x limit after the start, which is 4 hours.
        ("22:00", until(time="02:00"), "08-16 02:00"),
        ("22:00", until(time="02:01"), "08-16 00:00"),
        ("22:00", until("08-16", "02:00"), "08-16 02:00"),
        ("08:00", until("08-16", "12:00"), "08-15 10:00"),
        # Before the start.
        ("08:00", until("08-15", "07:00"), "08-15 10:00"),
        ("08:00", until("08-14", "12:00"), "08-15 10:00"),
        # Without endTime there is no E.
        ("08:00", until("08-15"), "08-15 10:00"),
    ],
)
def test_the_announced_end_counts_on_the_day_of_the_run_or_up_to_twice_the_limit_after_the_start(
    service, start, announced, expected
):
    """Rules 2.6."""
    service.announce(a_run(startTime=start), **announced)
    assert end(service.entry()) == expected


@pytest.mark.parametrize("day", ["08-15", "08-16", "08-25"])
def test_the_announced_end_of_an_event_without_runs_always_counts(service, day):
    """Rules 2.6."""
    service.announce(startTime="08:00", **until(day, "12:00"))
    assert period(service.entry()) == f"08-15 08:00 to {day} 12:00"


MAIN_RUNS = {
    "the longest": ([a_half("h"), a_run("t"), a_5k("f")], {"h"}),
    "all that tie": ([a_half("h1"), a_half("h2", startTime="07:00"), a_5k("f")], {"h1", "h2"}),
    "of the last day": ([a_half("h", date="2026-08-14"), a_run("t"), a_5k("f")], {"t"}),
    "in person": ([a_half("h", isVirtual=True), a_run("t"), a_5k("f")], {"t"}),
    "not cancelled": ([a_half("h", eventStatus="cancelled"), a_run("t"), a_5k("f")], {"t"}),
    "postponed counts": ([a_half("h", eventStatus="postponed"), a_run("t")], {"h"}),
}


@pytest.mark.parametrize(("runs", "main"), MAIN_RUNS.values(), ids=MAIN_RUNS)
def test_main_runs_are_the_longest_of_the_last_day_in_person_and_not_off(service, runs, main):
    """Rules 2.6."""
    service.announce(*runs, **until(time="19:00"))
    ends = {id_: end(entry) for id_, entry in service.entries().items()}
    assert {id_ for id_, each in ends.items() if each == "08-15 19:00"} == main


def test_a_run_that_is_no_longer_listed_is_not_a_main_run(service):
    """Rules 2.6."""
    service.announce(a_half("h"), a_run("t"), **until(time="19:00"))
    assert end(service.entries()["h"]) == "08-15 19:00"
    service.delist("h")
    service.advance(hours=2)
    ends = {id_: end(entry) for id_, entry in service.entries().items()}
    assert ends == {"h": "08-15 12:00", "t": "08-15 19:00"}


HALF = a_half("half")
LONGER = a_run("longer", distanceMeters=90000)
VIRTUAL = {"isVirtual": True}
NO_START = {"startTime": None}
FAR = {"startTime": None, "distanceMeters": 84000}  # a limit of 14 hours

ENDS = [
    ("virtual", VIRTUAL, [], until(time="12:00"), "08-15 to 08-16"),
    ("virtual, with endDate", VIRTUAL, [], until("08-31", "12:00"), "08-15 to 09-01"),
    ("virtual, with an endDate before run.date", VIRTUAL, [], until("08-14"), "08-15 to 08-16"),
    ("no start time, main, endDate within 2 x limit", FAR, [], until("08-16"), "08-15 to 08-17"),
    ("no start time, main, a later endDate", FAR, [], until("08-17"), "08-15 to 08-16"),
    ("no start time, other", FAR, [LONGER], until("08-16"), "08-15 to 08-16"),
    ("no start time, no endDate", NO_START, [], until(time="12:00"), "08-15 to 08-16"),
    ("E counts, main", {}, [], until(time="11:30"), "08-15 08:00 to 08-15 11:30"),
    ("E first, other", {}, [HALF], until(time="09:30"), "08-15 08:00 to 08-15 09:30"),
    ("start + limit first, other", {}, [HALF], until(time="11:30"), "08-15 08:00 to 08-15 10:00"),
    ("E before the start", {}, [HALF], until("08-15", "07:30"), "08-15 08:00 to 08-15 10:00"),
    ("E does not count, main", {}, [], until("08-16", "12:30"), "08-15 08:00 to 08-15 10:00"),
    ("no E", {}, [], until(), "08-15 08:00 to 08-15 10:00"),
]


@pytest.mark.parametrize(
    ("run", "others", "announced", "expected"),
    [row[1:] for row in ENDS],
    ids=[row[0] for row in ENDS],
)
def test_the_first_row_of_the_table_of_ends_that_applies_decides_the_end_of_a_run(
    service, run, others, announced, expected
):
    """Rules 2.7."""
    service.announce(a_run(**run), *others, **announced)
    assert period(service.entries()["ten"]) == expected


def test_the_end_of_an_all_day_entry_is_the_day_after_its_last_day(service):
    """Rules 2.8."""
    service.announce(a_run(startTime=None))
    body = service.poll()
    assert lines(body, "DTSTART") == ["DTSTART;VALUE=DATE:20260815"]
    assert lines(body, "DTEND") == ["DTEND;VALUE=DATE:20260816"]


@pytest.mark.parametrize(
    ("run", "others", "announced", "estimated"),
    [
        ({}, [], until(), True),
        ({}, [], until("08-16", "12:30"), True),
        ({}, [HALF], until(time="11:30"), True),
        ({}, [HALF], until(time="09:30"), False),
        ({}, [], until(time="11:30"), False),
        (NO_START, [], until(), False),
        (VIRTUAL, [], until(), False),
    ],
)
def test_the_description_calls_the_finish_time_an_estimate_exactly_if_it_is_start_plus_limit(
    service, run, others, announced, estimated
):
    """Rules 2.9."""
    service.announce(a_run(**run), *others, **announced)
    description = service.entries()["ten"]["DESCRIPTION"].splitlines()
    assert ("The finish time is an estimate." in description) == estimated
    assert service.items()["ten"]["_intervals"]["end_estimated"] == estimated


AUTUMN, SPRING = "2026-11-01", "2027-03-14"  # in Chicago: 02:00 CDT is 01:00 CST, and the reverse


@pytest.mark.parametrize(
    ("date", "start", "expected"),
    [
        (AUTUMN, "00:30", "11-01 00:30 to 11-01 02:30"),
        (SPRING, "01:30", "03-14 01:30 to 03-14 03:30"),
        ("2026-10-31", "23:30", "10-31 23:30 to 11-01 01:30"),
    ],
)
def test_the_limit_is_added_on_the_wall_clock_when_the_offset_changes(
    service, date, start, expected
):
    """Rules 2.10."""
    service.announce(a_run(date=date, startTime=start))
    assert period(service.entry()) == expected


@pytest.mark.parametrize(
    ("date", "start", "written"),
    [
        (SPRING, "02:30", "20270314T033000"),
        (SPRING, "02:00", "20270314T030000"),
        (SPRING, "03:00", "20270314T030000"),
        (AUTUMN, "01:30", "20261101T013000"),
    ],
)
def test_a_start_in_a_gap_is_written_as_the_existing_time_after_it(service, date, start, written):
    """Rules 2.11."""
    service.announce(a_run(date=date, startTime=start))
    assert lines(service.poll(), "DTSTART") == [f"DTSTART;TZID=America/Chicago:{written}"]


def test_a_repeated_time_means_its_first_pass(service):
    """Rules 2.11."""
    service.announce(a_run(date=AUTUMN, startTime="01:30"))
    assert service.items()["ten"]["_intervals"]["start"] == "2026-11-01T01:30:00-05:00"


@pytest.mark.parametrize(
    ("opens", "start", "end"),
    [
        ("2026-11-01T06:15:00Z", "TZID=America/Chicago:20261101T011500", "20261101T014500"),
        ("2026-11-01T06:45:00Z", "20261101T064500Z", "20261101T071500Z"),
        ("2026-11-01T07:15:00Z", "20261101T071500Z", "20261101T074500Z"),
        ("2026-11-01T08:00:00Z", "TZID=America/Chicago:20261101T020000", "20261101T023000"),
    ],
)
def test_an_entry_that_reaches_into_the_second_pass_of_a_repeated_hour_is_written_in_utc(
    service, opens, start, end
):
    """Rules 2.11."""
    service.announce(a_run(date="2026-12-05", registrationOpensAt=opens))
    entry = service.entries("?registration=1")["ten/opens"].to_ical().decode()
    assert f"DTSTART{';' if 'TZID' in start else ':'}{start}\r\n" in entry
    assert f":{end}\r\n" in entry


@pytest.mark.parametrize(
    ("start", "announced", "expected"),
    [
        ("02:45", until(time="03:15"), "03-14 03:45 to 03-14 05:45"),
        ("01:30", until(time="02:30"), "03-14 01:30 to 03-14 03:30"),
        ("01:59", until(time="03:00"), "03-14 01:59 to 03-14 03:00"),
    ],
)
def test_the_end_is_after_the_start_also_as_an_instant(service, start, announced, expected):
    """Rules 2.11."""
    service.announce(a_run(date=SPRING, startTime=start), **announced)
    entry = service.entry()
    assert period(entry) == expected
    assert entry["DTEND"].dt.astimezone(dt.UTC) > entry["DTSTART"].dt.astimezone(dt.UTC)

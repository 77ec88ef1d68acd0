"""Section 2 of docs/rules.md: start, end and time zone."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.service import a_5k, a_run

NOWHERE = {"address": None, "lat": None, "lng": None}
AUTUMN, SPRING = "2026-11-01", "2027-03-14"  # the days on which the offset changes in Chicago


def at(lat, lng):
    return {"lat": lat, "lng": lng}


def until(day=None, time=None):
    """The fields of an event that ends on that day of 2026 at that time."""
    return {"endDate": day and f"2026-{day}", "endTime": time}


def a_half(id_, **fields):
    """A half marathon: its limit is 4 hours; that of a 10K is 2 hours, that of a 5K 1 hour."""
    distance = {"distanceStandard": "Half Marathon", "distanceLabel": "Half Marathon"}
    return a_run(id_, distanceMeters=21097.5, **distance | fields)


def zones(calendar):
    """The names of the VTIMEZONEs, in their order."""
    return [str(each["TZID"]) for each in calendar.timezones]


def lines(service, *names, query=""):
    """The content lines of these properties in the VEVENTs."""
    body = service.poll(f".ics{query}").decode().partition("BEGIN:VEVENT")[2]
    return [line for line in body.split("\r\n") if line.startswith(names)]


def period(entry):
    """DTSTART and DTEND, as in ``08-15 08:00 to 08-15 10:00`` or, of days, ``08-15 to 08-16``."""
    return f"{brief(entry['DTSTART'].dt)} to {brief(entry['DTEND'].dt)}"


def brief(when):
    return f"{when:%m-%d %H:%M}" if isinstance(when, datetime) else f"{when:%m-%d}"


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        (at(41.8917, -87.6043), "America/Chicago"),
        (at(-33.9186, 151.149), "Australia/Sydney"),
        (at(None, None), "Asia/Tokyo"),
        (at(0, 0), "Asia/Tokyo"),
        (at(30, -40), "Asia/Tokyo"),
    ],
)
def test_the_zone_is_that_of_the_coordinates_or_the_home_zone_where_they_give_none(
    service, place, zone
):
    """Rules 2.1."""
    service.restart(timezone="Asia/Tokyo")
    service.announce(a_run(), **place)
    assert lines(service, "DTSTART") == [f"DTSTART;TZID={zone}:20260815T080000"]


def test_every_time_of_a_calendar_has_a_zone(service):
    """Rules 2.2."""
    service.announce(a_run(registrationOpensAt="2026-06-01T15:00:00Z"), a_5k(startTime=None))
    times = lines(service, "DTSTART", "DTEND", query="?registration=1")
    kinds = [line.partition(":")[0].partition(";")[2] for line in times]
    assert sorted(kinds) == ["TZID=America/Chicago"] * 4 + ["VALUE=DATE"] * 2


def test_the_vtimezone_of_the_home_zone_comes_first_and_a_filter_changes_none(service):
    """Rules 2.3."""
    service.restart(timezone="Europe/Paris")
    service.announce(a_run(), a_5k(startTime=None))
    for query in ("", "?run=five", "?run=ten"):
        assert zones(service.calendar(query)) == ["Europe/Paris", "America/Chicago"]


@pytest.mark.parametrize(
    ("zone", "standard", "daylight"),
    [
        ("America/Chicago", "-0600", "-0500"),
        ("Australia/Sydney", "+1000", "+1100"),
        ("Europe/Dublin", "+0000", "+0100"),
        ("Asia/Tokyo", "+0900", None),
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
    ("zone", "start"),
    [
        ("Asia/Jerusalem", "20260815T050000Z"),
        ("Africa/Casablanca", "20260815T070000Z"),
        ("Africa/Cairo", "20260815T050000Z"),
        ("America/Vancouver", "20260815T150000Z"),
    ],
)
def test_times_are_in_utc_where_no_yearly_rule_gives_the_offsets(service, zone, start):
    """Rules 2.4."""
    service.restart(timezone=zone)
    service.announce(a_run(), **NOWHERE)
    assert lines(service, "DTSTART") == [f"DTSTART:{start}"]
    assert zones(service.calendar()) == []
    assert "Start: Sat, Aug 15, 2026, 8:00 AM " in service.entry()["DESCRIPTION"]


@pytest.mark.parametrize(("place", "is_guess"), [({}, False), (NOWHERE, True)], ids=str)
def test_a_feed_says_that_the_zone_is_a_guess_if_the_place_does_not_give_it(
    service, place, is_guess
):
    """Rules 2.1."""
    text = "The time zone, CDT, is a guess: Intervals has no usable coordinates for this race."
    service.announce(a_run(), **place)
    assert (text in service.entry()["DESCRIPTION"].splitlines()) is is_guess
    assert (text in service.get(".rss").text) is is_guess


def test_only_the_years_from_the_first_to_the_last_instant_of_the_feed_need_yearly_rules(service):
    """Rules 2.4."""
    service.restart(timezone="America/Vancouver")
    service.announce(a_run(date="2027-05-15"), date="2027-05-15", **NOWHERE)
    assert zones(service.calendar()) == ["America/Vancouver"]
    service.edit("ten", registrationOpensAt="2026-12-01T12:00:00Z")
    service.advance(hours=2)
    assert zones(service.calendar()) == []


def test_a_filter_keeps_times_in_utc_if_another_run_needs_utc(service):
    """Rules 2.3 and 2.4: Mexico City has no summer time since the end of 2022."""
    runs = a_run("early", date="2022-06-18"), a_run("later", date="2026-06-20")
    service.announce(*runs, **at(19.4326, -99.1332))
    assert lines(service, "DTSTART", query="?run=later") == ["DTSTART:20260620T140000Z"]


STARTS = [
    ("2026-08-15", "9:00", "2026-08-15 09:00:00-05:00"),
    ("2026-08-15", "09:00:30", "2026-08-15 09:00:30-05:00"),
    ("2026-08-16", "09:00", "2026-08-16 09:00:00-05:00"),
    ("2026-08-15", None, "2026-08-15 07:00:00-05:00"),
    ("2026-08-15", "24:00", "2026-08-16 00:00:00-05:00"),
    ("2026-08-15", "9 am", "2026-08-15"),
    ("2026-08-16", None, "2026-08-16"),
]


def test_a_run_starts_at_its_own_time_else_at_that_of_its_event_on_the_events_date_else_all_day(
    service,
):
    """Rules 2.5."""
    runs = [a_run(f"r{n}", date=date, startTime=time) for n, (date, time, _) in enumerate(STARTS)]
    service.announce(*runs, startTime="07:00")
    entries = service.entries()
    starts = [str(entries[f"r{n}"]["DTSTART"].dt) for n in range(len(STARTS))]
    assert starts == [row[2] for row in STARTS]


LIMITS = [
    (1000, False, "08-15 09:00"),
    (6000, False, "08-15 09:00"),
    (6001, False, "08-15 09:30"),
    (10000, False, "08-15 10:00"),
    (10000, True, "08-15 10:30"),
    (42195, False, "08-15 15:30"),
    (42195, True, "08-15 19:00"),
    (432000, False, "08-18 08:00"),
    (500000, False, "08-18 08:00"),
]


def test_the_limit_is_10_minutes_a_km_or_15_walking_in_half_hours_from_1_to_72_hours(service):
    """Rules 2.6."""
    rows = enumerate(LIMITS)
    service.announce(*[a_run(f"r{n}", distanceMeters=m, isWalking=w) for n, (m, w, _) in rows])
    entries = service.entries()
    ends = [brief(entries[f"r{n}"]["DTEND"].dt) for n in range(len(LIMITS))]
    assert ends == [row[2] for row in LIMITS]


@pytest.mark.parametrize(
    ("start", "announced", "expected"),
    [
        # E falls on run.date.
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
        # Without endTime there is no E.
        ("08:00", until("08-15"), "08-15 10:00"),
    ],
)
def test_the_announced_end_counts_on_the_day_of_the_run_or_up_to_twice_the_limit_after_the_start(
    service, start, announced, expected
):
    """Rules 2.6."""
    service.announce(a_run(startTime=start), **announced)
    assert brief(service.entry()["DTEND"].dt) == expected


def test_the_announced_end_of_an_event_without_runs_always_counts(service):
    """Rules 2.6."""
    service.announce(startTime="08:00", **until("08-25", "12:00"))
    assert period(service.entry()) == "08-15 08:00 to 08-25 12:00"


MAIN_RUNS = {
    "the longest": ([a_half("h"), a_run("t"), a_5k("f")], ["h"]),
    "all that tie": ([a_half("h1"), a_half("h2", startTime="09:00"), a_5k("f")], ["h1", "h2"]),
    "of the last day": ([a_half("h", date="2026-08-14"), a_run("t"), a_5k("f")], ["t"]),
    "in person": ([a_half("h", isVirtual=True), a_run("t"), a_5k("f")], ["t"]),
    "all virtual": ([a_half("h", isVirtual=True), a_run("t", isVirtual=True)], ["h"]),
    "cancelled counts": ([a_half("h", eventStatus="cancelled"), a_run("t"), a_5k("f")], ["h"]),
    "postponed counts": ([a_half("h", eventStatus="postponed"), a_run("t")], ["h"]),
}


@pytest.mark.parametrize(("runs", "main"), MAIN_RUNS.values(), ids=MAIN_RUNS)
def test_main_runs_are_the_longest_in_person_runs_of_the_last_day(service, runs, main):
    """Rules 2.6."""
    service.announce(*runs, **until(time="19:00"))
    ends = {id_: brief(entry["DTEND"].dt) for id_, entry in service.entries().items()}
    assert sorted(id_ for id_, end in ends.items() if end == "08-15 19:00") == main


@pytest.mark.parametrize("status", ["cancelled", "no longer listed"])
def test_a_run_that_is_off_moves_no_other_end(service, status):
    """Rules 2.6; a run that has left the feeds is a main run no more."""
    service.announce(a_half("h"), a_run("t"), **until(time="19:00"))
    before = {id_: entry["DTEND"].dt for id_, entry in service.entries().items()}
    if status == "cancelled":
        service.edit("h", eventStatus=status)
    else:
        service.delist("h")
    service.advance(hours=2)
    service.believe_removal()
    assert {id_: entry["DTEND"].dt for id_, entry in service.entries().items()} == before
    service.advance(days=31)
    entries = service.entries()
    assert len(entries) == (2 if status == "cancelled" else 1)
    main = "08-15 10:00" if status == "cancelled" else "08-15 19:00"
    assert brief(entries["t"]["DTEND"].dt) == main


HALF = a_half("half")
LONGER = a_run("longer", distanceMeters=90000)
VIRTUAL: dict[str, Any] = {"isVirtual": True}
NO_START: dict[str, Any] = {"startTime": None}
FAR = {"startTime": None, "distanceMeters": 84000}  # a limit of 14 hours

ENDS = [
    # The case; the run; other runs; the announced end; the period.
    ("virtual", VIRTUAL | NO_START, [], until(time="12:00"), "08-15 to 08-16"),
    ("virtual, timed", VIRTUAL, [], until(time="12:00"), "08-15 08:00 to 08-15 12:00"),
    ("virtual, timed, other", VIRTUAL, [HALF], until(time="09:30"), "08-15 08:00 to 08-15 09:30"),
    ("virtual, endDate", VIRTUAL, [], until("08-15", "09:30"), "08-15 08:00 to 08-15 09:30"),
    ("virtual, with endDate", VIRTUAL, [], until("08-31", "12:00"), "08-15 to 09-01"),
    ("no start time, main, endDate within 2 x limit", FAR, [], until("08-16"), "08-15 to 08-17"),
    ("no start time, main, a later endDate", FAR, [], until("08-17"), "08-15 to 08-16"),
    ("no start time, other", FAR, [LONGER], until("08-16"), "08-15 to 08-16"),
    ("no start time, no endDate", NO_START, [], until(time="12:00"), "08-15 to 08-16"),
    ("E counts, main", {}, [], until(time="11:30"), "08-15 08:00 to 08-15 11:30"),
    ("E first, other", {}, [HALF], until(time="09:30"), "08-15 08:00 to 08-15 09:30"),
    # DTEND is start + limit, an estimate.
    ("start + limit first, other", {}, [HALF], until(time="11:30"), "08-15 08:00 to 08-15 10:00"),
    ("E before the start", {}, [HALF], until("08-15", "07:30"), "08-15 08:00 to 08-15 10:00"),
    ("E does not count, main", {}, [], until("08-16", "12:30"), "08-15 08:00 to 08-15 10:00"),
    ("no E", {}, [], until(), "08-15 08:00 to 08-15 10:00"),
]


@pytest.mark.parametrize(
    ("meters", "standard", "sentence"),
    [
        (0, "Other", "The finish is not known."),
        (0, "10K", "The finish is not known."),
        (6706, "Ultra", "The finish is not known."),
        (42_195, "Ultra", "Estimated finish 3:30 PM."),
        (50_000, "Ultra", "Estimated finish 4:30 PM."),
    ],
)
def test_no_finish_is_estimated_from_a_distance_that_tells_nothing_of_it(
    service, meters, standard, sentence
):
    """Rules 2.9; the lap of a backyard ultra has 6706 metres."""
    service.announce(a_run(distanceMeters=meters, distanceStandard=standard))
    lines = service.entries()["ten"]["DESCRIPTION"].splitlines()
    assert [line for line in lines if "finish" in line] == [sentence]
    feed = json.loads(service.poll(".json"))
    assert feed["_intervals"]["runs"][0]["distance"].get("meters") == (meters or None)


@pytest.mark.parametrize(
    ("run", "others", "announced", "expected"),
    [row[1:] for row in ENDS],
    ids=[row[0] for row in ENDS],
)
def test_the_first_row_of_the_table_that_applies_decides_the_end_and_whether_it_is_an_estimate(
    service, run, others, announced, expected
):
    """Rules 2.7 and 2.9."""
    service.announce(a_run(**run), *others, **announced)
    entry = service.entries()["ten"]
    assert period(entry) == expected
    estimated = "Estimated finish 10:00 AM." in entry["DESCRIPTION"].splitlines()
    assert estimated == expected.endswith("10:00")


def test_the_end_of_an_all_day_entry_is_the_day_after_its_last_day(service):
    """Rules 2.8."""
    service.announce(a_run(startTime=None))
    expected = ["DTSTART;VALUE=DATE:20260815", "DTEND;VALUE=DATE:20260816"]
    assert lines(service, "DTSTART", "DTEND") == expected


def test_the_limit_is_added_on_the_wall_clock_when_the_offset_changes(service):
    """Rules 2.10."""
    autumn, spring = {"date": AUTUMN, "startTime": "00:30"}, {"date": SPRING, "startTime": "01:30"}
    service.announce(a_run("autumn", **autumn), a_run("spring", **spring))
    entries = service.entries()
    assert period(entries["autumn"]) == "11-01 00:30 to 11-01 02:30"
    assert period(entries["spring"]) == "03-14 01:30 to 03-14 03:30"


def test_a_time_in_a_gap_is_written_as_the_existing_time_after_it(service):
    """Rules 2.11."""
    starts = ("01:30", "02:00", "02:30", "03:00")
    service.announce(*[a_run(f"r{n}", date=SPRING, startTime=t) for n, t in enumerate(starts)])
    entries = service.entries()
    assert [brief(entries[f"r{n}"]["DTSTART"].dt) for n in range(len(starts))] == [
        "03-14 01:30",
        "03-14 03:00",
        "03-14 03:30",
        "03-14 03:00",
    ]


def test_a_repeated_time_means_its_first_pass(service):
    """Rules 2.11."""
    service.announce(a_run(date=AUTUMN, startTime="01:30"))
    assert lines(service, "DTSTART") == ["DTSTART:20261101T063000Z"]
    assert service.run("ten")["start"] == "2026-11-01T01:30:00-05:00"


@pytest.mark.parametrize(
    ("opens", "start", "end"),
    [
        ("05:15", ";TZID=America/Chicago:20261101T001500", ";TZID=America/Chicago:20261101T004500"),
        ("05:45", ":20261101T054500Z", ":20261101T061500Z"),
        ("06:15", ":20261101T061500Z", ":20261101T064500Z"),
        ("06:45", ":20261101T064500Z", ":20261101T071500Z"),
        ("07:45", ":20261101T074500Z", ":20261101T081500Z"),
        ("08:00", ";TZID=America/Chicago:20261101T020000", ";TZID=America/Chicago:20261101T023000"),
    ],
)
def test_an_entry_that_reaches_into_a_repeated_hour_is_written_in_utc(service, opens, start, end):
    """Rules 2.11."""
    service.announce(a_run(date="2026-12-05", registrationOpensAt=f"{AUTUMN}T{opens}:00Z"))
    times = lines(service, "DTSTART", "DTEND", query="?registration=1")
    assert times[-2:] == [f"DTSTART{start}", f"DTEND{end}"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("02:45", "03:15", "03-14 03:45 to 03-14 05:45"),
        ("01:30", "02:30", "03-14 01:30 to 03-14 03:30"),
        ("01:59", "03:00", "03-14 01:59 to 03-14 03:00"),
    ],
)
def test_an_end_is_after_its_start_as_an_instant_also_when_the_clock_goes_forward(
    service, start, end, expected
):
    """Rules 2.11."""
    service.announce(a_run(date=SPRING, startTime=start), endTime=end)
    entry = service.entry()
    assert period(entry) == expected
    assert entry["DTEND"].dt.astimezone(UTC) > entry["DTSTART"].dt.astimezone(UTC)

"""Titles and lines of the items about changes and about registration."""

from datetime import UTC, date, datetime, time

import pytest

from feeds.domain.changes import find_changes
from feeds.domain.model import Kind
from feeds.text.changes import (
    CHANGE_TITLES,
    build_change_title,
    build_registration_title,
    describe_change,
    list_shared_facts,
)
from tests.support.factories import NOW, a_run, an_edition, an_event, entries_of
from tests.support.rules import find_code, read_table

SUN = date(2025, 6, 15)
EIGHT, NINE = time(8), time(9)
TEN = {"id": "r10k", "start_time": EIGHT}
FIVE = {"id": "r5k", "start_time": EIGHT, "distance_label": "5K"}
PIER, PARK = "Navy Pier", "Grant Park"


def entries(*runs, **event):
    return entries_of(an_edition(an_event(*(a_run(**run) for run in runs), **event)))


def changes_between(before, after):
    """The changes, all of one kind, and their entries."""
    changes = find_changes(before, after, NOW)
    assert len({change.kind for change in changes}) == 1
    by_id = {entry.run.id: entry for entry in after}
    return changes, [by_id[change.run] for change in changes]


def title_of(before, after):
    return build_change_title(*changes_between(before, after))


def lines_of(before, after):
    changes, runs = changes_between(before, after)
    return [describe_change(change, run) for change, run in zip(changes, runs, strict=True)]


def test_each_kind_of_change_has_the_title_of_rules_5_4():
    documented = {find_code(kind)[0]: find_code(title)[0] for kind, title, _ in read_table("5.4")}
    assert documented == CHANGE_TITLES
    assert set(Kind) - set(CHANGE_TITLES) == {Kind.OTHER_DISTANCE, Kind.SILENT}


@pytest.mark.parametrize(
    ("before", "after", "title"),
    [
        ({}, {"start_time": NINE}, "Moved: Harbor Run: 10K, now Sat 14 Jun 2025, 09:00"),
        ({}, {"start_time": None}, "Moved: Harbor Run: 10K, now Sat 14 Jun 2025"),
        ({"start_time": None}, {}, "Start time: Harbor Run: 10K, now Sat 14 Jun 2025, 08:00"),
        ({}, {"status": "cancelled"}, "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 08:00"),
        (
            {"status": "postponed"},
            {"status": "rescheduled", "date": SUN},
            "Rescheduled: Harbor Run: 10K, now Sun 15 Jun 2025, 08:00",
        ),
    ],
    ids=str,
)
def test_the_title_of_a_change_has_the_start_of_the_run(before, after, title):
    assert title_of(entries(TEN | before), entries(TEN | after)) == title


@pytest.mark.parametrize(
    ("before", "after", "title"),
    [
        ({"location": PIER}, {"location": PARK}, "Moved: Harbor Run: 10K, now Grant Park"),
        ({}, {"location": PARK}, "Place: Harbor Run: 10K, now Grant Park"),
    ],
    ids=["another place", "first place"],
)
def test_the_title_of_a_move_without_a_new_start_has_the_place(before, after, title):
    assert title_of(entries(TEN, **before), entries(TEN, **after)) == title


def test_a_new_start_and_a_new_place_together_are_titled_by_the_start():
    before, after = entries(TEN, location=PIER), entries(TEN | {"start_time": NINE}, location=PARK)
    assert title_of(before, after) == "Moved: Harbor Run: 10K, now Sat 14 Jun 2025, 09:00"


def test_the_title_of_several_runs_names_each_label_once_and_the_start_that_they_share():
    runs = [TEN, FIVE, TEN | {"id": "again"}]
    after = entries(*(run | {"start_time": NINE} for run in runs))
    title = "Moved: Harbor Run: 10K, 5K, now Sat 14 Jun 2025, 09:00"
    assert title_of(entries(*runs), after) == title
    after = entries(*(run | {"start_time": start} for run, start in ((TEN, NINE), (FIVE, time(7)))))
    assert title_of(entries(TEN, FIVE), after) == "Moved: Harbor Run: 10K, 5K"
    first_start = entries(TEN | {"start_time": None}, FIVE)
    assert title_of(first_start, after) == "Moved: Harbor Run: 10K, 5K"


def test_first_starts_and_first_places_of_several_runs_are_titled_by_the_place_they_share():
    before = entries(TEN | {"start_time": None}, FIVE)
    after = entries(TEN, FIVE, location=PARK)
    assert title_of(before, after) == "Place: Harbor Run: 10K, 5K, now Grant Park"


LOCAL = "08:00 local time (America/Chicago)"
BEFORE = "before: Sat 14 Jun 2025, 08:00"


@pytest.mark.parametrize(
    ("was", "now", "line"),
    [
        (
            {"location": PIER},
            {"date": SUN, "location": PARK},
            f"10K: Sun 15 Jun 2025, {LOCAL}, Grant Park; {BEFORE}, Navy Pier",
        ),
        (
            {"start_time": None},
            {"location": PARK},
            f"10K: Sat 14 Jun 2025, {LOCAL}, Grant Park",
        ),
        ({}, {"start_time": None}, f"10K: Sat 14 Jun 2025; {BEFORE}"),
    ],
    ids=["start and place", "both first", "time removed"],
)
def test_the_line_of_a_change_has_start_and_place_and_those_that_were_replaced(was, now, line):
    before, after = (
        entries(
            TEN | {name: value for name, value in fields.items() if name != "location"},
            location=fields.get("location"),
        )
        for fields in (was, now)
    )
    assert lines_of(before, after) == [line]


def test_the_line_of_an_event_without_runs_starts_with_its_name():
    assert lines_of(entries(), entries(date=SUN)) == [
        "Harbor Run: Sun 15 Jun 2025; before: Sat 14 Jun 2025"
    ]


def test_the_title_about_registration_names_the_runs():
    title = build_registration_title("registration-opens", entries(TEN, FIVE))
    assert title == "Registration is open: Harbor Run: 10K, 5K"
    title = build_registration_title("registration-closes", entries(TEN))
    assert title == "Registration has closed: Harbor Run: 10K"


def test_facts_that_all_runs_share_come_once_and_the_others_after_the_label_of_their_run():
    opens = {"registration_opens": datetime(2025, 6, 3, 12, tzinfo=UTC)}
    runs = entries(TEN | opens, FIVE | opens | {"start_time": NINE, "sold_out": True})
    assert list(list_shared_facts(runs)) == [
        "The finish time is an estimate.",
        "Registration opens Tue 3 Jun 2025, 07:00 (America/Chicago)",
        "10K: Start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)",
        "5K: Start: Sat 14 Jun 2025, 09:00 local time (America/Chicago)",
        "5K: Sold out.",
    ]

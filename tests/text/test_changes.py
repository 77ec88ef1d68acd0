"""Titles and lines of the items about changes.

tests/rules has the titles of the changes of one run (5.4) and of several runs (5.5).
"""

from datetime import UTC, date, datetime, time

import pytest

from feeds.domain.history.changes import find_changes, find_turns
from feeds.domain.model import Kind
from feeds.text.changes import CHANGE_TITLES, build_change_title, describe_changes
from tests.support.factories import NOW, a_run, an_edition, an_event, entries_of
from tests.support.rules import find_code, read_table

SUN = date(2025, 6, 15)
EIGHT = time(8)
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
    group, runs = changes_between(before, after)
    return build_change_title(group, runs, "en_US")


def lines_of(before, after):
    group, runs = changes_between(before, after)
    return list(describe_changes(group, runs, "en_US"))


def test_each_kind_of_change_has_the_title_of_rules_5_4():
    documented = {find_code(kind)[0]: find_code(title)[0] for kind, title, _ in read_table("5.4")}
    assert documented == CHANGE_TITLES
    assert set(Kind) == set(CHANGE_TITLES)


LOCAL = "8:00 AM CDT"
BEFORE = "before: Sat, Jun 14, 2025, 8:00 AM"


@pytest.mark.parametrize(
    ("was", "now", "line"),
    [
        (
            {"location": PIER},
            {"date": SUN, "location": PARK},
            f"10K: Sun, Jun 15, 2025, {LOCAL}, Grant Park; {BEFORE}, Navy Pier",
        ),
        (
            {"start_time": None},
            {"location": PARK},
            f"10K: Sat, Jun 14, 2025, {LOCAL}, Grant Park",
        ),
        ({}, {"start_time": None}, f"10K: Sat, Jun 14, 2025; {BEFORE}"),
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
        "Harbor Run: Sun, Jun 15, 2025; before: Sat, Jun 14, 2025"
    ]


JULY = {"registration_closes": datetime(2025, 7, 2, 12, tzinfo=UTC)}
AUGUST = {"registration_closes": datetime(2025, 8, 3, 4, 59, tzinfo=UTC)}


def test_the_title_of_an_extended_registration_ends_with_its_new_end():
    before, after = entries(TEN | JULY, FIVE | JULY), entries(TEN | AUGUST, FIVE | AUGUST)
    title = "Registration extended: Harbor Run – 10K, 5K, until Sat, Aug 2, 2025, 11:59 PM"
    assert title_of(before, after) == title
    assert lines_of(before, after)[2:] == [
        "5K: Sat, Jun 14, 2025, 8:00 AM CDT",
        "Registration closes Sat, Aug 2, 2025, 11:59 PM CDT",
    ]
    later = {"registration_closes": datetime(2025, 9, 1, tzinfo=UTC)}
    apart = title_of(before, entries(TEN | AUGUST, FIVE | later))
    assert apart == "Registration extended: Harbor Run – 10K, 5K"


def test_an_item_about_registration_that_opened_or_closed_says_when():
    window = {"registration_opens": datetime(2025, 6, 1, 13, tzinfo=UTC)} | JULY
    runs = entries(TEN | window)
    found = find_turns(runs, runs, since=NOW, until=window["registration_closes"], noticed=NOW)
    start = "10K: Sat, Jun 14, 2025, 8:00 AM CDT"
    opened = (
        "Registration opened Sun, Jun 1, 2025, 8:00 AM CDT and closes Wed, Jul 2, 2025, 7:00 AM CDT"
    )
    closed = "Registration closed Wed, Jul 2, 2025, 7:00 AM CDT"
    told = [
        (build_change_title([each], runs, "en_US"), *describe_changes([each], runs, "en_US"))
        for each in found
    ]
    assert told == [
        ("Registration is open: Harbor Run – 10K", start, opened),
        ("Registration has closed: Harbor Run – 10K", start, closed),
    ]

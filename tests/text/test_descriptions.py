"""Descriptions of runs: facts, links and categories."""

from datetime import UTC, date, datetime, time

import pytest

from feeds.domain.model import Change, Kind, State
from feeds.text.descriptions import list_facts, list_links
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_run,
    an_edition,
    an_event,
    entries_of,
    the_entry,
)

SUN = date(2025, 6, 15)
EIGHT, ELEVEN = time(8), time(11)
OPENS = datetime(2025, 1, 1, 6, tzinfo=UTC)
CLOSES = datetime(2025, 6, 12, 23, 59, 59, tzinfo=UTC)
WINDOW = "opens Wed 1 Jan 2025, 00:00 and closes Thu 12 Jun 2025, 18:59:59"
RUN_URL, EVENT_URL, SITE = (f"https://club.example/{each}" for each in ("run", "event", "site"))
START = "Start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)"


def facts_of(run=None, **event):
    return list(list_facts(the_entry(run or a_run(), **event)))


def test_the_only_fact_about_an_ordinary_run_is_its_start():
    assert facts_of(a_run(start_time=EIGHT), end_time=ELEVEN) == [START]
    (alone,) = entries_of(an_edition(an_event(start_time=EIGHT, end_time=ELEVEN)))
    assert list(list_facts(alone)) == [START]


@pytest.mark.parametrize(
    ("status", "start"),
    [
        ("cancelled", "Planned start"),
        ("postponed", "Planned start"),
        ("rescheduled", "Start"),
        ("on hold", "Start"),
    ],
)
def test_the_status_is_the_first_fact_and_decides_whether_the_start_is_a_plan(status, start):
    facts = facts_of(a_run(start_time=EIGHT, status=status, sold_out=True))
    assert status in facts[0].lower()
    assert facts[1] == START.replace("Start", start)


@pytest.mark.parametrize("start", [None, EIGHT], ids=["no start", "start"])
def test_a_virtual_run_has_its_days_and_the_start_of_the_organizer(start):
    own = ["The organizer starts at 08:00."] if start else []
    assert facts_of(a_run(virtual=True, start_time=start), end_date=SUN) == [
        "Dates: Sat 14 Jun 2025 to Sun 15 Jun 2025",
        *own,
        "Virtual: take part from anywhere.",
    ]


def facts_after_move(was, now):
    """The facts about a run that moved from one state to another."""
    change = Change(run="r10k", kind=Kind.MOVED, was=was, now=now, noticed=NOW)
    edition = an_edition(an_event(a_run(start_time=EIGHT), end_time=ELEVEN), changes=(change,))
    (entry,) = entries_of(edition)
    return list(list_facts(entry))[1:]


AT_EIGHT = State(start="2025-06-14T08:00:00", zone=HOME, place="Navy Pier")


@pytest.mark.parametrize(
    ("was", "facts"),
    [
        ({"start": "2025-06-14T09:00:00"}, ["Moved from Sat 14 Jun 2025, 09:00"]),
        ({"zone": "Asia/Tokyo"}, ["Moved from Sat 14 Jun 2025, 08:00 (Asia/Tokyo)"]),
        ({"place": "Grant Park"}, ["Moved from Grant Park"]),
        (
            {"start": "2025-06-15", "place": "Grant Park"},
            ["Moved from Sun 15 Jun 2025", "Moved from Grant Park"],
        ),
        ({"start": "2025-06-14"}, []),  # the start time was announced
        ({"place": None}, []),  # the place was announced
    ],
    ids=str,
)
def test_the_start_and_the_place_before_the_last_move_are_facts_if_they_were_replaced(was, facts):
    before = {"start": AT_EIGHT.start, "zone": HOME, "place": AT_EIGHT.place} | was
    assert facts_after_move(State(**before), AT_EIGHT) == facts


@pytest.mark.parametrize(("of_run", "of_event"), [(RUN_URL, EVENT_URL), (RUN_URL, None)])
def test_the_registration_link_is_the_runs_and_a_cancelled_run_has_none(of_run, of_event):
    for status, links in (("scheduled", [RUN_URL, PAGE]), ("cancelled", [PAGE])):
        run = a_run(registration_url=of_run, status=status)
        entry = the_entry(run, registration_url=of_event)
        assert [link.url for link in list_links(entry, PAGE)] == links

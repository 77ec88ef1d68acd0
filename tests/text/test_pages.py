"""Texts of pages: notices, dates of an event, registration."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from msgspec import structs

from feeds.domain.model import PendingRemoval
from feeds.text import pages
from tests.support.factories import NOW, a_run, an_edition, an_event, entries_of, the_entry

OPENS = datetime(2025, 3, 1, 15, tzinfo=UTC)
CLOSES = datetime(2025, 6, 13, 4, 59, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ENDS = datetime(2025, 6, 15, 5, tzinfo=UTC)
"""Midnight in Chicago: without a start time, a run ends with its day."""
SUN = date(2025, 6, 15)
CANCELLED = {"status": "cancelled"}


def entries(*runs, **event):
    return entries_of(an_edition(an_event(*runs, **event)))


def notices(*runs):
    return [(each.status.name, each.text) for each in pages.list_notices(entries(*runs))]


@pytest.mark.parametrize(
    ("fields", "name", "word"),
    [
        (CANCELLED, "cancelled", "Cancelled"),
        ({"status": "postponed"}, "postponed", "Postponed"),
        ({"status": "rescheduled"}, "rescheduled", "Rescheduled"),
        ({"status": "postponed", "withdrawn": True}, "unlisted", "No longer listed"),
    ],
)
def test_a_notice_names_its_runs_unless_all_runs_have_the_status(fields, name, word):
    run = a_run(id="a", **fields)
    assert notices(run) == [(name, f"{word}.")]
    assert notices(run, a_run(id="b", distance_label="5K")) == [(name, f"{word}: 10K.")]


def test_the_worst_notice_comes_first():
    statuses = ["rescheduled", "cancelled", "postponed", "cancelled"]
    runs = [
        a_run(id=label, status=status, distance_label=label)
        for label, status in zip("ABCD", statuses, strict=True)
    ]
    assert [text for _, text in notices(*runs, a_run(id="E", withdrawn=True))] == [
        "Cancelled: B, D.",
        "No longer listed: 10K.",
        "Postponed: C.",
        "Rescheduled: A.",
    ]


MINUTE = 60 * SECOND
HELD = "The organizer's list has lacked {} since Sun 1 Jun 2025, 07:00 (America/Chicago)."


@pytest.mark.parametrize(
    ("pending", "minutes", "what"),
    [
        ({}, 30, ""),
        ({"a": (0, 3)}, 29, ""),
        ({"a": (0, 2)}, 30, ""),
        ({"a": (0, 3)}, 30, "10K"),
        ({"a": (0, 3), "b": (-60, 9)}, 30, "10K"),  # b was confirmed
        ({"a": (0, 3), "c": (1, 3)}, 40, "10K, 5K"),
        ({"a": (0, 3), "c": (20, 3)}, 40, "10K"),
        ({"harbor": (0, 3), "c": (5, 3)}, 40, "this event"),
    ],
)
def test_what_other_events_hold_back_is_named_with_the_time_since_when_it_is_missing(
    pending, minutes, what
):
    runs = a_run(id="a"), a_run(id="b", unlisted=NOW), a_run(id="c", distance_label="5K")
    edition = structs.replace(
        an_edition(an_event(*runs)),
        fetched=NOW + minutes * MINUTE,
        pending={id_: PendingRemoval(NOW + at * MINUTE, n) for id_, (at, n) in pending.items()},
    )
    assert pages.describe_held(edition, entries_of(edition)) == (HELD.format(what) if what else "")


def test_nothing_of_an_event_that_is_gone_is_held_back():
    edition = an_edition(an_event(a_run(id="a")), pending={"harbor": PendingRemoval(NOW, 3)})
    edition = structs.replace(edition, fetched=NOW + 30 * MINUTE, gone=NOW + 30 * MINUTE)
    assert pages.describe_held(edition, entries_of(edition)) == ""


def test_a_notice_about_one_of_two_runs_with_the_same_label_has_its_start():
    runs = [a_run(id="a", start_time=time(8)), a_run(id="b", **CANCELLED)]
    assert notices(*runs) == [("cancelled", "Cancelled: 10K (Sat 14 Jun 2025).")]


@pytest.mark.parametrize(
    ("statuses", "headline"),
    [
        ([], "Harbor Run"),
        (["scheduled"], "Harbor Run"),
        (["on hold"], "Harbor Run"),
        (["postponed", "postponed"], "Postponed: Harbor Run"),
        (["cancelled"], "Cancelled: Harbor Run"),
        (["cancelled", "scheduled"], "Harbor Run"),
        (["cancelled", "postponed"], "Harbor Run"),
        (["cancelled", "no longer listed"], "Cancelled: Harbor Run"),
        (["no longer listed"], "No longer listed: Harbor Run"),
    ],
    ids=str,
)
def test_the_headline_has_a_status_that_holds_for_the_whole_event(statuses, headline):
    runs = [
        a_run(id=str(n), withdrawn=True) if status == "no longer listed" else a_run(status=status)
        for n, status in enumerate(statuses)
    ]
    assert pages.build_headline(entries(*runs), "Harbor Run") == headline


@pytest.mark.parametrize(
    ("runs", "event", "dates"),
    [
        ([{}], {}, "Sat 14 Jun 2025"),
        ([{}, {"date": SUN}], {}, "Sat 14 Jun 2025 to Sun 15 Jun 2025"),
        ([CANCELLED, {"date": SUN}], {}, "Sun 15 Jun 2025"),
        ([CANCELLED], {}, "Sat 14 Jun 2025"),
        ([{"virtual": True}], {"end_date": SUN}, "Sat 14 Jun 2025 to Sun 15 Jun 2025"),
        ([], {"start_time": time(8), "end_date": SUN}, "Sat 14 Jun 2025 to Sun 15 Jun 2025"),
        # a finish after midnight is not another day
        ([{"distance_meters": 161_000, "start_time": time(6)}], {}, "Sat 14 Jun 2025"),
    ],
    ids=str,
)
def test_the_dates_of_an_event_are_the_days_of_the_runs_that_take_place(runs, event, dates):
    numbered = [a_run(id=str(n), **fields) for n, fields in enumerate(runs)]
    assert pages.format_dates(entries(*numbered, **event)) == dates


SEVEN, HALF_PAST = {"start_time": time(7)}, {"start_time": time(8, 30)}


@pytest.mark.parametrize(
    ("runs", "start"),
    [
        ([HALF_PAST], "Sat 14 Jun 2025, 08:30"),
        ([SEVEN, HALF_PAST], "Sat 14 Jun 2025, from 07:00"),
        ([HALF_PAST, {}], "Sat 14 Jun 2025, from 08:30"),
        ([SEVEN | CANCELLED, HALF_PAST], "Sat 14 Jun 2025, 08:30"),
        ([{}], "Sat 14 Jun 2025"),
        ([SEVEN, SEVEN | {"date": SUN}], "Sat 14 Jun 2025 to Sun 15 Jun 2025"),
    ],
    ids=str,
)
def test_the_first_start_has_a_time_if_it_is_known_and_all_runs_are_on_one_day(runs, start):
    numbered = [a_run(id=str(n), **fields) for n, fields in enumerate(runs)]
    assert pages.format_first_start(entries(*numbered)) == start


WINDOW = {"registration_opens": OPENS, "registration_closes": CLOSES}


@pytest.mark.parametrize(
    ("fields", "at", "text"),
    [
        (WINDOW, OPENS - SECOND, "Opens Sat 1 Mar 2025, 09:00"),
        (WINDOW, OPENS, "Open until Thu 12 Jun 2025, 23:59"),
        (WINDOW, CLOSES - SECOND, "Open until Thu 12 Jun 2025, 23:59"),
        (WINDOW, CLOSES, "Closed"),
        ({}, OPENS, ""),
        ({"registration_opens": OPENS}, OPENS, "Open"),
        ({"registration_closes": CLOSES}, OPENS, "Open until Thu 12 Jun 2025, 23:59"),
        (WINDOW | {"sold_out": True}, OPENS, "Sold out"),
        (WINDOW | {"registration_override": "paused"}, OPENS, "Paused"),
        ({"registration_override": "lottery"}, OPENS, "Lottery"),
        (WINDOW | CANCELLED, OPENS, ""),
        (WINDOW, ENDS, ""),
        (WINDOW | {"sold_out": True}, ENDS, ""),
    ],
    ids=str,
)
def test_registration_is_described_as_it_is_at_a_time(fields, at, text):
    assert pages.describe_registration(the_entry(a_run(**fields)), at) == text


def test_a_page_names_the_zone_if_a_run_has_a_time():
    assert pages.has_times(entries(a_run(), a_run(id="b", start_time=time(8))))
    assert not pages.has_times(entries(a_run()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "1 minute"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (7200, "2 hours"),
        (7201, "3 hours"),
    ],
)
def test_a_duration_is_rounded_up_to_minutes_or_hours(seconds, text):
    assert pages.format_duration(timedelta(seconds=seconds)) == text


def test_an_instant_is_shown_in_the_local_time_of_the_place():
    shown = pages.format_instant(datetime(2025, 6, 1, 12, 0, 59, tzinfo=UTC), entries(a_run()))
    assert shown == "Sun 1 Jun 2025, 07:00 (America/Chicago)"

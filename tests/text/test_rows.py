"""The list of runs on a page."""

from datetime import UTC, date, datetime, time

import pytest

from feeds.text.agenda import build_agenda
from feeds.text.rows import build_listing
from tests.support.factories import a_run, an_edition, an_event, entries_of

EARLY = datetime(2025, 6, 1, tzinfo=UTC)
SUN = date(2025, 6, 15)


def listing_of(*runs, at=EARLY, locale="en_US", most=12, **event):
    entries = entries_of(an_edition(an_event(*runs, **event)))
    return build_listing(build_agenda(entries, at), at, locale, most)


def the_row(run, **event):
    (day,) = listing_of(run, **event).first
    (row,) = day.rows
    return row


def test_runs_are_grouped_by_day():
    days = listing_of(
        a_run(id="a", start_time=time(7)), a_run(id="b"), a_run(id="c", date=SUN)
    ).first
    assert [(day.title, [row.time for row in day.rows]) for day in days] == [
        ("Sat, Jun 14, 2025", ["7:00 AM", "Time TBA"]),
        ("Sun, Jun 15, 2025", ["Time TBA"]),
    ]


def test_a_run_without_a_time_comes_after_the_others_of_its_day():
    (day,) = listing_of(a_run(id="a"), a_run(id="b", start_time=time(7))).first
    assert [row.time for row in day.rows] == ["7:00 AM", "Time TBA"]


def test_a_listing_knows_whether_all_runs_are_on_the_day_that_the_head_of_a_page_names():
    runs = a_run(id="a", start_time=time(7)), a_run(id="b")
    assert listing_of(*runs).has_one_day
    assert listing_of(*runs, most=1).has_one_day
    assert not listing_of(*runs, a_run(id="c", date=SUN)).has_one_day
    noon = datetime(2025, 6, 15, 12, tzinfo=UTC)
    assert not listing_of(*runs, a_run(id="c", date=SUN), at=noon).has_one_day


def test_the_locale_decides_how_days_and_times_are_written():
    (day,) = listing_of(a_run(start_time=time(7)), locale="en_GB").first
    assert (day.title, day.rows[0].time) == ("Sat, 14 Jun 2025", "07:00")


def test_the_first_runs_are_shown_and_the_others_are_counted():
    runs = [a_run(id=str(n), start_time=time(7, n)) for n in range(15)]
    listing = listing_of(*runs)
    assert [sum(len(day.rows) for day in days) for days in (listing.first, listing.rest)] == [12, 3]
    assert (listing.count, listing.ended) == (15, ())


def test_ended_runs_are_apart_and_the_latest_day_comes_first():
    runs = [a_run(id=day, date=date(2025, 6, int(day))) for day in ("14", "15", "16")]
    listing = listing_of(*runs, at=datetime(2025, 6, 16, 12, tzinfo=UTC))
    assert [day.title for day in listing.first] == ["Mon, Jun 16, 2025"]
    assert [day.title for day in listing.ended] == ["Sun, Jun 15, 2025", "Sat, Jun 14, 2025"]
    assert listing.count == 1


@pytest.mark.parametrize(
    ("fields", "states"),
    [
        ({}, ()),
        ({"status": "cancelled", "sold_out": True}, ("Cancelled",)),
        ({"status": "weatherHold", "sold_out": True}, ("Weather hold", "Sold out")),
        ({"registration_override": "paused"}, ("Registration paused",)),
        ({"registration_opens": datetime(2025, 6, 2, 15, tzinfo=UTC)}, ()),
    ],
)
def test_a_row_says_what_is_not_normal(fields, states):
    assert the_row(a_run(**fields)).states == states


@pytest.mark.parametrize(
    ("fields", "registers"),
    [
        ({}, True),
        ({"status": "cancelled"}, False),
        ({"sold_out": True}, False),
        ({"registration_override": "closed"}, False),
        ({"registration_opens": datetime(2025, 6, 2, tzinfo=UTC)}, False),
        ({"registration_closes": EARLY}, False),
        ({"registration_closes": datetime(2025, 6, 2, tzinfo=UTC)}, True),
        ({"date": date(2025, 5, 1)}, False),
    ],
)
def test_a_row_has_a_link_to_register_while_one_can(fields, registers):
    address = "https://club.example/register"
    (day,) = (
        listing_of(a_run(registration_url=address, **fields)).first
        or listing_of(a_run(registration_url=address, **fields)).ended
    )
    assert day.rows[0].register == (address if registers else None)


def test_a_row_says_when_registration_opens():
    row = the_row(a_run(registration_opens=datetime(2025, 6, 2, 15, tzinfo=UTC)))
    assert row.notes == ("registration opens Mon, Jun 2, 2025, 10:00 AM",)


def test_a_virtual_run_has_any_time_and_its_tag():
    row = the_row(a_run(virtual=True, relay=True, walking=True))
    assert (row.time, row.tags) == ("Any time", ("virtual", "relay", "walking"))


@pytest.mark.parametrize(
    ("fields", "notes"), [({}, ("the organizer starts at 7:00 PM",)), ({"status": "cancelled"}, ())]
)
def test_a_virtual_run_of_several_days_has_the_time_at_which_the_organizer_starts(fields, notes):
    row = the_row(a_run(virtual=True, start_time=time(19), **fields), end_date=SUN)
    assert (row.time, row.notes) == ("Any time", notes)

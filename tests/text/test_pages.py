"""Texts of pages: notices, dates of an event, registration."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

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
CANCELLED, POSTPONED = {"status": "cancelled"}, {"status": "postponed"}
SATURDAY, SAT_AND_SUN = "Saturday, June 14, 2025", "Sat, Jun 14 – Sun, Jun 15, 2025"


def entries(*runs, **event):
    return entries_of(an_edition(an_event(*runs, **event)))


MINUTE = 60 * SECOND
HELD = "The organizer's list has lacked {} since Sun, Jun 1, 2025, 7:00 AM CDT."


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
    held = pages.describe_held(edition, entries_of(edition), "en_US")
    assert held == (HELD.format(what) if what else "")


def test_nothing_of_an_event_that_is_gone_is_held_back():
    edition = an_edition(an_event(a_run(id="a")), pending={"harbor": PendingRemoval(NOW, 3)})
    edition = structs.replace(edition, fetched=NOW + 30 * MINUTE, gone=NOW + 30 * MINUTE)
    assert pages.describe_held(edition, entries_of(edition), "en_US") == ""


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
    ("statuses", "lost"),
    [
        (["cancelled", "postponed"], True),
        (["postponed"], True),
        (["cancelled", "rescheduled"], False),
        (["weatherHold"], False),
        (["scheduled"], False),
    ],
    ids=str,
)
def test_an_event_has_lost_its_date_if_all_runs_are_off_or_postponed(statuses, lost):
    runs = [a_run(id=str(n), status=status) for n, status in enumerate(statuses)]
    assert pages.has_lost_its_date(entries(*runs)) is lost


@pytest.mark.parametrize(
    ("runs", "event", "dates"),
    [
        ([{}], {}, "Sat, Jun 14, 2025"),
        ([{}, {"date": SUN}], {}, SAT_AND_SUN),
        ([CANCELLED, {"date": SUN}], {}, "Sun, Jun 15, 2025"),
        ([CANCELLED], {}, "Sat, Jun 14, 2025"),
        ([POSTPONED, {"date": SUN}], {}, "Sun, Jun 15, 2025"),
        ([CANCELLED | {"date": SUN}, POSTPONED], {}, "Sat, Jun 14, 2025"),
        ([{"virtual": True}], {"end_date": SUN}, SAT_AND_SUN),
        ([], {"start_time": time(8), "end_date": SUN}, SAT_AND_SUN),
        # a finish after midnight is not another day
        ([{"distance_meters": 161_000, "start_time": time(6)}], {}, "Sat, Jun 14, 2025"),
    ],
    ids=str,
)
def test_the_dates_of_an_event_are_the_days_of_the_runs_that_take_place(runs, event, dates):
    numbered = [a_run(id=str(n), **fields) for n, fields in enumerate(runs)]
    assert pages.format_dates(entries(*numbered, **event), "en_US") == dates


SEVEN, HALF_PAST = {"start_time": time(7)}, {"start_time": time(8, 30)}


@pytest.mark.parametrize(
    ("runs", "start"),
    [
        ([HALF_PAST], (SATURDAY, "8:30 AM CDT")),
        ([SEVEN, SEVEN], (SATURDAY, "7:00 AM CDT")),
        ([SEVEN, HALF_PAST], (SATURDAY, "from 7:00 AM CDT")),
        ([HALF_PAST, {}], (SATURDAY, "from 8:30 AM CDT")),
        ([SEVEN | CANCELLED, HALF_PAST], (SATURDAY, "8:30 AM CDT")),
        ([SEVEN | POSTPONED, HALF_PAST], (SATURDAY, "8:30 AM CDT")),
        ([{}], (SATURDAY, "")),
        ([SEVEN, {"date": SUN}], (SAT_AND_SUN, "first start 7:00 AM CDT")),
        ([SEVEN | {"date": SUN}, HALF_PAST], (SAT_AND_SUN, "first start 8:30 AM CDT")),
        ([SEVEN, {}, SEVEN | {"date": SUN}], (SAT_AND_SUN, "")),
        ([{}, SEVEN | {"date": SUN}], (SAT_AND_SUN, "")),
    ],
    ids=str,
)
def test_the_first_start_has_a_time_if_it_is_known(runs, start):
    numbered = [a_run(id=str(n), **fields) for n, fields in enumerate(runs)]
    assert pages.format_first_start(entries(*numbered), "en_US") == start


@pytest.mark.parametrize(
    ("run", "point", "guess"),
    [
        (SEVEN, (43.04, -87.89), False),
        (SEVEN, None, True),
        (SEVEN, (0.0, 0.0), True),
        ({}, None, False),  # it has no time
    ],
)
def test_a_page_says_that_the_zone_is_a_guess_if_the_place_does_not_give_it(run, point, guess):
    text = "The time zone, CDT, is a guess: Intervals has no usable coordinates for this race."
    found = pages.describe_guess(entries(a_run(**run), point=point), "en_US")
    assert found == (text if guess else "")


WINDOW = {"registration_opens": OPENS, "registration_closes": CLOSES}
CLOSES_THEN = "registration closes Thu, Jun 12, 2025, 11:59 PM"


@pytest.mark.parametrize(
    ("fields", "at", "text"),
    [
        (WINDOW, OPENS - SECOND, "registration opens Sat, Mar 1, 2025, 9:00 AM"),
        (WINDOW, OPENS, CLOSES_THEN),
        (WINDOW, CLOSES - SECOND, CLOSES_THEN),
        (WINDOW, CLOSES, "Registration closed"),
        ({}, OPENS, ""),
        ({"registration_opens": OPENS}, OPENS, ""),
        ({"registration_closes": CLOSES}, OPENS, CLOSES_THEN),
        (WINDOW | {"unread": ("sold_out",)}, OPENS, ""),
        (WINDOW | {"unread": ("sold_out",)}, CLOSES, ""),
        (WINDOW | {"sold_out": True}, OPENS, "Sold out"),
        (WINDOW | {"registration_override": "paused"}, OPENS, "Registration paused"),
        ({"registration_override": "lottery"}, OPENS, "Registration: Lottery"),
        (WINDOW | CANCELLED, OPENS, ""),
        (WINDOW, ENDS, ""),
        (WINDOW | {"sold_out": True}, ENDS, ""),
    ],
    ids=str,
)
def test_registration_is_described_as_it_is_at_a_time(fields, at, text):
    entry = the_entry(a_run(**fields))
    state = pages.describe_registration(entry, at)
    window = pages.describe_registration_window(entry, at, "en_US")
    assert (state, window) == (("", text) if text.startswith("registration") else (text, ""))


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        *(
            ("weatherHold", "Weather hold"),
            ("weather_hold", "Weather hold"),
            ("on-hold", "On hold"),
        ),
        *(("Weather hold", "Weather hold"), ("paused", "Paused"), ("DNS", "DNS"), ("", "")),
        *(("<b>x</b>", "<b>x</b>"), ("中止", "中止"), ("ON Hold now", "ON Hold now")),
    ],
)
def test_an_organizers_own_word_is_shown_as_words(word, shown):
    assert pages.humanize(word) == shown


MINE, OTHER = "https://club.example/a", "https://club.example/b"


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        *(([MINE, MINE], MINE), ([MINE, OTHER], None), ([None, None], None), ([MINE, None], None)),
    ],
)
def test_one_registers_at_one_address_if_all_runs_have_it(addresses, found):
    runs = [a_run(id=str(n), registration_url=url) for n, url in enumerate(addresses)]
    assert pages.find_register(entries(*runs), OPENS) == found
    closed = a_run(id="c", registration_url=OTHER, sold_out=True)
    assert pages.find_register(entries(*runs, closed), OPENS) == found


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
    at = datetime(2025, 6, 1, 12, 0, 59, tzinfo=UTC)
    zone = ZoneInfo("America/Chicago")
    assert pages.format_instant(at, zone, "en_US") == "Sun, Jun 1, 2025, 7:00 AM CDT"
    assert pages.format_instant(at, zone, "en_GB") == "Sun, 1 Jun 2025, 07:00 Chicago time"

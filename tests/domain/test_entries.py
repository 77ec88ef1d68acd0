"""Entries: the zone of an entry, which runs have left or ended, the span of all."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from msgspec import structs

from feeds.domain.entries import (
    build_event_timetable,
    find_ended,
    has_ended_as_gone,
    mark_left,
)
from tests.support.factories import (
    NOW,
    a_run,
    an_edition,
    an_event,
    entries_of,
    the_entry,
    timetable_of,
)

FRI, SUN, MON = (date(2025, 6, day) for day in (13, 15, 16))
SPRING = date(2025, 3, 9)
"""In Chicago 02:00 to 03:00 does not exist."""
EIGHT = time(8)
HUNDRED_MILES = 160_934.4
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def utc(day, hour):
    return datetime(2025, 6, day, hour, tzinfo=UTC)


def span_of(*runs, **event):
    return timetable_of(an_edition(an_event(*runs, **event))).span


def test_a_span_is_from_the_earliest_start_to_the_latest_end_in_utc():
    assert span_of(
        a_run(id="late", start_time=time(18), distance_meters=5000),
        a_run(id="long", start_time=time(6), distance_meters=HUNDRED_MILES),
        a_run(id="early", start_time=time(5), distance_meters=5000),
    ) == (utc(14, 10), utc(15, 14))


def test_the_span_of_a_day_without_midnight_begins_with_its_first_instant():
    edition = an_edition(an_event(a_run(date=SPRING)))
    span = timetable_of(edition, "America/Havana").span
    assert span == (datetime(2025, 3, 9, 5, tzinfo=UTC), datetime(2025, 3, 10, 4, tzinfo=UTC))


def test_a_span_is_of_cancelled_and_virtual_runs_too():
    off = a_run(id="off", status="cancelled", date=FRI)
    assert span_of(off, a_run(id="home", virtual=True), end_date=MON) == (utc(13, 5), utc(17, 5))


# At 08:00 in Chicago, 13:00 UTC, for two hours.
TEN = a_run(start_time=EIGHT)
END = utc(14, 15)


@pytest.mark.parametrize(("now", "ended"), [(END - SECOND, False), (END, True), (END + DAY, True)])
def test_a_run_has_ended_from_its_end_on(now, ended):
    assert find_ended(entries_of(an_edition(an_event(TEN))), now) == ({"r10k"} if ended else set())


def test_an_event_without_runs_ends_itself():
    entries = entries_of(an_edition(an_event()))
    assert find_ended(entries, END) == set()
    assert find_ended(entries, END + DAY) == {"harbor"}


MONTH = 30 * DAY


def test_a_run_leaves_the_feeds_after_30_days_as_no_longer_listed():
    earlier = a_run(id="mile", unlisted=NOW - DAY, left=True)
    event = an_event(TEN, a_run(id="r5k", unlisted=NOW), earlier)
    assert mark_left(event, NOW + MONTH - SECOND) == event
    left = mark_left(event, NOW + MONTH)
    assert [run.left for run in left.runs] == [False, True, True]
    assert mark_left(left, NOW) == left  # the clock was set back
    assert [each.run.id for each in entries_of(an_edition(left))] == ["r10k"]
    assert len(timetable_of(an_edition(left)).entries) == 3


def test_an_event_whose_runs_have_all_left_is_an_entry_itself():
    (entry,) = entries_of(an_edition(an_event(structs.replace(TEN, left=True))))
    assert entry.uid == "harbor@intervals.run"


def test_an_event_has_ended_as_gone_with_the_first_answer_after_30_days():
    edition = an_edition(an_event(), gone=NOW)
    for fetched, ended in ((NOW, False), (NOW + MONTH - SECOND, False), (NOW + MONTH, True)):
        assert has_ended_as_gone(structs.replace(edition, fetched=fetched)) is ended
    assert not has_ended_as_gone(an_edition(an_event()))


@pytest.mark.parametrize(("gone", "withdrawn"), [(utc(15, 4), True), (utc(15, 5), False)])
def test_an_event_without_runs_is_withdrawn_if_it_was_gone_before_its_end(gone, withdrawn):
    (entry,) = entries_of(an_edition(an_event(), gone=gone))
    assert (entry.run.unlisted, entry.run.withdrawn, entry.off) == (gone, withdrawn, withdrawn)


def test_the_timetable_of_an_event_has_the_event_alone_as_if_it_had_no_runs():
    edition = an_edition(an_event(TEN, end_date=SUN))
    timetable = build_event_timetable(timetable_of(edition))
    assert [entry.uid for entry in timetable.entries] == ["harbor@intervals.run"]
    assert timetable.entries[0].period.end == MON
    assert timetable.entries[0].revision == edition.revisions["harbor"]
    assert timetable.edition.event.runs == ()


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({"location": "1 Pier Rd", "point": (42.05, -87.67)}, "1 Pier Rd"),
        ({"point": (42.0512345, -87.6712355)}, "42.05123, -87.67124"),
        ({"point": (51.477, -1e-7)}, "51.47700, 0.00000"),
        ({}, None),
    ],
    ids=str,
)
def test_the_place_is_the_address_or_else_the_coordinates(event, place):
    assert the_entry(a_run(), **event).place == place

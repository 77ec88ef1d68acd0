"""Entries: the zone of an entry, which runs have left or ended, the span of all."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from msgspec import structs

from feeds.domain.entries import (
    build_event_timetable,
    find_ended,
)
from feeds.domain.history.delisting import mark_left
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


# At 08:00 in Chicago, 13:00 UTC, for two hours.
TEN = a_run(start_time=EIGHT)
END = utc(14, 15)


def test_a_span_is_from_the_earliest_start_to_the_latest_end_of_any_run_in_utc():
    assert span_of(
        a_run(id="late", start_time=time(18), distance_meters=5000),
        a_run(id="long", start_time=time(6), distance_meters=HUNDRED_MILES),
        a_run(id="early", start_time=time(5), distance_meters=5000),
    ) == (utc(14, 10), utc(15, 14))
    off = a_run(id="off", status="cancelled", date=FRI)
    assert span_of(off, a_run(id="home", virtual=True), end_date=MON) == (utc(13, 5), utc(17, 5))


def test_the_span_of_a_day_without_midnight_begins_with_its_first_instant():
    span = timetable_of(an_edition(an_event(a_run(date=SPRING))), "America/Havana").span
    assert span == (datetime(2025, 3, 9, 5, tzinfo=UTC), datetime(2025, 3, 10, 4, tzinfo=UTC))


@pytest.mark.parametrize(("runs", "id_"), [([TEN], "r10k"), ([], "harbor")], ids=["run", "event"])
def test_a_run_or_an_event_without_runs_has_ended_from_its_end_on(runs, id_):
    end = END if runs else utc(15, 5)
    entries = entries_of(an_edition(an_event(*runs)))
    for now, ended in ((end - SECOND, set()), (end, {id_}), (end + DAY, {id_})):
        assert find_ended(entries, now) == ended


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


def test_coordinates_as_a_place_have_five_decimals_and_no_negative_zero():
    assert the_entry(a_run(), point=(42.0512345, -87.6712355)).place == "42.05123, -87.67124"
    assert the_entry(a_run(), point=(51.477, -1e-7)).place == "51.47700, 0.00000"

"""The entries that a feed shows, their order, and how many."""

from collections import Counter
from datetime import time, timedelta

from msgspec import structs

from feeds.domain.feed import MAX_RUNS, select_entries
from tests.support.factories import NOW, a_feed, a_run, an_edition, an_event, timetable_of

EIGHT = time(8)
HALF = 21_097.5
DAY = timedelta(days=1)


def list_ids(feed):
    return [entry.run.id for entry in select_entries(feed)]


def test_entries_are_in_the_order_of_the_instants_at_which_they_start():
    tokyo = an_event(a_run(id="tokyo", start_time=time(19)), id="tokyo-run", point=(35.7, 139.7))
    chicago = an_event(
        a_run(id="evening", start_time=time(18)), a_run(id="early", start_time=time(5, 30))
    )
    assert list_ids(a_feed(chicago, tokyo)) == ["tokyo", "early", "evening"]


def test_a_filter_does_not_change_when_a_run_ends():
    ten = a_run(id="10K", start_time=EIGHT)
    half = a_run(id="half", start_time=EIGHT, distance_meters=HALF)
    event = an_event(ten, half, end_time=time(15))
    both, only = select_entries(a_feed(event)), select_entries(a_feed(event, run=("10K",)))
    assert only == both[:1]
    assert only[0].period.estimated


def test_entries_are_counted_after_the_filter():
    runs = [a_run(id=f"r{count}") for count in range(1500)]
    assert list_ids(a_feed(an_event(*runs), run=("r1499",))) == ["r1499"]


def a_crowd(prefix, count, **fields):
    return [a_run(id=f"{prefix}{number:04}", **fields) for number in range(count)]


def count_shown(*runs):
    """How many runs of each kind are shown, and the ids; the last save was at NOW."""
    edition = an_edition(an_event(*runs), modified=NOW)
    feed = structs.replace(a_feed(edition.event), timetables=(timetable_of(edition),))
    ids = list_ids(feed)
    assert len(ids) == MAX_RUNS
    return Counter(id_[:-4] for id_ in ids), set(ids)


def test_runs_that_left_are_left_out_before_live_ones_those_that_left_first_before_the_others():
    early = a_crowd("early", 300, unlisted=NOW - 2 * DAY, withdrawn=True)
    late = a_crowd("late", 300, unlisted=NOW - DAY, withdrawn=True)
    shown, _ = count_shown(*a_crowd("live", 600), *early, *late)
    assert shown == {"live": 600, "late": 300, "early": 100}


def test_runs_that_have_ended_are_left_out_before_those_ahead_the_oldest_first_then_the_furthest():
    ended = [a_run(id=f"ended{n:04}", date=NOW.date() - (n + 1) * DAY) for n in range(300)]
    ahead = [a_run(id=f"ahead{n:04}", date=NOW.date() + (n + 1) * DAY) for n in range(900)]
    shown, ids = count_shown(*ended, *ahead)
    assert shown == {"ahead": 900, "ended": 100}
    assert {"ended0000", "ended0099"} <= ids
    shown, ids = count_shown(*ended, *ahead, *a_crowd("today", 200))
    assert shown == {"today": 200, "ahead": 800}
    assert {"ahead0000", "ahead0799"} <= ids

"""The entries that a feed shows, their order, and how many."""

from datetime import time

from feeds.domain.feed import select_entries
from tests.support.factories import a_feed, a_run, an_event

EIGHT = time(8)
HALF = 21_097.5


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


def test_entries_are_counted_after_the_filter(caplog):
    runs = [a_run(id=f"r{count}") for count in range(1500)]
    assert list_ids(a_feed(an_event(*runs), run=("r1499",))) == ["r1499"]
    assert not caplog.records

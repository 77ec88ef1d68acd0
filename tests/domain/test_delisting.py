"""Which runs are no longer listed, and which answers prove that."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.delisting import (
    EMPTIED,
    FORGOTTEN_AFTER,
    GONE,
    apply_document,
    apply_not_found,
    is_confirmed,
    mark_unlisted,
    update_pending,
)
from feeds.domain.model import PendingRemoval
from tests.support.factories import NOW, a_run, an_edition, an_event

EARLIER = NOW - timedelta(days=3)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
YEAR = timedelta(days=365)
TEN, FIVE = a_run(id="r10k"), a_run(id="r5k", distance_meters=5_000)


def list_departures(event):
    """Since when each run is not listed, and whether it was withdrawn."""
    return {run.id: (run.unlisted, run.withdrawn) for run in event.runs}


def test_a_run_that_has_ended_leaves_without_being_withdrawn():
    event = mark_unlisted(an_event(TEN), an_event(TEN, FIVE), {"r5k"}, NOW)
    assert list_departures(event)["r5k"] == (NOW, False)
    event = mark_unlisted(an_event(TEN), an_event(TEN, FIVE), {"r10k", "harbor"}, NOW)
    assert list_departures(event) == {"r10k": (None, False), "r5k": (NOW, True)}


@pytest.mark.parametrize("withdrawn", [True, False])
@pytest.mark.parametrize("ended", [set(), {"r5k"}], ids=str)
def test_a_run_that_has_left_stays_as_it_left(withdrawn, ended):
    left = structs.replace(FIVE, unlisted=EARLIER, withdrawn=withdrawn)
    event = mark_unlisted(an_event(TEN), an_event(TEN, left), ended, NOW)
    assert list_departures(event)["r5k"] == (EARLIER, withdrawn)


@pytest.mark.parametrize(
    ("since", "remembered"),
    [
        (NOW - FORGOTTEN_AFTER + SECOND, True),
        (NOW - FORGOTTEN_AFTER, False),
        (NOW - FORGOTTEN_AFTER - SECOND, False),
        (NOW + timedelta(days=3), True),  # the clock was set back
    ],
    ids=["a year but a second", "a year", "a year and a second", "the future"],
)
@pytest.mark.parametrize("withdrawn", [True, False])
def test_a_run_is_forgotten_when_it_has_been_missing_for_a_year(since, remembered, withdrawn):
    assert FORGOTTEN_AFTER == YEAR
    left = structs.replace(FIVE, unlisted=since, withdrawn=withdrawn)
    event = mark_unlisted(an_event(TEN), an_event(TEN, left), (), NOW)
    assert event.runs == ((left, TEN) if remembered else (TEN,))


@given(*[st.sets(st.sampled_from("abcd"))] * 3)
def test_each_run_that_is_known_or_listed_is_there_once(listed, known, ended):
    before = an_event(*(a_run(id=each) for each in known))
    after = an_event(*(a_run(id=each) for each in listed))
    event = mark_unlisted(after, before, ended, NOW)
    assert sorted(run.id for run in event.runs) == sorted(listed | known)
    assert {run.id for run in event.runs if run.unlisted} == known - listed
    assert {run.id for run in event.runs if run.withdrawn} == known - listed - ended
    assert mark_unlisted(after, event, ended, NOW + SECOND) == event  # the same proves no more


AFTER = {0: False, 59: False, 60: True, 61: True, 31_536_000: True, -60: False, -31_536_000: False}


@pytest.mark.parametrize(("seconds", "confirmed"), AFTER.items())
@pytest.mark.parametrize("reason", [GONE, EMPTIED])
def test_a_removal_is_confirmed_by_a_second_answer_a_minute_later(reason, seconds, confirmed):
    assert not is_confirmed(None, reason, NOW)
    pending = PendingRemoval(reason, NOW)
    assert is_confirmed(pending, reason, NOW + seconds * SECOND) is confirmed


@pytest.mark.parametrize(("first", "second"), [(GONE, EMPTIED), (EMPTIED, GONE)])
def test_an_answer_of_another_kind_confirms_nothing_and_is_a_first_one(first, second):
    pending = PendingRemoval(first, NOW)
    assert not is_confirmed(pending, second, NOW + HOUR)
    assert update_pending(pending, second, NOW + HOUR) == PendingRemoval(second, NOW + HOUR)


@pytest.mark.parametrize("reason", [GONE, EMPTIED])
@pytest.mark.parametrize("after", [0 * SECOND, SECOND, 59 * SECOND, YEAR], ids=str)
def test_a_removal_is_pending_since_the_first_answer_of_its_kind(reason, after):
    first = update_pending(None, reason, NOW)
    assert first == PendingRemoval(reason, NOW)
    assert update_pending(first, reason, NOW + after) == first


@pytest.mark.parametrize("ahead", [SECOND, YEAR], ids=str)
def test_a_removal_is_pending_since_now_after_the_clock_was_set_back(ahead):
    pending = update_pending(PendingRemoval(GONE, NOW + ahead), GONE, NOW)
    assert pending == PendingRemoval(GONE, NOW)


@given(st.lists(st.integers(-100, 100), min_size=2, max_size=10))
def test_a_confirmed_removal_was_said_a_minute_before_whatever_the_clock_does(steps):
    now, pending = NOW, None
    said: list[datetime] = []
    for step in steps:
        now += step * SECOND
        if is_confirmed(pending, GONE, now):
            assert max(now - each for each in said) >= MINUTE
            break
        said.append(now)
        pending = update_pending(pending, GONE, now)


def confirm(edition, apply):
    """The editions after two answers, at NOW and a minute later."""
    first = apply(edition, now=NOW)
    return first, apply(first, now=NOW + MINUTE)


def test_a_404_leaves_an_event_as_it_is_until_a_second_one_a_minute_later():
    known = an_edition(an_event(TEN, FIVE))
    first, second = confirm(known, lambda edition, now: apply_not_found(edition, {"r5k"}, now))
    pending = PendingRemoval(GONE, NOW)
    assert first == structs.replace(known, fetched=NOW, pending=pending)
    assert (second.gone, second.pending, second.fetched) == (NOW + MINUTE, None, NOW + MINUTE)
    departures = {"r10k": (NOW + MINUTE, True), "r5k": (NOW + MINUTE, False)}
    assert list_departures(second.event) == departures
    third = apply_not_found(second, (), NOW + HOUR)
    assert third == structs.replace(second, fetched=NOW + HOUR)


def test_a_document_without_runs_leaves_an_event_as_it_is_until_a_second_one_a_minute_later():
    known = an_edition(an_event(TEN))

    def empty(edition, now):
        return apply_document(edition, an_event(name="Harbor"), (), now, complete=True)

    first, second = confirm(known, empty)
    assert first == structs.replace(known, fetched=NOW, pending=PendingRemoval(EMPTIED, NOW))
    assert (second.event.name, second.gone, second.pending) == ("Harbor", None, None)
    assert list_departures(second.event) == {"r10k": (NOW + MINUTE, True)}
    assert empty(second, NOW + HOUR).pending is None  # no run is listed


def test_a_document_with_runs_ends_a_pending_removal_and_brings_an_event_back():
    pending = structs.replace(
        an_edition(an_event(TEN)), pending=PendingRemoval(GONE, NOW), fetched=EARLIER
    )
    gone = apply_not_found(pending, (), NOW + MINUTE)
    for known in (pending, gone):
        edition = apply_document(known, an_event(TEN), (), NOW + HOUR, complete=True)
        assert (edition.gone, edition.pending, edition.event) == (None, None, an_event(TEN))
        assert edition.fetched == NOW + HOUR


@pytest.mark.parametrize(("complete", "ids"), [(True, {"r10k", "r5k"}), (False, {"r10k"})])
def test_a_run_leaves_only_by_a_document_that_was_understood_as_a_whole(complete, ids):
    known = an_edition(an_event(TEN, FIVE))
    edition = apply_document(known, an_event(TEN), (), NOW, complete=complete)
    assert list_departures(edition.event).keys() == ids
    assert not any(run.withdrawn for run in edition.event.runs if run.id == "r10k")

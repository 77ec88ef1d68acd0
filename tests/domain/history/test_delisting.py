"""Which runs and events are no longer listed, and which answers prove that."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.history.delisting import (
    CONFIRM_AFTER,
    apply_document,
    apply_not_found,
    compute_doubt_limit,
    compute_doubt_window,
    compute_pause,
    confirm_removals,
    find_missing_since,
    find_provable,
    find_unconfirmed,
    mark_unlisted,
)
from feeds.domain.model import PendingRemoval
from tests.support.factories import NOW, a_run, an_edition, an_event

EARLIER = NOW - timedelta(days=3)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
TEN, FIVE = a_run(id="r10k"), a_run(id="r5k", distance_meters=5_000)
KNOWN = an_edition(an_event(FIVE, TEN))
LATER = NOW + 30 * MINUTE


def list_departures(event):
    """Since when each run is not listed, and whether it was withdrawn."""
    return {run.id: (run.unlisted, run.withdrawn) for run in event.runs}


def find_off(edition):
    """The ids that are no longer listed, of runs and of the event."""
    gone = {edition.event.id} if edition.gone else set()
    return gone | {run.id for run in edition.event.runs if run.unlisted}


def answer(edition, now, *listed, complete=True, ended=(), others=(), confirm_after=CONFIRM_AFTER):
    """The edition after an answer with these runs; without any, ``None`` stands for a 404."""
    if listed == (None,):
        edition = apply_not_found(edition, now)
    else:
        edition = apply_document(edition, an_event(*listed), ended, now, complete=complete)
    if complete:
        edition = confirm_removals(edition, ended, others, confirm_after)
    return edition


def answer_thrice(edition, *listed, **options):
    """The edition after three such answers within 30 minutes."""
    for now in (NOW, NOW + MINUTE, LATER):
        edition = answer(edition, now, *listed, **options)
    return edition


MISSING = {
    "a run": ((TEN,), {"r5k"}),
    "several runs": ((), {"r10k", "r5k"}),
    "the event": ((None,), {"harbor"}),
}
"""By what is missing: the runs that answers list, and the ids that are pending."""

missing = pytest.mark.parametrize(("listed", "ids"), MISSING.values(), ids=MISSING)


PROOF = {
    "three answers over 30 minutes": ((0, 60, 1800), True),
    "three answers over 30 minutes but a second": ((0, 60, 1799), False),
    "the clock was set back": ((0, 60, -1, 1800), False),
    "the clock was set back and three more": ((0, 60, -1, 1000, 1799), True),
    "at once": ((0, 0, 0), False),
}


@missing
@pytest.mark.parametrize(("seconds", "proved"), PROOF.values(), ids=PROOF)
def test_a_removal_is_proved_by_enough_answers_over_enough_time(listed, ids, seconds, proved):
    edition = KNOWN
    for each in seconds:
        edition = answer(edition, NOW + each * SECOND, *listed)
    assert (find_off(edition) >= ids) is proved


@missing
def test_partial_documents_neither_add_to_answers_that_count_nor_clear_them(listed, ids):
    edition = answer(answer(KNOWN, NOW, *listed), NOW + MINUTE, *listed)
    pending = {id_: each for id_, each in edition.pending.items() if id_ in {"r10k", "r5k"}}
    for minutes in (2, 30, 3000):
        edition = answer(edition, NOW + minutes * MINUTE, complete=False)
        assert (edition.pending, find_off(edition)) == (pending, set())


def test_a_run_that_a_partial_document_lists_is_no_longer_pending():
    edition = answer(KNOWN, NOW)
    edition = answer(edition, NOW + MINUTE, TEN, complete=False)
    assert edition.pending == {"r5k": PendingRemoval(NOW, 1)}
    edition = answer(edition, LATER, FIVE, complete=False)
    assert edition.pending == {}


OTHERS = {
    "an hour later but a second": ((3599,), False),
    "an hour earlier but a second": ((-3599,), False),
    "an hour later": ((3600,), True),
    "an hour earlier": ((-3600,), True),
    "one of several": ((-7200, 10, 7200), False),
}


@missing
@pytest.mark.parametrize(("seconds", "proved"), OTHERS.values(), ids=OTHERS)
def test_an_event_that_began_to_miss_something_within_an_hour_holds_a_removal_back(
    listed, ids, seconds, proved
):
    others = [NOW + each * SECOND for each in seconds]
    edition = answer_thrice(KNOWN, *listed, others=others)
    assert (find_off(edition) >= ids) is proved
    assert find_provable(edition, CONFIRM_AFTER).keys() == (set() if proved else ids)
    if not proved:
        assert edition.event == KNOWN.event
        assert find_off(answer(edition, LATER + MINUTE, *listed)) >= ids


def test_runs_that_began_to_be_missing_at_different_times_are_judged_apart():
    edition = answer(KNOWN, NOW, TEN)
    for minutes in (120, 121, 150):
        edition = answer(edition, NOW + minutes * MINUTE, others=[NOW + 2 * HOUR])
    assert find_off(edition) == {"r5k"}
    assert find_unconfirmed(edition) == {"r10k": PendingRemoval(NOW + 2 * HOUR, 3)}


def test_the_time_to_confirm_scales_all_other_times():
    brief = timedelta(seconds=20)
    assert (compute_doubt_window(CONFIRM_AFTER), compute_doubt_limit(CONFIRM_AFTER)) == (HOUR, DAY)
    assert compute_doubt_window(brief) == 40 * SECOND
    assert compute_doubt_limit(brief) == 16 * MINUTE
    edition = KNOWN
    for seconds in (0, 5, 19, 20):
        edition = answer(edition, NOW + seconds * SECOND, TEN, confirm_after=brief)
        assert find_off(edition) == ({"r5k"} if seconds == 20 else set())


def test_an_edition_is_asked_for_again_after_a_minute_then_five_then_fifteen():
    edition = KNOWN
    assert compute_pause(edition, CONFIRM_AFTER) is None
    for minutes, pause in ((0, 1), (1, 5), (6, 15), (21, 15)):
        edition = answer(edition, NOW + minutes * MINUTE, TEN, others=[NOW])
        assert compute_pause(edition, CONFIRM_AFTER) == pause * MINUTE
    edition = answer(edition, LATER, others=[NOW])  # the 10K is missing for the first time
    assert compute_pause(edition, CONFIRM_AFTER) == MINUTE
    assert compute_pause(answer_thrice(KNOWN, TEN), CONFIRM_AFTER) is None


@missing
def test_other_events_learn_since_when_something_is_missing_until_it_is_listed(listed, ids):
    edition = answer_thrice(KNOWN, *listed)
    assert find_off(edition) >= ids
    for now in (LATER + MINUTE, LATER + DAY):
        assert find_missing_since(edition) == NOW
        edition = answer(edition, now, *listed)
    assert find_missing_since(edition) == NOW
    edition = answer(edition, LATER + 2 * DAY, TEN, FIVE)
    assert find_missing_since(edition) is None


def test_a_stored_run_with_the_id_of_its_event_leaves_and_is_not_missing():
    """Rules 1.2: databases of earlier versions have such runs; now they have another id."""
    known = an_edition(an_event(structs.replace(TEN, id="harbor")))
    edition = answer(known, NOW, structs.replace(TEN, id="harbor-run"))
    assert [run.id for run in edition.event.runs] == ["harbor-run"]
    assert not find_unconfirmed(edition)


def test_a_run_that_has_ended_leaves_at_once_without_being_withdrawn():
    edition = answer(KNOWN, NOW, TEN, ended={"r5k"})
    assert list_departures(edition.event) == {"r10k": (None, False), "r5k": (NOW, False)}
    assert (edition.pending, compute_pause(edition, CONFIRM_AFTER)) == ({}, None)
    edition = answer(answer(KNOWN, NOW, TEN), NOW + MINUTE, TEN, ended={"r5k"})
    assert list_departures(edition.event)["r5k"] == (NOW + MINUTE, False)
    assert find_unconfirmed(edition) == {}


def test_an_event_that_is_gone_withdraws_only_runs_that_have_not_ended():
    gone = answer_thrice(KNOWN, None, ended={"r5k"})
    departures = {"r10k": (LATER, True), "r5k": (LATER, False)}
    assert (gone.gone, list_departures(gone.event)) == (LATER, departures)
    assert answer(gone, LATER + HOUR, None) == structs.replace(gone, fetched=LATER + HOUR)
    back = answer(gone, LATER + HOUR, TEN, FIVE)
    assert (back.gone, back.pending, back.event) == (None, {}, KNOWN.event)


@pytest.mark.parametrize("withdrawn", [True, False])
@pytest.mark.parametrize("ended", [set(), {"r5k"}], ids=str)
def test_a_run_that_has_left_stays_as_it_left(withdrawn, ended):
    left = structs.replace(FIVE, unlisted=EARLIER, withdrawn=withdrawn)
    edition = answer_thrice(an_edition(an_event(TEN, left)), TEN, ended=ended)
    assert list_departures(edition.event)["r5k"] == (EARLIER, withdrawn)
    event = mark_unlisted(an_event(TEN, left), {"r10k", "r5k"}, ended, NOW)
    assert list_departures(event) == {"r10k": (NOW, True), "r5k": (EARLIER, withdrawn)}


@pytest.mark.parametrize(
    ("since", "remembered"),
    [
        (NOW - YEAR + SECOND, True),
        (NOW - YEAR, False),
        (NOW + timedelta(days=3), True),  # the clock was set back
    ],
    ids=["a year but a second", "a year", "the future"],
)
def test_a_run_is_forgotten_when_it_has_been_missing_for_a_year(since, remembered):
    left = structs.replace(FIVE, unlisted=since, withdrawn=True)
    known = an_edition(an_event(TEN, left))
    known = structs.replace(known, pending={"r5k": PendingRemoval(since, 3)})
    edition = answer(known, NOW, TEN)
    assert edition.event.runs == ((left, TEN) if remembered else (TEN,))
    assert edition.pending == (known.pending if remembered else {})


SETS = st.sets(st.sampled_from("abcd"))


@given(SETS, SETS, SETS)
def test_each_run_that_is_known_or_listed_is_there_once(listed, known, ended):
    before = an_edition(an_event(*(a_run(id=each) for each in known)))
    runs = [a_run(id=each) for each in listed]
    edition = answer_thrice(before, *runs, ended=ended)
    assert sorted(run.id for run in edition.event.runs) == sorted(listed | known)
    assert {run.id for run in edition.event.runs if run.unlisted} == known - listed
    assert {run.id for run in edition.event.runs if run.withdrawn} == known - listed - ended
    again = answer(edition, LATER + SECOND, *runs, ended=ended)
    assert again == structs.replace(edition, fetched=LATER + SECOND)  # the same proves no more


KINDS = st.sampled_from(["whole", "lacks", "partial", "404"])
STEPS = st.sampled_from([-100, -1, 0, 1, 59, 300, 899, 1799, 1800, 3600, 90_000])


@given(st.lists(st.tuples(KINDS, STEPS, st.sampled_from([None, -3599, 0, 3600])), max_size=14))
def test_whatever_is_off_was_lacked_thrice_over_30_minutes_and_a_day_if_others_lacked_something(
    answers,
):
    """Whatever the answers are and whatever the clock does."""
    edition, now = KNOWN, NOW
    lacked: dict[str, list[datetime]] = {"r5k": [], "harbor": []}
    for kind, step, other in answers:
        now += step * SECOND
        before = find_off(edition)
        if kind == "lacks":
            lacked["r5k"].append(now)
            lacked["harbor"] = []
        elif kind == "404":
            lacked["harbor"].append(now)
        else:
            lacked = {"r5k": lacked["r5k"] if kind == "partial" else [], "harbor": []}
        listed = {"whole": (TEN, FIVE), "lacks": (TEN,), "partial": (TEN,), "404": (None,)}[kind]
        since = [each.since for each in edition.pending.values()] or [now]
        others = [since[0] + other * SECOND] if other is not None else []
        edition = answer(edition, now, *listed, complete=kind != "partial", others=others)
        assert len(find_off(edition)) == 0 or kind != "whole"
        for id_ in find_off(edition) - before - {"r10k"}:
            times = lacked["harbor"] if edition.gone else lacked[id_]
            span = now - min(times)
            assert len(times) >= 3
            assert span >= CONFIRM_AFTER
            if others and len(since) == 1 and abs(others[0] - since[0]) < HOUR:
                assert span >= DAY


def list_runs(prefix, count):
    return [a_run(id=f"{prefix}{number:04}") for number in range(count)]


def test_the_runs_that_left_first_are_dropped_if_more_than_1000_have_left():
    old = mark_unlisted(
        an_event(*list_runs("old", 600)), [r.id for r in list_runs("old", 600)], (), EARLIER
    )
    live, new = list_runs("live", 600), list_runs("new", 600)
    known = an_edition(an_event(*old.runs, *live))
    edition = answer_thrice(known, *new)
    assert len(find_off(edition)) == 1_200
    edition = answer(edition, LATER + MINUTE, *new)
    kept = [run.id for run in edition.event.runs]
    assert [sum(id_.startswith(word) for id_ in kept) for word in ("old", "live", "new")] == [
        400,
        600,
        600,
    ]
    assert find_unconfirmed(edition) == {}


def test_runs_with_new_ids_in_each_document_are_bounded_before_and_after_they_are_confirmed():
    edition = an_edition(an_event(*list_runs("first", 2_000)))
    for number in range(12):
        edition = answer(edition, NOW + 5 * number * MINUTE, *list_runs(f"n{number}-", 2_000))
    assert len(edition.event.runs) <= 7_000
    assert edition.pending.keys() <= {run.id for run in edition.event.runs}


def test_all_runs_of_a_document_may_be_missing_for_as_long_as_others_raise_doubt():
    known = an_edition(an_event(*list_runs("r", 2_000)))
    edition = answer_thrice(known, others=[NOW])
    assert len(edition.event.runs) == 2_000
    assert find_off(edition) == set()

"""Two processes that share one database: who fetches, who waits, whose answer is saved."""

import pytest

from feeds.domain.model import Kind, PendingRemoval
from tests.support.clock import Clock
from tests.support.waiting import PATIENCE
from tests.support.workers import HOUR, SECOND, Pair, get_hour, list_changes, wait_for

MINUTE = 60 * SECOND


def test_a_process_whose_clock_is_behind_serves_the_edition_of_another_process(
    start_worker, upstream, clock
):
    start_worker().poll()
    start_worker(clock=Clock(clock() - 3 * SECOND)).poll()
    assert upstream.statuses == [200]


def test_a_process_whose_refresh_hangs_serves_the_edition_that_another_process_saved(
    start_worker, threads, clock, upstream, set_max_wait, monkeypatch
):
    monkeypatch.setattr("feeds.service.editions.MAX_FLIGHT_AGE", 0.3)
    pair = Pair(start_worker(), start_worker(clock=Clock(clock())), threads)
    pair.advance(ahead=10)
    set_max_wait(0.5)
    with upstream.held() as gate:
        hanging = pair.start_poll(pair.one, gate)
        assert hanging.result(PATIENCE).failed
        set_max_wait(PATIENCE)
        upstream.edit_run(eventStatus="cancelled")
        other = pair.start_poll(pair.other, gate)
        gate.release(1)
        saved = wait_for(other)
        assert list_changes(saved) == [(Kind.CANCELLED, pair.other.clock())]
        pair.one.clock.now = pair.other.clock() + 2 * SECOND
        assert pair.one.get_edition() == saved
    assert pair.one.get_edition() == saved


@pytest.mark.parametrize("ahead", [10, 90])
@pytest.mark.parametrize("first", [0, 1], ids=["one-is-first", "other-is-first"])
def test_a_change_that_both_processes_notice_is_one_change(pair, upstream, ahead, first):
    upstream.edit_run(eventStatus="cancelled")
    pair.advance(ahead=ahead)
    with upstream.held() as gate:
        polling = [pair.start_poll(each, gate) for each in (pair.one, pair.other)]
        gate.release(first)
        before = wait_for(polling[first])
        gate.release(1 - first)
        after = wait_for(polling[1 - first])
    stored = pair.one.read_stored()
    assert before.changes == after.changes == stored.changes
    assert before.revisions == after.revisions == stored.revisions
    assert len(stored.changes) == 1
    assert upstream.asked == ["harbor"] * 3


def test_no_change_is_lost_when_each_process_has_noticed_another_one(pair, upstream):
    pair.advance(ahead=15)
    upstream.edit_run(soldOut=True)
    with upstream.held() as gate:
        early = pair.start_poll(pair.one, gate)
        upstream.edit_run(startTime="13:00")
        late = pair.start_poll(pair.other, gate)
        gate.release(0)
        sold_out = (Kind.SOLD_OUT, pair.one.clock())
        assert list_changes(wait_for(early)) == [sold_out]
        gate.release(1)
        edition = wait_for(late)
    assert list_changes(edition) == [sold_out, (Kind.MOVED, pair.other.clock())]
    assert pair.one.read_stored() == edition


@pytest.mark.parametrize("ahead", [10, 11])
def test_a_late_answer_does_not_replace_the_answer_to_a_later_request(pair, upstream, ahead):
    pair.advance(ahead=ahead)
    upstream.edit_run(startTime="13:00")
    with upstream.held() as gate:
        late = pair.start_poll(pair.one, gate)
        upstream.edit_run(startTime="14:00")
        quick = pair.start_poll(pair.other, gate)
        gate.release(1)
        newer = wait_for(quick)
        gate.release(0)
        assert wait_for(late) == newer
    assert get_hour(newer) == 14
    assert len(newer.changes) == 1
    assert pair.one.read_stored() == newer


def test_a_late_404_raises_no_doubt_about_a_newer_document(pair, upstream):
    pair.advance(ahead=11)
    document = upstream.document("harbor")
    upstream.delete("harbor")
    with upstream.held() as gate:
        late = pair.start_poll(pair.one, gate)
        upstream.put("harbor", document)
        quick = pair.start_poll(pair.other, gate)
        gate.release(1)
        newer = wait_for(quick)
        gate.release(0)
        assert wait_for(late) == newer
    assert pair.one.read_stored().pending == {}


@pytest.mark.parametrize("changed", [False, True], ids=["304", "200"])
def test_the_etag_of_a_late_answer_is_not_kept_for_a_newer_document(pair, upstream, changed):
    pair.advance(ahead=11)
    if changed:
        upstream.edit_run(startTime="13:00")
    before = upstream.document("harbor")
    with upstream.held() as gate:
        late = pair.start_poll(pair.one, gate)
        upstream.edit_run(startTime="14:00")
        quick = pair.start_poll(pair.other, gate)
        gate.release(1)
        wait_for(quick)
        gate.release(0)
        assert get_hour(wait_for(late)) == 14
    upstream.put("harbor", before)
    pair.advance()
    assert get_hour(pair.one.get_edition()) == (13 if changed else 12)


def test_a_304_renews_only_the_edition_whose_etag_was_sent(pair, upstream):
    pair.advance(ahead=-11)
    before = upstream.document("harbor")
    upstream.edit_run(startTime="14:00")
    with upstream.held() as gate:
        early = pair.start_poll(pair.other, gate)
        upstream.put("harbor", before)
        later = pair.start_poll(pair.one, gate)
        assert upstream.statuses[-2:] == [200, 304]
        gate.release(0)
        wait_for(early)
        gate.release(1)
        entry = later.result(PATIENCE)
    assert entry.until <= pair.other.clock() + HOUR
    pair.one.clock.now = entry.until
    assert get_hour(pair.one.get_edition()) == 12


def test_a_process_whose_refresh_fails_serves_the_edition_saved_meanwhile(pair, upstream):
    upstream.publish("bridge", "2026-06-13")
    pair.advance(ahead=11)
    pair.one.poll("bridge")
    with upstream.held() as gate:
        upstream.refuse(500, "INTERNAL")
        failing = pair.start_poll(pair.one, gate)
        upstream.instead = None
        upstream.edit_run(startTime="13:00")
        quick = pair.start_poll(pair.other, gate)
        gate.release(1)
        assert get_hour(wait_for(quick)) == 13
        pair.one.clock.advance(seconds=2)
        pair.one.poll("bridge")  # reads which events were saved
        gate.release(0)
        assert get_hour(wait_for(failing)) == 12
    entry = pair.one.poll()
    assert (get_hour(entry.edition), entry.failed) == (13, False)


def test_after_a_first_404_no_process_asks_again_within_a_minute(pair, upstream):
    pair.advance()
    upstream.delete("harbor")
    first = pair.one.clock()
    assert pair.one.get_edition().pending == {"harbor": PendingRemoval(first, 1)}
    calls = len(upstream.calls)
    pair.other.clock.now = first + MINUTE - SECOND
    entry = pair.other.poll()
    assert (entry.edition.gone, entry.until) == (None, first + MINUTE)
    assert pair.other.get_max_age() == 1
    assert len(upstream.calls) == calls


@pytest.mark.parametrize("ahead", [10, 30, 59])
def test_a_404_to_each_process_within_a_minute_proves_nothing(pair, upstream, ahead):
    pair.advance(ahead=ahead)
    upstream.delete("harbor")
    with upstream.held() as gate:
        polling = [pair.start_poll(each, gate) for each in (pair.one, pair.other)]
        for number, each in enumerate(polling):
            gate.release(number)
            assert wait_for(each).gone is None
    stored = pair.one.read_stored()
    assert stored.gone is None
    assert stored.pending["harbor"].since in (pair.one.clock(), pair.other.clock())

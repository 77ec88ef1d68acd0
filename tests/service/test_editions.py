"""How long requests wait for an edition, and which editions stay in memory."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from threading import current_thread

import pytest

from feeds.errors import EventNotFound, Overloaded, UpstreamTimeout
from tests.support.clock import Clock
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import change_database, get_hour, wait_for

DAY = "2026-06-13"


def publish_many(upstream, count):
    """The ids of so many new events."""
    ids = [f"race{number}" for number in range(count)]
    for id_ in ids:
        upstream.publish(id_, DAY)
    return ids


class HeldClock(Clock):
    """A clock that holds one thread back at its second look."""

    def __init__(self):
        super().__init__()
        self.holds, self.released = Flag(), Flag()
        self._looks = 0

    def __call__(self):
        if current_thread().name.startswith("held"):
            self._looks += 1
            if self._looks == 2:
                self.holds.set()
                assert self.released.wait(PATIENCE)
        return self.now


def test_a_thread_that_finds_the_refresh_just_ended_serves_the_new_entry(start_worker, upstream):
    clock = HeldClock()
    worker = start_worker(clock=clock)
    worker.poll()
    clock.advance(hours=2)
    with ThreadPoolExecutor(1, thread_name_prefix="held") as held:
        late = held.submit(worker.poll)
        assert clock.holds.wait(PATIENCE)  # it has found the edition in memory stale
        entry = worker.poll()
        clock.released.set()
        assert late.result(PATIENCE) is entry
    assert upstream.asked == ["harbor"] * 2


def test_a_refresh_that_gets_no_place_in_time_makes_no_call(
    worker, upstream, threads, set_max_wait
):
    ids = publish_many(upstream, 5)
    with upstream.held() as gate:
        for id_ in ids[:4]:
            threads.submit(worker.poll, id_)
            gate.await_one()
        set_max_wait(0.1, cold=0.2)
        for _ in range(2):  # the second one waits for the end of the refresh, if need be
            with pytest.raises(UpstreamTimeout):
                worker.poll(ids[4])
            set_max_wait(PATIENCE)
    assert ids[4] not in upstream.asked


def test_a_request_is_answered_at_once_when_too_many_refreshes_run(
    start_worker, upstream, clock, threads, monkeypatch
):
    monkeypatch.setattr("feeds.service.editions.MAX_REFRESHES", 1)
    worker = start_worker()
    before = worker.get_edition()
    upstream.publish("bridge", DAY)
    clock.advance(hours=2)
    with upstream.held() as gate:
        threads.submit(worker.poll, "bridge")
        gate.await_one()
        entry = worker.poll()
        assert (entry.edition, entry.failed) == (before, True)
        with pytest.raises(Overloaded):
            worker.poll("another")
    wait_until(lambda: not worker.poll().failed, "the end of the other refresh")


def test_a_request_is_refused_when_refreshes_have_stalled_and_too_many_requests_wait(
    worker, upstream, threads, monkeypatch
):
    monkeypatch.setattr("feeds.service.admission.MAX_WAITING", -1)  # any number is too many
    monkeypatch.setattr("feeds.service.admission.STALLED_AFTER", 0.1)
    with upstream.held() as gate:
        polling = threads.submit(worker.poll)
        gate.await_one()
        with pytest.raises(Overloaded):
            polling.result(PATIENCE)


def test_a_refresh_that_hangs_for_20_s_is_overtaken_by_another_one(
    worker, upstream, clock, threads, monkeypatch
):
    passed = 0.0
    for module in ("editions", "singleflight", "admission"):
        monkeypatch.setattr(f"feeds.service.{module}.monotonic", lambda: time.monotonic() + passed)
    worker.poll()
    clock.advance(hours=2)
    with upstream.held() as gate:
        upstream.refuse(500, "INTERNAL")
        first = threads.submit(worker.poll)
        gate.await_one()
        passed = 20.5
        clock.advance(seconds=11)  # the lease of the first refresh has ended
        upstream.instead = None
        upstream.edit_run(startTime="13:00")
        second = threads.submit(worker.poll)
        gate.await_one()
        gate.release(1)
        assert get_hour(wait_for(second)) == 13
        gate.release(0)
        assert first.result(PATIENCE).failed
    entry = worker.poll()
    assert (get_hour(entry.edition), entry.failed) == (13, False)


def test_an_unexpected_error_is_logged_and_leaves_no_request_waiting(
    worker, clock, tmp_path, caplog
):
    before = worker.get_edition()
    clock.advance(hours=2)
    change_database(
        tmp_path, "UPDATE events SET token = 'x'", "UPDATE revisions SET sequence = 'x'"
    )
    entry = worker.poll()
    assert (entry.edition, entry.failed) == (before, True)
    assert "event harbor cannot be refreshed" in caplog.text


def test_an_edition_is_fetched_again_after_the_clock_was_set_back(start_worker, upstream):
    clock = Clock()
    worker = start_worker(clock=clock)
    worker.poll()
    clock.advance(days=-3)
    assert worker.get_edition().fetched == clock()
    assert upstream.asked == ["harbor", "harbor"]


def test_an_entry_is_current_until_it_is_time_to_ask_what_others_have_saved(worker, clock):
    entry = worker.poll()
    holds = worker.editions.holds
    assert holds("harbor", entry, clock.timestamp() + 1.999)
    assert not holds("harbor", entry, clock.timestamp() + 2)
    assert not holds("harbor", entry, clock.timestamp() - 0.001)
    assert not holds("harbor", None, clock.timestamp())
    assert not holds("bridge", entry, clock.timestamp())


def test_the_editions_polled_last_stay_in_memory(start_worker, upstream, monkeypatch):
    monkeypatch.setattr("feeds.service.memory.MAX_MEMORY", 12_500)  # two events of one run
    ids = publish_many(upstream, 3)
    worker = start_worker()
    kept = {id_: worker.get_edition(id_) for id_ in ids[:2]}
    worker.poll(ids[0])
    kept[ids[2]] = worker.get_edition(ids[2])
    same = {id_: worker.get_edition(id_) is kept[id_] for id_ in (ids[0], ids[2], ids[1])}
    assert same == {ids[0]: True, ids[2]: True, ids[1]: False}
    assert upstream.asked == ids


def test_an_edition_larger_than_the_memory_is_served(start_worker, upstream, monkeypatch):
    monkeypatch.setattr("feeds.service.memory.MAX_MEMORY", 100)
    worker = start_worker()
    assert worker.get_edition() == worker.get_edition()
    assert upstream.asked == ["harbor"]


def test_an_event_takes_more_memory_with_more_runs_and_longer_texts(
    start_worker, upstream, monkeypatch
):
    monkeypatch.setattr("feeds.service.memory.MAX_MEMORY", 15_000)
    worker = start_worker()
    upstream.publish("long", DAY, description="Along the lake. " * 500)
    upstream.publish("large", *[DAY] * 40)
    for id_ in ("long", "large"):
        kept = worker.get_edition(id_)
        assert worker.get_edition(id_) is not kept
    assert worker.get_edition() is worker.get_edition()


def test_an_error_in_memory_keeps_neither_the_answer_nor_the_request(worker, upstream, clock):
    worker.poll()
    clock.advance(hours=2)
    upstream.answer(200, "application/json", '{"data": ')
    error = worker.poll().error
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


def test_each_request_for_an_unknown_id_raises_an_error_of_its_own(worker):
    errors = []
    for _ in range(2):
        with pytest.raises(EventNotFound) as raised:
            worker.poll("nothing")
        errors.append(raised.value)
    assert errors[0] is not errors[1]
    assert [error.__context__ for error in errors] == [None, None]

"""The catalog: which process asks for a list, who waits, and what others have saved."""

import json
import time
from datetime import timedelta
from functools import partial
from threading import Event as Flag
from threading import enumerate as enumerate_threads

import pytest
from werkzeug import Response

from feeds.domain.catalog import (
    EVENTS,
    GROUPS,
    RECURRENCES,
    EventList,
    Nothing,
    RecurrenceList,
)
from feeds.domain.quota import Priority, Rate
from feeds.errors import InvalidResponse, StorageUnavailable, UpstreamUnavailable
from feeds.service.singleflight import THREAD
from feeds.store.leases import Lease
from tests.support.clock import Clock
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import HOUR, SECOND

TUESDAYS = {
    "data": [
        {
            "_id": "weekly",
            "eventId": "near",
            "schedule": {"frequency": "weekly", "daysOfWeek": [2]},
            "status": "active",
        }
    ],
    "hasMore": False,
}
QUOTA = Rate(1000, timedelta(minutes=1), 500).quota_for(Priority.ORDINARY)


@pytest.fixture
def upstream(upstream):
    """An upstream with two events of the key's organization."""
    upstream.give_key_to("club")
    upstream.publish("near", "2026-05-27", organizationId="club")
    upstream.publish("far", "2026-08-27", organizationId="club")
    return upstream


def count_flights():
    return sum(each.name == THREAD for each in enumerate_threads())


def refuse_late(upstream):
    """Refuse calls, once a flag is set; returns the flag of the first call, and this one."""
    sent, released = Flag(), Flag()

    def refuse(environ, start_response):
        sent.set()
        assert released.wait(PATIENCE)
        return Response(status=500)(environ, start_response)

    upstream.instead = refuse
    return sent, released


def list_ids(entry):
    assert isinstance(entry.part.value, EventList)
    return [each.id for each in entry.part.value.items]


def test_several_processes_ask_for_a_list_once(start_worker, upstream, threads):
    workers = [start_worker() for _ in range(3)]
    with upstream.hold():
        found = [threads.submit(each.catalog.get, EVENTS) for each in workers * 2]
        wait_until(lambda: upstream.calls, "the first call")
    entries = [each.result(PATIENCE) for each in found]
    assert upstream.calls.count(EVENTS) == 1
    assert {entry.part.token for entry in entries} == {entries[0].part.token}
    assert list_ids(entries[0]) == ["near", "far"]


def test_recurrences_are_known_before_the_first_list(worker, upstream):
    worker.catalog.get(EVENTS)
    assert upstream.calls == ["/recurrences", "/events"]


def test_a_list_is_asked_for_once_the_lease_of_a_process_that_died_has_ended(
    start_worker, upstream, clock
):
    assert isinstance(start_worker().database.acquire(EVENTS, "", QUOTA, clock()), Lease)
    clock.advance(seconds=11)
    assert list_ids(start_worker().catalog.get(EVENTS)) == ["near", "far"]


def test_an_old_list_is_served_without_waiting_for_a_newer_one(worker, upstream, clock):
    before = worker.catalog.get(EVENTS)
    upstream.publish("new", "2026-06-01", organizationId="club")
    clock.advance(hours=2)
    with upstream.hold():
        assert worker.catalog.get(EVENTS) is before
    wait_until(lambda: list_ids(worker.catalog.get(EVENTS)) == ["near", "new", "far"], "the list")
    assert upstream.calls.count(EVENTS) == 2


def test_a_list_that_another_process_has_saved_is_read_without_a_call(
    start_worker, upstream, clock
):
    one, other = start_worker(), start_worker()
    for each in (one, other):
        each.catalog.get(EVENTS)
        each.editions.catch_up()
    upstream.publish("new", "2026-06-01", organizationId="club")
    clock.advance(hours=2)
    one.catalog.get(EVENTS)
    wait_until(lambda: "new" in list_ids(one.catalog.get(EVENTS)), "the list")
    version = other.catalog.version
    other.editions.catch_up()
    assert other.catalog.version > version
    wait_until(lambda: "new" in list_ids(other.catalog.get(EVENTS)), "the list")
    assert upstream.calls.count(EVENTS) == 2


def test_a_look_at_the_own_saves_invalidates_nothing(worker, clock):
    worker.catalog.get(EVENTS)
    version = worker.catalog.version
    for _ in range(3):
        clock.advance(seconds=3)
        worker.editions.catch_up()
    assert worker.catalog.version == version


def test_a_failure_without_a_list_is_raised_and_remembered_by_all_processes(
    start_worker, upstream, clock
):
    upstream.refuse(500, "INTERNAL")
    for worker in (start_worker(), start_worker()):
        with pytest.raises(UpstreamUnavailable):
            worker.catalog.get(EVENTS)
    assert upstream.calls.count(EVENTS) == 1
    upstream.instead = None
    clock.advance(seconds=61)
    assert list_ids(start_worker().catalog.get(EVENTS)) == ["near", "far"]


def test_a_failure_leaves_the_last_good_list(worker, upstream, clock):
    before = worker.catalog.get(EVENTS)
    upstream.refuse(500, "INTERNAL")
    for _ in range(3):
        clock.advance(hours=2)
        assert worker.catalog.get(EVENTS).part == before.part


def test_a_missing_database_leaves_the_list_in_memory(worker, clock, remove_database, start_worker):
    before = worker.catalog.get(EVENTS)
    cold = start_worker()
    with remove_database():
        clock.advance(hours=2)
        assert worker.catalog.get(EVENTS).part == before.part
        with pytest.raises(StorageUnavailable):
            cold.catalog.get(EVENTS)
    clock.advance(seconds=3)
    assert list_ids(cold.catalog.get(EVENTS)) == ["near", "far"]


def test_a_clock_that_is_some_seconds_behind_asks_for_no_list_again(start_worker, upstream, clock):
    start_worker().catalog.get(EVENTS)
    behind = start_worker(clock=Clock(clock() - 5 * SECOND))
    assert list_ids(behind.catalog.get(EVENTS)) == ["near", "far"]
    assert upstream.calls.count(EVENTS) == 1


def test_a_clock_that_was_set_back_asks_for_the_list_again(start_worker, upstream, clock):
    worker = start_worker(clock=Clock(clock()))
    worker.catalog.get(EVENTS)
    worker.clock.now -= 3 * HOUR
    worker.catalog.get(EVENTS)
    wait_until(lambda: upstream.calls.count(EVENTS) == 2, "the list")


def test_a_part_that_the_key_may_not_read_is_asked_for_once_a_day(start_worker, upstream, clock):
    upstream.scopes.discard("read:groups")
    for _ in range(3):
        entry = start_worker().catalog.get(GROUPS)
        assert entry.part is not None
        assert entry.part.value == Nothing()
    assert upstream.calls.count(GROUPS) == 1
    clock.advance(days=1)
    upstream.scopes.add("read:groups")
    upstream.give_key_to("club")
    worker = start_worker()
    worker.catalog.get(GROUPS)
    wait_until(lambda: worker.catalog.get(GROUPS).part.value != Nothing(), "the groups")


def test_an_unexpected_error_keeps_no_request_waiting(worker, upstream, monkeypatch, caplog):
    monkeypatch.setattr("feeds.service.collections.refresh.decode_events", None)
    with pytest.raises(Exception, match="cannot be read"):
        worker.catalog.get(EVENTS)
    assert "the list /events cannot be refreshed" in caplog.text


@pytest.fixture
def unsaved(worker, monkeypatch):
    """Have the worker save no answer: what an answer holds cannot be encoded."""
    save = worker.database.save_part

    def save_without_answer(part, lease=None):
        if lease:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return save(part)

    with monkeypatch.context() as patch:
        patch.setattr(worker.database, "save_part", save_without_answer)
        yield patch


@pytest.mark.usefixtures("unsaved")
def test_a_list_that_cannot_be_saved_is_a_failure_that_all_processes_remember(
    worker, start_worker, upstream, caplog
):
    for each in (worker, start_worker()):
        with pytest.raises(InvalidResponse):
            each.catalog.get(EVENTS)
    assert "the list /events cannot be refreshed" in caplog.text
    assert upstream.calls.count(EVENTS) == 1


def test_recurrences_that_cannot_be_saved_are_asked_for_again_after_an_hour(
    worker, upstream, clock, unsaved
):
    for _ in range(3):
        assert worker.catalog.find_recurrences(PATIENCE) is None
        clock.advance(minutes=20)
    assert upstream.calls.count(RECURRENCES) == 1
    unsaved.undo()
    assert worker.catalog.find_recurrences(PATIENCE) == RecurrenceList()


def test_recurrences_whose_call_outlives_its_lease_do_not_replace_newer_ones(
    start_worker, upstream, clock, threads
):
    late, other = start_worker(), start_worker()
    late.catalog.find_recurrences(PATIENCE)
    clock.advance(days=1, seconds=1)
    sent, released = refuse_late(upstream)
    asking = threads.submit(late.catalog.find_recurrences, PATIENCE)
    assert sent.wait(PATIENCE)
    upstream.answer(200, "application/json", json.dumps(TUESDAYS))
    clock.advance(seconds=11)  # the lease has ended
    newer = other.catalog.find_recurrences(PATIENCE)
    assert newer.items.keys() == {"near"}
    released.set()
    asking.result(PATIENCE)
    assert start_worker().catalog.find_recurrences(PATIENCE) == newer


def test_a_list_whose_call_hangs_for_20_s_is_asked_for_again(
    start_worker, upstream, clock, threads, monkeypatch
):
    """Rules 8.25: a header that comes byte by byte may hold a call for long."""
    passed = 0.0
    for module in ("collections.catalog", "singleflight"):
        monkeypatch.setattr(f"feeds.service.{module}.monotonic", lambda: time.monotonic() + passed)
    worker = start_worker()
    worker.catalog.get(EVENTS)
    clock.advance(hours=2)
    sent, released = refuse_late(upstream)
    worker.catalog.get(EVENTS)
    assert sent.wait(PATIENCE)
    upstream.instead = None
    upstream.publish("new", "2026-06-01", organizationId="club")
    clock.advance(seconds=11)  # the lease has ended
    passed = 20.5
    wait_until(lambda: "new" in list_ids(worker.catalog.get(EVENTS)), "the list", 3)
    released.set()
    wait_until(lambda: not count_flights(), "the end")
    assert "new" in list_ids(worker.catalog.get(EVENTS))


def test_calls_for_a_list_that_hang_take_four_threads_and_nobody_waits_for_them(
    worker, start_worker, upstream, clock, monkeypatch
):
    """Rules 8.25: as long as each header comes byte by byte."""
    passed = 0.0
    for module in ("collections.catalog", "singleflight"):
        monkeypatch.setattr(f"feeds.service.{module}.monotonic", lambda: time.monotonic() + passed)
    known = worker.catalog.find_recurrences(PATIENCE)
    clock.advance(days=1, seconds=1)
    sent, released = [], Flag()

    def hang(environ, start_response):
        sent.append(environ)
        assert released.wait(PATIENCE)
        return Response(status=500)(environ, start_response)

    upstream.instead = hang
    for number in range(4):
        worker.catalog.find_recurrences(0)
        wait_until(partial(_has_more, sent, number), "another call")
        clock.advance(seconds=21)
        passed += 21
    began = time.monotonic()
    assert worker.catalog.find_recurrences(PATIENCE) == known
    assert time.monotonic() - began < 2
    assert (len(sent), count_flights()) == (4, 4)
    upstream.answer(200, "application/json", json.dumps(TUESDAYS))
    newer = start_worker().catalog.find_recurrences(PATIENCE)
    clock.advance(seconds=3)
    assert worker.catalog.find_recurrences(PATIENCE) == newer != known
    released.set()
    wait_until(lambda: not count_flights(), "the end")


def _has_more(items, number):
    return len(items) > number

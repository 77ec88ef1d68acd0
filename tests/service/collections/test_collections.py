"""Collections: what is composed when, what an outage leaves, and how members are fetched."""

from concurrent.futures import ThreadPoolExecutor
from threading import enumerate as enumerate_threads
from time import monotonic

import pytest
import sqlalchemy as sa

from feeds.domain.catalog import EVENTS
from feeds.domain.freshness import POLLED_WITHIN
from feeds.domain.quota import Rate
from feeds.errors import (
    CollectionIncomplete,
    EventNotFound,
    Overloaded,
    StorageUnavailable,
    UpstreamTimeout,
)
from feeds.service.admission import MAX_WAITING
from feeds.service.collections.collections import Collections
from feeds.service.singleflight import THREAD
from tests.support.clock import Clock
from tests.support.databases import close_all
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import DAY, Worker


@pytest.fixture
def upstream(upstream):
    """An upstream with six events of the key's organization, a day apart."""
    upstream.give_key_to("club")
    for number in range(6):
        publish(upstream, f"e{number}", 28 + number)
    return upstream


def publish(upstream, id_, day, **fields):
    upstream.publish(
        id_, f"2026-{5 + day // 31:02}-{day % 31 + 1:02}", organizationId="club", **fields
    )


def open_collections(worker):
    return Collections(
        worker.catalog,
        worker.editions,
        worker.database,
        worker.invalidation,
        worker.clock,
        bulkhead=worker.bulkhead,
    )


@pytest.fixture
def collections(worker):
    return open_collections(worker)


def fill(collections):
    """The entry of the club once all members are there."""

    def is_full():
        try:
            return not collections.get().unread
        except CollectionIncomplete:
            return False

    wait_until(is_full, "all members")
    return collections.get()


def list_ids(entry):
    return [each.edition.event.id for each in entry.content.timetables]


def test_equal_contents_are_the_same_object(collections, worker, upstream, clock):
    entry = fill(collections)
    with pytest.raises(EventNotFound):
        worker.poll("stranger")
    again = collections.get()
    assert again is not entry
    assert again.content is entry.content
    clock.advance(minutes=20)
    collections.get()  # all documents are as they were, but fetched later
    assert list_ids(collections.get()) == [f"e{number}" for number in range(6)]


def test_an_entry_is_held_until_something_changes(collections, worker, upstream, clock):
    entry = fill(collections)
    worker.editions.catch_up()
    assert collections.holds(EVENTS, entry, clock.timestamp())
    upstream.publish("stranger", "2026-06-20", organizationId="club")
    worker.poll("stranger")
    assert not collections.holds(EVENTS, entry, clock.timestamp())
    assert not collections.holds(EVENTS, None, clock.timestamp())


def test_many_requests_for_a_cold_club_cost_one_call_for_each_list_and_event(
    start_worker, upstream, threads
):
    processes = [open_collections(start_worker()) for _ in range(3)]

    def poll(collections):
        try:
            return len(list_ids(collections.get()))
        except CollectionIncomplete:
            return 0

    found = [threads.submit(poll, each) for each in processes * 10]
    assert {each.result(PATIENCE) for each in found} <= {0, 6}
    for each in processes:
        fill(each)
    assert sorted(upstream.calls) == sorted(
        ["/events", "/organization", "/recurrences", *(f"/events/e{n}" for n in range(6))]
    )


def test_members_are_fetched_in_their_order_however_small_the_budget(start_worker, upstream, clock):
    for number in range(6, 14):
        publish(upstream, f"e{number}", 28 + number)
    collections = open_collections(start_worker(rate=Rate(600, POLLED_WITHIN / 7 / 1440, 8)))
    with pytest.raises(CollectionIncomplete):
        collections.get()

    def is_done():
        clock.advance(seconds=0.05)
        return len(upstream.asked) >= 14

    wait_until(is_done, "all calls")
    places = {id_: place for place, id_ in enumerate(upstream.asked)}
    assert len(places) == 14
    # Four are fetched at a time; one that found no call may be among the next four again.
    assert max(abs(places[f"e{number}"] - number) for number in range(14)) < 8


def test_a_member_that_does_not_exist_is_asked_for_again_after_a_newer_list(
    collections, upstream, clock
):
    document = upstream.document("e5")
    upstream.refuse_path("/events/e5", 404, "NOT_FOUND")
    fill(collections)
    asked = upstream.asked.count("e5")
    assert asked == 1
    for _ in range(5):
        clock.advance(minutes=2)
        collections.get()
    assert upstream.asked.count("e5") == asked
    upstream.failing.clear()
    upstream.put("e5", document)
    clock.advance(minutes=16)

    def is_there():
        clock.advance(seconds=61)
        return "e5" in list_ids(collections.get())

    wait_until(is_there, "the member")


def test_a_poll_of_a_collection_is_a_poll_of_its_list_and_its_members(collections, worker, clock):
    fill(collections)
    worker.invalidation.read()
    assert worker.database.list_polled_parts(clock()) == [EVENTS]
    clock.advance(days=1)
    assert set(worker.database.list_due(clock(), 50)) == {f"e{number}" for number in range(6)}
    assert worker.database.list_due(clock() + 8 * DAY, 50) == []


def test_a_missing_database_leaves_what_is_in_memory(
    collections, start_worker, clock, remove_database
):
    before = fill(collections)
    cold = open_collections(start_worker())
    with remove_database():
        clock.advance(hours=2)
        entry = collections.get()
        assert entry.content is before.content
        with pytest.raises(StorageUnavailable):
            cold.get()
    clock.advance(seconds=3)
    assert list_ids(collections.get()) == list_ids(before)


def test_an_outage_of_the_upstream_leaves_what_is_stored(
    collections, start_worker, upstream, clock
):
    before = list_ids(fill(collections))
    upstream.refuse(500, "INTERNAL")
    restarted = open_collections(start_worker())
    for _ in range(3):
        clock.advance(hours=5)
        assert list_ids(collections.get()) == before
        assert list_ids(restarted.get()) == before


def test_an_unknown_group_is_not_found(collections):
    with pytest.raises(EventNotFound, match="no such group"):
        collections.get("north")


def test_an_unexpected_error_leaves_the_last_entry(collections, clock, monkeypatch, caplog):
    before = fill(collections)
    monkeypatch.setattr("feeds.service.collections.collections.choose_stale", None)
    clock.advance(hours=2)
    entry = collections.get()
    assert (entry.content, entry.expires) == (before.content, None)
    assert "the collection /events cannot be read" in caplog.text


def test_a_list_that_hangs_has_48_threads_of_a_process_wait(start_worker, upstream, monkeypatch):
    """Rules 8.7: the others serve hits."""
    monkeypatch.setattr("feeds.service.admission.STALLED_AFTER", 0.2)
    collections = open_collections(start_worker())
    ended = []

    def poll():
        try:
            collections.get()
        except (CollectionIncomplete, Overloaded, UpstreamTimeout) as error:
            ended.append(error)

    with ThreadPoolExecutor(60) as threads, upstream.hold():
        for _ in range(60):
            threads.submit(poll)
        wait_until(lambda: len(ended) >= 60 - MAX_WAITING, "an answer")
        assert {type(error) for error in ended} <= {Overloaded, UpstreamTimeout}
        assert len(ended) == 60 - MAX_WAITING


def test_a_collection_whose_database_hangs_delays_one_request_only(
    upstream, postgres_url, clock, monkeypatch
):
    """Rules 8.6: what has run for 3 seconds is waited for no more."""
    for module in ("collections.collections", "editions"):
        monkeypatch.setattr(f"feeds.service.{module}.MAX_WAIT", 0.5)
    worker, other = (Worker(upstream.url, postgres_url, clock) for _ in range(2))
    collections = open_collections(worker)
    entry = fill(collections)
    clock.advance(hours=2)
    other.poll("e0")
    worker.editions.catch_up()  # which finds that e0 was saved
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.begin() as locking:
        locking.execute(sa.text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        started = monotonic()
        assert all(list_ids(collections.get()) == list_ids(entry) for _ in range(12))
        assert monotonic() - started < 4
    wait_until(lambda: find_flights() == [], "the end of all flights")
    close_all()


def test_a_member_that_could_not_be_read_is_asked_for_after_the_clock_was_set_back(
    start_worker, upstream, clock
):
    behind = Clock(clock())
    collections = open_collections(start_worker(clock=behind))
    upstream.refuse_path("/events/e5", 422, "VALIDATION_ERROR")
    fill(collections)
    upstream.failing.clear()
    behind.advance(days=-1)

    def is_read():
        behind.advance(seconds=1)  # a clock that was set back leaves one call, then the usual rate
        return "e5" in list_ids(collections.get())

    wait_until(is_read, "the event", 5)


def find_flights():
    return [each for each in enumerate_threads() if each.name == THREAD]

"""The background refresher, round by round: which events it fetches, in which order, how many."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Flag
from threading import Thread

import pytest

from feeds.domain.quota import Priority, Rate
from feeds.service.operations.background import BackgroundRefresher
from feeds.upstream.http import DEADLINE
from tests.support.clock import Clock
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import change_database

QUOTA = Rate(100, timedelta(minutes=1), 20).quota_for(Priority.URGENT)


class Refresher:
    """A process that answers requests, and a background refresher, on one database."""

    def __init__(self, upstream, start_worker, **changes):
        self.upstream = upstream
        self.web, worker = start_worker(**changes), start_worker(**changes)
        self.worker = worker
        self.background = BackgroundRefresher(
            worker.refresh,
            worker.catalog_refresh,
            worker.database,
            worker.invalidation,
            worker.clock,
        )

    def publish(self, **days):
        """Have the upstream publish events so many days from now."""
        for id_, ahead in days.items():
            self.upstream.publish(id_, f"{self.web.clock() + timedelta(days=ahead):%Y-%m-%d}")

    def poll(self, *ids):
        """Poll events, and write to the database that they are polled."""
        for _ in range(2):
            for id_ in ids:
                self.web.poll(id_)
            self.web.clock.advance(seconds=1)
        self.web.poll(ids[0])

    def run_round(self):
        """The ids that one round asks for."""
        before = len(self.upstream.asked)
        with ThreadPoolExecutor(1) as threads:  # one after the other: the order is visible
            self.background.run_round(threads, Flag())
        return self.upstream.asked[before:]


class Pauses(Flag):
    """A flag that ends a run after so many rounds; ``seconds`` are the pauses between them."""

    def __init__(self, rounds):
        super().__init__()
        self.seconds = []
        self._rounds = rounds

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        if len(self.seconds) == self._rounds:
            self.set()
        return self.is_set()


@pytest.fixture
def refresher(upstream, start_worker):
    return Refresher(upstream, start_worker)


@pytest.fixture
def stale(refresher, clock):
    """A refresher for one polled event whose edition has expired."""
    refresher.publish(later=60)
    refresher.poll("later")
    clock.advance(hours=2)
    return refresher


def test_an_event_is_fetched_a_minute_before_its_edition_expires(refresher, clock):
    refresher.publish(later=60)
    refresher.poll("later")
    clock.advance(minutes=58, seconds=57)
    assert refresher.run_round() == []
    clock.advance(seconds=1)
    assert refresher.run_round() == ["later"]
    clock.advance(minutes=5)
    assert refresher.run_round() == []


def test_an_event_that_another_process_refreshes_is_not_fetched(stale):
    known = stale.web.refresh.read("later")
    stale.web.refresh.acquire("later", known)
    stale.background.refresh_event("later")
    assert stale.upstream.asked == ["later"]


def test_a_run_that_was_removed_is_no_longer_listed_after_some_30_minutes(
    refresher, clock, upstream
):
    refresher.publish(near=5)
    refresher.poll("near")
    upstream.put("near", upstream.document("near") | {"runs": []})
    removed = clock()
    while not refresher.web.read_stored("near").changes:
        clock.advance(seconds=10)
        refresher.run_round()
    assert timedelta(minutes=30) <= clock() - removed <= timedelta(minutes=50)
    assert len(upstream.asked) == 6


def test_no_call_is_made_until_a_refusal_ends(refresher, clock, upstream):
    refresher.publish(one=60, other=61)
    refresher.poll("one", "other")
    clock.advance(hours=2)
    upstream.refuse(429, "RATE_LIMITED")
    assert refresher.run_round() == ["one"]
    upstream.instead = None
    clock.advance(seconds=59)
    assert refresher.run_round() == []
    clock.advance(seconds=1)
    assert refresher.run_round() == ["one", "other"]


def test_a_refusal_is_forgotten_once_the_clock_was_set_back(upstream, start_worker, clock):
    behind = Clock(clock())
    refresher = Refresher(upstream, start_worker, clock=behind)
    refresher.publish(one=60)
    refresher.poll("one")
    behind.advance(hours=2)
    upstream.refuse(429, "RATE_LIMITED")
    assert refresher.run_round() == ["one"]
    upstream.instead = None
    behind.advance(days=-1)
    refresher.poll("one")  # the edition is one from the future
    behind.advance(hours=2)
    assert refresher.run_round() == ["one"]


def test_a_missing_database_is_waited_for(stale, remove_database):
    with remove_database():
        assert stale.run_round() == []
        stale.background.refresh_event("later")
    assert stale.run_round() == ["later"]


def test_an_unexpected_error_with_one_event_does_not_stop_the_others(
    refresher, clock, tmp_path, caplog
):
    refresher.publish(one=60, other=61)
    refresher.poll("one", "other")
    clock.advance(hours=2)
    change_database(
        tmp_path,
        "UPDATE events SET deployment = 'another' WHERE id = 'one'",
        "UPDATE revisions SET content = '', schedule = '', sequence = 'x' WHERE event_id = 'one'",
    )
    assert refresher.run_round() == ["other"]
    assert "event one cannot be refreshed" in caplog.text


def test_the_refresher_waits_2_s_between_rounds_and_less_until_a_refusal_ends(stale, clock):
    ends = (clock() + timedelta(seconds=0.5)).timestamp() * 1000
    stale.upstream.refuse(429, "RATE_LIMITED", retryAfter=ends)
    before = len(stale.upstream.calls)
    pauses = Pauses(2)
    stale.background.run(pauses)
    assert pauses.seconds == [0.5, 0.5]
    assert len(stale.upstream.calls) == before + 1
    clock.advance(days=8)  # the event is not polled any more
    pauses = Pauses(2)
    stale.background.run(pauses)
    assert pauses.seconds == [2, 2]


def test_a_round_ends_without_a_call_that_hangs_and_the_calls_behind_it(
    refresher, clock, monkeypatch
):
    monkeypatch.setattr("feeds.service.operations.background.MAX_ROUND", 0.5)
    refresher.publish(one=60, other=61)
    refresher.poll("one", "other")
    clock.advance(hours=2)
    asked = refresher.upstream.asked
    with ThreadPoolExecutor(1) as calls:
        with refresher.upstream.held() as gate:
            refresher.background.run_round(calls, Flag())
            gate.await_one()
            assert refresher.upstream.asked == [*asked, "one"]
        monkeypatch.setattr("feeds.service.operations.background.MAX_ROUND", PATIENCE)
        refresher.background.run_round(calls, Flag())
        assert refresher.upstream.asked == [*asked, "one", "other"]


def test_no_further_event_is_fetched_once_the_refresher_is_to_end(refresher, clock, threads):
    ids = [f"event{number}" for number in range(8)]
    refresher.publish(**dict.fromkeys(ids, 60))
    refresher.poll(*ids)
    clock.advance(hours=2)
    ends = Flag()
    with refresher.upstream.held() as gate:
        running = threads.submit(refresher.background.run, ends)
        for _ in range(4):
            gate.await_one()
        ends.set()
    running.result(PATIENCE)
    assert len(refresher.upstream.asked) == len(ids) + 4


CLUB = "club"


@pytest.fixture
def club(refresher, upstream):
    """A refresher for a club with two events whose feed was polled."""
    upstream.give_key_to(CLUB)
    for id_, day in (("near", "2026-05-27"), ("far", "2026-09-01")):
        upstream.publish(id_, day, organizationId=CLUB)
    refresher.web.catalog.get("/events")
    refresher.web.invalidation.note_poll("/events", refresher.web.clock())
    refresher.web.invalidation.read()
    return refresher


def test_members_of_a_polled_collection_are_fetched_the_next_one_first(club):
    assert club.run_round() == ["near", "far"]
    assert club.run_round() == []


def test_a_collection_that_nobody_has_polled_for_a_week_is_left_alone(club, clock):
    clock.advance(days=8)
    assert club.run_round() == []


def test_a_list_is_asked_for_a_minute_before_it_expires(club, clock, upstream):
    club.run_round()
    upstream.publish("new", "2026-06-01", organizationId=CLUB)
    clock.advance(minutes=13, seconds=59)
    club.run_round()
    assert upstream.calls.count("/events") == 1
    clock.advance(seconds=1)
    club.run_round()
    assert upstream.calls.count("/events") == 2
    assert club.run_round() == ["new"]


def test_a_member_that_cannot_be_read_is_asked_for_again_after_a_newer_list(club, clock, upstream):
    upstream.delete("far")
    assert club.run_round() == ["near", "far"]
    upstream.publish("far", "2026-09-01", organizationId=CLUB)
    clock.advance(minutes=11)
    assert club.run_round() == []
    clock.advance(minutes=3)
    club.run_round()
    assert "far" in club.run_round()


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_event_that_is_gone_is_asked_for_once_after_each_list_that_has_it(
    club, clock, upstream, status
):
    club.run_round()
    document = upstream.document("far")
    upstream.delete("far")
    while club.web.read_stored("far").gone is None:
        clock.advance(minutes=16)
        club.web.poll("far", "near")
    clock.advance(minutes=61)
    for _ in range(3):
        assert "far" not in club.run_round()  # the list lacks it
    upstream.put("far", document)
    codes = {404: "NOT_FOUND", 403: "FORBIDDEN", 500: "INTERNAL"}
    upstream.refuse_path("/events/far", status, codes[status])
    for _ in range(3):
        clock.advance(minutes=45)
        asked = []
        for _ in range(4):
            clock.advance(minutes=4)
            asked += club.run_round()
        assert asked.count("far") == 1
    upstream.failing.clear()
    clock.advance(minutes=61)
    club.run_round()
    club.run_round()
    assert club.web.read_stored("far").gone is None


def test_members_that_no_call_is_left_for_are_fetched_later(upstream, start_worker, clock):
    refresher = Refresher(upstream, start_worker, rate=Rate(100, timedelta(minutes=1), 8))
    upstream.give_key_to(CLUB)
    ids = [f"event{number}" for number in range(6)]
    for id_ in ids:
        upstream.publish(id_, "2026-06-01", organizationId=CLUB)
    refresher.web.catalog.get("/events")
    refresher.web.invalidation.note_poll("/events", clock())
    refresher.web.invalidation.read()
    asked: list[str] = []
    while len(asked) < len(ids):
        before = len(asked)
        asked += refresher.run_round()
        clock.advance(seconds=1)
        assert len(asked) - before <= 4  # half of the burst is for polls
    assert sorted(asked) == ids


def test_an_unexpected_error_of_a_list_or_a_missing_database_stops_no_round(
    club, clock, remove_database
):
    with remove_database():
        assert club.run_round() == []
    clock.advance(hours=2)
    club.upstream.refuse_path("/events", 500, "INTERNAL")
    assert club.run_round() == ["near", "far"]


def test_a_refresher_tells_each_minute_that_it_runs_and_when_it_ends_in_order(stale, clock):
    told = []

    class Watch(Pauses):
        def wait(self, timeout=None):
            told.append(read_refresher(stale, clock))
            clock.advance(seconds=50)
            return super().wait(timeout)

    began = clock()
    stale.background.run(Watch(3))

    assert told == [began, began, began + timedelta(seconds=100)]
    assert read_refresher(stale, clock) is None


def test_a_refresher_that_is_to_end_tells_so_before_a_call_that_hangs_has_ended(
    stale, clock, monkeypatch
):
    """The process may be killed meanwhile; /readyz would miss the refresher for a day."""
    monkeypatch.setattr("feeds.upstream.http.READ_TIMEOUT", PATIENCE)
    ends = Flag()
    running = Thread(target=stale.background.run, args=[ends])
    with stale.upstream.held() as gate:
        running.start()
        gate.await_one()
        assert read_refresher(stale, clock) == clock()
        ends.set()
        wait_until(lambda: read_refresher(stale, clock) is None, "the end", DEADLINE / 2)
    running.join(PATIENCE)
    assert len(stale.upstream.asked) == 2


def read_refresher(refresher, clock):
    """When the refresher ran last, as a web process reads it."""
    return refresher.web.database.overview.read_vitals(QUOTA, clock()).refresher

"""The refresher, round by round on a clock: what it asks for, in which order, and how much."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest

from feeds.app import assemble
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.quota import Rate
from feeds.service.background import BackgroundRefresher
from feeds.service.editions import Editions
from tests.support.processes import PATIENCE, settings_for, until

DAY = timedelta(days=1)


class World:
    """A web process and a refresher on one database."""

    def __init__(self, upstream, folder, clock, **changes):
        settings = settings_for(upstream.url, folder, **changes)
        web, worker = assemble(settings, clock), assemble(settings, clock)
        worker.since()
        self.upstream, self.clock = upstream, clock
        self.newsroom = Editions(web.editor, web.reporter, web.database, clock)
        self.refresher = BackgroundRefresher(worker.editor, worker.reporter, worker.database, clock)
        self.database = worker.database

    def publish(self, **days):
        """Have events at noon so many days from now."""
        for id_, ahead in days.items():
            self.upstream.publish(id_, f"{self.clock() + timedelta(days=ahead):%Y-%m-%d}")

    def poll(self, *ids):
        """Poll events, and have it noted that they are polled."""
        for id_ in ids:
            self.newsroom.current(id_)
        self.clock.advance(seconds=2)
        for id_ in ids:
            self.newsroom.current(id_)

    def round(self):
        """The ids that one round asks for."""
        before = len(self.upstream.asked)
        with ThreadPoolExecutor(1) as threads:  # one after the other: their order can be seen
            self.refresher.round(threads, Event())
        return self.upstream.asked[before:]


@pytest.fixture
def world(upstream, tmp_path, clock):
    return World(upstream, tmp_path, clock)


def test_it_asks_shortly_before_an_edition_ends(world, clock):
    world.publish(later=60)
    world.poll("later")
    clock.advance(minutes=58, seconds=57)
    assert world.round() == []
    clock.advance(seconds=1)
    assert world.round() == ["later"]
    clock.advance(minutes=5)
    assert world.round() == []


def test_polls_find_what_it_has_fetched_and_make_no_call(world, clock, upstream):
    world.publish(later=60)
    world.poll("later")
    clock.advance(minutes=59)
    document = upstream.document("later")
    document["runs"][0]["eventStatus"] = "cancelled"
    upstream.put("later", document)
    world.round()
    calls = list(upstream.asked)
    clock.advance(seconds=2)
    current = world.newsroom.current("later")
    assert [run.status for run in current.edition.event.runs] == ["cancelled"]
    assert current.max_age.at(clock.timestamp()) == 3598
    assert upstream.asked == calls


def test_the_nearest_come_first_and_what_is_over_comes_last(world, clock):
    world.publish(autumn=90, over=-1, tomorrow=1, week=7)
    world.poll("autumn", "over", "tomorrow", "week")
    clock.advance(hours=2)
    assert world.round() == ["tomorrow", "week", "autumn", "over"]


def test_what_nobody_has_polled_for_a_week_is_left_alone(world, clock):
    world.publish(later=60)
    world.poll("later")
    clock.advance(days=6, hours=23)
    assert world.round() == ["later"]
    clock.advance(hours=2)
    assert world.round() == []


def test_what_was_only_warmed_up_is_left_alone(world, clock):
    world.publish(later=60)
    known = world.refresher._reporter.claim("later", None, polled=False)
    world.refresher._reporter.report(known, None, polled=False)
    clock.advance(hours=2)
    assert world.round() == []


def test_a_failure_is_not_repeated_within_a_minute(world, clock, upstream):
    world.publish(later=60)
    world.poll("later")
    clock.advance(hours=2)
    upstream.answer(500, "text/plain", "")
    assert world.round() == ["later"]
    clock.advance(seconds=59)
    assert world.round() == []
    upstream.instead = None
    clock.advance(seconds=1)
    assert world.round() == ["later"]


def test_it_leaves_half_of_the_budget_to_polls(upstream, tmp_path, clock):
    world = World(upstream, tmp_path, clock, rate=Rate(100, DAY, 20))
    ids = [f"event{number}" for number in range(12)]
    world.publish(**dict.fromkeys(ids, 60))
    world.poll(*ids)
    clock.advance(days=3)
    assert len(world.round()) == 10
    clock.advance(seconds=1)
    assert world.round() == []
    for id_ in ids[10:]:
        assert not world.newsroom.current(id_).failed


def test_an_upstream_that_is_closed_is_not_asked_before_it_opens(world, clock, upstream):
    world.publish(one=60, other=61)
    world.poll("one", "other")
    clock.advance(hours=2)
    upstream.refuse(429, "RATE_LIMITED")
    assert world.round() == ["one"]
    upstream.instead = None
    clock.advance(seconds=59)
    assert world.round() == []
    clock.advance(seconds=1)
    assert world.round() == ["one", "other"]


def test_a_database_that_is_away_is_waited_for(world, clock, tmp_path):
    world.publish(later=60)
    world.poll("later")
    clock.advance(hours=2)
    path = tmp_path / "feeds.sqlite3"
    path.rename(tmp_path / "away")
    assert world.round() == []
    (tmp_path / "away").rename(path)
    assert world.round() == ["later"]


def test_it_ends_when_it_is_told_to(world, clock):
    world.publish(later=60)
    world.poll("later")
    clock.advance(hours=2)
    ends = Event()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(world.refresher.run, ends)
        until(lambda: world.upstream.asked.count("later") == 2, "a call")
        ends.set()
        running.result(PATIENCE)


def test_it_waits_between_two_looks_after_a_refusal_that_is_over(world, clock, monkeypatch):
    refusal = clock() - timedelta(minutes=5)
    monkeypatch.setattr(world.refresher, "_closed", refusal)
    assert world.round() == []
    assert world.refresher._pause() == INVALIDATION_INTERVAL.total_seconds()

"""What a process tells the others and hears from them, however the database is."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec import structs

from feeds.domain.freshness import INVALIDATION_INTERVAL, NOTED_EVERY
from feeds.domain.quota import MICROSECOND
from feeds.service.invalidation import Invalidation
from feeds.store import engines
from feeds.store.database import Saves
from feeds.store.tables import events
from tests.support.databases import connect
from tests.support.factories import NOW, an_edition, an_event
from tests.support.processes import Clock

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def polls(database, clock):
    """Those of one process, which has looked once."""
    polls = Invalidation(database, clock)
    assert polls.look() == Saves(0, None, 0)
    return polls


def save(database, *ids):
    for id_ in ids:
        known = database.read(id_)
        edition = structs.replace(known or an_edition(an_event(id=id_)))
        assert database.save(known, edition, (NOW + DAY, NOW + DAY + HOUR), NOW)


def noted(database):
    """When each event was polled last, as far as the database was told."""
    with database._engine.read() as connection:
        rows = connection.execute(sa.select(events.c.id, events.c.polled))
        return {id_: polled and timedelta(seconds=polled - NOW.timestamp()) for id_, polled in rows}


@contextmanager
def away(url, request):
    """Have the database away until the end of the block."""
    if "postgresql" in url:
        server = request.getfixturevalue("postgres")
        server.stop()
        yield
        server.start()
    else:
        path = Path(url.removeprefix("sqlite:///"))
        path.rename(path.with_suffix(".elsewhere"))
        yield
        path.with_suffix(".elsewhere").rename(path)


def polled(polls, clock, *ids, after=timedelta(0)):
    """Poll these events so much later, and look."""
    clock.now += after
    for id_ in ids:
        polls.note(id_, clock())
    assert polls.look()


def heard(polls):
    news = polls.look()
    assert news is not None
    return news.saved


class TestNotes:
    def test_of_an_event_reach_the_database_at_most_once_an_hour(self, database, polls, clock):
        save(database, "harbor")
        polled(polls, clock, "harbor", "harbor")
        assert noted(database) == {"harbor": timedelta(0)}
        polled(polls, clock, "harbor", after=NOTED_EVERY - MICROSECOND)
        assert noted(database) == {"harbor": timedelta(0)}
        polled(polls, clock, "harbor", after=MICROSECOND)
        assert noted(database) == {"harbor": NOTED_EVERY}

    def test_of_one_event_keep_no_other_waiting(self, database, polls, clock):
        save(database, "harbor", "lakefront", "nobodys")
        polled(polls, clock, "harbor")
        polled(polls, clock, "harbor", "lakefront", after=HOUR / 2)
        polled(polls, clock, "harbor", "lakefront", after=HOUR / 2)
        assert noted(database) == {"harbor": HOUR, "lakefront": HOUR / 2, "nobodys": None}

    def test_are_told_once(self, database, polls, clock):
        save(database, "harbor")
        polled(polls, clock, "harbor")
        with database._engine.write() as connection:
            connection.execute(sa.update(events).values(polled=None))
        polled(polls, clock, after=INVALIDATION_INTERVAL)
        assert noted(database) == {"harbor": None}

    def test_are_taken_again_after_a_clock_was_put_back(self, database, polls, clock):
        save(database, "harbor")
        polled(polls, clock, "harbor")
        polled(polls, clock, "harbor", after=-DAY)
        assert noted(database) == {"harbor": -DAY}


class Shared(datetime):
    """An instant that is compared by two threads at the same time, unless a lock forbids that."""

    both = threading.Barrier(2)

    def __lt__(self, other):
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.2)
        return super().__lt__(other)


class TestTheTimeToLook:
    def test_comes_once_in_a_while(self, polls, clock):
        assert polls.time_to_look(clock.timestamp())
        polls.look()
        clock.now += INVALIDATION_INTERVAL - MICROSECOND
        assert not polls.time_to_look(clock.timestamp())
        clock.now += MICROSECOND
        assert polls.time_to_look(clock.timestamp())

    def test_comes_for_one_of_two_threads_that_ask_together(self, polls, clock):
        Shared.both.reset()
        clock.now = Shared.fromtimestamp(NOW.timestamp(), UTC)
        assert polls.time_to_look(clock.timestamp())
        polls.look()
        clock.now += INVALIDATION_INTERVAL
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(polls.time_to_look, clock.timestamp()) for _ in range(2)]
        assert sorted(each.result() for each in asked) == [False, True]

    def test_comes_after_a_clock_was_put_back(self, polls, clock):
        assert polls.time_to_look(clock.timestamp())
        polls.look()
        clock.now -= DAY
        assert polls.time_to_look(clock.timestamp())


class TestALook:
    def test_tells_what_anybody_saved_since_the_last_one(self, url, database, polls):
        save(connect(url), "harbor")
        save(database, "lakefront")
        assert heard(polls) == {"harbor", "lakefront"}
        assert heard(polls) == frozenset()
        save(connect(url), "harbor")
        assert heard(polls) == {"harbor"}

    def test_that_cannot_note_what_was_polled_tells_nothing_and_the_next_one_all(
        self, url, database, clock, monkeypatch
    ):
        save(database, "harbor")
        monkeypatch.setattr(engines, "LOCK_TIMEOUT", 1)  # seconds that it waits for a lock
        polls = Invalidation(connect(url), clock)
        assert polls.look() is not None
        save(database, "harbor")
        polls.note("harbor", clock())
        with database._engine.write() as connection:
            connection.execute(sa.update(events).values(pending=None))
            assert polls.look() is None
            connection.rollback()
        assert noted(database) == {"harbor": None}
        assert heard(polls) == {"harbor"}
        assert noted(database) == {"harbor": timedelta(0)}
        assert heard(polls) == frozenset()

    def test_while_the_database_is_away_tells_nothing_and_later_ones_do(
        self, url, database, polls, clock, request
    ):
        save(database, "harbor", "lakefront")
        polls.look()
        save(database, "harbor")
        polls.note("lakefront", clock())
        with away(url, request):
            for _ in range(2):
                assert polls.time_to_look(clock.timestamp())
                assert polls.look() is None
                clock.now += INVALIDATION_INTERVAL
        assert polls.time_to_look(clock.timestamp())
        assert heard(polls) == {"harbor"}
        assert noted(database) == {"harbor": None, "lakefront": 2 * INVALIDATION_INTERVAL}

"""What processes exchange through the database: polls that are noted, events that were saved."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from feeds.domain.freshness import INVALIDATION_INTERVAL, POLLED_WITHIN
from feeds.domain.quota import MICROSECOND
from feeds.service.invalidation import NOTED_EVERY, Invalidation
from feeds.store import engines
from tests.support.clock import Clock
from tests.support.databases import connect
from tests.support.factories import NOW, an_edition, an_event

DAY = timedelta(days=1)


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def invalidation(database, clock):
    """The invalidation of a process that has read what was saved once."""
    invalidation = Invalidation(database, clock)
    assert read(invalidation).complete
    return invalidation


def read(invalidation):
    """What was saved since the last call, as ``Editions`` takes it over."""
    saves = invalidation.read()
    invalidation.confirm(saves)
    return saves


def save(database, *ids):
    for id_ in ids:
        edition = an_edition(an_event(id=id_))
        assert database.save(database.read(id_), edition, (NOW + DAY, NOW + 2 * DAY), NOW)


def read_saved(invalidation):
    """The ids of the events that were saved since the last call."""
    return set(read(invalidation).saved)


def poll(invalidation, clock, *ids, after=timedelta(0)):
    """Poll events so much later, and give the database the notes."""
    clock.now += after
    for id_ in ids:
        invalidation.note_poll(id_, clock())
    assert read(invalidation)


def list_polled(database, since):
    """The events that the database knows to be polled at that time or later."""
    return set(database.list_due(since + POLLED_WITHIN, 100))


@contextmanager
def locked(url):
    """Another program holds the lock of the events until the end of the block."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE events SET polled = NULL"))
        yield
        connection.rollback()


def test_a_poll_is_noted_in_the_database_at_most_once_an_hour(database, invalidation, clock):
    save(database, "harbor")
    poll(invalidation, clock, "harbor", "harbor")
    assert list_polled(database, NOW) == {"harbor"}
    poll(invalidation, clock, "harbor", after=NOTED_EVERY - MICROSECOND)
    assert list_polled(database, NOW + timedelta(seconds=1)) == set()
    poll(invalidation, clock, "harbor", after=MICROSECOND)
    assert list_polled(database, NOW + NOTED_EVERY) == {"harbor"}


def test_a_poll_is_noted_again_after_the_clock_was_set_back(database, invalidation, clock):
    save(database, "harbor")
    poll(invalidation, clock, "harbor")
    poll(invalidation, clock, "harbor", after=-DAY)
    assert list_polled(database, NOW - DAY) == {"harbor"}
    assert list_polled(database, NOW) == set()


class SharedSeconds(float):
    """A time that two threads compare at the same time, unless a lock prevents that."""

    both = threading.Barrier(2)

    def __lt__(self, other):
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.2)
        return super().__lt__(other)


class SharedInstant(datetime):
    def timestamp(self):
        return SharedSeconds(super().timestamp())


def test_it_is_time_to_read_every_2_s_and_after_the_clock_was_set_back(invalidation, clock):
    assert invalidation.start_if_due()
    assert invalidation.is_current(clock.timestamp())
    clock.now += INVALIDATION_INTERVAL - MICROSECOND
    assert not invalidation.start_if_due()
    clock.now += MICROSECOND
    assert not invalidation.is_current(clock.timestamp())
    assert invalidation.start_if_due()
    clock.now -= DAY  # the clock is set back
    assert invalidation.start_if_due()


def test_it_is_time_to_read_for_one_of_two_threads(invalidation, clock):
    clock.now = SharedInstant.fromtimestamp(NOW.timestamp(), UTC)
    with ThreadPoolExecutor(2) as threads:
        due = [threads.submit(invalidation.start_if_due) for _ in range(2)]
    assert sorted(each.result() for each in due) == [False, True]


def test_a_read_that_cannot_write_its_notes_is_made_again_as_a_whole(
    url, database, clock, monkeypatch
):
    save(database, "harbor")
    for timeout in ("LOCK_TIMEOUT", "FILE_LOCK_TIMEOUT"):
        monkeypatch.setattr(engines, timeout, 1)  # seconds that the next process waits for a lock
    invalidation = Invalidation(connect(url), clock)
    assert read(invalidation)
    save(database, "harbor")
    invalidation.note_poll("harbor", clock())
    with locked(url):
        assert invalidation.read() is None
    assert list_polled(database, NOW) == set()
    assert read_saved(invalidation) == {"harbor"}
    assert list_polled(database, NOW) == {"harbor"}
    assert read_saved(invalidation) == set()


def test_what_any_process_has_saved_is_read_until_it_is_confirmed(url, database, invalidation):
    save(connect(url), "harbor")
    save(database, "bridge")
    assert [set(invalidation.read().saved) for _ in range(2)] == [{"harbor", "bridge"}] * 2
    assert read_saved(invalidation) == {"harbor", "bridge"}
    assert read_saved(invalidation) == set()

"""What the tests of the service share."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.clock import Clock
from tests.support.databases import close_all
from tests.support.waiting import PATIENCE
from tests.support.workers import DATABASE, HeldUpstream, Pair, Worker, missing_database

HARBOR_DAY = "2026-06-13"
"""The day of the event ``harbor``; the clock starts on 20 May."""


@pytest.fixture
def upstream(clock):
    with HeldUpstream(clock).on() as running:
        running.publish("harbor", HARBOR_DAY)
        yield running


@pytest.fixture
def set_max_wait(monkeypatch):
    """Set the seconds that requests wait for a refresh; without an edition, ``cold`` seconds."""

    def set_max_wait(seconds, cold=PATIENCE):
        monkeypatch.setattr("feeds.service.editions.MAX_WAIT", seconds)
        monkeypatch.setattr("feeds.service.editions.MAX_WAIT_COLD", cold)

    return set_max_wait


@pytest.fixture
def database_url(tmp_path):
    """The database that processes share."""
    yield f"sqlite:///{tmp_path / DATABASE}"
    close_all()


@pytest.fixture
def start_worker(upstream, database_url, clock, set_max_wait):
    """Start one more process; requests wait as long as the test does."""
    set_max_wait(PATIENCE)

    def start_worker(clock=clock, **changes):
        return Worker(upstream.url, database_url, clock, **changes)

    return start_worker


@pytest.fixture
def worker(start_worker):
    return start_worker()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture
def pair(start_worker, clock, threads):
    return Pair(start_worker(), start_worker(clock=Clock(clock())), threads)


@pytest.fixture
def remove_database(tmp_path):
    """Have no database until the end of a block."""
    return partial(missing_database, tmp_path)

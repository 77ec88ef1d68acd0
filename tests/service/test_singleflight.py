"""Work that may hang: what it costs those who want it done."""

import time
from queue import Queue
from threading import Event

import pytest

from feeds.domain import freshness
from feeds.service.singleflight import Aside
from tests.support.processes import PATIENCE, until


@pytest.fixture
def released():
    flag = Event()
    yield flag
    flag.set()


def test_it_is_done_before_one_goes_on():
    done = []
    aside = Aside(lambda: done.append(1))
    aside.do()
    aside.do()
    assert done == [1, 1]


def test_what_hangs_is_neither_begun_nor_waited_for_again(released, monkeypatch):
    monkeypatch.setattr(freshness, "MAX_WAIT", 0.2)
    done = []

    def hang():
        done.append(1)
        released.wait(PATIENCE)

    aside = Aside(hang)
    aside.do()
    began = time.monotonic()
    for _ in range(100):
        aside.do()
    assert time.monotonic() - began < PATIENCE / 2
    assert done == [1]


def test_after_that_nobody_waits_until_one_has_come_to_its_end_in_time(released, monkeypatch):
    monkeypatch.setattr(freshness, "MAX_WAIT", 0.2)
    begun: Queue[int] = Queue()
    ended: Queue[int] = Queue()

    def work():
        begun.put(1)
        released.wait(PATIENCE)
        ended.put(1)

    aside = Aside(work)

    def done(number):
        aside.do()
        return begun.qsize() >= number

    aside.do()
    released.set()
    ended.get(timeout=PATIENCE)
    released.clear()
    until(lambda: done(2), "the second")
    assert ended.empty(), "it is not waited for"
    monkeypatch.setattr(freshness, "MAX_WAIT", PATIENCE)
    released.set()
    until(lambda: not aside._hangs, "the end of the second, which was in time")
    until(lambda: done(3), "the third")
    assert ended.qsize() > 1, "it is waited for"

"""Work that may hang: what it costs those who want it done."""

import time
from threading import Event

import pytest

from feeds import freshness
from feeds.aside import Aside
from tests.running import PATIENCE


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
    monkeypatch.setattr(freshness, "PATIENCE", 0.2)
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

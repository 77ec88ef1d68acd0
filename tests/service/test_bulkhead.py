"""Threads that wait for a refresh: all of them while answers come in, so many when none does."""

from queue import Queue
from threading import Event as Flag
from threading import Thread
from time import monotonic

import pytest

from feeds.service.bulkhead import GLANCE, MOST, STALLED_AFTER, Bulkhead
from tests.support.processes import PATIENCE

A_MOMENT = 0.001
FOR_EVER = 1e9


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds(monkeypatch):
    seconds = Seconds()
    monkeypatch.setattr("feeds.service.bulkhead.monotonic", seconds)
    return seconds


class Waiter:
    """A thread in the crowd; it looks up when it is told to, and then "waits" on or "leaves"."""

    def __init__(self, crowd, end=FOR_EVER):
        self._crowd, self._end = crowd, end
        self._told: Queue[bool] = Queue()
        self._does: Queue[str] = Queue()
        self.got: bool | None = None
        Thread(target=self._wait, daemon=True).start()
        assert self._does.get(timeout=PATIENCE) == "waits"

    def _wait(self):
        self.got = self._crowd.wait(self._take, self._end)
        self._does.put("leaves")

    def _take(self, seconds):
        if seconds == 0:  # the last look of one that leaves
            return False
        self._does.put("waits")
        return self._told.get(timeout=PATIENCE)

    def looks_up(self, *, answer=False):
        self._told.put(answer)
        return self._does.get(timeout=PATIENCE)


@pytest.fixture
def crowded(seconds):
    """A crowd that waits for one refresh, with five more than may if that takes too long."""
    crowd = Bulkhead()
    crowd.begun()
    waiters = [Waiter(crowd) for _ in range(MOST + 5)]
    yield crowd, waiters
    for each in waiters:
        if each.got is None:
            each.looks_up(answer=True)


def what_they_do(waiters):
    """What each of those who are still there does, looking up one after the other."""
    return [each.looks_up() for each in waiters if each.got is None]


class TestWaiting:
    def test_ends_when_the_answer_comes(self):
        done, crowd = Flag(), Bulkhead()
        answers: Queue[bool] = Queue()
        crowd.begun()
        threads = [
            Thread(target=lambda: answers.put(crowd.wait(done.wait, monotonic() + PATIENCE)))
            for _ in range(3)
        ]
        for each in threads:
            each.start()
        done.set()
        assert [answers.get(timeout=PATIENCE / 2) for _ in threads] == [True] * 3

    def test_takes_an_answer_that_is_there_already(self, seconds):
        assert Bulkhead().wait(lambda _: True, seconds.now + 1)
        assert Bulkhead().wait(lambda _: True, seconds.now - 1), "even one who has no time left"

    def test_ends_at_its_end_without_one(self, seconds):
        waited = []

        def take(left):
            waited.append(left)
            seconds.now += left
            return False

        assert not Bulkhead().wait(take, seconds.now + 2.5 * GLANCE)
        assert waited == pytest.approx([GLANCE, GLANCE, GLANCE / 2, 0])

    def test_takes_an_answer_that_comes_at_the_end(self, seconds):
        def take(left):
            seconds.now += left
            return left == 0

        assert Bulkhead().wait(take, seconds.now + GLANCE)


class TestACrowd:
    def test_waits_as_a_whole_while_it_is_not_stalled(self, crowded, seconds):
        crowd, waiters = crowded
        seconds.now += STALLED_AFTER
        assert not crowd.too_large()
        assert what_they_do(waiters) == ["waits"] * (MOST + 5)

    def test_loses_its_surplus_at_once_when_it_is_stalled(self, crowded, seconds):
        crowd, waiters = crowded
        seconds.now += STALLED_AFTER + A_MOMENT
        assert crowd.too_large()
        assert what_they_do(waiters) == ["leaves"] * 5 + ["waits"] * MOST
        assert not crowd.too_large()
        assert what_they_do(waiters) == ["waits"] * MOST
        assert [each.got for each in waiters[:5]] == [False] * 5

    def test_that_is_stalled_sends_newcomers_away_but_with_an_answer_that_is_there(
        self, crowded, seconds
    ):
        crowd, waiters = crowded
        seconds.now += STALLED_AFTER + A_MOMENT
        what_they_do(waiters)
        asked = []

        def take(left):
            asked.append(left)
            return False

        assert not crowd.wait(take, FOR_EVER)
        assert asked == [0], "without waiting"
        assert crowd.wait(lambda _: True, FOR_EVER)

    def test_that_was_answered_makes_room_for_others(self, crowded, seconds):
        crowd, waiters = crowded
        seconds.now += STALLED_AFTER + A_MOMENT
        what_they_do(waiters)
        assert waiters[-1].looks_up(answer=True) == "leaves"
        assert waiters[-1].got is True
        waiters.append(Waiter(crowd))
        assert waiters[-1].looks_up() == "waits"

    def test_that_waits_for_nothing_is_never_too_large(self, crowded, seconds):
        crowd, waiters = crowded
        crowd.ended(well=False)
        seconds.now += 100 * STALLED_AFTER
        assert not crowd.too_large()
        assert what_they_do(waiters) == ["waits"] * (MOST + 5)


class TestAnEnd:
    def test_that_is_good_has_all_wait_for_the_others_that_long_again(self, crowded, seconds):
        crowd, waiters = crowded
        crowd.begun()
        seconds.now += STALLED_AFTER
        crowd.ended(well=True)
        seconds.now += STALLED_AFTER
        assert what_they_do(waiters) == ["waits"] * (MOST + 5)
        seconds.now += A_MOMENT
        assert what_they_do(waiters) == ["leaves"] * 5 + ["waits"] * MOST

    def test_that_is_good_has_a_stalled_crowd_take_others_again(self, crowded, seconds):
        crowd, waiters = crowded
        crowd.begun()
        seconds.now += STALLED_AFTER + A_MOMENT
        what_they_do(waiters)
        crowd.ended(well=True)
        waiters += [Waiter(crowd) for _ in range(5)]
        assert what_they_do(waiters) == ["waits"] * (MOST + 5)

    def test_that_is_not_gains_no_time(self, crowded, seconds):
        crowd, waiters = crowded
        crowd.begun()
        seconds.now += STALLED_AFTER
        crowd.ended(well=False)
        seconds.now += A_MOMENT
        assert what_they_do(waiters) == ["leaves"] * 5 + ["waits"] * MOST

    def test_that_is_not_gains_the_next_refresh_no_time_either(self, crowded, seconds):
        crowd, waiters = crowded
        seconds.now += STALLED_AFTER + A_MOMENT
        crowd.ended(well=False)
        crowd.begun()
        assert what_they_do(waiters) == ["leaves"] * 5 + ["waits"] * MOST

    def test_that_is_good_gives_the_next_refresh_its_own_time(self, crowded, seconds):
        crowd, waiters = crowded
        crowd.ended(well=True)
        seconds.now += 100 * STALLED_AFTER
        crowd.begun()
        seconds.now += STALLED_AFTER
        assert what_they_do(waiters) == ["waits"] * (MOST + 5)
        seconds.now += A_MOMENT
        crowd.begun()
        assert what_they_do(waiters) == ["leaves"] * 5 + ["waits"] * MOST

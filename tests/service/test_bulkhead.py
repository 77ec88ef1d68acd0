"""Requests that wait for refreshes: all while refreshes end, 48 once refreshes have stalled."""

from queue import Queue
from threading import Thread

import pytest

from feeds.service.admission import CHECK_INTERVAL, MAX_WAITING, STALLED_AFTER, Bulkhead
from tests.support.waiting import PATIENCE

A_MOMENT = 0.001
FOR_EVER = 1e9
ALL_WAIT = ["waits"] * (MAX_WAITING + 5)
FIVE_LEAVE = ["leaves"] * 5 + ["waits"] * MAX_WAITING


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds(monkeypatch):
    seconds = Seconds()
    monkeypatch.setattr("feeds.service.admission.monotonic", seconds)
    return seconds


class Waiter:
    """A thread that waits; at each ``check`` it "waits" on or "leaves"."""

    def __init__(self, bulkhead, end=FOR_EVER):
        self._bulkhead, self._end = bulkhead, end
        self._results: Queue[bool] = Queue()
        self._actions: Queue[str] = Queue()
        self.result: bool | None = None
        Thread(target=self._run, daemon=True).start()
        assert self._actions.get(timeout=PATIENCE) == "waits"

    def _run(self):
        self.result = self._bulkhead.wait(self._wait, self._end)
        self._actions.put("leaves")

    def _wait(self, seconds):
        if seconds == 0:  # the last look of a thread that leaves
            return False
        self._actions.put("waits")
        return self._results.get(timeout=PATIENCE)

    def check(self, *, ended=False):
        self._results.put(ended)
        return self._actions.get(timeout=PATIENCE)


@pytest.fixture
def waiting(seconds):
    """A bulkhead with one refresh, for which five threads more wait than may if it stalls."""
    bulkhead = Bulkhead()
    bulkhead.begin()
    waiters = [Waiter(bulkhead) for _ in range(MAX_WAITING + 5)]
    yield bulkhead, waiters
    for each in waiters:
        if each.result is None:
            each.check(ended=True)


def check_all(waiters):
    """What each thread that is still there does, one after the other."""
    return [each.check() for each in waiters if each.result is None]


def test_a_thread_without_time_left_takes_a_result_that_is_there(seconds):
    assert Bulkhead().wait(lambda _: True, seconds.now + 1)
    assert Bulkhead().wait(lambda _: True, seconds.now - 1)


def test_a_thread_leaves_at_its_end_without_a_result(seconds):
    waited = []

    def wait(left):
        waited.append(left)
        seconds.now += left
        return False

    assert not Bulkhead().wait(wait, seconds.now + 2.5 * CHECK_INTERVAL)
    assert waited == pytest.approx([CHECK_INTERVAL, CHECK_INTERVAL, CHECK_INTERVAL / 2, 0])


BEGIN = "begin"
ANSWERED, FAILED, UNASKED = ENDS = ("answered", "failed", "unasked")


@pytest.mark.parametrize(
    ("steps", "full"),
    [
        ([STALLED_AFTER], False),
        ([STALLED_AFTER, A_MOMENT], True),
        ([FAILED, 100 * STALLED_AFTER], False),
        ([BEGIN, STALLED_AFTER, ANSWERED, STALLED_AFTER], False),
        ([BEGIN, STALLED_AFTER, ANSWERED, STALLED_AFTER, A_MOMENT], True),
        ([BEGIN, STALLED_AFTER, A_MOMENT, ANSWERED], False),
        ([BEGIN, STALLED_AFTER, FAILED, A_MOMENT], True),
        ([BEGIN, STALLED_AFTER, UNASKED, A_MOMENT], True),
        ([ANSWERED, BEGIN, STALLED_AFTER, BEGIN, UNASKED], False),
        ([STALLED_AFTER, A_MOMENT, FAILED, BEGIN], True),
        ([ANSWERED, 100 * STALLED_AFTER, BEGIN, STALLED_AFTER], False),
        ([ANSWERED, 100 * STALLED_AFTER, BEGIN, STALLED_AFTER, A_MOMENT, BEGIN], True),
    ],
    ids=str,
)
def test_the_surplus_leaves_once_running_refreshes_have_had_no_answer_for_too_long(
    waiting, seconds, steps, full
):
    bulkhead, waiters = waiting
    for step in steps:
        if step == BEGIN:
            bulkhead.begin()
        elif step in ENDS:
            bulkhead.end(answered=None if step == UNASKED else step == ANSWERED)
        else:
            seconds.now += step
    assert bulkhead.is_full() == full
    assert check_all(waiters) == (FIVE_LEAVE if full else ALL_WAIT)
    assert not bulkhead.is_full()
    assert check_all(waiters) == ALL_WAIT[: MAX_WAITING + 5 * (not full)]


def test_a_newcomer_takes_a_result_that_is_there_but_does_not_wait_when_full(waiting, seconds):
    bulkhead, waiters = waiting
    seconds.now += STALLED_AFTER + A_MOMENT
    check_all(waiters)
    waited = []

    def wait(left):
        waited.append(left)
        return False

    assert not bulkhead.wait(wait, FOR_EVER)
    assert waited == [0]
    assert bulkhead.wait(lambda _: True, FOR_EVER)


def test_a_thread_that_leaves_makes_room_for_a_newcomer(waiting, seconds):
    bulkhead, waiters = waiting
    seconds.now += STALLED_AFTER + A_MOMENT
    check_all(waiters)
    assert waiters[-1].check(ended=True) == "leaves"
    assert waiters[-1].result is True
    waiters.append(Waiter(bulkhead))
    assert waiters[-1].check() == "waits"

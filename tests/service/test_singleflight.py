"""Tasks that may hang: one run of each at a time, and callers that do not wait for ever."""

import time
from queue import Queue
from threading import Event as Flag
from threading import Thread

import pytest

from feeds.service.singleflight import BoundedWaitTask, Singleflight
from tests.support.waiting import PATIENCE, wait_until

MAX_WAIT = 0.5


class HeldTask:
    """A task whose runs go on until they are released, each by its number."""

    def __init__(self):
        self.started = 0
        self._released = [Flag() for _ in range(4)]

    def __call__(self, *_):
        number = self.started
        self.started += 1
        assert self._released[number].wait(PATIENCE)
        return number

    def release(self, number):
        self._released[number].set()

    def release_all(self):
        for number in range(len(self._released)):
            self.release(number)


@pytest.fixture
def task():
    task = HeldTask()
    yield task
    task.release_all()


def join(flights, key, task):
    """The flight of a key; there is one."""
    flight = flights.join(key, task)
    assert flight is not None
    return flight


def is_waited_for(patient):
    """Whether a caller waits for the task as long as a caller may."""
    began = time.monotonic()
    patient.run()
    return time.monotonic() - began >= MAX_WAIT


def test_callers_with_one_key_get_the_result_of_one_run(task):
    flights = Singleflight[int](limit=4)
    joined = [join(flights, "harbor", task) for _ in range(3)]
    assert joined[0].result is None
    task.release(0)
    assert all(flight.wait(PATIENCE) for flight in joined)
    assert [flight.result for flight in joined] == [0, 0, 0]
    assert task.started == 1


def test_tasks_with_other_keys_run_at_the_same_time_up_to_the_limit(task):
    flights = Singleflight[int](limit=2)
    first = join(flights, "harbor", task)
    wait_until(lambda: task.started == 1, "the first run")
    second = join(flights, "bridge", task)
    wait_until(lambda: task.started == 2, "the second run")
    assert flights.keys() == {"harbor", "bridge"}
    assert flights.join("lake", task) is None
    assert flights.join("harbor", task) is first
    task.release(1)
    assert second.wait(PATIENCE)
    third = join(flights, "lake", task)
    assert flights.keys() == {"harbor", "lake"}
    task.release(2)
    assert third.wait(PATIENCE)


def test_a_caller_stops_waiting_and_the_run_goes_on(task):
    flight = join(Singleflight[int](limit=1), "harbor", task)
    flight.set_fallback(7)
    assert not flight.wait(0.01)
    assert (flight.result, flight.fallback) == (None, 7)
    task.release(0)
    assert flight.wait(PATIENCE)
    assert flight.result == 0


def test_another_run_starts_beside_one_that_hangs_and_outlives_its_end(task):
    flights = Singleflight[int](limit=1, max_age=0.0)
    hanging = join(flights, "harbor", task)
    wait_until(lambda: task.started == 1, "the first run")
    second = join(flights, "harbor", task)
    wait_until(lambda: task.started == 2, "the second run")
    task.release(0)
    assert hanging.wait(PATIENCE)
    assert flights.keys() == {"harbor"}  # the second run goes on
    task.release(1)
    assert second.wait(PATIENCE)
    assert (hanging.result, second.result) == (0, 1)
    assert flights.keys() == frozenset()


def test_a_run_that_raises_ends_without_a_result(monkeypatch):
    raised: Queue[type] = Queue()
    monkeypatch.setattr("threading.excepthook", lambda error: raised.put(error.exc_type))
    flights = Singleflight[float](limit=1)
    flight = join(flights, "harbor", lambda _: 1 / 0)
    assert flight.wait(PATIENCE)
    assert flight.result is None
    assert flights.keys() == frozenset()
    assert raised.get(timeout=PATIENCE) is ZeroDivisionError


def test_a_caller_waits_for_the_end_of_a_bounded_wait_task():
    runs = []
    patient = BoundedWaitTask(lambda: runs.append(1), PATIENCE)
    patient.run()
    patient.run()
    assert runs == [1, 1]


def test_a_bounded_wait_task_that_hangs_is_neither_started_nor_waited_for_again(task):
    patient = BoundedWaitTask(task, MAX_WAIT)
    assert is_waited_for(patient)
    assert not any(is_waited_for(patient) for _ in range(100))
    assert task.started == 1


def test_a_caller_waits_until_a_run_has_lasted_max_wait(task, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("feeds.service.singleflight.monotonic", lambda: now)
    patient = BoundedWaitTask(task, MAX_WAIT)
    first = Thread(target=patient.run)
    first.start()
    wait_until(lambda: task.started == 1, "the run")
    now += MAX_WAIT
    assert not is_waited_for(patient)
    task.release(0)
    first.join(PATIENCE)


def test_callers_wait_for_a_bounded_wait_task_again_once_a_run_has_ended_in_time(task, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("feeds.service.singleflight.monotonic", lambda: now)
    patient = BoundedWaitTask(task, MAX_WAIT)
    assert is_waited_for(patient)
    now += 1  # the first run ends late
    task.release(0)
    while task.started == 1:
        assert not is_waited_for(patient)
    task.release(1)  # the second run ends in time
    wait_until(lambda: is_waited_for(patient), "a run that a caller waits for")
    assert task.started == 3

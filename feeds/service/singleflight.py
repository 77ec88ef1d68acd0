"""Singleflight: at most one run of a task per key, each in a background thread.

A task that hangs, such as a query of a database that does not answer, holds its own thread and no
request for longer than the request chooses to wait.
"""

from collections.abc import Callable
from math import inf
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

from feeds.logs import REQUEST_ID

T = TypeVar("T")

THREAD = "flight"
"""The name of the threads."""


class Flight(Generic[T]):
    """One run of a task.

    ``result`` is set once the run has ended, and stays None if it raised. ``fallback`` is the value
    for callers that stop waiting. ``began`` is monotonic time.
    """

    def __init__(self) -> None:
        self.began = monotonic()
        self.fallback: T | None = None
        self.result: T | None = None
        self._has_fallback = Flag()
        self._ended = Flag()

    def set_fallback(self, value: T) -> T:
        """Give callers that stop waiting this value, which the task has found so far."""
        self.fallback = value
        self._has_fallback.set()
        return value

    def wait_for_fallback(self, seconds: float) -> bool:
        """Wait for a fallback or the end of the run; False if there is neither in that time."""
        return self._has_fallback.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the run; False if it has not ended after so many seconds."""
        return self._ended.wait(seconds)

    def run(self, task: Callable[["Flight[T]"], T], when_ended: Callable[[], None]) -> None:
        try:
            self.result = task(self)
        finally:
            when_ended()
            self._ended.set()
            self._has_fallback.set()


class Singleflight(Generic[T]):
    """Tasks by key; threads may share it. At most ``limit`` keys have a running task.

    A flight that is older than ``max_age`` seconds hangs: the next caller starts another one.
    """

    def __init__(self, limit: int, max_age: float = inf) -> None:
        self._limit = limit
        self._max_age = max_age
        self._flights: dict[str, Flight[T]] = {}
        self._lock = Lock()

    def join(self, key: str, task: Callable[[Flight[T]], T]) -> Flight[T] | None:
        """The running flight of a key, else a new one.

        None if ``limit`` flights are running, or if the system gives no more threads.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight and monotonic() - flight.began <= self._max_age:
                return flight
            if flight is None and len(self._flights) >= self._limit:
                return None
            started: Flight[T] = Flight()
            request_id = REQUEST_ID.get()

            def run() -> None:
                # Lines in the log have the id of the request that began the flight. The rest of the
                # context stays behind: Flask's would keep the request in memory.
                REQUEST_ID.set(request_id)
                started.run(task, lambda: self._remove(key, started))

            try:
                Thread(target=run, name=THREAD).start()
            except RuntimeError:
                return None
            self._flights[key] = started
            return started

    def keys(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._flights)

    def _remove(self, key: str, flight: Flight[T]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]


class BoundedWaitTask:
    """A task that callers wait for while it works, and do not wait for while it hangs.

    After a run that took longer than ``max_wait`` seconds, callers start the next one but do not
    wait for it, until a run ends in time again.
    """

    def __init__(self, task: Callable[[], None], max_wait: float) -> None:
        self._task = task
        self._max_wait = max_wait
        self._flights: Singleflight[None] = Singleflight(limit=1)
        self._hangs = False

    def run(self) -> None:
        """Run the task, or join the run under way, and wait for ``max_wait`` seconds at most."""
        flight = self._flights.join("", self._run)
        if flight is not None and not self._hangs:
            end = flight.began + self._max_wait
            self._hangs = not flight.wait(max(0.0, end - monotonic()))

    def _run(self, flight: Flight[None]) -> None:
        self._task()
        self._hangs = monotonic() - flight.began > self._max_wait

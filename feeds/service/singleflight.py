"""Work that may hang, such as a query of a database that answers no more, away from requests."""

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic

from feeds.domain import freshness


class Aside:
    """Work in a thread of its own, once at a time; it is waited for as long as a refresh is.

    When it has not come to its end by then, nobody waits for it any more, nor for the next, until
    one has.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._lock = Lock()
        self._thread: Thread | None = None
        self._began = 0.0
        self._hangs = False

    def do(self) -> None:
        """Have it done, unless it is being done, and wait for it."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                thread = Thread(target=self._run)
                thread.start()
                self._thread, self._began = thread, monotonic()
            thread, end = self._thread, self._began + freshness.MAX_WAIT
        if not self._hangs:
            thread.join(max(0.0, end - monotonic()))
            self._hangs = thread.is_alive()

    def _run(self) -> None:
        began = monotonic()
        self._work()
        self._hangs = monotonic() - began > freshness.MAX_WAIT

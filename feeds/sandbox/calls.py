"""The log of the calls that the partner API received, in memory."""

from collections import deque
from threading import Lock
from typing import Any

MAX_CALLS = 1_000


class CallLog:
    """The number of calls, and the last ``MAX_CALLS`` of the calls. Threads can share the log."""

    def __init__(self) -> None:
        self._total = 0
        self._calls: deque[dict[str, Any]] = deque(maxlen=MAX_CALLS)
        self._lock = Lock()

    def add(self, call: dict[str, Any]) -> None:
        with self._lock:
            self._total += 1
            self._calls.append(call)

    def report(self) -> dict[str, Any]:
        """``{"total": n, "calls": [...]}``, oldest first."""
        with self._lock:
            return {"total": self._total, "calls": list(self._calls)}

    def clear(self) -> None:
        with self._lock:
            self._total = 0
            self._calls.clear()

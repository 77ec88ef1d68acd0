"""A log that tells of a cause once in a minute, however often it is met."""

from collections.abc import Callable
from logging import Logger
from threading import Lock

MINUTE = 60.0


class Sparing:
    """``seconds`` tells the time; threads may share it."""

    def __init__(self, log: Logger, seconds: Callable[[], float]) -> None:
        self._log = log
        self._seconds = seconds
        self._told: dict[str, tuple[float, int]] = {}
        self._lock = Lock()

    def tell(self, cause: str, message: str, *args: object) -> None:
        """Tell of it, and how often it was met since it was told last; or count it."""
        with self._lock:
            now = self._seconds()
            since, more = self._told.get(cause, (None, 0))
            if since is not None and since <= now < since + MINUTE:
                self._told[cause] = since, more + 1
                return
            self._told[cause] = now, 0
        self._log.warning(message + (f" ({more} more like this before)" if more else ""), *args)

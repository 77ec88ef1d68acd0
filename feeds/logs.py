"""Log each cause at most once a minute, with the number of suppressed messages."""

from collections.abc import Callable
from logging import Logger
from threading import Lock

MINUTE = 60.0


class Throttle:
    """A logger's warnings by cause; ``seconds`` is the clock. Threads may share it.

    Causes are few: words of this service, never texts of the upstream.
    """

    def __init__(self, log: Logger, seconds: Callable[[], float]) -> None:
        self._log = log
        self._seconds = seconds
        self._logged: dict[str, tuple[float, int]] = {}
        self._lock = Lock()

    def warning(self, cause: str, message: str, *args: object) -> None:
        """Log the message, unless one of the same cause was logged less than a minute ago."""
        with self._lock:
            now = self._seconds()
            since, suppressed = self._logged.get(cause, (None, 0))
            if since is not None and since <= now < since + MINUTE:
                self._logged[cause] = since, suppressed + 1
                return
            self._logged[cause] = now, 0
        if suppressed:
            message += f" ({suppressed} more like this before)"
        self._log.warning(message, *args)

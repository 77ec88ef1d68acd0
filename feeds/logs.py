"""Bounds on the log, and the id of the current request.

Each cause is logged at most once a minute, each outage when it begins and when it is over, and each
document with at most 20 lines an hour.
"""

from collections.abc import Callable
from contextvars import ContextVar
from logging import Logger, LogRecord
from threading import Lock
from time import monotonic

from cachetools import LRUCache
from msgspec import Struct, field

# Made at import. structlog makes its own context variables with the first request: of several first
# requests at once, each would make a variable, and could not reset that of another request.
REQUEST_ID = ContextVar("request_id", default="")
"""The id of the request that lines in the log come from."""

MINUTE, HOUR = 60.0, 3600.0

REPEATED = 5 * MINUTE
"""The least time between two log lines of one cause about documents that cannot be read at all."""

MAX_REQUEST = 200
"""Characters of a message about a request that is no HTTP."""

MAX_LINES = 20
"""Lines that one document writes in an hour, the number of suppressed findings included."""

MAX_FINDINGS, MAX_DOCUMENTS = 100, 10_000
"""Findings of a document, and documents, that are remembered as logged."""


class Throttle:
    """A logger's warnings by cause; ``seconds`` is the clock. Threads may share it.

    Causes are few: words of this service, never texts of the upstream.
    """

    def __init__(self, log: Logger, seconds: Callable[[], float]) -> None:
        self._log = log
        self._seconds = seconds
        self._logged: dict[str, tuple[float, int]] = {}
        self._lock = Lock()

    def warning(self, cause: str, message: str, *args: object, interval: float = MINUTE) -> None:
        """Log the message, unless one of the same cause was logged within the interval."""
        suppressed = self.admit(cause, interval)
        if suppressed is not None:
            self._log.warning(message + _count(suppressed), *args)

    def admit(self, cause: str, interval: float = MINUTE) -> int | None:
        """How many messages of a cause were suppressed before this one; None to suppress it."""
        with self._lock:
            now = self._seconds()
            since, suppressed = self._logged.get(cause, (None, 0))
            if since is not None and since <= now < since + interval:
                self._logged[cause] = since, suppressed + 1
                return None
            self._logged[cause] = now, 0
        return suppressed


class Outage:
    """Logs when something begins to fail, and when it works again; ``seconds`` is the clock.

    An outage that begins within a minute after another one is not logged, but counted. Threads may
    share it.
    """

    def __init__(self, log: Logger, what: str, seconds: Callable[[], float]) -> None:
        self._log = log
        self._what = what
        self._seconds = seconds
        self._throttle = Throttle(log, seconds)
        self._since: float | None = None
        self._logged = False
        self._lock = Lock()

    def begin(self, message: str, *args: object) -> bool:
        """Log that the outage begins; False if it has begun before."""
        with self._lock:
            if self._since is not None:
                return False
            self._since = self._seconds()
            suppressed = self._throttle.admit("")
            self._logged = suppressed is not None
        if suppressed is not None:
            self._log.warning(message + _count(suppressed), *args, extra={"outage": self._what})
        return True

    def end(self) -> None:
        """Log that the outage is over, and how long it was, if there was one."""
        if self._since is None:  # as nearly always; without the lock
            return
        with self._lock:
            since, self._since = self._since, None
            logged, self._logged = self._logged, False  # another thread may have been faster
        if logged:
            length = max(0.0, self._seconds() - since)
            fields = {"outage": self._what, "seconds": round(length)}
            message = "%s works again after %s"
            self._log.warning(message, self._what, _format_length(length), extra=fields)

    def clear(self) -> None:
        self.__init__(self._log, self._what, self._seconds)  # type: ignore[misc]


def _format_length(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _count(suppressed: int) -> str:
    return f" ({suppressed} more like this before)" if suppressed else ""


def bound_bad_requests(log: Logger, seconds: Callable[[], float] = monotonic) -> None:
    """Log gunicorn's messages about requests that are no HTTP at most once a minute, shortened."""
    throttle = Throttle(log, seconds)

    def admit(record: LogRecord) -> bool:
        message = record.getMessage()
        if not message.startswith("Invalid request from "):
            return True
        suppressed = throttle.admit("")
        if suppressed is None:
            return False
        shortened = message if len(message) <= MAX_REQUEST else f"{message[:MAX_REQUEST]}…"
        record.msg, record.args = shortened + _count(suppressed), ()
        return True

    log.addFilter(admit)


class _Document(Struct):
    """What was logged of a document; ``seen`` are the hashes of findings."""

    since: float
    lines: int = 0
    seen: set[int] = field(default_factory=set)
    suppressed: int = 0
    counted: bool = False


class FindingLog:
    """Log each finding about a document once; ``seconds`` is the clock. Threads may share it.

    A document writes at most ``MAX_LINES`` an hour, however often it is fetched, and at most
    ``MAX_FINDINGS`` of its findings; the others are counted in one line an hour.
    """

    def __init__(self, log: Logger, seconds: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._seconds = seconds
        self._documents: LRUCache[str, _Document] = LRUCache(MAX_DOCUMENTS)
        self._lock = Lock()

    def warning(self, finding: str) -> None:
        """Log a finding, which begins with the name of the document and a comma or a colon."""
        name, key = finding.partition(":")[0].partition(",")[0], hash(finding)
        with self._lock:
            document = self._get(name)
            if key in document.seen:
                return
            if document.lines >= MAX_LINES - 1 or len(document.seen) >= MAX_FINDINGS:
                document.suppressed += 1
                return
            document.seen.add(key)
            document.lines += 1
        self._log.warning("%s", finding)

    def finish(self, name: str) -> None:
        """Log how many findings of a document were suppressed since the last ``finish``."""
        with self._lock:
            document = self._documents.get(name)
            if document is None or not document.suppressed:
                return
            suppressed, document.suppressed = document.suppressed, 0
            if document.counted:
                return
            document.counted = True
        self._log.warning("%s: %d more findings like these", name, suppressed)

    def clear(self) -> None:
        with self._lock:
            self._documents.clear()

    def _get(self, name: str) -> _Document:
        now = self._seconds()
        document = self._documents.get(name)
        if document is None:
            document = self._documents[name] = _Document(now)
        elif not document.since <= now < document.since + HOUR:
            document.since, document.lines, document.counted = now, 0, False
        return document

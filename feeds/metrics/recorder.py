"""The metrics of a process, as prometheus-client keeps them.

Import this module only after ``PROMETHEUS_MULTIPROC_DIR`` is set: the client library decides at its
import whether processes share a folder.
"""

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from time import monotonic

from cachetools import TTLCache
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from feeds.metrics.clients import classify_client, find_subscribers, strip_numbers
from feeds.metrics.requests import Hit, Request, group_hits, join_address

MAX_USER_AGENT = 300
"""Characters of a user agent that are looked at."""

MAX_HITS = 100_000
"""Hits that wait to be counted; more are not counted."""

MAX_REPORTED, REPORTED_FOR = 10_000, 2 * 86_400.0
"""Numbers of subscribers that are remembered, one for each service and feed, and for how long."""

_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16)
_RENDER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Recorder:
    """Counts what happens in a process; threads may share it. ``seconds`` is the clock."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self.registry = registry = CollectorRegistry()
        self.hits: deque[Hit] = deque(maxlen=MAX_HITS)
        self._requests = Counter(
            "feeds_requests",
            "Requests by route, format and outcome.",
            ("route", "format", "outcome"),
            registry=registry,
        )
        self._polls = Counter(
            "feeds_polls",
            "Answered polls of feeds by format and family of the client.",
            ("format", "client"),
            registry=registry,
        )
        self._subscribers = Gauge(
            "feeds_told_subscribers",
            "Subscribers that feed reader services reported in the last two days, by format.",
            ("format",),
            registry=registry,
            multiprocess_mode="livemax",  # each worker hears of all of them sooner or later
        )
        self._calls = Histogram(
            "feeds_upstream_call_seconds",
            "Calls of the upstream by outcome.",
            ("outcome",),
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self._refreshes = Histogram(
            "feeds_refresh_seconds",
            "Refreshes of events by outcome, from the call to the saved edition.",
            ("outcome",),
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self._renders = Histogram(
            "feeds_render_seconds",
            "Renders of feeds and pages by format.",
            ("format",),
            buckets=_RENDER_SECONDS,
            registry=registry,
        )
        self._changes = Counter(
            "feeds_changes_noticed", "Changes noticed by kind.", ("kind",), registry=registry
        )
        self._database_errors = Counter(
            "feeds_database_errors", "Errors of the database by kind.", ("kind",), registry=registry
        )
        self._reported: TTLCache[tuple[str, str, str], int] = TTLCache(
            MAX_REPORTED, REPORTED_FOR, seconds
        )
        self._not_summed: set[str] = set()
        self._lock = Lock()

    def count_request(self, request: Request) -> None:
        """Count a request that has been answered."""
        self._count(request, 1)
        if request.is_poll:
            self._note_subscribers(request.format, request.address, request.user_agent)

    def flush(self) -> None:
        """Count the hits that were noted since the last call."""
        with self._lock:  # two threads could take the last hit
            hits = [self.hits.popleft() for _ in range(len(self.hits))]
        for group, number in group_hits(hits).items():
            self._count(group.describe(), number)
        for (_, format_, _), url, _, _, user_agent in hits:
            client = (user_agent or "")[:MAX_USER_AGENT]
            if _find_subscribers(client) is not None:
                self._note_subscribers(format_, join_address(*url), client)
        self._sum_subscribers()

    def _count(self, request: Request, number: int) -> None:
        self._requests.labels(request.route, request.format, request.outcome).inc(number)
        if request.is_poll:
            client = _classify(request.user_agent[:MAX_USER_AGENT])
            self._polls.labels(request.format, client).inc(number)

    def observe_call(self, outcome: str, seconds: float) -> None:
        """Count a call of the upstream."""
        self._calls.labels(outcome).observe(seconds)

    def observe_refresh(self, outcome: str, seconds: float) -> None:
        """Count a refresh of an event."""
        self._refreshes.labels(outcome).observe(seconds)

    def observe_render(self, kind: str, seconds: float) -> None:
        """Count a render; ``seconds`` is how long it took."""
        self._renders.labels(kind).observe(seconds)

    def count_change(self, kind: str) -> None:
        """Count a change of an event that was noticed."""
        self._changes.labels(kind).inc()

    def count_database_error(self, kind: str) -> None:
        """Count an error of the database."""
        self._database_errors.labels(kind).inc()

    def _note_subscribers(self, format_: str, address: str, user_agent: str) -> None:
        """Note how many subscribers of a feed a service has reported; a feed is a whole address."""
        user_agent = user_agent[:MAX_USER_AGENT]
        number = _find_subscribers(user_agent)
        if number is None:
            return
        with self._lock:
            self._reported[format_, address, strip_numbers(user_agent)] = number
            self._not_summed.add(format_)

    def _sum_subscribers(self) -> None:
        """Sum the last reports, by format, if there are new ones.

        A sum for each request would cost up to 10 ms.
        """
        with self._lock:
            if not self._not_summed:
                return
            sums = dict.fromkeys(self._not_summed, 0)
            self._not_summed.clear()
            for (format_, *_), number in self._reported.items():
                if format_ in sums:
                    sums[format_] += number
        for format_, total in sums.items():
            self._subscribers.labels(format_).set(total)


@lru_cache(1024)
def _classify(user_agent: str) -> str:
    return classify_client(user_agent)


@lru_cache(1024)
def _find_subscribers(user_agent: str) -> int | None:
    return find_subscribers(user_agent)

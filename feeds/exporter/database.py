"""Metrics that are read from the database when they are asked for."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from threading import Lock

from prometheus_client.core import GaugeMetricFamily, Metric

from feeds import __version__
from feeds.domain.quota import Priority, Rate
from feeds.errors import StorageUnavailable
from feeds.store import editions, ratelimit
from feeds.store.engines import Engine
from feeds.store.errors import convert_errors

AGE_BOUNDS = ((1.0, "1"), (2.0, "2"), (10.0, "10"))
MORE = "more"
"""Up to how many times its max-age an edition is old, and the label of these editions."""


class DatabaseCollector:
    """What the database tells: the budget, and how old the editions are that are polled."""

    def __init__(self, engine: Engine, rate: Rate, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._rate = rate
        self._clock = clock
        self._lock = Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering makes no query."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics as of now; without those of the database while it is unavailable."""
        info = GaugeMetricFamily("feeds_build_info", "The version.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        up = GaugeMetricFamily("feeds_database_up", "Whether the database can be read.")
        try:
            state = self._read()
        except StorageUnavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from state

    def _read(self) -> list[Metric]:
        now = self._clock()
        with self._lock, convert_errors(), self._engine.read() as connection:
            budgets = {
                label: ratelimit.read_budget(connection, self._rate.quota_for(priority), now)
                for label, priority in (("all", Priority.URGENT), ("unseen", Priority.UNSEEN))
            }
            lifetimes = editions.list_polled_lifetimes(connection, now)
        left = GaugeMetricFamily(
            "feeds_upstream_budget_calls",
            "Calls that can be made at once: by all, and for ids that were never seen.",
            labels=["bucket"],
        )
        for label, budget in budgets.items():
            left.add_metric([label], budget.calls)
        closed = GaugeMetricFamily(
            "feeds_upstream_closed_seconds",
            "For how long no call is made, because the upstream has refused one.",
            value=budgets["all"].closed_for.total_seconds(),
        )
        ages = GaugeMetricFamily(
            "feeds_editions",
            "Editions of events polled within a week, by age: up to so many times their max-age.",
            labels=["max_ages"],
        )
        counts = Counter(_label_age((now - since) / (until - since)) for since, until in lifetimes)
        for label in (*(label for _, label in AGE_BOUNDS), MORE):
            ages.add_metric([label], counts[label])
        return [left, closed, ages]


def _label_age(ratio: float) -> str:
    return next((label for bound, label in AGE_BOUNDS if ratio <= bound), MORE)

"""Hits of fresh events while the same workers render calendars of 100 runs without a pause.

Two workers. 16 connections poll 320 times a second for six seconds, first alone, then while four
clients poll events with 100 runs that were never seen, one after the other: each event is fetched,
stored and rendered, and no VEVENT is cached. By turns, for some switch intervals: the time after
which a thread that renders lets another thread run. ``busy`` is the workers' CPU time as a share of
both cores.
"""

import tempfile
import threading
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.support.load import poll_at_intervals, poll_at_once, run_wrk
from bench.support.services import (
    configure_service,
    list_workers,
    read_cpu_seconds,
    start_service,
)
from bench.support.tables import compute_percentile, format_spread, print_table
from bench.support.upstream import start_upstream

ROUNDS = 7
WORKERS = 2
SECONDS = 6.0
HIT_INTERVAL = 0.05
"""Seconds between two polls of fresh events on one connection."""

CLIENTS = 4
FRESH = [f"/events/fresh-{number}.ics" for number in range(20)]
SWITCH_INTERVALS = (0.005, 0.0005, 0.0001)
"""Seconds; the first is Python's own."""


class Hits(NamedTuple):
    """Milliseconds of the hits, the number of calendars rendered, the workers' seconds of CPU."""

    p50: float
    p99: float
    renders: int
    cpu: float


class Round(NamedTuple):
    """The hits alone and beside renders, and hits per second with ``wrk``, without a pause."""

    alone: Hits
    beside: Hits
    per_second: float


def main() -> None:
    with start_upstream() as upstream, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = {}
        for interval in SWITCH_INTERVALS:
            command = configure_service(folder, SWITCH_INTERVAL=interval)
            started = start_service(command, upstream, WORKERS)
            services[interval] = stack.enter_context(started)
        measured: dict[float, list[Round]] = {interval: [] for interval in SWITCH_INTERVALS}
        for number in range(ROUNDS):
            for interval, address in services.items():
                poll_at_intervals(address, FRESH, 1, HIT_INTERVAL)
                prefix = f"festival-{number}-{interval}".replace(".", "-")
                measured[interval].append(
                    Round(
                        _measure(address, None),
                        _measure(address, prefix),
                        run_wrk(address, FRESH[0], 16, 2).responses_per_second,
                    )
                )
    print_table(
        f"rendering: hits beside calendars of 100 runs, {WORKERS} workers, {ROUNDS} rounds",
        (
            *("switch interval, ms", "p99 alone, ms", "p99 beside renders, ms", "ratio"),
            *("p50 beside renders, ms", "renders/s", "busy", "hits/s alone"),
        ),
        [
            (
                interval * 1000,
                format_spread([each.alone.p99 for each in rounds], 1),
                format_spread([each.beside.p99 for each in rounds], 1),
                format_spread([each.beside.p99 / each.alone.p99 for each in rounds], 1),
                format_spread([each.beside.p50 for each in rounds], 1),
                f"{median(each.beside.renders for each in rounds) / SECONDS:.0f}",
                f"{median(each.beside.cpu for each in rounds) / SECONDS / WORKERS:.0%}",
                format_spread([each.per_second for each in rounds], 0),
            )
            for interval, rounds in measured.items()
        ],
    )


def _measure(address: str, prefix: str | None) -> Hits:
    """The hits of the fresh events; with a prefix, while new ids with that prefix are polled."""
    stopped, statuses = threading.Event(), list[int]()
    numbers, lock = count(), threading.Lock()

    def poll_new_events() -> None:
        while not stopped.is_set():
            with lock:
                number = next(numbers)
            (response,) = poll_at_once(address, [f"/events/{prefix}-{number}.ics"])
            statuses.append(response.status)

    clients = [threading.Thread(target=poll_new_events) for _ in range(CLIENTS if prefix else 0)]
    for each in clients:
        each.start()
    before = _read_workers_cpu(address)
    try:
        hits = poll_at_intervals(address, FRESH, SECONDS, HIT_INTERVAL)
    finally:
        cpu = _read_workers_cpu(address) - before
        stopped.set()
        for each in clients:
            each.join()
    if any(hit.status != 200 for hit in hits) or set(statuses) - {200}:
        raise SystemExit("A poll was not answered with 200.")
    times = [hit.seconds * 1000 for hit in hits]
    return Hits(compute_percentile(times, 50), compute_percentile(times, 99), len(statuses), cpu)


def _read_workers_cpu(address: str) -> float:
    return sum(read_cpu_seconds(worker) for worker in list_workers(address))

"""Hits of fresh events while the same workers render calendars of 100 runs without pause.

Two workers; 16 connections poll 320 times a second for six seconds, first alone, then while four
clients ask for one calendar after the other of an event with 100 runs that nobody has asked for
before: it is fetched, stored and rendered, and no part of it was rendered for another. By turns,
for some switch intervals: the time for which a thread that renders keeps the interpreter from one
that answers. How busy the workers were is told as a share of both cores, from their CPU time.
"""

import tempfile
import threading
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import load, upstream
from bench.services import configured, cpu, serving, workers_of
from bench.tables import percentile, show, spread

ROUNDS = 7
WORKERS = 2
SECONDS = 6.0
PAUSE = 0.05
CLIENTS = 4
FRESH = [f"/events/fresh-{number}.ics" for number in range(20)]
INTERVALS = (0.005, 0.0005, 0.0001)
"""Seconds; the first is Python's own."""


class Run(NamedTuple):
    """Milliseconds of hits, how many calendars were rendered, seconds of the workers' CPU."""

    p50: float
    p99: float
    renders: int
    busy: float


def main() -> None:
    with upstream.running() as api, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = {
            each: stack.enter_context(
                serving(configured(folder, SWITCH_INTERVAL=each), api, WORKERS)
            )
            for each in INTERVALS
        }
        found: dict[float, list[tuple[Run, Run, float]]] = {each: [] for each in INTERVALS}
        for number in range(ROUNDS):
            for each, address in services.items():
                load.hits(address, FRESH, 1, PAUSE)
                found[each].append(
                    (
                        _hits(address, None),
                        _hits(address, f"festival-{number}-{each}".replace(".", "-")),
                        load.wrk(address, FRESH[0], 16, 2).speed,
                    )
                )
    show(
        f"rendering: hits beside calendars of 100 runs, {WORKERS} workers, {ROUNDS} rounds",
        (
            *("switch interval, ms", "p99 idle, ms", "p99 rendering, ms", "ratio"),
            *("p50 rendering, ms", "renders/s", "busy", "hits/s alone"),
        ),
        [
            (
                each * 1000,
                spread([idle.p99 for idle, _, _ in rounds], 1),
                spread([beside.p99 for _, beside, _ in rounds], 1),
                spread([beside.p99 / idle.p99 for idle, beside, _ in rounds], 1),
                spread([beside.p50 for _, beside, _ in rounds], 1),
                f"{median(beside.renders for _, beside, _ in rounds) / SECONDS:.0f}",
                f"{median(beside.busy for _, beside, _ in rounds) / SECONDS / WORKERS:.0%}",
                spread([speed for *_, speed in rounds], 0),
            )
            for each, rounds in found.items()
        ],
    )


def _hits(address: str, event_ids: str | None) -> Run:
    """Of the fresh events, while new ones whose ids begin like this are rendered, if any."""
    ends, rendered = threading.Event(), list[int]()
    numbers, lock = count(), threading.Lock()

    def render() -> None:
        while not ends.is_set():
            with lock:
                number = next(numbers)
            (answer,) = load.herd(address, [f"/events/{event_ids}-{number}.ics"])
            rendered.append(answer.status)

    clients = [threading.Thread(target=render) for _ in range(CLIENTS if event_ids else 0)]
    for each in clients:
        each.start()
    before = sum(cpu(worker) for worker in workers_of(address))
    try:
        hits = load.hits(address, FRESH, SECONDS, PAUSE)
    finally:
        busy = sum(cpu(worker) for worker in workers_of(address)) - before
        ends.set()
        for each in clients:
            each.join()
    if any(hit.status != 200 for hit in hits) or set(rendered) - {200}:
        raise SystemExit("A poll was not answered with 200.")
    times = [hit.seconds * 1000 for hit in hits]
    return Run(percentile(times, 50), percentile(times, 99), len(rendered), busy)

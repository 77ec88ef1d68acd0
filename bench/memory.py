"""The memory of a worker, and how much more 10,000 feeds of 3 KB take.

Two workers, started anew in each round: after the start, with the boundaries of the time zones
loaded; after polls of every kind of page; then the same without loading before the fork. Besides, a
process that imports only Flask, icalendar, feedgen and requests, and then loads the boundaries. RSS
counts all resident pages of a process, PSS a page that n processes share as 1/n; both in MiB.

The 10,000 feeds are polled once, from one worker, which then has all of them in memory: each poll
makes a call, writes to the database, and renders.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

from bench.support.load import poll_without_pause
from bench.support.services import (
    Memory,
    configure_service,
    find_worker,
    list_workers,
    read_memory,
    start_service,
)
from bench.support.tables import format_spread, print_table
from bench.support.upstream import ROOT, Upstream, start_upstream

ROUNDS = 7
WORKERS = 2
FEEDS = 10_000
EVENTS = [f"/events/page-{number}" for number in range(20)]
PAGES = (*(f"{path}{kind}" for path in EVENTS for kind in ("", ".ics", ".rss", ".json")), "/")

LIBRARIES = """
import flask, icalendar, feedgen.feed, requests
from bench.support.services import read_memory
print(*read_memory("self"))
import tzfpy
tzfpy.get_tz(0, 0)
print(*read_memory("self"))
"""
"""A program that prints its memory before and after it loads the boundaries."""


def main() -> None:
    with start_upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        rounds = [_measure_workers(upstream, Path(folder)) for _ in range(ROUNDS)]
        print_table(
            f"memory: one of {WORKERS} workers, {ROUNDS} rounds",
            ("process", "RSS, MiB", "PSS, MiB"),
            [
                (
                    name,
                    format_spread([each[name].rss for each in rounds], 1),
                    format_spread([each[name].pss for each in rounds], 1),
                )
                for name in rounds[0]
            ],
        )
        size, seconds, before, after = _measure_feeds(upstream, Path(folder))
    print_table(
        f"memory: {FEEDS} feeds of {size / 1000:.1f} KB in one worker",
        ("RSS before, MiB", "RSS after, MiB", "difference, MiB", "bytes per feed", "polls/s"),
        [
            (
                *(f"{each.rss:.1f}" for each in (before, after)),
                f"{after.rss - before.rss:.1f}",
                f"{(after.rss - before.rss) * 1024**2 / FEEDS:.0f}",
                f"{FEEDS / seconds:.0f}",
            )
        ],
    )


def _measure_workers(upstream: Upstream, folder: Path) -> dict[str, Memory]:
    measured = {}
    for name, preload_app in (("loaded before the fork", True), ("loaded after the fork", False)):
        command = configure_service(folder, preload_app=preload_app)
        with start_service(command, upstream, WORKERS) as address:
            measured[f"{name}, started"] = _read_mean_memory(address)
            poll_without_pause(address, PAGES, 20 * len(PAGES))
            measured[f"{name}, after all kinds of pages"] = _read_mean_memory(address)
    libraries, boundaries = _measure_libraries()
    return measured | {"libraries alone": libraries, "libraries and boundaries": boundaries}


def _read_mean_memory(address: str) -> Memory:
    """The mean of all workers."""
    memories = [read_memory(worker) for worker in list_workers(address)]
    return Memory(mean(each.rss for each in memories), mean(each.pss for each in memories))


def _measure_libraries() -> list[Memory]:
    output = subprocess.run(
        [sys.executable, "-c", LIBRARIES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [Memory(*map(float, line.split())) for line in output.splitlines()]


def _measure_feeds(upstream: Upstream, folder: Path) -> tuple[float, float, Memory, Memory]:
    """Bytes of a feed, seconds of all polls, and the memory of the worker before and after."""
    with ExitStack() as stack:
        command = configure_service(folder)
        address = stack.enter_context(start_service(command, upstream, 1))
        poll_without_pause(address, PAGES, 20 * len(PAGES))
        before, began = read_memory(find_worker(address)), time.perf_counter()
        paths = [f"/events/long-{number}.ics" for number in range(FEEDS)]
        responses = poll_without_pause(address, paths, FEEDS)
        seconds = time.perf_counter() - began
        if any(response.status != 200 for response in responses):
            raise SystemExit("A poll was not answered with 200.")
        size = mean(len(response.body) for response in responses)
        return size, seconds, before, read_memory(find_worker(address))

"""What a worker takes of the memory, and what 10,000 feeds of 3 KB take more.

Two workers, new in each round: when they have started, with the boundaries of the time zones; when
every kind of page was asked for; beside them the same without loading before the fork, and a
process that imports Flask, icalendar, feedgen and requests alone, and then loads the boundaries.
RSS counts all pages of a process, PSS each shared one in parts; both in MiB.

The feeds are fetched once, by one worker, which then has all of them in memory: each poll is a
call, some writes to the database, and a rendering.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

from bench import load, upstream
from bench.services import Memory, configured, memory, serving, worker_of, workers_of
from bench.tables import show, spread
from bench.upstream import ROOT, Upstream

ROUNDS = 7
WORKERS = 2
FEEDS = 10_000
EVENTS = [f"/events/page-{number}" for number in range(20)]
KINDS = (*(f"{path}{kind}" for path in EVENTS for kind in ("", ".ics", ".rss", ".json")), "/")

REFERENCE = """
import flask, icalendar, feedgen.feed, requests
from bench.services import memory
print(*memory("self"))
import tzfpy
tzfpy.get_tz(0, 0)
print(*memory("self"))
"""


def main() -> None:
    with upstream.running() as api, tempfile.TemporaryDirectory() as folder:
        rounds = [_round(api, Path(folder)) for _ in range(ROUNDS)]
        show(
            f"memory: a worker of {WORKERS}, {ROUNDS} rounds",
            ("process", "RSS, MiB", "PSS, MiB"),
            [
                (
                    what,
                    spread([each[what].rss for each in rounds], 1),
                    spread([each[what].pss for each in rounds], 1),
                )
                for what in rounds[0]
            ],
        )
        size, seconds, before, after = _filled(api, Path(folder))
    show(
        f"memory: {FEEDS} feeds of {size / 1000:.1f} KB in one worker",
        ("RSS before, MiB", "RSS after, MiB", "more", "bytes a feed", "polls/s"),
        [
            (
                *(f"{each.rss:.1f}" for each in (before, after)),
                f"{after.rss - before.rss:.1f}",
                f"{(after.rss - before.rss) * 1024**2 / FEEDS:.0f}",
                f"{FEEDS / seconds:.0f}",
            )
        ],
    )


def _round(api: Upstream, folder: Path) -> dict[str, Memory]:
    found = {}
    for what, preload_app in (("loaded before the fork", True), ("after it", False)):
        with serving(configured(folder, preload_app=preload_app), api, WORKERS) as address:
            found[f"{what}: started"] = _mean(address)
            load.polls(address, KINDS, 20 * len(KINDS))
            found[f"{what}: every kind of page"] = _mean(address)
    alone, zones = _reference()
    return found | {"libraries alone": alone, "libraries and boundaries": zones}


def _mean(address: str) -> Memory:
    """Of the workers."""
    found = [memory(worker) for worker in workers_of(address)]
    return Memory(mean(each.rss for each in found), mean(each.pss for each in found))


def _reference() -> list[Memory]:
    told = subprocess.run(
        [sys.executable, "-c", REFERENCE], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [Memory(*map(float, line.split())) for line in told.splitlines()]


def _filled(api: Upstream, folder: Path) -> tuple[float, float, Memory, Memory]:
    """Bytes of a feed, seconds that it took, and the memory of the worker before and after."""
    with ExitStack() as stack:
        address = stack.enter_context(serving(configured(folder), api, 1))
        load.polls(address, KINDS, 20 * len(KINDS))
        before, began = memory(worker_of(address)), time.perf_counter()
        answers = load.polls(address, [f"/events/long-{n}.ics" for n in range(FEEDS)], FEEDS)
        seconds = time.perf_counter() - began
        if any(answer.status != 200 for answer in answers):
            raise SystemExit("A feed was not there.")
        size = mean(len(answer.body) for answer in answers)
        return size, seconds, before, memory(worker_of(address))

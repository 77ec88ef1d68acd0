"""Attacks on two workers, one after the other; what subscribers of a known event feel of each.

Each attack has a service of its own, with an empty database. A client polls a known event on new
connections: for some seconds alone, then during the attack. ``p99`` is of these polls, the ratio is
that of the two. The age is that of the oldest edition of an event that changes all the time, with a
max-age of five seconds, on a second service under the same attack; the upstream is well, if slow.
Memory is that of both workers.
"""

import os
import re
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import NamedTuple

from bench.support import hostile
from bench.support.load import poll_at_once
from bench.support.services import SERVICE, list_workers, read_memory, start_service
from bench.support.tables import compute_percentile, print_table
from bench.support.upstream import Upstream, start_upstream

WORKERS = 2
SECONDS = 15.0
ALONE = 5.0
"""Seconds of the polls before an attack."""

RECOVERY = 5.0
"""Seconds after an attack before memory is read again."""

LOWEST = 19
"""The niceness of attackers."""

POLL_INTERVAL = 0.02
MAX_AGE = 5
RATE = "1000/minute;burst=100"
NEW_EVENTS = 10


class Attack(NamedTuple):
    """What the attackers do; ``delay`` is the upstream's, in seconds, ``rate`` the service's."""

    run: Callable[[str, Event], None]
    delay: float = 0.05
    rate: str = RATE


ATTACKS = {
    "30 guessed ids a second, slow upstream": Attack(hostile.guess_ids, delay=2.0),
    "one guessed id a second, 100/minute": Attack(hostile.guess_slowly, rate="100/minute;burst=20"),
    "2,100 silent connections": Attack(hostile.hold_silent),
    "300 half requests": Attack(hostile.hold_half_requests),
    "160 connections that do not read": Attack(hostile.never_read),
    "Accept-Encoding of 800 KB": Attack(hostile.vary_accept_encoding),
    "searches of 4 KB": Attack(hostile.search_long_ids),
    "30 home pages a second": Attack(hostile.open_home),
    "widgets in other colours": Attack(hostile.vary_queries),
    "names of 600 KB": Attack(hostile.poll_documents("label")),
    "1 MB of text, 300 runs": Attack(hostile.poll_documents("text")),
    "1,000 runs that flap": Attack(hostile.poll_documents("flapping")),
    "2,000 runs that cannot be read": Attack(hostile.poll_documents("unreadable")),
    "600 runs imported again and again": Attack(hostile.poll_documents("imported")),
    "a flood of ordinary polls": Attack(hostile.poll_without_pause),
    "a flood of the home page": Attack(hostile.flood_home),
}


class Polls(NamedTuple):
    """How long polls took, and how many were not answered with 200."""

    milliseconds: list[float]
    failed: int


class Result(NamedTuple):
    """What an attack did; milliseconds, seconds, MiB, and the statuses of new events."""

    alone: float
    during: float
    failed: int
    age: float
    before: float
    peak: float
    after: float
    same_workers: bool
    answered: int


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = []
    for name, attack in ATTACKS.items():
        with start_upstream() as upstream:
            upstream.configure(delay=attack.delay)
            result = _measure(upstream, attack)
        rows.append(
            (
                name,
                f"{result.alone:.0f}",
                f"{result.during:.0f}",
                f"{result.during / result.alone:.1f}",
                result.failed,
                f"{result.age:.1f}",
                f"{result.answered} of {NEW_EVENTS}",
                f"{result.before:.0f}, {result.peak:.0f}, {result.after:.0f}",
                "yes" if result.same_workers else "NO",
            )
        )
    print_table(
        f"attacks: {WORKERS} workers, {SECONDS:.0f} s each",
        (
            *("attack", "p99 alone, ms", "p99, ms", "ratio", "failed", "oldest edition, s"),
            *("new events answered", "MiB before, most, after", "no worker ended"),
        ),
        rows,
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _measure(upstream: Upstream, attack: Attack) -> Result:
    with start_service(SERVICE, upstream, WORKERS, FEEDS_UPSTREAM_RATE=attack.rate) as address:
        workers = list_workers(address)
        for _ in range(2 * WORKERS):  # so that each worker has the events in memory
            poll_at_once(address, ["/events/hit.ics", "/events/festival-hit.ics"])
        _poll(address, ALONE)
        alone, before = _poll(address, ALONE), _read_memory(workers)
        with _Attackers(attack, address):
            time.sleep(1)
            during = _poll(address, SECONDS)
            peak = _read_memory(workers)
            statuses = hostile.poll_new_events(address, SECONDS, NEW_EVENTS)
            peak = max(peak, _read_memory(workers))
        time.sleep(RECOVERY)
        after, same = _read_memory(workers), list_workers(address) == workers
    settings = {"FEEDS_UPSTREAM_RATE": attack.rate, "FEEDS_MAX_AGE": str(MAX_AGE)}
    with start_service(SERVICE, upstream, WORKERS, **settings) as address:
        poll_at_once(address, ["/events/clock.ics"] * WORKERS)
        with _Attackers(attack, address):
            age = _find_oldest(address)
    return Result(
        compute_percentile(alone.milliseconds, 99),
        compute_percentile(during.milliseconds, 99),
        during.failed,
        age,
        *(before, peak, after, same),
        statuses.count(200),
    )


class _Attackers:
    """Runs an attack in a process of its own until the end of the block.

    It has the lowest priority: an attacker takes no time from the processors of the service.
    """

    def __init__(self, attack: Attack, address: str) -> None:
        context = get_context("spawn")
        self._ended = context.Event()
        self._process = context.Process(target=_run, args=(attack, address, self._ended))

    def __enter__(self) -> None:
        self._process.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._process.join(5)
        self._process.kill()


def _run(attack: Attack, address: str, ended: Event) -> None:
    os.nice(LOWEST)
    attack.run(address, ended)


def _poll(address: str, seconds: float) -> Polls:
    """Poll the known event."""
    times, failed, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        responses = poll_at_once(address, ["/events/hit.ics"])
        failed += [response.status for response in responses] != [200]
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(POLL_INTERVAL)
    return Polls(times, failed)


def _find_oldest(address: str) -> float:
    """Seconds between a document and its last delivery, of the event that tells the time."""
    ages, end = [0.0], time.monotonic() + SECONDS
    while time.monotonic() < end:
        for response in poll_at_once(address, ["/events/clock.ics"]):
            told = re.search(rb"SUMMARY:Race at (\d+\.\d)", response.body)
            ages += [time.time() - float(told[1])] if told else []
        time.sleep(0.2)
    return max(ages)


def _read_memory(workers: list[int]) -> float:
    try:
        return sum(read_memory(worker).rss for worker in workers)
    except OSError:  # a worker has ended
        return 0.0

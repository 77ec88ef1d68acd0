"""Hits while the upstream hangs: 20 fresh events, and 20 others whose editions expire; 2 workers.

Two subscribers poll each of the other events, every four seconds. The other editions were fetched
together, so that all of them expire and need a refresh at once; the fresh ones were fetched later.
The fresh events are polled for six seconds, 320 times a second on 16 connections: while the
upstream responds, then while the upstream hangs, by turns. The ratio is that of the two in the same
round.
"""

import threading
import time

from bench.support.load import poll_at_intervals, poll_at_once
from bench.support.services import SERVICE, start_service
from bench.support.tables import ROUNDS, compute_percentile, format_spread, print_table
from bench.support.upstream import Upstream, start_upstream

FRESH = 20
OTHERS = 20
SUBSCRIBERS = 2
WORKERS = 2
SECONDS = 6.0
HIT_INTERVAL = 0.05
"""Seconds between two polls of fresh events on one connection."""

POLL_INTERVAL = 4.0
"""Seconds between two polls of a subscriber; no poll waits longer while the upstream hangs."""

DELAY = 0.05
MAX_AGE = 20
"""Seconds for which all editions are fresh."""

LATER = 12.0
"""Seconds from the fetch of the other editions to that of the fresh ones, which must not expire
before the last hit: on a slow machine, the clients need seconds to start."""


def main() -> None:
    hits: dict[bool, list[list[float]]] = {False: [], True: []}
    polls: dict[bool, list[float]] = {False: [], True: []}
    with (
        start_upstream() as upstream,
        start_service(SERVICE, upstream, WORKERS, FEEDS_MAX_AGE=str(MAX_AGE)) as service,
    ):
        upstream.configure(delay=DELAY)
        for number in range(ROUNDS):
            for hanging in (False, True):
                name = f"{number}{hanging}"
                measured = _measure(upstream, service, name, hanging=hanging)
                hits[hanging].append(measured[0])
                polls[hanging] += measured[1]
    print_table(
        f"hang: hits of fresh events, {WORKERS} workers, {ROUNDS} rounds",
        ("milliseconds", "upstream responds", "upstream hangs", "ratio"),
        [
            *(_build_row(hits, percent) for percent in (50, 99)),
            ("polls of the others, longest", *(f"{max(polls[each]):.0f}" for each in polls), ""),
            ("polls of the others, number", *(len(polls[each]) for each in polls), ""),
        ],
    )


def _build_row(hits: dict[bool, list[list[float]]], percent: float) -> tuple[str, ...]:
    responds, hangs = (
        [compute_percentile(each, percent) for each in rounds] for rounds in hits.values()
    )
    ratios = [b / a for a, b in zip(responds, hangs, strict=True)]
    return (f"hits, p{percent}", *map(format_spread, (responds, hangs, ratios)))


def _measure(
    upstream: Upstream, address: str, name: str, *, hanging: bool
) -> tuple[list[float], list[float]]:
    """Milliseconds of the hits, and of the polls of the other events in the same time."""
    others = [f"/events/other-{name}-{number}.ics" for number in range(OTHERS)]
    fresh = [f"/events/fresh-{name}-{number}.ics" for number in range(FRESH)]
    expired = time.monotonic() + MAX_AGE
    for paths in (others, fresh):
        for _ in range(WORKERS * 2):  # so that most likely each worker has cached them
            poll_at_once(address, paths)
        time.sleep(LATER if paths is others else 0.0)
    time.sleep(max(0.0, expired - time.monotonic()) + 1)
    upstream.configure(hanging=hanging)
    stopped, polls = threading.Event(), list[float]()

    def subscribe(path: str) -> None:
        while not stopped.is_set():
            (response,) = poll_at_once(address, [path])
            if response.status != 200:
                raise SystemExit(f"A poll was answered with {response.status}.")
            polls.append(response.seconds * 1000)
            stopped.wait(POLL_INTERVAL - response.seconds)

    subscribers = [
        threading.Thread(target=subscribe, args=(path,)) for path in others * SUBSCRIBERS
    ]
    for each in subscribers:
        each.start()
    try:
        hits = poll_at_intervals(address, fresh, SECONDS, HIT_INTERVAL)
    finally:
        stopped.set()
        for each in subscribers:
            each.join()
        upstream.configure(hanging=False)
    time.sleep(1)
    if any(hit.status != 200 for hit in hits):
        raise SystemExit("A hit was not answered with 200.")
    return [hit.seconds * 1000 for hit in hits], polls

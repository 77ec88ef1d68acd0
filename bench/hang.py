"""Hits while the upstream hangs: 20 fresh events, 2 workers, and 20 others whose editions ended.

Each of the others is polled by two subscribers, every four seconds; their editions end at an
instant (registration opens), so that all of them want a refresh at once. Timed are the hits of the
fresh ones, 320 a second on 16 connections, for six seconds: with the upstream well, then with it
hanging, by turns; told is the ratio of each pair of rounds.
"""

import threading
import time
from datetime import UTC, datetime, timedelta

from bench import load, upstream
from bench.services import SERVICE, serving
from bench.tables import ROUNDS, percentile, show, spread
from bench.upstream import Upstream

FRESH = 20
OTHERS = 20
SUBSCRIBERS = 2
WORKERS = 2
SECONDS = 6.0
PAUSE = 0.05
INTERVAL = 4.0
"""Seconds between two polls of a subscriber of the others; none waits longer in a hang."""

DELAY = 0.05
AHEAD = timedelta(seconds=4)
"""How long the others are fresh."""


def main() -> None:
    fresh = [f"/events/fresh-{number}.ics" for number in range(FRESH)]
    found: dict[bool, list[list[float]]] = {False: [], True: []}
    waited: dict[bool, list[float]] = {False: [], True: []}
    with upstream.running() as api, serving(SERVICE, api, WORKERS) as service:
        api.behave(delay=DELAY)
        load.hits(service, fresh, SECONDS, PAUSE)
        for number in range(ROUNDS):
            for hanging in (False, True):
                times, polls = _hits(api, service, fresh, f"{number}{hanging}", hanging=hanging)
                found[hanging].append(times)
                waited[hanging] += polls
    show(
        f"hang: hits of fresh events, {WORKERS} workers, {ROUNDS} rounds",
        ("milliseconds", "upstream well", "upstream hanging", "ratio"),
        [
            (
                f"p{percent}",
                *(spread(values) for values in (well, hang)),
                spread([b / a for a, b in zip(well, hang, strict=True)]),
            )
            for percent in (50, 99)
            for well, hang in [
                [[percentile(each, percent) for each in found[hanging]] for hanging in found]
            ]
        ]
        + [
            ("polls of the others: longest", *(f"{max(waited[each]):.0f}" for each in found), ""),
            ("polls of the others: how many", *(len(waited[each]) for each in found), ""),
        ],
    )


def _hits(
    api: Upstream, address: str, fresh: list[str], name: str, *, hanging: bool
) -> tuple[list[float], list[float]]:
    """How long hits took, and polls of the others meanwhile, in milliseconds."""
    opens = datetime.now(UTC) + AHEAD
    ids = [f"other-{name}-{number}" for number in range(OTHERS)]
    others = [f"/events/{id_}.ics" for id_ in ids]
    api.behave(runs={id_: {"registrationOpensAt": opens.isoformat()} for id_ in ids})
    for _ in range(WORKERS * 2):  # most likely into the memory of each
        load.herd(address, others)
    time.sleep(max(0.0, (opens - datetime.now(UTC)).total_seconds()) + 0.1)
    api.behave(hanging=hanging)
    ends, waited = threading.Event(), list[float]()

    def subscribe(path: str) -> None:
        while not ends.is_set():
            (answer,) = load.herd(address, [path])
            if answer.status != 200:
                raise SystemExit(f"A poll was answered with {answer.status}.")
            waited.append(answer.seconds * 1000)
            ends.wait(INTERVAL - answer.seconds)

    subscribers = [
        threading.Thread(target=subscribe, args=(path,)) for path in others * SUBSCRIBERS
    ]
    for each in subscribers:
        each.start()
    try:
        hits = load.hits(address, fresh, SECONDS, PAUSE)
    finally:
        ends.set()
        for each in subscribers:
            each.join()
        api.behave(hanging=False)
    time.sleep(1)
    if any(hit.status != 200 for hit in hits):
        raise SystemExit("A hit was not answered.")
    return [hit.seconds * 1000 for hit in hits], waited

"""Many polls within one max-age: 10,000 of 100 events over 4 workers, from 16 connections.

Counted are the calls, timed the polls per second; the sides take turns, and each round has events
of its own, never seen before. The other side makes 1,600 polls, told as 10,000, since each of them
is a call. The upstream answers at once, which is the best that can happen to it.
"""

import time

from bench import load, upstream
from bench.services import NAIVE, SERVICE, serving
from bench.tables import ROUNDS, show, spread
from bench.upstream import Upstream

POLLS = 10_000
NAIVE_POLLS = 1_600
EVENTS = 100
WORKERS = 4


def main() -> None:
    with (
        upstream.running() as api,
        serving(SERVICE, api, WORKERS) as service,
        serving(NAIVE, api, WORKERS) as naive,
    ):
        rounds = [
            (_polls(api, service, str(number), POLLS), _polls(api, naive, str(number), NAIVE_POLLS))
            for number in range(ROUNDS)
        ]
    show(
        f"polls: {POLLS} of {EVENTS} events within one max-age, {WORKERS} workers, {ROUNDS} rounds",
        ("calls", "calls, naive", "polls/s", "polls/s, naive", "ratio"),
        [
            (
                ", ".join(str(calls) for (calls, _), _ in rounds),
                ", ".join(str(calls * POLLS // NAIVE_POLLS) for _, (calls, _) in rounds),
                spread([speed for (_, speed), _ in rounds], 0),
                spread([speed for _, (_, speed) in rounds], 0),
                spread([ours / other for (_, ours), (_, other) in rounds], 1),
            )
        ],
    )


def _polls(api: Upstream, address: str, name: str, count: int) -> tuple[int, float]:
    """The calls that so many polls take, and the polls per second."""
    api.calls()
    paths = [f"/events/p{name}-{number}.ics" for number in range(EVENTS)]
    began = time.perf_counter()
    answers = load.polls(address, paths, count)
    seconds = time.perf_counter() - began
    if any(answer.status != 200 for answer in answers):
        raise SystemExit("A poll was not answered.")
    return sum(api.calls().values()), len(answers) / seconds

"""Many polls within one max-age: 10,000 polls of 100 events over 4 workers, on 16 connections.

The table has the number of upstream calls, and polls per second. The service and the naive
application take turns; each round has new events. The naive application gets 1,600 polls, and its
calls are scaled to 10,000, since each poll is a call. The upstream responds at once, which favours
the naive application.
"""

import time

from bench.support.load import poll_without_pause
from bench.support.services import NAIVE, SERVICE, start_service
from bench.support.tables import ROUNDS, format_spread, print_table
from bench.support.upstream import Upstream, start_upstream

POLLS = 10_000
NAIVE_POLLS = 1_600
EVENTS = 100
WORKERS = 4


def main() -> None:
    with (
        start_upstream() as upstream,
        start_service(SERVICE, upstream, WORKERS) as service,
        start_service(NAIVE, upstream, WORKERS) as naive,
    ):
        rounds = [
            (
                _poll(upstream, service, str(number), POLLS),
                _poll(upstream, naive, str(number), NAIVE_POLLS),
            )
            for number in range(ROUNDS)
        ]
    print_table(
        f"polls: {POLLS} of {EVENTS} events within one max-age, {WORKERS} workers, {ROUNDS} rounds",
        ("upstream calls", "upstream calls, naive", "polls/s", "polls/s, naive", "ratio"),
        [
            (
                ", ".join(str(calls) for (calls, _), _ in rounds),
                ", ".join(str(calls * POLLS // NAIVE_POLLS) for _, (calls, _) in rounds),
                format_spread([speed for (_, speed), _ in rounds], 0),
                format_spread([speed for _, (_, speed) in rounds], 0),
                format_spread([speed / naive for (_, speed), (_, naive) in rounds], 1),
            )
        ],
    )


def _poll(upstream: Upstream, address: str, name: str, count: int) -> tuple[int, float]:
    """The number of upstream calls, and polls per second."""
    upstream.take_calls()
    paths = [f"/events/p{name}-{number}.ics" for number in range(EVENTS)]
    began = time.perf_counter()
    responses = poll_without_pause(address, paths, count)
    seconds = time.perf_counter() - began
    if any(response.status != 200 for response in responses):
        raise SystemExit("A poll was not answered with 200.")
    return sum(upstream.take_calls().values()), len(responses) / seconds

"""A simulated day: clients poll events while an organizer changes them.

1,000 events with 5 subscribers each under ``100/minute;burst=20``, and 10 events with 20 each under
``100/day;burst=20``, as races and as run clubs, with the background refresher and without. The
database holds all events before the day begins, as after ``feeds warm``. Changes happen for 24
hours; the refresher runs until all changes must have been noticed, and each client until its next
poll after that.

Nothing waits: ``simulation`` runs the service's own classes with a clock that jumps from one action
to the next, and the upstream responds at once. ``clients`` parses the bytes of each response.

The baseline is an ideal service, which calls the upstream for each poll: its clients see a change
at their own next poll.
"""

import logging
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta

from bench.day.scenarios import SCENARIOS, Scenario
from bench.day.simulation import SEED, Result, simulate
from bench.support.tables import compute_percentile, print_table


def main() -> None:
    logging.disable(logging.WARNING)
    variants = [(scenario, refresher) for scenario in SCENARIOS for refresher in (True, False)]
    with ProcessPoolExecutor(2) as processes:
        running = [processes.submit(simulate, each, refresher=on) for each, on in variants]
        results = [each.result() for each in running]
    names = [f"{each.name}, {'with' if on else 'without'} refresher" for each, on in variants]
    _print_counts([scenario for scenario, _ in variants], names, results)
    for name, result in zip(names, results, strict=True):
        _print_delays(name, result)


def _print_counts(scenarios: list[Scenario], names: list[str], results: list[Result]) -> None:
    purposes = sorted({purpose for result in results for _, purpose in result.calls})
    labels = [
        *("polls", "answered within max-age", "answered after a failed refresh"),
        *("not answered (5xx)", "upstream calls", "most calls in any window"),
        *(f"calls for {purpose}" for purpose in purposes),
        *("changes missed", "changes announced twice", "false cancellations"),
    ]
    columns: list[list[object]] = []
    for scenario, result in zip(scenarios, results, strict=True):
        by_purpose = Counter(purpose for _, purpose in result.calls)
        most = _count_most_in_window([at for at, _ in result.calls], scenario.rate.window)
        columns.append(
            [
                result.polls,
                f"{result.fresh / result.polls:.2%}",
                f"{result.failed / result.polls:.2%}",
                result.errors,
                len(result.calls),
                f"{most} of {scenario.rate.limit}",
                *(by_purpose[purpose] for purpose in purposes),
                result.missed,
                result.repeated,
                result.false_cancellations,
            ]
        )
    print_table(f"day: counts, seed {SEED}", ["", *names], list(zip(labels, *columns, strict=True)))


def _count_most_in_window(calls: list[datetime], window: timedelta) -> int:
    """The largest number of calls within any period as long as ``window``."""
    most = first = 0
    for number, at in enumerate(calls):
        while calls[first] <= at - window:
            first += 1
        most = max(most, number + 1 - first)
    return most


def _print_delays(name: str, result: Result) -> None:
    print_table(
        f"day: minutes until a client sees a change; {name}",
        (
            *("client", "changes seen", "p50", "p95", "p50, ideal", "p95, ideal"),
            *("reverted before the next poll", "reverted, ideal"),
        ),
        [
            (
                kind,
                len(delays.seconds),
                *(
                    f"{compute_percentile(each, percent) / 60:.1f}" if each else ""
                    for each in (delays.seconds, delays.ideal_seconds)
                    for percent in (50, 95)
                ),
                len(delays.reverted),
                len(delays.ideal_reverted),
            )
            for kind, delays in result.delays.items()
        ],
    )

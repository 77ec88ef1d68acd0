"""What counting costs on the path of hits: with FEEDS_METRICS_BIND, and without.

In one process: the middleware answers polls of one event, a row for each side and the counting that
follows included. Over HTTP: one worker each, ``wrk`` polls on 16 connections; CPU time of the
worker per request. Both sides take turns; the ratio is that of the same round.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import process_time, sleep
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from bench.hits import CONNECTIONS, PATH
from bench.support import load
from bench.support.services import (
    SERVICE,
    build_environment,
    list_workers,
    read_cpu_seconds,
    start_service,
)
from bench.support.tables import format_spread, print_table
from bench.support.upstream import start_upstream
from feeds import config, metrics
from feeds.app import create_app
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.metrics.recorder import Recorder

ROUNDS, SECONDS = 25, 1
CALLS = 10_000
"""Calls of the middleware in a round."""

BIND = "127.0.0.1:19464"
USER_AGENT = "iOS/26.5 (23F77) dataaccessd/1.0"
WITHOUT, WITH = "without", "with"


def main() -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(start_upstream())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        in_process = _measure_in_process(build_environment(upstream, folder))
        addresses = {
            WITHOUT: stack.enter_context(start_service(SERVICE, upstream, 1)),
            WITH: stack.enter_context(start_service(SERVICE, upstream, 1, FEEDS_METRICS_BIND=BIND)),
        }
        for address in addresses.values():
            load.poll_without_pause(address, [PATH], 10)
        sleep(2 * INVALIDATION_INTERVAL.total_seconds())  # the save invalidates the event once
        over_http = [
            {name: _measure_request(address) for name, address in addresses.items()}
            for _ in range(ROUNDS)
        ]
    print_table(
        f"metrics: microseconds of CPU of a hit, {ROUNDS} rounds",
        ("measured", "without metrics", "with metrics", "ratio", "more, microseconds"),
        [
            _build_row("middleware, in one process", in_process),
            _build_row("request of one worker", over_http),
        ],
    )


def _build_row(name: str, rounds: list[dict[str, float]]) -> tuple[str, ...]:
    return (
        name,
        format_spread([each[WITHOUT] for each in rounds]),
        format_spread([each[WITH] for each in rounds]),
        format_spread([each[WITH] / each[WITHOUT] for each in rounds], 3),
        f"{median(each[WITH] - each[WITHOUT] for each in rounds):.2f}",
    )


def _measure_in_process(environ: dict[str, str]) -> list[dict[str, float]]:
    """Microseconds of each side in each round."""
    settings, now = config.read(environ), datetime.now(UTC).timestamp()
    recorder = Recorder()
    applications: dict[str, Flask] = {}
    for name, used in ((WITHOUT, None), (WITH, recorder)):
        metrics.use(used)
        applications[name] = create_app(settings, lambda: now)
    sides = list(applications.items())
    request = EnvironBuilder(PATH).get_environ() | {"HTTP_USER_AGENT": USER_AGENT}
    for application in applications.values():
        for _ in range(2):
            application.wsgi_app(dict(request), _ignore)
    return [
        {name: _time(application, request, recorder) for name, application in sides}
        for _ in range(ROUNDS)
    ]


def _time(application: Flask, request: dict[str, Any], recorder: Recorder) -> float:
    answer = application.wsgi_app
    began = process_time()
    for _ in range(CALLS):
        answer(request, _ignore)
    recorder.flush()
    return (process_time() - began) / CALLS * 1e6


def _ignore(*_: object) -> Callable[[bytes], object]:
    """Start no response."""
    return bytes


def _measure_request(address: str) -> float:
    """Microseconds of the worker's CPU time per request."""
    worker = max(list_workers(address))  # the other process serves the metrics
    before = read_cpu_seconds(worker)
    result = load.run_wrk(address, PATH, CONNECTIONS, SECONDS, ["-H", f"User-Agent: {USER_AGENT}"])
    return (read_cpu_seconds(worker) - before) / result.responses * 1e6

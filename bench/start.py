"""The time from the start command to the first 200: the service beside a plain Flask application.

Both under gunicorn with two workers of 64 threads; the service is started as ``feeds serve`` with a
database that holds the event. The socket listens before the command starts, so the request waits in
the socket, and the client need not try again. The CPU time is that of all processes until the
response.
"""

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.support.load import poll_at_once
from bench.support.services import (
    SERVICE,
    START_TIMEOUT,
    build_environment,
    list_children,
    read_cpu_seconds,
    start_service,
)
from bench.support.tables import format_spread, print_table
from bench.support.upstream import ROOT, start_upstream

ROUNDS = 7
WORKERS = 2
PLAIN = [
    *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "64"),
    *("--workers", str(WORKERS), "bench.baselines.plain:create_app()"),
]
ROBOTS, EVENT = "/robots.txt", "/events/stored.ics"


class Start(NamedTuple):
    """Seconds until the first response, and seconds of CPU."""

    seconds: float
    cpu: float


def main() -> None:
    with start_upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        environment = build_environment(upstream, Path(folder))
        database = environment["FEEDS_DATABASE_URL"]
        with start_service(SERVICE, upstream, 1, FEEDS_DATABASE_URL=database) as address:
            poll_at_once(address, [EVENT])
        starts = [(PLAIN, ROBOTS), (SERVICE, ROBOTS), (SERVICE, EVENT)]
        rounds = [[_measure(*each, environment) for each in starts] for _ in range(ROUNDS + 1)]
    del rounds[0]  # the first round may compile the code
    plain, robots, event = zip(*rounds, strict=True)
    print_table(
        f"start: to the first 200, {WORKERS} workers, {ROUNDS} rounds",
        ("first 200", "seconds", "seconds, plain Flask", "ratio", "CPU, ratio"),
        [_build_row(ROBOTS, robots, plain), _build_row(EVENT, event, plain)],
    )


def _build_row(path: str, service: tuple[Start, ...], plain: tuple[Start, ...]) -> tuple[str, ...]:
    pairs = list(zip(service, plain, strict=True))
    return (
        path,
        format_spread([each.seconds for each in service]),
        format_spread([each.seconds for each in plain]),
        format_spread([a.seconds / b.seconds for a, b in pairs]),
        f"{median(a.cpu / b.cpu for a, b in pairs):.2f}",
    )


def _measure(command: list[str], path: str, environment: dict[str, str]) -> Start:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}"],
            cwd=ROOT,
            env=environment,
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            host, port = listener.getsockname()
            (response,) = poll_at_once(f"{host}:{port}", [path])
            seconds = time.perf_counter() - began
            processes = (process.pid, *list_children(process.pid))
            cpu = sum(read_cpu_seconds(each) for each in processes)
        finally:
            process.terminate()
            process.wait(START_TIMEOUT)
    if response.status != 200:
        raise SystemExit(f"{path}: {response.status}")
    return Start(seconds, cpu)

"""From the start of the command to its first 200: the service, and an application of Flask alone.

Both under gunicorn with two workers of 64 threads; the service as ``feeds serve`` with a database
that holds the event. The socket listens before the command starts, so that the request waits in it
and nobody has to look again. The CPU time is that of all its processes until the answer.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import load, upstream
from bench.services import PATIENCE, SERVICE, children, cpu, environment, serving
from bench.tables import show, spread
from bench.upstream import ROOT

ROUNDS = 7
WORKERS = 2
PLAIN = [
    *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "64"),
    *("--workers", str(WORKERS), "bench.plain:create_app()"),
]
ROBOTS, EVENT = "/robots.txt", "/events/stored.ics"


class Start(NamedTuple):
    """Seconds until the first answer, and of CPU."""

    seconds: float
    cpu: float


def main() -> None:
    with upstream.running() as api, tempfile.TemporaryDirectory() as folder:
        env = os.environ | environment(api, Path(folder))
        database = env["FEEDS_DATABASE_URL"]
        with serving(SERVICE, api, 1, FEEDS_DATABASE_URL=database) as address:
            load.herd(address, [EVENT])
        sides = [(PLAIN, ROBOTS), (SERVICE, ROBOTS), (SERVICE, EVENT)]
        rounds = [[_start(*side, env) for side in sides] for _ in range(ROUNDS + 1)]
    del rounds[0]  # it may have compiled what the others find compiled
    plain = [each[0] for each in rounds]
    show(
        f"start: to the first 200, {WORKERS} workers, {ROUNDS} rounds",
        ("first 200", "seconds", "seconds, Flask alone", "ratio", "CPU, ratio"),
        [
            (
                path,
                spread([each.seconds for each in ours]),
                spread([each.seconds for each in plain]),
                spread([a.seconds / b.seconds for a, b in zip(ours, plain, strict=True)]),
                f"{median(a.cpu / b.cpu for a, b in zip(ours, plain, strict=True)):.2f}",
            )
            for path, ours in ((sides[i][1], [each[i] for each in rounds]) for i in (1, 2))
        ],
    )


def _start(command: list[str], path: str, env: dict[str, str]) -> Start:
    with socket.create_server(("127.0.0.1", 0)) as door:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{door.fileno()}"],
            cwd=ROOT,
            env=env,
            pass_fds=[door.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            host, port = door.getsockname()
            (answer,) = load.herd(f"{host}:{port}", [path])
            seconds = time.perf_counter() - began
            taken = sum(cpu(each) for each in (process.pid, *children(process.pid)))
        finally:
            process.terminate()
            process.wait(PATIENCE)
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return Start(seconds, taken)

"""Both sides as processes: ``feeds serve``, and the naive application under the same gunicorn."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.upstream import ROOT, Upstream

UNLIMITED = "1000000/minute;burst=100000"
PATIENCE = 30
"""Seconds that a start may take."""

SERVICE = [sys.executable, "-m", "feeds", "serve"]
NAIVE = [
    *(sys.executable, "-m", "gunicorn", "-c", "python:feeds.gunicorn_conf"),
    "bench.naive:create_app()",
]


@contextmanager
def serving(command: list[str], upstream: Upstream, workers: int, **settings: str) -> Iterator[str]:
    """Its address (HOST:PORT), once all workers have started, until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--bind", "127.0.0.1:0", "--workers", str(workers)],
                cwd=ROOT,
                env=_environment(upstream, Path(folder)) | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            address = _address(process, log, workers)
            _processes[address] = process
            yield address
        except Exception:
            print(log.read_text("utf-8")[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(PATIENCE)


_processes: dict[str, subprocess.Popen[bytes]] = {}


def worker_of(address: str) -> int:
    """The id of the only worker that serves an address."""
    parent = _processes[address].pid
    (child,) = Path(f"/proc/{parent}/task/{parent}/children").read_text("utf-8").split()
    return int(child)


def _address(process: subprocess.Popen[bytes], log: Path, workers: int) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        told = log.read_text("utf-8")
        found = re.search(r"Listening at: http://(\S+)", told)
        if found and told.count("Booting worker") == workers:
            time.sleep(1)  # the workers import the application after they say so
            return found[1]
        time.sleep(0.05)
    raise SystemExit(f"It does not start:\n{log.read_text('utf-8')}")


def _environment(upstream: Upstream, folder: Path) -> dict[str, str]:
    own = ("FEEDS_", "INTERVALS_", "GUNICORN_", "FLASK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {
        "INTERVALS_PARTNER_API_KEY": "bench",
        "FEEDS_TIMEZONE": "America/Chicago",
        "FEEDS_API_URL": upstream.url,
        "FEEDS_PUBLIC_URL": "https://feeds.example.org",
        "FEEDS_DATABASE_URL": f"sqlite:///{folder / 'feeds.sqlite3'}",
        "FEEDS_UPSTREAM_RATE": UNLIMITED,
        "NO_PROXY": "127.0.0.1",
    }

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
from typing import NamedTuple

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
                env=environment(upstream, Path(folder)) | settings,
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


class Memory(NamedTuple):
    """MiB of a process: resident, and with each page that others have as well divided by them."""

    rss: float
    pss: float


def worker_of(address: str) -> int:
    """The id of the only worker that serves an address."""
    (worker,) = workers_of(address)
    return worker


def workers_of(address: str) -> list[int]:
    """The ids of the workers that serve an address."""
    return children(_processes[address].pid)


def children(parent: int) -> list[int]:
    """The ids of the processes that a process has started."""
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text("utf-8")
    return [int(child) for child in listed.split()]


def cpu(process: int) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int | str) -> Memory:
    """What a process takes; ``self`` is this one."""
    told = Path(f"/proc/{process}/smaps_rollup").read_text("utf-8")
    rss, pss = (re.search(rf"^{name}: +(\d+) kB", told, re.MULTILINE) for name in ("Rss", "Pss"))
    assert rss
    assert pss
    return Memory(int(rss[1]) / 1024, int(pss[1]) / 1024)


def configured(folder: Path, **settings: object) -> list[str]:
    """The command that runs the service with gunicorn as it is configured, but for this."""
    file = folder / f"gunicorn-{'-'.join(str(value) for value in settings.values())}.py"
    lines = ["import feeds.gunicorn_conf as own"]
    lines += [f"own.{name} = {value!r}" for name, value in settings.items()]
    lines += ["from feeds.gunicorn_conf import *"]
    file.write_text("\n".join(lines), "utf-8")
    return [sys.executable, "-m", "gunicorn", "-c", str(file), "feeds.app:create_app()"]


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


def environment(upstream: Upstream, folder: Path) -> dict[str, str]:
    """What the service needs; its database is in the folder."""
    # Without the last, no process would find the code compiled, as it is once installed.
    own = ("FEEDS_", "INTERVALS_", "GUNICORN_", "FLASK_", "PYTHONDONTWRITEBYTECODE")
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

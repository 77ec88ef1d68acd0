"""The processes under test, the CPU time and the memory that they take.

``SERVICE`` is the command of the service, ``NAIVE`` of the naive application under the same
gunicorn.
"""

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

from bench.support.upstream import ROOT, Upstream

UNLIMITED_RATE = "1000000/minute;burst=100000"
START_TIMEOUT = 30
"""Seconds."""

SERVICE = [sys.executable, "-m", "feeds", "serve"]
GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:feeds.gunicorn_conf"]
NAIVE = [*GUNICORN, "bench.baselines.naive:create_app()"]


class Memory(NamedTuple):
    """MiB of a process.

    ``rss`` counts all resident pages; ``pss`` counts a page that n processes share as 1/n.
    """

    rss: float
    pss: float


@contextmanager
def start_service(
    command: list[str], upstream: Upstream, workers: int, **settings: str
) -> Iterator[str]:
    """Run a command of gunicorn until the end of the block; yield HOST:PORT once all workers run.

    ``settings`` are environment variables.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--bind", "127.0.0.1:0", "--workers", str(workers)],
                cwd=ROOT,
                env=build_environment(upstream, Path(folder)) | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            address = _wait_for_address(process, log, workers)
            _processes[address] = process
            yield address
        except Exception:
            print(log.read_text("utf-8")[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(START_TIMEOUT)


_processes: dict[str, subprocess.Popen[bytes]] = {}
"""The main process of gunicorn by its address."""


def build_environment(upstream: Upstream, folder: Path) -> dict[str, str]:
    """The environment of the service; its database is in ``folder``."""
    # PYTHONDONTWRITEBYTECODE would have every process compile the code, unlike an installation.
    removed = ("FEEDS_", "INTERVALS_", "GUNICORN_", "FLASK_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(removed)}
    return kept | {
        "INTERVALS_PARTNER_API_KEY": "bench",
        "FEEDS_TIMEZONE": "America/Chicago",
        "FEEDS_API_URL": upstream.url,
        "FEEDS_PUBLIC_URL": "https://feeds.example.org",
        "FEEDS_DATABASE_URL": f"sqlite:///{folder / 'feeds.sqlite3'}",
        "FEEDS_UPSTREAM_RATE": UNLIMITED_RATE,
        "NO_PROXY": "127.0.0.1",
    }


def configure_service(folder: Path, **settings: object) -> list[str]:
    """The command of the service with these settings of gunicorn changed.

    The configuration file is written to ``folder``.
    """
    file = folder / f"gunicorn-{'-'.join(str(value) for value in settings.values())}.py"
    lines = ["import feeds.gunicorn_conf as own"]
    lines += [f"own.{name} = {value!r}" for name, value in settings.items()]
    lines += ["from feeds.gunicorn_conf import *"]
    file.write_text("\n".join(lines), "utf-8")
    return [sys.executable, "-m", "gunicorn", "-c", str(file), "feeds.app:create_app()"]


def find_worker(address: str) -> int:
    """The process id of the only worker of an address."""
    (worker,) = list_workers(address)
    return worker


def list_workers(address: str) -> list[int]:
    """The process ids of the workers of an address."""
    return list_children(_processes[address].pid)


def list_children(parent: int) -> list[int]:
    """The ids of the processes that ``parent`` has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text("utf-8")
    return [int(child) for child in children.split()]


def read_cpu_seconds(process: int) -> float:
    """Seconds of CPU that a process has used, as user and as system time."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_memory(process: int | str) -> Memory:
    """The memory of a process; ``self`` is the calling process."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text("utf-8")
    rss, pss = (re.search(rf"^{name}: +(\d+) kB", text, re.MULTILINE) for name in ("Rss", "Pss"))
    assert rss
    assert pss
    return Memory(int(rss[1]) / 1024, int(pss[1]) / 1024)


def _wait_for_address(process: subprocess.Popen[bytes], log: Path, workers: int) -> str:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        text = log.read_text("utf-8")
        listening = re.search(r"Listening at: http://(\S+)", text)
        if listening and text.count("Booting worker") == workers:
            time.sleep(1)  # a worker logs this line before it imports the application
            return listening[1]
        time.sleep(0.05)
    raise SystemExit(f"The service does not start:\n{log.read_text('utf-8')}")

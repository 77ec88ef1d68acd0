"""How gunicorn runs the service: the class of its workers, their threads, loaded before the fork.

One worker each, all at once and by turns. Told are hits per second and their p99 on 16 connections;
the time of one more poll while 60 connections are open that have had an answer (kept alive), have
sent half a request, or wanted theirs closed and do not close their own end; and what the worker
takes of the memory.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench import load, upstream
from bench.services import configured, memory, serving, worker_of
from bench.tables import show, spread

ROUNDS = 7
SECONDS = 2
CONNECTIONS = 16
IDLE = 60
PATIENCE = 4.0
"""Seconds that the 61st waits; longer than that it was not answered."""

PAUSE = 0.5
"""Seconds in which who is idle has got an answer, if there is one to get."""

PATH = "/events/hit.ics"
OURS, STOCK = "feeds.gunicorn_worker.Worker", "gthread"
WARM = [PATH, "/events/hit.rss", "/events/hit.json", "/events/hit", "/"]


class Variant(NamedTuple):
    """How gunicorn is configured."""

    worker_class: str
    threads: int
    preload_app: bool = True


class Run(NamedTuple):
    """What was measured of it: requests per second, milliseconds, MiB."""

    speed: float
    p99: float
    kept_alive: float
    half: float
    unclosed: float
    pss: float


VARIANTS = [
    Variant("sync", 1),
    Variant(STOCK, 64),
    Variant(OURS, 1),
    Variant(OURS, 4),
    Variant(OURS, 16),
    Variant(OURS, 64),
    Variant(OURS, 64, preload_app=False),
]


def main() -> None:
    with upstream.running() as api, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = {
            each: stack.enter_context(serving(configured(folder, **each._asdict()), api, 1))
            for each in VARIANTS
        }
        for address in addresses.values():
            load.herd(address, WARM)
        found = [
            {each: _run(address) for each, address in addresses.items()} for _ in range(ROUNDS)
        ]
    show(
        f"workers: one, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s",
        (
            *("class", "threads", "preload", "hits/s", "p99, ms"),
            *(f"beside {IDLE} {what}, ms" for what in ("kept alive", "halves", "not closed")),
            "PSS, MiB",
        ),
        [
            (
                each.worker_class,
                each.threads,
                "yes" if each.preload_app else "no",
                *(
                    spread([getattr(round_[each], name) for round_ in found], digits)
                    for name, digits in zip(Run._fields, (0, 1, 1, 1, 1, 1), strict=True)
                ),
            )
            for each in VARIANTS
        ],
    )


def _run(address: str) -> Run:
    hits = load.wrk(address, PATH, CONNECTIONS, SECONDS)
    kept_alive = _one_more(address, load.request(address, PATH, "keep-alive"))
    half = _one_more(address, b"GET / HTTP/1.1\r\n")
    unclosed = _one_more(address, load.request(address, PATH, "close"))
    return Run(hits.speed, hits.p99, kept_alive, half, unclosed, memory(worker_of(address)).pss)


def _one_more(address: str, sent: bytes) -> float:
    """Milliseconds until a poll is answered while others are open that have sent this."""
    with ExitStack() as stack:
        for _ in range(IDLE):
            idle = stack.enter_context(load.connect(address))
            idle.sendall(sent)
        time.sleep(PAUSE)
        one_more = stack.enter_context(load.connect(address))
        one_more.settimeout(PATIENCE)
        began = time.perf_counter()
        one_more.sendall(load.request(address, PATH, "close"))
        try:
            if not one_more.recv(12).endswith(b" 200"):
                raise SystemExit("It was answered, but not with 200.")
        except TimeoutError:
            return float("inf")
        return (time.perf_counter() - began) * 1000

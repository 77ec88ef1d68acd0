"""How gunicorn runs the service: the worker class, its threads, loaded before the fork or after.

One worker of each kind, measured by turns. The table has hits per second and their p99 on 16
connections; the time of one more poll while 60 connections are open that were answered and kept
alive, that have sent half a request, or that have asked for a close and have not closed their own
end; and the worker's memory.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.support.load import build_request, connect, poll_at_once, run_wrk
from bench.support.services import configure_service, find_worker, read_memory, start_service
from bench.support.tables import format_spread, print_table
from bench.support.upstream import start_upstream

ROUNDS = 7
SECONDS = 2
CONNECTIONS = 16
IDLE = 60
TIMEOUT = 4.0
"""Seconds; a poll that takes longer counts as not answered (``inf``)."""

PAUSE = 0.5
"""Seconds in which the service can answer the idle connections."""

PATH = "/events/hit.ics"
OWN, STOCK = "feeds.gunicorn_worker.Worker", "gthread"
WARM_UP = [PATH, "/events/hit.rss", "/events/hit.json", "/events/hit", "/"]


class Variant(NamedTuple):
    """Settings of gunicorn."""

    worker_class: str
    threads: int
    preload_app: bool = True


class Measurement(NamedTuple):
    """Hits per second, their p99 in ms, a poll beside idle connections in ms, PSS in MiB."""

    per_second: float
    p99: float
    kept_alive: float
    half: float
    not_closed: float
    pss: float


VARIANTS = [
    Variant("sync", 1),
    Variant(STOCK, 64),
    Variant(OWN, 1),
    Variant(OWN, 4),
    Variant(OWN, 16),
    Variant(OWN, 64),
    Variant(OWN, 64, preload_app=False),
]


def main() -> None:
    with start_upstream() as upstream, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = {}
        for variant in VARIANTS:
            command = configure_service(folder, **variant._asdict())
            addresses[variant] = stack.enter_context(start_service(command, upstream, 1))
        for address in addresses.values():
            poll_at_once(address, WARM_UP)
        rounds = [
            {variant: _measure(address) for variant, address in addresses.items()}
            for _ in range(ROUNDS)
        ]
    print_table(
        f"workers: one worker, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s",
        (
            *("class", "threads", "preload", "hits/s", "p99, ms"),
            f"poll beside {IDLE} kept alive, ms",
            f"beside {IDLE} half requests, ms",
            f"beside {IDLE} not closed, ms",
            "PSS, MiB",
        ),
        [
            (
                variant.worker_class,
                variant.threads,
                "yes" if variant.preload_app else "no",
                *(
                    format_spread([getattr(each[variant], name) for each in rounds], digits)
                    for name, digits in zip(Measurement._fields, (0, 1, 1, 1, 1, 1), strict=True)
                ),
            )
            for variant in VARIANTS
        ],
    )


def _measure(address: str) -> Measurement:
    hits = run_wrk(address, PATH, CONNECTIONS, SECONDS)
    return Measurement(
        hits.responses_per_second,
        hits.p99,
        _time_poll_beside(address, build_request(address, PATH, "keep-alive")),
        _time_poll_beside(address, b"GET / HTTP/1.1\r\n"),
        _time_poll_beside(address, build_request(address, PATH, "close")),
        read_memory(find_worker(address)).pss,
    )


def _time_poll_beside(address: str, sent: bytes) -> float:
    """Milliseconds of a poll while ``IDLE`` connections are open on which ``sent`` was sent."""
    with ExitStack() as stack:
        for _ in range(IDLE):
            idle = stack.enter_context(connect(address))
            idle.sendall(sent)
        time.sleep(PAUSE)
        polling = stack.enter_context(connect(address))
        polling.settimeout(TIMEOUT)
        began = time.perf_counter()
        polling.sendall(build_request(address, PATH, "close"))
        try:
            if not polling.recv(12).endswith(b" 200"):
                raise SystemExit("A poll was not answered with 200.")
        except TimeoutError:
            return float("inf")
        return (time.perf_counter() - began) * 1000

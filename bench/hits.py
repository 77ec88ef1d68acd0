"""Polls of unchanged feeds: the service beside a bare WSGI callable under the same gunicorn.

One worker each, by turns; ``wrk`` polls on 16 connections. The callable sends the header fields and
the bytes that the service sent before. A Flask view with ``make_conditional`` and a callable that
reads its bytes from SQLite send the same. The table has ratios to the bare callable, of the same
round: of requests per second, and of the worker's CPU time per request, which other work on the
machine disturbs least.
"""

import json
import tempfile
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import sleep
from typing import NamedTuple

from bench.baselines import bare
from bench.support import load
from bench.support.services import (
    GUNICORN,
    SERVICE,
    find_worker,
    read_cpu_seconds,
    start_service,
)
from bench.support.tables import format_spread, print_table
from bench.support.upstream import start_upstream
from feeds.domain.freshness import INVALIDATION_INTERVAL

ROUNDS = 9
SECONDS = 2
CONNECTIONS = 16
PATH = "/events/hit-0.ics"

BASELINES = {
    "bare": "create_bare",
    "Flask view": "create_view",
    "SQLite": "create_sqlite",
}
"""The other applications, and the functions of ``bench.baselines.bare`` that create them."""

NEXT_EVENT = """
local n = 0
request = function()
  n = (n + 1) % {events}
  return wrk.format("GET", "/events/hit-" .. n .. ".ics")
end
"""
"""A script for ``wrk``: poll all events in turn."""


class Throughput(NamedTuple):
    """Requests per second, and microseconds of CPU per request."""

    per_second: float
    cpu: float


def main() -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(start_upstream())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script, recording = folder / "next_event.lua", folder / "recording.json"
        script.write_text(NEXT_EVENT.format(events=bare.EVENTS), "utf-8")
        service = stack.enter_context(start_service(SERVICE, upstream, 1))
        etag = record(service, recording)
        settings = {bare.RECORDING: str(recording)}
        addresses = {"service": service}
        for name, function in BASELINES.items():
            command = [*GUNICORN, f"bench.baselines.bare:{function}()"]
            started = start_service(command, upstream, 1, **settings)
            addresses[name] = stack.enter_context(started)
        requests: dict[str, list[str]] = {
            "200": [],
            "304": ["-H", f"If-None-Match: {etag}"],
            f"200, {bare.EVENTS} events": ["-s", str(script)],
        }
        paths = [f"/events/hit-{number}.ics" for number in range(bare.EVENTS)]
        load.poll_without_pause(service, paths, bare.EVENTS)
        sleep(2 * INVALIDATION_INTERVAL.total_seconds())  # saves invalidate the events once
        load.poll_without_pause(service, paths, bare.EVENTS)
        rounds = [
            {
                (request, name): measure(address, options)
                for request, options in requests.items()
                for name, address in addresses.items()
            }
            for _ in range(ROUNDS)
        ]
    print_table(
        f"hits: one worker, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s",
        (
            *("response", "sent by", "requests/s"),
            *("requests/s, ratio to bare", "CPU/request, ratio to bare"),
        ),
        [build_row(request, name, rounds) for request, name in rounds[0]],
    )


def build_row(
    request: str, name: str, rounds: list[dict[tuple[str, str], Throughput]]
) -> tuple[str, ...]:
    """The cells of a row: the ratios are those to ``bare`` in the same round."""
    pairs = [(each[request, name], each[request, "bare"]) for each in rounds]
    return (
        request,
        name,
        format_spread([measured.per_second for measured, _ in pairs], 0),
        format_spread([measured.per_second / base.per_second for measured, base in pairs]),
        f"{median(measured.cpu / base.cpu for measured, base in pairs):.2f}",
    )


def record(service: str, recording: Path, path: str = PATH) -> str:
    """Write the service's 200 and 304 to the recording; the ETag of both."""
    ok, body = _get(service, path)
    etag = dict(ok)["ETag"]
    not_modified, _ = _get(service, path, {"If-None-Match": etag})
    by_gunicorn = ("date", "server", "connection")
    headers = {
        status: [[name, value] for name, value in fields if name.lower() not in by_gunicorn]
        for status, fields in (("200", ok), ("304", not_modified))
    }
    recording.write_text(json.dumps(headers | {"body": body.decode()}), "utf-8")
    return etag


def _get(
    address: str, path: str, headers: dict[str, str] | None = None
) -> tuple[list[tuple[str, str]], bytes]:
    connection = HTTPConnection(address, timeout=30)
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status >= 400:
        raise SystemExit(f"{path}: {response.status}")
    return response.getheaders(), body


def measure(address: str, options: list[str], path: str = PATH) -> Throughput:
    """Poll with ``wrk`` for ``SECONDS``."""
    worker = find_worker(address)
    before = read_cpu_seconds(worker)
    result = load.run_wrk(address, path, CONNECTIONS, SECONDS, options)
    cpu = read_cpu_seconds(worker) - before
    return Throughput(result.responses_per_second, cpu / result.responses * 1e6)

"""Polls for what has not changed: the service beside a bare WSGI callable under the same gunicorn.

One worker each, ``wrk`` with 16 connections, by turns; the callable replays the same header fields
and bytes. Told are ratios of requests per second, round by round, and of the CPU time that the
worker takes for a request, which the rest of the machine disturbs least.
"""

import json
import sys
import tempfile
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import bare, load, upstream
from bench.services import SERVICE, cpu, serving, worker_of
from bench.tables import show, spread

ROUNDS = 7
SECONDS = 2
CONNECTIONS = 16
EVENTS = 1_000
PATH = "/events/hit-0.ics"

BARE = [
    *(sys.executable, "-m", "gunicorn", "-c", "python:feeds.gunicorn_conf"),
    "bench.bare:create_app()",
]
CYCLE = """
local n = 0
request = function()
  n = (n * 7 + 1) % {events}
  return wrk.format("GET", "/events/hit-" .. n .. ".ics")
end
"""


class Run(NamedTuple):
    """Requests per second, and the CPU microseconds of one."""

    speed: float
    cpu: float


def main() -> None:
    with upstream.running() as api, tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "recorded.json"
        with serving(SERVICE, api, 1) as service:
            etag = _record(service, recorded)
            with serving(BARE, api, 1, **{bare.RECORDED: str(recorded)}) as other:
                rows = [
                    _row("200", service, other, []),
                    _row("304", service, other, ["-H", f"If-None-Match: {etag}"]),
                ]
                for number in range(EVENTS):
                    _get(service, f"/events/hit-{number}.ics")
                script = Path(folder) / "cycle.lua"
                script.write_text(CYCLE.format(events=EVENTS), "utf-8")
                rows.append(_row(f"200, {EVENTS} events", service, other, ["-s", str(script)]))
    show(
        f"hits: one worker, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s",
        ("answer", "requests/s", "requests/s, bare", "ratio", "CPU/request, ratio"),
        rows,
    )


def _record(service: str, recorded: Path) -> str:
    first, body = _get(service, PATH)
    etag = dict(first)["ETag"]
    unchanged, _ = _get(service, PATH, {"If-None-Match": etag})
    own = ("date", "server", "connection")
    kept = {
        status: [[name, value] for name, value in fields if name.lower() not in own]
        for status, fields in (("200", first), ("304", unchanged))
    }
    recorded.write_text(json.dumps(kept | {"body": body.decode()}), "utf-8")
    return etag


def _get(
    address: str, path: str, fields: dict[str, str] | None = None
) -> tuple[list[tuple[str, str]], bytes]:
    connection = HTTPConnection(address, timeout=30)
    connection.request("GET", path, headers=fields or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status >= 400:
        raise SystemExit(f"{path}: {answer.status}")
    return answer.getheaders(), body


def _row(what: str, service: str, other: str, options: list[str]) -> tuple[str, ...]:
    pairs = [(_run(service, options), _run(other, options)) for _ in range(ROUNDS)]
    return (
        what,
        spread([ours.speed for ours, _ in pairs], 0),
        spread([its.speed for _, its in pairs], 0),
        spread([ours.speed / its.speed for ours, its in pairs]),
        f"{median(ours.cpu / its.cpu for ours, its in pairs):.2f}",
    )


def _run(address: str, options: list[str]) -> Run:
    worker = worker_of(address)
    before = cpu(worker)
    told = load.wrk(address, PATH, CONNECTIONS, SECONDS, options)
    return Run(told.speed, (cpu(worker) - before) / told.answers * 1e6)

"""Polls for what has not changed: the service beside a bare WSGI callable under the same gunicorn.

One worker each, ``wrk`` with 16 connections, by turns; the callable replays the same header fields
and bytes. So does a view of Flask with ``make_conditional``, and the callable with its bytes in
SQLite. Told are ratios to the bare one, round by round: of requests per second, and of the CPU time
that a worker takes for a request, which the rest of the machine disturbs least.
"""

import json
import sys
import tempfile
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import bare, load, upstream
from bench.services import SERVICE, cpu, serving, worker_of
from bench.tables import show, spread

ROUNDS = 9
SECONDS = 2
CONNECTIONS = 16
PATH = "/events/hit-0.ics"

UNDER_GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:feeds.gunicorn_conf"]
OTHERS = {
    what: [*UNDER_GUNICORN, f"bench.bare:{name}()"]
    for what, name in (("bare", "bare"), ("Flask view", "view"), ("SQLite", "stored"))
}
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
    with ExitStack() as stack:
        api = stack.enter_context(upstream.running())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script, recorded = folder / "cycle.lua", folder / "recorded.json"
        script.write_text(CYCLE.format(events=bare.EVENTS), "utf-8")
        service = stack.enter_context(serving(SERVICE, api, 1))
        etag = _record(service, recorded)
        sides = {"service": service} | {
            what: stack.enter_context(serving(command, api, 1, **{bare.RECORDED: str(recorded)}))
            for what, command in OTHERS.items()
        }
        asked: dict[str, list[str]] = {
            "200": [],
            "304": ["-H", f"If-None-Match: {etag}"],
            f"200, {bare.EVENTS} events": ["-s", str(script)],
        }
        load.polls(
            service, [f"/events/hit-{number}.ics" for number in range(bare.EVENTS)], bare.EVENTS
        )
        rounds = [
            {
                (what, side): _run(address, options)
                for what, options in asked.items()
                for side, address in sides.items()
            }
            for _ in range(ROUNDS)
        ]
    show(
        f"hits: one worker, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s",
        ("answer", "by", "requests/s", "requests/s, to bare", "CPU/request, to bare"),
        [
            (
                what,
                side,
                spread([each[what, side].speed for each in rounds], 0),
                spread([each[what, side].speed / each[what, "bare"].speed for each in rounds]),
                f"{median(each[what, side].cpu / each[what, 'bare'].cpu for each in rounds):.2f}",
            )
            for what, side in rounds[0]
        ],
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


def _run(address: str, options: list[str]) -> Run:
    worker = worker_of(address)
    before = cpu(worker)
    told = load.wrk(address, PATH, CONNECTIONS, SECONDS, options)
    return Run(told.speed, (cpu(worker) - before) / told.answers * 1e6)

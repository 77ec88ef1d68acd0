"""An Intervals API without limits, in a process of its own: any id is an event with two runs.

An event whose id begins with ``festival`` has a hundred; with ``long`` it makes a calendar of 3 KB.

It is what the sandbox would be without a plan. Under ``/bench`` it is told how to behave::

    PUT /bench     {"delay": seconds, "hanging": bool, "runs": {<event id>: {<field of its runs>}}}
    GET /bench     {"calls": {<event id>: n}} since the last look
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
ORGANIZATION = "bench"
DISTANCES = ("5K", "10K", "15K", "Half Marathon", "Marathon", "50K", "50M", "100K", "100M", "Ultra")
"""Of the runs."""


def document(event_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """An event in the far future, and its runs, which have these fields as well."""
    labels = DISTANCES[:2] if not event_id.startswith("festival") else DISTANCES * 10
    sentences = 5 if event_id.startswith("long") else 1
    event = {
        "_id": event_id,
        "name": f"Race {event_id}",
        "slug": event_id,
        "type": "race",
        "date": "2031-06-14",
        "organizationId": ORGANIZATION,
        "address": {"venue": "Harbor Park", "city": "Duluth", "state": "MN"},
        "lat": 46.78,
        "lng": -92.1,
        "description": "A course along the lake, and back on the other side. " * sentences,
    }
    runs = [
        {
            "_id": f"{event_id}-{label}-{number}".replace(" ", "-"),
            "eventId": event_id,
            "distanceMeters": 5000,
            "distanceStandard": label,
            "distanceLabel": label,
            "date": "2031-06-14",
            "startTime": "08:00",
        }
        | fields
        for number, label in enumerate(labels)
    ]
    return {"data": {"event": event, "runs": runs}}


class Behaviour:
    """What all threads of the server share."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.runs: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.goes_on = threading.Event()
        self.goes_on.set()


behaviour = Behaviour()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/bench":
            calls, behaviour.calls = behaviour.calls, Counter()
            return self._answer({"calls": calls})
        if self.path == "/organization":
            return self._answer({"data": {"_id": ORGANIZATION}})
        event_id = self.path.removeprefix("/events/")
        behaviour.calls[event_id] += 1
        time.sleep(behaviour.delay)
        behaviour.goes_on.wait()
        return self._answer(document(event_id, behaviour.runs.get(event_id, {})))

    def do_PUT(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour.delay = told.get("delay", behaviour.delay)
        behaviour.runs |= told.get("runs", {})
        if told.get("hanging"):
            behaviour.goes_on.clear()
        else:
            behaviour.goes_on.set()
        self._answer({})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Who asks may have left while this one was hanging."""


class Upstream:
    """The handle of one that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def behave(self, **told: object) -> None:
        """Behave like this from now on; without ``hanging=True`` it goes on."""
        self._ask("PUT", json.dumps(told))

    def calls(self) -> Counter[str]:
        """How often each event was asked for since the last look."""
        return Counter(self._ask("GET")["calls"])

    def _ask(self, method: str, body: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        connection.request(method, "/bench", body)
        answer = json.load(connection.getresponse())
        connection.close()
        return answer


@contextmanager
def running() -> Iterator[Upstream]:
    """One that runs until the end of the block."""
    command = [sys.executable, "-m", "bench.upstream"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Upstream(process.stdout.readline().strip())
        finally:
            process.kill()


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()

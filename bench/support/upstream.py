"""A local Intervals API without a rate limit, in a process of its own.

Each id is an event with two runs; an id that begins with ``club`` has three, one that begins with
``festival`` 100; an id that begins with ``long`` has a description that makes its calendar 3 KB.
The name of the event ``clock`` has the POSIX time of the call. An id that begins with ``unknown``
is none. ``hostile`` tells which ids have hostile documents.

A benchmark controls the process by requests::

    PUT /bench     {"delay": seconds, "hanging": bool, "runs": {<event id>: {<field>: <value>}},
                    "listed": number of events on the list, ``club-0`` and so on}
    GET /bench     {"calls": {<event id>: number}}, counted since the last such request
"""

import json
import re
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

from bench.support import hostile

ROOT = Path(__file__).parents[2]
"""The checkout, in which all processes are started."""

ORGANIZATION = "bench"
DISTANCES = ("5K", "10K", "15K", "Half Marathon", "Marathon", "50K", "50M", "100K", "100M", "Ultra")


def build_document(event_id: str, fields: dict[str, Any], calls: int = 0) -> dict[str, Any]:
    """The document of an event in the far future; ``fields`` are added to each of its runs.

    ``calls`` is how often the event was fetched.
    """
    labels = DISTANCES[: 3 if event_id.startswith("club") else 2]
    if event_id.startswith("festival"):
        labels = DISTANCES * 10
    sentences = 5 if event_id.startswith("long") else 1
    event = {
        "_id": event_id,
        "name": f"Race {event_id}" if event_id != "clock" else f"Race at {time.time():.1f}",
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
    hostile.add_hostility(event_id, calls, event, runs)
    return {"data": {"event": event, "runs": runs}}


class State:
    """What the threads of the server share; ``responding`` is cleared while the API hangs."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.listed = 0
        self.run_fields: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.responding = threading.Event()
        self.responding.set()


state = State()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/bench":
            calls, state.calls = state.calls, Counter()
            return self._respond({"calls": calls})
        if self.path == "/organization":
            return self._respond({"data": {"_id": ORGANIZATION}})
        if self.path.startswith("/recurrences"):
            # Not counted: asked for once a day for all events.
            return self._respond({"data": [], "hasMore": False})
        if self.path.startswith("/events?"):
            return self._respond(self._list_events())
        event_id = self.path.removeprefix("/events/")
        state.calls[event_id] += 1
        time.sleep(state.delay)
        state.responding.wait()
        if event_id.startswith("unknown"):
            return self._respond({"error": {"code": "NOT_FOUND", "message": "None."}}, 404)
        fields, fetched = state.run_fields.get(event_id, {}), state.calls[event_id]
        return self._respond(build_document(event_id, fields, fetched))

    def _list_events(self) -> dict[str, Any]:
        """A page of 100 events."""
        state.calls["the list"] += 1
        after = re.search(r"after=club-(\d+)", self.path)
        first = int(after[1]) + 1 if after else 0
        ids = [f"club-{number}" for number in range(first, min(first + 100, state.listed))]
        documents = [build_document(id_, {})["data"]["event"] for id_ in ids]
        return {"data": documents, "hasMore": first + 100 < state.listed}

    def do_PUT(self) -> None:
        settings = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state.delay = settings.get("delay", state.delay)
        state.listed = settings.get("listed", state.listed)
        state.run_fields |= settings.get("runs", {})
        if settings.get("hanging"):
            state.responding.clear()
        else:
            state.responding.set()
        self._respond({})

    def _respond(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
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
        """Print nothing: clients close their connections while the API hangs."""


class Upstream:
    """Controls a running local API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def configure(self, **settings: object) -> None:
        """Send the settings of ``PUT /bench``; without ``hanging=True`` the API responds again."""
        self._request("PUT", json.dumps(settings))

    def take_calls(self) -> Counter[str]:
        """The number of calls for each event since the last ``take_calls``."""
        return Counter(self._request("GET")["calls"])

    def _request(self, method: str, body: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        connection.request(method, "/bench", body)
        content = json.load(connection.getresponse())
        connection.close()
        return content


@contextmanager
def start_upstream() -> Iterator[Upstream]:
    """Run the API until the end of the block."""
    command = [sys.executable, "-m", "bench.support.upstream"]
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

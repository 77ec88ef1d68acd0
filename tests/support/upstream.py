"""The sandbox behind a socket, for the service to call."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from werkzeug import Response
from werkzeug.serving import WSGIRequestHandler, make_server

from feeds.sandbox import ORGANIZATION_ID, SAMPLES, SANDBOX_KEY, SCOPES, Key, create_sandbox
from feeds.sandbox.keys import Plan
from tests.support.waiting import PATIENCE

HOST = "127.0.0.1"
EXAMPLE = "e72tuv901wxy234"
"""The event in the documentation of the API: one run, which has ended before ``clock.START``."""

SAMPLE_IDS = sorted(
    document["event"]["_id"]
    for path in SAMPLES.glob("*.json")
    if "event" in (document := json.loads(path.read_text("utf-8")))
)


class QuietHandler(WSGIRequestHandler):
    """Logs nothing and closes each connection after one request."""

    protocol_version = "HTTP/1.0"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


class Upstream:
    """The sandbox on a port of its own; ``on`` runs it.

    ``calls`` holds the paths of all requests. ``instead`` is the response to every request while
    it is set, ``failing`` the responses to single paths. ``scopes`` are those of the API key.
    ``delay`` runs before each response is sent; ``hold`` delays all responses.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.calls: list[str] = []
        self.instead: Callable[[Any, Any], Iterable[bytes]] | None = None
        self.failing: dict[str, Response] = {}
        self.scopes = set(SCOPES)
        self.delay: Callable[[], object] | None = None
        self._released = threading.Event()
        self._released.set()
        self._keys: dict[str, Key] = {}
        self.give_key_to(ORGANIZATION_ID)
        self._sandbox = create_sandbox(keys=self._keys, clock=clock)
        self._listen(0)
        self.url = f"http://{HOST}:{self._server.port}"

    @contextmanager
    def on(self) -> Iterator["Upstream"]:
        """Accept connections until the end of the block."""
        self._serve()
        try:
            yield self
        finally:
            self.stop()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Delay all responses until the end of the block; each is then what it would be then."""
        self._released.clear()
        try:
            yield
        finally:
            self._released.set()

    @property
    def stopped(self) -> bool:
        """Whether it refuses connections."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def restart(self) -> None:
        """Accept connections again, on the same port."""
        self._listen(self._server.port)
        self._serve()

    @property
    def asked(self) -> list[str]:
        """The ids of the requested events, in order."""
        return [path.removeprefix("/events/") for path in self.calls if "/events/" in path]

    def give_key_to(self, organization: str, plan: Plan = "enterprise") -> None:
        """Make the key belong to this organization, with this plan, from now on."""
        key = Key(organization, scopes=cast("frozenset[str]", self.scopes), plan=plan)
        self._keys[SANDBOX_KEY] = key

    def put(self, event_id: str, document: Any) -> None:
        """Serve this document, unchecked, for the event."""
        answer = self._sandbox.test_client().put(f"/sandbox/events/{event_id}", json=document)
        assert answer.status_code in (200, 201)

    def delete(self, event_id: str) -> None:
        """Answer 404 for the event from now on."""
        answer = self._sandbox.test_client().delete(f"/sandbox/events/{event_id}")
        assert answer.status_code in (200, 204)

    def refuse_path(self, path: str, status: int, code: str) -> None:
        """Answer requests for one path with an error of the API from now on."""
        self.failing[path] = _error(status, {"code": code})

    def answer(self, status: int, media_type: str, body: str) -> None:
        """Answer every request with this from now on."""
        self.instead = Response(body, status, mimetype=media_type)

    def refuse(self, status: int, code: str, **more: Any) -> None:
        """Answer every request with an error of the API from now on."""
        self.instead = _error(status, {"code": code, **more})

    def document(self, event_id: str) -> Any:
        """Return the current document: ``{"event": ..., "runs": ...}``."""
        return self._sandbox.test_client().get(f"/sandbox/events/{event_id}").json

    def publish(self, event_id: str, *dates: str, **fields: Any) -> None:
        """Serve an event with a 10K at noon on each date; the first date is that of the event."""
        event = {
            "_id": event_id,
            "name": event_id.capitalize(),
            "slug": event_id,
            "type": "race",
            "date": dates[0],
            "organizationId": ORGANIZATION_ID,
        }
        runs = [
            {
                "_id": f"{event_id}-{number}",
                "eventId": event_id,
                "distanceMeters": 10000,
                "distanceStandard": "10K",
                "distanceLabel": "10K",
                "date": date,
                "startTime": "12:00",
            }
            for number, date in enumerate(dates, 1)
        ]
        self.put(event_id, {"event": event | fields, "runs": runs})

    def _listen(self, port: int) -> None:
        self._server = make_server(
            HOST, port, self._answer, threaded=True, request_handler=QuietHandler
        )

    def _serve(self) -> None:
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.01,), daemon=True)
        self._thread.start()

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.calls.append(environ["PATH_INFO"])
        assert self._released.wait(PATIENCE)
        failing = self.failing.get(environ["PATH_INFO"])
        answer = (self.instead or failing or self._sandbox)(environ, start_response)
        if self.delay:
            self.delay()
        return answer


def _error(status: int, error: dict[str, Any]) -> Response:
    body = {"error": {"message": "Upstream's own text."} | error}
    return Response(json.dumps(body), status, mimetype="application/json")

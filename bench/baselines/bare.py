"""Applications that send recorded responses, under the same gunicorn as the service.

``create_bare`` is a WSGI callable with one body, the fastest application in Python;
``create_sqlite`` the same callable that reads the body of each path from SQLite; ``create_view`` a
Flask view that calls ``make_conditional``.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import flask
from werkzeug.wrappers import Response

RECORDING = "BENCH_RECORDING"
"""The environment variable with the path of a JSON file: ``200`` and ``304`` are lists of header
fields, ``body`` is a text."""

EVENTS = 10_000
"""Events that can be polled: ``/events/hit-<number>.ics``."""


def create_bare() -> WSGIApplication:
    body = _read_recording()["body"].encode()
    return _create_application(lambda _: body)


def create_sqlite() -> WSGIApplication:
    path = Path(os.environ[RECORDING]).with_suffix(".sqlite3")
    body = _read_recording()["body"].encode()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bodies (path TEXT PRIMARY KEY, body BLOB)")
        rows = ((f"/events/hit-{number}.ics", body) for number in range(EVENTS))
        database.executemany("INSERT INTO bodies VALUES (?, ?)", rows)
    database.close()
    local = threading.local()

    def read_body(polled: str) -> bytes:
        if not hasattr(local, "database"):
            local.database = sqlite3.connect(path)
        select = "SELECT body FROM bodies WHERE path = ?"
        (found,) = local.database.execute(select, (polled,)).fetchone()
        return bytes(found)

    return _create_application(read_body)


def create_view() -> WSGIApplication:
    recording, app = _read_recording(), flask.Flask("view")
    body, headers = recording["body"].encode(), dict(recording["200"])

    def respond(**_: str) -> Response:
        return flask.Response(body, headers=headers).make_conditional(flask.request)

    app.add_url_rule("/events/<event_id>.ics", view_func=respond)
    return app


def _create_application(read_body: Callable[[str], bytes]) -> WSGIApplication:
    recording = _read_recording()
    ok = [(name, value) for name, value in recording["200"]]
    not_modified = [(name, value) for name, value in recording["304"]]

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = read_body(environ["PATH_INFO"])
        if "HTTP_IF_NONE_MATCH" in environ:
            start_response("304 NOT MODIFIED", not_modified)
            return [b""]
        start_response("200 OK", ok)
        return [body]

    return respond


def _read_recording() -> Any:  # noqa: ANN401 - JSON
    return json.loads(Path(os.environ[RECORDING]).read_text("utf-8"))

"""What replays one answer, as an application under the same gunicorn.

A bare WSGI callable, than which nothing in Python could be faster; a view of Flask that makes its
answer conditional; and the callable with a body for each path in SQLite.
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

RECORDED = "BENCH_RECORDED"
"""Names the file with the header fields of a 200 and of a 304, and the body, as JSON."""

EVENTS = 10_000
"""Paths that are polled."""


def bare() -> WSGIApplication:
    body = _recorded()["body"].encode()
    return _application(lambda _: body)


def stored() -> WSGIApplication:
    path = Path(os.environ[RECORDED]).with_suffix(".sqlite3")
    body = _recorded()["body"].encode()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bodies (path TEXT PRIMARY KEY, body BLOB)")
        rows = ((f"/events/hit-{number}.ics", body) for number in range(EVENTS))
        database.executemany("INSERT INTO bodies VALUES (?, ?)", rows)
    database.close()
    local = threading.local()

    def find(asked: str) -> bytes:
        if not hasattr(local, "database"):
            local.database = sqlite3.connect(path)
        select = "SELECT body FROM bodies WHERE path = ?"
        (found,) = local.database.execute(select, (asked,)).fetchone()
        return bytes(found)

    return _application(find)


def view() -> WSGIApplication:
    recorded, app = _recorded(), flask.Flask("view")
    body, headers = recorded["body"].encode(), dict(recorded["200"])

    def feed(**_: str) -> Response:
        return flask.Response(body, headers=headers).make_conditional(flask.request)

    app.add_url_rule("/events/<event_id>.ics", view_func=feed)
    return app


def _application(find: Callable[[str], bytes]) -> WSGIApplication:
    recorded = _recorded()
    ok = [(name, value) for name, value in recorded["200"]]
    unchanged = [(name, value) for name, value in recorded["304"]]

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = find(environ["PATH_INFO"])
        if "HTTP_IF_NONE_MATCH" in environ:
            start_response("304 NOT MODIFIED", unchanged)
            return [b""]
        start_response("200 OK", ok)
        return [body]

    return answer


def _recorded() -> Any:  # noqa: ANN401 - JSON
    return json.loads(Path(os.environ[RECORDED]).read_text("utf-8"))

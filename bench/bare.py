"""A bare WSGI callable that replays an answer: nothing in Python could be faster under gunicorn."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

RECORDED = "BENCH_RECORDED"
"""Names the file with the header fields of a 200 and of a 304, and the body, as JSON."""


def create_app() -> WSGIApplication:
    recorded = json.loads(Path(os.environ[RECORDED]).read_text("utf-8"))
    ok = [(name, value) for name, value in recorded["200"]]
    unchanged = [(name, value) for name, value in recorded["304"]]
    body = recorded["body"].encode()

    def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" in environ:
            start_response("304 NOT MODIFIED", unchanged)
            return [b""]
        start_response("200 OK", ok)
        return [body]

    return bare

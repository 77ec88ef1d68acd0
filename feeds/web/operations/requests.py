"""The id of each request, which its response and its lines in the log have, and the access log."""

import logging
import random
import re
from collections.abc import Iterable
from time import perf_counter
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from feeds.logs import REQUEST_ID

log = logging.getLogger("feeds.access")

HEADER = "X-Request-Id"
_KEY = "feeds.request_id"  # in the environment of a request
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def identify(application: WSGIApplication, *, trusted: bool) -> WSGIApplication:
    """The application with a header field ``X-Request-Id`` on every response.

    The id is that of the request if a proxy in front is ``trusted``, else a new one.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent = environ.get("HTTP_X_REQUEST_ID", "") if trusted else ""
        request_id = sent if sent and _USABLE.fullmatch(sent) else _make_id()
        environ[_KEY] = request_id

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - as PEP 3333 has it
            headers.append((HEADER, request_id))
            return start_response(status, headers, *error)

        return application(environ, start)

    return answer


def _make_id() -> str:
    # No secret. The state of the generator is another one in each process after a fork.
    return random.getrandbits(64).to_bytes(8).hex()


def bind_id(application: WSGIApplication) -> WSGIApplication:
    """The application whose lines in the log have the id of the request that they come from."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        token = REQUEST_ID.set(environ.get(_KEY, ""))
        try:
            return application(environ, start_response)
        finally:
            REQUEST_ID.reset(token)

    return answer


def log_requests(application: WSGIApplication) -> WSGIApplication:
    """The application with one line in the log for each request; goes around ``identify``."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started, sent = perf_counter(), ("", "0")

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - as above
            nonlocal sent
            length = next((value for name, value in headers if name == "Content-Length"), "0")
            sent = status.partition(" ")[0], length
            return start_response(status, headers, *error)

        body = application(environ, start)
        status, size = sent
        query = environ.get("QUERY_STRING")
        target = f"{environ.get('PATH_INFO', '')}{'?' if query else ''}{query or ''}"
        fields = {
            "request_id": environ.get(_KEY, ""),
            "method": environ["REQUEST_METHOD"],
            "target": target,
            "status": int(status or 0),
            "bytes": int(size),
            "milliseconds": round((perf_counter() - started) * 1000, 1),
            "client": environ.get("REMOTE_ADDR", ""),
            "agent": environ.get("HTTP_USER_AGENT", ""),
        }
        log.info("%s %s %s", fields["method"], ascii(target)[1:-1], status, extra=fields)
        return body

    return answer

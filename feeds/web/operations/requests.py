"""The id of each request, which its response and its lines in the log have, and the access log."""

import logging
import random
import re
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from feeds.logs import REQUEST_ID

log = logging.getLogger("feeds.access")

ID_HEADER = "X-Request-Id"
ID_KEY = "feeds.request_id"
"""The key of a request's id in its WSGI environment."""

_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def make_id(_request: WSGIEnvironment) -> str:
    """A new id for a request."""
    # The id is no secret. Python seeds this generator anew in each forked process.
    return f"{random.getrandbits(64):016x}"


def take_id(request: WSGIEnvironment) -> str:
    """The id that a trusted proxy has sent with a request, if it is usable; else a new one."""
    sent = request.get("HTTP_X_REQUEST_ID", "")
    return sent if _USABLE.fullmatch(sent) else make_id(request)


def identify(
    application: WSGIApplication, choose_id: Callable[[WSGIEnvironment], str]
) -> WSGIApplication:
    """The application with the id of the request on every response, and on its lines in the log."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[ID_KEY] = request_id = choose_id(environ)

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - as PEP 3333 has it
            headers.append((ID_HEADER, request_id))
            return start_response(status, headers, *error)

        token = REQUEST_ID.set(request_id)
        try:
            return application(environ, start)
        finally:
            REQUEST_ID.reset(token)

    return answer


def log_requests(application: WSGIApplication) -> WSGIApplication:
    """The application with one line in the log for each request; must be the outermost layer."""

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
            "request_id": environ.get(ID_KEY, ""),
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

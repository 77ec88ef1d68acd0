"""HTTP GET with a bounded duration and a bounded body, for one server and one API key.

No error that leaves this module holds the request, because the request holds the key.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from threading import Lock
from time import monotonic
from typing import Any

import requests
from msgspec import Struct
from urllib3 import Timeout
from urllib3 import exceptions as urllib3

from feeds import __version__, errors, metrics

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 5.0
DEADLINE = 8.0
"""Seconds: to connect to one address of the host, between two reads, and for a whole call."""

KEEP_ALIVE = 20.0
"""Seconds for which an idle connection may be used again.

Gateways forget idle connections, and answer the next request with RST or silence:
https://github.com/urllib3/urllib3/issues/3184, https://github.com/psf/requests/issues/3808.
"""

MAX_BODY = 5 * 1024 * 1024
"""Bytes of a body after decompression."""


class Response(Struct, frozen=True):
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """GET requests to one server with one key; threads may share a client.

    ``clock`` gives the seconds in which idle time is measured.
    """

    def __init__(self, url: str, key: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._url = url.rstrip("/")
        self._auth = _BearerAuth(key)
        self._clock = clock
        self._lock = Lock()
        # Sessions of one connection each, with the time of their last use; the latest at the end.
        self._idle: list[tuple[float, requests.Session]] = []

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, *, seconds: float = DEADLINE
    ) -> Response:
        """Return the answer to GET; redirects are not followed. ``seconds`` shorten the deadline.

        A request is repeated once on a new connection if no connection came about, or if a used
        connection failed before the header of the answer was complete.

        Raises ``UpstreamTimeout``, ``UpstreamUnavailable`` or ``InvalidResponse``. The deadline is
        checked before each request and each read of the body; nothing public interrupts
        ``requests`` in between. So a call may take longer than its deadline: by the time of the
        system's resolver; by ``CONNECT_TIMEOUT`` for each further address of the host; by
        ``READ_TIMEOUT`` for the last read; and as long as a server drips a byte per
        ``READ_TIMEOUT`` that is not of the body (header, chunk size, trailer, gzip header).
        """
        began = monotonic()
        end = began + min(DEADLINE, seconds)
        used = self._take_idle()
        outcome = self._send(used or _Session(self._auth), path, headers, end)
        if isinstance(outcome, _Failure) and (outcome.unsent or (used and outcome.unanswered)):
            outcome = self._send(_Session(self._auth), path, headers, end)
        if recorder := metrics.get():
            recorder.observe_call(_name_outcome(outcome), monotonic() - began)
        if isinstance(outcome, _Failure):
            # Outside any except block: a context would hold the request, and thus the key.
            raise outcome.error
        return outcome

    def _send(
        self, session: requests.Session, path: str, headers: Mapping[str, str] | None, end: float
    ) -> "Response | _Failure":
        unanswered = True
        try:
            # The adapter accepts urllib3's Timeout; the type stubs of requests do not know it.
            # Past the deadline, Timeout raises ValueError.
            timeout: Any = Timeout(end - monotonic(), CONNECT_TIMEOUT, READ_TIMEOUT)
            with session.get(
                self._url + path, headers=headers, timeout=timeout, stream=True
            ) as response:
                unanswered = False
                body = _read_body(response, end)
        except (errors.UpstreamError, urllib3.HTTPError, OSError, ValueError) as error:
            session.close()
            late = monotonic() >= end
            translated = errors.UpstreamTimeout() if late else _translate(error)
            return _Failure(translated, unsent=_is_unsent(error), unanswered=unanswered)
        self._put_idle(session, response)
        return Response(response.status_code, response.headers, body)

    def _take_idle(self) -> requests.Session | None:
        """Remove and return the session used last; close all that were idle for too long."""
        with self._lock:
            now = self._clock()
            # A use in the future means that the clock was set back.
            while self._idle and not 0 <= now - self._idle[0][0] <= KEEP_ALIVE:
                self._idle.pop(0)[1].close()
            return self._idle.pop()[1] if self._idle else None

    def _put_idle(self, session: requests.Session, response: requests.Response) -> None:
        """Keep a session for the next call, unless the server closes (RFC 9112 9.6).

        After an interim answer (1xx), the final one is still to come (RFC 9110 15.2). ``requests``
        does not read it; the next call would take it for its own.
        """
        closes = "close" in response.headers.get("Connection", "").lower()
        if closes or response.status_code < HTTPStatus.OK:
            session.close()
            return
        with self._lock:
            self._idle.append((self._clock(), session))


class _Failure(Struct, frozen=True):
    """Why a request has no answer; ``unanswered`` if not even its header was complete."""

    error: errors.UpstreamError
    unsent: bool
    unanswered: bool


def _name_outcome(outcome: Response | _Failure) -> str:
    """The status of an answer, or the name of the error."""
    if isinstance(outcome, _Failure):
        return type(outcome.error).__name__
    return str(outcome.status)


class _Session(requests.Session):
    def __init__(self, auth: "_BearerAuth") -> None:
        super().__init__()
        self.headers["User-Agent"] = f"intervals-feeds/{__version__}"
        self.headers["Accept"] = "application/json"
        # Not brotli and zstd, which requests accepts where their packages are installed.
        self.headers["Accept-Encoding"] = "gzip"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        # As auth, because a .netrc would replace the header.
        self.auth = auth

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect. With ``allow_redirects=False``, requests still reads the body."""


class _BearerAuth:
    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _read_body(response: requests.Response, end: float) -> bytes:
    body = bytearray()
    while monotonic() < end:
        # iter_content would wait for a whole chunk, however slowly its bytes arrive.
        chunk = response.raw.read1(64 * 1024, decode_content=True)
        if not chunk:
            return bytes(body)
        body += chunk
        if len(body) > MAX_BODY:
            raise errors.InvalidResponse("The Intervals API sent more than a document can hold.")
    raise errors.UpstreamTimeout


def _translate(error: Exception) -> errors.UpstreamError:
    match error:
        case errors.UpstreamError():
            return error
        case requests.Timeout() | urllib3.ReadTimeoutError():
            return errors.UpstreamTimeout()
        case urllib3.DecodeError() | ValueError():
            return errors.InvalidResponse()
        case requests.exceptions.SSLError():
            return errors.UpstreamUnavailable(
                "The certificate of the Intervals API cannot be verified."
            )
    return errors.UpstreamUnavailable()


def _is_unsent(error: Exception) -> bool:
    """Whether no connection came about.

    requests passes urllib3's MaxRetryError as the first argument of its own errors; ``reason`` is
    its documented attribute. ``test_http`` checks both.
    """
    cause = next(iter(error.args), None)
    reason = getattr(cause, "reason", None)
    return isinstance(reason, urllib3.ConnectTimeoutError | urllib3.ProxyError)

"""One exchange over HTTP, bounded in time and size, whatever the network does.

The key is sent and never told: no error that leaves here holds the request.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import Any, Self

import requests
from msgspec import Struct
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from feeds import __version__, errors

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 5.0
DEADLINE = 8.0
"""Seconds: to connect, between two reads, and for one exchange as a whole."""

MAX_BODY = 5 * 1024 * 1024
"""Bytes of a body after decompression; a longer one is no document."""


class Response(Struct, frozen=True):
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Requests to one server with one key, over one pool of connections; threads may share it."""

    def __init__(self, url: str, key: str, deadline: float) -> None:
        self._url = url.rstrip("/")
        self._deadline = deadline
        self._session = _Session()
        self._session.headers["User-Agent"] = f"intervals-feeds/{__version__}"
        self._session.headers["Accept"] = "application/json"
        # Without brotli and zstd, whatever happens to be installed beside requests.
        self._session.headers["Accept-Encoding"] = "gzip"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        # As auth, not as a header: a .netrc would replace the header.
        self._session.auth = _Bearer(key)
        # Once more where no connection came about, and only there: each call counts.
        adapter = _Adapter(max_retries=Retry(total=1, connect=1, read=False, status=0, other=0))
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """The answer to GET; redirects are not followed.

        Raises ``TimedOut``, ``Unavailable`` or ``Nonsense`` when ``deadline`` seconds are over at
        the latest (plus what the system's resolver takes).
        """
        failure = None
        with _Watch(self._deadline) as watch:
            try:
                with self._session.get(
                    self._url + path,
                    headers=headers,
                    timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                    stream=True,
                ) as response:
                    answer = Response(response.status_code, response.headers, _read(response))
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                failure = _failure(error)
        # The end of a body without a length looks like any other.
        if watch.expired or (failure and watch.left() <= 0):
            raise errors.UpstreamTimeout
        if failure:  # raised here, where no context holds the request, and with it the key
            raise failure
        return answer


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_BODY:
            raise errors.InvalidResponse("The Intervals API sent more than a document can hold.")
    return bytes(body)


def _failure(error: Exception) -> errors.UpstreamError:
    """What kept an answer from arriving. A read that times out in a body is a ConnectionError."""
    if any(isinstance(e, requests.Timeout | ReadTimeoutError) for e in (error, *error.args)):
        return errors.UpstreamTimeout()
    if isinstance(error, (requests.exceptions.ContentDecodingError, ValueError)):
        return errors.InvalidResponse()
    return errors.UpstreamUnavailable()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None is followed; told not to, ``requests`` still reads the whole body for the next."""


class _Bearer:
    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


_exchange = threading.local()


class _Watch:
    """Ends the exchange that this thread is in when its time is over, amid headers or in a drip.

    The time-outs of ``requests`` bound a single read: one byte every four seconds passes them for
    ever, and no hook sees the bytes of a header.
    """

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._end = monotonic() + seconds
        self._socket: socket.socket | None = None
        self._lock = threading.RLock()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _exchange.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def left(self) -> float:
        """Seconds."""
        return self._end - monotonic()

    def hold(self, socket_: socket.socket | None) -> None:
        with self._lock:
            self._socket = socket_
            if self.expired and socket_ is not None:
                with suppress(OSError):  # the other end was faster
                    # Below TLS, whose own state the reading thread is using.
                    socket.socket.shutdown(socket_, socket.SHUT_RDWR)

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            self.hold(self._socket)


class _Connection(HTTPConnection):
    def connect(self) -> None:
        if _exchange.watch.expired:
            raise TimeoutError
        super().connect()

    def _new_conn(self) -> socket.socket:
        """One address of the host after the other, while there is time: urllib3 tries them all.

        What goes wrong is told as urllib3 tells it.
        """
        name = self._dns_host
        failure: HTTPError = NewConnectionError(self, "no time left")
        try:
            found = socket.getaddrinfo(name.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, str(error)) from error
        try:
            for *_, address in found:
                if (left := _exchange.watch.left()) <= 0:
                    break
                self._dns_host, self.timeout = str(address[0]), min(CONNECT_TIMEOUT, left)
                try:
                    return super()._new_conn()
                except HTTPError as error:
                    failure = error
        finally:
            self._dns_host = name
        raise failure

    def getresponse(self) -> Any:  # noqa: ANN401 - the base's type is urllib3's own secret
        _exchange.watch.hold(self.sock)
        return super().getresponse()


class _TLSConnection(_Connection, HTTPSConnection): ...


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - as above
        _exchange.watch.hold(None)  # from here on it may be another thread's
        super()._put_conn(conn)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager

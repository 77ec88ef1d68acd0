"""nginx with deploy/nginx.conf in front of a scripted origin: what nginx caches, how long."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from feeds.domain.freshness import FAILURE_CACHED_FOR
from feeds.web.conditional import STALE_IF_ERROR
from tests.support.nginx import Received, Request, request, run_nginx
from tests.support.upstream import HOST
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from email.message import Message

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
"""The Date of all answers of the origin."""


class OriginRequest(BaseHTTPRequestHandler):
    """A request as the origin gets it; ``number`` is its place in the connection, from 1."""

    protocol_version = "HTTP/1.1"
    number = 0

    def do_GET(self) -> None:
        self.number += 1
        origin = self.server
        assert isinstance(origin, Origin)
        origin.requests[self.path].append(self.headers)
        origin.behaviours[self.path](self)

    def respond(self, status: int, body: str = "", **fields: str) -> None:
        """Send a response; the names of fields have ``_`` for ``-``."""
        self.send_response_only(status)
        always = {"Date": DATE, "Vary": "Accept-Encoding", "Content_Length": str(len(body))}
        for name, value in (always | fields).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body.encode())

    def hang_up(self) -> None:
        """Close the connection without a response."""
        self.close_connection = True

    def send_invalid_header(self) -> None:
        """Send a response with a header that is not HTTP."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nno field\0\r\n\r\n")
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


def respond(status: int, body: str = "", **fields: str) -> Callable[[OriginRequest], None]:
    """Return a behaviour: send this response."""
    return lambda request: request.respond(status, body, **fields)


OLD = respond(200, "old", ETag='"old"', Cache_Control="max-age=3600, stale-if-error=604800")
NEW = respond(200, "new", ETag='"new"', Cache_Control="max-age=3600, stale-if-error=604800")


class Origin(ThreadingHTTPServer):
    """The server behind nginx: ``behaviours`` and the headers of all ``requests`` by path."""

    nginx: int
    """The port of nginx."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), OriginRequest)
        self.behaviours: dict[str, Callable[[OriginRequest], None]] = {}
        self.requests: defaultdict[str, list[Message]] = defaultdict(list)

    def count(self, path: str) -> int:
        """Return the number of requests for a path."""
        return len(self.requests[path])

    def get(self, path: str, **fields: str) -> Received:
        """Return the answer of nginx."""
        return request(self.nginx, path, **fields)

    def wait_for_expiry(self, path: str) -> None:
        """Wait until nginx has no fresh copy of a path."""
        before = self.count(path)

        def is_asked() -> bool:
            self.get(path)
            return self.count(path) > before

        wait_until(is_asked, "the end of a copy")

    @contextmanager
    def hold(self, path: str, behaviour: Callable[[OriginRequest], None]) -> Iterator[None]:
        """Answer the requests for a path only after the end of the block."""
        released = threading.Event()

        def wait(request: OriginRequest) -> None:
            released.wait(PATIENCE)
            behaviour(request)

        self.behaviours[path] = wait
        try:
            yield
        finally:
            released.set()


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    with Origin() as origin:
        thread = threading.Thread(target=origin.serve_forever, args=(0.01,))
        thread.start()
        try:
            with run_nginx(origin.server_port, tmp_path_factory.mktemp("origin")) as port:
                origin.nginx = port
                yield origin
        finally:
            origin.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def expired_paths(origin):
    paths = [f"/expired/{number}" for number in range(20)]
    origin.behaviours |= dict.fromkeys([*paths, "/last"], OLD)
    for path in [*paths, "/last"]:
        assert origin.get(path).body == b"old"
    origin.wait_for_expiry("/last")
    return iter(paths)


@pytest.fixture
def expired(expired_paths):
    """A path of which nginx has an old, expired copy, for one test."""
    return next(expired_paths)


def test_a_copy_has_the_date_of_the_original_answer(origin):
    origin.behaviours["/dated"] = OLD

    assert {origin.get("/dated").fields["date"] for _ in range(3)} == {DATE}
    assert origin.count("/dated") <= 2


def test_max_age_is_that_of_the_last_answer_and_not_of_the_copy(origin, expired):
    def respond_unchanged(request):
        status, body = (304, "") if "If-None-Match" in request.headers else (200, "old")
        request.respond(status, body, ETag='"old"', Cache_Control="max-age=5")

    origin.behaviours[expired] = respond_unchanged

    assert origin.get(expired).max_age == 5


def test_requests_wait_for_one_answer_to_a_new_path_and_never_get_an_expired_copy(origin, expired):
    origin.behaviours["/other"] = OLD
    for path in ("/cold", expired):
        with origin.hold(path, NEW):
            sent = [Request(origin.nginx, path) for _ in range(20)]
            wait_until(partial(origin.count, path), "the first request")
            # nginx has one process with one thread here: it has read the others before this one.
            assert origin.get("/other").body == b"old"
        assert {each.read().body for each in sent} == {b"new"}
    assert origin.count("/cold") == 1


@pytest.mark.parametrize(
    "failure",
    [
        *(respond(status) for status in (500, 502, 503, 504)),
        OriginRequest.hang_up,
        OriginRequest.send_invalid_header,
    ],
    ids=["500", "502", "503", "504", "hang up", "invalid header"],
)
def test_during_a_failure_nginx_serves_the_last_answer_with_a_max_age_of_a_minute(
    origin, expired, failure
):
    origin.behaviours[expired] = failure
    received = origin.get(expired)
    unchanged = origin.get(expired, If_None_Match='"old"')

    assert (received.status, received.body) == (200, b"old")
    assert (unchanged.status, unchanged.body) == (304, b"")
    minute = int(FAILURE_CACHED_FOR.total_seconds())
    for each in (received, unchanged):
        assert each.fields["etag"] == '"old"'
        assert each.fields["cache-control"] == f"max-age={minute}, stale-if-error={STALE_IF_ERROR}"
    assert origin.count(expired) >= 3
    origin.behaviours[expired] = NEW
    assert origin.get(expired).body == b"new"


@pytest.mark.parametrize("status", [404, 410])
def test_a_404_or_410_replaces_the_copy_also_during_a_later_failure(origin, expired, status):
    origin.behaviours[expired] = respond(status, "gone", Cache_Control="max-age=3600")
    assert (origin.get(expired).status, origin.get(expired).max_age) == (status, 3600)
    origin.behaviours[expired] = OriginRequest.hang_up
    origin.wait_for_expiry(expired)

    assert (origin.get(expired).status, origin.get(expired).body) == (status, b"gone")


@pytest.mark.parametrize("status", [303, 400, 403, 414, 431, 500, 501, 502, 503, 504])
def test_other_statuses_are_passed_on_and_not_cached(origin, status):
    path = f"/refused/{status}"
    control = "no-store" if status >= 500 else "max-age=60"
    origin.behaviours[path] = respond(status, "no\n", Cache_Control=control, Retry_After="7")
    for number in (1, 2):
        received = origin.get(path)
        assert (received.status, received.body) == (status, b"no\n")
        assert received.fields["retry-after"] == "7"
        assert received.fields["cache-control"] == control
        assert origin.count(path) == number


COMMON_CODINGS = """
gzip | GZIP | gzip, deflate | gzip, deflate, br | gzip, deflate, br, zstd | gzip,deflate
gzip, x-gzip, deflate | deflate, gzip | br;q=1.0, gzip;q=1.0, *;q=0.1
gzip;q=1.0,deflate;q=0.6,identity;q=0.3
"""


def test_the_accept_encodings_of_most_clients_share_one_copy_and_none_has_another(origin):
    origin.behaviours["/coded"] = OLD
    common = COMMON_CODINGS.strip().replace("\n", " | ").split(" | ")
    for accepted in [*common, "", "identity"]:
        origin.get("/coded", Accept_Encoding=accepted)
    origin.get("/coded")
    codings = [fields["Accept-Encoding"] for fields in origin.requests["/coded"]]

    assert list(dict.fromkeys(codings)) == ["gzip", None]
    assert len(codings) < len(common)


def test_header_fields_that_are_not_in_the_cache_key_do_not_reach_the_service(origin):
    origin.behaviours["/plain"] = OLD
    odd = {f"X_{number}": "x" for number in range(200)}
    forged = dict.fromkeys(("X_Forwarded_Proto", "X_Forwarded_For", "X_Request_Id"), "forged")
    origin.get("/plain", If_None_Match='"a"', Range="bytes=1-", **forged, **odd)
    (fields,) = origin.requests["/plain"]

    own = {"Host": "feeds", "X-Forwarded-For": HOST, "X-Forwarded-Proto": "http"}
    assert sorted(fields.items()) == sorted(own.items())


def test_a_kept_connection_that_was_just_closed_makes_no_error(origin):
    """The service closes idle connections after 75 s, and all connections when it ends."""
    closed: list[OriginRequest] = []

    def close_a_kept_connection(request):
        if request.number > 1 and not closed:
            closed.append(request)
            request.hang_up()
        else:
            NEW(request)

    for number in range(10):
        origin.behaviours[f"/kept/{number}"] = close_a_kept_connection
        assert origin.get(f"/kept/{number}").status == 200
    assert closed


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz?from=monitor"])
def test_nginx_keeps_no_copy_of_the_health_of_the_service(origin, path):
    origin.behaviours[path] = respond(200, "ok", Cache_Control="no-store")
    assert request(origin.nginx, path).body == b"ok"
    origin.behaviours[path] = respond(503, "The database is unavailable.", Cache_Control="no-store")
    received = request(origin.nginx, path)
    assert (received.status, received.body) == (503, b"The database is unavailable.")
    assert received.fields["cache-control"] == "no-store"
    origin.behaviours[path] = OriginRequest.hang_up
    received = request(origin.nginx, path)
    assert received.status == 502
    assert received.fields["content-type"] == "text/plain; charset=utf-8"


def test_nginx_passes_a_long_head_on(origin):
    links = ", ".join(f"<https://feeds.example.org/{number:0500}>" for number in range(30))
    path = f"/?event={'a' * 3900}"
    origin.behaviours[path] = respond(200, "page", Link=links)
    received = request(origin.nginx, path)
    assert (received.status, received.fields["link"]) == (200, links)

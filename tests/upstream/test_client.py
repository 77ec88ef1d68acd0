"""The client of the partner API against servers on this machine, most of them out of order."""

import gzip
import json
import logging
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds import __version__
from feeds.errors import (
    EventNotFound,
    Forbidden,
    InvalidResponse,
    RateLimited,
    Rejected,
    Unauthorized,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.upstream import http as exchange
from feeds.upstream.client import FetchResult, IntervalsClient
from feeds.upstream.http import MAX_BODY

KEY = "sk_live_51H8aVeryPrivate"
DOCUMENT = b'{"data": {"event": {}, "runs": []}}'
HTML = b"<html><body><h1>Bad gateway</h1></body></html>"

SOON = 4.0
"""Seconds within which a call whose deadline is a fraction of a second has long ended."""


# The servers


class Exchange(socketserver.StreamRequestHandler):
    """One connection as the server sees it."""

    server: "Server"

    def setup(self):
        if self.server.tls:
            self.server.over.wait(self.server.late)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.server.sockets.append(self.request)
        super().setup()

    def handle(self):
        self.server.behave(self)

    def finish(self):
        with suppress(OSError):
            super().finish()
        self.request.close()

    def next_request(self):
        """The path that is asked for next; None where the client has left."""
        head = []
        while line := self.rfile.readline().strip():
            head.append(line)
        path = head[0].split()[1].decode() if head else None
        if path:
            self.server.paths.append(path)
        return path

    def send(self, data):
        self.request.sendall(data)

    def stay_silent(self):
        self.server.over.wait(10)

    def drip(self, start, drop=b"x"):
        """One drop after the other, for ten seconds or until the test is over."""
        self.send(start)
        for _ in range(200):
            if self.server.over.wait(0.05):
                return
            self.send(drop)

    def close(self):
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)
        self.server.closed.set()

    def reset(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.request.close()


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 50

    def __init__(self, behave, tls=None, late=0.0):
        super().__init__(("127.0.0.1", 0), Exchange)
        self.behave = behave
        self.tls = tls
        self.late = late  # seconds before it answers a TLS handshake
        self.sockets = []
        self.paths = []
        self.closed = threading.Event()
        self.over = threading.Event()
        self.port = self.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def handle_error(self, request, client_address):
        """What a client does to a connection is expected here; a mistake in a test is not."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            raise error


@contextmanager
def serving(behave, **options):
    """A server that does to each connection what ``behave`` does to an ``Exchange``."""
    with Server(behave, **options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
            for each in server.sockets:
                with suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)


def wire(status="200 OK", body=DOCUMENT, *fields):
    """An answer as it goes over the wire, of a known length unless the fields tell another."""
    if not any(field.startswith(("Content-Length", "Transfer-Encoding")) for field in fields):
        fields = (*fields, f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields))
    return f"{head}\r\n".encode("latin-1") + body


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def always(data):
    def behave(exchange):
        while exchange.next_request():
            exchange.send(data)

    return behave


def once(data):
    def behave(exchange):
        exchange.next_request()
        exchange.send(data)

    return behave


@pytest.fixture(scope="session")
def httpserver_listen_address():
    return ("127.0.0.1", 0)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The path of a certificate for 127.0.0.1 and its key that nobody has reason to trust."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [
            *(*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path), "-out", str(path.with_suffix(".crt"))),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# The client


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    """Neither the proxies nor the certificates of the machine that runs the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _nobody_logs_the_key(caplog):
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        assert KEY not in record.getMessage()
        assert KEY not in repr(vars(record))


@pytest.fixture
def api(httpserver):
    return IntervalsClient(httpserver.url_for("/"), KEY)


def failure(api, kind, event_id="e1", etag=None):
    """The error of a call that fails: of that very kind, in one line, and silent about the key."""
    with pytest.raises(UpstreamError) as caught:
        api.fetch(event_id, etag)
    error = caught.value
    assert type(error) is kind
    # Without a chain: an exception of requests holds the request, and the request holds the key.
    assert error.__cause__ is None
    assert error.__context__ is None
    told = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert KEY not in "".join(told)
    assert len(str(error).splitlines()) == 1
    return error


class TestRequest:
    def test_an_event_is_one_get(self, api, httpserver):
        httpserver.expect_request("/events/e1", method="GET").respond_with_data(DOCUMENT)

        assert api.fetch("e1") == FetchResult(body=DOCUMENT, etag=None)
        assert len(httpserver.log) == 1

    @pytest.mark.parametrize("end", ["", "/", "//"])
    def test_the_address_of_the_api_may_end_in_a_slash_and_hold_a_path(self, httpserver, end):
        httpserver.expect_request("/partner/events/e1").respond_with_data(DOCUMENT)

        assert (
            IntervalsClient(httpserver.url_for("/partner") + end, KEY).fetch("e1").body == DOCUMENT
        )

    def test_it_carries_the_key_and_the_name_and_version_of_the_product(self, api, httpserver):
        httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT)
        api.fetch("e1")

        headers = httpserver.log[0][0].headers
        assert headers.getlist("Authorization") == [f"Bearer {KEY}"]
        assert headers["User-Agent"] == f"intervals-feeds/{__version__}"
        assert headers["Accept"] == "application/json"
        assert headers["Accept-Encoding"] == "gzip"

    def test_a_netrc_does_not_replace_the_key(self, api, httpserver, monkeypatch, tmp_path):
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login anna password wrong\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("NETRC", raising=False)
        httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT)

        requests.get(httpserver.url_for("/events/e1"), timeout=5)
        api.fetch("e1")

        plain, ours = (request.headers["Authorization"] for request, _ in httpserver.log)
        assert plain.startswith("Basic ")  # so the file is there to be read
        assert ours == f"Bearer {KEY}"

    def test_it_is_conditional_only_when_an_etag_is_given(self, api, httpserver):
        httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT)
        api.fetch("e1")
        api.fetch("e1", "")
        api.fetch("e1", 'W/"v1"')
        api.fetch("e1")

        asked = [request.headers.get("If-None-Match") for request, _ in httpserver.log]
        assert asked == [None, None, 'W/"v1"', None]

    def test_cookies_are_not_kept(self, api, httpserver):
        cookie = {"Set-Cookie": "who=you; Path=/"}
        httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT, headers=cookie)
        api.fetch("e1")
        api.fetch("e1")

        assert "Cookie" not in httpserver.log[1][0].headers

    def test_the_key_is_in_no_repr(self, api):
        assert KEY not in repr(api)
        assert KEY not in str(api)
        assert KEY not in repr(vars(api))

    @pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\N{SNOWMAN}"], ids=ascii)
    def test_a_key_that_no_header_can_carry_is_kept_back_too(self, httpserver, key):
        failure(IntervalsClient(httpserver.url_for("/"), key), InvalidResponse)

        assert httpserver.log == []


class TestAnswer:
    def test_the_body_comes_as_it_was_sent(self, api, httpserver):
        body = b"\xef\xbb\xbf not JSON \xff\x00"
        httpserver.expect_request("/events/e1").respond_with_data(body, content_type="text/html")

        assert api.fetch("e1").body == body

    def test_a_compressed_body_comes_decompressed(self):
        data = gzip.compress(DOCUMENT)
        with serving(always(wire("200 OK", data, "Content-Encoding: gzip"))) as server:
            assert IntervalsClient(server.url, KEY).fetch("e1").body == DOCUMENT

    def test_a_body_in_chunks_comes_in_one(self):
        data = b"1\r\n{\r\n" + chunked(b"}")
        with serving(always(wire("200 OK", data, "Transfer-Encoding: chunked"))) as server:
            assert IntervalsClient(server.url, KEY).fetch("e1").body == b"{}"

    def test_a_body_that_the_end_of_the_connection_ends_is_taken(self):
        with serving(once(b"HTTP/1.0 200 OK\r\n\r\n" + DOCUMENT)) as server:
            assert IntervalsClient(server.url, KEY).fetch("e1").body == DOCUMENT

    @pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', "v1", '""', '"a b, c"'])
    def test_its_etag_is_what_to_ask_with_next_time(self, api, httpserver, etag):
        httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT, headers={"ETag": etag})

        assert api.fetch("e1").etag == etag

    @pytest.mark.parametrize(
        "field",
        ['ETag: \xa0"v1"', 'ETag: "\xe9"', f'ETag: "{"x" * 300}"', "ETag:", 'ETag: "\x01"'],
        ids=["no-break space", "not ASCII", "overlong", "empty", "control character"],
    )
    def test_an_etag_that_cannot_be_sent_back_is_none(self, field):
        with serving(always(wire("200 OK", DOCUMENT, field))) as server:
            api = IntervalsClient(server.url, KEY)
            first = api.fetch("e1")

            assert first == FetchResult(body=DOCUMENT, etag=None)
            assert api.fetch("e1", first.etag) == first

    @pytest.mark.parametrize("fields", [(), ('ETag: "v2"',)], ids=["no etag", "another etag"])
    def test_304_to_a_conditional_request_has_no_body_and_keeps_the_etag(self, fields):
        data = wire("304 Not Modified", b"", *fields)
        with serving(always(data)) as server:
            assert IntervalsClient(server.url, KEY).fetch("e1", '"v1"') == FetchResult(None, '"v1"')

    def test_304_that_nobody_asked_for_is_nonsense(self):
        with serving(always(wire("304 Not Modified", b""))) as server:
            failure(IntervalsClient(server.url, KEY), InvalidResponse)


def error_body(code, **fields):
    return json.dumps({"error": {"code": code, "message": f"no {KEY}", **fields}}).encode()


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            pytest.param(400, error_body("BAD_REQUEST"), Rejected, id="400"),
            pytest.param(400, HTML, InvalidResponse, id="400-html"),
            pytest.param(401, error_body("UNAUTHORIZED"), Unauthorized, id="401"),
            pytest.param(401, HTML, InvalidResponse, id="401-html"),
            pytest.param(401, b"", InvalidResponse, id="401-empty"),
            pytest.param(403, error_body("FORBIDDEN"), Forbidden, id="403"),
            pytest.param(403, HTML, InvalidResponse, id="403-html"),
            pytest.param(403, b"{}", InvalidResponse, id="403-without-an-error"),
            pytest.param(404, error_body("NOT_FOUND"), EventNotFound, id="404-NOT_FOUND"),
            pytest.param(
                404, error_body("ROUTE_NOT_FOUND"), InvalidResponse, id="404-another-code"
            ),
            pytest.param(404, error_body("not_found"), InvalidResponse, id="404-almost-the-code"),
            pytest.param(404, error_body(["NOT_FOUND"]), InvalidResponse, id="404-code-in-a-list"),
            pytest.param(404, error_body(None), InvalidResponse, id="404-code-null"),
            pytest.param(404, HTML, InvalidResponse, id="404-html"),
            pytest.param(404, b"", InvalidResponse, id="404-empty"),
            pytest.param(404, b'{"code": "NOT_FOUND"}', InvalidResponse, id="404-code-at-the-top"),
            pytest.param(404, b'{"error": "NOT_FOUND"}', InvalidResponse, id="404-error-a-string"),
            pytest.param(404, b'["NOT_FOUND"]', InvalidResponse, id="404-list"),
            pytest.param(404, b'"NOT_FOUND"', InvalidResponse, id="404-string"),
            pytest.param(404, b"\xff\xfe", InvalidResponse, id="404-not-utf-8"),
            pytest.param(404, b"[" * 100_000, InvalidResponse, id="404-deep"),
            pytest.param(409, error_body("CONFLICT"), Rejected, id="409"),
            pytest.param(422, error_body("VALIDATION_ERROR"), Rejected, id="422"),
            pytest.param(429, error_body("RATE_LIMITED"), RateLimited, id="429"),
            pytest.param(429, HTML, RateLimited, id="429-html"),
            pytest.param(500, error_body("INTERNAL"), UpstreamUnavailable, id="500"),
            pytest.param(500, HTML, UpstreamUnavailable, id="500-html"),
            pytest.param(500, error_body("NOT_FOUND"), UpstreamUnavailable, id="500-NOT_FOUND"),
            pytest.param(502, HTML, UpstreamUnavailable, id="502-html"),
            pytest.param(503, HTML, UpstreamUnavailable, id="503-html"),
            pytest.param(503, b"", UpstreamUnavailable, id="503-empty"),
            pytest.param(504, HTML, UpstreamUnavailable, id="504-html"),
            pytest.param(599, HTML, UpstreamUnavailable, id="599"),
            pytest.param(201, DOCUMENT, InvalidResponse, id="201"),
            pytest.param(204, b"", InvalidResponse, id="204"),
            pytest.param(206, DOCUMENT, InvalidResponse, id="206"),
            pytest.param(300, DOCUMENT, InvalidResponse, id="300"),
            pytest.param(410, error_body("NOT_FOUND"), InvalidResponse, id="410"),
            pytest.param(418, HTML, InvalidResponse, id="418"),
        ],
    )
    def test_each_status_is_an_error_of_its_kind_at_the_price_of_one_call(
        self, api, httpserver, status, body, kind
    ):
        httpserver.expect_request("/events/e1").respond_with_data(body, status)

        failure(api, kind)
        assert len(httpserver.log) == 1

    def test_a_conditional_request_is_refused_alike(self, api, httpserver):
        httpserver.expect_request("/events/e1").respond_with_data(error_body("NOT_FOUND"), 404)

        failure(api, EventNotFound, etag='"v1"')

    @pytest.mark.parametrize(
        ("retry_after", "retry_at"),
        [
            pytest.param(1_709_234_567_890, "2024-02-29T19:22:47.890Z", id="past"),
            pytest.param(1_709_234_567_890.0, "2024-02-29T19:22:47.890Z", id="float"),
            pytest.param(32_503_680_000_000, "3000-01-01T00:00:00Z", id="year-3000"),
            pytest.param(0, "1970-01-01T00:00:00Z", id="zero"),
            pytest.param(-1000, "1969-12-31T23:59:59Z", id="negative"),
        ],
    )
    def test_429_may_say_when_to_come_back(self, api, httpserver, retry_after, retry_at):
        body = error_body("RATE_LIMITED", retryAfter=retry_after)
        httpserver.expect_request("/events/e1").respond_with_data(body, 429)

        assert failure(api, RateLimited).retry_at == datetime.fromisoformat(retry_at)

    def test_429_may_mean_the_next_minute(self, api, httpserver):
        soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
        body = error_body("RATE_LIMITED", retryAfter=int(soon.timestamp()) * 1000)
        httpserver.expect_request("/events/e1").respond_with_data(body, 429)

        assert failure(api, RateLimited).retry_at == soon

    @pytest.mark.parametrize(
        "literal",
        [
            *("1e300", "1e400", "-1e30", "1" + "0" * 30, "1" + "0" * 400, "1" + "0" * 5000),
            *("NaN", "Infinity", "-Infinity", '"NaN"', '"1709234567890"', '"soon"'),
            *("true", "false", "null", "[]", "[1709234567890]", "{}"),
        ],
        ids=lambda text: text[:15],
    )
    def test_429_that_tells_no_time_has_none(self, api, httpserver, literal):
        body = f'{{"error": {{"code": "RATE_LIMITED", "retryAfter": {literal}}}}}'
        httpserver.expect_request("/events/e1").respond_with_data(body, 429)

        assert failure(api, RateLimited).retry_at is None

    def test_429_without_the_field_has_none(self, api, httpserver):
        httpserver.expect_request("/events/e1").respond_with_data(error_body("RATE_LIMITED"), 429)

        assert failure(api, RateLimited).retry_at is None

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("path", ["/elsewhere", "/events/e1"])
    def test_a_redirect_is_nonsense_and_not_followed(self, api, httpserver, status, path):
        httpserver.expect_request("/events/e1").respond_with_data(
            HTML, status, headers={"Location": httpserver.url_for(path)}
        )
        httpserver.expect_request("/elsewhere").respond_with_data(DOCUMENT)

        failure(api, InvalidResponse)
        assert [request.path for request, _ in httpserver.log] == ["/events/e1"]

    @pytest.mark.parametrize("target", ["http://[", "\xff\xfe", "//", "http://127.0.0.1:x/", ""])
    def test_a_redirect_to_nowhere_is_nonsense(self, target):
        with serving(always(wire("302 Found", HTML, f"Location: {target}"))) as server:
            failure(IntervalsClient(server.url, KEY), InvalidResponse)
            assert server.paths == ["/events/e1"]


class TestNetwork:
    def test_a_refused_connection_is_unavailable(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"

            failure(IntervalsClient(url, KEY), UpstreamUnavailable)

    def test_a_host_that_does_not_exist_is_unavailable(self):
        failure(IntervalsClient("http://intervals.invalid", KEY), UpstreamUnavailable)

    @pytest.mark.parametrize(
        "behave",
        [
            pytest.param(lambda exchange: exchange.reset(), id="reset-at-once"),
            pytest.param(
                lambda exchange: (exchange.next_request(), exchange.reset()), id="reset-when-asked"
            ),
            pytest.param(lambda exchange: exchange.next_request(), id="closed-without-answer"),
            pytest.param(once(b"SSH-2.0-OpenSSH_9.6\r\n"), id="another-protocol"),
            pytest.param(once(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000), id="endless-line"),
            pytest.param(once(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200), id="endless-head"),
            pytest.param(
                once(wire("200 OK", DOCUMENT, "Content-Length: 100")), id="cut-off-before-length"
            ),
            pytest.param(
                once(wire("200 OK", chunked(DOCUMENT)[:-9], "Transfer-Encoding: chunked")),
                id="cut-off-chunk",
            ),
            pytest.param(
                once(wire("200 OK", b"zz\r\n{}\r\n", "Transfer-Encoding: chunked")),
                id="chunk-without-length",
            ),
            pytest.param(
                lambda exchange: (
                    exchange.next_request(),
                    exchange.send(wire("200 OK", b"{", "Content-Length: 100")),
                    exchange.reset(),
                ),
                id="reset-in-the-body",
            ),
        ],
    )
    def test_a_connection_that_breaks_is_unavailable(self, behave):
        with serving(behave) as server:
            failure(IntervalsClient(server.url, KEY), UpstreamUnavailable)
            assert len(server.paths) <= 1

    def test_a_certificate_that_nobody_trusts_is_unavailable(self, tls):
        with serving(always(wire()), tls=tls) as server:
            failure(IntervalsClient(server.url, KEY), UpstreamUnavailable)
            assert server.paths == []

    def test_a_certificate_of_another_host_is_unavailable(self, tls, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with serving(always(wire()), tls=tls) as server:
            failure(IntervalsClient(f"https://localhost:{server.port}", KEY), UpstreamUnavailable)
            assert server.paths == []

    def test_a_certificate_that_is_trusted_is_no_obstacle(self, tls, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with serving(always(wire()), tls=tls) as server:
            assert IntervalsClient(server.url, KEY).fetch("e1").body == DOCUMENT

    def test_a_server_without_tls_is_unavailable_over_https(self):
        with serving(lambda exchange: exchange.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
            failure(IntervalsClient(f"https://127.0.0.1:{server.port}", KEY), UpstreamUnavailable)

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(wire("200 OK", DOCUMENT, "Content-Encoding: gzip"), id="not-compressed"),
            pytest.param(
                wire("200 OK", gzip.compress(DOCUMENT)[:10] + HTML, "Content-Encoding: gzip"),
                id="broken-after-the-header",
            ),
            pytest.param(
                wire("200 OK", gzip.compress(DOCUMENT)[:-8] + b"\0" * 8, "Content-Encoding: gzip"),
                id="wrong-checksum",
            ),
            pytest.param(wire("200 OK", HTML, "Content-Encoding: deflate"), id="not-deflated"),
            pytest.param(wire("200 OK", DOCUMENT, "Content-Length: 3, 5"), id="two-lengths"),
        ],
    )
    def test_a_body_that_cannot_be_unpacked_is_nonsense(self, data):
        with serving(once(data)) as server:
            failure(IntervalsClient(server.url, KEY), InvalidResponse)

    def test_an_answer_through_a_proxy_is_an_answer(self, monkeypatch):
        with serving(always(wire())) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)

            assert IntervalsClient("http://intervals.invalid", KEY).fetch("e1").body == DOCUMENT
            assert proxy.paths == ["http://intervals.invalid/events/e1"]


FRAMINGS = {
    "plain": lambda body: wire("200 OK", body),
    "chunked": lambda body: wire("200 OK", chunked(body), "Transfer-Encoding: chunked"),
    "until the end": lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body,
    "gzip": lambda body: wire("200 OK", gzip.compress(body), "Content-Encoding: gzip"),
}


@pytest.fixture(scope="module")
def bomb():
    """A hundred megabytes in a hundred kilobytes."""
    return gzip.compress(bytes(100 * 1024 * 1024))


class TestSize:
    @pytest.mark.parametrize("written", FRAMINGS.values(), ids=FRAMINGS)
    def test_a_body_may_be_as_large_as_agreed_and_no_larger(self, written):
        body = b"x" * MAX_BODY
        with serving(once(written(body))) as server:
            assert IntervalsClient(server.url, KEY).fetch("e1").body == body
        with serving(once(written(body + b"x"))) as server:
            failure(IntervalsClient(server.url, KEY), InvalidResponse)

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param(("200 OK", "Content-Encoding: gzip"), id="200"),
            pytest.param(("200 OK", "Content-Encoding: gzip, gzip"), id="200-twice-compressed"),
            pytest.param(
                ("200 OK", "Content-Encoding: gzip", "Transfer-Encoding: chunked"), id="200-chunked"
            ),
            pytest.param(("302 Found", "Content-Encoding: gzip", "Location: /elsewhere"), id="302"),
            pytest.param(("503 Service Unavailable", "Content-Encoding: gzip"), id="503"),
        ],
    )
    def test_a_bomb_is_not_unpacked(self, bomb, fields):
        status, *fields = fields
        body = gzip.compress(bomb) if "gzip, gzip" in fields[0] else bomb
        body = chunked(body) if "Transfer-Encoding: chunked" in fields else body
        with serving(once(wire(status, body, *fields))) as server:
            api = IntervalsClient(server.url, KEY)
            tracemalloc.start()
            try:
                failure(api, InvalidResponse)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

        assert peak < 4 * MAX_BODY


HEAD = b"HTTP/1.1 200 OK\r\n"

DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"x"),
    "header": (HEAD + b"X-Slow: ", b"x"),
    "headers": (HEAD, b"X: y\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body of known length": (HEAD + b"Content-Length: 1000\r\n\r\n", b"x"),
    "body without length": (HEAD + b"\r\n", b"x"),
    "body of HTTP 1.0": (b"HTTP/1.0 200 OK\r\n\r\n", b"x"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n", b"x"),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "body of an error": (b"HTTP/1.1 503 Busy\r\n\r\n", b"x"),
    "body of a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"x"),
}


def dripping(start, drop):
    def behave(exchange):
        exchange.next_request()
        exchange.drip(start, drop)

    return behave


def silent(exchange):
    exchange.next_request()
    exchange.stay_silent()


@contextmanager
def soon():
    """What is done here ends long before a server that drips gives up."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON


@contextmanager
def nobody_accepts():
    """The address of a server that lets no connection come about: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.settimeout(0)
                with suppress(BlockingIOError):
                    each.connect(server.getsockname())
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()


class TestDeadline:
    def test_ends_a_silent_exchange(self):
        with serving(silent) as server, soon():
            failure(IntervalsClient(server.url, KEY, deadline=0.25), UpstreamTimeout)
            assert server.paths == ["/events/e1"]

    @pytest.mark.parametrize(("start", "drop"), DRIPS.values(), ids=DRIPS)
    def test_ends_an_exchange_that_drips(self, start, drop):
        with serving(dripping(start, drop)) as server, soon():
            failure(IntervalsClient(server.url, KEY, deadline=0.25), UpstreamTimeout)

    @pytest.mark.parametrize(("start", "drop"), DRIPS.values(), ids=DRIPS)
    def test_ends_an_exchange_that_drips_under_tls(
        self, tls, certificate, monkeypatch, start, drop
    ):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with serving(dripping(start, drop), tls=tls) as server, soon():
            failure(IntervalsClient(server.url, KEY, deadline=0.25), UpstreamTimeout)
            assert server.paths == ["/events/e1"]

    def test_ends_an_exchange_that_drips_through_a_proxy(self, monkeypatch):
        with serving(dripping(HEAD + b"X-Slow: ", b"x")) as proxy, soon():
            monkeypatch.setenv("http_proxy", proxy.url)
            failure(
                IntervalsClient("http://intervals.invalid", KEY, deadline=0.25), UpstreamTimeout
            )
            assert proxy.paths == ["http://intervals.invalid/events/e1"]

    def test_ends_an_exchange_whose_connection_outlasted_it(self, tls, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        drip = dripping(HEAD + b"X-Slow: ", b"x")
        with serving(drip, tls=tls, late=0.6) as server, soon():
            failure(IntervalsClient(server.url, KEY, deadline=0.2), UpstreamTimeout)

    def test_leaves_no_second_attempt_to_connect(self):
        with nobody_accepts() as url, soon():
            failure(IntervalsClient(url, KEY, deadline=0.2), UpstreamTimeout)

    def test_leaves_no_time_for_one_more_address_of_the_host(self, monkeypatch):
        with nobody_accepts() as url, soon():
            port = resolving(monkeypatch, url, ["127.0.0.1"] * 50)
            failure(IntervalsClient(f"http://many.test:{port}", KEY, deadline=0.3), UpstreamTimeout)

    def test_does_not_touch_a_connection_that_has_gone_back_to_the_pool(self):
        with serving(always(wire())) as server:
            api = IntervalsClient(server.url, KEY)
            api.fetch("e1")
            exchange._exchange.watch._expire()

            assert api.fetch("e2").body == DOCUMENT
            assert len(server.sockets) == 1

    def test_leaves_the_next_call_a_whole_one_of_its_own(self):
        def behave(exchange):
            if exchange.next_request() == "/events/slow":
                exchange.stay_silent()
            exchange.send(wire())

        with serving(behave) as server:
            api = IntervalsClient(server.url, KEY, deadline=0.3)
            failure(api, UpstreamTimeout, "slow")

            assert api.fetch("e1").body == DOCUMENT


def resolving(monkeypatch, url, addresses):
    """Have ``many.test`` be at these addresses; the answer is the port of ``url``."""
    port = int(url.rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        return found if host == "many.test" else resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return port


class TestAddresses:
    def test_the_next_one_is_tried_when_one_refuses(self, monkeypatch):
        with serving(always(wire())) as server:
            port = resolving(monkeypatch, server.url, ["127.0.0.2", "127.0.0.1"])
            assert IntervalsClient(f"http://many.test:{port}", KEY).fetch("e1").body == DOCUMENT


class TestTimeouts:
    def test_a_server_that_does_not_answer_has_timed_out(self, monkeypatch):
        monkeypatch.setattr(exchange, "READ_TIMEOUT", 0.2)
        with serving(silent) as server:
            failure(IntervalsClient(server.url, KEY), UpstreamTimeout)
            assert server.paths == ["/events/e1"]

    @pytest.mark.parametrize(
        "start",
        [
            HEAD + b"Content-Length: 1000\r\n\r\n{",
            HEAD + b"\r\n{",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        ],
        ids=["length", "no length", "chunked"],
    )
    def test_a_server_that_stops_amid_the_body_has_timed_out(self, monkeypatch, start):
        def behave(exchange):
            exchange.next_request()
            exchange.send(start)
            exchange.stay_silent()

        monkeypatch.setattr(exchange, "READ_TIMEOUT", 0.2)
        with serving(behave) as server:
            failure(IntervalsClient(server.url, KEY), UpstreamTimeout)

    def test_a_connection_that_does_not_come_about_has_timed_out(self, monkeypatch):
        monkeypatch.setattr(exchange, "CONNECT_TIMEOUT", 0.2)
        with nobody_accepts() as url:
            failure(IntervalsClient(url, KEY), UpstreamTimeout)

    def test_a_handshake_that_does_not_come_about_has_timed_out(self, monkeypatch):
        monkeypatch.setattr(exchange, "CONNECT_TIMEOUT", 0.2)
        with serving(lambda exchange: exchange.stay_silent()) as server:
            failure(IntervalsClient(f"https://127.0.0.1:{server.port}", KEY), UpstreamTimeout)


def echo(exchange):
    """Answers with what was asked; drips where that is slow."""
    while path := exchange.next_request():
        if "slow" in path:
            exchange.drip(HEAD + b"X-Slow: ")
            return
        exchange.send(wire("200 OK", path.encode()))


def outcome(api, id_):
    try:
        return api.fetch(id_).body
    except UpstreamTimeout:
        return None


class TestPool:
    def test_one_connection_serves_call_after_call(self):
        with serving(always(wire("404 Not Found", error_body("NOT_FOUND")))) as server:
            api = IntervalsClient(server.url, KEY)
            for _ in range(3):
                failure(api, EventNotFound)

            assert len(server.paths) == 3
            assert len(server.sockets) == 1

    def test_a_connection_that_the_server_has_closed_meanwhile_costs_nothing(self):
        def behave(exchange):
            once(wire())(exchange)
            exchange.close()

        with serving(behave) as server:
            api = IntervalsClient(server.url, KEY)
            api.fetch("e1")
            assert server.closed.wait(5)

            assert api.fetch("e2").body == DOCUMENT
            assert server.paths == ["/events/e1", "/events/e2"]

    def test_a_body_that_was_not_read_to_its_end_is_not_the_next_answer(self):
        def behave(exchange):
            while path := exchange.next_request():
                exchange.send(wire("200 OK", b"x" * (MAX_BODY * 2 if path.endswith("1") else 1)))

        with serving(behave) as server:
            api = IntervalsClient(server.url, KEY)
            failure(api, InvalidResponse, "e1")

            assert api.fetch("e2").body == b"x"

    def test_threads_that_share_a_client_get_their_own_answers(self):
        ids = [f"e{number}" for number in range(200)]
        with serving(echo) as server, ThreadPoolExecutor(8) as threads:
            api = IntervalsClient(server.url, KEY)
            bodies = [answer.body for answer in threads.map(api.fetch, ids)]

            assert bodies == [f"/events/{each}".encode() for each in ids]
            assert Counter(server.paths) == Counter(f"/events/{each}" for each in ids)

    def test_a_deadline_in_one_thread_does_not_touch_the_others(self):
        ids = [f"slow{number}" if number % 10 == 0 else f"e{number}" for number in range(60)]
        with serving(echo) as server, ThreadPoolExecutor(8) as threads, soon():
            bodies = list(
                threads.map(partial(outcome, IntervalsClient(server.url, KEY, deadline=0.25)), ids)
            )

        assert bodies == [None if "slow" in each else f"/events/{each}".encode() for each in ids]

    def test_no_thread_is_left_when_a_call_is_over(self):
        with (
            serving(always(wire())) as server,
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.socket() as nobody,
        ):
            IntervalsClient(server.url, KEY).fetch("e1")
            before = set(threading.enumerate())
            nobody.bind(("127.0.0.1", 0))
            for silent_or_absent in (listener, nobody):
                host, port = silent_or_absent.getsockname()
                with pytest.raises(UpstreamError):
                    IntervalsClient(f"http://{host}:{port}", KEY, deadline=0.2).fetch("e1")

            assert set(threading.enumerate()) <= before
            assert not [each for each in before if isinstance(each, threading.Timer)]


# Whatever is sent

FRAGMENTS = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 304 X\r\n",
            b"HTTP/1.0 404\r\n",
            b"HTTP/1.1 302 X\r\n",
        ),
        *(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/9.9 999 \r\n", b"HTTP/1.1 -1\r\n"),
        *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 1, 2\r\n"),
        *(
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Connection: close\r\n",
        ),
        *(b"Content-Encoding: deflate\r\n", b"Content-Encoding: br, zstd, gzip\r\n"),
        *(b"Location: http://[\r\n", b"Location: \xff\r\n", b"Set-Cookie: \xff=;;=\r\n"),
        *(b"ETag: \xa0\r\n \x00\r\n", b": \r\n", b"\r\n", b"\r\n\r\n", b"\n"),
        *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"ffffffffffffffffffff\r\n", b"-1\r\n"),
        *(gzip.compress(DOCUMENT), gzip.compress(DOCUMENT)[:-9], DOCUMENT),
    ]
)


@pytest.fixture(scope="module")
def server():
    with serving(lambda exchange: once(exchange.server.data)(exchange)) as server:
        yield server


class TestWhateverIsSent:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(FRAGMENTS | st.binary(max_size=20)), st.sampled_from([b"", HEAD]))
    def test_is_an_answer_or_an_error_of_the_upstream(self, server, fragments, start):
        server.data = start + b"".join(fragments)
        with suppress(UpstreamError):
            assert isinstance(IntervalsClient(server.url, KEY, deadline=2).fetch("e1").body, bytes)

"""The HTTP client against servers on this machine, most of them faulty (rules 8.24 to 8.26)."""

import gzip
import socket
import ssl
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Barrier

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds import __version__
from feeds.errors import InvalidResponse, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from feeds.upstream import http
from feeds.upstream.http import KEEP_ALIVE, MAX_BODY, HttpClient
from tests.support.raw_server import (
    Connection,
    always,
    chunked,
    closed_when_asked,
    once,
    reset_when_asked,
    serving,
    silent_when_asked,
    wire,
)
from tests.upstream.calls import KEY, catch

BODY = b'{"data": {"event": {}, "runs": []}}'
HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
HEAD = b"HTTP/1.1 200 OK\r\n"
SLOW = HEAD + b"X-Slow: "

SOON = 4.0
"""Seconds within which a call with a deadline below a second has ended, even on a busy machine."""


@contextmanager
def ends_soon():
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON


@contextmanager
def never_accepting():
    """Give the URL of a server whose queue of connections is full."""
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


def resolve(monkeypatch, port, *answers):
    """Have ``many.test`` resolve to one of these lists after the other; return the look-ups."""
    lookups: list[str] = []

    def getaddrinfo(host, *arguments, **options):
        if host != "many.test":
            return real(host, *arguments, **options)
        lookups.append(host)
        addresses = answers[min(len(lookups), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return lookups


def first_well_then(fault):
    """Answer the first request of each connection, and treat the second as ``fault`` does."""

    def behave(connection):
        connection.read_request()
        connection.send(wire("200 OK", BODY))
        fault(connection)

    return behave


def by_connection(first, later):
    """Treat the first connection as ``first`` does, and the others as ``later`` does."""

    def behave(connection):
        (first if len(connection.server.connections) == 1 else later)(connection)

    return behave


# The request


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_path_is_added_to_the_url_of_the_api(httpserver, end):
    httpserver.expect_request("/partner/events/e1", method="GET").respond_with_data(BODY)
    client = HttpClient(httpserver.url_for("/partner") + end, KEY)
    assert client.get("/events/e1").body == BODY


def test_a_request_has_the_key_and_the_products_name_and_accepts_gzip_alone(httpserver):
    httpserver.expect_request("/events/e1").respond_with_data(BODY)
    HttpClient(httpserver.url_for("/"), KEY).get("/events/e1", {"If-None-Match": '"v1"'})
    assert dict(httpserver.log[0][0].headers) == {
        "Host": f"127.0.0.1:{httpserver.port}",
        "User-Agent": f"intervals-feeds/{__version__}",
        "Accept-Encoding": "gzip",
        "Accept": "application/json",
        "Connection": "keep-alive",
        "If-None-Match": '"v1"',
        "Authorization": f"Bearer {KEY}",
    }


def test_a_netrc_file_does_not_replace_the_key(httpserver, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login anna password wrong\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    httpserver.expect_request("/events/e1").respond_with_data(BODY)
    HttpClient(httpserver.url_for("/"), KEY).get("/events/e1")
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\N{SNOWMAN}"], ids=ascii)
def test_a_key_that_no_header_can_carry_is_not_sent_and_not_shown(httpserver, key):
    catch(InvalidResponse, HttpClient(httpserver.url_for("/"), key).get, "/events/e1")
    assert httpserver.log == []


def test_a_request_uses_the_proxy_of_the_environment(monkeypatch):
    with serving(always(wire("200 OK", BODY))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert HttpClient("http://intervals.invalid", KEY).get("/events/e1").body == BODY
        assert proxy.paths == ["http://intervals.invalid/events/e1"]


@pytest.mark.parametrize("status", [301, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "/events/e1", "http://[", "\xff\xfe", "//", ""])
def test_a_redirect_is_an_answer_and_not_followed(status, target):
    with serving(always(wire(f"{status} Moved", HTML, f"Location: {target}"))) as server:
        response = HttpClient(server.url, KEY).get("/events/e1")
        assert (response.status, response.body) == (status, HTML)
        assert server.paths == ["/events/e1"]


# The body


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(lambda body: wire("200 OK", body), id="length"),
        pytest.param(
            lambda body: wire(
                "200 OK",
                b"3\r\n" + body[:3] + b"\r\n" + chunked(body[3:]),
                "Transfer-Encoding: chunked",
            ),
            id="chunks",
        ),
        pytest.param(lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body, id="until-the-end"),
        pytest.param(
            lambda body: wire("200 OK", gzip.compress(body), "Content-Encoding: gzip"), id="gzip"
        ),
    ],
)
def test_a_body_of_at_most_5_mib_is_returned_whatever_its_framing(frame):
    body = b"\xef\xbb\xbf\x00\xff".ljust(MAX_BODY, b"x")
    with serving(once(frame(body))) as server:
        assert HttpClient(server.url, KEY).get("/events/e1").body == body
    with serving(once(frame(body + b"x"))) as server:
        catch(InvalidResponse, HttpClient(server.url, KEY).get, "/events/e1")


@pytest.fixture(scope="module")
def bomb():
    """100 MiB in 100 KiB."""
    return gzip.compress(bytes(100 * 1024 * 1024))


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        *(("200 OK", ["Content-Encoding: gzip"]), ("200 OK", ["Content-Encoding: gzip, gzip"])),
        ("200 OK", ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]),
        ("302 Found", ["Content-Encoding: gzip", "Location: /elsewhere"]),
        ("503 Service Unavailable", ["Content-Encoding: gzip"]),
    ],
)
def test_a_decompression_bomb_does_not_fill_the_memory(bomb, status, fields):
    body = gzip.compress(bomb) if "Content-Encoding: gzip, gzip" in fields else bomb
    body = chunked(body) if "Transfer-Encoding: chunked" in fields else body
    with serving(once(wire(status, body, *fields))) as server:
        client = HttpClient(server.url, KEY)
        tracemalloc.start()
        try:
            catch(InvalidResponse, client.get, "/events/e1")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 * MAX_BODY


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(wire("200 OK", BODY, "Content-Encoding: gzip"), id="not-compressed"),
        pytest.param(
            wire("200 OK", gzip.compress(BODY)[:10] + HTML, "Content-Encoding: gzip"),
            id="broken-after-the-gzip-header",
        ),
        pytest.param(
            wire("200 OK", gzip.compress(BODY)[:-8] + b"\0" * 8, "Content-Encoding: gzip"),
            id="wrong-checksum",
        ),
        pytest.param(wire("200 OK", HTML, "Content-Encoding: deflate"), id="not-deflated"),
        pytest.param(wire("200 OK", BODY, "Content-Length: 3, 5"), id="two-lengths"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_an_invalid_response(data):
    with serving(once(data)) as server:
        catch(InvalidResponse, HttpClient(server.url, KEY).get, "/events/e1")


# The network


def test_a_connection_that_is_refused_is_tried_once_more(monkeypatch):
    with serving(always(wire("200 OK", BODY))) as server:
        resolve(monkeypatch, server.port, ["127.0.0.2"], ["127.0.0.1"])
        client = HttpClient(f"http://many.test:{server.port}", KEY)
        assert client.get("/events/e1").body == BODY
        lookups = resolve(monkeypatch, server.port, ["127.0.0.2"])
        client = HttpClient(f"http://many.test:{server.port}", KEY)
        catch(UpstreamUnavailable, client.get, "/events/e2")
        assert len(lookups) == 2
        assert server.paths == ["/events/e1"]


def test_a_host_without_an_address_is_unavailable():
    client = HttpClient("http://intervals.invalid", KEY)
    catch(UpstreamUnavailable, client.get, "/events/e1")


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(Connection.reset, id="reset-at-once"),
        pytest.param(reset_when_asked, id="reset-when-asked"),
        pytest.param(closed_when_asked, id="closed-when-asked"),
        pytest.param(once(b"SSH-2.0-OpenSSH_9.6\r\n"), id="another-protocol"),
        pytest.param(once(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000), id="endless-line"),
        pytest.param(once(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200), id="endless-header"),
        pytest.param(once(wire("200 OK", BODY, "Content-Length: 100")), id="body-too-short"),
        pytest.param(
            once(wire("200 OK", chunked(BODY)[:-9], "Transfer-Encoding: chunked")), id="cut-chunk"
        ),
        pytest.param(
            once(wire("200 OK", b"zz\r\n{}\r\n", "Transfer-Encoding: chunked")),
            id="chunk-without-length",
        ),
    ],
)
def test_a_new_connection_that_breaks_is_unavailable_after_one_request(behave):
    with serving(behave) as server:
        catch(UpstreamUnavailable, HttpClient(server.url, KEY).get, "/events/e1")
        assert len(server.paths) <= 1


def test_a_certificate_that_is_untrusted_or_of_another_host_is_unavailable(tmp_path, monkeypatch):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(always(wire("200 OK", BODY)), tls=context) as server:
        with pytest.raises(UpstreamUnavailable, match=r"certificate .* cannot be verified"):
            HttpClient(server.url, KEY).get("/events/e1")
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert HttpClient(server.url, KEY).get("/events/e2").body == BODY
        client = HttpClient(f"https://localhost:{server.port}", KEY)
        catch(UpstreamUnavailable, client.get, "/events/e3")
        assert server.paths == ["/events/e2"]


# Duration


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        pytest.param(HEAD + b"Content-Length: 1000\r\n\r\n", b"x", id="known-length"),
        pytest.param(HEAD + b"\r\n", b"x", id="no-length"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n", b"x", id="http-1.0"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", id="chunks"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n", b"x", id="one-chunk"),
        pytest.param(b"HTTP/1.1 503 Busy\r\n\r\n", b"x", id="error"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"x", id="redirect"),
    ],
)
def test_the_deadline_ends_a_body_that_drips(start, drop):
    def behave(connection):
        connection.read_request()
        connection.drip(start, drop)

    with serving(behave) as server, ends_soon():
        catch(UpstreamTimeout, HttpClient(server.url, KEY).get, "/events/e1", seconds=0.25)


def test_a_header_that_drips_past_the_deadline_is_a_timeout_without_another_request():
    def behave(connection):
        connection.read_request()
        connection.send(SLOW)
        for _ in range(6):
            connection.server.over.wait(0.1)
            connection.send(b"x")
        connection.send(b"\r\n\r\n" + BODY)

    with serving(behave) as server, ends_soon():
        catch(UpstreamTimeout, HttpClient(server.url, KEY).get, "/events/e1", seconds=0.3)
        assert server.paths == ["/events/e1"]


@pytest.mark.parametrize(
    "start",
    [
        *(b"", SLOW, HEAD + b"Content-Length: 1000\r\n\r\n{", HEAD + b"\r\n{"),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
    ids=["nothing", "header", "known length", "no length", "chunked"],
)
def test_an_answer_that_stops_for_the_read_timeout_is_a_timeout(monkeypatch, start):
    def behave(connection):
        connection.read_request()
        connection.send(start)
        connection.stay_silent()

    monkeypatch.setattr(http, "READ_TIMEOUT", 0.2)
    with serving(behave) as server, ends_soon():
        catch(UpstreamTimeout, HttpClient(server.url, KEY).get, "/events/e1")
        assert server.paths == ["/events/e1"]


def test_a_connection_or_handshake_that_takes_longer_than_the_connect_timeout_is_a_timeout(
    monkeypatch,
):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.2)
    with never_accepting() as url, ends_soon():
        catch(UpstreamTimeout, HttpClient(url, KEY).get, "/events/e1")
    with serving(Connection.stay_silent) as server, ends_soon():
        client = HttpClient(f"https://127.0.0.1:{server.port}", KEY)
        catch(UpstreamTimeout, client.get, "/events/e1")


def test_no_second_connection_is_tried_after_the_deadline(monkeypatch):
    with never_accepting() as url, ends_soon():
        lookups = resolve(monkeypatch, int(url.rpartition(":")[2]), ["127.0.0.1"])
        client = HttpClient(url.replace("127.0.0.1", "many.test"), KEY)
        catch(UpstreamTimeout, client.get, "/events/e1", seconds=0.2)
    assert len(lookups) == 1


# Connections


@pytest.mark.parametrize("seconds", [KEEP_ALIVE + 0.001, -1])
def test_a_connection_that_was_not_used_within_20_seconds_is_closed(seconds, clock):
    def behave(connection):
        always(wire("200 OK", BODY))(connection)
        connection.server.closed.set()

    with serving(behave) as server:
        client = HttpClient(server.url, KEY, clock=clock.timestamp)
        client.get("/events/e1")
        clock.advance(seconds=seconds)
        client.get("/events/e2")
        assert server.closed.wait(SOON)
        assert server.paths == ["/events/e1", "/events/e2"]
        assert len(server.connections) == 2


def test_only_connections_used_within_20_seconds_are_used_again(clock):
    together = Barrier(2)

    def behave(connection):
        while path := connection.read_request():
            if "together" in path:
                together.wait(SOON)
            connection.send(wire("200 OK", BODY))

    with serving(behave) as server, ThreadPoolExecutor(2) as threads:
        client = HttpClient(server.url, KEY, clock=clock.timestamp)
        list(threads.map(client.get, ["/together/1", "/together/2"]))
        clock.advance(seconds=15)
        client.get("/events/e1")
        clock.advance(seconds=15)
        list(threads.map(client.get, ["/together/3", "/together/4"]))
        assert len(server.connections) == 3


def break_in_the_body(connection):
    connection.read_request()
    connection.send(wire("200 OK", b"{", "Content-Length: 100"))
    connection.reset()


def close_after_one_answer(connection):
    once(wire("200 OK", BODY))(connection)
    connection.close()


@pytest.mark.parametrize(
    ("behave", "deadline", "outcome", "requests"),
    [
        pytest.param(first_well_then(silent_when_asked), 8, BODY, 2, id="silent"),
        pytest.param(first_well_then(reset_when_asked), 8, BODY, 2, id="reset"),
        pytest.param(
            by_connection(first_well_then(reset_when_asked), reset_when_asked),
            *(8, UpstreamUnavailable, 2),
            id="reset twice",
        ),
        pytest.param(
            first_well_then(break_in_the_body), 8, UpstreamUnavailable, 1, id="broken body"
        ),
        pytest.param(
            first_well_then(silent_when_asked), 0.15, UpstreamTimeout, 1, id="after the deadline"
        ),
        pytest.param(
            by_connection(once(wire("200 OK", BODY, "Connection: Close")), reset_when_asked),
            *(8, UpstreamUnavailable, 1),
            id="announced to close",
        ),
        pytest.param(close_after_one_answer, 8, BODY, 1, id="closed meanwhile"),
    ],
)
def test_a_request_that_fails_unanswered_on_a_used_connection_is_repeated_once(
    monkeypatch, behave, deadline, outcome, requests
):
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.2)
    with serving(behave) as server, ends_soon():
        client = HttpClient(server.url, KEY)
        client.get("/events/e1")
        if behave is close_after_one_answer:
            assert server.closed.wait(SOON)
        if outcome == BODY:
            assert client.get("/events/e2").body == BODY
        else:
            catch(outcome, client.get, "/events/e2", seconds=deadline)
        assert server.paths == ["/events/e1", *["/events/e2"] * requests]


def test_a_repeated_request_has_the_rest_of_the_deadline(monkeypatch):
    monkeypatch.setattr(http, "READ_TIMEOUT", 1.0)
    behave = by_connection(first_well_then(silent_when_asked), silent_when_asked)
    with serving(behave) as server:
        client = HttpClient(server.url, KEY)
        client.get("/events/e1")
        started = time.monotonic()
        catch(UpstreamTimeout, client.get, "/events/e2", seconds=1.2)
        assert time.monotonic() - started < 1.8
        assert server.paths == ["/events/e1", "/events/e2", "/events/e2"]


def test_the_rest_of_a_body_that_was_too_long_is_not_the_next_answer():
    def behave(connection):
        while path := connection.read_request():
            size = MAX_BODY * 2 if path.endswith("1") else 1
            connection.send(wire("200 OK", b"x" * size))

    with serving(behave) as server:
        client = HttpClient(server.url, KEY)
        client.get("/events/e2")
        catch(InvalidResponse, client.get, "/events/e1")
        assert client.get("/events/e2").body == b"x"


def test_threads_that_share_a_client_get_their_own_answers_and_deadlines():
    def behave(connection):
        while path := connection.read_request():
            if "slow" in path:
                connection.drip(HEAD + b"Content-Length: 1000\r\n\r\n", b"x")
                return
            connection.send(wire("200 OK", path.encode()))

    def get_body(path):
        try:
            return client.get(path, seconds=0.8).body
        except UpstreamTimeout:
            return None

    paths = [f"/slow/{i}" if i % 10 == 0 else f"/events/{i}" for i in range(60)]
    with serving(behave) as server, ThreadPoolExecutor(8) as threads, ends_soon():
        client = HttpClient(server.url, KEY)
        bodies = list(threads.map(get_body, paths))
        assert bodies == [None if "slow" in path else path.encode() for path in paths]
        assert Counter(server.paths) == Counter(paths)


def test_the_answer_that_follows_an_interim_answer_is_no_answer_to_the_next_request():
    """An answer of 103 comes before the final answer, on the same connection (RFC 9110 15.2)."""

    def behave(connection: Connection) -> None:
        path = connection.read_request()
        if path == "/events/one":
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            if connection.read_request():
                connection.send(wire("404 Not Found", b"late"))
        else:
            connection.send(wire("200 OK", BODY))

    with serving(behave) as server:
        client = HttpClient(server.url, KEY)
        with suppress(UpstreamError):
            client.get("/events/one")
        assert client.get("/events/other").body == BODY


# Any bytes

PIECES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 304 X\r\n", b"HTTP/1.0 404\r\n"),
        *(b"HTTP/1.1 302 X\r\n", b"HTTP/9.9 999 \r\n", b"HTTP/1.1 -1\r\n"),
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 1, 2\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n"),
        b"Content-Encoding: br, zstd, gzip\r\n",
        *(b"Location: http://[\r\n", b"Location: \xff\r\n", b"Set-Cookie: \xff=;;=\r\n"),
        *(b"ETag: \xa0\r\n \x00\r\n", b": \r\n", b"\r\n", b"\r\n\r\n", b"\n"),
        *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"ffffffffffffffffffff\r\n", b"-1\r\n"),
        *(gzip.compress(BODY), gzip.compress(BODY)[:-9], BODY),
    ]
)


@pytest.fixture(scope="module")
def arbitrary_server():
    with serving(lambda connection: None) as server:
        yield server


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES | st.binary(max_size=20)), st.sampled_from([b"", HEAD]))
def test_any_bytes_are_an_answer_or_an_upstream_error(arbitrary_server, pieces, start):
    arbitrary_server.behaviour = once(start + b"".join(pieces))
    with suppress(UpstreamError):
        body = HttpClient(arbitrary_server.url, KEY).get("/events/e1", seconds=2).body
        assert isinstance(body, bytes)

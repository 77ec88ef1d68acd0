"""Connections of strangers: silent, half, dripping and non-reading ones keep nobody waiting."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from signal import Signals
from threading import Event
from time import monotonic

import pytest

from feeds import gunicorn_conf
from feeds.gunicorn_worker import MAX_BODY, Worker
from tests.support.attacks import HALF_A_REQUEST, connect, guess, poll
from tests.support.deployment import FAR, Deployment, choose_worker, deploy
from tests.support.waiting import PATIENCE, wait_until

REQUEST = HALF_A_REQUEST + b"\r\n"
LONG_HALF = HALF_A_REQUEST + b"X-Long: %s\r\n" % (b"x" * 8000) + b"X-More: 1\r\n" * 20
HALF_A_BODY = b"POST /events/hit.ics HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"
CHUNKED = b"POST /events/hit.ics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
AT_ONCE = 5
"""Seconds that an answer may take: less than any time-out of the service."""

BUFFER = 2_000
"""Bytes of the receive buffer of a client that does not read."""


@pytest.fixture(scope="module")
def small(new_database, tmp_path_factory) -> Iterator[Deployment]:
    """A service with the time-outs of production and few descriptors, which has the event "hit"."""
    prefix = ("prlimit", "--nofile=256:256")
    folder = tmp_path_factory.mktemp("small")
    with deploy(new_database("sqlite").url, folder, prefix=prefix) as deployment:
        publish(deployment)
        yield deployment


IMPATIENT = choose_worker("impatient_worker.Worker")
"""The environment of a service with short time-outs."""


@pytest.fixture(scope="module")
def impatient(new_database, tmp_path_factory) -> Iterator[Deployment]:
    """A service with one worker and short time-outs, which has the event "hit"."""
    folder = tmp_path_factory.mktemp("impatient")
    with deploy(new_database("sqlite").url, folder, workers=1, **IMPATIENT) as deployment:
        publish(deployment)
        yield deployment


def publish(deployment):
    """Have the event "hit", which makes 120 KB of a calendar, in the memory of each worker."""
    dates = [FAR] * 200
    deployment.upstream.publish("hit", *dates, description="Along the lake. " * 20)
    assert {each.status for each in deployment.service.poll_workers("hit")} == {200}


def assert_nothing_was_logged(deployment):
    assert "Traceback" not in deployment.service.process.output
    assert deployment.service.process.output.count("Booting") == len(deployment.service.workers)


def wait_for_end(connection):
    """Wait until the service has closed a connection."""
    connection.settimeout(PATIENCE)
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass


@pytest.mark.parametrize(
    "data", [b"", HALF_A_REQUEST, LONG_HALF, HALF_A_BODY], ids=["silent", "half", "long", "body"]
)
def test_more_connections_than_descriptors_that_send_no_whole_request_delay_nobody(small, data):
    with connect(small.service.url, 600, data):
        answers = [poll(small.service.url, "/events/hit.ics", timeout=AT_ONCE) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert_nothing_was_logged(small)


def test_more_clients_than_threads_that_do_not_read_delay_nobody(small):
    count = 3 * gunicorn_conf.threads
    with connect(small.service.url, count, REQUEST * 100, buffer=BUFFER):
        wait_until(
            lambda: poll(small.service.url, "/events/hit.ics").seconds < 1, "an answer at once"
        )
        answers = [poll(small.service.url, "/events/hit.ics", timeout=AT_ONCE) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert_nothing_was_logged(small)


@pytest.mark.parametrize(
    "data",
    [b"", HALF_A_REQUEST, REQUEST + HALF_A_REQUEST, LONG_HALF, HALF_A_BODY],
    ids=["silent", "half", "second half", "long", "body"],
)
def test_a_connection_without_a_whole_request_is_closed_after_a_while(impatient, data):
    with connect(impatient.service.url, 3, data) as connections:
        for connection in connections:
            wait_for_end(connection)
    assert_nothing_was_logged(impatient)


@pytest.mark.parametrize(
    ("start", "drop"),
    [(b"GET / HTTP/1.1\r\n", b"A: 1\r\n"), (LONG_HALF, b"A: 1\r\n"), (CHUNKED, b"1\r\n1\r\n")],
    ids=["head", "long head", "body"],
)
def test_a_request_that_comes_drop_by_drop_ends(impatient, start, drop):
    with connect(impatient.service.url, 1, start) as (connection,):

        def is_refused():
            try:
                connection.sendall(drop)
            except OSError:
                return True
            return False

        wait_until(is_refused, "the end of the connection")
    assert_nothing_was_logged(impatient)


def test_requests_that_are_no_http_leave_one_short_line_in_the_log(impatient):
    for number in range(20):
        with connect(impatient.service.url, 1, b"%d %s\r\n\r\n" % (number, b"x" * 3000)) as (one,):
            assert one.recv(12) == b"HTTP/1.1 400"
    (line,) = impatient.service.process.wait_for('"(Invalid request from .*)"}')
    assert len(line) < 220


LONGEST_URL = 4094 - len("GET  HTTP/1.1")


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("/", 60, b"200"),
        ("/?event=" + "x" * (LONGEST_URL - 18), 1, b"404"),
        ("/?event=" + "x" * LONGEST_URL, 1, b"414"),
        ("/", 65, b"431"),
        ("/", 100_000, b"431"),
    ],
    ids=["fields", "long URL", "too long URL", "too many fields", "far too many fields"],
)
def test_the_head_of_a_request_is_refused_above_a_bound_alone(impatient, target, fields, status):
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\n" + "X-More: 1\r\n" * (fields - 1) + "\r\n"
    with connect(impatient.service.url, 1) as (one,):
        with suppress(OSError):  # refused before all of it has arrived
            one.sendall(head.encode())
        assert one.recv(12)[-3:] == status
    assert_nothing_was_logged(impatient)


def test_a_header_field_of_more_than_8_kb_is_refused(impatient):
    with connect(impatient.service.url, 1) as (one,):
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: %s\r\n\r\n" % (b"x" * 9000))
        assert one.recv(12) == b"HTTP/1.1 431"


@pytest.mark.parametrize(
    ("head", "body", "kept"),
    [
        ("Content-Length: 1000", b"x" * 1000, True),
        (f"Content-Length: {MAX_BODY + 1}", b"x" * (MAX_BODY + 1), False),
        ("Content-Length: 1000000000000", b"x" * 100_000, False),
        ("Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n", False),
    ],
    ids=["short", "long", "endless", "chunked"],
)
def test_a_long_body_is_not_read_and_ends_the_connection(impatient, head, body, kept):
    post = f"POST /events/hit.ics HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode()
    with connect(impatient.service.url, 1, post) as (one,):
        one.settimeout(PATIENCE)
        assert one.recv(12) == b"HTTP/1.1 405"
        received = b""
        with suppress(OSError):
            one.sendall(body + b"GET /robots.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            while data := one.recv(65536):
                received += data
    assert (b"HTTP/1.1 200" in received) == kept
    assert_nothing_was_logged(impatient)


def test_a_client_that_does_not_read_is_reset(impatient):
    with connect(impatient.service.url, 1, REQUEST * 200, buffer=BUFFER) as (connection,):
        wait_until(
            lambda: connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0, "the reset"
        )
    assert_nothing_was_logged(impatient)


def test_a_client_that_reads_gets_everything_and_keeps_its_connection(impatient):
    with connect(impatient.service.url, 1, REQUEST * 100) as (connection,):
        received = 0
        while received < 100 * 100_000:
            received += len(connection.recv(65536))


def test_a_worker_stops_although_requests_are_half(new_database, tmp_path):
    with deploy(new_database("sqlite").url, tmp_path, workers=1, **IMPATIENT) as deployment:
        with connect(deployment.service.url, 5, HALF_A_REQUEST):
            publish(deployment)
            began = monotonic()
            deployment.service.process.send(Signals.SIGTERM)
            deployment.service.process.wait()
        assert monotonic() - began < gunicorn_conf.graceful_timeout - 2


def test_a_service_stops_at_once_although_connections_are_silent(new_database, tmp_path):
    with deploy(new_database("sqlite").url, tmp_path) as deployment:
        with connect(deployment.service.url, 5) as connections:
            publish(deployment)  # with later connections: these ones were accepted
            began = monotonic()
            deployment.service.process.send(Signals.SIGTERM)
            for connection in connections:
                assert connection.recv(1) == b""
            deployment.service.process.wait()
        assert monotonic() - began < Worker.receive_timeout / 2
    assert_nothing_was_logged(deployment)


def test_guesses_beside_a_slow_upstream_leave_known_events_fresh_and_hits_fast(
    new_database, tmp_path
):
    url = new_database("sqlite").url
    with deploy(url, tmp_path, FEEDS_MAX_AGE="1") as deployment:
        service, upstream = deployment.service, deployment.upstream
        publish(deployment)
        deployment.publish("Real", "real")
        upstream.delay = partial(Event().wait, 0.5)
        with guess(service.url, 50):
            wait_until(lambda: len(upstream.asked) > 20, "guesses")
            answers = [poll(service.url, "/events/hit.ics") for _ in range(10)]
            hits = [poll(service.url, "/robots.txt") for _ in range(30)]
            first = poll(service.url, "/events/real.ics")
    assert {answer.status for answer in [*answers, *hits]} == {200}
    assert not [answer for answer in answers if "max-age=60" in answer.cache_control]
    assert max(hit.seconds for hit in hits) < 2
    assert first.status == 200

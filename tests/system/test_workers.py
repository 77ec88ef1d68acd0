"""Workers: shared memory, replacement, many polls at the same time, and idle connections."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from signal import Signals
from urllib.parse import urlsplit

import pytest

from feeds import gunicorn_conf
from tests.support.deployment import (
    BOOTED,
    RunningService,
    choose_worker,
    deploy,
    start_service,
)
from tests.support.upstream import HOST
from tests.support.waiting import PATIENCE, wait_until

HALF_A_REQUEST = b"GET /events/hit.ics HTTP/1.1\r\nHost: idle\r\n"


@pytest.fixture(scope="module")
def one_worker(new_database, tmp_path_factory) -> Iterator[RunningService]:
    """A service with one worker, which has the event "hit" in memory."""
    folder = tmp_path_factory.mktemp("service")
    with deploy(new_database("sqlite").url, folder, workers=1) as deployment:
        deployment.publish("In memory", "hit")
        deployment.service.poll("hit")
        yield deployment.service


def replace_workers(service: RunningService, end: Signals | None = None) -> None:
    """Kill all workers, or send this signal to the master, and wait for the new workers."""
    old = service.workers[:]
    booted = len(service.process.wait_for(BOOTED))
    if end:
        service.process.send(end)
    else:
        for worker in old:
            os.kill(worker, Signals.SIGKILL)
    service.workers[:] = map(int, service.process.wait_for(BOOTED, booted + len(old))[booted:])
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old), "the old workers")


def test_the_master_process_has_no_connection_that_workers_could_inherit(deployment):
    status = Path(f"/proc/{deployment.service.workers[0]}/status").read_text()
    (master,) = re.findall(r"^PPid:\s+(\d+)$", status, re.MULTILINE)

    files = [str(file.readlink()) for file in Path(f"/proc/{master}/fd").iterdir()]
    assert len([each for each in files if each.startswith("socket:")]) == 1  # it listens
    assert not [each for each in files if "sqlite3" in each]


def test_workers_share_the_memory_of_what_the_master_loaded(deployment):
    deployment.publish("Known", "known")
    deployment.service.poll_workers("known")
    for worker in deployment.service.workers:
        usage = Path(f"/proc/{worker}/smaps_rollup").read_text()
        rss, shared = (
            int(kilobytes)
            for name in ("Rss", "Shared_Dirty")
            for kilobytes in re.findall(rf"^{name}: +(\d+) kB", usage, re.MULTILINE)
        )
        # The boundaries of the time zones alone are 33 MiB.
        assert shared > 40 * 1024
        assert shared > rss / 2


@pytest.mark.parametrize("worker", ["AtFork", "BeforeInit"])
def test_a_worker_that_gets_sigterm_before_it_handles_signals_ends(new_database, tmp_path, worker):
    settings = choose_worker(f"early_sigterm_worker.{worker}")
    url = new_database("sqlite").url
    with deploy(url, tmp_path, workers=1, **settings) as deployment:
        (first,) = deployment.service.workers
        process = deployment.service.process
        process.wait_for(BOOTED, 2)

        assert f"Worker exiting (pid: {first})" in process.output
        assert "Traceback" not in process.output


def test_workers_fetch_and_save_many_events_at_the_same_time(deployment):
    ids = [f"new-{number}" for number in range(40)]
    for id_ in ids:
        deployment.publish(f"All about {id_}", id_)
    answers = deployment.service.poll_together(ids * 3)

    for id_, answer in zip(ids * 3, answers, strict=True):
        assert answer.status == 200
        assert f"SUMMARY:All about {id_} – 10K\r\n" in answer.text
    assert sorted(set(deployment.upstream.asked) & set(ids)) == sorted(ids)
    assert "Traceback" not in deployment.service.process.output


@pytest.mark.parametrize("end", [None, Signals.SIGHUP], ids=["killed", "sighup"])
def test_new_workers_serve_the_stored_editions_without_a_call(deployment, end):
    upstream, service, *_ = deployment
    deployment.publish("Stored", event_id := f"stored-{end}")
    before = service.poll(event_id)
    replace_workers(service, end)
    answers = service.poll_workers(event_id)

    assert {each.status for each in answers} == {200}
    assert {each.body for each in answers} == {before.body}
    assert upstream.asked.count(event_id) == 1
    assert "Traceback" not in service.process.output


def test_without_a_database_workers_serve_their_memory_and_new_workers_wait(
    deployment, shared_database
):
    upstream, service, *_ = deployment
    deployment.publish("Kept", "kept")
    known = service.poll_workers("kept")[0]
    calls = len(upstream.calls)
    shared_database.remove()
    try:
        kept, unknown = service.poll_workers("kept"), service.poll_workers("never")
        replace_workers(service)
        booted = len(service.process.wait_for(BOOTED))
        unknown += service.poll_workers("kept")
    finally:
        shared_database.restore()

    assert {(each.status, each.body) for each in kept} == {(200, known.body)}
    for each in unknown:
        assert (each.status, each.text) == (503, "The database is unavailable.\n")
        assert each.headers["Cache-Control"] == "no-store"
    wait_until(
        lambda: {each.status for each in service.poll_workers("kept")} == {200}, "the edition"
    )
    assert len(upstream.calls) == calls
    assert len(service.process.wait_for(BOOTED)) == booted
    assert "Traceback" not in service.process.output


def test_a_hundred_polls_past_max_age_at_two_services_make_one_call_and_get_the_new_edition(
    deployment, tmp_path
):
    upstream, service, _, env = deployment
    deployment.publish("As it was", "old")
    service.poll_workers("old")
    with start_service(env, tmp_path, workers=1) as other:
        deployment.age(days=1)
        deployment.publish("As it is now", "old")
        with upstream.hold():
            requests = [each.send("old") for each in (service, other) * 50]
            wait_until(lambda: upstream.asked.count("old") == 2, "a call")
        answers = [each.read() for each in requests]

    assert {each.status for each in answers} == {200}
    assert len({each.headers["ETag"] for each in answers}) == 1
    assert "SUMMARY:As it is now" in answers[0].text
    assert upstream.asked.count("old") == 2


def test_fresh_editions_are_served_while_six_events_hang_in_both_workers(deployment):
    upstream, service, *_ = deployment
    ids = [f"hanging-{number}" for number in range(6)]
    deployment.publish("At last", "hit", *ids)
    service.poll_workers("hit")
    with upstream.hold():
        requests = []
        for worker in service.workers:
            with service.only(worker):
                requests += [service.send(id_) for id_ in ids * 3]
                hits = [service.poll("hit") for _ in range(20)]
            assert {each.status for each in hits} == {200}
    answers = [each.read() for each in requests]

    assert {each.status for each in answers} == {200}  # no request gave up waiting meanwhile
    assert [upstream.asked.count(id_) for id_ in ids] == [1] * 6


@contextmanager
def connect(service: RunningService, count: int) -> Iterator[list[socket.socket]]:
    """Open so many connections to a service."""
    port = urlsplit(service.url).port
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((HOST, port), PATIENCE))
            for _ in range(count)
        ]


def test_more_idle_connections_than_threads_delay_no_request_and_stay_usable(one_worker):
    with connect(one_worker, 3 * gunicorn_conf.threads) as connections:
        for connection in connections[::4]:
            connection.sendall(HALF_A_REQUEST)
        with connect(one_worker, 1) as (last,):
            last.settimeout(2)  # gunicorn's own worker would take 15 s
            last.sendall(HALF_A_REQUEST + b"\r\n")
            assert last.recv(12) == b"HTTP/1.1 200"
        for connection in connections:
            is_half = connection in connections[::4]
            connection.sendall(b"\r\n" if is_half else HALF_A_REQUEST + b"\r\n")
        assert [connection.recv(12) for connection in connections] == [b"HTTP/1.1 200"] * 192


def test_clients_that_do_not_close_their_end_delay_no_other_client(one_worker):
    with connect(one_worker, 30) as connections:
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert [connection.recv(12) for connection in connections] == [b"HTTP/1.1 200"] * 30
        # One thread that lingered for each of these connections in turn would take a minute.
        assert one_worker.poll("hit").status == 200


def test_clients_that_do_not_close_their_end_have_no_slow_client_closed(one_worker):
    with connect(one_worker, gunicorn_conf.threads) as connections:
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for connection in connections:
            while connection.recv(65536):
                pass
        # A thread lingers for some of them now, until they close their end.
        with connect(one_worker, 1) as (last,):
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
            last.sendall(head + b"1")
            response = HTTPResponse(last)
            response.begin()
            assert (response.status, len(response.read()) > 0) == (405, True)
            last.sendall(b"2" + HALF_A_REQUEST + b"\r\n")
            assert last.recv(12) == b"HTTP/1.1 200"


def test_a_connection_serves_two_hundred_requests_in_turn(one_worker):
    with connect(one_worker, 1) as (connection,):
        for _ in range(200):
            connection.sendall(HALF_A_REQUEST + b"\r\n")
            response = HTTPResponse(connection)
            response.begin()
            assert response.status == 200
            assert response.read()


@pytest.mark.parametrize(
    "name", ["SCRIPT_NAME", "Script-Name", "PATH_INFO", "X-Forwarded-Prefix", "X-Script-Name"]
)
@pytest.mark.parametrize("value", ["/events", "/zzz", "/events/hit.ics"])
def test_no_header_of_a_client_changes_the_address_of_the_application(one_worker, name, value):
    parts = urlsplit(one_worker.url)
    with closing(HTTPConnection(parts.hostname or HOST, parts.port, timeout=PATIENCE)) as client:
        client.request("GET", "/events/hit.ics", headers={name: value})
        response = client.getresponse()
        assert (response.status, response.read()[:15]) == (200, b"BEGIN:VCALENDAR")

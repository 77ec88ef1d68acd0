"""Workers: shared memory, replacement, many polls at the same time, and idle connections."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from signal import Signals
from urllib.parse import urlsplit

import pytest

from feeds import gunicorn_conf
from tests.support.deployment import BOOTED, Deployment, RunningService, deploy
from tests.support.upstream import HOST
from tests.support.waiting import PATIENCE, wait_until

HALF_A_REQUEST = b"GET /events/hit.ics HTTP/1.1\r\nHost: idle\r\n"


@pytest.fixture(scope="module")
def deployment(shared_database, tmp_path_factory) -> Iterator[Deployment]:
    """A service with two workers."""
    with deploy(shared_database.url, tmp_path_factory.mktemp("service")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def one_worker(new_database, tmp_path_factory) -> Iterator[RunningService]:
    """A service with one worker."""
    folder = tmp_path_factory.mktemp("service")
    with deploy(new_database("sqlite").url, folder, workers=1) as deployment:
        yield deployment.service


def parent_of(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(r"^PPid:\s+(\d+)$", status, re.MULTILINE)[0])


def replace_workers(service: RunningService, end: Signals | None = None) -> None:
    """Kill all workers, or send this signal to the master, and wait for the new workers."""
    old = service.workers[:]
    booted = len(service.process.wait_for(BOOTED))
    if end:
        service.process.send(end)
    else:
        for worker in old:
            os.kill(worker, Signals.SIGKILL)
    new = service.process.wait_for(BOOTED, booted + len(old))[booted:]
    service.workers[:] = map(int, new)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old), "the old workers")


def test_the_master_process_has_no_connection_that_workers_could_inherit(deployment):
    master = parent_of(deployment.service.workers[0])

    files = [str(file.readlink()) for file in Path(f"/proc/{master}/fd").iterdir()]
    assert len([each for each in files if each.startswith("socket:")]) == 1  # it listens
    assert not [each for each in files if "sqlite3" in each]


def test_workers_share_the_memory_of_what_the_master_loaded(deployment):
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


def test_workers_fetch_and_save_many_events_at_the_same_time(deployment):
    ids = [f"new-{number}" for number in range(40)]
    for id_ in ids:
        deployment.upstream.publish(id_, f"All about {id_}")
    answers = deployment.service.poll_together(ids * 3)

    for id_, answer in zip(ids * 3, answers, strict=True):
        assert answer.status == 200
        assert f"SUMMARY:All about {id_}: 10K\r\n".encode() in answer.body
    calls = [id_ for id_ in deployment.upstream.calls if id_ in ids]
    assert sorted(calls) == sorted(ids)
    assert "Traceback" not in deployment.service.process.output


@pytest.mark.parametrize("end", [None, Signals.SIGHUP], ids=["killed", "sighup"])
def test_new_workers_serve_the_stored_editions_without_a_call(deployment, end):
    upstream, service, _ = deployment
    upstream.publish(event_id := f"stored-{end}", "Stored")
    before = service.poll(event_id)
    replace_workers(service, end)
    answers = service.poll_workers(event_id)

    assert {each.status for each in answers} == {200}
    assert {each.body for each in answers} == {before.body}
    assert upstream.calls.count(event_id) == 1
    assert "Traceback" not in service.process.output


def test_workers_started_without_a_database_serve_once_the_database_is_back(
    deployment, shared_database
):
    upstream, service, _ = deployment
    upstream.publish("stored", "Stored")
    service.poll("stored")
    shared_database.remove()
    try:
        replace_workers(service)
        booted = len(service.process.wait_for(BOOTED))
        without = service.poll_workers("stored")
    finally:
        shared_database.restore()

    assert {each.status for each in without} == {503}
    wait_until(
        lambda: {each.status for each in service.poll_workers("stored")} == {200},
        "the stored edition",
    )
    assert upstream.calls.count("stored") == 1
    assert len(service.process.wait_for(BOOTED)) == booted
    assert "Traceback" not in service.process.output


def test_a_hundred_polls_past_max_age_make_one_call_and_get_the_new_edition(deployment):
    upstream, service, _ = deployment
    upstream.publish("old", "As it was")
    service.poll_workers("old")
    deployment.age(days=1)
    upstream.publish("old", "As it is now")
    with upstream.hold("old") as release:
        requests = service.send_evenly(["old"] * 100)
        release()
        answers = [each.read() for each in requests]

    assert {each.status for each in answers} == {200}
    assert len({each.headers["ETag"] for each in answers}) == 1
    assert b"SUMMARY:As it is now" in answers[0].body
    assert upstream.calls.count("old") == 2


def test_fresh_editions_are_served_while_six_events_hang_in_both_workers(deployment):
    upstream, service, _ = deployment
    ids = [f"hanging-{number}" for number in range(6)]
    with ExitStack() as stack:
        releases = []
        for id_ in ids:
            upstream.publish(id_, "At last")
            releases.append(stack.enter_context(upstream.hold(id_)))
        requests = service.send_evenly(ids * 6)
        hits = []
        for worker in service.workers:
            with service.only(worker):
                hits += [service.poll("hit") for _ in range(100)]
        for release in releases:
            release()
        answers = [each.read() for each in requests]

    assert [each.status for each in hits] == [200] * 200
    assert {each.status for each in answers} == {200}  # no request gave up waiting meanwhile
    assert [upstream.calls.count(id_) for id_ in ids] == [1] * 6


@contextmanager
def connect(service: RunningService, count: int) -> Iterator[list[socket.socket]]:
    """Open so many connections to a service."""
    port = urlsplit(service.url).port
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((HOST, port), PATIENCE))
            for _ in range(count)
        ]


def test_sixty_idle_connections_delay_no_request_and_stay_usable(one_worker):
    with connect(one_worker, 60) as connections:
        for connection in connections[::2]:
            connection.sendall(HALF_A_REQUEST)
        answer = one_worker.poll("hit")
        for connection in connections:
            connection.setblocking(False)  # noqa: FBT003 - a socket's own
            with pytest.raises(BlockingIOError):  # open, and without anything to read
                connection.recv(1)
        for connection in connections:
            connection.settimeout(PATIENCE)
            is_half = connection in connections[::2]
            connection.sendall(b"\r\n" if is_half else HALF_A_REQUEST + b"\r\n")
        lines = [connection.recv(12) for connection in connections]

    assert answer.status == 200
    assert lines == [b"HTTP/1.1 200"] * 60


def test_more_silent_connections_than_threads_delay_no_request(one_worker):
    with connect(one_worker, 3 * gunicorn_conf.threads), connect(one_worker, 1) as (last,):
        last.settimeout(2)  # gunicorn's own worker would take 15 s
        last.sendall(HALF_A_REQUEST + b"\r\n")
        assert last.recv(12) == b"HTTP/1.1 200"


def test_a_connection_serves_two_hundred_requests_in_turn(one_worker):
    with connect(one_worker, 1) as (connection,):
        for _ in range(200):
            connection.sendall(HALF_A_REQUEST + b"\r\n")
            response = HTTPResponse(connection)
            response.begin()
            assert response.status == 200
            assert response.read()

"""Processes that are forked from one that has loaded everything: what they share, and what not."""

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
from tests.support import hostile_upstream as hostile
from tests.support.hostile_upstream import BOOTED, House
from tests.support.processes import HOST, PATIENCE, until
from tests.system.test_machines import switch

ENGINES = ("sqlite", "postgresql")
HALF = b"GET /events/hit.ics HTTP/1.1\r\nHost: idle\r\n"


@pytest.fixture(params=ENGINES)
def engine(request, postgres, tmp_path):
    """The URL of a database with nothing in it, and how to take it away and bring it back."""
    if request.param == "postgresql":
        return postgres.new_database(), postgres.stop, postgres.start
    return f"sqlite:///{tmp_path}/feeds.sqlite3", *switch(tmp_path)


@pytest.fixture
def house(engine, tmp_path) -> Iterator[House]:
    with hostile.house(engine[0], tmp_path) as house:
        house.upstream.publish("hit", "In memory")
        yield house


def parent_of(worker: int) -> int:
    found = re.search(r"^PPid:\s+(\d+)$", Path(f"/proc/{worker}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def open_files(process: int) -> list[str]:
    return [str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir()]


def replace(house: House) -> list[int]:
    """Kill all workers; those that take their places."""
    known = len(house.service.process.wait_for(BOOTED))
    for worker in house.service.workers:
        os.kill(worker, Signals.SIGKILL)
    booted = house.service.process.wait_for(BOOTED, known + len(house.service.workers))
    house.service.workers[:] = [int(each) for each in booted[known:]]
    return house.service.workers


class TestFork:
    def test_the_process_that_forks_has_no_connection_that_others_could_inherit(self, house):
        master = parent_of(house.service.workers[0])
        house.service.poll_each("hit")

        files = open_files(master)
        assert len([each for each in files if each.startswith("socket:")]) == 1  # that listens
        assert not [each for each in files if "sqlite3" in each]

    def test_workers_read_and_write_at_the_same_time_over_connections_of_their_own(self, house):
        ids = [f"new-{number}" for number in range(40)]
        for id_ in ids:
            house.upstream.publish(id_, f"All about {id_}")
        answers = house.service.polls(ids * 3)

        for id_, each in zip(ids * 3, answers, strict=True):
            assert each.status == 200
            assert f"SUMMARY:All about {id_}: 10K\r\n".encode() in each.body
        assert sorted(house.upstream.calls) == sorted(ids)
        assert "Traceback" not in house.service.process.output

    def test_they_share_the_memory_of_what_was_loaded_before(self, house):
        for worker in house.service.workers:
            told = Path(f"/proc/{worker}/smaps_rollup").read_text()
            rss, shared = (
                int(kilobytes)
                for name in ("Rss", "Shared_Dirty")
                for kilobytes in re.findall(rf"^{name}: +(\d+) kB", told, re.MULTILINE)
            )
            # The boundaries of the time zones alone are 33 MiB.
            assert shared > 40 * 1024
            assert shared > rss / 2


class TestReplacedWorker:
    def test_it_serves_what_is_stored(self, house):
        known = house.service.poll("hit")
        replace(house)
        answers = house.service.poll_each("hit")

        assert {each.status for each in answers} == {200}
        assert {each.body for each in answers} == {known.body}
        assert house.upstream.calls == ["hit"]

    def test_one_that_comes_while_the_database_is_away_serves_when_that_is_back(
        self, house, engine
    ):
        _, gone, back = engine
        house.service.poll_each("hit")
        gone()
        try:
            replace(house)
            away = house.service.poll_each("hit")
        finally:
            back()

        assert {each.status for each in away} == {503}
        until(lambda: {each.status for each in house.service.poll_each("hit")} == {200}, "a hit")
        assert house.upstream.calls == ["hit"]
        assert len(re.findall(BOOTED, house.service.process.output)) == 4
        assert "Traceback" not in house.service.process.output

    def test_after_a_sighup_there_are_new_ones(self, house):
        known = house.service.poll("hit")
        house.service.process.send(Signals.SIGHUP)
        booted = house.service.process.wait_for(BOOTED, 4)
        old, house.service.workers[:] = house.service.workers[:], map(int, booted[2:])
        until(lambda: not any(Path(f"/proc/{each}").exists() for each in old), "their end")

        assert {each.body for each in house.service.poll_each("hit")} == {known.body}
        assert "Traceback" not in house.service.process.output


class TestIdleConnections:
    @pytest.fixture
    def house(self, tmp_path):
        with hostile.house(f"sqlite:///{tmp_path}/feeds.sqlite3", tmp_path, 1) as house:
            house.upstream.publish("hit", "In memory")
            house.service.poll("hit")
            yield house

    def test_sixty_of_them_do_not_keep_the_next_one_from_being_answered(self, house):
        with idle(house, 60) as connections:
            for each in connections[::2]:
                each.sendall(HALF)
            answer = house.service.poll("hit")
            for each in connections:
                each.setblocking(False)  # noqa: FBT003 - a socket's own
                with pytest.raises(BlockingIOError):  # open, and nothing to read
                    each.recv(1)
            # They were not forgotten either.
            for each in connections:
                each.settimeout(PATIENCE)
                each.sendall(b"\r\n" if each in connections[::2] else HALF + b"\r\n")
            lines = [each.recv(12) for each in connections]

        assert answer.status == 200
        assert lines == [b"HTTP/1.1 200"] * 60

    def test_nor_do_more_silent_ones_than_there_are_threads(self, house):
        with idle(house, 3 * gunicorn_conf.threads), idle(house, 1) as (last,):
            last.settimeout(2)  # gunicorn's own worker would take 15 s
            last.sendall(HALF + b"\r\n")
            assert last.recv(12) == b"HTTP/1.1 200"

    def test_a_connection_serves_one_request_after_the_other(self, house):
        with idle(house, 1) as (connection,):
            for _ in range(200):
                connection.sendall(HALF + b"\r\n")
                response = HTTPResponse(connection)
                response.begin()
                assert response.status == 200
                assert response.read()


@contextmanager
def idle(house, count):
    """So many new connections to the only worker."""
    port = urlsplit(house.service.url).port
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((HOST, port), PATIENCE))
            for _ in range(count)
        ]

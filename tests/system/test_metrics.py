"""The metrics of the real service: an address of their own, all workers together, a clean end."""

import os
import socket
import struct
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.deployment import BOOTED, PendingRequest
from tests.support.metrics import Samples, scrape
from tests.support.processes import environment_for, find_two_free_ports, run, running, serving
from tests.support.upstream import EXAMPLE, HOST, Upstream
from tests.support.waiting import PATIENCE, wait_until

FEED = f"/events/{EXAMPLE}.ics"
UNLIMITED = "100000/minute"
ENDS = (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGKILL)


@pytest.fixture
def upstream():
    with Upstream(lambda: datetime.now(UTC)).on() as running_upstream:
        yield running_upstream


@pytest.fixture
def address():
    """Where the metrics are."""
    return f"{HOST}:{find_two_free_ports()}"


@pytest.fixture
def env(upstream, tmp_path, address):
    return environment_for(
        upstream.url,
        tmp_path,
        FEEDS_METRICS_BIND=address,
        FEEDS_UPSTREAM_RATE=UNLIMITED,
        TMPDIR=str(tmp_path),
    )


def list_folders() -> set[Path]:
    return set(Path("/dev/shm").glob("feeds-metrics-*"))


def count_polls(address: str) -> float:
    return scrape(address).get("feeds_polls_total", format="ics", client="google")


def poll(url: str, times: int) -> None:
    for _ in range(times):
        request = PendingRequest(url, FEED, **{"User-Agent": "Google-Calendar-Importer"})
        assert request.read().status == 200


def is_refused(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_polls_of_all_workers_are_counted_together_and_survive_a_worker(env, address, tmp_path):
    with serving(tmp_path / "log", env) as (process, url):
        pids = [int(pid) for pid in process.wait_for(BOOTED, 2)]
        poll(url, 40)
        wait_until(lambda: count_polls(address) == 40, "all polls to be counted")
        os.kill(pids[0], Signals.SIGTERM)
        process.wait_for(BOOTED, 3)
        poll(url, 10)
        wait_until(lambda: count_polls(address) == 50, "the polls of the new worker")

        samples = scrape(address)
        assert samples.get("feeds_requests_total", route="/events/<id>.ics", outcome="200") == 50
        assert samples.get("feeds_upstream_call_seconds_count", outcome="200") >= 1
        assert samples.get("feeds_render_seconds_count", format="ics") >= 1
        assert samples.get("feeds_editions", max_ages="1") == 1
        assert samples.get("feeds_upstream_budget_calls", bucket="all") > 0
        assert samples.get("feeds_database_up") == 1


def test_the_public_port_has_no_metrics_and_the_other_one_nothing_else(env, address, tmp_path):
    with serving(tmp_path / "log", env) as (_, url):
        assert PendingRequest(url, "/metrics").read().status == 404
        for path in ("/", FEED, "/robots.txt"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(f"http://{address}{path}", timeout=PATIENCE)


@pytest.mark.parametrize(
    "number", [Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGKILL]
)
def test_nothing_is_left_behind(env, address, tmp_path, number):
    before = list_folders()
    with serving(tmp_path / "log", env) as (process, url):
        process.wait_for(BOOTED, 2)
        poll(url, 2)
        assert scrape(address).get("feeds_database_up") == 1
        assert len(list_folders() - before) == 1
        process.send(number)
        process.wait()

        wait_until(process.is_gone, "the process of the metrics to end")
        assert is_refused(address)
        assert list_folders() <= before


def test_the_refresher_counts_for_itself(env, address, tmp_path):
    env |= {"FEEDS_MAX_AGE": "1"}
    with serving(tmp_path / "log", env) as (process, url):
        process.wait_for(BOOTED, 2)
        poll(url, 1)
        second = f"{HOST}:{int(address.rpartition(':')[2]) + 1}"
        own = env | {"FEEDS_METRICS_BIND": second}
        with running(tmp_path / "refresher", "refresh", env=own) as refresher:
            refresher.wait_for("Refreshing")

            def count() -> float:
                return scrape(second).get("feeds_refresh_seconds_count", outcome="saved")

            wait_until(lambda: count() >= 1, "a refresh to be counted")
            refresher.send(Signals.SIGTERM)
            assert refresher.wait() == 0
            wait_until(refresher.is_gone, "the refresher's processes to end")
            assert is_refused(second)


@pytest.mark.parametrize("command", ["serve", "refresh"])
def test_an_address_in_use_is_one_line_and_nothing_starts(env, address, command):
    before = list_folders()
    host, _, port = address.partition(":")
    with socket.create_server((host, int(port))):
        result = run(command, env=env)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"Error: FEEDS_METRICS_BIND cannot be used: {address}: Address already in use. "
        "The service and each refresher of a machine need an address of their own."
    )
    assert list_folders() <= before


def test_the_port_of_the_service_is_refused(env, address):
    result = run("serve", "--bind", f"0.0.0.0:{address.rpartition(':')[2]}", env=env)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: FEEDS_METRICS_BIND needs another port than the service itself."
    )


def test_a_service_that_cannot_listen_leaves_nothing_behind(env, tmp_path):
    before = list_folders()
    with socket.create_server((HOST, 0)) as taken:
        result = run("serve", "--bind", f"{HOST}:{taken.getsockname()[1]}", env=env)

    assert result.returncode == 1
    assert list_folders() <= before


def test_the_metrics_of_a_database_that_is_away_say_so(env, address, tmp_path):
    with serving(tmp_path / "log", env) as (process, url):
        process.wait_for(BOOTED, 2)
        poll(url, 1)
        database = tmp_path / "feeds.sqlite3"
        database.rename(tmp_path / "away")
        samples: Samples = scrape(address)
        assert samples.get("feeds_database_up") == 0
        assert samples.list_labels("feeds_editions", "max_ages") == set()
        (tmp_path / "away").rename(database)
        wait_until(lambda: scrape(address).get("feeds_database_up") == 1, "the database again")


def test_clients_of_the_metrics_that_go_away_leave_nothing_in_the_log(env, address, tmp_path):
    host, _, port = address.partition(":")
    with serving(tmp_path / "log", env) as (process, _):
        process.wait_for(BOOTED, 2)
        for data in (
            b"",
            b"GET /metrics HTT",
            b"GET /metrics HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\r\n",
        ):
            with socket.create_connection((host, int(port)), PATIENCE) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(data)
        assert scrape(address).get("feeds_database_up") == 1
        assert "Traceback" not in process.output

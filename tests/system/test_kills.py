"""Processes that end or are killed during a refresh: the edition is saved, no lease stays."""

import http.client
import os
from collections.abc import Iterator
from signal import Signals

import pytest

from tests.support.deployment import (
    BOOTED,
    Deployment,
    ServiceDatabase,
    deploy,
    environment_of,
)
from tests.support.processes import running
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def deployment(shared_database, tmp_path_factory) -> Iterator[Deployment]:
    """A service with two workers; it runs on after each test."""
    with deploy(shared_database.url, tmp_path_factory.mktemp("service")) as deployment:
        yield deployment


def stored_name(database: ServiceDatabase, event_id: str) -> str:
    """Return which of the two names the stored document has."""
    (name,) = [
        name
        for name in ("Before", "After")
        if f'"name":"{name}"'.encode() in database.read_events()[event_id]["document"]
    ]
    return name


@pytest.mark.parametrize("client_waits", [True, False])
def test_sigterm_ends_the_service_after_the_running_refresh_was_saved(
    database, tmp_path, client_waits
):
    with deploy(database.url, tmp_path) as deployment:
        upstream, service = deployment.upstream, deployment.service
        upstream.publish("harbor", "After")
        with upstream.hold("harbor") as release:
            request = service.send("harbor")
            wait_until(lambda: "harbor" in upstream.calls, "a refresh")
            assert deployment.database.read_leases() == {"harbor"}
            if not client_waits:
                request.abandon()
            service.process.send(Signals.SIGTERM)
            service.process.wait_for("Handling signal: term")
            release()
            if client_waits:
                assert request.read().status == 200
            assert service.process.wait() == 0
        wait_until(service.process.is_gone, "the end of the workers")

        assert stored_name(deployment.database, "harbor") == "After"
        assert deployment.database.read_leases() == set()
        assert "Traceback" not in service.process.output


@pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
def test_a_signal_ends_the_background_refresher_after_the_running_refresh_was_saved(
    deployment, shared_database, tmp_path, number
):
    upstream, event_id = deployment.upstream, f"harbor-{number}"
    upstream.publish(event_id, "Before")
    deployment.service.poll(event_id)
    upstream.publish(event_id, "After")
    deployment.database.make_due(event_id)
    env = environment_of(upstream, shared_database.url, tmp_path)
    with (
        upstream.hold(event_id) as release,
        running(tmp_path / "refresher", "refresh", env=env) as process,
    ):
        wait_until(lambda: upstream.calls.count(event_id) == 2, "a refresh")
        assert deployment.database.read_leases() == {event_id}
        process.send(number)
        release()
        assert process.wait() == 0
        assert "Traceback" not in process.output

    assert stored_name(deployment.database, event_id) == "After"
    assert deployment.database.read_leases() == set()


def test_another_worker_refreshes_when_the_lease_of_a_killed_worker_has_expired(deployment):
    upstream, service, database = deployment
    upstream.publish("orphan", "After")
    first, _ = service.workers
    booted = len(service.process.wait_for(BOOTED))
    with upstream.hold("orphan") as release:
        with service.only(first):
            lost = service.send("orphan")
            wait_until(lambda: "orphan" in upstream.calls, "a refresh")
            os.kill(first, Signals.SIGKILL)
        with pytest.raises((OSError, http.client.HTTPException)):
            lost.read()
        waiting = service.send("orphan")
        service.process.wait_for(BOOTED, booted + 1)
        assert upstream.calls.count("orphan") == 1
        assert database.read_leases() == {"orphan"}
        release()
        database.expire_lease("orphan")
        answer = waiting.read()

    assert answer.status == 200
    assert upstream.calls.count("orphan") == 2
    assert database.read_leases() == set()

"""Processes that end or are killed during a refresh: the edition is saved, no lease stays."""

import http.client
import os
from signal import Signals

import pytest

from tests.support.deployment import BOOTED, deploy
from tests.support.processes import running
from tests.support.waiting import wait_until


def wait_for_call(deployment, event_id, calls=1):
    """Wait for a call, which is within the lease of its event."""
    wait_until(lambda: deployment.upstream.asked.count(event_id) == calls, "a call")
    assert deployment.database.read_leases() == {event_id}


def assert_saved(deployment, event_id):
    """The document that the upstream sent last is stored, and no lease stays."""
    assert b'"name":"After"' in deployment.database.read_events()[event_id].document
    assert deployment.database.read_leases() == set()


@pytest.mark.parametrize("client_waits", [True, False])
def test_sigterm_ends_the_service_after_the_running_refresh_was_saved(
    database, tmp_path, client_waits
):
    with deploy(database.url, tmp_path) as deployment:
        process = deployment.service.process
        deployment.publish("After", "harbor")
        with deployment.upstream.hold():
            request = deployment.service.send("harbor")
            wait_for_call(deployment, "harbor")
            if not client_waits:
                request.abandon()
            process.send(Signals.SIGTERM)
            process.wait_for("Handling signal: term")
        if client_waits:
            assert request.read().status == 200
        assert process.wait() == 0
        wait_until(process.is_gone, "the end of the workers")

        assert_saved(deployment, "harbor")
        assert "Traceback" not in process.output


@pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
def test_a_signal_ends_the_background_refresher_after_the_running_refresh_was_saved(
    deployment, tmp_path, number
):
    event_id = f"harbor-{number}"
    deployment.publish("Before", event_id)
    deployment.service.poll(event_id)
    deployment.publish("After", event_id)
    with running(tmp_path / "log", "refresh", env=deployment.environment) as process:
        process.wait_for("Refreshing polled events")
        with deployment.upstream.hold():
            deployment.database.make_due(event_id)
            wait_for_call(deployment, event_id, 2)
            process.send(number)
        assert process.wait() == 0
        assert "Traceback" not in process.output
    assert_saved(deployment, event_id)


def test_another_worker_refreshes_when_the_lease_of_a_killed_worker_has_expired(deployment):
    upstream, service, database, _ = deployment
    deployment.publish("After", "orphan")
    first, _ = service.workers
    booted = len(service.process.wait_for(BOOTED))
    with upstream.hold():
        with service.only(first):
            lost = service.send("orphan")
            wait_for_call(deployment, "orphan")
            os.kill(first, Signals.SIGKILL)
        with pytest.raises((OSError, http.client.HTTPException)):
            lost.read()
        waiting = service.send("orphan")
        service.process.wait_for(BOOTED, booted + 1)
        wait_for_call(deployment, "orphan")
    database.expire_lease("orphan")

    assert waiting.read().status == 200
    assert upstream.asked.count("orphan") == 2
    assert_saved(deployment, "orphan")

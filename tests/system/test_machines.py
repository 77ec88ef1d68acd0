"""Several machines with one database: two services, and a background refresher."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.support.deployment import (
    RunningService,
    ServiceDatabase,
    environment_of,
    start_service,
)
from tests.support.hostile_upstream import HostileUpstream
from tests.support.processes import run, running
from tests.support.waiting import PATIENCE, wait_until
from tests.system.conftest import RemovableDatabase

UNAVAILABLE = "database is unavailable"


class Machines(NamedTuple):
    """Two services. Editions of ``short`` end after a second, those of ``usual`` after an hour."""

    upstream: HostileUpstream
    short: RunningService
    usual: RunningService
    database: ServiceDatabase

    def publish(self, event_id: str, name: str) -> None:
        """Publish an event and have all workers keep the event in memory."""
        self.upstream.publish(event_id, name)
        for service in (self.short, self.usual):
            assert {each.status for each in service.poll_workers(event_id)} == {200}

    def wait_for(
        self, text: bytes, event_id: str, *services: RunningService, seconds: float = 5
    ) -> None:
        """Wait until all workers of these services serve this text."""

        def is_served() -> bool:
            return all(
                text in each.body for service in services for each in service.poll_workers(event_id)
            )

        wait_until(is_served, f"{text!r} in every worker", seconds)


@pytest.fixture(scope="module")
def machines(shared_database, tmp_path_factory) -> Iterator[Machines]:
    folder, url = tmp_path_factory.mktemp("machines"), shared_database.url
    with (
        HostileUpstream(folder).on() as upstream,
        start_service(upstream, url, folder / "short", FEEDS_MAX_AGE="1") as short,
        start_service(upstream, url, folder / "usual") as usual,
    ):
        yield Machines(upstream, short, usual, ServiceDatabase(url))


@contextmanager
def removed(database: RemovableDatabase) -> Iterator[None]:
    """Make the database unavailable until the end of the block."""
    database.remove()
    try:
        yield
    finally:
        database.restore()


def test_a_hundred_polls_at_two_machines_make_one_call(machines, shared_database, tmp_path):
    upstream, usual = machines.upstream, machines.usual
    upstream.publish("herd", "Herd")
    with (
        start_service(upstream, shared_database.url, tmp_path, workers=1) as third,
        upstream.hold("herd") as release,
    ):
        requests = [service.send("herd") for service in (usual, third) * 50]
        release()
        answers = [each.read() for each in requests]

    assert {each.status for each in answers} == {200}
    assert len({each.headers["ETag"] for each in answers}) == 1
    assert upstream.calls.count("herd") == 1


def test_a_change_fetched_by_one_machine_reaches_the_other_while_its_edition_is_fresh(machines):
    upstream, short, usual, _ = machines
    machines.publish("changing", "As it was")
    assert all(each.max_age > 3000 for each in usual.poll_workers("changing"))
    upstream.publish("changing", "As it is now")
    wait_until(lambda: b"is now" in short.poll("changing").body, "the end of an edition")
    calls = upstream.calls.count("changing")

    machines.wait_for(b"is now", "changing", usual)
    assert upstream.calls.count("changing") == calls


def test_without_a_database_machines_serve_their_memory_and_make_no_call(machines, shared_database):
    upstream, short, usual, _ = machines
    machines.publish("kept", "Kept")
    known = usual.poll("kept")
    wait_until(lambda: short.poll("kept").max_age == 1, "an edition that ends soon")
    upstream.publish("kept", "As it is now")
    with removed(shared_database):
        wait_until(
            lambda: {each.max_age for each in short.poll_workers("kept")} == {60},
            "the end of that edition in both workers",
        )
        calls = len(upstream.calls)
        fresh, overdue = usual.poll_workers("kept"), short.poll_workers("kept")
        unknown = [*short.poll_workers("never"), *usual.poll_workers("never")]
        home_pages = [short.poll_path("/"), usual.poll_path("/")]
        assert len(upstream.calls) == calls

    assert {each.status for each in fresh + overdue} == {200}
    assert {each.body for each in fresh + overdue} == {known.body}
    assert {each.headers["ETag"] for each in fresh + overdue} == {known.headers["ETag"]}
    assert {each.max_age for each in overdue} == {60}
    assert {each.status for each in home_pages} == {200}
    for each in unknown:
        assert each.status == 503
        assert each.body == f"The {UNAVAILABLE}.\n".encode()
        assert each.headers["Cache-Control"] == "no-store"
        assert 1 <= int(each.headers["Retry-After"]) <= 60

    upstream.publish("never", "For the first time")
    machines.wait_for(b"For the first time", "never", short, usual, seconds=PATIENCE)
    machines.wait_for(b"As it is now", "kept", short, usual, seconds=PATIENCE)
    for service in (short, usual):
        assert "Traceback" not in service.process.output
        # Each of two workers logs this once a minute, and another minute may have begun.
        assert 1 <= service.process.output.count(f"the {UNAVAILABLE}") <= 2 * 2


def test_the_background_refresher_fetches_polled_events_and_no_others(
    machines, shared_database, tmp_path
):
    upstream, _, usual, database = machines
    upstream.publish("ignored", "Never polled")
    env = environment_of(upstream, shared_database.url, tmp_path)
    assert "1 fetched" in run("warm", "ignored", env=env, cwd=tmp_path).stdout
    upstream.publish("polled", "As it was")
    usual.poll_workers("polled")
    upstream.publish("polled", "As it is now")
    calls = upstream.calls.count("polled")
    with running(tmp_path / "log", "refresh", env=env) as refresher:
        refresher.wait_for("Refreshing polled events")
        for id_ in ("ignored", "polled"):
            database.make_due(id_)
        wait_until(lambda: upstream.calls.count("polled") > calls, "a call of the refresher")
        machines.wait_for(b"is now", "polled", usual)
        answer = usual.poll("polled")
        assert "Traceback" not in refresher.output

    assert upstream.calls.count("polled") == calls + 1
    assert upstream.calls.count("ignored") == 1
    assert 3000 < answer.max_age <= 3600

"""Several machines with one database: two services on two ports, and a refresher beside them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.hostile_upstream import (
    Answer,
    Gate,
    Records,
    Service,
    Upstream,
    environment,
    service_of,
    within,
)
from tests.support.processes import run, running, until

ENGINES = ("sqlite", "postgresql")
WITHIN = 5
"""Seconds within which a process sees what another one has saved."""


class Machines(NamedTuple):
    """``one`` has its editions end after a second, ``other`` as ruled, after an hour."""

    upstream: Upstream
    one: Service
    other: Service
    records: Records
    url: str
    gone: Callable[[], None]
    back: Callable[[], None]

    def in_memory(self, event_id: str, name: str) -> None:
        """Have every process know an event."""
        self.upstream.publish(event_id, name)
        for service in (self.one, self.other):
            assert {each.status for each in service.poll_each(event_id)} == {200}


@pytest.fixture(scope="module", params=ENGINES)
def machines(request, postgres, tmp_path_factory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("machines")
    if request.param == "postgresql":
        url, gone, back = postgres.new_database(), postgres.stop, postgres.start
    else:
        url = f"sqlite:///{folder}/feeds.sqlite3"
        gone, back = switch(folder)
    with (
        Upstream(folder).on() as upstream,
        service_of(upstream, url, folder / "one", FEEDS_MAX_AGE="1") as one,
        service_of(upstream, url, folder / "other") as other,
    ):
        yield Machines(upstream, one, other, Records(url), url, gone, back)


def switch(folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Take a file away, and bring it back."""
    names = [f"feeds.sqlite3{suffix}" for suffix in ("-wal", "-shm", "")]

    def gone() -> None:
        for name in names:
            if (folder / name).exists():
                (folder / name).rename(folder / f"away-{name}")

    def back() -> None:
        for name in names:
            if (folder / f"away-{name}").exists():
                (folder / f"away-{name}").rename(folder / name)

    return gone, back


@contextmanager
def database_gone(machines: Machines) -> Iterator[None]:
    machines.gone()
    try:
        yield
    finally:
        machines.back()


def max_age(answer: Answer) -> int:
    return int(answer.headers["Cache-Control"].partition(",")[0].removeprefix("max-age="))


class TestTwoMachines:
    def test_a_herd_at_both_is_one_call(self, machines, tmp_path):
        machines.upstream.publish("herd", "Herd")
        with (
            service_of(machines.upstream, machines.url, tmp_path) as another,
            Gate(machines.upstream, "herd") as gate,
        ):
            waiting = [each.ask("herd") for each in (machines.other, another) * 50]
            gate.open()
            answers = [each.answer() for each in waiting]

        assert {each.status for each in answers} == {200}
        assert len({each.headers["ETag"] for each in answers}) == 1
        assert machines.upstream.calls.count("herd") == 1

    def test_a_change_that_one_has_fetched_is_seen_by_the_other_though_its_own_copy_is_fresh(
        self, machines
    ):
        machines.in_memory("changing", "As it was")
        assert {max_age(each) > 3000 for each in machines.other.poll_each("changing")} == {True}
        machines.upstream.publish("changing", "As it is now")
        until(lambda: b"is now" in machines.one.poll("changing").body, "the end of an edition")
        calls = machines.upstream.calls.count("changing")

        def seen() -> bool:
            return all(b"is now" in each.body for each in machines.other.poll_each("changing"))

        within(WITHIN, seen, "the change at the other machine")
        assert machines.upstream.calls.count("changing") == calls


class TestDatabaseGone:
    def test_what_is_in_memory_is_served_anything_else_is_503_and_nobody_asks(self, machines):
        machines.in_memory("kept", "Kept")
        known = machines.other.poll("kept")
        until(lambda: max_age(machines.one.poll("kept")) == 1, "an edition that ends soon")
        machines.upstream.publish("kept", "As it is now")
        with database_gone(machines):

            def over() -> bool:
                return {max_age(each) for each in machines.one.poll_each("kept")} == {60}

            until(over, "the end of that edition in both workers")
            calls = len(machines.upstream.calls)
            fresh, overdue = machines.other.poll_each("kept"), machines.one.poll_each("kept")
            unknown = [*machines.one.poll_each("never"), *machines.other.poll_each("never")]
            first_pages = [machines.one.poll_path("/"), machines.other.poll_path("/")]
            assert len(machines.upstream.calls) == calls

        assert {each.status for each in fresh + overdue} == {200}
        assert {each.body for each in fresh + overdue} == {known.body}
        assert {each.headers["ETag"] for each in fresh + overdue} == {known.headers["ETag"]}
        assert {max_age(each) for each in overdue} == {60}
        assert {each.status for each in first_pages} == {200}
        for each in unknown:
            assert each.status == 503
            assert each.body == b"The database is unavailable.\n"
            assert each.headers["Cache-Control"] == "no-store"
            assert 1 <= int(each.headers["Retry-After"]) <= 60

        machines.upstream.publish("never", "For the first time")

        def all_is_well() -> bool:
            return all(
                name in each.body
                for id_, name in (("never", b"For the first time"), ("kept", b"As it is now"))
                for service in (machines.one, machines.other)
                for each in service.poll_each(id_)
            )

        until(all_is_well, "what there was, what is new and what had never been there")
        for service in (machines.one, machines.other):
            assert "Traceback" not in service.process.output
            # Once a minute and process; this took no minute, but may have seen the next one begin.
            assert 1 <= service.process.output.count("the database is unavailable") <= 2 * 2


class TestRefresher:
    def test_a_change_reaches_subscribers_between_polls(self, machines, tmp_path):
        machines.upstream.publish("between", "As it was")
        machines.other.poll_each("between")
        known = machines.upstream.calls.count("between")
        machines.upstream.publish("between", "As it is now")
        env = environment(machines.upstream, machines.url, tmp_path)
        with running(tmp_path / "log", "refresh", env=env) as refresher:
            refresher.wait_for("Keeping fresh what is polled")
            machines.records.make_due("between")
            until(
                lambda: machines.upstream.calls.count("between") > known, "a call of the refresher"
            )

            def seen() -> bool:
                return all(b"is now" in each.body for each in machines.other.poll_each("between"))

            within(WITHIN, seen, "the change in a process that asked nobody")
            answer = machines.other.poll("between")
            assert "Traceback" not in refresher.output

        assert machines.upstream.calls.count("between") == known + 1
        assert 3000 < max_age(answer) <= 3600

    def test_an_event_that_nobody_polls_is_not_asked_for(self, machines, tmp_path):
        machines.upstream.publish("nobodys", "Nobody's")
        machines.in_memory("polled", "Polled")
        env = environment(machines.upstream, machines.url, tmp_path)
        assert "1 fetched" in run("warm", "nobodys", env=env, cwd=tmp_path).stdout
        for id_ in ("nobodys", "polled"):
            machines.records.make_due(id_)
        known = machines.upstream.calls.count("polled")
        with running(tmp_path / "log", "refresh", env=env):
            until(lambda: machines.upstream.calls.count("polled") > known, "a round")

        assert machines.upstream.calls.count("nobodys") == 1

"""Rules 8.6, 8.7 and 8.25: how long polls and calls wait when the upstream is slow."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from werkzeug.test import TestResponse

from tests.support.clock import Clock
from tests.support.raw_server import serving, silent_when_asked
from tests.support.service import Service
from tests.support.upstream import Upstream
from tests.support.waiting import wait_until

FAILED = "max-age=60, stale-if-error=604800"


class Poll(NamedTuple):
    """The answer to a poll, and the seconds that the answer took."""

    answer: TestResponse
    seconds: float

    @property
    def stored(self) -> bool:
        """Whether the answer is the stored edition after a refresh that was not awaited."""
        fields = (self.answer.status_code, self.answer.headers["Cache-Control"])
        return fields == (200, FAILED)


class Polls:
    """Polls of one service, which are sent by threads."""

    def __init__(self, service: Service, threads: ThreadPoolExecutor) -> None:
        self._service = service
        self._threads = threads

    def now(self, event_id: str) -> Poll:
        began = monotonic()
        answer = self._service.client.get(f"/events/{event_id}.ics")
        return Poll(answer, monotonic() - began)

    def send(self, event_id: str) -> Future[Poll]:
        return self._threads.submit(self.now, event_id)


class EndlessAnswer:
    """A WSGI application whose answers begin at once and do not end before ``end``."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        while not self._over.wait(0.2):
            yield b" "

    def end(self):
        self._over.set()


@contextmanager
def polled(folder, *ids):
    """A service that has polled these events two hours ago, as ``Polls`` of 64 threads."""
    clock = Clock()
    with Upstream(clock).on() as upstream, ThreadPoolExecutor(64) as threads:
        service = Service(upstream, clock, folder)
        polls = Polls(service, threads)
        for event_id in ids:
            upstream.publish(event_id, "2026-08-15")
            assert polls.now(event_id).answer.status_code == 200
        clock.advance(hours=2)
        upstream.calls.clear()
        yield polls, upstream


def poll_without_answers(folder):
    """Poll eight events at once while the upstream ends no answer; the polls by their names."""
    stale = [f"stale-{number}" for number in range(6)]
    with polled(folder, *stale, "fresh") as (polls, upstream):
        polls.now("fresh")
        upstream.calls.clear()
        upstream.instead = endless = EndlessAnswer()
        began = monotonic()
        first = [polls.send(event_id) for event_id in stale[:4]]
        wait_until(lambda: len(upstream.asked) == 4, "four calls")
        others = [polls.send(event_id) for event_id in stale[4:]]
        unknown = [polls.send(f"unknown-{number}") for number in range(5)]
        wait_until(lambda: len(upstream.asked) == 8, "four more calls")
        fresh = polls.now("fresh")
        waited = [each.result() for each in first + others]
        calls = len(upstream.asked)
        later = polls.now("stale-0")
        yield
        found = SimpleNamespace(fresh=fresh, waited=waited, calls=calls, later=later)
        wait_until(lambda: len(upstream.asked) > 8, "a ninth call")
        found.call = monotonic() - began
        found.unknown = [each.result() for each in unknown]
        endless.end()
        yield found


def poll_in_a_crowd(folder):
    """Poll a new event with 60 threads while the upstream is held, and then two more times."""
    with polled(folder, "known") as (polls, upstream):
        found = SimpleNamespace()
        upstream.publish("new", "2026-08-15")
        upstream.publish("known", "2026-08-16")
        with upstream.hold():
            crowd = [polls.send("new") for _ in range(60)]
            wait_until(lambda: sum(each.done() for each in crowd) >= 12, "the end of 12 polls")
            found.known, found.new = polls.now("known"), polls.now("new")
        found.crowd = [each.result() for each in crowd]
        wait_until(lambda: b"20260816T" in polls.now("known").answer.data, "the end of the refresh")
        found.all_calls = upstream.asked
        return found


@contextmanager
def silence(folder):
    """Poll an upstream that accepts a call and is silent, until the end of the block."""
    with (
        serving(silent_when_asked) as server,
        Upstream(Clock()).on() as upstream,
        ThreadPoolExecutor(1) as threads,
    ):
        service = Service(upstream, Clock(), folder)
        service.restart(api_url=server.url)
        yield Polls(service, threads).send("unknown")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """All polls of the above at the same time, since they take 10, 5 and 3 seconds."""
    waiting = poll_without_answers(tmp_path_factory.mktemp("endless"))
    next(waiting)
    with silence(tmp_path_factory.mktemp("silence")) as silent:
        crowd = poll_in_a_crowd(tmp_path_factory.mktemp("crowd"))
        return SimpleNamespace(endless=next(waiting), crowd=crowd, silent=silent.result())


def test_a_poll_waits_until_the_refresh_has_run_for_three_seconds_and_no_later_poll_waits(slow):
    """Rules 8.6."""
    for poll in slow.endless.waited:
        assert poll.stored
        assert 2.9 < poll.seconds < 5
    assert slow.endless.later.stored
    assert slow.endless.later.seconds < 2


def test_an_id_never_seen_is_504_after_ten_seconds(slow):
    """Rules 8.6 and 8.21."""
    assert {poll.answer.status_code for poll in slow.endless.unknown} == {504}
    assert 9.9 < max(poll.seconds for poll in slow.endless.unknown) < 14


def test_a_refresh_goes_on_when_its_waiters_have_left(slow):
    """Rules 8.6; the poll of ``known`` got the stored edition."""
    assert slow.crowd.known.stored
    assert slow.crowd.all_calls == ["new", "known"]


def test_at_most_four_refreshes_of_known_events_and_of_ids_never_seen_run_at_a_time(slow):
    """Rules 8.7; fresh editions are served meanwhile."""
    assert slow.endless.calls == 8
    assert slow.endless.fresh.answer.status_code == 200
    assert not slow.endless.fresh.stored
    assert slow.endless.fresh.seconds < 2


def test_at_most_48_threads_wait_for_stalled_refreshes_and_further_polls_are_answered_at_once(slow):
    """Rules 8.7: with the stored edition, or with an error."""
    statuses = [poll.answer.status_code for poll in slow.crowd.crowd]
    assert set(statuses) <= {200, 503, 504}
    assert 40 <= statuses.count(200) <= 48
    for poll in slow.crowd.crowd:
        assert 2 < poll.seconds < 5
    assert slow.crowd.known.stored
    assert slow.crowd.new.answer.status_code in (503, 504)
    assert max(slow.crowd.known.seconds, slow.crowd.new.seconds) < 2


def test_a_call_that_brings_nothing_for_five_seconds_ends(slow):
    """Rules 8.25 and 8.21."""
    assert slow.silent.answer.status_code == 504
    assert 4.9 < slow.silent.seconds < 7


def test_a_call_ends_after_eight_seconds(slow):
    """Rules 8.25; the end of a call makes room for the next refresh."""
    assert 7.9 < slow.endless.call < 10

"""Rules 8.6, 8.7, 8.9 to 8.11, 8.21 and 8.22: an upstream that is slow, down or unreadable."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from werkzeug.test import TestResponse

from tests.support.processes import Clock, Upstream, until
from tests.support.service import EVENT, Service

FAILED = "max-age=60, stale-if-error=604800"

FAULTS = {
    "refused connections": lambda upstream: upstream.stop(),
    "500": lambda upstream: upstream.refuse(500, "INTERNAL"),
    "429": lambda upstream: upstream.refuse(429, "RATE_LIMITED"),
    "401": lambda upstream: upstream.refuse(401, "UNAUTHORIZED"),
    "403": lambda upstream: upstream.refuse(403, "FORBIDDEN"),
    "422": lambda upstream: upstream.refuse(422, "VALIDATION_ERROR"),
    "404 of a gateway": lambda upstream: upstream.answer(404, "text/html", "<h1>Not Found</h1>"),
    "a login page": lambda upstream: upstream.answer(200, "text/html", "<h1>Log in</h1>"),
    "half a document": lambda upstream: upstream.answer(200, "application/json", '{"data": {"ev'),
    "no event": lambda upstream: upstream.answer(200, "application/json", '{"data": {"runs": []}}'),
}
"""Each fault begins with a call of its function."""

STATUSES = {"404 of a gateway": 502, "a login page": 502, "half a document": 502, "no event": 502}
STATUSES |= {"422": 502}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_last_good_edition_is_served_however_old_the_edition_is(announced, fault):
    """Rules 8.10."""
    good = {form: announced.poll(form) for form in (".ics", ".rss", ".json")}
    FAULTS[fault](announced.upstream)
    for days in (1, 100):
        announced.advance(days=days)
        for form, body in good.items():
            response = announced.get(form)
            assert response.data == body
            assert response.headers["Cache-Control"] == FAILED
        assert announced.get("").status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
def test_with_nothing_stored_an_error_is_503_or_502_and_one_line_of_text(service, fault):
    """Rules 8.21; 504 is in ``test_an_id_never_seen_is_504_after_ten_seconds``."""
    FAULTS[fault](service.upstream)
    response = service.get()
    assert response.status_code == STATUSES.get(fault, 503)
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.text.count("\n") == 1
    assert response.headers["Retry-After"] == "60"


def test_a_failed_refresh_is_remembered_for_a_minute_by_all_processes(announced, other):
    """Rules 8.9."""
    announced.advance(hours=1)
    announced.upstream.refuse(500, "INTERNAL")
    announced.poll()
    for elapsed in (0, 30, 29):
        announced.advance(seconds=elapsed)
        for process in (announced, other):
            assert process.get().headers["Cache-Control"] == FAILED
    assert announced.upstream.asked == [EVENT, EVENT]
    announced.advance(seconds=1)
    announced.upstream.instead = None
    assert other.get().headers["Cache-Control"] != FAILED
    assert announced.upstream.asked == [EVENT] * 3


@pytest.mark.parametrize("fault", ["a login page", "half a document", "no event"])
def test_an_answer_that_does_not_decode_is_never_stored(announced, fault):
    """Rules 8.11."""
    good = announced.poll()
    FAULTS[fault](announced.upstream)
    announced.advance(hours=1)
    announced.poll()
    announced.upstream.refuse(500, "INTERNAL")
    announced.restart()
    assert announced.poll() == good


@contextmanager
def no_database(folder):
    """Take the database away until the end of the block."""
    away = [file.rename(f"{file}.away") for file in folder.glob("feeds*.sqlite3")]
    assert away
    yield
    for file in away:
        file.rename(str(file).removesuffix(".away"))


def test_without_a_database_nothing_is_fetched_and_what_is_in_memory_is_served(announced, tmp_path):
    """Rules 8.22."""
    good = announced.poll()
    with no_database(tmp_path):
        assert announced.poll(".rss")
        announced.advance(days=1)
        stale = announced.get()
        unknown = announced.client.get("/events/new.ics")
    assert (stale.data, stale.headers["Cache-Control"]) == (good, FAILED)
    assert unknown.status_code == 503
    assert unknown.headers["Cache-Control"] == "no-store"
    assert announced.upstream.asked == [EVENT]
    announced.advance(minutes=1)
    assert announced.client.get("/events/new.ics").status_code == 404


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
        first = [polls.send(event_id) for event_id in stale[:4]]
        until(lambda: len(upstream.asked) == 4, "four calls")
        others = [polls.send(event_id) for event_id in stale[4:]]
        unknown = polls.send("unknown")
        fresh = polls.now("fresh")
        waited = [each.result() for each in first + others]
        calls = len(upstream.asked)
        later = polls.now("stale-0")
        yield
        found = SimpleNamespace(fresh=fresh, waited=waited, calls=calls, later=later)
        found.unknown = unknown.result()
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
            until(lambda: sum(each.done() for each in crowd) >= 12, "the end of 12 polls")
            found.known, found.new = polls.now("known"), polls.now("new")
            found.calls = upstream.asked.copy()
        found.crowd = [each.result() for each in crowd]
        until(lambda: b"20260816T" in polls.now("known").answer.data, "the end of the refresh")
        found.all_calls = upstream.asked
        return found


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Both of the above at the same time, since they take 10 and 3 seconds."""
    waiting = poll_without_answers(tmp_path_factory.mktemp("endless"))
    next(waiting)
    crowd = poll_in_a_crowd(tmp_path_factory.mktemp("crowd"))
    return SimpleNamespace(endless=next(waiting), crowd=crowd)


def test_a_poll_gets_the_stored_edition_when_the_refresh_has_run_for_three_seconds(slow):
    """Rules 8.6."""
    for poll in slow.endless.waited:
        assert poll.stored
        assert 2.9 < poll.seconds < 5


def test_a_refresh_that_has_run_for_three_seconds_is_waited_for_no_more(slow):
    """Rules 8.6."""
    assert slow.endless.later.stored
    assert slow.endless.later.seconds < 2


def test_an_id_never_seen_is_504_after_ten_seconds(slow):
    """Rules 8.6 and 8.21."""
    assert slow.endless.unknown.answer.status_code == 504
    assert 9.9 < slow.endless.unknown.seconds < 14


def test_a_refresh_goes_on_when_its_waiters_have_left(slow):
    """Rules 8.6; the poll of ``known`` got the stored edition."""
    assert slow.crowd.known.stored
    assert slow.crowd.all_calls == ["new", "known"]


def test_at_most_four_refreshes_run_at_a_time(slow):
    """Rules 8.7."""
    assert slow.endless.calls == 4


def test_fresh_editions_are_served_at_once_while_the_upstream_hangs(slow):
    """Rules 8.7."""
    assert slow.endless.fresh.answer.status_code == 200
    assert not slow.endless.fresh.stored
    assert slow.endless.fresh.seconds < 2


def test_at_most_48_threads_wait_when_refreshes_have_been_stalled_for_three_seconds(slow):
    """Rules 8.7."""
    statuses = [poll.answer.status_code for poll in slow.crowd.crowd]
    assert set(statuses) <= {200, 503, 504}
    assert 40 <= statuses.count(200) <= 48
    for poll in slow.crowd.crowd:
        assert 2.9 < poll.seconds < 5


def test_further_polls_get_the_stored_edition_or_an_error_at_once_when_48_threads_wait(slow):
    """Rules 8.7."""
    assert slow.crowd.known.stored
    assert slow.crowd.new.answer.status_code in (503, 504)
    assert max(slow.crowd.known.seconds, slow.crowd.new.seconds) < 2

"""The current edition of an event: two newsrooms on one database, as two processes have them.

What an upstream answers late, twice, not at all or "not modified", over HTTP and with a clock.
"""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug import Response

from feeds.domain.model import Kind
from feeds.domain.quota import Rate
from feeds.errors import (
    EventGone,
    EventNotFound,
    Forbidden,
    QuotaExhausted,
    StorageUnavailable,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.sandbox import SANDBOX_KEY
from feeds.service.editions import Editions
from feeds.service.refresh import Refresh
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease, Leased
from feeds.upstream.client import IntervalsClient
from tests.support.processes import PATIENCE, START, Clock, Upstream, until

DAY = "2026-06-13"
SECOND = timedelta(seconds=1)


class PunctualUpstream(Upstream):
    """An upstream that sends validators, and whose documents can be held back.

    ``statuses`` are those that it answered with. An answer says what was true when it was asked.
    """

    def __init__(self, clock):
        super().__init__(clock)
        self.statuses: list[int] = []
        self.gate: Gate | None = None

    def _answer(self, environ, start_response):
        response = Response.from_app(super()._answer, environ, buffered=True)
        if response.status_code == 200:
            response.add_etag()
            response.make_conditional(environ)
        self.statuses.append(response.status_code)
        if self.gate and environ["PATH_INFO"].startswith("/events/"):
            self.gate.wait()
        return response(environ, start_response)


class Gate:
    """Holds answers back, in the order in which they were asked for."""

    def __init__(self):
        self._waiting = threading.Semaphore(0)
        self._passes: list[threading.Event] = []

    def wait(self):
        may_pass = threading.Event()
        self._passes.append(may_pass)
        self._waiting.release()
        assert may_pass.wait(PATIENCE)

    def has_one_more(self):
        """Wait until one more answer is held back."""
        assert self._waiting.acquire(timeout=PATIENCE)

    def let_pass(self, number):
        self._passes[number].set()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Have requests wait for a refresh as long as tests do; or for so many seconds."""

    def for_seconds(seconds, cold=PATIENCE):
        monkeypatch.setattr("feeds.domain.freshness.MAX_WAIT", seconds)
        monkeypatch.setattr("feeds.domain.freshness.MAX_WAIT_COLD", cold)

    for_seconds(PATIENCE)
    return for_seconds


@pytest.fixture
def upstream(clock):
    with PunctualUpstream(clock).on() as running:
        running.publish("harbor", DAY)
        yield running


@pytest.fixture
def hold(upstream):
    """Have the upstream hold its answers back until the end of a block."""

    @contextmanager
    def holding():
        upstream.gate = gate = Gate()
        try:
            yield gate
        finally:
            upstream.gate = None
            for number in range(len(gate._passes)):
                gate.let_pass(number)

    return holding


@pytest.fixture
def newsroom(upstream, tmp_path, clock):
    """Open one more newsroom, as one more process would."""

    def make(clock=clock, fingerprint="this", **changes):
        database = Database(f"sqlite:///{tmp_path}/feeds.sqlite3")
        database.open(upstream.url, fingerprint, clock())
        settings: dict[str, Any] = {
            "home": "America/Chicago",
            "public_url": "https://feeds.example.org",
            "rate": Rate(1000, timedelta(minutes=1), 500),
        }
        editor = Updater(
            IntervalsClient(upstream.url, SANDBOX_KEY),
            database,
            clock,
            fingerprint=fingerprint,
            **settings | changes,
        )
        return Editions(editor, Refresh(editor, database, clock), database, clock)

    return make


class Two:
    """Two newsrooms that have both read the event, each with a clock; ``clock`` is the first's."""

    def __init__(self, newsroom, upstream, clock, threads):
        self.clock, self.other_clock = clock, Clock(clock())
        self.one, self.other = newsroom(), newsroom(self.other_clock)
        self.upstream = upstream
        self._threads = threads
        self.one.current("harbor")
        self.other.current("harbor")

    def later(self, ahead=0):
        """Two hours pass; the other's clock is that many seconds ahead.

        From ten seconds on, the lease of a refresh that the first has begun is over for the other.
        """
        self.clock.advance(hours=2)
        self.other_clock.now = self.clock() + ahead * SECOND

    def ask(self, newsroom, gate):
        """Have one of them ask, and wait until the answer is on its way."""
        asking = self._threads.submit(newsroom.current, "harbor")
        gate.has_one_more()
        return asking

    def edit(self, **fields):
        edit(self.upstream, **fields)


@pytest.fixture
def two(newsroom, upstream, clock, threads):
    return Two(newsroom, upstream, clock, threads)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as executor:
        yield executor


def edit(upstream, **fields):
    document = upstream.document("harbor")
    document["runs"][0] |= fields
    upstream.put("harbor", document)


def told(edition):
    return [(change.kind, change.noticed) for change in edition.changes]


def stored(tmp_path, event_id="harbor"):
    """What the database has."""
    edition = Database(f"sqlite:///{tmp_path}/feeds.sqlite3").read(event_id)
    assert edition is not None
    return edition


def result(asking):
    return asking.result(PATIENCE).edition


def hour(edition):
    return edition.event.runs[0].start_time.hour


class TestTwoProcesses:
    def test_what_one_has_fetched_the_other_takes_from_the_database(self, two, upstream):
        assert upstream.asked == ["harbor"]
        two.later()
        two.edit(soldOut=True)
        first = two.one.current("harbor")
        second = two.other.current("harbor")
        assert upstream.asked == ["harbor", "harbor"]
        assert second == first
        assert told(second.edition) == [(Kind.SOLD_OUT, two.clock())]

    @pytest.mark.parametrize("ahead", [0, 2], ids="{}s".format)
    def test_one_waits_for_what_the_other_one_is_about_to_save(
        self, two, hold, tmp_path, threads, ahead
    ):
        two.edit(eventStatus="cancelled")
        two.later(ahead)
        with hold() as gate:
            first = two.ask(two.one, gate)
            second = threads.submit(two.other.current, "harbor")
            until(lambda: len(two.upstream.asked) == 2, "the call of the first")
            gate.let_pass(0)
            assert result(first) == result(second) == stored(tmp_path)
        assert told(stored(tmp_path)) == [(Kind.CANCELLED, two.clock())]
        assert two.upstream.asked == ["harbor"] * 2

    def test_neither_waits_longer_than_it_should_and_the_refresh_goes_on(
        self, two, hold, tmp_path, patience
    ):
        two.edit(eventStatus="cancelled")
        two.later()
        patience(0.5)
        with hold() as gate:
            first = two.ask(two.one, gate)
            for each in (two.other.current("harbor"), first.result(PATIENCE)):
                assert (each.failed, each.max_age.at(two.clock.timestamp())) == (True, 60)
                assert told(each.edition) == []
            gate.let_pass(0)
            until(lambda: told(stored(tmp_path)), "the change in the database")
        patience(PATIENCE)
        for clock, newsroom in ((two.clock, two.one), (two.other_clock, two.other)):
            clock.advance(seconds=2)
            after = newsroom.current("harbor")
            assert not after.failed
            assert told(after.edition) == [(Kind.CANCELLED, clock() - 2 * SECOND)]
        assert two.upstream.asked == ["harbor"] * 2

    def test_a_refresh_that_has_run_so_long_is_waited_for_no_more(self, two, hold, patience):
        two.later()
        patience(3)
        with hold() as gate:
            first = two.ask(two.one, gate)
            first.result(PATIENCE)
            began = time.monotonic()
            assert two.one.current("harbor").failed
            assert time.monotonic() - began < 3, "it has run that long"
            gate.let_pass(0)

    @pytest.mark.parametrize("ahead", [10, 90], ids="{}s".format)
    @pytest.mark.parametrize("first", [0, 1], ids=["one-is-first", "other-is-first"])
    def test_a_change_that_both_notice_is_told_once(self, two, hold, tmp_path, ahead, first):
        two.edit(eventStatus="cancelled")
        two.later(ahead)
        with hold() as gate:
            asking = [two.ask(each, gate) for each in (two.one, two.other)]
            gate.let_pass(first)
            before = result(asking[first])
            gate.let_pass(1 - first)
            after = result(asking[1 - first])
        assert told(before) == told(after) == told(stored(tmp_path))
        assert before.revisions == after.revisions == stored(tmp_path).revisions
        assert len(told(before)) == 1
        assert two.upstream.asked == ["harbor"] * 3

    def test_a_change_that_both_save_at_the_same_time_is_told_once(self, two, hold, tmp_path):
        for number in range(1, 11):
            two.edit(soldOut=bool(number % 2))
            two.later(10 + number % 3)
            with hold() as gate:
                asking = [two.ask(each, gate) for each in (two.one, two.other)]
                gate.let_pass(0)
                gate.let_pass(1)
                first, second = map(result, asking)
            assert told(first) == told(second) == told(stored(tmp_path))
            assert len(told(first)) == number
            two.clock.now = max(two.clock(), two.other_clock())

    def test_two_changes_that_each_noticed_one_of_are_both_told(self, two, hold, tmp_path):
        two.later(ahead=15)
        two.edit(soldOut=True)
        with hold() as gate:
            early = two.ask(two.one, gate)
            two.edit(startTime="13:00")
            late = two.ask(two.other, gate)
            gate.let_pass(0)
            assert told(result(early)) == [(Kind.SOLD_OUT, two.clock())]
            gate.let_pass(1)
            edition = result(late)
        assert told(edition) == [(Kind.SOLD_OUT, two.clock()), (Kind.MOVED, two.other_clock())]
        assert stored(tmp_path) == edition

    def test_threads_that_want_the_same_event_ask_for_it_once(
        self, newsroom, upstream, threads, hold
    ):
        one = newsroom()
        with hold() as gate:
            asking = [threads.submit(one.current, "harbor") for _ in range(8)]
            gate.has_one_more()
            gate.let_pass(0)
            first, *others = map(result, asking)
        assert all(other is first for other in others)
        assert upstream.asked == ["harbor"]

    def test_what_is_saved_while_an_older_one_is_being_read_is_served_after_the_next_poll(
        self, two, newsroom, monkeypatch
    ):
        third = newsroom()  # which knows nothing yet
        reporter, read = third._reporter, third._reporter.stored

        def reading(event_id, last=None):
            monkeypatch.setattr(reporter, "stored", read)
            report = read(event_id, last)
            two.clock.advance(seconds=2)
            two.other_clock.now = two.clock()
            two.edit(startTime="13:00")
            refresher = two.other._reporter
            refresher.report(refresher.claim("harbor", report.edition), report.edition)
            third._catch_up()  # as another request does
            return report

        monkeypatch.setattr(reporter, "stored", reading)
        assert hour(third.current("harbor").edition) == 12
        assert hour(third.current("harbor").edition) == 13


class TestWaiting:
    def test_at_most_four_refreshes_run_at_a_time(self, newsroom, upstream, threads, hold):
        ids = [f"race{number}" for number in range(6)]
        for id_ in ids:
            upstream.publish(id_, DAY)
        one = newsroom()
        with hold() as gate:
            asking = [threads.submit(one.current, id_) for id_ in ids]
            for _ in range(4):
                gate.has_one_more()
            assert len(upstream.asked) == 4
            gate.let_pass(0)
            gate.has_one_more()
            assert len(upstream.asked) == 5
        for id_, each in zip(ids, asking, strict=True):
            assert result(each).event.id == id_

    def test_a_fresh_edition_waits_for_nothing(self, newsroom, upstream, threads, hold):
        one = newsroom()
        one.current("harbor")
        with hold() as gate:
            for number in range(8):
                upstream.publish(f"race{number}", DAY)
                threads.submit(one.current, f"race{number}")
            for _ in range(4):
                gate.has_one_more()
            assert not one.current("harbor").failed

    def test_what_is_not_there_is_waited_for_longer(self, newsroom, upstream, patience, hold):
        patience(0.2, cold=1)
        one = newsroom()
        with hold() as gate:
            began = time.monotonic()
            with pytest.raises(UpstreamTimeout):
                one.current("harbor")
            assert time.monotonic() - began >= 1
            gate.has_one_more()
            gate.let_pass(0)
            until(lambda: one._memory.get("harbor"), "the edition")
        assert one.current("harbor").edition.event.name == "Harbor"
        assert upstream.asked == ["harbor"]

    def test_a_refresh_that_fails_unexpectedly_leaves_nobody_waiting_and_no_lease(
        self, newsroom, upstream, clock, monkeypatch, caplog
    ):
        one, other = newsroom(), newsroom()
        one.current("harbor")
        edit(upstream, soldOut=True)
        clock.advance(hours=2)
        with monkeypatch.context() as fault:
            fault.setattr("feeds.service.update.revise", lambda *_: 1 / 0)
            assert one.current("harbor").failed
        assert "ZeroDivisionError" in caplog.text
        clock.advance(seconds=60)
        assert told(other.current("harbor").edition) == [(Kind.SOLD_OUT, clock())]


class TestWhatAllRemember:
    def test_a_failure_is_not_repeated_by_another_process_within_a_minute(
        self, two, upstream, clock
    ):
        two.later()
        upstream.answer(500, "text/plain", "")
        assert two.one.current("harbor").failed
        two.other_clock.now = clock() + 59 * SECOND
        assert two.other.current("harbor").failed
        assert len(upstream.asked) == 2
        two.other_clock.now = clock() + 60 * SECOND
        assert two.other.current("harbor").failed
        assert len(upstream.asked) == 3

    def test_an_id_that_is_none_is_asked_for_once(self, newsroom, upstream):
        for _ in range(3):
            with pytest.raises(EventNotFound):
                newsroom().current("nothing")
        assert upstream.asked == ["nothing"]

    def test_what_one_saved_the_other_serves_two_seconds_later_before_its_own_has_ended(
        self, two, upstream, clock
    ):
        two.edit(soldOut=True)
        two.other_clock.advance(minutes=60)
        changed = two.other.current("harbor").edition
        assert told(changed) == [(Kind.SOLD_OUT, two.other_clock())]
        clock.advance(minutes=59)
        assert two.one.current("harbor").edition == changed
        assert len(upstream.asked) == 2

    @pytest.mark.parametrize(
        ("status", "code", "extra", "seconds"),
        [
            pytest.param(429, "RATE_LIMITED", {}, 60, id="429"),
            pytest.param(429, "RATE_LIMITED", {"retryAfter": 7}, 7, id="429-in-7-seconds"),
            pytest.param(429, "RATE_LIMITED", {"retryAfter": -7}, 60, id="429-in-the-past"),
            pytest.param(429, "RATE_LIMITED", {"retryAfter": 10**10}, 60, id="429-one-window"),
            pytest.param(401, "UNAUTHORIZED", {}, 60, id="401"),
            pytest.param(403, "FORBIDDEN", {}, 60, id="403-for-a-known-event"),
        ],
    )
    def test_a_refusal_that_concerns_all_closes_the_upstream_for_all(
        self, two, upstream, clock, status, code, extra, seconds
    ):
        two.later()
        if "retryAfter" in extra:
            at = (clock() + extra["retryAfter"] * SECOND).timestamp()
            extra = {"retryAfter": int(at * 1000)}
        upstream.refuse(status, code, **extra)
        assert two.one.current("harbor").failed
        upstream.instead = None
        upstream.publish("bridge", DAY)
        calls = len(upstream.calls)
        two.other_clock.now = clock() + (seconds - 1) * SECOND
        with pytest.raises(UpstreamError) as refusal:
            two.other.current("bridge")
        assert refusal.value.retry_at == clock() + seconds * SECOND
        assert len(upstream.calls) == calls
        two.other_clock.advance(seconds=1)
        two.other.current("bridge")
        assert not two.other.current("harbor").failed

    def test_403_for_an_id_that_was_never_seen_closes_nothing(self, two, upstream):
        upstream.refuse_path("/events/bridge", 403, "FORBIDDEN")
        with pytest.raises(EventNotFound):
            two.one.current("bridge")
        two.later()
        assert not two.other.current("harbor").failed


class TestTheBudget:
    """100 calls a day, 20 at once; 25 a day for ids that were never seen, 12 of them at once."""

    @pytest.fixture
    def poor(self, newsroom):
        return partial(newsroom, rate=Rate(100, timedelta(days=1), 20))

    def test_is_one_for_all_processes(self, newsroom, poor, upstream, clock):
        ids = [f"race{number}" for number in range(30)]
        for id_ in ids:
            upstream.publish(id_, f"{clock() + timedelta(days=2):%Y-%m-%d}")
            newsroom().current(id_)
        calls = len(upstream.asked)
        clock.advance(days=1)
        processes = [poor() for _ in range(3)]
        failed = [processes[number % 3].current(id_).failed for number, id_ in enumerate(ids)]
        assert failed == [False] * 20 + [True] * 10
        assert len(upstream.asked) == calls + 20

    def test_leaves_subscribers_what_those_who_guess_ids_cannot_have(self, poor, upstream, clock):
        one = poor()
        one.current("harbor")
        guessed = []
        for number in range(50):
            with pytest.raises(UpstreamError) as refusal:
                one.current(f"guess{number}")
            guessed.append(type(refusal.value))
        assert guessed == [EventNotFound] * 11 + [QuotaExhausted] * 39
        clock.advance(hours=2)
        assert not one.current("harbor").failed

    def test_tells_when_there_is_one_more(self, poor, clock):
        one = poor()
        for number in range(12):
            with pytest.raises(EventNotFound):
                one.current(f"guess{number}")
        with pytest.raises(QuotaExhausted) as refusal:
            one.current("another")
        wait = refusal.value.retry_at - clock()
        assert timedelta(hours=1) < wait < timedelta(hours=2)
        clock.advance(seconds=wait.total_seconds())
        with pytest.raises(EventNotFound):
            one.current("another")

    def test_stretches_max_age_when_it_cannot_carry_all_that_are_polled(
        self, poor, upstream, clock
    ):
        one = poor()
        for number in range(10):
            upstream.publish(f"race{number}", DAY)
            one.current(f"race{number}")
        clock.advance(seconds=2)
        assert one.current("race0").max_age.at(clock.timestamp()) == 10 * 24 * 3600 / 50 - 2


class TestLateAnswers:
    @pytest.mark.parametrize("ahead", [10, 11], ids="{}s".format)
    def test_one_does_not_overwrite_what_was_asked_for_later(self, two, hold, tmp_path, ahead):
        two.later(ahead)
        two.edit(startTime="13:00")
        with hold() as gate:
            late = two.ask(two.one, gate)
            two.edit(startTime="14:00")
            quick = two.ask(two.other, gate)
            gate.let_pass(1)
            newer = result(quick)
            gate.let_pass(0)
            assert result(late) == newer
        assert hour(newer) == 14
        assert stored(tmp_path) == newer
        assert len(newer.changes) == 1

    def test_a_404_that_comes_after_a_newer_document_raises_no_doubt(
        self, two, upstream, hold, tmp_path
    ):
        two.later(ahead=11)
        document = upstream.document("harbor")
        upstream.delete("harbor")
        with hold() as gate:
            late = two.ask(two.one, gate)
            upstream.put("harbor", document)
            quick = two.ask(two.other, gate)
            gate.let_pass(1)
            newer = result(quick)
            gate.let_pass(0)
            assert result(late) == newer
        assert stored(tmp_path).pending is None

    @pytest.mark.parametrize("changed", [False, True], ids=["not-modified", "modified"])
    def test_its_validator_is_not_taken_for_that_of_what_another_process_saved(
        self, two, upstream, hold, changed
    ):
        two.later(ahead=11)
        if changed:
            two.edit(startTime="13:00")
        before = upstream.document("harbor")
        with hold() as gate:
            late = two.ask(two.one, gate)
            two.edit(startTime="14:00")
            quick = two.ask(two.other, gate)
            gate.let_pass(1)
            result(quick)
            gate.let_pass(0)
            assert hour(result(late)) == 14
        upstream.put("harbor", before)
        two.later()
        assert hour(two.one.current("harbor").edition) == (13 if changed else 12)

    def test_not_modified_says_nothing_about_what_another_process_saved_meanwhile(
        self, two, upstream, hold
    ):
        two.later(ahead=-11)
        before = upstream.document("harbor")
        two.edit(startTime="14:00")
        with hold() as gate:
            early = two.ask(two.other, gate)
            upstream.put("harbor", before)
            later = two.ask(two.one, gate)
            assert upstream.statuses[-2:] == [200, 304]
            gate.let_pass(0)
            result(early)
            gate.let_pass(1)
            current = later.result(PATIENCE)
        assert current.report.until <= two.other_clock() + timedelta(hours=1), "as old as it is"
        two.clock.now = current.report.until
        assert hour(two.one.current("harbor").edition) == 12


class TestDoubts:
    """An event is gone after two answers at least 60 s apart, whoever saw them."""

    @pytest.fixture
    def doubted(self, two, upstream, clock):
        """One newsroom has got a 404; the other one is about to ask."""
        two.later()
        document = upstream.document("harbor")
        upstream.delete("harbor")
        edition = two.one.current("harbor").edition
        assert (edition.pending.since, edition.gone) == (clock(), None)
        return SimpleNamespace(document=document, until=clock() + 60 * SECOND)

    def test_the_other_one_does_not_ask_again_within_a_minute(self, two, doubted, upstream):
        calls = len(upstream.calls)
        two.other_clock.now = doubted.until - SECOND
        current = two.other.current("harbor")
        assert (current.edition.gone, current.report.until) == (None, doubted.until)
        assert current.max_age.at(two.other_clock.timestamp()) == 1
        assert len(upstream.calls) == calls

    def test_the_other_ones_answer_a_minute_later_is_the_second(self, two, doubted, tmp_path):
        two.other_clock.now = doubted.until
        edition = two.other.current("harbor").edition
        assert (edition.gone, edition.pending) == (doubted.until, None)
        assert told(edition) == [(Kind.NO_LONGER_LISTED, doubted.until)]
        assert stored(tmp_path) == edition

    @pytest.mark.parametrize("ahead", [10, 30, 59], ids="{}s".format)
    def test_answers_to_both_at_once_count_as_one(self, two, hold, tmp_path, ahead):
        two.later(ahead)
        two.upstream.delete("harbor")
        with hold() as gate:
            asking = [two.ask(each, gate) for each in (two.one, two.other)]
            for number, each in enumerate(asking):
                gate.let_pass(number)
                assert result(each).gone is None
        assert stored(tmp_path).gone is None
        assert stored(tmp_path).pending.since in (two.clock(), two.other_clock())

    def test_a_document_that_the_other_one_gets_in_between_clears_it(
        self, two, doubted, upstream, clock
    ):
        upstream.put("harbor", doubted.document)
        two.other_clock.now = doubted.until
        assert two.other.current("harbor").edition.pending is None
        upstream.delete("harbor")
        clock.now = two.other_clock() + timedelta(hours=2)
        edition = two.one.current("harbor").edition
        assert (edition.gone, edition.pending.since) == (None, clock())

    def test_a_list_of_runs_that_was_emptied_is_not_the_same_doubt(
        self, two, doubted, upstream, clock
    ):
        upstream.put("harbor", doubted.document | {"runs": []})
        two.other_clock.now = doubted.until
        edition = two.other.current("harbor").edition
        assert (edition.pending.reason, edition.pending.since) == ("emptied", doubted.until)
        assert [run.unlisted for run in edition.event.runs] == [None]

    def test_what_is_in_doubt_is_asked_for_without_a_validator(self, newsroom, upstream, clock):
        one = newsroom()
        one.current("harbor")
        document = upstream.document("harbor")
        upstream.put("harbor", document | {"runs": []})
        clock.advance(hours=2)
        assert one.current("harbor").edition.pending
        clock.advance(seconds=60)
        assert one.current("harbor").edition.event.runs[0].unlisted == clock()
        assert upstream.statuses == [200] * 3

    def test_an_event_that_has_been_gone_for_30_days_is_gone_for_both(self, two, doubted, clock):
        two.other_clock.now = clock.now = doubted.until
        for each in (two.one, two.other):
            assert each.current("harbor").edition.gone == doubted.until
        two.other_clock.now = clock.now = doubted.until + timedelta(days=30) - SECOND
        assert two.one.current("harbor").report.until == doubted.until + timedelta(days=30)
        clock.advance(seconds=1)
        two.other_clock.advance(seconds=1)
        for each in (two.one, two.other):
            with pytest.raises(EventGone):
                each.current("harbor")

    def test_an_event_that_is_gone_is_asked_for_hourly_and_may_come_back(
        self, two, doubted, upstream, clock
    ):
        clock.now = doubted.until
        current = two.one.current("harbor")
        assert current.max_age.at(clock.timestamp()) == 3600
        upstream.put("harbor", doubted.document)
        clock.advance(hours=1)
        edition = two.one.current("harbor").edition
        assert edition.gone is None
        assert [kind for kind, _ in told(edition)] == [Kind.NO_LONGER_LISTED, Kind.REINSTATED]


class TestNotModified:
    def test_the_edition_is_kept_as_it_is_and_counts_as_fetched(
        self, newsroom, upstream, clock, tmp_path
    ):
        one = newsroom()
        before = one.current("harbor").edition
        for _ in range(3):
            clock.advance(hours=1)
            after = one.current("harbor")
            assert after.edition.event is before.event, "nothing was decoded"
            assert (after.edition.fetched, after.max_age.at(clock.timestamp())) == (clock(), 3600)
            assert (after.edition.revisions, after.edition.changes) == (before.revisions, ())
        assert upstream.statuses == [200, 304, 304, 304]
        assert stored(tmp_path).fetched == clock()

    def test_another_process_takes_it_as_fetched_too(self, newsroom, upstream, clock):
        one = newsroom()
        one.current("harbor")
        clock.advance(hours=1)
        one.current("harbor")
        assert newsroom().current("harbor").edition.fetched == clock()
        assert upstream.statuses == [200, 304]

    def test_a_failure_in_between_does_not_lose_the_validator(self, newsroom, upstream, clock):
        one = newsroom()
        one.current("harbor")
        clock.advance(hours=1)
        upstream.answer(500, "text/plain", "")
        assert one.current("harbor").failed
        upstream.instead = None
        clock.advance(minutes=1)
        assert not one.current("harbor").failed
        assert upstream.statuses == [200, 500, 304]


class TestFailures:
    def test_an_id_that_is_unknown_is_remembered_for_10_minutes(self, newsroom, upstream, clock):
        one = newsroom()
        for _ in range(3):
            with pytest.raises(EventNotFound):
                one.current("nothing")
        clock.advance(seconds=599)
        with pytest.raises(EventNotFound):
            one.current("nothing")
        assert upstream.asked == ["nothing"]
        clock.advance(seconds=1)
        upstream.publish("nothing", DAY)
        assert one.current("nothing").edition.event.name == "Nothing"

    def test_the_longest_max_age_caps_that(self, newsroom, upstream, clock):
        one = newsroom(cap=timedelta(seconds=30))
        with pytest.raises(EventNotFound):
            one.current("nothing")
        clock.advance(seconds=30)
        upstream.publish("nothing", DAY)
        one.current("nothing")

    def test_a_failed_refresh_is_remembered_for_a_minute(self, newsroom, upstream, clock):
        one = newsroom()
        before = one.current("harbor").edition
        upstream.answer(500, "text/plain", "")
        clock.advance(hours=1)
        for _ in range(3):
            current = one.current("harbor")
            assert current.edition == before
            assert current.failed
            assert current.max_age.at(clock.timestamp()) == 60
        clock.advance(seconds=59)
        one.current("harbor")
        assert len(upstream.asked) == 2
        upstream.instead = None
        clock.advance(seconds=1)
        current = one.current("harbor")
        assert not current.failed
        assert current.edition.fetched == clock()

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param((200, "text/html", "<h1>Welcome</h1>"), id="not-json"),
            pytest.param((200, "application/json", '{"data": {}}'), id="no-document"),
            pytest.param((404, "text/html", "<h1>Not found</h1>"), id="proxy"),
            pytest.param((429, "application/json", "{}"), id="429"),
            pytest.param((403, "application/json", '{"error":{"code":"FORBIDDEN"}}'), id="403"),
            pytest.param((401, "application/json", '{"error":{"code":"UNAUTHORIZED"}}'), id="401"),
        ],
    )
    def test_the_last_good_edition_is_served_whatever_the_upstream_does(
        self, newsroom, upstream, clock, tmp_path, answer
    ):
        one = newsroom()
        before = one.current("harbor").edition
        upstream.answer(*answer)
        for _ in range(3):
            clock.advance(days=2)
            assert one.current("harbor").edition == before
        assert stored(tmp_path) == before

    def test_with_nothing_stored_a_failure_is_raised_and_remembered(
        self, newsroom, upstream, clock
    ):
        one = newsroom()
        upstream.answer(500, "text/plain", "")
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable):
                one.current("harbor")
        assert upstream.asked == ["harbor"]
        upstream.instead = None
        clock.advance(seconds=60)
        assert one.current("harbor").edition.event.name == "Harbor"

    def test_403_is_a_failure_while_the_key_has_never_read_an_event(
        self, newsroom, upstream, clock
    ):
        one = newsroom()
        upstream.scopes.discard("read:events")
        for _ in range(3):
            with pytest.raises(Forbidden):
                one.current("harbor")
        assert upstream.asked == ["harbor"]
        upstream.scopes.add("read:events")
        clock.advance(seconds=60)
        one.current("harbor")

    def test_403_is_an_unknown_id_once_the_key_has_read_any_event(self, newsroom, upstream, clock):
        newsroom().current("harbor")
        upstream.scopes.discard("read:events")
        upstream.publish("bridge", DAY)
        one = newsroom()
        with pytest.raises(EventNotFound):
            one.current("bridge")
        clock.advance(seconds=599)
        with pytest.raises(EventNotFound):
            one.current("bridge")
        assert upstream.asked == ["harbor", "bridge"]


class TestHowLongItIsFresh:
    """At START, 12:00 UTC on 20 May 2026; the race begins at 17:00 UTC and is 100 minutes long."""

    @pytest.fixture
    def fresh_for(self, upstream, clock):
        """For how many seconds a newsroom takes a race on this day to be fresh."""

        def fresh_for(newsroom, day, **fields):
            upstream.publish("race", day)
            document = upstream.document("race")
            document["runs"][0] |= fields
            upstream.put("race", document)
            return newsroom.current("race").max_age.at(clock.timestamp())

        return fresh_for

    @pytest.mark.parametrize(
        ("day", "seconds"),
        [
            pytest.param("2026-08-01", 3600, id="later"),
            pytest.param("2026-05-30", 900, id="within-14-days"),
            pytest.param("2026-05-22", 900, id="in-53-hours"),
            pytest.param("2026-05-21", 300, id="in-29-hours"),
            pytest.param("2026-05-19", 3600, id="yesterday"),
            pytest.param("2026-05-01", 86400, id="long-over"),
        ],
    )
    def test_by_phase(self, newsroom, fresh_for, day, seconds):
        assert fresh_for(newsroom(), day) == seconds

    def test_while_it_is_on(self, newsroom, upstream, clock, fresh_for):
        clock.advance(hours=5, minutes=30)
        assert fresh_for(newsroom(), "2026-05-20") == 300

    def test_it_gets_less_second_by_second_and_is_never_nothing(
        self, newsroom, upstream, clock, fresh_for
    ):
        one = newsroom()
        assert fresh_for(one, "2026-08-01") == 3600
        clock.advance(seconds=3599.5)
        assert one.current("race").max_age.at(clock.timestamp()) == 1
        assert upstream.asked == ["race"]
        clock.advance(seconds=0.5)
        assert one.current("race").max_age.at(clock.timestamp()) == 3600
        assert upstream.asked == ["race", "race"]

    def test_a_deployment_may_have_it_shorter(self, newsroom, upstream, clock, fresh_for):
        one = newsroom(cap=timedelta(seconds=10))
        assert fresh_for(one, "2026-08-01") == 10

    def test_it_ends_when_the_next_phase_begins(self, newsroom, upstream, clock, fresh_for):
        clock.advance(hours=4, minutes=50)
        one = newsroom()
        assert fresh_for(one, "2026-06-03") == 600
        clock.advance(minutes=10)
        assert one.current("race").max_age.at(clock.timestamp()) == 900

    @pytest.mark.parametrize("field", ["registrationOpensAt", "registrationClosesAt"])
    def test_it_ends_when_registration_opens_or_closes(
        self, newsroom, upstream, clock, fresh_for, field
    ):
        one = newsroom()
        at = {field: "2026-05-20T12:10:00Z"}
        assert fresh_for(one, "2026-08-01", **at) == 600
        clock.advance(minutes=10)
        assert one.current("race").max_age.at(clock.timestamp()) == 3600

    def test_registration_of_a_run_that_is_sold_out_is_nothing_to_wait_for(
        self, newsroom, fresh_for
    ):
        at = {"registrationClosesAt": "2026-05-20T12:10:00Z", "soldOut": True}
        assert fresh_for(newsroom(), "2026-08-01", **at) == 3600

    def test_it_ends_when_a_run_has_been_unlisted_for_30_days(self, newsroom, upstream, clock):
        one = newsroom()
        upstream.publish("race", "2026-08-01", "2026-08-02")
        one.current("race")
        upstream.publish("race", "2026-08-01")
        clock.advance(hours=1)
        unlisted = clock()
        assert one.current("race").edition.event.runs[1].unlisted == unlisted
        clock.now = unlisted + timedelta(days=30, minutes=-10)
        assert one.current("race").max_age.at(clock.timestamp()) == 600
        clock.advance(minutes=10)
        assert one.current("race").max_age.at(clock.timestamp()) == 3600

    def test_a_clock_that_was_put_back_proves_nothing(self, newsroom, upstream, clock, fresh_for):
        own = Clock()
        one = newsroom(own)
        one.current("harbor")
        own.advance(days=-3)
        assert one.current("harbor").edition.fetched == own()
        assert upstream.asked == ["harbor", "harbor"]


class TestRepeatedRuns:
    def test_of_runs_with_one_id_the_first_wins_and_that_is_logged_once(
        self, newsroom, upstream, clock, caplog
    ):
        upstream.publish("echo", DAY)
        document = upstream.document("echo")
        document["runs"] += [document["runs"][0] | {"startTime": "15:00"}]
        upstream.put("echo", document)
        one, other = newsroom(), newsroom()
        for _ in range(3):
            for each in (one, other):
                edition = each.current("echo").edition
                assert [run.start_time.hour for run in edition.event.runs] == [12]
                assert edition.changes == ()
            clock.advance(hours=2)
        lines = [line for line in caplog.messages if "echo-1 is listed twice" in line]
        assert len(lines) == 1


@contextmanager
def locked(tmp_path):
    with closing(sqlite3.connect(tmp_path / "feeds.sqlite3", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def away(tmp_path):
    path = tmp_path / "feeds.sqlite3"
    path.rename(tmp_path / "away")
    yield
    (tmp_path / "away").rename(path)


@pytest.fixture
def _impatient(monkeypatch):
    """Who finds a lock has not to wait as long as in earnest."""
    monkeypatch.setattr("feeds.store.engines.LOCK_TIMEOUT", 0.2)


@pytest.mark.usefixtures("_impatient")
class TestWhatCannotBeSaved:
    @pytest.mark.parametrize("trouble", [locked, away])
    def test_the_last_edition_is_served_and_no_call_is_made(
        self, newsroom, upstream, clock, tmp_path, trouble
    ):
        one = newsroom()
        before = one.current("harbor").edition
        edit(upstream, soldOut=True)
        with trouble(tmp_path):
            for _ in range(3):
                clock.advance(hours=2)
                current = one.current("harbor")
                assert current.edition == before
                assert (current.failed, current.max_age.at(clock.timestamp())) == (True, 60)
        assert upstream.asked == ["harbor"]

    @pytest.mark.parametrize("trouble", [locked, away])
    def test_it_goes_on_by_itself_afterwards(self, newsroom, upstream, clock, tmp_path, trouble):
        one = newsroom()
        one.current("harbor")
        edit(upstream, soldOut=True)
        with trouble(tmp_path):
            clock.advance(hours=2)
            one.current("harbor")
        clock.advance(seconds=2)
        current = one.current("harbor")
        assert not current.failed
        assert told(current.edition) == [(Kind.SOLD_OUT, clock())]
        assert stored(tmp_path) == current.edition

    def test_what_was_fetched_and_cannot_be_saved_is_not_told(
        self, newsroom, upstream, clock, tmp_path, threads, hold, patience
    ):
        one = newsroom()
        before = one.current("harbor").edition
        edit(upstream, soldOut=True)
        clock.advance(hours=2)
        with hold() as gate:
            asking = threads.submit(one.current, "harbor")
            gate.has_one_more()
            with away(tmp_path):
                gate.let_pass(0)
                assert result(asking) == before
        patience(0.2)
        clock.advance(seconds=2)
        assert one.current("harbor").edition == before, "while the lease lasts"
        patience(PATIENCE)
        clock.advance(seconds=10)
        assert told(one.current("harbor").edition) == [(Kind.SOLD_OUT, clock())]

    def test_an_event_that_is_new_is_not_asked_for(self, newsroom, upstream, tmp_path):
        one = newsroom()
        with locked(tmp_path), pytest.raises(StorageUnavailable):
            one.current("harbor")
        assert upstream.calls == []
        assert one.current("harbor").edition.event.name == "Harbor"

    def test_what_was_lost_from_the_database_is_saved_again_from_memory(
        self, newsroom, upstream, clock, tmp_path
    ):
        one = newsroom()
        one.current("harbor")
        clock.advance(hours=2)
        edit(upstream, eventStatus="cancelled")
        before = one.current("harbor").edition
        with closing(sqlite3.connect(tmp_path / "feeds.sqlite3")) as connection, connection:
            for table in ("events", "revisions", "changes"):
                connection.execute(f"DELETE FROM {table}")
        clock.advance(hours=2)
        after = one.current("harbor")
        assert not after.failed
        assert upstream.statuses[-1] == 304
        kept = stored(tmp_path)
        assert (kept.changes, kept.revisions) == (before.changes, before.revisions)
        assert after.edition == kept

    def test_a_document_that_was_damaged_while_it_was_kept_is_an_error_of_the_database(
        self, newsroom, clock, tmp_path
    ):
        one = newsroom()
        one.current("harbor")
        with closing(sqlite3.connect(tmp_path / "feeds.sqlite3")) as connection, connection:
            connection.execute("UPDATE events SET document = zeroblob(200)")
        clock.advance(hours=2)
        assert one.current("harbor").edition.event.name == "Harbor"
        assert newsroom().nearest() == [one.current("harbor").edition.event]

    def test_what_is_not_in_memory_is_not_told_while_the_database_cannot_be_read(
        self, newsroom, upstream, tmp_path
    ):
        one = newsroom()
        with away(tmp_path):
            with pytest.raises(StorageUnavailable):
                one.current("harbor")
            assert one.nearest() == []
        assert upstream.calls == []
        assert one.current("harbor").edition.event.name == "Harbor"


class TestADeploy:
    def test_one_that_writes_the_same_moves_nothing(self, newsroom, upstream, clock, tmp_path):
        before = newsroom().current("harbor").edition
        clock.advance(minutes=1)
        after = newsroom(fingerprint="next").current("harbor").edition
        assert (after.revisions, after.changes, after.fetched) == (
            before.revisions,
            before.changes,
            before.fetched,
        )
        assert stored(tmp_path).deployment == "next"
        assert upstream.asked == ["harbor"]

    def test_one_that_writes_something_else_moves_stamps_once_without_a_call(
        self, newsroom, upstream, clock
    ):
        before = newsroom().current("harbor").edition
        clock.advance(minutes=1)
        changes = {"fingerprint": "next", "home": "Europe/Paris"}
        after = newsroom(**changes).current("harbor").edition
        assert after.revisions["harbor-1"].last_modified == clock()
        assert {revision.created for revision in after.revisions.values()} == {START}
        assert before.revisions.keys() == after.revisions.keys()
        clock.advance(minutes=1)
        assert newsroom(**changes).current("harbor").edition == after
        assert upstream.asked == ["harbor"]


def test_times_are_whole_seconds(newsroom, clock, tmp_path):
    clock.now = datetime.fromisoformat("2026-05-20T12:00:00.987654+00:00")
    edition = newsroom().current("harbor").edition
    assert edition.fetched == START
    assert stored(tmp_path) == edition


class TestWhatIsRemembered:
    def test_an_error_keeps_nothing_of_the_answer_or_of_the_requests(
        self, newsroom, upstream, clock
    ):
        one = newsroom()
        one.current("harbor")
        clock.advance(hours=2)
        upstream.answer(200, "application/json", '{"data": ')
        assert one.current("harbor").failed
        upstream.refuse(404, "NOT_FOUND")
        for _ in range(2):
            with pytest.raises(EventNotFound):
                one.current("nothing")
        for event_id in ("harbor", "nothing"):
            error = one._memory.get(event_id).error
            assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)

    def test_a_machine_whose_clock_is_behind_believes_what_another_has_fetched(
        self, newsroom, upstream, clock
    ):
        newsroom().current("harbor")
        newsroom(Clock(clock() - 3 * SECOND)).current("harbor")
        assert upstream.statuses == [200]

    def test_after_a_deploy_the_whole_document_is_asked_for(self, newsroom, upstream, clock):
        newsroom().current("harbor")
        clock.advance(hours=2)
        mended = newsroom(fingerprint="mended")
        mended.current("harbor")
        clock.advance(hours=2)
        mended.current("harbor")
        assert upstream.statuses == [200, 200, 304]

    def test_who_meets_a_refusal_is_told_when_it_is_over(self, newsroom, upstream, clock):
        over = clock() + 50 * 60 * SECOND
        upstream.refuse(429, "RATE_LIMITED", retryAfter=over.timestamp() * 1000)
        one = newsroom(rate=Rate(1000, timedelta(hours=1), 500))
        for event_id in ("first", "second"):
            with pytest.raises(UpstreamError) as caught:
                one.current(event_id)
            assert caught.value.retry_at == over

    def test_what_was_saved_before_the_first_look_came_about_is_taken_over(
        self, newsroom, upstream, clock, tmp_path, monkeypatch
    ):
        one, other = newsroom(), newsroom()
        with monkeypatch.context() as patched:
            patched.setattr(
                one._database, "read_saves", Database("sqlite:////nowhere/x").read_saves
            )
            one.current("harbor")
        other.current("harbor")
        edit(upstream, eventStatus="cancelled")
        known = other._reporter.stored("harbor").edition
        other._reporter.report(other._reporter.claim("harbor", known), known)
        clock.advance(seconds=3)
        assert one.current("harbor").edition.event.runs[0].status == "cancelled"

    def test_two_deployments_side_by_side_do_not_save_against_each_other(
        self, newsroom, upstream, clock, tmp_path
    ):
        one, other = newsroom(), newsroom(fingerprint="next")
        for _ in range(10):
            one.current("harbor")
            other.current("harbor")
            clock.advance(seconds=3)
        assert stored(tmp_path).version <= 2

    def test_a_claim_that_waited_long_for_the_database_is_given_back(
        self, newsroom, upstream, clock, monkeypatch
    ):
        one = newsroom()
        real = one._database.acquire

        def late(*arguments):
            claimed = real(*arguments)
            clock.advance(seconds=9)
            return claimed

        with monkeypatch.context() as patched:
            patched.setattr(one._database, "acquire", late)
            assert isinstance(one._reporter.claim("harbor", None), Leased)
        assert isinstance(one._reporter.claim("harbor", None), Lease)

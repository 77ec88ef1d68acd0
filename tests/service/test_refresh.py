"""What a refresh answers: leases, failures and how long they are remembered, the rate limit."""

from datetime import timedelta

import pytest

from feeds.domain.model import Kind
from feeds.domain.quota import Rate
from feeds.errors import (
    EventNotFound,
    Forbidden,
    QuotaExhausted,
    UpstreamError,
    UpstreamUnavailable,
)
from feeds.sandbox import SANDBOX_KEY
from feeds.store.leases import Lease, Leased
from feeds.upstream.client import IntervalsClient
from tests.support.processes import PATIENCE, Clock
from tests.support.workers import DAY, HOUR, SECOND, list_changes, wait_for

HARBOR_DAY = "2026-06-13"
SMALL = Rate(100, DAY, 20)
"""100 calls a day, 20 at once; for unknown ids 25 a day, 12 at once."""


class BrokenClient(IntervalsClient):
    """A client with a bug."""

    def decode(self, *_):
        raise ZeroDivisionError


class TickingClock(Clock):
    """A clock that moves by two seconds at each look."""

    def __call__(self):
        self.advance(seconds=2)
        return self.now


def acquire(worker, event_id="harbor"):
    return worker.refresh.acquire(event_id, worker.refresh.read(event_id))


def test_a_lease_that_took_longer_than_a_second_to_acquire_is_released(start_worker, clock):
    slow = start_worker(clock=TickingClock())
    assert isinstance(acquire(slow), Leased)
    assert isinstance(acquire(start_worker()), Lease)


def test_a_lease_is_refused_while_another_one_lasts(start_worker, clock):
    one, other = start_worker(), start_worker()
    lease = acquire(one)
    assert isinstance(lease, Lease)
    assert acquire(other) == Leased(lease.at)
    clock.advance(seconds=10)
    assert isinstance(acquire(other), Lease)


def test_an_edition_that_another_process_has_saved_is_the_answer_instead_of_a_lease(
    start_worker, clock
):
    one, other = start_worker(), start_worker()
    known = one.refresh.read("harbor")
    saved = other.get_edition()
    clock.advance(days=1)
    entry = one.refresh.acquire("harbor", known)
    assert (entry.edition, entry.failed, entry.is_fresh) == (saved, False, False)


def test_a_failed_refresh_is_remembered_for_a_minute(worker, upstream, clock):
    before = worker.get_edition()
    upstream.answer(500, "text/plain", "")
    clock.advance(hours=1)
    for _ in range(3):
        entry = worker.poll()
        assert (entry.edition, entry.failed) == (before, True)
        assert worker.get_max_age() == 60
    clock.advance(seconds=59)
    worker.poll()
    assert len(upstream.asked) == 2
    upstream.instead = None
    clock.advance(seconds=1)
    entry = worker.poll()
    assert not entry.failed
    assert entry.edition.fetched == clock()


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", "<h1>Welcome</h1>"),
        (200, "application/json", '{"data": {}}'),
        (404, "text/html", "<h1>Not found</h1>"),
        (429, "application/json", "{}"),
        (403, "application/json", '{"error":{"code":"FORBIDDEN"}}'),
        (401, "application/json", '{"error":{"code":"UNAUTHORIZED"}}'),
    ],
    ids=str,
)
def test_the_last_good_edition_is_served_whatever_the_upstream_answers(
    worker, upstream, clock, answer
):
    before = worker.get_edition()
    upstream.answer(*answer)
    for _ in range(3):
        clock.advance(days=2)
        assert worker.get_edition() == before
    assert worker.read_stored() == before


def test_a_failure_without_an_edition_is_raised_and_remembered(worker, upstream, clock):
    upstream.answer(500, "text/plain", "")
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            worker.poll()
    assert upstream.asked == ["harbor"]
    upstream.instead = None
    clock.advance(seconds=60)
    assert worker.get_edition().event.name == "Harbor"


def test_an_unknown_id_is_remembered_for_10_minutes(worker, upstream, clock):
    for _ in range(3):
        with pytest.raises(EventNotFound):
            worker.poll("nothing")
    clock.advance(seconds=599)
    with pytest.raises(EventNotFound):
        worker.poll("nothing")
    assert upstream.asked == ["nothing"]
    clock.advance(seconds=1)
    upstream.publish("nothing", HARBOR_DAY)
    assert worker.get_edition("nothing").event.name == "Nothing"


def test_an_unknown_id_is_remembered_no_longer_than_the_longest_max_age(
    start_worker, upstream, clock
):
    worker = start_worker(cap=30 * SECOND)
    with pytest.raises(EventNotFound):
        worker.poll("nothing")
    clock.advance(seconds=30)
    upstream.publish("nothing", HARBOR_DAY)
    worker.poll("nothing")


def test_a_403_is_a_failure_while_the_key_has_never_read_an_event(worker, upstream, clock):
    upstream.scopes.discard("read:events")
    for _ in range(3):
        with pytest.raises(Forbidden):
            worker.poll()
    assert upstream.asked == ["harbor"]
    upstream.scopes.add("read:events")
    clock.advance(seconds=60)
    worker.poll()


def test_a_403_means_an_unknown_id_once_the_key_has_read_an_event(start_worker, upstream, clock):
    start_worker().poll()
    upstream.scopes.discard("read:events")
    upstream.publish("bridge", HARBOR_DAY)
    worker = start_worker()
    for seconds in (0, 599):
        clock.advance(seconds=seconds)
        with pytest.raises(EventNotFound):
            worker.poll("bridge")
    assert upstream.asked == ["harbor", "bridge"]


def test_all_requests_during_a_refusal_learn_when_it_ends(start_worker, upstream, clock):
    ends = clock() + timedelta(minutes=50)
    upstream.refuse(429, "RATE_LIMITED", retryAfter=ends.timestamp() * 1000)
    worker = start_worker(rate=Rate(1000, HOUR, 500))
    for event_id in ("first", "second"):
        with pytest.raises(UpstreamError) as refusal:
            worker.poll(event_id)
        assert refusal.value.retry_at == ends


def test_a_bug_in_a_refresh_leaves_no_request_waiting_and_no_lease(
    start_worker, upstream, clock, caplog
):
    worker = start_worker()
    worker.poll()
    upstream.edit_run(soldOut=True)
    clock.advance(hours=2)
    broken = start_worker(source=BrokenClient(upstream.url, SANDBOX_KEY))
    assert broken.poll().failed
    assert "ZeroDivisionError" in caplog.text
    clock.advance(seconds=60)
    assert list_changes(worker.get_edition()) == [(Kind.SOLD_OUT, clock())]


def test_a_failure_that_cannot_be_stored_leaves_the_edition_for_2_s(
    worker, upstream, clock, threads, remove_database
):
    before = worker.get_edition()
    clock.advance(hours=2)
    upstream.answer(500, "text/plain", "")
    with upstream.held() as gate:
        polling = threads.submit(worker.poll)
        gate.await_one()
        with remove_database():
            gate.release(0)
            assert wait_for(polling) == before
    entry = polling.result(PATIENCE)
    assert (entry.failed, entry.until) == (True, clock() + 2 * SECOND)


def test_the_operator_reads_what_to_do_about_a_wrong_key(worker, upstream, clock, caplog):
    worker.poll()
    upstream.refuse(401, "UNAUTHORIZED")
    clock.advance(hours=2)
    worker.poll()
    assert caplog.messages == [
        "event harbor: The Intervals API does not accept the key. Check INTERVALS_PARTNER_API_KEY."
    ]


def test_all_processes_spend_the_calls_of_one_rate_limit(start_worker, upstream, clock):
    ids = [f"race{number}" for number in range(30)]
    first = start_worker()
    for id_ in ids:
        upstream.publish(id_, f"{clock() + 2 * DAY:%Y-%m-%d}")
        first.poll(id_)
    clock.advance(days=1)
    workers = [start_worker(rate=SMALL) for _ in range(3)]
    failed = [workers[number % 3].poll(id_).failed for number, id_ in enumerate(ids)]
    assert failed == [False] * 20 + [True] * 10
    assert len(upstream.asked) == len(ids) + 20


def test_guessed_ids_leave_calls_for_known_events(start_worker, clock):
    worker = start_worker(rate=SMALL)
    worker.poll()
    errors = []
    for number in range(50):
        with pytest.raises(UpstreamError) as refusal:
            worker.poll(f"guess{number}")
        errors.append(type(refusal.value))
    assert errors == [EventNotFound] * 11 + [QuotaExhausted] * 39
    clock.advance(hours=2)
    assert not worker.poll().failed


def test_an_exhausted_quota_names_the_time_of_the_next_call(start_worker, clock, caplog):
    worker = start_worker(rate=SMALL)
    for number in range(12):
        with pytest.raises(EventNotFound):
            worker.poll(f"guess{number}")
    with pytest.raises(QuotaExhausted) as refusal:
        worker.poll("another")
    assert "event another: The rate limit of the Intervals API is used up" in caplog.text
    assert HOUR < refusal.value.retry_at - clock() < 2 * HOUR
    clock.now = refusal.value.retry_at
    with pytest.raises(EventNotFound):
        worker.poll("another")


def test_the_background_refresher_logs_no_exhausted_quota(start_worker, upstream, caplog):
    worker = start_worker(rate=SMALL)
    for number in range(11):
        known = worker.refresh.read(f"race{number}")
        worker.refresh.acquire(f"race{number}", known, polled=False)
    refused = worker.refresh.acquire("harbor", worker.refresh.read("harbor"), polled=False)
    assert isinstance(refused.error, QuotaExhausted)
    assert caplog.messages == []


def test_max_age_is_stretched_to_what_the_rate_limit_can_carry(start_worker, upstream, clock):
    worker = start_worker(rate=SMALL)
    for number in range(10):
        upstream.publish(f"race{number}", HARBOR_DAY)
        worker.poll(f"race{number}")
    clock.advance(seconds=2)
    assert worker.get_max_age("race0") == 10 * 24 * 3600 / 50 - 2

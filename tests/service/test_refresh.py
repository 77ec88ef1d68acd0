"""What a refresh answers: leases, failures and how long they are remembered, the rate limit."""

import pytest

from feeds.domain.model import Kind
from feeds.domain.quota import Priority, Rate
from feeds.errors import EventNotFound, QuotaExhausted, UpstreamTimeout
from feeds.logs import MAX_LINES
from feeds.sandbox import ORGANIZATION_ID, SANDBOX_KEY
from feeds.store.leases import HeldByOther, Lease
from feeds.upstream.client import IntervalsClient
from tests.support.clock import Clock
from tests.support.waiting import PATIENCE
from tests.support.workers import DAY, HOUR, SECOND, list_changes, wait_for

SMALL = Rate(100, DAY, 20)
"""100 calls a day, 20 at once; for unknown ids 25 a day, 12 at once."""


class BrokenClient(IntervalsClient):
    """A client with a bug."""

    def fetch(self, *_):
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
    assert isinstance(acquire(slow), HeldByOther)
    assert isinstance(acquire(start_worker()), Lease)


def test_leases_that_a_slow_database_gives_too_late_cost_no_calls(start_worker, clock):
    """Rules 8.14: no call is made, and the upstream is asked less often than the budget allows."""
    slow = start_worker(clock=TickingClock(), rate=SMALL)
    for _ in range(30):
        assert isinstance(acquire(slow), HeldByOther)
    assert isinstance(acquire(start_worker(rate=SMALL)), Lease)


def test_an_edition_that_another_process_has_saved_is_the_answer_instead_of_a_lease(
    start_worker, clock
):
    one, other = start_worker(), start_worker()
    known = one.refresh.read("harbor")
    saved = other.get_edition()
    clock.advance(days=1)
    entry = one.refresh.acquire("harbor", known)
    assert (entry.edition, entry.failed, entry.is_fresh) == (saved, False, False)


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


def test_a_document_that_cannot_be_read_writes_20_lines_an_hour_at_most(
    worker, upstream, clock, caplog
):
    worker.poll()
    upstream.answer(200, "application/json", "{}")
    clock.advance(hours=2)
    for _ in range(60):
        assert worker.poll().failed
        clock.advance(minutes=1)
    assert (
        caplog.messages[0] == "event harbor: The Intervals API sent an answer that cannot be read."
    )
    assert 2 <= len(caplog.messages) <= MAX_LINES
    assert len(upstream.calls) > MAX_LINES


def test_an_exhausted_quota_names_the_time_of_the_next_call(start_worker, clock, caplog):
    worker = start_worker(rate=SMALL)
    for number in range(12):
        with pytest.raises(EventNotFound):
            worker.poll(f"guess{number}")
    with pytest.raises(QuotaExhausted) as refusal:
        worker.poll("another")
    (message,) = [each for each in caplog.messages if each.startswith("event another")]
    assert "The rate limit of the Intervals API is used up" in message
    assert "feeds warm --all" in message
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
    assert "rate limit" not in caplog.text


def test_a_poll_of_a_known_event_without_a_call_does_not_mention_unknown_ids(
    start_worker, clock, caplog
):
    worker = start_worker(rate=SMALL)
    worker.poll()
    clock.advance(hours=2)
    while not worker.database.spend_call(SMALL.quota_for(Priority.ORDINARY), clock()):
        pass
    assert isinstance(worker.poll().error, QuotaExhausted)
    assert "event harbor: The rate limit of the Intervals API is used up" in caplog.text
    assert "quarter" not in caplog.text


def test_after_a_404_that_took_all_the_time_of_a_call_the_key_is_checked_the_next_time(
    worker, upstream, clock, threads
):
    worker.database.bind_organization(ORGANIZATION_ID, clock())
    worker.poll()
    upstream.delete("harbor")
    clock.advance(hours=2)
    with upstream.held() as gate:
        polling = threads.submit(worker.poll)
        gate.await_one()
        clock.advance(seconds=8)
        gate.release(0)
        assert isinstance(polling.result(PATIENCE).error, UpstreamTimeout)
    assert "/organization" not in upstream.calls
    clock.advance(seconds=60)
    assert worker.get_edition().pending
    assert upstream.calls[-1] == "/organization"

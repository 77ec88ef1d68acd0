"""The rate limit: exact in any window and over all processes, with the instant of the next call."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.domain.freshness import MAX_CLOCK_SKEW
from feeds.domain.quota import MICROSECOND, Priority, Rate
from feeds.errors import Forbidden, QuotaExhausted, RateLimited, Unauthorized, UpstreamUnavailable
from feeds.store.leases import Lease
from tests.support.databases import connect, processes, run_processes
from tests.support.factories import NOW
from tests.support.waiting import PATIENCE

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RATE = Rate(100, MINUTE, 20)
INTERVAL = RATE.quota_for(Priority.URGENT).bucket.interval

each_priority = pytest.mark.parametrize("priority", Priority, ids=lambda each: each.name)
examples = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

windows = st.sampled_from([SECOND, MINUTE, DAY])
rates = st.integers(1, 60).flatmap(
    lambda limit: st.builds(Rate, st.just(limit), windows, st.integers(1, limit))
)
# Pauses in windows, the priority of the calls after each pause, and how many there are.
calls = st.lists(
    st.tuples(st.floats(0, 1.5), st.sampled_from(Priority), st.integers(1, 4)), max_size=40
)
numbers = itertools.count(1)


def spend(database, priority, now=NOW, *, rate=RATE):
    return database.spend_call(rate.quota_for(priority), now)


def count_granted(database, priority, times, now=NOW):
    return sum(spend(database, priority, now) is None for _ in range(times))


def close(database, until, error, now=NOW):
    database.close_upstream(until, error(), now, RATE.window)


def new_start():
    """A time at which all buckets are full: examples share a database."""
    return NOW + next(numbers) * 500 * DAY


@examples
@given(rate=rates, calls=calls)
def test_no_window_has_more_calls_than_the_limit(database, rate, calls):
    now, granted = new_start(), []
    for pause, priority, times in calls:
        now += rate.window * pause
        for _ in range(times):
            if refusal := spend(database, priority, now, rate=rate):
                now = refusal.retry_at
                assert spend(database, priority, now, rate=rate) is None
            granted.append((now, priority))
    for start, _ in granted:
        window = [priority for at, priority in granted if start <= at < start + rate.window]
        assert len(window) <= rate.limit
        quarter, guesses = max(1, rate.limit // 4), window.count(Priority.GUESS)
        assert guesses <= quarter
        assert guesses + window.count(Priority.UNSEEN) <= 2 * quarter
        assert sum(at == start for at, _ in granted) <= rate.burst


@examples
@given(rate=rates, calls=calls)
def test_a_refusal_names_the_first_instant_of_the_next_call(database, rate, calls):
    now = new_start()
    for pause, priority, times in calls:
        now += rate.window * pause
        for _ in range(times):
            if refusal := spend(database, priority, now, rate=rate):
                assert type(refusal) is QuotaExhausted
                assert refusal.retry_at is not None
                assert now < refusal.retry_at
                early = spend(database, priority, refusal.retry_at - MICROSECOND, rate=rate)
                assert early is not None
                assert early.retry_at == refusal.retry_at, "refused calls cost nothing"
                now = refusal.retry_at
                assert spend(database, priority, now, rate=rate) is None


@pytest.mark.parametrize(
    "granted",
    [
        {Priority.REFRESHER: 10, Priority.ORDINARY: 5, Priority.URGENT: 5},
        {Priority.GUESS: 12, Priority.UNSEEN: 3, Priority.URGENT: 5},
        {Priority.UNSEEN: 15, Priority.GUESS: 0, Priority.ORDINARY: 0, Priority.URGENT: 5},
        {Priority.ORDINARY: 15, Priority.UNSEEN: 0, Priority.GUESS: 0, Priority.URGENT: 5},
        {Priority.URGENT: 20, Priority.UNSEEN: 0, Priority.REFRESHER: 0},
    ],
    ids=["refresher", "guess", "unseen", "ordinary", "urgent"],
)
def test_a_priority_leaves_calls_to_more_urgent_ones(database, granted):
    for priority, calls in granted.items():
        assert count_granted(database, priority, 30) == calls


def test_ids_never_seen_have_a_bucket_of_their_own_that_fills_more_slowly(database):
    assert count_granted(database, Priority.ORDINARY, 3) == 3
    assert count_granted(database, Priority.GUESS, 30) == 12
    assert count_granted(database, Priority.GUESS, 30, NOW + 20 * INTERVAL) == 3
    assert count_granted(database, Priority.URGENT, 30, NOW + HOUR) == 20


def test_guesses_leave_a_quarter_of_the_limit_to_other_ids_never_seen(database):
    rate = Rate(100, MINUTE, 100)

    def count(priority, now):
        granted = itertools.takewhile(lambda refusal: refusal is None, repeat(priority, now))
        return sum(1 for _ in granted)

    def repeat(priority, now):
        return (spend(database, priority, now, rate=rate) for _ in range(99))

    assert [count(Priority.GUESS, NOW + second * SECOND) for second in range(60)].count(1) == 12
    assert count(Priority.UNSEEN, NOW + MINUTE) == 25
    assert count(Priority.GUESS, NOW + MINUTE) == 0


def spend_thirty(url, priority, start, counts):
    database = connect(url)
    start.wait(PATIENCE)
    counts.put(count_granted(database, priority, 30))


@pytest.mark.parametrize(("priority", "limit"), [(Priority.URGENT, 20), (Priority.GUESS, 12)])
def test_processes_that_call_at_once_share_one_limit(url, database, priority, limit):
    start, counts = processes.Barrier(3), processes.Queue()
    run_processes(spend_thirty, *[(url, priority, start, counts)] * 3)
    assert sum(counts.get(timeout=PATIENCE) for _ in range(3)) == limit
    assert count_granted(connect(url), priority, 5) == 0, "nor after a restart"


@each_priority
def test_leases_that_are_given_up_leave_as_many_calls_as_before(database, priority):
    def count_left(*, leases):
        start, quota = new_start(), RATE.quota_for(priority)
        for number in range(3):
            spend(database, priority, start + number * INTERVAL / 3)
        for _ in range(leases):
            lease = database.acquire("harbor", "", quota, start + INTERVAL)
            assert isinstance(lease, Lease)
            database.give_up(lease, quota)
        return count_granted(database, priority, 50, start + INTERVAL)

    assert count_left(leases=50) == count_left(leases=0) > 0


def test_a_call_that_is_made_in_any_case_is_counted_while_the_upstream_is_closed(database):
    close(database, NOW + SECOND, RateLimited)
    for _ in range(40):
        database.count_call(RATE.quota_for(Priority.URGENT), NOW)
    assert isinstance(spend(database, Priority.URGENT), RateLimited)
    refusal = spend(database, Priority.URGENT, NOW + SECOND)
    assert (type(refusal), refusal.retry_at) == (QuotaExhausted, NOW + 21 * INTERVAL)
    later = NOW + 41 * INTERVAL
    assert count_granted(database, Priority.GUESS, 30, later) == 12, "it was for no such id"


@pytest.mark.parametrize("error", [RateLimited, Unauthorized, Forbidden, UpstreamUnavailable])
@pytest.mark.parametrize("back", [0 * DAY, HOUR, 365 * DAY], ids=str)
def test_a_refusal_closes_the_upstream_for_all_processes_also_if_the_clock_was_set_back(
    url, database, error, back
):
    close(database, NOW + back + SECOND, Forbidden, NOW + back)
    assert spend(database, Priority.URGENT, NOW + back + SECOND) is None
    until = NOW + 30 * SECOND
    close(database, until, error)
    for now, priority in itertools.product((NOW, until - MICROSECOND), Priority):
        refusal = spend(connect(url), priority, now)
        assert (type(refusal), refusal.retry_at) == (error, until)
    assert spend(database, Priority.UNSEEN, until) is None


def test_the_upstream_stays_closed_for_the_longest_refusal(database):
    close(database, NOW + 30 * SECOND, RateLimited)
    close(database, NOW + 30 * SECOND, Forbidden)
    close(database, NOW + 10 * SECOND, Unauthorized)
    refusal = spend(database, Priority.URGENT, NOW + 20 * SECOND)
    assert (type(refusal), refusal.retry_at) == (RateLimited, NOW + 30 * SECOND)
    close(database, NOW + 50 * SECOND, Unauthorized)
    refusal = spend(database, Priority.URGENT, NOW + 20 * SECOND)
    assert (type(refusal), refusal.retry_at) == (Unauthorized, NOW + 50 * SECOND)


def test_a_refusal_too_far_in_the_future_is_ignored(database):
    close(database, NOW + MINUTE + MAX_CLOCK_SKEW, RateLimited)
    assert isinstance(spend(database, Priority.URGENT), RateLimited)
    assert spend(database, Priority.URGENT, NOW - MICROSECOND) is None
    count_granted(database, Priority.URGENT, 40, NOW - MICROSECOND)
    assert isinstance(spend(database, Priority.URGENT, NOW - MICROSECOND), QuotaExhausted)


@each_priority
@pytest.mark.parametrize("back", [5 * MINUTE, 365 * DAY], ids=str)
def test_one_call_is_granted_after_the_clock_was_set_back(database, priority, back):
    count_granted(database, Priority.UNSEEN, 30, NOW + back)
    count_granted(database, Priority.URGENT, 30, NOW + back)
    assert count_granted(database, priority, 30) == 1
    assert count_granted(database, Priority.URGENT, 30, NOW + MINUTE) == 20


def test_a_refusal_ignores_a_bucket_that_was_used_before_the_clock_was_set_back(database):
    count_granted(database, Priority.UNSEEN, 30, NOW + HOUR)
    assert count_granted(database, Priority.URGENT, 1) == 1
    refusal = spend(database, Priority.UNSEEN)
    assert isinstance(refusal, QuotaExhausted)
    assert refusal.retry_at is not None
    assert refusal.retry_at <= NOW + MINUTE
    assert spend(database, Priority.UNSEEN, refusal.retry_at) is None

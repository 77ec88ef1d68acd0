"""The contract of claims and of the budget, over both engines: one refresh, no call too many."""

import os
import random
from datetime import timedelta
from multiprocessing import get_context
from signal import SIGKILL

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.freshness import LEASE
from feeds.domain.model import Edition
from feeds.domain.quota import MICROSECOND, Priority, Rate
from feeds.errors import (
    EventNotFound,
    Forbidden,
    InvalidResponse,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.store.database import Database
from feeds.store.leases import Lease, Leased
from feeds.store.tables import leases, service
from tests.support.databases import another, opened
from tests.support.factories import NOW, an_edition, an_event
from tests.support.processes import PATIENCE

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SPAN = (NOW, NOW + timedelta(hours=1))
PLENTY = Rate(1_000_000, MINUTE, 500_000).quota_for(Priority.URGENT)

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


def claimed(database, event_id="harbor", known=None, *, now=NOW, allowance=PLENTY):
    claim = database.acquire(event_id, known, allowance, now)
    assert isinstance(claim, Lease), claim
    return claim


def saved(database, known=None, *, now=NOW, **how):
    edition = structs.replace(known or an_edition(an_event()), fetched=now)
    return database.save(known, edition, SPAN, now, **how)


def rows(database, table):
    with database._engine.read() as connection:
        return connection.execute(sa.select(table)).all()


class TestALease:
    def test_is_one_for_an_event(self, database):
        claimed(database)
        assert database.acquire("harbor", None, PLENTY, NOW + SECOND) == Leased(NOW)
        claimed(database, "another")

    def test_ends_by_itself_after_ten_seconds(self, url, database):
        claimed(database)
        late = another(url)
        assert late.acquire("harbor", None, PLENTY, NOW + LEASE - MICROSECOND) == Leased(NOW)
        claimed(late, now=NOW + LEASE)

    def test_ends_with_a_save(self, database):
        known = saved(database, lease=claimed(database))
        claimed(database, known=known)

    def test_ends_when_it_is_released(self, database):
        database.release(claimed(database))
        claimed(database)

    def test_left_by_a_clock_that_was_put_back_does_not_count(self, database):
        claimed(database, now=NOW + DAY)
        claimed(database)

    def test_is_not_ended_by_one_who_had_it_too_long(self, database):
        late = claimed(database)
        claimed(database, now=NOW + LEASE)
        database.release(late)
        database.fail(late, UpstreamUnavailable(), NOW + MINUTE)
        saved(database, lease=late)
        known = database.read("harbor")
        now = NOW + LEASE + SECOND
        assert database.acquire("harbor", known, PLENTY, now) == Leased(NOW + LEASE)

    def test_that_was_held_too_long_does_not_overwrite_what_is_newer(self, database):
        late = claimed(database)
        newer = saved(database, now=NOW + SECOND, lease=claimed(database, now=NOW + LEASE))
        assert saved(database, lease=late) is None
        assert database.read("harbor") == newer

    def test_is_had_by_one_of_many_that_want_it_at_once(self, url, database):
        ids = [f"event{number}" for number in range(20)]
        barrier, won = processes.Barrier(4), processes.Queue()
        started = [
            processes.Process(target=claim_each, args=(url, ids, barrier, won)) for _ in range(4)
        ]
        for each in started:
            each.start()
        taken = [id_ for _ in range(4) for id_ in won.get(timeout=PATIENCE)]
        for each in started:
            each.join(PATIENCE)
        assert sorted(taken) == sorted(ids)
        (row,) = rows(database, service)
        spent = PLENTY.bucket.interval // MICROSECOND * len(ids)
        assert row.tat == NOW.timestamp() * 1_000_000 + spent, "as many calls as leases"

    def test_of_a_process_that_was_killed_delays_others_for_ten_seconds(self, url, database):
        process = processes.Process(target=claim_and_die, args=(url,))
        process.start()
        process.join(PATIENCE)
        assert process.exitcode == -SIGKILL
        assert database.acquire("harbor", None, PLENTY, NOW + SECOND) == Leased(NOW)
        claimed(database, now=NOW + LEASE)


def claim_each(url, ids, barrier, won):
    mine = Database(url)
    ids = random.Random(os.getpid()).sample(ids, len(ids))
    barrier.wait(PATIENCE)
    won.put([id_ for id_ in ids if isinstance(mine.acquire(id_, None, PLENTY, NOW), Lease)])
    mine.close()


def claim_and_die(url):
    claimed(Database(url))
    os.kill(os.getpid(), SIGKILL)


class TooEarly(Database):
    """One that looked just before another process had done something."""

    looked = False

    def _find_obstacle(self, *arguments):
        if not self.looked:
            self.looked = True
            return None
        return super()._find_obstacle(*arguments)


class TestAClaim:
    def test_looks_once_more_when_nobody_can_come_in_between(self, url, database):
        newer = saved(database)
        early = TooEarly(url)
        assert early.acquire("harbor", None, PLENTY, NOW) == newer
        early.close()
        claimed(database, known=newer)

    def test_does_not_repeat_what_has_just_failed(self, url, database):
        database.fail(claimed(database), UpstreamUnavailable(), NOW + MINUTE)
        early = TooEarly(url)
        assert isinstance(early.acquire("harbor", None, PLENTY, NOW), UpstreamUnavailable)
        early.close()

    def test_looks_again_and_answers_with_what_was_saved_meanwhile(self, database):
        newer = saved(database)
        assert database.acquire("harbor", None, PLENTY, NOW) == newer
        newest = saved(database, newer, now=NOW + SECOND)
        assert database.acquire("harbor", newer, PLENTY, NOW) == newest
        claimed(database, known=newest)
        assert not isinstance(database.acquire("harbor", newest, PLENTY, NOW), Edition)

    def test_is_had_with_what_is_in_memory_of_a_database_that_has_lost_it(self, database):
        known = saved(database, saved(database))
        with database._engine.write() as connection:
            connection.execute(sa.text("DELETE FROM events"))
        claim = claimed(database, known=known)
        assert saved(database, known, lease=claim) is None
        assert saved(database, lease=claim).version == 1

    @pytest.mark.parametrize(
        "error",
        [
            EventNotFound,
            UpstreamUnavailable,
            UpstreamTimeout,
            InvalidResponse,
            Forbidden,
            QuotaExhausted,
        ],
    )
    def test_answers_with_the_error_of_the_last_one_while_that_is_remembered(
        self, url, database, error
    ):
        database.fail(claimed(database), error(), NOW + MINUTE)
        again = another(url).acquire("harbor", None, PLENTY, NOW + MINUTE - MICROSECOND)
        assert type(again) is error
        assert isinstance(again, UpstreamError)
        assert again.retry_at == NOW + MINUTE
        claimed(database, now=NOW + MINUTE)

    def test_that_is_refused_leaves_nothing_behind(self, database):
        nothing = Rate(1, DAY, 1).quota_for(Priority.URGENT)
        claimed(database, "first", allowance=nothing)
        for number in range(5):
            assert isinstance(
                database.acquire(f"guess{number}", None, nothing, NOW), QuotaExhausted
            )
        assert [row.event_id for row in rows(database, leases)] == ["first"]

    def test_of_ids_that_are_none_leaves_nothing_behind_for_long(self, database):
        for number in range(5):
            now = NOW + number * MINUTE
            database.fail(
                claimed(database, f"guess{number}", now=now), EventNotFound(), now + 10 * MINUTE
            )
        assert len(rows(database, leases)) == 5
        late = claimed(database, "last", now=NOW + DAY)
        database.fail(late, EventNotFound(), NOW + DAY + MINUTE)
        assert [row.event_id for row in rows(database, leases)] == ["last"]

    def test_a_memory_left_by_a_clock_that_was_put_back_does_not_count(self, database):
        database.fail(claimed(database, now=NOW + DAY), UpstreamUnavailable(), NOW + DAY + MINUTE)
        claimed(database)


def granted(database, rate, share, times, now=NOW):
    allowance = rate.quota_for(share)
    return sum(database.spend_call(allowance, now) is None for _ in range(times))


def spend_all(url, rate, share, barrier, counts):
    mine = Database(url)
    barrier.wait(PATIENCE)
    counts.put(granted(mine, rate, share, 30))
    mine.close()


class TestTheBudget:
    RATE = Rate(100, MINUTE, 20)

    @pytest.mark.parametrize(
        ("share", "calls"),
        [
            (Priority.URGENT, 20),
            (Priority.ORDINARY, 15),
            (Priority.REFRESHER, 10),
            (Priority.UNSEEN, 12),
        ],
        ids=lambda value: getattr(value, "name", value),
    )
    def test_is_exact_over_processes(self, url, database, share, calls):
        barrier, counts = processes.Barrier(3), processes.Queue()
        started = [
            processes.Process(target=spend_all, args=(url, self.RATE, share, barrier, counts))
            for _ in range(3)
        ]
        for each in started:
            each.start()
        total = sum(counts.get(timeout=PATIENCE) for _ in started)
        for each in started:
            each.join(PATIENCE)
        assert total == calls
        assert granted(another(url), self.RATE, share, 5) == 0, "nor after a restart"

    def test_of_ids_never_seen_leaves_the_rest_to_those_that_are_known(self, database):
        assert granted(database, self.RATE, Priority.UNSEEN, 50) == 12
        assert granted(database, self.RATE, Priority.ORDINARY, 50) == 3
        assert granted(database, self.RATE, Priority.URGENT, 50) == 5

    @pytest.mark.parametrize("share", Priority, ids=lambda share: share.name)
    def test_tells_to_the_microsecond_when_there_is_one_more(self, database, share):
        allowance = self.RATE.quota_for(share)
        granted(database, self.RATE, share, 20)
        refusal = database.spend_call(allowance, NOW)
        assert isinstance(refusal, QuotaExhausted)
        assert refusal.retry_at is not None
        early = database.spend_call(allowance, refusal.retry_at - MICROSECOND)
        assert early is not None
        assert early.retry_at == refusal.retry_at
        assert database.spend_call(allowance, refusal.retry_at) is None

    @pytest.mark.parametrize("back", [timedelta(hours=1), DAY, 365 * DAY], ids=str)
    @pytest.mark.parametrize("share", Priority, ids=lambda share: share.name)
    def test_is_neither_closed_nor_open_wide_after_a_clock_was_put_back(
        self, database, share, back
    ):
        granted(database, self.RATE, Priority.URGENT, 20, now=NOW + back)
        granted(database, self.RATE, Priority.UNSEEN, 20, now=NOW + back)
        assert 1 <= granted(database, self.RATE, share, 50) <= 20
        assert granted(database, self.RATE, share, 50, now=NOW + MINUTE) >= 10

    def test_counts_a_call_that_is_made_in_any_case(self, database):
        for _ in range(30):
            database.count_call(self.RATE.quota_for(Priority.URGENT), NOW)
        assert granted(database, self.RATE, Priority.URGENT, 5) == 0

    @pytest.mark.parametrize("cause", [RateLimited, Unauthorized, Forbidden])
    @pytest.mark.parametrize("share", Priority, ids=lambda share: share.name)
    def test_is_closed_for_all_after_a_refusal(self, url, database, cause, share):
        closed(database, NOW + 30 * SECOND, cause())
        closed(database, NOW + 10 * SECOND, Unauthorized())
        allowance = self.RATE.quota_for(share)
        refusal = another(url).spend_call(allowance, NOW + 30 * SECOND - MICROSECOND)
        assert type(refusal) is cause
        assert refusal is not None
        assert refusal.retry_at == NOW + 30 * SECOND
        assert database.spend_call(allowance, NOW + 30 * SECOND) is None

    @pytest.mark.parametrize("back", [timedelta(minutes=5), DAY, 365 * DAY], ids=str)
    def test_closed_by_a_clock_that_was_put_back_is_open_and_can_be_closed(self, database, back):
        closed(database, NOW + back + 30 * SECOND, Unauthorized(), now=NOW + back)
        allowance = self.RATE.quota_for(Priority.URGENT)
        assert database.spend_call(allowance, NOW) is None
        closed(database, NOW + SECOND, RateLimited())
        assert isinstance(database.spend_call(allowance, NOW), RateLimited)

    def test_tells_of_the_bucket_that_is_empty_not_of_one_left_by_a_clock_put_back(self, database):
        granted(database, self.RATE, Priority.UNSEEN, 12, now=NOW + DAY)
        granted(database, self.RATE, Priority.URGENT, 50)
        refusal = database.spend_call(self.RATE.quota_for(Priority.UNSEEN), NOW)
        assert isinstance(refusal, QuotaExhausted)
        assert refusal.retry_at is not None
        assert refusal.retry_at < NOW + MINUTE
        assert database.spend_call(self.RATE.quota_for(Priority.UNSEEN), refusal.retry_at) is None


def closed(database, until, cause, now=NOW):
    database.close_upstream(until, cause, now, TestTheBudget.RATE.window)


STEPS = st.lists(
    st.tuples(st.integers(0, 40_000_000), st.sampled_from(Priority)), min_size=1, max_size=150
)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, limit=st.integers(1, 60), data=st.data())
def test_no_window_passes_the_limit_whatever_is_asked_when(tmp_path_factory, steps, limit, data):
    rate = Rate(limit, MINUTE, data.draw(st.integers(1, limit)))
    database = opened(f"sqlite:///{tmp_path_factory.mktemp('budget')}/feeds.sqlite3")
    now, calls = NOW, []
    for step, share in steps:
        now += step * MICROSECOND
        # As fast as it may, and once more.
        granted_now = (database.spend_call(rate.quota_for(share), now) is None for _ in range(3))
        calls += [(now, share) for grant in granted_now if grant]
    for number, (start, _) in enumerate(calls):
        window = [share for at, share in calls[number:] if at < start + MINUTE]
        assert len(window) <= limit
        assert window.count(Priority.UNSEEN) <= max(1, limit // 4)
        assert sum(at == start for at, _ in calls) <= rate.burst

"""The budget of calls: exact over processes, and right again whatever clocks and settings do.

``tests.test_claims`` has what one call after the other is told; here is what holds for all of them.
"""

from datetime import timedelta
from multiprocessing import get_context

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.database import Database
from feeds.errors import RateLimited, Spent, Unauthorized
from feeds.freshness import FAILED_FOR, MICROSECOND, Rate, Share, closed_until
from feeds.tables import service
from tests.making import NOW
from tests.running import PATIENCE
from tests.stores import another

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

RATE = Rate(100, MINUTE, 20)
TINY = [
    Rate(1, DAY, 1),
    Rate(1, MINUTE, 1),
    Rate(2, MINUTE, 1),
    Rate(2, MINUTE, 2),
    Rate(3, HOUR, 3),
    Rate(5, timedelta(seconds=1), 4),
]

any_share = pytest.mark.parametrize("share", Share, ids=lambda share: share.name)
any_tiny_rate = pytest.mark.parametrize(
    "rate", TINY, ids=lambda rate: f"{rate.limit} in {rate.window}, {rate.burst} at once"
)

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])

RATES = st.builds(
    lambda limit, burst, window: Rate(limit, window, min(limit, burst)),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([timedelta(seconds=1), MINUTE, HOUR, DAY]),
)
STEPS = st.lists(
    # How long nothing is asked for, in thousandths of the window, and who asks then how often.
    st.tuples(st.integers(0, 700), st.sampled_from(Share), st.integers(1, 20)),
    min_size=1,
    max_size=25,
)
SHARED = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""Examples share a database: ``emptied`` makes it a new one."""


def emptied(database):
    """The database, with nothing spent."""
    with database._engine.write() as connection:
        nothing = dict.fromkeys(("full", "unseen_full", "closed"), 0)
        connection.execute(sa.update(service).values(**nothing, cause=None))
    return database


def granted(database, rate, share, times, now=NOW):
    allowance = rate.allowance(share)
    return sum(database.spend(allowance, now) is None for _ in range(times))


def refused(database, rate, share, now):
    """The refusal of a call then."""
    refusal = database.spend(rate.allowance(share), now)
    assert refusal is not None
    assert refusal.retry_at is not None
    assert refusal.retry_at > now
    return refusal


def after(database, rate, steps):
    """The time after these steps, and what was granted when to whom on the way."""
    now, calls = NOW, []
    for thousandths, share, times in steps:
        now += rate.window * thousandths / 1000
        calls += [(now, share)] * granted(database, rate, share, times, now)
    return now, calls


class TestForAnySequence:
    @SHARED
    @given(rate=RATES, steps=STEPS)
    def test_no_window_has_more_calls_than_the_limit(self, database, rate, steps):
        _, calls = after(emptied(database), rate, steps)
        for number, (start, _) in enumerate(calls):
            window = [share for at, share in calls[number:] if at < start + rate.window]
            assert len(window) <= rate.limit
            assert window.count(Share.UNSEEN) <= max(1, rate.limit // 4)
            assert sum(at == start for at, _ in calls) <= rate.burst

    @SHARED
    @given(rate=RATES, steps=STEPS, share=st.sampled_from(Share))
    def test_a_refusal_tells_exactly_when_there_is_one_more(self, database, rate, steps, share):
        now, _ = after(emptied(database), rate, steps)
        granted(database, rate, share, rate.burst, now)
        refusal = refused(database, rate, share, now)
        assert isinstance(refusal, Spent)
        early = refused(database, rate, share, refusal.retry_at - MICROSECOND)
        assert early.retry_at == refusal.retry_at
        assert database.spend(rate.allowance(share), refusal.retry_at) is None

    @SHARED
    @given(rate=RATES, steps=STEPS, share=st.sampled_from(Share))
    def test_no_share_is_left_without_a_call_for_longer_than_two_windows(
        self, database, rate, steps, share
    ):
        now, _ = after(emptied(database), rate, steps)
        assert granted(database, rate, share, 1, now + 2 * rate.window + SECOND) == 1


@any_tiny_rate
class TestATinyRate:
    @any_share
    def test_gives_each_share_a_call_at_once_of_a_budget_that_is_idle(self, database, rate, share):
        assert granted(database, rate, share, 5) >= 1

    @any_share
    def test_gives_a_share_that_asks_alone_one_call_after_the_other(self, database, rate, share):
        now, calls = NOW, 0
        for _ in range(5):
            calls += granted(database, rate, share, 9, now)
            now = refused(database, rate, share, now).retry_at
        assert calls >= 5
        assert now - NOW <= 5 * (rate.window + SECOND)

    def test_is_no_more_than_it_says(self, database, rate):
        calls, step = 0, rate.window / 50
        for number in range(50):
            calls += granted(database, rate, Share.URGENT, 2, NOW + number * step)
        assert 1 <= calls <= rate.limit


def spend_all(url, rate, share, barrier, counts):
    mine = Database(url)
    barrier.wait(PATIENCE)
    counts.put((share, granted(mine, rate, share, rate.limit)))
    mine.close()


class TestManyProcesses:
    @pytest.mark.parametrize("burst", [20, 7])
    def test_that_want_it_for_different_things_get_no_more_together(self, url, database, burst):
        rate = Rate(50, MINUTE, burst)
        barrier, counts = processes.Barrier(len(Share)), processes.Queue()
        started = [
            processes.Process(target=spend_all, args=(url, rate, share, barrier, counts))
            for share in Share
        ]
        for each in started:
            each.start()
        got = dict(counts.get(timeout=PATIENCE) for _ in started)
        for each in started:
            each.join(PATIENCE)
            assert each.exitcode == 0
        assert sum(got.values()) == burst, "the urgent take what others leave"
        assert got[Share.URGENT] >= burst // 4
        assert sum(got.values()) - got[Share.URGENT] <= burst - burst // 4
        assert got[Share.REFRESHER] <= burst - burst // 2
        assert got[Share.UNSEEN] <= 50 // 4 // 2

    def test_what_was_spent_is_spent_after_a_restart(self, url, database):
        assert granted(database, RATE, Share.URGENT, 30) == 20
        database.close()
        later = another(url)
        later.open("https://api.intervals.run", "second", NOW + SECOND)
        assert granted(later, RATE, Share.URGENT, 30) == 0
        # Of 80 that flow in within a minute, the first after three quarters of a second.
        assert granted(later, RATE, Share.URGENT, 30, NOW + SECOND) == 1


BACK = [timedelta(seconds=90), HOUR, DAY, 3650 * DAY]


class TestAClockThatWasPutBack:
    """What cannot have been spent is forgotten: one call, and from then on as if all was spent.

    What could have been is believed: what is further ahead than the bucket and a window together
    is none of it, so that nobody waits for longer than that.
    """

    @pytest.mark.parametrize("back", BACK, ids=str)
    @any_share
    def test_opens_the_budget_by_one_call_and_what_flows_in(self, database, back, share):
        granted(database, RATE, Share.URGENT, 20, NOW + back)
        granted(database, RATE, Share.UNSEEN, 20, NOW + back + 2 * MINUTE)
        assert granted(database, RATE, share, 50) == 1
        # As from a bucket that was empty: 80 of the known, 12 of the others in a minute.
        calls = 1 + sum(
            granted(database, RATE, share, 9, NOW + number * SECOND) for number in range(1, 61)
        )
        assert calls == (14 if share is Share.UNSEEN else 80)

    @SHARED
    @given(
        rate=RATES,
        share=st.sampled_from(Share),
        back=st.integers(1, 10_000_000),
        steps=STEPS,
    )
    def test_closes_it_for_a_window_and_its_bucket_at_most(
        self, database, rate, share, back, steps
    ):
        after(emptied(database), rate, steps)
        now = NOW - back * SECOND
        bucket = rate.allowance(share).bucket
        allowed = now + rate.window + bucket.interval * bucket.capacity
        for _ in range(3):
            refusal = database.spend(rate.allowance(share), now)
            if refusal:
                assert refusal.retry_at is not None
                assert now < refusal.retry_at <= allowed
                now = refusal.retry_at
        assert granted(database, rate, share, 1, allowed) <= 1

    def test_is_told_of_when_there_is_one_more_all_the_same(self, database):
        granted(database, RATE, Share.UNSEEN, 20, NOW + DAY)
        granted(database, RATE, Share.URGENT, 20)  # which puts right what concerns all shares
        refusal = refused(database, RATE, Share.UNSEEN, NOW)
        assert refusal.retry_at < NOW + MINUTE
        assert database.spend(RATE.allowance(Share.UNSEEN), refusal.retry_at) is None

    def test_by_less_than_a_window_grants_nothing_that_was_not_there(self, database):
        assert granted(database, RATE, Share.URGENT, 20, NOW + 30 * SECOND) == 20
        assert granted(database, RATE, Share.URGENT, 20, NOW) == 0
        assert granted(database, RATE, Share.URGENT, 20, NOW + 30 * SECOND) == 0


class TestAClosedUpstream:
    @pytest.mark.parametrize("order", [1, -1], ids=["later-last", "later-first"])
    def test_opens_at_the_later_of_two_times_with_its_cause(self, database, order):
        closings = [
            (NOW + 10 * SECOND, Unauthorized()),
            (NOW + 40 * SECOND, RateLimited()),
        ]
        for until, cause in closings[::order]:
            database.close_upstream(until, cause)
        for moment in (NOW, NOW + 10 * SECOND, NOW + 40 * SECOND - MICROSECOND):
            refusal = refused(database, RATE, Share.URGENT, moment)
            assert isinstance(refusal, RateLimited)
            assert refusal.retry_at == NOW + 40 * SECOND
        assert database.spend(RATE.allowance(Share.URGENT), NOW + 40 * SECOND) is None

    def test_spends_nothing(self, database):
        database.close_upstream(NOW + 30 * SECOND, RateLimited())
        assert granted(database, RATE, Share.URGENT, 50) == 0
        assert granted(database, RATE, Share.URGENT, 50, NOW + 30 * SECOND) == 20

    @pytest.mark.parametrize("window", [timedelta(seconds=1), MINUTE, DAY], ids=str)
    @pytest.mark.parametrize("asked_for", [None, 3 * SECOND, 400_000 * DAY], ids=str)
    def test_opens_within_a_window_or_a_minute_whatever_it_asks_for(
        self, database, window, asked_for
    ):
        rate = Rate(10, window, 5)
        until = closed_until(NOW, asked_for and NOW + asked_for, window)
        database.close_upstream(until, RateLimited())
        assert granted(database, rate, Share.URGENT, 1, NOW) == 0
        assert granted(database, rate, Share.URGENT, 1, until - MICROSECOND) == 0
        assert granted(database, rate, Share.URGENT, 1, NOW + max(window, FAILED_FOR)) == 1

    @pytest.mark.parametrize("back", [timedelta(seconds=90), HOUR, DAY, 3650 * DAY], ids=str)
    def test_is_open_after_a_clock_was_put_back_and_can_be_closed(self, database, back):
        allowance = RATE.allowance(Share.URGENT)
        database.close_upstream(NOW + back + MINUTE, Unauthorized())
        assert database.spend(allowance, NOW) is None
        database.close_upstream(NOW + 30 * SECOND, RateLimited())
        assert isinstance(database.spend(allowance, NOW), RateLimited), "else a 429 is ignored"
        assert database.spend(allowance, NOW + 30 * SECOND) is None

    def test_is_closed_to_one_whose_clock_is_a_little_behind(self, database):
        database.close_upstream(closed_until(NOW, NOW + HOUR, MINUTE), RateLimited())
        behind = NOW - timedelta(milliseconds=200)
        assert granted(database, RATE, Share.URGENT, 1, behind) == 0

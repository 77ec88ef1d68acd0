"""The budget of calls: exact in any window, and told to the microsecond when there is one more."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from feeds.domain.freshness import MAX_CLOCK_SKEW
from feeds.domain.quota import MICROSECOND, Priority, Rate
from feeds.errors import Forbidden, QuotaExhausted, RateLimited, Unauthorized, UpstreamUnavailable
from feeds.store import ratelimit as budget
from feeds.store.tables import service
from tests.support.databases import another
from tests.support.factories import NOW

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RATE = Rate(100, MINUTE, 20)
INTERVAL = RATE.quota_for(Priority.URGENT).bucket.interval

of_each_share = pytest.mark.parametrize("share", Priority, ids=lambda share: share.name)


def spend(database, share, now=NOW):
    return database.spend_call(RATE.quota_for(share), now)


def granted(database, share, times, now=NOW):
    return sum(spend(database, share, now) is None for _ in range(times))


def close(database, until, cause, now=NOW):
    database.close_upstream(until, cause(), now, RATE.window)


def the_row(database):
    with database._engine.read() as connection:
        return connection.execute(sa.select(service)).one()


def told(refusal):
    """When there is one more call, as one is told whose call is refused because none is left."""
    assert isinstance(refusal, QuotaExhausted)
    assert refusal.retry_at is not None
    return refusal.retry_at


def as_soon_as_told(database, share, end):
    """The instants of all calls of somebody who asks whenever there should be one more."""
    now, calls = NOW, []
    while now < end:
        if refusal := spend(database, share, now):
            now = told(refusal)
            assert spend(database, share, now) is None
        calls.append(now)
        assert len(calls) <= 1000, "there is no end to it"
    return [at for at in calls if at < end]


class TestTheLimit:
    @pytest.mark.parametrize(
        ("share", "most"), [(Priority.URGENT, 100), (Priority.ORDINARY, 100), (Priority.UNSEEN, 25)]
    )
    def test_is_what_a_window_takes_from_one_that_asks_as_soon_as_told(self, database, share, most):
        calls = as_soon_as_told(database, share, NOW + 3 * MINUTE / 2)
        windows = [sum(start <= at < start + MINUTE for at in calls) for start in calls]
        assert max(windows) <= most
        reserve = RATE.quota_for(share).reserve if share is Priority.ORDINARY else 0
        assert windows[0] >= most - reserve - 1, "rounded up by a microsecond: not one call more"

    def test_is_one_for_all_connections(self, url, database):
        others = [database, another(url), another(url)]
        assert sum(granted(each, Priority.URGENT, 1) for each in others * 8) == RATE.burst

    def test_is_the_burst_again_once_nobody_has_asked_for_long_enough(self, database):
        assert granted(database, Priority.URGENT, 25) == 20
        assert granted(database, Priority.URGENT, 25, NOW + 20 * INTERVAL) == 20
        assert granted(database, Priority.URGENT, 25, NOW + HOUR) == 20, "and never more"


class TestShares:
    def test_leave_what_is_not_theirs(self, database):
        assert granted(database, Priority.REFRESHER, 30) == 10
        assert granted(database, Priority.ORDINARY, 30) == 5
        assert granted(database, Priority.URGENT, 30) == 5
        assert the_row(database).unseen_tat == 0, "ids never seen took nothing"

    def test_of_ids_never_seen_have_a_bucket_of_their_own_within_the_same_total(self, database):
        assert granted(database, Priority.UNSEEN, 30) == 12
        assert granted(database, Priority.ORDINARY, 30) == 3
        assert granted(database, Priority.URGENT, 30) == 5
        later = NOW + 20 * INTERVAL
        assert granted(database, Priority.UNSEEN, 30, later) == 3, (
            "their own has filled more slowly"
        )

    @of_each_share
    def test_that_are_refused_take_nothing(self, database, share):
        granted(database, Priority.UNSEEN, 30)
        granted(database, Priority.URGENT, 30)
        before = the_row(database)
        assert granted(database, share, 5) == 0
        assert the_row(database) == before


class TestACountedCall:
    def test_is_never_refused_not_even_while_the_upstream_is_closed(self, database):
        close(database, NOW + SECOND, RateLimited)
        for _ in range(30):
            database.count_call(RATE.quota_for(Priority.URGENT), NOW)
        row = the_row(database)
        assert budget.from_micros(row.tat) == NOW + 30 * INTERVAL
        assert (row.unseen_tat, row.cause) == (0, "RateLimited")
        assert isinstance(spend(database, Priority.URGENT), RateLimited)

    def test_is_one_of_those_that_a_window_takes(self, database):
        for _ in range(40):
            database.count_call(RATE.quota_for(Priority.URGENT), NOW)
        assert told(spend(database, Priority.URGENT)) == NOW + 21 * INTERVAL
        assert 58 <= len(as_soon_as_told(database, Priority.URGENT, NOW + MINUTE)) <= 60


class TestTheUpstream:
    @of_each_share
    @pytest.mark.parametrize("cause", [RateLimited, Unauthorized, Forbidden])
    def test_is_closed_until_then_and_open_at_that_instant(self, database, cause, share):
        closed = NOW + 30 * SECOND
        close(database, closed, cause)
        before = the_row(database)
        for now in (NOW, closed - MICROSECOND):
            refusal = spend(database, share, now)
            assert type(refusal) is cause
            assert refusal.retry_at == closed
        assert the_row(database) == before
        assert spend(database, share, closed) is None

    def test_stays_closed_for_as_long_as_the_longest_refusal_says(self, database):
        close(database, NOW + 30 * SECOND, RateLimited)
        close(database, NOW + 30 * SECOND, Forbidden)
        close(database, NOW + 10 * SECOND, Unauthorized)
        refusal = spend(database, Priority.URGENT, NOW + 20 * SECOND)
        assert (type(refusal), refusal.retry_at) == (RateLimited, NOW + 30 * SECOND)
        close(database, NOW + 50 * SECOND, Unauthorized)
        refusal = spend(database, Priority.URGENT, NOW + 20 * SECOND)
        assert (type(refusal), refusal.retry_at) == (Unauthorized, NOW + 50 * SECOND)

    def test_can_be_closed_again_once_it_was_open(self, database):
        close(database, NOW + SECOND, RateLimited)
        assert spend(database, Priority.URGENT, NOW + SECOND) is None
        close(database, NOW + 3 * SECOND, UpstreamUnavailable)
        assert isinstance(spend(database, Priority.URGENT, NOW + 2 * SECOND), UpstreamUnavailable)

    def test_is_closed_by_a_clock_that_is_a_little_ahead_and_no_further(self, database):
        close(database, NOW + MINUTE + MAX_CLOCK_SKEW, RateLimited)
        assert isinstance(spend(database, Priority.URGENT), RateLimited)
        assert spend(database, Priority.URGENT, NOW - MICROSECOND) is None, "the clock was put back"

    @pytest.mark.parametrize("back", [HOUR, 23 * HOUR, 3 * DAY, 365 * DAY], ids=str)
    def test_can_be_closed_after_a_clock_was_put_back(self, database, back):
        close(database, NOW + back + MINUTE, RateLimited, NOW + back)
        close(database, NOW + MINUTE, Unauthorized)
        refusal = spend(database, Priority.URGENT)
        assert (type(refusal), refusal and refusal.retry_at) == (Unauthorized, NOW + MINUTE)
        assert spend(database, Priority.URGENT, NOW + MINUTE) is None


class TestAfterAClockWasPutBack:
    @of_each_share
    @pytest.mark.parametrize("back", [5 * MINUTE, DAY, 365 * DAY], ids=str)
    def test_one_call_puts_it_right_and_no_burst_comes_of_it(self, database, share, back):
        granted(database, Priority.UNSEEN, 30, NOW + back)
        granted(database, Priority.URGENT, 30, NOW + back)
        assert granted(database, share, 30) == 1
        row = the_row(database)
        assert budget.from_micros(row.tat) <= NOW + MINUTE
        assert granted(database, Priority.URGENT, 30, NOW + MINUTE) == 20

    def test_by_less_than_a_window_no_more_is_granted_for_it(self, database):
        granted(database, Priority.URGENT, 30, NOW + 30 * SECOND)
        retry = told(spend(database, Priority.URGENT))
        assert retry == NOW + 30 * SECOND + INTERVAL
        assert spend(database, Priority.URGENT, retry - MICROSECOND) is not None
        assert spend(database, Priority.URGENT, retry) is None

    def test_nobody_is_told_to_come_when_the_other_bucket_will_be_full_again(self, database):
        granted(database, Priority.UNSEEN, 30, NOW + HOUR)
        assert granted(database, Priority.URGENT, 1) == 1
        retry = told(spend(database, Priority.UNSEEN))
        assert retry <= NOW + MINUTE
        assert spend(database, Priority.UNSEEN, retry) is None

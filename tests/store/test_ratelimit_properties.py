"""The budget of calls, whatever is asked when: over a database in memory, as that is fast."""

from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.domain.quota import MICROSECOND, Priority, Rate
from feeds.errors import QuotaExhausted, Unauthorized
from feeds.store import ratelimit as budget
from feeds.store import schema as migrations
from feeds.store.tables import service
from tests.support.factories import NOW

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@contextmanager
def in_memory():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        migrations.create_schema(connection)
        yield connection
    engine.dispose()


def on_trial(connection, allowance, now):
    """What a call would be answered, without its being made."""
    before = connection.execute(sa.select(service)).one()._asdict()
    refusal = budget.spend_call(connection, allowance, now)
    connection.execute(sa.update(service).values(before))
    return refusal


windows = st.sampled_from([SECOND, MINUTE, DAY])
rates = st.integers(1, 60).flatmap(
    lambda limit: st.builds(Rate, st.just(limit), windows, st.integers(1, limit))
)
acts = st.sampled_from([*Priority, "count", "close"])


def steps(least):
    """What is done, each that part of a window later."""
    return st.lists(st.tuples(st.floats(least, 1.5), acts), max_size=60)


def played(connection, rate, steps):
    """Have it all done; the instant, the share and the refusal of each call that was asked for."""
    now = NOW
    for part, act in steps:
        now += rate.window * part
        if act == "count":
            budget.count_call(connection, rate.quota_for(Priority.URGENT), now)
        elif act == "close":
            until = now + min(rate.window, MINUTE) / 7
            budget.close_upstream(connection, until, "Unauthorized", now, rate.window)
        else:
            for _ in range(3):
                yield now, act, budget.spend_call(connection, rate.quota_for(act), now)


@given(limit=st.integers(1, 100_000), window=windows, data=st.data())
def test_what_flows_in_within_a_window_is_what_the_burst_leaves_of_the_limit(limit, window, data):
    rate = Rate(limit, window, data.draw(st.integers(1, limit)))
    bucket = rate.quota_for(Priority.URGENT).bucket
    assert bucket.capacity == rate.burst
    assert (
        window <= bucket.interval * max(1, limit - rate.burst) <= window + 2 * limit * MICROSECOND
    )


@settings(deadline=None, max_examples=50)
@given(rate=rates, steps=steps(0).map(lambda steps: [s for s in steps if s[1] != "count"]))
def test_no_window_holds_more_than_its_limit(rate, steps):
    with in_memory() as connection:
        calls = [(at, share) for at, share, no in played(connection, rate, steps) if no is None]
    for start, _ in calls:
        window = [share for at, share in calls if start <= at < start + rate.window]
        assert len(window) <= rate.limit
        assert window.count(Priority.UNSEEN) <= max(1, rate.limit // 4)


@settings(deadline=None, max_examples=50)
@given(rate=rates, steps=steps(0))
def test_a_refusal_tells_the_first_instant_of_a_call(rate, steps):
    with in_memory() as connection:
        for now, share, refusal in played(connection, rate, steps):
            if refusal:
                allowance = rate.quota_for(share)
                assert refusal.retry_at > now
                assert on_trial(connection, allowance, refusal.retry_at - MICROSECOND)
                again = on_trial(connection, allowance, refusal.retry_at)
                # An upstream that is open again may have no calls left; it is not closed.
                assert again is None or (
                    isinstance(refusal, Unauthorized) and isinstance(again, QuotaExhausted)
                )

"""How many calls each purpose may spend."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.quota import Priority, Rate, choose_priority

START = datetime(2025, 6, 14, 13, tzinfo=UTC)
END = START + timedelta(hours=5)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
RATE = Rate(100, DAY, 20)


@pytest.mark.parametrize(
    ("now", "priority"),
    [
        (START - 2 * DAY - SECOND, Priority.ORDINARY),
        (START - 2 * DAY, Priority.URGENT),
        (START, Priority.URGENT),
        (END - SECOND, Priority.URGENT),
        (END, Priority.ORDINARY),
    ],
    ids=str,
)
def test_a_poll_of_an_event_that_starts_within_48_hours_or_is_on_is_urgent(now, priority):
    assert choose_priority((START, END), now) is priority


def test_a_poll_of_an_id_that_was_never_seen_has_a_priority_of_its_own():
    assert choose_priority(None, START) is Priority.UNSEEN


@pytest.mark.parametrize(
    ("priority", "reserve"),
    [
        (Priority.URGENT, 0),
        (Priority.ORDINARY, 5),
        (Priority.UNSEEN, 5),
        (Priority.REFRESHER, 10),
    ],
)
def test_each_priority_leaves_a_part_of_the_bucket_to_more_urgent_calls(priority, reserve):
    quota = RATE.quota_for(priority)
    assert (quota.bucket.capacity, quota.reserve, quota.window) == (20, reserve, DAY)


def test_ids_that_were_never_seen_get_a_quarter_of_the_limit():
    own = RATE.quota_for(Priority.UNSEEN).own
    assert own is not None
    assert own.capacity == 12
    assert own.interval == pytest.approx(DAY / 13, abs=timedelta(microseconds=2))
    others = set(Priority) - {Priority.UNSEEN}
    assert {RATE.quota_for(priority).own for priority in others} == {None}


@given(st.integers(1, 2000), st.data(), st.sampled_from(Priority))
def test_each_priority_has_a_call(limit, data, priority):
    quota = Rate(limit, DAY, data.draw(st.integers(1, limit))).quota_for(priority)
    assert quota.reserve < quota.bucket.capacity
    assert quota.own is None or quota.own.capacity >= 1


@given(st.integers(1, 2000), st.data())
def test_a_full_bucket_and_the_calls_added_within_a_window_are_no_more_than_the_limit(limit, data):
    rate = Rate(limit, DAY, data.draw(st.integers(1, limit)))
    bucket = rate.quota_for(Priority.URGENT).bucket
    added = -(-DAY // bucket.interval) - 1  # before the window is over
    assert bucket.capacity + added <= limit


@pytest.mark.parametrize(
    ("rate", "polled", "least"),
    [
        (RATE, 1, timedelta(minutes=28, seconds=48)),
        (RATE, 10, timedelta(hours=4, minutes=48)),
        (Rate(100, MINUTE, 20), 250, 5 * MINUTE),
        (Rate(100, MINUTE, 20), 0, timedelta(0)),
    ],
    ids=str,
)
def test_max_age_is_stretched_until_half_of_the_limit_refreshes_all_polled_events(
    rate, polled, least
):
    assert rate.stretch(polled) == least

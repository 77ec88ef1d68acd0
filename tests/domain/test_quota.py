"""How many calls each purpose may spend."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.quota import Priority, Rate, choose_priority

START = datetime(2025, 6, 14, 13, tzinfo=UTC)
END = START + timedelta(hours=5)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


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
    assert choose_priority([(START, END)], now) is priority


@pytest.mark.parametrize(
    ("now", "priority"),
    [
        (END, Priority.ORDINARY),
        (START + 5 * DAY - SECOND, Priority.ORDINARY),
        (START + 5 * DAY, Priority.URGENT),
        (END + 7 * DAY - SECOND, Priority.URGENT),
        (END + 7 * DAY, Priority.ORDINARY),
    ],
    ids=str,
)
def test_a_poll_between_two_weekly_sessions_is_ordinary(now, priority):
    spans = [(START, END), (START + 7 * DAY, END + 7 * DAY)]
    assert choose_priority(spans, now) is priority


def test_a_poll_of_an_id_that_was_never_seen_has_a_priority_of_its_own():
    assert choose_priority(None, START) is Priority.UNSEEN


def test_a_guess_is_a_poll_of_an_id_that_was_never_seen():
    assert choose_priority(None, START, guessed=True) is Priority.GUESS
    assert choose_priority([(START, END)], START, guessed=True) is Priority.URGENT


@given(st.integers(1, 2000), st.data(), st.sampled_from(Priority))
def test_each_priority_has_a_call(limit, data, priority):
    quota = Rate(limit, DAY, data.draw(st.integers(1, limit))).quota_for(priority)
    assert quota.reserve < quota.bucket.capacity
    assert quota.own is None or quota.own_reserve < quota.own.capacity


@given(st.integers(1, 2000), st.data())
def test_a_full_bucket_and_the_calls_added_within_a_window_are_no_more_than_the_limit(limit, data):
    rate = Rate(limit, DAY, data.draw(st.integers(1, limit)))
    bucket = rate.quota_for(Priority.URGENT).bucket
    added = -(-DAY // bucket.interval) - 1  # before the window is over
    assert bucket.capacity + added <= limit

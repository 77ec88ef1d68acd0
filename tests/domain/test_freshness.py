"""How long an edition may be served, by the phase of its event."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.freshness import (
    MaxAgeBounds,
    choose_max_age,
    clamp_max_age,
    compute_gone_lifetime,
    compute_lifetime,
    compute_max_age,
    compute_refresh_time,
    compute_reopening,
)

START = datetime(2025, 6, 14, 13, tzinfo=UTC)
END = START + timedelta(hours=5)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)
NONE = timedelta(0)


@pytest.mark.parametrize(
    ("lasts", "before"),
    [(HOUR, MINUTE), (5 * MINUTE, MINUTE), (5 * SECOND, SECOND)],  # a minute or a fifth
    ids=str,
)
def test_the_background_refresher_renews_an_edition_shortly_before_it_expires(lasts, before):
    assert compute_refresh_time(START, START + lasts) == START + lasts - before


@pytest.mark.parametrize(
    ("ahead", "seconds"),
    [(3600, 3600), (3599.5, 3599), (1.999, 1), (1, 1), (0.5, 1), (0, 1), (-10, 1)],
)
def test_max_age_is_the_whole_seconds_until_the_expiry_and_at_least_one(ahead, seconds):
    assert compute_max_age(1000 + ahead, 1000) == seconds


@pytest.mark.parametrize(
    ("retry_at", "reopens"),
    [(START - SECOND, MINUTE), (START, MINUTE), (START + SECOND, SECOND), (END, 2 * HOUR)],
    ids=["past", "now", "ahead", "later than a window"],
)
def test_calls_go_on_at_the_time_that_a_refusal_names_within_one_window(retry_at, reopens):
    assert compute_reopening(START, retry_at, window=2 * HOUR) == START + reopens


def test_the_rate_limit_stretches_the_max_age_of_an_event_that_is_gone():
    bounds = MaxAgeBounds(stretch=2 * HOUR)
    assert compute_gone_lifetime(START, bounds).expires == START + 2 * HOUR


# Whole seconds or not, before, in and after all phases, and on their boundaries.
OFFSETS = st.timedeltas(-30 * DAY, 60 * DAY) | st.sampled_from(
    [-14 * DAY, -2 * DAY, NONE, HOUR, 2 * DAY, 2 * DAY + HOUR, 30 * DAY, 32 * DAY]
)
SPANS = (st.timedeltas(SECOND, 40 * DAY) | st.sampled_from([HOUR, 30 * DAY])).map(
    lambda lasts: (START, START + lasts)
)
LATER = st.builds(
    lambda start, lasts: (START + start, START + start + lasts),
    st.timedeltas(NONE, 60 * DAY),
    st.timedeltas(SECOND, 3 * DAY),
)
LISTS = st.builds(lambda first, more: [first, *more], SPANS, st.lists(LATER, max_size=4))

BOUNDS = st.builds(
    MaxAgeBounds,
    cap=st.none() | st.timedeltas(NONE, 2 * DAY),
    stretch=st.timedeltas(NONE, 30 * HOUR) | st.just(NONE),
)


@given(LISTS, OFFSETS, BOUNDS, st.floats(0, 1, exclude_max=True))
def test_max_age_never_exceeds_that_of_the_phase_and_no_phase_costs_a_call(
    spans, offset, bounds, share
):
    fetched = START + offset
    expires = compute_lifetime(spans, fetched, bounds).expires

    def allowed(at):
        return clamp_max_age(choose_max_age(spans, at), bounds)

    at = fetched + share * (expires - fetched)
    assert fetched <= at <= expires
    assert expires - fetched <= allowed(fetched)
    if at < expires:
        assert at - fetched <= allowed(at)
        assert expires - at <= allowed(at)
    # A phase that begins ends no edition that is younger than the phase allows.
    assert expires - fetched >= min(allowed(fetched), allowed(expires))

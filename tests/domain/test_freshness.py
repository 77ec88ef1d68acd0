"""How long an edition may be served, by the phase of its event."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.freshness import (
    Lifetime,
    MaxAgeBounds,
    choose_max_age,
    clamp_max_age,
    compute_gone_lifetime,
    compute_lifetime,
    compute_max_age,
    compute_refresh_time,
    compute_reopening,
    compute_unknown_expiry,
    shorten_lifetime,
)

START = datetime(2025, 6, 14, 13, tzinfo=UTC)
END = START + timedelta(hours=5)
SPAN = (START, END)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)
NONE = timedelta(0)
NO_BOUNDS = MaxAgeBounds()


def expires(fetched, bounds=NO_BOUNDS):
    """When an edition expires that was fetched then."""
    return compute_lifetime(SPAN, fetched, bounds).expires


@pytest.mark.parametrize(
    ("max_age", "instants"),
    [
        (HOUR, [START - 365 * DAY, START - 14 * DAY - SECOND]),
        (15 * MINUTE, [START - 14 * DAY, START - 7 * DAY, START - 48 * HOUR - SECOND]),
        (5 * MINUTE, [START - 48 * HOUR, START - HOUR, START, START + 2 * HOUR, END - SECOND]),
        (HOUR, [END, END + SECOND, END + DAY, END + 2 * DAY - SECOND]),
        (DAY, [END + 2 * DAY, END + 2 * DAY + SECOND, END + 365 * DAY]),
    ],
    ids=["later", "within 14 days", "within 48 hours or on", "ended", "ended 2 days ago"],
)
def test_each_phase_of_an_event_has_a_max_age(max_age, instants):
    assert {choose_max_age(SPAN, instant) for instant in instants} == {max_age}


@pytest.mark.parametrize(
    ("fetched", "lasts"),
    [
        (START - 14 * DAY - HOUR, HOUR),  # no phase begins before its end
        (START - 14 * DAY - 59 * MINUTE, 59 * MINUTE),  # it is too old when the phase begins
        (START - 14 * DAY - 16 * MINUTE, 16 * MINUTE),
        (START - 14 * DAY - 10 * MINUTE, 15 * MINUTE),  # as old as the phase allows
        (START - 2 * DAY - 14 * MINUTE, 14 * MINUTE),
        (START - 2 * DAY - MINUTE, 5 * MINUTE),
        (END - MINUTE, 5 * MINUTE),  # a longer max-age comes with the next edition
    ],
    ids=str,
)
def test_an_edition_ends_when_it_is_as_old_as_its_present_phase_allows(fetched, lasts):
    lifetime = compute_lifetime(SPAN, fetched, NO_BOUNDS)
    assert lifetime == Lifetime(SPAN, choose_max_age(SPAN, fetched), fetched + lasts)


def test_an_edition_is_fresh_for_the_least_max_age_that_the_rate_limit_carries():
    bounds = MaxAgeBounds(stretch=29 * MINUTE)
    assert expires(START, bounds) == START + 29 * MINUTE
    assert expires(START - 100 * DAY, bounds) == START - 100 * DAY + HOUR
    assert expires(START, MaxAgeBounds(cap=SECOND, stretch=29 * MINUTE)) == START + 29 * MINUTE


@pytest.mark.parametrize(
    ("pause", "stretch", "left"),
    [(1, 0, 1), (15, 0, 5), (1, 3, 3), (15, 29, 29)],
    ids=["after the pause", "never later", "as the rate allows", "as the rate allows, never later"],
)
def test_an_edition_ends_after_a_pause_as_far_as_the_rate_limit_allows(pause, stretch, left):
    bounds = MaxAgeBounds(stretch=stretch * MINUTE)
    lifetime = compute_lifetime(SPAN, START, bounds)
    shortened = shorten_lifetime(lifetime, START, pause * MINUTE, bounds)
    assert shortened.expires == START + left * MINUTE


def test_an_edition_of_an_event_that_is_gone_is_fresh_for_an_hour():
    lifetime = compute_gone_lifetime(SPAN, START, NO_BOUNDS)
    assert lifetime == Lifetime(SPAN, HOUR, START + HOUR)
    bounds = MaxAgeBounds(stretch=2 * HOUR)
    assert compute_gone_lifetime(SPAN, START, bounds).expires == START + 2 * HOUR


def test_an_unknown_id_is_remembered_for_10_minutes_or_the_cap():
    assert compute_unknown_expiry(START, None) == START + 10 * MINUTE
    assert compute_unknown_expiry(START, SECOND) == START + SECOND


@pytest.mark.parametrize(
    ("lasts", "before"),
    [(HOUR, MINUTE), (5 * MINUTE, MINUTE), (5 * SECOND, SECOND)],  # a minute or a fifth
    ids=str,
)
def test_the_background_refresher_renews_an_edition_shortly_before_it_expires(lasts, before):
    assert compute_refresh_time(START, START + lasts) == START + lasts - before


@pytest.mark.parametrize("retry_at", [None, START, START - SECOND], ids=str)
def test_a_refusal_without_a_time_ahead_stops_calls_for_a_minute(retry_at):
    assert compute_reopening(START, retry_at, HOUR) == START + MINUTE


def test_a_refusal_stops_calls_until_the_time_that_it_names_for_one_window_at_most():
    assert compute_reopening(START, START + SECOND, HOUR) == START + SECOND
    assert compute_reopening(START, START + 365_000 * DAY, HOUR) == START + HOUR


@pytest.mark.parametrize(
    ("ahead", "seconds"),
    [(3600, 3600), (3599.5, 3599), (1.999, 1), (1, 1), (0.5, 1), (0, 1), (-10, 1)],
)
def test_max_age_is_the_whole_seconds_until_the_expiry_and_at_least_one(ahead, seconds):
    assert compute_max_age(1000 + ahead, 1000) == seconds


def test_max_age_is_a_minute_after_a_failed_refresh():
    assert compute_max_age(None, 1000) == 60


# Whole seconds or not, before, in and after all phases, and on their boundaries.
OFFSETS = st.timedeltas(-30 * DAY, 60 * DAY) | st.sampled_from(
    [-14 * DAY, -2 * DAY, NONE, HOUR, 2 * DAY, 2 * DAY + HOUR, 30 * DAY, 32 * DAY]
)
SPANS = (st.timedeltas(SECOND, 40 * DAY) | st.sampled_from([HOUR, 30 * DAY])).map(
    lambda lasts: (START, START + lasts)
)


BOUNDS = st.builds(
    MaxAgeBounds,
    cap=st.none() | st.timedeltas(NONE, 2 * DAY),
    stretch=st.timedeltas(NONE, 30 * HOUR) | st.just(NONE),
)


@given(SPANS, OFFSETS, BOUNDS, st.floats(0, 1, exclude_max=True))
def test_max_age_never_exceeds_that_of_the_phase_and_no_phase_costs_a_call(
    span, offset, bounds, share
):
    fetched = START + offset
    expires = compute_lifetime(span, fetched, bounds).expires

    def allowed(at):
        return clamp_max_age(choose_max_age(span, at), bounds)

    at = fetched + share * (expires - fetched)
    assert fetched <= at <= expires
    assert expires - fetched <= allowed(fetched)
    if at < expires:
        assert at - fetched <= allowed(at)
        assert expires - at <= allowed(at)
    # A phase that begins ends no edition that is younger than the phase allows.
    assert expires - fetched >= min(allowed(fetched), allowed(expires))

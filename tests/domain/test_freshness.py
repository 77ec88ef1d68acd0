"""How long an edition may be served, by the phase of its event."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeds.domain.freshness import (
    Lifetime,
    MaxAgeBounds,
    choose_max_age,
    compute_gone_lifetime,
    compute_lifetime,
    compute_max_age,
    compute_refresh_time,
    compute_reopening,
    compute_unknown_expiry,
    find_next_phase,
)

START = datetime(2025, 6, 14, 13, tzinfo=UTC)
END = START + timedelta(hours=5)
SPAN = (START, END)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)
NONE = timedelta(0)
NO_BOUNDS = MaxAgeBounds()


def expires(fetched, bounds=NO_BOUNDS, instants=()):
    """When an edition expires that was fetched then."""
    return compute_lifetime(SPAN, fetched, bounds, instants).expires


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
    ("now", "phase"),
    [
        (START - 365 * DAY, START - 14 * DAY),
        (START - 14 * DAY - SECOND, START - 14 * DAY),
        (START - 14 * DAY, START - 48 * HOUR),
        (START - 48 * HOUR - SECOND, START - 48 * HOUR),
        (START - 48 * HOUR, END),
        (START, END),
        (END - SECOND, END),
        (END, END + 2 * DAY),
        (END + 2 * DAY - SECOND, END + 2 * DAY),
    ],
    ids=str,
)
def test_the_next_phase_begins_when_max_age_next_changes(now, phase):
    assert find_next_phase(SPAN, now) == phase
    assert choose_max_age(SPAN, phase) != choose_max_age(SPAN, now)


@pytest.mark.parametrize("phase", [START - 14 * DAY, START - 48 * HOUR, END, END + 2 * DAY])
@pytest.mark.parametrize("cap", [None, DAY], ids=str)
def test_an_edition_expires_when_the_next_phase_begins(phase, cap):
    fetched = phase - 2 * MINUTE
    lifetime = compute_lifetime(SPAN, fetched, MaxAgeBounds(cap))
    assert lifetime == Lifetime(SPAN, choose_max_age(SPAN, fetched), phase)


def test_an_edition_is_fresh_for_the_least_max_age_that_the_rate_limit_carries():
    bounds = MaxAgeBounds(stretch=29 * MINUTE)
    assert expires(START, bounds) == START + 29 * MINUTE
    assert expires(START - 100 * DAY, bounds) == START - 100 * DAY + HOUR
    assert expires(START, MaxAgeBounds(cap=SECOND, stretch=29 * MINUTE)) == START + 29 * MINUTE


def test_an_edition_expires_at_the_next_instant_at_which_the_clock_changes_its_bytes():
    bounds = MaxAgeBounds(stretch=10 * HOUR)
    assert expires(END - HOUR, bounds) == END
    instants = [START - SECOND, START, START + SECOND, START + 2 * SECOND]
    assert expires(START, bounds, instants) == START + SECOND
    assert compute_gone_lifetime(SPAN, START, NO_BOUNDS, instants).expires == START + SECOND


def test_an_edition_of_an_event_that_is_gone_is_fresh_for_an_hour():
    lifetime = compute_gone_lifetime(SPAN, START, NO_BOUNDS, [])
    assert lifetime == Lifetime(SPAN, HOUR, START + HOUR)
    bounds = MaxAgeBounds(stretch=2 * HOUR)
    assert compute_gone_lifetime(SPAN, START, bounds, []).expires == START + 2 * HOUR


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


@given(SPANS, OFFSETS, st.floats(0, 1))
def test_max_age_stays_the_same_until_the_next_phase(span, offset, share):
    now = START + offset
    phase = find_next_phase(span, now)
    between = now + ((phase or now + 365 * DAY) - now) * share
    assume(phase is None or between < phase)
    assert choose_max_age(span, between) == choose_max_age(span, now)


@given(SPANS, OFFSETS, st.none() | st.timedeltas(NONE, 2 * DAY))
def test_an_edition_never_gets_older_than_max_age(span, offset, cap):
    fetched = START + offset
    lifetime = compute_lifetime(span, fetched, MaxAgeBounds(cap))
    assert fetched <= lifetime.expires <= fetched + lifetime.max_age
    assert lifetime.max_age <= choose_max_age(span, fetched)
    assert cap is None or lifetime.max_age <= cap

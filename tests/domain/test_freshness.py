"""How long an edition may be served, by the phase of its event."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeds.domain.freshness import (
    MaxAgeBounds,
    choose_max_age,
    compute_gone_lifetime,
    compute_lifetime,
    compute_refresh_time,
    compute_reopening,
    compute_unknown_expiry,
    find_next_phase,
)
from feeds.domain.quota import Priority, Rate, choose_priority

START = datetime(2025, 6, 14, 13, tzinfo=UTC)
END = START + timedelta(hours=5)
SPAN = (START, END)

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def minutes(count):
    return timedelta(minutes=count)


class TestMaxAge:
    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(START - 48 * HOUR, id="48-hours-before"),
            pytest.param(START - HOUR, id="an-hour-before"),
            pytest.param(START, id="at-the-start"),
            pytest.param(START + 2 * HOUR, id="on"),
            pytest.param(END - SECOND, id="in-the-last-second"),
        ],
    )
    def test_is_5_minutes_when_the_event_starts_within_48_hours_or_is_on(self, now):
        assert choose_max_age(SPAN, now) == minutes(5)

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(START - 14 * DAY, id="14-days-before"),
            pytest.param(START - 7 * DAY, id="a-week-before"),
            pytest.param(START - 48 * HOUR - SECOND, id="48-hours-and-a-second-before"),
        ],
    )
    def test_is_15_minutes_when_it_starts_within_14_days(self, now):
        assert choose_max_age(SPAN, now) == minutes(15)

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(START - 14 * DAY - SECOND, id="14-days-and-a-second-before"),
            pytest.param(START - 365 * DAY, id="a-year-before"),
        ],
    )
    def test_is_an_hour_when_it_starts_later(self, now):
        assert choose_max_age(SPAN, now) == minutes(60)

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(END, id="at-the-end"),
            pytest.param(END + SECOND, id="a-second-after"),
            pytest.param(END + DAY, id="a-day-after"),
            pytest.param(END + 2 * DAY - SECOND, id="a-second-short-of-2-days-after"),
        ],
    )
    def test_is_an_hour_for_2_days_after_the_end(self, now):
        assert choose_max_age(SPAN, now) == minutes(60)

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(END + 2 * DAY, id="2-days-after"),
            pytest.param(END + 2 * DAY + SECOND, id="2-days-and-a-second-after"),
            pytest.param(END + 365 * DAY, id="a-year-after"),
        ],
    )
    def test_is_a_day_when_it_ended_2_days_ago(self, now):
        assert choose_max_age(SPAN, now) == 24 * HOUR

    def test_is_5_minutes_all_the_time_that_a_long_event_is_on(self):
        month = (START, START + 30 * DAY)
        assert {choose_max_age(month, START + count * DAY) for count in range(30)} == {minutes(5)}


class TestNextPhase:
    @pytest.mark.parametrize(
        ("now", "phase"),
        [
            pytest.param(START - 365 * DAY, START - 14 * DAY, id="a-year-before"),
            pytest.param(START - 14 * DAY - SECOND, START - 14 * DAY, id="before-14-days"),
            pytest.param(START - 14 * DAY, START - 48 * HOUR, id="at-14-days"),
            pytest.param(START - 48 * HOUR - SECOND, START - 48 * HOUR, id="before-48-hours"),
            pytest.param(START - 48 * HOUR, END, id="at-48-hours"),
            pytest.param(START, END, id="at-the-start"),
            pytest.param(END - SECOND, END, id="before-the-end"),
            pytest.param(END, END + 2 * DAY, id="at-the-end"),
            pytest.param(END + 2 * DAY - SECOND, END + 2 * DAY, id="before-2-days-after"),
        ],
    )
    def test_is_when_max_age_next_changes(self, now, phase):
        assert find_next_phase(SPAN, now) == phase
        assert choose_max_age(SPAN, phase) != choose_max_age(SPAN, now)

    @pytest.mark.parametrize("late", [timedelta(0), SECOND, 365 * DAY], ids=str)
    def test_is_none_from_2_days_after_the_end(self, late):
        assert find_next_phase(SPAN, END + 2 * DAY + late) is None


class TestFreshUntil:
    @pytest.mark.parametrize(
        ("fetched", "lasts"),
        [
            pytest.param(START - 100 * DAY, minutes(60), id="later"),
            pytest.param(START - 10 * DAY, minutes(15), id="within-14-days"),
            pytest.param(START - DAY, minutes(5), id="within-48-hours"),
            pytest.param(START, minutes(5), id="on"),
            pytest.param(END, minutes(60), id="just-ended"),
            pytest.param(END + 2 * DAY, 24 * HOUR, id="ended-2-days-ago"),
        ],
    )
    def test_is_max_age_after_the_fetch(self, fetched, lasts):
        assert compute_lifetime(SPAN, fetched, MaxAgeBounds()).expires == fetched + lasts

    @pytest.mark.parametrize(
        "phase",
        [
            pytest.param(START - 14 * DAY, id="14-days-before"),
            pytest.param(START - 48 * HOUR, id="48-hours-before"),
            pytest.param(END, id="the-end"),
            pytest.param(END + 2 * DAY, id="2-days-after"),
        ],
    )
    @pytest.mark.parametrize("cap", [None, timedelta(days=1)], ids=["no-cap", "cap"])
    def test_is_no_later_than_the_next_phase(self, phase, cap):
        assert compute_lifetime(SPAN, phase - minutes(2), MaxAgeBounds(cap)).expires == phase

    @pytest.mark.parametrize(
        ("fetched", "cap", "lasts"),
        [
            pytest.param(START - 100 * DAY, minutes(10), minutes(10), id="shortens-an-hour"),
            pytest.param(END + 9 * DAY, minutes(10), minutes(10), id="shortens-a-day"),
            pytest.param(START, timedelta(0), timedelta(0), id="nothing-lasts"),
            pytest.param(START, minutes(10), minutes(5), id="does-not-lengthen-5-minutes"),
            pytest.param(START - 10 * DAY, minutes(15), minutes(15), id="equal"),
            pytest.param(END - minutes(2), minutes(1), minutes(1), id="before-the-next-phase"),
        ],
    )
    def test_is_no_later_than_the_cap_of_the_deployment(self, fetched, cap, lasts):
        assert compute_lifetime(SPAN, fetched, MaxAgeBounds(cap)).expires == fetched + lasts


class TestStretch:
    """What the budget cannot carry is not promised: half of it has to do for all polled events."""

    @pytest.mark.parametrize(
        ("rate", "polled", "least"),
        [
            pytest.param(Rate(100, DAY, 20), 1, timedelta(minutes=28, seconds=48), id="one-a-day"),
            pytest.param(Rate(100, DAY, 20), 10, timedelta(hours=4, minutes=48), id="ten-a-day"),
            pytest.param(Rate(100, minutes(1), 20), 250, minutes(5), id="250-a-minute"),
            pytest.param(Rate(100, minutes(1), 20), 0, timedelta(0), id="nothing-polled"),
        ],
    )
    def test_is_the_time_in_which_half_of_the_limit_asks_for_each_event_once(
        self, rate, polled, least
    ):
        assert rate.stretch(polled) == least

    def test_lengthens_a_phase_that_is_too_short(self):
        bounds = MaxAgeBounds(stretch=minutes(29))
        assert compute_lifetime(SPAN, START, bounds).expires == START + minutes(29)
        assert compute_lifetime(
            SPAN, START - 100 * DAY, bounds
        ).expires == START - 100 * DAY + minutes(60)

    def test_is_more_than_the_longest_that_a_deployment_wants(self):
        bounds = MaxAgeBounds(cap=SECOND, stretch=minutes(29))
        assert compute_lifetime(SPAN, START, bounds).expires == START + minutes(29)

    def test_does_not_outlast_an_instant_at_which_bytes_change(self):
        bounds = MaxAgeBounds(stretch=10 * HOUR)
        assert compute_lifetime(SPAN, END - HOUR, bounds).expires == END
        assert compute_lifetime(SPAN, START, bounds, [START + SECOND]).expires == START + SECOND

    def test_holds_for_an_event_that_is_gone(self):
        assert (
            compute_gone_lifetime(SPAN, START, MaxAgeBounds(stretch=2 * HOUR), []).expires
            == START + 2 * HOUR
        )
        assert compute_gone_lifetime(SPAN, START, MaxAgeBounds(), []).expires == START + HOUR

    def test_has_no_say_in_when_a_guessed_id_is_asked_for_again(self):
        assert compute_unknown_expiry(START, None) == START + minutes(10)
        assert compute_unknown_expiry(START, SECOND) == START + SECOND


class TestShares:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            pytest.param(START - 48 * HOUR - SECOND, Priority.ORDINARY, id="48-hours-and-a-second"),
            pytest.param(START - 48 * HOUR, Priority.URGENT, id="48-hours"),
            pytest.param(END - SECOND, Priority.URGENT, id="on"),
            pytest.param(END, Priority.ORDINARY, id="over"),
        ],
    )
    def test_what_starts_within_48_hours_or_is_on_is_urgent(self, now, expected):
        assert choose_priority(SPAN, now) is expected

    def test_an_id_that_was_never_seen_has_a_share_of_its_own(self):
        assert choose_priority(None, START) is Priority.UNSEEN

    @pytest.mark.parametrize(
        ("which", "reserve"),
        [
            (Priority.URGENT, 0),
            (Priority.ORDINARY, 5),
            (Priority.UNSEEN, 5),
            (Priority.REFRESHER, 10),
        ],
        ids=lambda value: getattr(value, "name", value),
    )
    def test_each_leaves_a_part_of_the_bucket_to_the_more_urgent(self, which, reserve):
        assert Rate(100, minutes(1), 20).quota_for(which).reserve == reserve

    @given(st.integers(1, 2000), st.data(), st.sampled_from(Priority))
    def test_no_share_is_left_without_any_call(self, limit, data, which):
        allowance = Rate(limit, DAY, data.draw(st.integers(1, limit))).quota_for(which)
        assert allowance.reserve < allowance.bucket.capacity

    @given(st.integers(1, 2000), st.data())
    def test_a_full_bucket_and_what_flows_into_it_are_no_more_than_the_limit(self, limit, data):
        bucket = (
            Rate(limit, DAY, data.draw(st.integers(1, limit))).quota_for(Priority.URGENT).bucket
        )
        flows = -(-DAY // bucket.interval) - 1  # before the window is over
        assert bucket.capacity + flows <= limit


class TestTheRefresher:
    @pytest.mark.parametrize(
        ("lasts", "before"),
        [
            pytest.param(minutes(60), minutes(1), id="a-minute"),
            pytest.param(minutes(5), minutes(1), id="or-a-fifth"),
            pytest.param(timedelta(seconds=5), SECOND, id="which-may-be-a-second"),
        ],
    )
    def test_comes_shortly_before_a_poll_would_have_to_wait(self, lasts, before):
        assert compute_refresh_time(START, START + lasts) == START + lasts - before


class TestAClosedUpstream:
    @pytest.mark.parametrize("asked_for", [None, START, START - SECOND], ids=str)
    def test_is_closed_for_a_minute_if_it_names_no_time_that_lies_ahead(self, asked_for):
        assert compute_reopening(START, asked_for, HOUR) == START + minutes(1)

    def test_is_closed_until_the_time_it_names(self):
        assert compute_reopening(START, START + SECOND, HOUR) == START + SECOND

    def test_is_closed_for_one_window_at_most(self):
        assert compute_reopening(START, START + 365_000 * DAY, HOUR) == START + HOUR


# Whole seconds or not, before, in and after all phases, and on their boundaries.
OFFSETS = st.timedeltas(-30 * DAY, 60 * DAY) | st.sampled_from(
    [-14 * DAY, -2 * DAY, timedelta(0), HOUR, 2 * DAY, 2 * DAY + HOUR, 30 * DAY, 32 * DAY]
)
SPANS = (st.timedeltas(SECOND, 40 * DAY) | st.sampled_from([HOUR, 30 * DAY])).map(
    lambda lasts: (START, START + lasts)
)


@given(SPANS, OFFSETS, st.floats(0, 1))
def test_max_age_is_the_same_from_now_until_the_next_phase(span, offset, share):
    now = START + offset
    phase = find_next_phase(span, now)
    between = now + ((phase or now + 365 * DAY) - now) * share
    assume(phase is None or between < phase)
    assert choose_max_age(span, between) == choose_max_age(span, now)


@given(SPANS, OFFSETS)
def test_max_age_is_another_one_from_the_next_phase_on(span, offset):
    now = START + offset
    phase = find_next_phase(span, now)
    assert phase is None or choose_max_age(span, phase) != choose_max_age(span, now)


@given(SPANS, OFFSETS, st.none() | st.timedeltas(timedelta(0), 2 * DAY))
def test_an_edition_is_never_older_than_max_age_allows(span, offset, cap):
    fetched = START + offset
    until = compute_lifetime(span, fetched, MaxAgeBounds(cap)).expires
    assert fetched <= until <= fetched + choose_max_age(span, fetched)
    assert cap is None or until <= fetched + cap

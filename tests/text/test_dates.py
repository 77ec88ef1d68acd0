"""Days and times as text."""

import contextlib
import locale
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from feeds.domain.schedule import Period
from feeds.text import dates

CHICAGO = ZoneInfo("America/Chicago")
SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT = datetime(2025, 6, 14, 8, tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2025, 1, 1), "Wed 1 Jan 2025"),
        (date(2024, 2, 29), "Thu 29 Feb 2024"),
        (date(2025, 3, 2), "Sun 2 Mar 2025"),
        (date(2025, 4, 7), "Mon 7 Apr 2025"),
        (date(2025, 5, 6), "Tue 6 May 2025"),
        (date(2025, 6, 14), "Sat 14 Jun 2025"),
        (date(2025, 7, 4), "Fri 4 Jul 2025"),
        (date(2025, 8, 31), "Sun 31 Aug 2025"),
        (date(2025, 9, 30), "Tue 30 Sep 2025"),
        (date(2025, 10, 11), "Sat 11 Oct 2025"),
        (date(2025, 11, 2), "Sun 2 Nov 2025"),
        (date(2199, 12, 31), "Tue 31 Dec 2199"),
        (EIGHT, "Sat 14 Jun 2025"),
    ],
)
def test_a_day_has_its_weekday_and_no_leading_zero(day, text):
    assert dates.format_day(day) == text


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        (time(8), "08:00"),
        (time(0), "00:00"),
        (time(23, 59), "23:59"),
        (time(8, 0, 5), "08:00:05"),
    ],
)
def test_a_clock_time_has_24_hours_and_seconds_unless_they_are_zero(clock, text):
    assert dates.format_clock(datetime.combine(SAT, clock, CHICAGO)) == text


def test_the_start_of_a_state_is_read_as_a_time_or_a_day():
    assert dates.format_start("2025-06-14T08:00:00") == "Sat 14 Jun 2025, 08:00"
    assert dates.format_start("2025-06-14") == "Sat 14 Jun 2025"


@pytest.mark.parametrize(
    ("last", "text"), [(SAT, "Sat 14 Jun 2025"), (SUN, "Sat 14 Jun 2025 to Sun 15 Jun 2025")]
)
def test_whole_days_include_the_last_day(last, text):
    assert dates.format_when(Period(SAT, last + timedelta(days=1))) == text


@pytest.mark.parametrize("hours", [1, 27])
def test_a_period_with_times_is_shown_by_its_start_alone(hours):
    period = Period(EIGHT, EIGHT + timedelta(hours=hours))
    assert dates.format_when(period) == "Sat 14 Jun 2025, 08:00"


def test_an_instant_for_scripts_is_in_utc():
    assert dates.format_utc(EIGHT) == "2025-06-14T13:00:00Z"
    assert dates.format_utc(datetime(2025, 6, 14, 8, 0, 5, tzinfo=UTC)) == "2025-06-14T08:00:05Z"


@pytest.mark.parametrize("name", ["C", "de_DE.UTF-8", "fr_FR.UTF-8"])
def test_dates_are_english_whatever_the_locale_of_the_process(name):
    before = locale.setlocale(locale.LC_ALL)
    try:
        with contextlib.suppress(locale.Error):  # not on this machine
            locale.setlocale(locale.LC_ALL, name)
        assert dates.format_moment(EIGHT) == "Sat 14 Jun 2025, 08:00"
    finally:
        locale.setlocale(locale.LC_ALL, before)

"""Days and times as text."""

import contextlib
import locale
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from feeds.text import dates

CHICAGO = ZoneInfo("America/Chicago")
SAT = date(2025, 6, 14)
EIGHT = datetime(2025, 6, 14, 8, tzinfo=CHICAGO)


@pytest.mark.parametrize(
    "text",
    [
        *("Wed 1 Jan 2025", "Thu 29 Feb 2024", "Sun 2 Mar 2025", "Mon 7 Apr 2025"),
        *("Tue 6 May 2025", "Sat 14 Jun 2025", "Fri 4 Jul 2025", "Sun 31 Aug 2025"),
        *("Tue 30 Sep 2025", "Sat 11 Oct 2025", "Sun 2 Nov 2025", "Tue 31 Dec 2199"),
    ],
)
def test_a_day_has_its_weekday_and_no_leading_zero(text):
    moment = datetime.strptime(text, "%a %d %b %Y").replace(tzinfo=CHICAGO)
    assert dates.format_day(moment.date()) == dates.format_day(moment) == text


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


@pytest.mark.parametrize("name", ["C", "de_DE.UTF-8", "fr_FR.UTF-8"])
def test_dates_are_english_whatever_the_locale_of_the_process(name):
    before = locale.setlocale(locale.LC_ALL)
    try:
        with contextlib.suppress(locale.Error):  # not on this machine
            locale.setlocale(locale.LC_ALL, name)
        assert dates.format_moment(EIGHT) == "Sat 14 Jun 2025, 08:00"
    finally:
        locale.setlocale(locale.LC_ALL, before)

"""Days and times as text, as a locale writes them."""

import contextlib
import locale
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from feeds.domain.schedule import Period
from feeds.text import dates

CHICAGO = ZoneInfo("America/Chicago")
SAT = date(2025, 6, 14)
EIGHT = datetime(2025, 6, 14, 8, tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("en_US", "Sat, Jun 14, 2025, 8:00 AM"),
        ("en_GB", "Sat, 14 Jun 2025, 08:00"),
        ("en_AU", "Sat 14 Jun 2025, 8:00 am"),
        ("en_IN", "Sat, 14 Jun 2025, 8:00 AM"),
        ("en_CA", "Sat, Jun 14, 2025, 8:00 a.m."),
    ],
)
def test_a_moment_is_written_as_the_locale_writes_it(name, text):
    assert dates.format_moment(EIGHT, name) == text
    assert dates.format_start("2025-06-14T08:00:00", name) == text
    assert text.startswith(dates.format_day(EIGHT, name))
    assert dates.format_moment(SAT, name) == dates.format_day(SAT, name)


@pytest.mark.parametrize(
    ("clock", "american", "british"),
    [
        (time(8), "8:00 AM", "08:00"),
        (time(0), "12:00 AM", "00:00"),
        (time(12), "12:00 PM", "12:00"),
        (time(23, 59), "11:59 PM", "23:59"),
        (time(8, 0, 5), "8:00:05 AM", "08:00:05"),
    ],
)
def test_a_clock_time_has_seconds_unless_they_are_zero(clock, american, british):
    at = datetime.combine(SAT, clock, CHICAGO)
    assert dates.format_clock(at, "en_US") == american
    assert dates.format_clock(at, "en_GB") == british


def test_texts_have_no_blanks_that_clients_cannot_show():
    for name in ("en_US", "en_GB", "en_AU", "en_CA"):
        for text in (
            dates.format_moment(EIGHT, name),
            dates.format_range(SAT, date(2025, 6, 20), name),
        ):
            assert not {"\u202f", "\u2009", "\xa0"} & set(text)


def test_the_parts_of_a_day_are_written_as_the_locale_writes_them():
    assert dates.format_full_day(EIGHT, "en_US") == "Saturday, June 14, 2025"
    assert dates.format_full_day(EIGHT, "en_GB") == "Saturday, 14 June 2025"
    assert dates.format_month(EIGHT, "en_US") == "Jun"
    assert dates.format_month_of_year(EIGHT, "en_US") == "June 2025"


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (SAT, "Sat, Jun 14, 2025"),
        (date(2025, 6, 20), "Sat, Jun 14 – Fri, Jun 20, 2025"),
        (date(2025, 7, 1), "Sat, Jun 14 – Tue, Jul 1, 2025"),
        (date(2026, 1, 1), "Sat, Jun 14, 2025 – Thu, Jan 1, 2026"),
    ],
)
def test_a_range_has_its_first_and_its_last_day(last, text):
    assert dates.format_range(SAT, last, "en_US") == text
    period = Period(SAT, date.fromordinal(last.toordinal() + 1))
    assert dates.format_when(period, "en_US") == dates.format_days(period, "en_US") == text


@pytest.mark.parametrize(
    ("zone", "day", "american", "british"),
    [
        ("America/Chicago", SAT, "CDT", "Chicago time"),
        ("America/Chicago", date(2025, 12, 14), "CST", "Chicago time"),
        ("Pacific/Honolulu", SAT, "HST", "Honolulu time"),
        ("Europe/London", SAT, "London time", "BST"),
        ("Europe/London", date(2025, 12, 14), "London time", "GMT"),
        ("America/Kentucky/Louisville", SAT, "EDT", "Louisville time"),
        ("Asia/Tokyo", SAT, "Tokyo time", "Tokyo time"),
        ("Africa/Casablanca", SAT, "Casablanca time", "Casablanca time"),
        ("America/Argentina/Buenos_Aires", SAT, "Buenos Aires time", "Buenos Aires time"),
        ("UTC", SAT, "UTC", "UTC"),
    ],
)
def test_a_zone_has_its_short_name_where_readers_know_it_else_its_city(
    zone, day, american, british
):
    at = datetime.combine(day, time(8), ZoneInfo(zone))
    assert dates.format_zone(at, "en_US") == american
    assert dates.format_zone(at, "en_GB") == british


@pytest.mark.parametrize("name", ["en_US", "en_GB", "en_IN", "en_AU"])
def test_the_days_of_the_week_are_numbered_from_monday(name):
    assert [dates.format_weekday(n, name) for n in (1, 2, 6, 7)] == [
        *("Monday", "Tuesday"),
        *("Saturday", "Sunday"),
    ]


@pytest.mark.parametrize("name", ["C", "de_DE.UTF-8", "fr_FR.UTF-8"])
def test_dates_are_those_of_the_setting_whatever_the_locale_of_the_process(name):
    before = locale.setlocale(locale.LC_ALL)
    try:
        with contextlib.suppress(locale.Error):  # not on this machine
            locale.setlocale(locale.LC_ALL, name)
        assert dates.format_moment(EIGHT, "en_US") == "Sat, Jun 14, 2025, 8:00 AM"
    finally:
        locale.setlocale(locale.LC_ALL, before)

"""Days and times as text, as a locale writes them; a time is written in the zone that it has.

``locale`` is the name of a locale of CLDR, such as ``en_US``.
"""

import datetime as dt
import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import (
    format_date,
    format_interval,
    format_skeleton,
    format_time,
    get_day_names,
    get_timezone_location,
    get_timezone_name,
)

from feeds.domain.model import State
from feeds.domain.schedule import END_OF_DAY, Period
from feeds.domain.timezones import localize

_DAY = "yMMMEd"


def find_locale(name: str) -> str | None:
    """The canonical name of an English locale, such as ``en_GB`` for ``en-gb``; None if unknown.

    The sentences of feeds and pages are in English.
    """
    if not re.fullmatch("(?i:en)(?:[_-][A-Za-z0-9]+)*", name):
        return None
    try:
        return str(Locale.parse(name.replace("-", "_")))
    except (ValueError, UnknownLocaleError):
        return None


def format_day(when: dt.date, locale: str) -> str:
    """``Sat, Jun 14, 2025``, or ``Sat, 14 Jun 2025``."""
    return _format_day(get_day(when), locale)


def format_full_day(when: dt.date, locale: str) -> str:
    """``Saturday, June 14, 2025``, or ``Saturday, 14 June 2025``."""
    return _clean(format_date(get_day(when), "full", locale=locale))


def format_weekday(number: int, locale: str) -> str:
    """``Monday`` for 1 to ``Sunday`` for 7 (ISO 8601)."""
    return str(get_day_names("wide", locale=locale)[number - 1])


def format_month(when: dt.date, locale: str) -> str:
    """``Jun``."""
    return _clean(format_skeleton("MMM", get_day(when), locale=locale))


def format_month_of_year(when: dt.date, locale: str) -> str:
    """``June 2025``."""
    return _clean(format_skeleton("yMMMM", get_day(when), locale=locale))


def format_range(first: dt.date, last: dt.date, locale: str) -> str:
    """``Fri, Dec 18 – Sun, Dec 20, 2026``; one day is as in ``format_day``."""
    if first == last:
        return format_day(first, locale)
    return _clean(format_interval(first, last, _DAY, locale=locale))


def format_clock(when: dt.datetime, locale: str) -> str:
    """``8:00 AM``, or ``08:00``; with seconds unless they are zero."""
    return _format_time(when.time(), locale)


def format_wall_time(clock: dt.time, locale: str) -> str:
    """``8:00 AM``, or ``08:00``; ``24:00`` for the end of the day."""
    return "24:00" if clock == END_OF_DAY else _format_time(clock.replace(second=0), locale)


# Cached by values without a zone: aware datetimes of one instant are equal in all zones.
@lru_cache(maxsize=4096)
def _format_day(day: dt.date, locale: str) -> str:
    return _clean(format_skeleton(_DAY, day, locale=locale))


@lru_cache(maxsize=4096)
def _format_time(time: dt.time, locale: str) -> str:
    return _clean(format_time(time, "medium" if time.second else "short", locale=locale))


def format_moment(when: dt.date, locale: str) -> str:
    """``Sat, Jun 14, 2025, 8:00 AM`` for a datetime, ``Sat, Jun 14, 2025`` for a date."""
    if isinstance(when, dt.datetime):
        return f"{format_day(when, locale)}, {format_clock(when, locale)}"
    return format_day(when, locale)


def format_when(period: Period, locale: str) -> str:
    """The start of a period; for an all-day period of several days, the first and the last day."""
    return format_days(period, locale) if period.all_day else format_moment(period.start, locale)


def format_days(period: Period, locale: str) -> str:
    """The day of a period; for an all-day period of several days, the first and the last day."""
    return format_range(period.first_day, period.last_day, locale)


def format_start(start: str, locale: str, zone: str = "") -> str:
    """``Sat, Jun 14, 2025, 8:00 AM`` for a ``State.start``: an ISO 8601 date or datetime.

    With a ``zone``, the name of a zone, a time is followed by the zone's own name.
    """
    if "T" not in start:
        return format_day(dt.date.fromisoformat(start), locale)
    when = dt.datetime.fromisoformat(start)
    if zone:
        return format_zoned(localize(when, ZoneInfo(zone)), locale)
    return format_moment(when, locale)


def format_old_start(was: State, now: State, locale: str) -> str:
    """The start of a state as in ``format_start``, with its zone if that is another one ``now``."""
    return format_start(was.start, locale, was.zone if was.zone != now.zone else "")


def format_zoned(when: dt.date, locale: str) -> str:
    """``Sat, Jun 14, 2025, 8:00 AM CDT`` for an aware datetime, a day as in ``format_day``."""
    if isinstance(when, dt.datetime):
        return f"{format_moment(when, locale)} {format_zone(when, locale)}"
    return format_day(when, locale)


def format_zone(when: dt.datetime, locale: str) -> str:
    """``CST`` where readers of the locale know that name, else ``Louisville time``.

    ``when`` has a zone of the IANA database.
    """
    return _format_zone(when.replace(tzinfo=None), when.fold, when.tzinfo, locale)


# Cached by values without a zone, as above.
@lru_cache(maxsize=4096)
def _format_zone(wall: dt.datetime, fold: int, zone: dt.tzinfo | None, locale: str) -> str:
    when = wall.replace(tzinfo=zone, fold=fold)
    # CLDR still has old names of some zones (WET for Casablanca), so that a name counts only if
    # tzdata has the same one.
    short = get_timezone_name(when, width="short", locale=locale)
    if re.fullmatch("[A-Z]{2,5}", short) and short == when.tzname():
        return str(short)
    return f"{get_timezone_location(when, locale=locale, return_city=True)} time"


def format_utc(when: dt.datetime) -> str:
    """``2025-06-14T13:00:00Z`` (RFC 3339)."""
    return f"{when.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def get_day(when: dt.date) -> dt.date:
    """The day of a date or a datetime."""
    return when.date() if isinstance(when, dt.datetime) else when


def _clean(text: str) -> str:
    """CLDR has narrow blanks within times and ranges; many clients cannot show them."""
    return re.sub("[\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]", " ", text)

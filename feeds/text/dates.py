"""Days and times as text, in English; a time is written in the zone that it has."""

import datetime as dt

from feeds.domain.schedule import DAY, END_OF_DAY, Period

# Written out, because strftime uses the locale of the process.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_day(when: dt.date) -> str:
    """``Sat 14 Jun 2025``."""
    return f"{_WEEKDAYS[when.weekday()]} {when.day} {_MONTHS[when.month - 1]} {when.year}"


def format_clock(when: dt.datetime) -> str:
    """``08:00``, with seconds unless they are zero."""
    return f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"


def format_wall_time(clock: dt.time) -> str:
    """``08:00``, or ``24:00`` for the end of the day."""
    return "24:00" if clock == END_OF_DAY else f"{clock:%H:%M}"


def format_moment(when: dt.date) -> str:
    """``Sat 14 Jun 2025, 08:00`` for a datetime, ``Sat 14 Jun 2025`` for a date."""
    if isinstance(when, dt.datetime):
        return f"{format_day(when)}, {format_clock(when)}"
    return format_day(when)


def format_when(period: Period) -> str:
    """The start of a period; for an all-day period of several days, the first and the last day."""
    last = period.end - DAY
    if period.all_day and last > period.start:
        return f"{format_day(period.start)} to {format_day(last)}"
    return format_moment(period.start)


def format_start(start: str) -> str:
    """``Sat 14 Jun 2025, 08:00`` for a ``State.start``: an ISO 8601 date or datetime."""
    parse = dt.datetime if "T" in start else dt.date
    return format_moment(parse.fromisoformat(start))


def format_utc(when: dt.datetime) -> str:
    """``2025-06-14T13:00:00Z`` (RFC 3339)."""
    return f"{when.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

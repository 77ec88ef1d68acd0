"""The POSIX TZ string that a TZif file ends with, read as observances of RFC 5545.

The string (RFC 9636 3.3) tells a zone's offsets for all time after the file's last transition:
``CST6CDT,M3.2.0,M11.1.0`` is six hours behind UTC, and five from the second Sunday in March to the
first in November, changing at 02:00 by the clock on the wall.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

# What a yearly RRULE and a DTSTART can say. Days of the year and times outside of 0 to 24 h (a TZif
# file may have -167 to 167) cannot be said; seconds could, but no zone of today has them.
_NAME = r"([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_OFFSET = r"([+-]?\d\d?(?::[0-5]\d)?)"
_RULE = r",M(1[0-2]|0?[1-9])\.([1-5])\.([0-6])(?:/([01]?\d|2[0-3])(?::([0-5]\d))?)?"
_STRING = re.compile(f"{_NAME}{_OFFSET}(?:{_NAME}{_OFFSET}?{_RULE}{_RULE})?", re.ASCII)

_LAST = 5
_WEEKDAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")


class Rule(NamedTuple):
    """A time of day on the ``week``-th (5: last) such ``weekday`` (0: Sunday) of a ``month``."""

    month: int
    week: int
    weekday: int
    time: timedelta

    def onset(self, year: int) -> datetime:
        """When the rule strikes in a year, by the clock on the wall until then."""
        start = datetime(year, self.month, 1)  # noqa: DTZ001  # a wall time has no zone
        start += timedelta((self.weekday - start.isoweekday()) % 7, weeks=self.week - 1)
        if start.month != self.month:
            start -= timedelta(weeks=1)
        return start + self.time

    @property
    def byday(self) -> str:
        """The day as BYDAY of an RRULE has it: ``2SU``, ``-1SU``."""
        return f"{-1 if self.week == _LAST else self.week}{_WEEKDAYS[self.weekday]}"


class Observance(NamedTuple):
    """An offset from UTC and what brings it; ``rule`` is None where the offset never changes."""

    tzname: str
    offset_from: timedelta
    offset_to: timedelta
    rule: Rule | None


def observances(string: str) -> tuple[Observance, ...] | None:
    """The one observance of a POSIX TZ string, or its standard time and summer time in this order.

    Summer time is what is further ahead of UTC: in Dublin that is what the string has first. None
    where yearly rules at a time of day cannot tell the same, or if it is no such string.
    """
    found = _STRING.fullmatch(string)
    if not found:
        return None
    name, offset, other_name, other_offset, *rules = found.groups()
    usual = _east(offset)
    if other_name is None:
        return (Observance(name.strip("<>"), usual, usual, None),)
    other = _east(other_offset) if other_offset else usual + timedelta(hours=1)
    to_usual = Observance(name.strip("<>"), other, usual, _rule(*rules[5:]))
    to_other = Observance(other_name.strip("<>"), usual, other, _rule(*rules[:5]))
    return (to_usual, to_other) if usual <= other else (to_other, to_usual)


def _east(offset: str) -> timedelta:
    """An offset as RFC 5545 counts it, positive east of Greenwich; POSIX counts the other way."""
    hours, _, minutes = offset.lstrip("+-").partition(":")
    west = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return west if offset.startswith("-") else -west


def _rule(month: str, week: str, weekday: str, hours: str | None, minutes: str | None) -> Rule:
    time = timedelta(hours=int(hours or 2), minutes=int(minutes or 0))
    return Rule(int(month), int(week), int(weekday), time)

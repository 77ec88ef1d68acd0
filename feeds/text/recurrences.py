"""How often the sessions of a series take place, in words."""

from collections.abc import Iterable
from itertools import islice

from feeds.domain.model import Recurrence
from feeds.text.dates import format_wall_time, format_weekday

MAX_DESCRIBED = 20
"""Recurrences of an event that are described, so that feeds keep their size (rules 6.13)."""

_DAYS_OF_WEEK = 7


def describe_recurrences(recurrences: Iterable[Recurrence], locale: str) -> str:
    """``Tuesdays at 6:30 PM, about 60 minutes``; empty if nothing is known.

    Of more than ``MAX_DESCRIBED`` different ones, the first ones.
    """
    known = dict.fromkeys(each for each in recurrences if each.days)
    described = [_describe(each, locale) for each in islice(known, MAX_DESCRIBED)]
    return "; ".join(dict.fromkeys(described))


def _describe(recurrence: Recurrence, locale: str) -> str:
    names = [f"{format_weekday(day, locale)}s" for day in recurrence.days]
    *others, last = names
    days = f"{', '.join(others)} and {last}" if others else last
    if len(names) == _DAYS_OF_WEEK:
        days = "Every day"
    clock = recurrence.start_time
    start = f" at {format_wall_time(clock, locale)}" if clock else ""
    minutes = recurrence.minutes
    length = f", about {minutes} minute{'s' * (minutes > 1)}" if minutes else ""
    return f"{days}{start}{length}"

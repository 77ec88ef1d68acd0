"""How often the sessions of a series take place, in words."""

from collections.abc import Iterable

from feeds.domain.model import Recurrence

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def describe_recurrences(recurrences: Iterable[Recurrence]) -> str:
    """``Tuesdays at 18:30, about 60 minutes``; empty if nothing is known."""
    return "; ".join(dict.fromkeys(_describe(each) for each in recurrences if each.days))


def _describe(recurrence: Recurrence) -> str:
    names = [_DAYS[day - 1] for day in recurrence.days]
    *others, last = names
    days = f"{', '.join(others)} and {last}" if others else last
    if len(names) == len(_DAYS):
        days = "Every day"
    start = f" at {recurrence.start_time:%H:%M}" if recurrence.start_time else ""
    minutes = recurrence.minutes
    length = f", about {minutes} minute{'s' * (minutes > 1)}" if minutes else ""
    return f"{days}{start}{length}"

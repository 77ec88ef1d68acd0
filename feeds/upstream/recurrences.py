"""Decode recurrences: how often the sessions of a series take place, as far as it can be said.

``schedule.daysOfWeek`` are integers, 2 is Tuesday; 0 and 7 are Sunday, and names of days are read
as well. A recurrence that is not weekly, or that cannot be read in part, has no days: nothing is
said of it.
"""

import re
from collections.abc import Iterable
from datetime import time

from feeds.domain.model import ID_PATTERN, Recurrence
from feeds.upstream import fields

_ID = re.compile(ID_PATTERN)
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = (
    {name: number for number, name in enumerate(_NAMES, 1)}
    | {name[:3]: number for number, name in enumerate(_NAMES, 1)}
    | {str(number): number or len(_NAMES) for number in range(len(_NAMES) + 1)}
)
"""The numbers of days, 1 for Monday to 7 for Sunday, by what the API may call them."""

MAX_MINUTES = 24 * 60


def decode_recurrences(items: Iterable[object]) -> dict[str, tuple[Recurrence, ...]]:
    """The recurrences by the ids of their events, without ids that no address can hold.

    JSON may hold half a character, which no database can store.
    """
    found: dict[str, tuple[Recurrence, ...]] = {}
    for item in items:
        event_id = item.get("eventId") if isinstance(item, dict) else None
        if not (isinstance(item, dict) and isinstance(event_id, str)):
            continue
        if _ID.fullmatch(event_id):
            found[event_id] = (*found.get(event_id, ()), _decode(item))
    return found


def _decode(item: dict[str, object]) -> Recurrence:
    schedule = item.get("schedule")
    if item.get("status") != "active" or not isinstance(schedule, dict):
        return Recurrence()
    days = schedule.get("daysOfWeek")
    try:
        if schedule.get("frequency") != "weekly" or not isinstance(days, list):
            return Recurrence()
        return Recurrence(
            days=tuple(sorted({_parse_day(day) for day in days})),
            start_time=_parse_time(schedule.get("startTime")),
            minutes=_parse_minutes(schedule.get("durationMinutes")),
        )
    except ValueError:
        return Recurrence()


def _parse_day(day: object) -> int:
    if str(day).casefold() not in _DAYS:
        raise ValueError("no day of the week")
    return _DAYS[str(day).casefold()]


def _parse_time(text: object) -> time | None:
    return None if text is None else fields.parse_time(str(text))


def _parse_minutes(minutes: object) -> int | None:
    if minutes is None:
        return None
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 0 < minutes <= MAX_MINUTES:
        raise ValueError("no duration of a session")
    return minutes

"""Date tokens: placeholders in sample files that become dates (YYYY-MM-DD) when they are read.

A token is ``{month day}``, ``{this weekday}``, or either with a shift. Months count from the
current one (UTC), so their dates stay the same all month long:

=========  ===================================================================================
month      ``+1`` next month, ``-1`` last month, ``+0`` this month;
           ``next mar`` the first March from this month on
day        ``15`` that day, or the last day of a shorter month; ``sat2`` the second Saturday
           (``mon`` to ``sun``, ``1`` to ``4``)
weekday    ``tue``: the first Tuesday from today (UTC) on
shift      ``+1`` a day later, ``-364`` so many days earlier
=========  ===================================================================================

For example, ``{+1 sat2 +1}`` is the day after the second Saturday of next month, ``{next mar
sun2}`` is the day on which daylight saving time starts in the USA, ``{this tue -7}`` is the Tuesday
before, and ``{-1 15}T09:00:00-06:00`` is a time in the middle of last month.
"""

import re
from datetime import date, timedelta

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CANDIDATE = re.compile(r'\{(?:[+-]|next |this )[^{}"\n]*\}')
_TOKEN = re.compile(
    rf"""\{{ (?: this[ ](?P<this>{"|".join(_WEEKDAYS)})
    | (?: (?P<months>[+-][0-9]{{1,2}}) | next[ ](?P<named>{"|".join(_MONTHS)}) ) [ ]
      (?: (?P<day>[1-9]|[12][0-9]|3[01]) | (?P<weekday>{"|".join(_WEEKDAYS)})(?P<nth>[1-4]) ) )
    (?: [ ] (?P<shift>[+-][0-9]{{1,3}}) )? \}}""",
    re.VERBOSE,
)


def resolve_date_tokens(text: str, today: date) -> str:
    """The text of a sample file, with its date tokens resolved for ``today``.

    Tokens are replaced before the text is read as JSON, so they have no escapes. Braces that do not
    start with ``+``, ``-``, ``next`` or ``this`` stay. ValueError for a wrong token.
    """
    return _CANDIDATE.sub(lambda token: _resolve(token[0], today), text)


def _resolve(token: str, today: date) -> str:
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise ValueError(f"not a date token: {token}")
    shift = timedelta(days=int(parts["shift"] or 0))
    if parts["this"]:
        days = (_WEEKDAYS.index(parts["this"]) - today.weekday()) % 7
        return (today + timedelta(days=days) + shift).isoformat()
    if parts["named"]:
        months = (_MONTHS.index(parts["named"]) + 1 - today.month) % 12
    else:
        months = int(parts["months"])
    first = _find_first_of_month(today, months)
    if parts["weekday"]:
        days = (_WEEKDAYS.index(parts["weekday"]) - first.weekday()) % 7
        day = first + timedelta(days=days, weeks=int(parts["nth"]) - 1)
    else:
        last = _find_first_of_month(first, 1) - timedelta(days=1)
        day = min(first + timedelta(days=int(parts["day"]) - 1), last)
    return (day + shift).isoformat()


def _find_first_of_month(day: date, months: int) -> date:
    """The first day of the month that is ``months`` after the month of ``day``."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)

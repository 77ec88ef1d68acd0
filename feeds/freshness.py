"""How long an edition may be served: phases of an event's life, and what each is worth.

Pure: the time comes in, a duration or an instant goes out. Carried out by ``newsroom``.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

IMMINENT = timedelta(hours=48)
NEAR = timedelta(days=14)
OVER = timedelta(days=2)

FAILED_FOR = timedelta(seconds=60)
"""How long a failed refresh is remembered, and the max-age of what is served meanwhile."""

LOOK = timedelta(seconds=5)
"""How often, while a refresh has failed here, it is looked up what other processes have."""

GONE_FOR = timedelta(hours=1)
"""How long an event that is gone is not asked for again."""

OWNER_FOR = timedelta(minutes=10)
"""How long it is remembered whose the key is."""

UNKNOWN_FOR = timedelta(minutes=10)
"""How long an id is remembered as one that the upstream does not know."""


def max_age(span: tuple[datetime, datetime], now: datetime) -> timedelta:
    """How old an edition may get whose runs take place from ``span``'s start to its end.

    A phase begins with its first instant, which is when the one before has ended.
    """
    start, end = span
    if now >= end + OVER:
        return timedelta(hours=24)
    if start - IMMINENT <= now < end:
        return timedelta(minutes=5)
    if start - NEAR <= now < start:
        return timedelta(minutes=15)
    return timedelta(minutes=60)


def next_phase(span: tuple[datetime, datetime], now: datetime) -> datetime | None:
    """When ``max_age`` next changes by itself; an edition does not outlast it."""
    start, end = span
    instants = (start - NEAR, start - IMMINENT, end, end + OVER)
    return min((each for each in instants if each > now), default=None)


def fresh_until(
    span: tuple[datetime, datetime],
    fetched: datetime,
    cap: timedelta | None,
    marks: Iterable[datetime] = (),
) -> datetime:
    """When an edition fetched at ``fetched`` ends.

    ``cap`` is the longest that a deployment allows, ``marks`` are the instants at which its bytes
    change by themselves.
    """
    phase = next_phase(span, fetched)
    return _ends(fetched, max_age(span, fetched), cap, [*marks, *([phase] if phase else [])])


def gone_until(fetched: datetime, cap: timedelta | None, marks: Iterable[datetime]) -> datetime:
    """When an edition ends of an event that is gone: nobody waits for its next one."""
    return _ends(fetched, GONE_FOR, cap, marks)


def unknown_until(asked: datetime, cap: timedelta | None) -> datetime:
    """When an id that was unknown at ``asked`` is asked for again."""
    return _ends(asked, UNKNOWN_FOR, cap, ())


def _ends(
    fetched: datetime, longest: timedelta, cap: timedelta | None, marks: Iterable[datetime]
) -> datetime:
    end = fetched + (longest if cap is None else min(longest, cap))
    return min([end, *(mark for mark in marks if mark > fetched)])

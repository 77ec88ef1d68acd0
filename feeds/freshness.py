"""How long an edition may be served: phases of an event's life, and what each is worth.

Pure: the time comes in, a duration or an instant goes out. Carried out by ``newsroom``.
"""

from datetime import datetime, timedelta

IMMINENT = timedelta(hours=48)
NEAR = timedelta(days=14)
OVER = timedelta(days=2)

FAILED_FOR = timedelta(seconds=60)
"""How long a failed refresh is remembered, and the max-age of what is served meanwhile."""

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
    span: tuple[datetime, datetime], fetched: datetime, cap: timedelta | None
) -> datetime:
    """When an edition fetched at ``fetched`` ends; ``cap`` is the longest a deployment allows."""
    ends = [fetched + max_age(span, fetched)]
    if cap is not None:
        ends.append(fetched + cap)
    if change := next_phase(span, fetched):
        ends.append(change)
    return min(ends)

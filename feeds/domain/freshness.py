"""How long an edition is fresh (docs/rules.md, section 8).

Pure: the time comes in, a duration or an instant goes out. The ``service`` folder carries it out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

Spans = Sequence[tuple[datetime, datetime]]
"""When each run of an event takes place: its start and its end, in UTC; at least one."""

IMMINENT = timedelta(hours=48)
NEAR = timedelta(days=14)
ENDED = timedelta(days=2)

FAILURE_CACHED_FOR = timedelta(seconds=60)
"""How long a failed refresh is remembered, and the max-age of what is served meanwhile."""

INVALIDATION_INTERVAL = timedelta(seconds=2)
"""How often a process asks what the others have saved, and writes which events were polled."""

GONE_MAX_AGE = timedelta(hours=1)
"""After how long an event that is gone is asked for again."""

UNKNOWN_CACHED_FOR = timedelta(minutes=10)
"""How long an id is remembered as unknown to the upstream."""

LEASE = timedelta(seconds=10)
"""How long a lease lasts: a process that died delays the others for this time at most."""

MAX_CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of machines may differ before a timestamp counts as one from the future."""

POLLED_WITHIN = timedelta(days=7)
"""An event that was polled within that time is kept fresh, and counts when max-age is stretched."""


class MaxAgeBounds(Struct, frozen=True):
    """A deployment's bounds of max-age: ``cap`` is the longest, ``stretch`` the least.

    The least wins: a shorter max-age would promise more than the rate limit can carry.
    """

    cap: timedelta | None = None
    stretch: timedelta = timedelta(0)


class Lifetime(Struct, frozen=True):
    max_age: timedelta
    expires: datetime


def compute_lifetime(spans: Spans, fetched: datetime, bounds: MaxAgeBounds) -> Lifetime:
    """The lifetime of an edition fetched at ``fetched`` whose runs take place in ``spans``.

    A later phase may have a shorter max-age: the edition then expires that long after ``fetched``,
    but not before the phase begins.
    """
    max_age = clamp_max_age(choose_max_age(spans, fetched), bounds)
    ends = [fetched + max_age]
    for begin in _list_phases(spans):
        if fetched < begin < ends[0]:
            age = clamp_max_age(choose_max_age(spans, begin), bounds)
            ends.append(max(begin, fetched + age))
    return Lifetime(max_age, min(ends))


def compute_gone_lifetime(fetched: datetime, bounds: MaxAgeBounds) -> Lifetime:
    """The lifetime of an edition of an event that is gone: few wait for the next one."""
    max_age = clamp_max_age(GONE_MAX_AGE, bounds)
    return Lifetime(max_age, fetched + max_age)


def shorten_lifetime(
    lifetime: Lifetime, fetched: datetime, pause: timedelta, bounds: MaxAgeBounds
) -> Lifetime:
    """The lifetime of an edition that expires after a pause, as far as the rate limit allows."""
    expires = min(lifetime.expires, fetched + max(pause, bounds.stretch))
    return structs.replace(lifetime, expires=expires)


def compute_unknown_expiry(asked: datetime, cap: timedelta | None) -> datetime:
    return asked + clamp_max_age(UNKNOWN_CACHED_FOR, MaxAgeBounds(cap))


def compute_refresh_time(fetched: datetime, expires: datetime) -> datetime:
    """When the background refresher renews an edition: shortly before it expires."""
    return expires - min((expires - fetched) / 5, timedelta(minutes=1))


def find_expiry(fetched: datetime, due: datetime) -> datetime:
    """When an edition expires whose ``compute_refresh_time`` is ``due``."""
    until_due = due - fetched
    return due + min(until_due / 4, timedelta(minutes=1))


def compute_reopening(now: datetime, retry_at: datetime | None, window: timedelta) -> datetime:
    """Until when no call is made after a refusal that concerns all of them.

    The time that the upstream asks for is used if it lies ahead, for one window at most.
    """
    if retry_at is None or retry_at <= now:
        return now + FAILURE_CACHED_FOR
    return min(retry_at, now + window)


def compute_max_age(expires: float | None, now: float, least: int = 1) -> int:
    """The seconds of ``Cache-Control: max-age``, at least ``least``; instants in POSIX time.

    ``expires`` is None after a failed refresh.
    """
    return _FAILURE_SECONDS if expires is None else max(least, int(expires - now))


def choose_max_age(spans: Spans, now: datetime) -> timedelta:
    """The max-age of an edition whose runs take place in ``spans``, by the phase of the event.

    The nearest run that has not ended decides the phase; after the last run, its end decides. A
    phase begins at the instant at which the phase before ends.
    """
    start = find_next_start(spans, now)
    if start is None:
        over = now >= max(end for _, end in spans) + ENDED
        return timedelta(hours=24 if over else 1)
    if now >= start - IMMINENT:
        return timedelta(minutes=5)
    return timedelta(minutes=15 if now >= start - NEAR else 60)


def find_next_start(spans: Spans, now: datetime) -> datetime | None:
    """The start of the nearest run that has not ended; it may be on. None if all have ended."""
    return min((start for start, end in spans if now < end), default=None)


def _list_phases(spans: Spans) -> set[datetime]:
    """The instants at which ``choose_max_age`` may change."""
    begins = {start - ahead for start, _ in spans for ahead in (NEAR, IMMINENT)}
    return begins | {end + pause for _, end in spans for pause in (timedelta(0), ENDED)}


def clamp_max_age(longest: timedelta, bounds: MaxAgeBounds) -> timedelta:
    capped = longest if bounds.cap is None else min(longest, bounds.cap)
    return max(capped, bounds.stretch)


_FAILURE_SECONDS = int(FAILURE_CACHED_FOR.total_seconds())

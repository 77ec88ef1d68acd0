"""How long an edition may be served, and what may be spent on the next one.

Pure: the time comes in, a duration, an instant or an allowance goes out. Carried out by
``newsroom``, ``reporter`` and ``refresher``; calls are counted by ``database``.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from math import inf
from typing import NamedTuple

from msgspec import Struct

IMMINENT = timedelta(hours=48)
NEAR = timedelta(days=14)
ENDED = timedelta(days=2)

FAILURE_CACHED_FOR = timedelta(seconds=60)
"""How long a failed refresh is remembered, and the max-age of what is served meanwhile."""

INVALIDATION_INTERVAL = timedelta(seconds=2)
"""How often a process looks up what others have saved, and tells them what was polled."""

GONE_MAX_AGE = timedelta(hours=1)
"""How long an event that is gone is not asked for again."""

OWNER_CACHED_FOR = timedelta(minutes=10)
"""How long it is remembered whose the key is."""

UNKNOWN_CACHED_FOR = timedelta(minutes=10)
"""How long an id is remembered as one that the upstream does not know."""

LEASE = timedelta(seconds=10)
"""How long a refresh has its event to itself; one whose process died delays others no longer."""

MAX_ACQUIRE_TIME = timedelta(seconds=1)
"""How long a claim may wait for the database; what then is left of its lease is too short."""

MAX_CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of machines may be apart before one takes the other for put back."""

POLLED_WITHIN = timedelta(days=7)
"""An event that was polled within that time is kept fresh, and counts when max-age is stretched."""

NOTED_EVERY = timedelta(hours=1)
"""How often a process notes that an event is polled."""

MAX_CONCURRENT_REFRESHES = 4
"""Refreshes of a process at a time: a hanging upstream holds no more threads of their own."""

MAX_WAIT = 3.0
"""Seconds that a refresh is waited for where there is an edition to serve instead."""

MAX_WAIT_COLD = 10.0
"""Seconds that a request waits where there is none."""

MICROSECOND = timedelta(microseconds=1)

_FAILED_SECONDS = int(FAILURE_CACHED_FOR.total_seconds())


class MaxAge(NamedTuple):
    """Until when an edition is fresh (POSIX time); after a failed refresh always for as long."""

    ends: float | None

    def at(self, now: float) -> int:
        """Seconds that a client may keep it, at least one."""
        return _FAILED_SECONDS if self.ends is None else max(1, int(self.ends - now))

    def another(self, now: float) -> float:
        """When it is another number of seconds."""
        return inf if self.ends is None else self.ends - self.at(now)


class Bucket(Struct, frozen=True):
    """Calls that can be made at once, and the time in which one more becomes possible."""

    capacity: int
    interval: timedelta


class Quota(Struct, frozen=True):
    """What one kind of call may take: from a bucket, all but a reserve; ``own`` limits it besides.

    ``window`` is that of the rate: nothing lies further ahead unless a clock was put back.
    """

    bucket: Bucket
    reserve: int
    own: Bucket | None
    window: timedelta


class Priority(Enum):
    """What a call is for."""

    URGENT = "a poll of an event that starts within 48 h, or is on"
    ORDINARY = "a poll of another event"
    UNSEEN = "a poll of an id that was never seen"
    REFRESHER = "no poll, but the next one"


class Rate(Struct, frozen=True):
    """What the upstream grants: ``limit`` calls in any ``window``, ``burst`` of them at once."""

    limit: int
    window: timedelta
    burst: int

    def quota_for(self, share: Priority) -> Quota:
        """What a share may spend.

        Near events may spend all, others leave them a quarter, the refresher leaves a half to
        polls. Strangers' ids get a quarter of the limit, so that guessing ids starves nobody.
        """
        reserve = {Priority.URGENT: 0, Priority.REFRESHER: self.burst // 2}.get(
            share, self.burst // 4
        )
        own = None
        if share is Priority.UNSEEN:
            quarter = max(1, self.limit // 4)
            own = self._bucket(quarter, max(1, quarter // 2))
        return Quota(self._bucket(self.limit, self.burst), reserve, own, self.window)

    def stretch(self, polled: int) -> timedelta:
        """The least max-age with which half of the limit carries so many events."""
        return self.window * polled * 2 / self.limit

    def _bucket(self, limit: int, burst: int) -> Bucket:
        """A full bucket and what flows into it within a window are the limit together."""
        interval = self.window / max(1, limit - burst)
        return Bucket(burst, interval + MICROSECOND)  # rounded up: never one call too many


def choose_priority(span: tuple[datetime, datetime] | None, now: datetime) -> Priority:
    """What a poll of an event may spend whose runs take that time; None for one never seen."""
    if span is None:
        return Priority.UNSEEN
    return Priority.URGENT if span[0] - IMMINENT <= now < span[1] else Priority.ORDINARY


def choose_max_age(span: tuple[datetime, datetime], now: datetime) -> timedelta:
    """How old an edition may get whose runs take place from ``span``'s start to its end.

    A phase begins with its first instant, which is when the one before has ended.
    """
    start, end = span
    if now >= end + ENDED:
        return timedelta(hours=24)
    if start - IMMINENT <= now < end:
        return timedelta(minutes=5)
    if start - NEAR <= now < start:
        return timedelta(minutes=15)
    return timedelta(minutes=60)


def find_next_phase(span: tuple[datetime, datetime], now: datetime) -> datetime | None:
    """When ``max_age`` next changes by itself; an edition does not outlast it."""
    start, end = span
    instants = (start - NEAR, start - IMMINENT, end, end + ENDED)
    return min((each for each in instants if each > now), default=None)


class MaxAgeBounds(Struct, frozen=True):
    """What a deployment does to max-age: ``cap`` is the longest, ``stretch`` the least.

    What the budget cannot carry is not promised: the least wins.
    """

    cap: timedelta | None = None
    stretch: timedelta = timedelta(0)


def compute_expiry(
    span: tuple[datetime, datetime],
    fetched: datetime,
    bounds: MaxAgeBounds,
    marks: Iterable[datetime] = (),
) -> datetime:
    """When an edition fetched at ``fetched`` ends.

    ``marks`` are the instants at which its bytes change by themselves.
    """
    phase = find_next_phase(span, fetched)
    return _ends(
        fetched, choose_max_age(span, fetched), bounds, [*marks, *([phase] if phase else [])]
    )


def compute_gone_expiry(
    fetched: datetime, bounds: MaxAgeBounds, marks: Iterable[datetime]
) -> datetime:
    """When an edition ends of an event that is gone: nobody waits for its next one."""
    return _ends(fetched, GONE_MAX_AGE, bounds, marks)


def compute_unknown_expiry(asked: datetime, cap: timedelta | None) -> datetime:
    """When an id that was unknown at ``asked`` is asked for again."""
    return _ends(asked, UNKNOWN_CACHED_FOR, MaxAgeBounds(cap), ())


def compute_refresh_time(fetched: datetime, until: datetime) -> datetime:
    """When an edition is to be renewed, so that no poll finds it at its end: shortly before."""
    return until - min((until - fetched) / 5, timedelta(minutes=1))


def compute_reopening(now: datetime, asked_for: datetime | None, window: timedelta) -> datetime:
    """Until when no call is made after a refusal that concerns all of them.

    The upstream may ask for a time, which is believed if it lies ahead, for one window at most.
    """
    if asked_for is None or asked_for <= now:
        return now + FAILURE_CACHED_FOR
    return min(asked_for, now + window)


def _ends(
    fetched: datetime, longest: timedelta, bounds: MaxAgeBounds, marks: Iterable[datetime]
) -> datetime:
    end = fetched + clamp_max_age(longest, bounds)
    return min([end, *(mark for mark in marks if mark > fetched)])


def clamp_max_age(longest: timedelta, bounds: MaxAgeBounds) -> timedelta:
    """A max-age as a deployment has it."""
    capped = longest if bounds.cap is None else min(longest, bounds.cap)
    return max(capped, bounds.stretch)

"""How many calls of the upstream each purpose may spend: a token bucket with reserves.

Pure: the time and the rate come in, a quota goes out. ``store.ratelimit`` counts the calls.
"""

from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct

from feeds.domain.freshness import IMMINENT, Spans, find_next_start

MICROSECOND = timedelta(microseconds=1)


class Bucket(Struct, frozen=True):
    """A token bucket: the calls that can be made at once, and the time in which one is added."""

    capacity: int
    interval: timedelta


class Quota(Struct, frozen=True):
    """The calls that a priority may spend: all of ``bucket`` but ``reserve``.

    ``own`` is a second bucket that limits the priority besides, of which ``own_reserve`` calls are
    left to others. ``window`` is that of the rate: no bucket is emptied further ahead, unless the
    clock was set back.
    """

    bucket: Bucket
    reserve: int
    own: Bucket | None
    own_reserve: int
    window: timedelta


class Priority(Enum):
    """What a call is for."""

    URGENT = "a poll of an event whose next run starts within 48 h or is on"
    ORDINARY = "a poll of another event"
    UNSEEN = "a poll of an id that was never seen"
    GUESS = "such a poll of a client that has asked for ids that do not exist"
    REFRESHER = "the background refresher"


class Rate(Struct, frozen=True):
    """What the upstream grants: ``limit`` calls in any ``window``, ``burst`` of them at once."""

    limit: int
    window: timedelta
    burst: int

    def quota_for(self, priority: Priority) -> Quota:
        """The quota of a priority.

        Urgent polls may spend all calls. Ordinary polls leave a quarter of the burst to urgent
        ones, and the refresher leaves half of the burst to polls. Unseen ids get half of the limit,
        so that known events always have the other half. Guesses get half of that: a quarter of the
        limit is left to clients that do not guess.
        """
        reserves = {Priority.URGENT: 0, Priority.REFRESHER: self.burst // 2}
        reserve = reserves.get(priority, self.burst // 4)
        own, own_reserve = None, 0
        if priority in (Priority.UNSEEN, Priority.GUESS):
            quarter = max(1, self.limit // 4)
            own = self._build_bucket(2 * quarter, quarter + max(1, quarter // 2))
            own_reserve = quarter if priority is Priority.GUESS else 0
        bucket = self._build_bucket(self.limit, self.burst)
        return Quota(bucket, reserve, own, own_reserve, self.window)

    def stretch(self, polled: int) -> timedelta:
        """The least max-age with which half of the limit refreshes so many events."""
        return self.window * polled * 2 / self.limit

    def exceeds(self, other: "Rate") -> bool:
        """Whether this rate has more calls in the long run."""
        return self.limit * other.window > other.limit * self.window

    def _build_bucket(self, limit: int, burst: int) -> Bucket:
        """A full bucket and the calls added to it within a window are ``limit`` together."""
        interval = self.window / max(1, limit - burst)
        return Bucket(burst, interval + MICROSECOND)  # rounded up: never one call too many


FREE = Rate(100, timedelta(days=1), 20)
"""What the free plan of the API grants, the smallest one."""


def choose_priority(
    spans: Spans | None, now: datetime, *, guessed: bool = False, listed: bool = False
) -> Priority:
    """The priority of a poll of an event whose runs are in ``spans``; None if never seen.

    ``guessed`` is whether the client has asked for too many ids that do not exist, ``listed``
    whether the upstream lists the event.
    """
    if spans is None and listed:
        return Priority.ORDINARY
    if spans is None:
        return Priority.GUESS if guessed else Priority.UNSEEN
    start = find_next_start(spans, now)
    return Priority.URGENT if start and start - IMMINENT <= now else Priority.ORDINARY

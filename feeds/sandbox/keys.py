"""Keys of the partner API: whose they are, what they may read, and how often."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Literal

SANDBOX_KEY = "sandbox-key"
ORGANIZATION_ID = "k57abc123def456"
SCOPES = frozenset({"read:events", "read:series", "read:groups", "read:recurrences"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Plan = Literal["free", "premium", "enterprise"]


@dataclass(frozen=True)
class Key:
    """What a key stands for: one organization, the scopes it carries, the plan that limits it."""

    organization_id: str
    scopes: frozenset[str] = SCOPES
    plan: Plan = "enterprise"


@dataclass(frozen=True)
class Rate:
    """At most ``limit`` requests in any ``window``, and at most ``burst`` at once."""

    limit: int
    window: timedelta
    burst: int


PLANS: Mapping[Plan, Rate] = {
    "free": Rate(100, timedelta(days=1), 20),
    "premium": Rate(100, timedelta(minutes=1), 20),
    "enterprise": Rate(1_000, timedelta(minutes=1), 50),
}


class Allowance:
    """What a key may still spend: a bucket of ``burst``, refilled evenly, and a sliding window.

    The bucket is kept as the instant at which it is full again (the generic cell rate algorithm,
    ATM Forum TM 4.0). A refused request costs nothing.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._interval = rate.window / rate.limit
        self._full = EPOCH
        self._taken: deque[datetime] = deque(maxlen=rate.limit)
        self._lock = Lock()

    def take(self, now: datetime) -> datetime | None:
        """Take one request; or, with none to be had, the instant at which there will be one."""
        with self._lock:
            earliest = self._full - self._interval * (self._rate.burst - 1)
            if len(self._taken) == self._rate.limit:
                earliest = max(earliest, self._taken[0] + self._rate.window)
            if now < earliest:
                return earliest
            self._full = max(self._full, now) + self._interval
            self._taken.append(now)
            return None

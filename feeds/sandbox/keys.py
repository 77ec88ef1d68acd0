"""API keys of the partner API: organization, scopes, plan, rate limit."""

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
PLAN_NAMES: Mapping[Plan, str] = {"free": "free", "premium": "elite", "enterprise": "enterprise"}
"""The plans in the words of ``/organization``, which are not those of the page of rate limits."""


@dataclass(frozen=True)
class Key:
    """An API key: the organization it belongs to, its scopes, and the plan that limits its rate."""

    organization_id: str
    scopes: frozenset[str] = SCOPES
    plan: Plan = "enterprise"


@dataclass(frozen=True)
class PlanLimit:
    """At most ``limit`` requests in any ``window``, and at most ``burst`` at once."""

    limit: int
    window: timedelta
    burst: int


PLANS: Mapping[Plan, PlanLimit] = {
    "free": PlanLimit(100, timedelta(days=1), 20),
    "premium": PlanLimit(100, timedelta(minutes=1), 20),
    "enterprise": PlanLimit(1_000, timedelta(minutes=1), 50),
}


class RateLimiter:
    """The rate limit of one key: a token bucket of ``burst`` tokens, and a sliding window.

    The bucket refills evenly. It is stored as the time at which it is full again (the generic cell
    rate algorithm, ATM Forum TM 4.0). A refused request takes no token.
    """

    def __init__(self, rate: PlanLimit) -> None:
        self._rate = rate
        self._interval = rate.window / rate.limit
        self._full_at = EPOCH
        self._accepted: deque[datetime] = deque(maxlen=rate.limit)
        self._lock = Lock()

    def acquire(self, now: datetime) -> datetime | None:
        """Take a token and return None; without a token, return the time of the next one."""
        with self._lock:
            earliest = self._full_at - self._interval * (self._rate.burst - 1)
            if len(self._accepted) == self._rate.limit:
                earliest = max(earliest, self._accepted[0] + self._rate.window)
            if now < earliest:
                return earliest
            self._full_at = max(self._full_at, now) + self._interval
            self._accepted.append(now)
            return None

"""The wall clock; other modules get the time passed on."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import time


def utc_now(timestamp: Callable[[], float] = time) -> datetime:
    """The time now, in UTC; ``timestamp`` returns seconds since the epoch."""
    return datetime.fromtimestamp(timestamp(), UTC)

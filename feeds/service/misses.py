"""Which clients guess ids: those that have asked for too many that do not exist.

A client that guesses gets no less than before: only what is kept for other clients is closed to it
(``domain.quota``, ``service.admission``). So clients behind one proxy, which have one address,
share what guesses may spend.
"""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import Lock

from cachetools import LRUCache

from feeds.domain.freshness import UNKNOWN_CACHED_FOR

MAX_MISSES = 5
"""Ids that do not exist for which a client may ask at once."""

MAX_CLIENTS = 10_000
"""Clients that a process remembers, with at most 43 characters each: 2 MB."""


class Misses:
    """The misses of all clients, as counted by one process; threads may share it.

    ``window`` is that of the rate limit: a client has one more miss after each window, and after
    ten minutes at the earliest. The misses of a client are stored as a token bucket, by the time at
    which the bucket is full again, as in ``store.ratelimit``.
    """

    def __init__(self, window: timedelta) -> None:
        self._interval = max(window, UNKNOWN_CACHED_FOR)
        self._full_at: LRUCache[str, datetime] = LRUCache(MAX_CLIENTS)
        self._lock = Lock()

    def count(self, address: str, now: datetime) -> None:
        """Count an id that does not exist, which the client at this address has asked for."""
        client = _identify(address)
        with self._lock:
            full_at = max(self._full_at.get(client, now), now) + self._interval
            # Never more than empty, also after the clock was set back.
            self._full_at[client] = min(full_at, now + MAX_MISSES * self._interval)

    def are_spent(self, address: str, now: datetime) -> bool:
        """Whether the client at this address has no miss left."""
        with self._lock:
            full_at = self._full_at.get(_identify(address), now)
        left = now + MAX_MISSES * self._interval - full_at
        return timedelta(0) <= left < self._interval


def _identify(address: str) -> str:
    """The client at an address; a client has a whole network of IPv6 (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket has no address
        return ""
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)

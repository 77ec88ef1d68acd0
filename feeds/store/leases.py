"""Leases: one process at a time refreshes an event, and all remember why a refresh failed.

Timestamps too far in the future are ignored: the clock was set back.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from msgspec import Struct, field

from feeds.domain.freshness import LEASE, MAX_CLOCK_SKEW, UNKNOWN_CACHED_FOR
from feeds.errors import UPSTREAM_ERRORS, UpstreamError, UpstreamUnavailable
from feeds.store.ratelimit import from_micros, to_micros
from feeds.store.tables import leases


class Lease(Struct, frozen=True):
    """The right to refresh an event, with one call; ``at`` is when it was acquired.

    A lease expires ``LEASE`` later, so that a process that died does not block the event.
    """

    event_id: str
    at: datetime
    holder: str = field(default_factory=lambda: uuid4().hex)


class HeldByOther(Struct, frozen=True):
    """Another process has held the event's lease since then."""

    since: datetime


def find_obstacle(
    connection: sa.Connection, event_id: str, now: datetime
) -> HeldByOther | UpstreamError | None:
    """Why the lease cannot be acquired: another lease, or the error of the last attempt."""
    row = connection.execute(sa.select(leases).where(leases.c.event_id == event_id)).first()
    if row is None:
        return None
    acquired_at, retry_at = from_micros(row.acquired_at), from_micros(row.retry_at)
    if now < retry_at <= now + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW:
        return UPSTREAM_ERRORS.get(row.cause, UpstreamUnavailable)(retry_at=retry_at)
    return HeldByOther(acquired_at) if now - LEASE < acquired_at < now + LEASE else None


def acquire(connection: sa.Connection, lease: Lease, insert: Any) -> bool:  # noqa: ANN401 - of any dialect
    """Acquire a lease with one statement; False if the event is not free."""
    values = {
        "holder": lease.holder,
        "acquired_at": to_micros(lease.at),
        "cause": None,
        "retry_at": 0,
    }
    upsert = insert.values(event_id=lease.event_id, **values).on_conflict_do_update(
        index_elements=["event_id"], set_=values, where=is_free(lease.at)
    )
    return connection.execute(upsert.returning(leases.c.event_id)).first() is not None


def release(connection: sa.Connection, lease: Lease, **failure: Any) -> None:  # noqa: ANN401 - columns
    """Release a lease, unless it has expired and another process holds the event's lease."""
    own = (leases.c.event_id == lease.event_id) & (leases.c.holder == lease.holder)
    connection.execute(sa.update(leases).where(own).values(acquired_at=0, **failure))


def fail(connection: sa.Connection, lease: Lease, error: UpstreamError, retry: datetime) -> None:
    """Release a lease with an error that is remembered until ``retry``; delete old rows."""
    release(connection, lease, cause=type(error).__name__, retry_at=to_micros(retry))
    # Rows of guessed ids must not pile up. If the clock was set back since the lease was acquired,
    # ``lease.at`` lies ahead; only rows that have expired by the present clock are deleted.
    at = min(lease.at, retry - UNKNOWN_CACHED_FOR)
    expired = (leases.c.retry_at <= to_micros(at)) & (leases.c.acquired_at <= to_micros(at - LEASE))
    # Rows that another transaction has locked are skipped, not waited for.
    listed = sa.select(leases.c.event_id).where(expired).with_for_update(skip_locked=True)
    connection.execute(sa.delete(leases).where(leases.c.event_id.in_(listed)))


def is_free(now: datetime) -> sa.ColumnElement[bool]:
    """Whether no process holds the lease, and no failure is remembered."""
    is_held = leases.c.acquired_at.between(to_micros(now - LEASE) + 1, to_micros(now + LEASE) - 1)
    latest = now + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW
    has_failed = leases.c.retry_at.between(to_micros(now) + 1, to_micros(latest))
    return ~is_held & ~has_failed

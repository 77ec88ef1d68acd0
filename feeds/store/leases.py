"""Leases: one process at a time refreshes an event, and all remember why a refresh failed.

Timestamps too far in the future are ignored: the clock was set back.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from msgspec import Struct, field, structs

from feeds.domain.freshness import LEASE, MAX_CLOCK_SKEW, UNKNOWN_CACHED_FOR
from feeds.domain.quota import MICROSECOND
from feeds.errors import UPSTREAM_ERRORS, UpstreamError, UpstreamUnavailable
from feeds.store.ratelimit import from_micros, is_plausible, to_micros
from feeds.store.tables import leases, service


class Lease(Struct, frozen=True):
    """The right to refresh an event or a part of the catalog; ``at`` is when it was acquired.

    ``event_id`` is the id of the event, or the name of the part. A lease comes with one call, and
    expires ``LEASE`` later, so that a process that died does not block the event.
    ``refusals`` is how often the upstream refused the event since the last success.
    """

    event_id: str
    at: datetime
    holder: str = field(default_factory=lambda: uuid4().hex)
    refusals: int = 0


class HeldByOther(Struct, frozen=True):
    """Another process has held the event's lease since then."""

    since: datetime


def find_obstacle(
    connection: sa.Connection, event_id: str, now: datetime
) -> HeldByOther | UpstreamError | None:
    """Why the lease cannot be acquired: another lease, or the error of the last attempt."""
    has_failed = _has_failed(now).label("has_failed")
    obstacles = sa.select(leases, has_failed).where(leases.c.event_id == event_id, ~is_free(now))
    row = connection.execute(obstacles).first()
    if row is None:
        return None
    if row.has_failed:
        error = UPSTREAM_ERRORS.get(row.cause, UpstreamUnavailable)
        return error(retry_at=from_micros(row.retry_at))
    return HeldByOther(from_micros(row.acquired_at))


def acquire(connection: sa.Connection, lease: Lease, insert: Any) -> Lease | None:  # noqa: ANN401 - of any dialect
    """Acquire a lease with one statement; None if the event is not free."""
    values = {
        "holder": lease.holder,
        "acquired_at": to_micros(lease.at),
        "cause": None,
        "retry_at": 0,
    }
    upsert = insert.values(event_id=lease.event_id, **values).on_conflict_do_update(
        index_elements=["event_id"], set_=values, where=is_free(lease.at)
    )
    row = connection.execute(upsert.returning(leases.c.refusals)).first()
    return structs.replace(lease, refusals=row.refusals) if row else None


def renew(connection: sa.Connection, lease: Lease) -> bool:
    """Begin a lease anew at ``lease.at``; False if another process holds it, or released it."""
    own = (leases.c.event_id == lease.event_id) & (leases.c.holder == lease.holder)
    own &= leases.c.acquired_at > 0
    renewed = sa.update(leases).where(own).values(acquired_at=to_micros(lease.at))
    return connection.execute(renewed).rowcount > 0


def release(connection: sa.Connection, /, lease: Lease, **result: Any) -> bool:  # noqa: ANN401 - columns
    """Release a lease; False if it has expired and another process holds the event's lease."""
    own = (leases.c.event_id == lease.event_id) & (leases.c.holder == lease.holder)
    released = sa.update(leases).where(own).values(acquired_at=0, **result)
    return connection.execute(released).rowcount > 0


def succeed(connection: sa.Connection, lease: Lease) -> bool:
    """Release a lease after a successful answer: no earlier refusal counts any more."""
    released = release(connection, lease, refusals=0)
    is_noted = service.c.forbidden_event.is_not(None)
    connection.execute(sa.update(service).where(is_noted).values(forbidden_event=None))
    return released


def fail(
    connection: sa.Connection,
    lease: Lease,
    error: UpstreamError,
    retry: datetime,
    *,
    refused: bool = False,
) -> None:
    """Release a lease with an error that all processes remember until ``retry``; delete old rows.

    ``refused`` is whether the error counts as one more refusal of the event.
    """
    cause, refusals = type(error).__name__, lease.refusals + refused
    release(connection, lease, cause=cause, retry_at=to_micros(retry), refusals=refusals)
    # Rows of guessed ids must not pile up. If the clock was set back since the lease was acquired,
    # ``lease.at`` lies ahead; only rows that have expired by the present clock are deleted.
    at = min(lease.at, retry - UNKNOWN_CACHED_FOR)
    expired = (leases.c.retry_at <= to_micros(at)) & (leases.c.acquired_at <= to_micros(at - LEASE))
    expired &= leases.c.refusals == 0  # only known events are refused
    # Rows that another transaction has locked are skipped, not waited for.
    listed = sa.select(leases.c.event_id).where(expired).with_for_update(skip_locked=True)
    connection.execute(sa.delete(leases).where(leases.c.event_id.in_(listed)))


def is_free(now: datetime) -> sa.ColumnElement[bool]:
    """Whether no process holds the lease, and no failure is remembered."""
    is_held = is_plausible(leases.c.acquired_at, now - LEASE, now + LEASE - MICROSECOND)
    return ~is_held & ~_has_failed(now)


def _has_failed(now: datetime) -> sa.ColumnElement[bool]:
    return is_plausible(leases.c.retry_at, now, now + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW)

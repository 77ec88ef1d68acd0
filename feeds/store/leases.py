"""Leases: one process at a time refreshes an event, and all remember why a refresh failed.

Timestamps too far in the future are ignored: the clock was set back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

import sqlalchemy as sa
from msgspec import Struct, field, structs

from feeds.domain.freshness import LEASE, MAX_CLOCK_SKEW, UNKNOWN_CACHED_FOR
from feeds.domain.quota import MICROSECOND
from feeds.errors import UPSTREAM_ERRORS, UpstreamError, UpstreamUnavailable
from feeds.store.ratelimit import bind_plausible, from_micros, is_plausible, to_micros
from feeds.store.tables import leases, service


class Lease(Struct, frozen=True):
    """The right to refresh an event or a part of the catalog; ``at`` is when it was acquired.

    ``key`` is the id of the event, or the name of the part. A lease comes with one call, and
    expires ``LEASE`` later, so that a process that died does not block the event.
    ``refusals`` is how often the upstream refused the event since the last success.
    """

    key: str
    at: datetime
    holder: str = field(default_factory=lambda: uuid4().hex)
    refusals: int = 0


class HeldByOther(Struct, frozen=True):
    """Another process has held the event's lease since then."""

    since: datetime


_HAS_FAILED = is_plausible(leases.c.retry_at, "failed")
IS_FREE = ~is_plausible(leases.c.acquired_at, "held") & ~_HAS_FAILED
"""Whether no process holds the lease, and no failure is remembered; see ``bind_free``."""


def bind_free(now: datetime) -> dict[str, int]:
    """The parameters of ``IS_FREE``."""
    held = bind_plausible("held", now - LEASE, now + LEASE - MICROSECOND)
    return held | bind_plausible("failed", now, now + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW)


_SELECT_OBSTACLE = sa.select(leases, _HAS_FAILED.label("has_failed")).where(
    leases.c.event_id == sa.bindparam("event"), ~IS_FREE
)


def find_obstacle(
    connection: sa.Connection, event_id: str, now: datetime
) -> HeldByOther | UpstreamError | None:
    """Why the lease cannot be acquired: another lease, or the error of the last attempt."""
    row = connection.execute(_SELECT_OBSTACLE, {"event": event_id} | bind_free(now)).first()
    if row is None:
        return None
    if row.has_failed:
        error = UPSTREAM_ERRORS.get(row.cause, UpstreamUnavailable)
        return error(retry_at=from_micros(row.retry_at))
    return HeldByOther(from_micros(row.acquired_at))


def build_acquisition(insert: Any) -> sa.Executable:  # noqa: ANN401 - of any dialect
    """The statement of ``acquire``, made of a dialect's INSERT into ``leases``."""
    values = {
        name: insert.excluded[name] for name in ("holder", "acquired_at", "cause", "retry_at")
    }
    upsert = insert.on_conflict_do_update(index_elements=["event_id"], set_=values, where=IS_FREE)
    return cast("sa.Executable", upsert.returning(leases.c.refusals))


def acquire(connection: sa.Connection, lease: Lease, acquisition: sa.Executable) -> Lease | None:
    """Acquire a lease with one statement; None if the event is not free."""
    values = {
        "event_id": lease.key,
        "holder": lease.holder,
        "acquired_at": to_micros(lease.at),
        "cause": None,
        "retry_at": 0,
    }
    row = connection.execute(acquisition, values | bind_free(lease.at)).first()
    return structs.replace(lease, refusals=row.refusals) if row else None


_UPDATE = sa.update(leases).where(
    leases.c.event_id == sa.bindparam("event"), leases.c.holder == sa.bindparam("held_by")
)
_RENEW = _UPDATE.where(leases.c.acquired_at > 0)


def renew(connection: sa.Connection, lease: Lease) -> bool:
    """Begin a lease anew at ``lease.at``; False if another process holds it, or released it."""
    values = {"event": lease.key, "held_by": lease.holder, "acquired_at": to_micros(lease.at)}
    return connection.execute(_RENEW, values).rowcount > 0


def release(connection: sa.Connection, lease: Lease) -> bool:
    """Release a lease; False if it has expired and another process holds the event's lease."""
    return _release(connection, lease, {})


def _release(
    connection: sa.Connection, lease: Lease, result: Mapping[str, int | str | None]
) -> bool:
    """``release``, and store the columns of ``result``."""
    values = {"event": lease.key, "held_by": lease.holder, "acquired_at": 0, **result}
    return connection.execute(_UPDATE, values).rowcount > 0


_FORGET_FORBIDDEN = (
    sa.update(service).where(service.c.forbidden_event.is_not(None)).values(forbidden_event=None)
)


def succeed(connection: sa.Connection, lease: Lease) -> bool:
    """Release a lease after a successful answer: no earlier refusal counts any more."""
    released = _release(connection, lease, {"refusals": 0})
    connection.execute(_FORGET_FORBIDDEN)
    return released


def fail(
    connection: sa.Connection,
    lease: Lease,
    error: UpstreamError,
    retry: datetime,
    *,
    refused: bool = False,
) -> bool:
    """Release a lease with an error that all processes remember until ``retry``; delete old rows.

    ``refused`` is whether the error counts as one more refusal of the event. False if the lease has
    expired and another process holds the event's lease: the error is not remembered then.
    """
    result: dict[str, int | str | None] = {
        "cause": type(error).__name__,
        "retry_at": to_micros(retry),
        "refusals": lease.refusals + refused,
    }
    released = _release(connection, lease, result)
    # Rows of guessed ids must not pile up. If the clock was set back since the lease was acquired,
    # ``lease.at`` lies ahead; only rows that have expired by the present clock are deleted.
    at = min(lease.at, retry - UNKNOWN_CACHED_FOR)
    expired = (leases.c.retry_at <= to_micros(at)) & (leases.c.acquired_at <= to_micros(at - LEASE))
    expired &= leases.c.refusals == 0  # only known events are refused
    # Rows that another transaction has locked are skipped, not waited for.
    listed = sa.select(leases.c.event_id).where(expired).with_for_update(skip_locked=True)
    connection.execute(sa.delete(leases).where(leases.c.event_id.in_(listed)))
    return released

"""The budget of calls, in the one row that all processes share: each call is one UPDATE.

A bucket is kept as the instant at which it is full again (the generic cell rate algorithm, ATM
Forum TM 4.0): a call moves that by an interval, and there is none if it would be too far ahead.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from feeds.domain.freshness import FAILURE_CACHED_FOR, MAX_CLOCK_SKEW
from feeds.domain.quota import MICROSECOND, Bucket, Quota
from feeds.errors import UPSTREAM_ERRORS, QuotaExhausted, UpstreamError
from feeds.store.tables import service

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def spend_call(connection: sa.Connection, allowance: Quota, now: datetime) -> UpstreamError | None:
    """Take one call; or the error that says why there is none, with ``retry_at``."""
    latest = _latest(now, allowance.window)
    closed = service.c.closed.between(to_micros(now) + 1, latest)
    takes = _takes(allowance, now)
    update = sa.update(service).where(~closed, *(fits for _, fits in takes.values()))
    values = {name: full for name, (full, _) in takes.items()}
    if connection.execute(update.values(values).returning(service.c.id)).first():
        return None
    row = connection.execute(sa.select(service, closed.label("is_closed"))).one()
    if row.is_closed:
        return UPSTREAM_ERRORS.get(row.cause, QuotaExhausted)(retry_at=from_micros(row.closed))
    at = max(
        full - bucket.interval * (bucket.capacity - reserve - 1)
        for name, (bucket, reserve) in _buckets(allowance).items()
        if (full := from_micros(getattr(row, name))) <= _fullest(now, bucket, allowance.window)
    )
    return QuotaExhausted(retry_at=max(at, now + MICROSECOND))


def count_call(connection: sa.Connection, allowance: Quota, now: datetime) -> None:
    """Count one call that is made in any case."""
    full, _ = _takes(allowance, now)["full"]
    connection.execute(sa.update(service).values(full=full))


def close_upstream(
    connection: sa.Connection, until: datetime, cause: str, now: datetime, window: timedelta
) -> None:
    """Have no call made until then, nor before an earlier refusal is over."""
    at, latest = to_micros(until), _latest(now, window)
    closing = sa.update(service).where(~service.c.closed.between(at, latest))
    connection.execute(closing.values(closed=at, cause=cause))


def _latest(now: datetime, window: timedelta) -> int:
    """Until when the upstream may be closed; by a clock that was put back, it is no more."""
    return to_micros(now + max(window, FAILURE_CACHED_FOR) + MAX_CLOCK_SKEW)


def _fullest(now: datetime, bucket: Bucket, window: timedelta) -> datetime:
    """When a bucket may be full again; further ahead than ever, a clock was put back."""
    return now + bucket.interval * bucket.capacity + window


def to_micros(instant: datetime) -> int:
    return (instant - _EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + micros * MICROSECOND


def _buckets(allowance: Quota) -> dict[str, tuple[Bucket, int]]:
    """The buckets of an allowance, each with its reserve, by the columns that keep them."""
    own = {"unseen_full": (allowance.own, 0)} if allowance.own else {}
    return {"full": (allowance.bucket, allowance.reserve), **own}


def _takes(
    allowance: Quota, now: datetime
) -> dict[str, tuple[sa.ColumnElement[int], sa.ColumnElement[bool]]]:
    """For each column, what a call makes of it, and whether that is within bounds."""
    takes = {}
    at = to_micros(now)
    for name, (bucket, reserve) in _buckets(allowance).items():
        column, interval = service.c[name], bucket.interval // MICROSECOND
        bound = at + interval * (bucket.capacity - reserve)
        full = interval + sa.case(
            (column < at, at),
            # One call puts it right.
            (column > to_micros(_fullest(now, bucket, allowance.window)), bound - interval),
            else_=column,
        )
        takes[name] = full, full <= bound
    return takes

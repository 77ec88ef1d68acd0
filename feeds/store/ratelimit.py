"""The rate limit of calls, in one row that all processes share: each call is one UPDATE.

The generic cell rate algorithm (GCRA, ATM Forum TM 4.0): a bucket is stored as its theoretical
arrival time, the instant at which the bucket is full again. A call moves that instant ahead by the
bucket's interval, and is refused if the instant would lie too far ahead.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from feeds.domain.freshness import FAILURE_CACHED_FOR, MAX_CLOCK_SKEW
from feeds.domain.quota import MICROSECOND, Bucket, Quota
from feeds.domain.timezones import EPOCH
from feeds.errors import UPSTREAM_ERRORS, QuotaExhausted, Unauthorized, UpstreamError
from feeds.store.tables import service

_SELECT = sa.select(service)


def is_plausible(column: sa.ColumnElement[int], name: str) -> sa.ColumnElement[bool]:
    """The condition that a stored time counts: it is between two parameters.

    Their names begin with ``name``; ``bind_plausible`` gives their values.
    """
    return column.between(sa.bindparam(f"{name}_after"), sa.bindparam(f"{name}_latest"))


def bind_plausible(name: str, after: datetime, latest: datetime) -> dict[str, int]:
    """The parameters of ``is_plausible``: after ``after``, and not after the latest possible time.

    A later time was stored before the clock was set back.
    """
    return {f"{name}_after": to_micros(after) + 1, f"{name}_latest": to_micros(latest)}


_IS_CLOSED = is_plausible(service.c.closed_until, "closed")


def spend_call(connection: sa.Connection, quota: Quota, now: datetime) -> UpstreamError | None:
    """Spend one call; the error with ``retry_at`` if none is left, or the upstream is closed."""
    buckets = _list_buckets(quota)
    spending = _build_spending(tuple(buckets))
    closed = bind_plausible("closed", now, _compute_latest_reopening(now, quota.window))
    if connection.execute(spending, _bind_calls(quota, now) | closed).first():
        return None
    row = connection.execute(_SELECT).one()
    if reopening := _find_reopening(row, now, quota.window):
        return UPSTREAM_ERRORS.get(row.cause, QuotaExhausted)(retry_at=reopening)
    retry_at = max(
        tat - bucket.interval * (bucket.capacity - reserve - 1)
        for column, (bucket, reserve) in buckets.items()
        if (tat := from_micros(getattr(row, column))) <= _compute_latest_tat(now, bucket, quota)
    )
    return QuotaExhausted(retry_at=max(retry_at, now + MICROSECOND))


class Budget(NamedTuple):
    """The calls that a bucket has at present, and for how long none can be made all the same."""

    calls: int
    closed_for: timedelta


def read_budget(connection: sa.Connection, quota: Quota, now: datetime) -> Budget:
    """The calls in the smallest bucket of a quota, its reserves included."""
    row = connection.execute(_SELECT).one()
    left = [
        _count_calls(from_micros(getattr(row, column)), bucket, quota, now)
        for column, (bucket, _) in _list_buckets(quota).items()
    ]
    reopening = _find_reopening(row, now, quota.window) or now
    return Budget(min(left), reopening - now)


def _count_calls(tat: datetime, bucket: Bucket, quota: Quota, now: datetime) -> int:
    """The calls in a bucket, its reserve included."""
    if tat > _compute_latest_tat(now, bucket, quota):  # the clock was set back
        return 1
    missing = -(-max(tat - now, timedelta(0)) // bucket.interval)
    return max(0, bucket.capacity - missing)


def count_call(connection: sa.Connection, quota: Quota, now: datetime) -> None:
    """Count one call that is made in any case."""
    tat, _ = _build_call("tat")
    connection.execute(sa.update(service).values(tat=tat), _bind_calls(quota, now))


def return_call(connection: sa.Connection, quota: Quota) -> None:
    """Give back a call that was spent and not made."""
    values = {
        service.c[name]: service.c[name] - bucket.interval // MICROSECOND
        for name, (bucket, _) in _list_buckets(quota).items()
    }
    connection.execute(sa.update(service).values(values))


def close_upstream(
    connection: sa.Connection,
    until: datetime,
    cause: UpstreamError,
    now: datetime,
    window: timedelta,
) -> None:
    """Refuse the calls of all processes until then; an earlier refusal that ends later stays.

    ``window`` is that of the rate limit.
    """
    latest = _compute_latest_reopening(now, window)
    values = {"closed_until": to_micros(until), "cause": type(cause).__name__}
    closing = sa.update(service).where(~_IS_CLOSED).values(**values, forbidden_event=None)
    connection.execute(closing, bind_plausible("closed", until - MICROSECOND, latest))


def accept_key(connection: sa.Connection) -> None:
    """Allow calls again if a key that was not accepted has closed the upstream."""
    refused = service.c.cause == Unauthorized.__name__
    connection.execute(sa.update(service).where(refused).values(closed_until=0))


def note_forbidden(connection: sa.Connection, event_id: str) -> bool:
    """Note a 403 for a known event; whether another one got a 403 since the last success."""
    column = service.c.forbidden_event
    noted = sa.update(service).values(forbidden_event=sa.func.coalesce(column, event_id))
    first = connection.execute(noted.returning(column)).scalar_one()
    return bool(first != event_id)


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 (UTC)."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    return EPOCH + micros * MICROSECOND


def _find_reopening(row: Any, now: datetime, window: timedelta) -> datetime | None:  # noqa: ANN401 - a row
    """Until when the upstream is closed, as ``_IS_CLOSED`` has it; None if it is open."""
    until = from_micros(row.closed_until)
    return until if now < until <= _compute_latest_reopening(now, window) else None


def _compute_latest_reopening(now: datetime, window: timedelta) -> datetime:
    return now + max(window, FAILURE_CACHED_FOR) + MAX_CLOCK_SKEW


def _compute_latest_tat(now: datetime, bucket: Bucket, quota: Quota) -> datetime:
    """When a bucket can be full again; ignore later times: the clock was set back."""
    return now + bucket.interval * bucket.capacity + quota.window


def _list_buckets(quota: Quota) -> dict[str, tuple[Bucket, int]]:
    """The buckets of a quota, each with its reserve, by the column of the arrival time."""
    own = {"unseen_tat": (quota.own, quota.own_reserve)} if quota.own else {}
    return {"tat": (quota.bucket, quota.reserve), **own}


@cache
def _build_spending(columns: tuple[str, ...]) -> sa.Executable:
    """The statement that spends a call of each bucket, if all have one and the upstream is open."""
    calls = {column: _build_call(column) for column in columns}
    return (
        sa.update(service)
        .where(~_IS_CLOSED, *(fits for _, fits in calls.values()))
        .values({column: tat for column, (tat, _) in calls.items()})
        .returning(service.c.id)
    )


def _build_call(name: str) -> tuple[sa.ColumnElement[int], sa.ColumnElement[bool]]:
    """SQL for the arrival time after one call, and for whether the bucket has that call.

    The parameters are those of ``_bind_calls``.
    """
    column = service.c[name]
    at, interval, limit, latest = (
        sa.bindparam(f"{name}_{parameter}", type_=sa.BigInteger)
        for parameter in ("at", "interval", "limit", "latest")
    )
    tat = interval + sa.case(
        (column < at, at),
        # After the clock was set back, one call is granted, which corrects the column.
        (column > latest, limit - interval),
        else_=column,
    )
    return tat, tat <= limit


def _bind_calls(quota: Quota, now: datetime) -> dict[str, int]:
    """The parameters of ``_build_call`` for all buckets of a quota."""
    parameters, at = {}, to_micros(now)
    for name, (bucket, reserve) in _list_buckets(quota).items():
        interval = bucket.interval // MICROSECOND
        parameters[f"{name}_at"] = at
        parameters[f"{name}_interval"] = interval
        parameters[f"{name}_limit"] = at + interval * (bucket.capacity - reserve)
        parameters[f"{name}_latest"] = to_micros(_compute_latest_tat(now, bucket, quota))
    return parameters

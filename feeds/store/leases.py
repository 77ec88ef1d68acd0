"""Who refreshes an event: one at a time over all processes, and not again too soon after a failure.

What lies further ahead than it could was written by a clock that was put back, and does not count.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from msgspec import Struct, field

from feeds.domain.freshness import LEASE, MAX_CLOCK_SKEW, UNKNOWN_CACHED_FOR
from feeds.errors import UPSTREAM_ERRORS, UpstreamError, UpstreamUnavailable
from feeds.store.ratelimit import from_micros, to_micros
from feeds.store.tables import refreshes


class Lease(Struct, frozen=True):
    """The right to refresh an event, and one call to do it with; ``at`` is when it was taken."""

    event_id: str
    at: datetime
    holder: str = field(default_factory=lambda: uuid4().hex)


class Leased(Struct, frozen=True):
    """Somebody else refreshes the event, since then."""

    since: datetime


def find_obstacle(
    connection: sa.Connection, event_id: str, now: datetime
) -> Leased | UpstreamError | None:
    """What stands in the way of a claim: another one, or the error of the last attempt."""
    row = connection.execute(sa.select(refreshes).where(refreshes.c.event_id == event_id)).first()
    if row is None:
        return None
    since, retry = from_micros(row.since), from_micros(row.retry)
    if now < retry <= now + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW:
        return UPSTREAM_ERRORS.get(row.cause, UpstreamUnavailable)(retry_at=retry)
    return Leased(since) if now - LEASE < since < now + LEASE else None


def acquire(connection: sa.Connection, claim: Lease, insert: Any) -> bool:  # noqa: ANN401 - of any dialect
    """Take the lease with one statement, unless something stands in its way."""
    now = claim.at
    taken = {"holder": claim.holder, "since": to_micros(now), "cause": None, "retry": 0}
    new = insert.values(event_id=claim.event_id, **taken).on_conflict_do_update(
        index_elements=["event_id"], set_=taken, where=is_free(now)
    )
    return connection.execute(new.returning(refreshes.c.event_id)).first() is not None


def release(connection: sa.Connection, claim: Lease, **failed: Any) -> None:  # noqa: ANN401 - columns
    """End a claim, if the lease is still its own: it may have lasted too long."""
    own = (refreshes.c.event_id == claim.event_id) & (refreshes.c.holder == claim.holder)
    connection.execute(sa.update(refreshes).where(own).values(since=0, **failed))


def fail(connection: sa.Connection, claim: Lease, error: UpstreamError, retry: datetime) -> None:
    """End a claim with an error that is remembered until ``retry``."""
    release(connection, claim, cause=type(error).__name__, retry=to_micros(retry))
    # Ids that somebody guessed leave nothing. A row that is in use is not waited for. The clock may
    # have been put back since the claim: what has passed must have passed by now.
    at = min(claim.at, retry - UNKNOWN_CACHED_FOR)
    past = (refreshes.c.retry <= to_micros(at)) & (refreshes.c.since <= to_micros(at - LEASE))
    listed = sa.select(refreshes.c.event_id).where(past).with_for_update(skip_locked=True)
    connection.execute(sa.delete(refreshes).where(refreshes.c.event_id.in_(listed)))


def is_free(now: datetime) -> sa.ColumnElement[bool]:
    """Whether nobody has the lease, and no failure is remembered."""
    held = refreshes.c.since.between(to_micros(now - LEASE) + 1, to_micros(now + LEASE) - 1)
    latest = now + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW
    failed = refreshes.c.retry.between(to_micros(now) + 1, to_micros(latest))
    return ~held & ~failed

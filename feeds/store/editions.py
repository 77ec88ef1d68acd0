"""Editions in SQL: compare-and-swap of tokens, lists of events, and which events are polled.

Statements of each poll and each save are built once, with parameters: SQLAlchemy takes longer to
build one than SQLite to execute it. An UPDATE without values sets the columns that are among its
parameters; its other parameters must not have names of columns.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from feeds.domain.freshness import POLLED_WITHIN, find_expiry
from feeds.domain.model import Edition, Event, History
from feeds.store import leases as leasing
from feeds.store import rows
from feeds.store.tables import changes, events, leases, revisions

MAX_WITNESSES = 100
"""Events that are looked at for one that is listed."""


class Witness(NamedTuple):
    """Another event, and whether the upstream listed it when it was last fetched."""

    event_id: str
    fetched: datetime
    is_listed: bool


_SELECT_EVENT = sa.select(events).where(events.c.id == sa.bindparam("event"))
_SELECT_REVISIONS, _SELECT_CHANGES = (
    sa.select(table).where(table.c.event_id == sa.bindparam("event")).order_by(*table.primary_key)
    for table in (revisions, changes)
)


def read(connection: sa.Connection, event_id: str) -> History | None:
    """The edition of an event that was saved last; its history alone if it cannot be read."""
    event = {"event": event_id}
    row = connection.execute(_SELECT_EVENT, event).first()
    if row is None:
        return None
    revision_rows = connection.execute(_SELECT_REVISIONS, event).all()
    return rows.read_edition(row, revision_rows, connection.execute(_SELECT_CHANGES, event).all())


_SELECT_TOKEN = sa.select(events.c.token).where(events.c.id == sa.bindparam("event"))


def read_token(connection: sa.Connection, event_id: str) -> str:
    """The token of the edition that was saved last; empty if no edition was saved."""
    return connection.execute(_SELECT_TOKEN, {"event": event_id}).scalar() or ""


_STORED_SINCE = events.c.missing_since
_NEW_SINCE = sa.bindparam("missing", type_=sa.BigInteger)
_OVERWRITE = (
    sa.update(events)
    .where(events.c.id == sa.bindparam("event"), events.c.token == sa.bindparam("last_token"))
    # The later of both instants. If nothing is missing now, the stored instant stays: an event
    # that is listed again still was missing then.
    .values(
        missing_since=sa.case(
            (_STORED_SINCE > _NEW_SINCE, _STORED_SINCE),
            else_=sa.func.coalesce(_NEW_SINCE, _STORED_SINCE),
        )
    )
)
_INSERT = {table: sa.insert(table) for table in (events, revisions, changes)}
_DELETE = {
    table: sa.delete(table).where(table.c.event_id == sa.bindparam("event"))
    for table in (revisions, changes)
}


def write(
    connection: sa.Connection,
    token: str,
    edition: Edition,
    span: tuple[datetime, datetime],
    *,
    due: datetime,
    polled: datetime | None,
) -> bool:
    """Write an edition over the one with this token; False if there is another one meanwhile.

    Raises ``IntegrityError`` if the token is empty and there is an edition.
    """
    event_id, row = edition.event.id, rows.build_event_row(edition, span, due)
    if token:
        over = {"event": event_id, "last_token": token, "missing": row.pop("missing_since")}
        if not connection.execute(_OVERWRITE, row | over).rowcount:
            return False
    else:
        row["polled"] = rows.to_seconds(polled) if polled else None
        connection.execute(_INSERT[events], row)
    _replace(connection, revisions, event_id, rows.build_revision_rows(edition))
    _replace(connection, changes, event_id, rows.build_change_rows(edition))
    return True


def _replace(
    connection: sa.Connection, table: sa.Table, event_id: str, new: Iterable[dict[str, Any]]
) -> None:
    connection.execute(_DELETE[table], {"event": event_id})
    if new := list(new):
        connection.execute(_INSERT[table], new)


def has_any(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(events.c.id).limit(1)).first() is not None


def list_events(connection: sa.Connection, now: datetime, most: int) -> list[Event]:
    """Coming events, the next start first, then past events, the latest end first; not gone.

    Events whose documents cannot be read are left out.
    """
    is_coming = events.c.ends >= rows.to_seconds(now)
    listed = sa.select(events.c.id, events.c.document).where(events.c.gone.is_(None))
    coming = listed.where(is_coming).order_by(events.c.starts, events.c.id)
    past = listed.where(~is_coming).order_by(events.c.ends.desc(), events.c.id)
    found = list(connection.execute(coming.limit(most)))
    found += connection.execute(past.limit(most - len(found)))
    return [event for row in found if (event := rows.read_event(row))]


def list_coming(connection: sa.Connection, now: datetime, most: int) -> list[str]:
    """The ids of events that are not over or gone, the next start first."""
    is_coming = events.c.ends >= rows.to_seconds(now), events.c.gone.is_(None)
    listed = sa.select(events.c.id).where(*is_coming).order_by(events.c.starts, events.c.id)
    return list(connection.execute(listed.limit(most)).scalars())


def list_missing_since(
    connection: sa.Connection,
    event_id: str,
    between: tuple[datetime, datetime],
    now: datetime,
) -> list[datetime]:
    """Since when other events have missed a run, or are missing, if that began ``between``.

    Only events that have not ended at ``now`` count, whether they are gone or not.
    """
    begin, end = between
    listed = sa.select(events.c.pending, events.c.missing_since).where(
        events.c.id != event_id,
        events.c.missing_since >= rows.to_seconds(begin),
        events.c.ends > rows.to_seconds(now),
    )
    # What an event began to miss later hides no earlier instant.
    found = [at for row in connection.execute(listed) for at in rows.read_missing_since(row)]
    return [at for at in found if begin <= at <= end]


def find_witness(connection: sa.Connection, event_id: str, now: datetime) -> Witness | None:
    """The other event that has not ended and was fetched last; a listed one, if any is."""
    ahead = (events.c.id != event_id) & (events.c.ends > rows.to_seconds(now))
    listed = sa.select(events.c.id, events.c.fetched, events.c.pending).where(ahead)
    listed = listed.where(events.c.gone.is_(None)).order_by(events.c.fetched.desc(), events.c.id)
    found = [
        Witness(row.id, rows.from_seconds(row.fetched), is_listed=not rows.is_missing(row))
        for row in connection.execute(listed.limit(MAX_WITNESSES))
    ]
    return max(found, key=lambda each: each.is_listed, default=None)


_MARK_POLLED = (
    sa.update(events).where(events.c.id == sa.bindparam("event")).values(polled=sa.bindparam("at"))
)


def mark_polled(connection: sa.Connection, ids: Iterable[str], now: datetime) -> None:
    """Store that these events were polled; unknown ids are ignored.

    Rows are locked in the order of ids, so that two processes do not deadlock.
    """
    at = rows.to_seconds(now)
    connection.execute(_MARK_POLLED, [{"event": id_, "at": at} for id_ in sorted(ids)])


_IS_POLLED = events.c.polled >= sa.bindparam("polled_since")
_COUNT_POLLED = sa.select(sa.func.count()).where(_IS_POLLED)


def count_polled(connection: sa.Connection, now: datetime) -> int:
    return connection.execute(_COUNT_POLLED, _bind_polled(now)).scalar_one()


def list_polled_lifetimes(
    connection: sa.Connection, now: datetime
) -> list[tuple[datetime, datetime]]:
    """When the editions of polled events were fetched, and when they expire; not of gone ones."""
    listed = sa.select(events.c.fetched, events.c.due).where(events.c.gone.is_(None))
    return [
        (fetched, find_expiry(fetched, rows.from_seconds(row.due)))
        for row in connection.execute(listed.where(_IS_POLLED), _bind_polled(now))
        if (fetched := rows.from_seconds(row.fetched)) < rows.from_seconds(row.due)
    ]


def list_due(connection: sa.Connection, now: datetime, most: int) -> list[str]:
    """The ids of polled events that are due and can be leased.

    Events that are not over come first, by their start; then events that are over.
    """
    is_free = leases.c.event_id.is_(None) | leasing.IS_FREE
    listed = (
        sa.select(events.c.id)
        .outerjoin(leases, leases.c.event_id == events.c.id)
        .where(events.c.due <= rows.to_seconds(now), events.c.gone.is_(None), _IS_POLLED)
        .where(is_free)
        .order_by(events.c.ends < rows.to_seconds(now), events.c.starts, events.c.id)
    )
    parameters = _bind_polled(now) | leasing.bind_free(now)
    return list(connection.execute(listed.limit(most), parameters).scalars())


def _bind_polled(now: datetime) -> dict[str, int]:
    """The parameter of ``_IS_POLLED``."""
    return {"polled_since": rows.to_seconds(now - POLLED_WITHIN)}

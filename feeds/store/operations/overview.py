"""The state of the database at a glance, for operators."""

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from feeds.domain.catalog import EVENTS, EventList, ListedEvent
from feeds.domain.quota import Quota
from feeds.errors import UPSTREAM_ERRORS, UpstreamError
from feeds.store import catalog, ratelimit, rows
from feeds.store.engines import Engine
from feeds.store.errors import convert_errors, writes
from feeds.store.tables import catalog as parts
from feeds.store.tables import changes, deployment, events, leases, service

RECENT_SAVES = 20
"""Saves among which the last answer of the upstream is looked for.

A deploy saves editions again that were fetched earlier, so the last save need not be the last
answer. All times of fetching would have to be read from the whole table.
"""


REFRESHER = "refresher"
"""The name in ``deployment`` of the row that says when the background refresher ran last."""


class Vitals(Struct, frozen=True):
    """What decides whether the service can do its work.

    ``answered`` is when the upstream gave the last answer that was saved, ``failed`` whether calls
    fail now, and why. ``closed`` is until when the upstream was last closed, ``cause`` why.
    ``calls`` is how many calls can be made now. ``lacking`` are the events of the list that are not
    stored, and were not refused by themselves; None if no list is stored. ``refresher`` is when the
    background refresher ran last; None if there is none, or it has ended in order. ``writable`` is
    whether the last write of this process did not fail.
    """

    answered: datetime | None
    failed: UpstreamError | None
    closed: datetime
    cause: str | None
    calls: int
    lacking: tuple[tuple[ListedEvent, UpstreamError | None], ...] | None
    refresher: datetime | None
    writable: bool = True


class EventRow(Struct, frozen=True):
    """A stored event; ``error`` is why the last attempt failed, ``retry_at`` when the next is due.

    ``due`` is when the refresher fetches the next edition.
    """

    id: str
    name: str
    starts: datetime
    ends: datetime
    gone: bool
    fetched: datetime
    due: datetime
    error: UpstreamError | None
    retry_at: datetime | None


class PartRow(Struct, frozen=True):
    """A part of the catalog, with the number of its items."""

    name: str
    items: int
    fetched: datetime
    due: datetime
    error: UpstreamError | None


class ChangeRow(Struct, frozen=True):
    event: str
    run: str
    kind: str
    noticed: datetime


class DatabaseState(Struct, frozen=True):
    """What a database holds; ``calls``, ``closed`` and ``cause`` are as in ``Vitals``."""

    events: tuple[EventRow, ...]
    parts: tuple[PartRow, ...]
    changes: tuple[ChangeRow, ...]
    calls: int
    closed: datetime
    cause: UpstreamError | None


class Overview:
    """Reads the state of a database; raises ``StorageUnavailable`` while it cannot be used."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_vitals(self, quota: Quota, now: datetime) -> Vitals:
        """Read the vitals; ``quota`` is that of the calls to count."""
        with convert_errors(), self._engine.read() as connection:
            shared = connection.execute(sa.select(service)).one()
            return Vitals(
                answered=_find_last_answer(connection),
                failed=_find_failure(connection, now),
                closed=ratelimit.from_micros(shared.closed_until),
                cause=shared.cause,
                calls=ratelimit.read_budget(connection, quota, now).calls,
                lacking=_list_lacking(connection),
                refresher=_find_refresher(connection),
                writable=not writes.have_failed(),
            )

    def note_refresher(self, now: datetime | None) -> None:
        """Store that the background refresher runs; None if it ends in order."""
        since = rows.to_seconds(now) if now else 0
        row = self._engine.insert(deployment).values(name=REFRESHER, value="", since=since)
        update = row.on_conflict_do_update(index_elements=["name"], set_={"since": since})
        with convert_errors(writing=True), self._engine.write() as connection:
            connection.execute(update)

    def read_state(self, quota: Quota, now: datetime, most_changes: int) -> DatabaseState:
        """Read all events and parts, and the latest changes; takes as long as a table is large."""
        with convert_errors(), self._engine.read() as connection:
            shared = connection.execute(sa.select(service)).one()
            failures = _read_failures(connection)
            return DatabaseState(
                events=tuple(_list_events(connection, failures)),
                parts=tuple(_list_parts(connection, failures)),
                changes=tuple(_list_changes(connection, now, most_changes)),
                calls=ratelimit.read_budget(connection, quota, now).calls,
                closed=ratelimit.from_micros(shared.closed_until),
                cause=_find_error(shared.cause),
            )


_Failures = dict[str, tuple[UpstreamError, datetime]]
"""Why the last attempt failed and when the next one may be made, by ids and names of parts."""


def _read_failures(connection: sa.Connection) -> _Failures:
    failed = sa.select(leases.c.event_id, leases.c.cause, leases.c.retry_at)
    return {
        row.event_id: (error, ratelimit.from_micros(row.retry_at))
        for row in connection.execute(failed)
        if (error := _find_error(row.cause))
    }


def _find_error(cause: str | None) -> UpstreamError | None:
    kind = UPSTREAM_ERRORS.get(cause or "")
    return kind() if kind else None


def _list_events(connection: sa.Connection, failures: _Failures) -> Iterator[EventRow]:
    names = ("id", "document", "starts", "ends", "gone", "fetched", "due")
    for row in connection.execute(sa.select(*(events.c[name] for name in names))):
        event = rows.read_event(row)
        error, retry_at = failures.get(row.id, (None, None))
        yield EventRow(
            id=row.id,
            name=event.name if event else "",
            starts=rows.from_seconds(row.starts),
            ends=rows.from_seconds(row.ends),
            gone=row.gone is not None,
            fetched=rows.from_seconds(row.fetched),
            due=rows.from_seconds(row.due),
            error=error,
            retry_at=retry_at,
        )


def _list_parts(connection: sa.Connection, failures: _Failures) -> Iterator[PartRow]:
    for name in connection.execute(sa.select(parts.c.name).order_by(parts.c.name)).scalars():
        part = catalog.read(connection, name)
        if part is not None:
            items = len(getattr(part.value, "items", ()))
            error, _ = failures.get(name, (None, None))
            yield PartRow(name, items, part.fetched, part.due, error)


def _list_changes(connection: sa.Connection, now: datetime, most: int) -> Iterator[ChangeRow]:
    """The latest changes, the last one first; not those of a time that lies ahead."""
    past = changes.c.noticed <= rows.to_seconds(now)
    order = (changes.c.noticed.desc(), changes.c.event_id, changes.c.number)
    for row in connection.execute(sa.select(changes).where(past).order_by(*order).limit(most)):
        yield ChangeRow(row.event_id, row.run, row.kind, rows.from_seconds(row.noticed))


def _find_last_answer(connection: sa.Connection) -> datetime | None:
    recent = [
        sa.select(table.c.fetched).order_by(table.c.save_number.desc()).limit(RECENT_SAVES)
        for table in (events, parts)
    ]
    fetched = [at for select in recent for at in connection.execute(select).scalars()]
    return rows.from_seconds(max(fetched)) if fetched else None


def _find_refresher(connection: sa.Connection) -> datetime | None:
    row = sa.select(deployment.c.since).where(deployment.c.name == REFRESHER)
    since = connection.execute(row).scalar()
    return rows.from_seconds(since) if since else None


def _find_failure(connection: sa.Connection, now: datetime) -> UpstreamError | None:
    """The last failure that other calls would meet as well, while it is remembered."""
    failed = (leases.c.retry_at > ratelimit.to_micros(now)) & leases.c.cause.in_(
        ("UpstreamUnavailable", "UpstreamTimeout")
    )
    found = sa.select(leases.c.cause).where(failed).order_by(leases.c.retry_at.desc()).limit(1)
    cause = connection.execute(found).scalar()
    return UPSTREAM_ERRORS[cause]() if cause else None


def _list_lacking(
    connection: sa.Connection,
) -> tuple[tuple[ListedEvent, UpstreamError | None], ...] | None:
    """The listed events that are not stored, each with the error of the last attempt."""
    part = catalog.read(connection, EVENTS)
    if part is None or not isinstance(part.value, EventList):
        return None
    stored = set(connection.execute(sa.select(events.c.id)).scalars())
    missing = [each for each in part.value.items if each.id not in stored]
    if not missing:
        return ()
    failures = _read_failures(connection)
    return tuple((each, failures.get(each.id, (None, None))[0]) for each in missing)

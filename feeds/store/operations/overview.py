"""The state of the database at a glance, for operators."""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from feeds.domain.catalog import EVENTS, EventList, ListedEvent
from feeds.domain.quota import Quota
from feeds.errors import UPSTREAM_ERRORS, UpstreamError
from feeds.store import catalog, ratelimit, rows
from feeds.store.engines import Engine
from feeds.store.errors import convert_errors
from feeds.store.tables import catalog as parts
from feeds.store.tables import events, leases, service

RECENT_SAVES = 20
"""Saves among which the last answer of the upstream is looked for.

A deploy saves editions again that were fetched earlier, so the last save need not be the last
answer. All times of fetching would have to be read from the whole table.
"""


class Vitals(Struct, frozen=True):
    """What decides whether the service can do its work.

    ``answered`` is when the upstream gave the last answer that was saved, ``failed`` whether calls
    fail now, and why. ``closed`` is until when the upstream was last closed, ``cause`` why.
    ``calls`` is how many calls can be made now. ``lacking`` are the events of the list that are not
    stored, and were not refused by themselves; None if no list is stored.
    """

    answered: datetime | None
    failed: UpstreamError | None
    closed: datetime
    cause: str | None
    calls: int
    lacking: tuple[tuple[ListedEvent, UpstreamError | None], ...] | None


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
                calls=ratelimit.count_left(shared.tat, quota, now),
                lacking=_list_lacking(connection),
            )


def _find_last_answer(connection: sa.Connection) -> datetime | None:
    recent = [
        sa.select(table.c.fetched).order_by(table.c.save_number.desc()).limit(RECENT_SAVES)
        for table in (events, parts)
    ]
    fetched = [at for select in recent for at in connection.execute(select).scalars()]
    return rows.from_seconds(max(fetched)) if fetched else None


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
    failed = sa.select(leases.c.event_id, leases.c.cause).where(leases.c.cause.is_not(None))
    causes = {row.event_id: row.cause for row in connection.execute(failed)}
    errors = {id_: UPSTREAM_ERRORS[cause]() for id_, cause in causes.items()}
    return tuple((each, errors.get(each.id)) for each in missing)

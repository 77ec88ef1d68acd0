"""The recurrences of the organization, one row that all processes share, and when to ask again."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from msgspec import json

from feeds.domain.model import Recurrence
from feeds.store import identity
from feeds.store.rows import from_seconds, to_seconds
from feeds.store.tables import deployment

Recurrences = Mapping[str, tuple[Recurrence, ...]]
"""The recurrences of an organization by the ids of their events."""

NAME = "recurrences"
_DECODER = json.Decoder(dict[str, tuple[Recurrence, ...]])
_IS_ROW = deployment.c.name == NAME


def create(connection: sa.Connection) -> None:
    """Create the row, with nothing known, if there is none."""
    identity.bind(connection, NAME, "", from_seconds(0))


def read(connection: sa.Connection) -> tuple[Recurrences | None, datetime]:
    """What was stored, None if nothing can be read, and when to ask the upstream again."""
    row = connection.execute(sa.select(deployment.c.value, deployment.c.since).where(_IS_ROW))
    value, due = row.one()
    try:
        return (_DECODER.decode(value) if value else None), from_seconds(due)
    except ValueError:
        return None, from_seconds(due)


def postpone(connection: sa.Connection, due: datetime, until: datetime) -> bool:
    """Ask again at ``until`` instead of ``due``; False if another process was faster."""
    is_due = _IS_ROW & (deployment.c.since == to_seconds(due))
    changed = sa.update(deployment).where(is_due).values(since=to_seconds(until))
    return connection.execute(changed).rowcount > 0


def write(connection: sa.Connection, found: Recurrences) -> None:
    """Store what the upstream answered."""
    value = json.encode(found).decode()
    connection.execute(sa.update(deployment).where(_IS_ROW).values(value=value))

"""The catalog in SQL: one row for each part, which all processes share.

Statements are built once, as in ``store.editions``.
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct, json

from feeds.domain.catalog import Value
from feeds.store import rows
from feeds.store.tables import catalog, events

_DECODER: json.Decoder[Value] = json.Decoder(Value)


class Part(Struct, frozen=True):
    """A part of the catalog: its name, a token of its save, and what the upstream answered.

    ``changed`` is when the value last changed, ``due`` when to fetch it again. ``pages``
    is the number of calls that it cost. ``served`` is whether a feed was made of it (rules 11.7).
    """

    name: str
    token: str
    value: Value
    fetched: datetime
    changed: datetime
    due: datetime
    pages: int = 1
    served: bool = False


_IS_PART = catalog.c.name == sa.bindparam("part")
_SELECT = sa.select(catalog).where(_IS_PART)


def read(connection: sa.Connection, name: str) -> Part | None:
    """A part as it was saved last; None if it was not saved, or cannot be read."""
    row = connection.execute(_SELECT, {"part": name}).first()
    if row is None:
        return None
    try:
        value = _DECODER.decode(row.value)
    except ValueError:
        return None
    return Part(
        name,
        row.token,
        value,
        rows.from_seconds(row.fetched),
        rows.from_seconds(row.changed),
        rows.from_seconds(row.due),
        row.pages,
        row.served,
    )


def read_token(connection: sa.Connection, name: str) -> str:
    """The token of the save of a part; empty if it was not saved, or cannot be read."""
    part = read(connection, name)
    return part.token if part else ""


_UPDATE, _INSERT = sa.update(catalog).where(_IS_PART), sa.insert(catalog)


def write(connection: sa.Connection, part: Part) -> None:
    """Save a part over the one before, if there was one."""
    values = {
        "token": part.token,
        "value": json.encode(part.value),
        "fetched": rows.to_seconds(part.fetched),
        "changed": rows.to_seconds(part.changed),
        "due": rows.to_seconds(part.due),
        "pages": part.pages,
    }
    if not connection.execute(_UPDATE, values | {"part": part.name}).rowcount:
        connection.execute(_INSERT, values | {"name": part.name, "served": False})


def mark_served(connection: sa.Connection, name: str) -> None:
    """Store that a feed was made of a part."""
    connection.execute(_UPDATE, {"part": name, "served": True})


_SELECT_PAGES = sa.select(sa.func.coalesce(sa.func.sum(catalog.c.pages), 0)).where(~_IS_PART)


def count_pages(connection: sa.Connection, name: str) -> int:
    """The calls that the other parts cost."""
    return int(connection.execute(_SELECT_PAGES, {"part": name}).scalar_one())


def mark_polled(connection: sa.Connection, names: Iterable[str], now: datetime) -> None:
    """Store that these parts were polled; unknown ones are ignored."""
    for name in sorted(names):
        connection.execute(_UPDATE, {"part": name, "polled": rows.to_seconds(now)})


def list_polled(connection: sa.Connection, since: datetime) -> list[str]:
    polled = sa.select(catalog.c.name).where(catalog.c.polled >= rows.to_seconds(since))
    return list(connection.execute(polled.order_by(catalog.c.name)).scalars())


def list_ends(connection: sa.Connection, gone_before: datetime) -> dict[str, datetime | None]:
    """When each stored event ends; None if it was gone before ``gone_before``."""
    stored = sa.select(events.c.id, events.c.ends, events.c.gone)
    limit = rows.to_seconds(gone_before)
    return {
        row.id: None if row.gone is not None and row.gone < limit else rows.from_seconds(row.ends)
        for row in connection.execute(stored)
    }


def list_gone(connection: sa.Connection, now: datetime) -> dict[str, datetime]:
    """When each event was fetched that is gone and that may be asked for again at ``now``."""
    gone = sa.select(events.c.id, events.c.fetched).where(
        events.c.gone.is_not(None), events.c.due <= rows.to_seconds(now)
    )
    return {row.id: rows.from_seconds(row.fetched) for row in connection.execute(gone)}

"""What a database belongs to: one upstream and one organization."""

from datetime import datetime

import sqlalchemy as sa

from feeds.store.rows import to_seconds
from feeds.store.tables import deployment


def bind(connection: sa.Connection, name: str, value: str, now: datetime) -> str:
    """Bind the database to a value, once; returns the value to which it was bound first."""
    bound = sa.select(deployment.c.value).where(deployment.c.name == name)
    columns = (sa.literal(name), sa.literal(value), sa.literal(to_seconds(now), sa.BigInteger))
    row = sa.select(*columns).where(~sa.exists(bound))
    connection.execute(sa.insert(deployment).from_select(["name", "value", "since"], row))
    return str(connection.execute(bound).scalar_one())


def read(connection: sa.Connection, name: str) -> str | None:
    """The value to which the database is bound; None if it is not bound."""
    return connection.execute(
        sa.select(deployment.c.value).where(deployment.c.name == name)
    ).scalar()

"""What a database belongs to: one upstream, one organization; and what is deployed on it."""

from datetime import datetime

import sqlalchemy as sa

from feeds.store.rows import from_seconds, to_seconds
from feeds.store.tables import deployment


def bind(connection: sa.Connection, name: str, value: str, now: datetime) -> str:
    """The value that the database was bound to first: the given one if it is new."""
    known = sa.select(deployment.c.value).where(deployment.c.name == name)
    columns = (sa.literal(name), sa.literal(value), sa.literal(to_seconds(now), sa.BigInteger))
    row = sa.select(*columns).where(~sa.exists(known))
    connection.execute(sa.insert(deployment).from_select(["name", "value", "since"], row))
    return str(connection.execute(known).scalar_one())


def bind_latest(connection: sa.Connection, name: str, value: str, now: datetime) -> datetime:
    """Since when the database has had this value; that time never falls."""
    bind(connection, name, value, now)
    row = deployment.c.name == name
    last, new = deployment.c.since, to_seconds(now)
    later = sa.case((last >= new, last + 1), else_=new)
    changed = sa.update(deployment).where(row, deployment.c.value != value)
    connection.execute(changed.values(value=value, since=later))
    return from_seconds(connection.execute(sa.select(deployment.c.since).where(row)).scalar_one())

"""What a database belongs to: one upstream and one organization; and the deployed fingerprint."""

from datetime import datetime

import sqlalchemy as sa

from feeds.store.rows import from_seconds, to_seconds
from feeds.store.tables import deployment


def bind(connection: sa.Connection, name: str, value: str, now: datetime) -> str:
    """Bind the database to a value, once; returns the value to which it was bound first."""
    bound = sa.select(deployment.c.value).where(deployment.c.name == name)
    columns = (sa.literal(name), sa.literal(value), sa.literal(to_seconds(now), sa.BigInteger))
    row = sa.select(*columns).where(~sa.exists(bound))
    connection.execute(sa.insert(deployment).from_select(["name", "value", "since"], row))
    return str(connection.execute(bound).scalar_one())


def record_fingerprint(connection: sa.Connection, fingerprint: str, now: datetime) -> datetime:
    """Record the fingerprint of the deployment; returns since when it is the current one.

    That time rises with each new fingerprint, even if the clock was set back.
    """
    bind(connection, "fingerprint", fingerprint, now)
    row = deployment.c.name == "fingerprint"
    last, new = deployment.c.since, to_seconds(now)
    rising = sa.case((last >= new, last + 1), else_=new)
    changed = sa.update(deployment).where(row, deployment.c.value != fingerprint)
    connection.execute(changed.values(value=fingerprint, since=rising))
    return from_seconds(connection.execute(sa.select(deployment.c.since).where(row)).scalar_one())

"""The tables of a database, and what it belongs to: one upstream and one organization.

Tables are created at the first start; those of release 0.1.0 are upgraded, others are refused.
"""

import logging
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from feeds.errors import SettingsError
from feeds.store.rows import to_seconds
from feeds.store.tables import deployment, events, metadata, service

log = logging.getLogger(__name__)

REFILL = '"feeds warm --all" fetches the events of the organization, "feeds warm ID..." any others'
"""What an operator can do about an empty database."""

VERSION = 3
"""The version of the tables: raise it with each change of ``tables``."""

REMOVED = ("version", "pending_since")
"""Columns of version 1 that later versions do not have."""


def create_schema(connection: sa.Connection) -> None:
    """Create the tables, in the transaction of ``connection``, if there are none.

    Tables of version 1 are upgraded. Raises ``SettingsError`` if the database has tables of
    another version, or of another program.
    """
    version = _read_version(connection)
    names = set(sa.inspect(connection).get_table_names())
    # A server may have other tables beside ours, a file may not.
    foreign = names if connection.dialect.name == "sqlite" else names & metadata.tables.keys()
    if version is None and foreign:
        raise SettingsError(
            "FEEDS_DATABASE_URL has tables of another program; use a database of its own."
        )
    if version is None:
        metadata.create_all(connection, checkfirst=False)
        empty = dict.fromkeys(("save_number", "tat", "unseen_tat", "closed_until"), 0)
        connection.execute(sa.insert(service).values(id=1, **empty))
        row = {"name": "tables", "value": str(VERSION), "since": 0}
        connection.execute(sa.insert(deployment).values(row))
        log.warning("the database is new and empty: %s", REFILL)
    elif version == "1":
        _upgrade(connection)
        log.warning("the tables of version 1 were upgraded to version %d", VERSION)
    elif version != str(VERSION):
        raise SettingsError(
            f"FEEDS_DATABASE_URL has tables of version {version}, this release uses {VERSION}; "
            "use another database."
        )


def _read_version(connection: sa.Connection) -> str | None:
    """The version of the tables; None if there are none."""
    if not sa.inspect(connection).has_table("deployment"):
        return None
    version = sa.select(deployment.c.value).where(deployment.c.name == "tables")
    return str(connection.execute(version).scalar() or "unknown")


def _upgrade(connection: sa.Connection) -> None:
    """Bring the tables of version 1 (release 0.1.0) to the present version.

    All rows are copied into new tables. No stamp is lost: those of the entries are kept, and
    Last-Modified rises above them with the first save. Removals that were pending begin anew.
    """
    names = sa.inspect(connection).get_table_names()
    tables = [table for table in metadata.sorted_tables if table.name in names]
    stored = {
        table: connection.execute(sa.text(f"SELECT * FROM {table.name}")).mappings().all()  # noqa: S608 - own names
        for table in tables
    }
    metadata.drop_all(connection)
    metadata.create_all(connection, checkfirst=False)
    for table in tables:
        rows = [{name: row[name] for name in row if name not in REMOVED} for row in stored[table]]
        if table is events:
            for row in rows:
                row |= {"token": uuid4().hex, "modified": 0, "numbers": b"{}", "pending": None}
        if rows:
            connection.execute(sa.insert(table), rows)
    is_version = deployment.c.name == "tables"
    connection.execute(sa.update(deployment).where(is_version).values(value=str(VERSION)))


def bind(connection: sa.Connection, name: str, value: str, now: datetime) -> str:
    """Bind the database to a value, once; returns the value to which it was bound first."""
    bound = sa.select(deployment.c.value).where(deployment.c.name == name)
    columns = (sa.literal(name), sa.literal(value), sa.literal(to_seconds(now), sa.BigInteger))
    row = sa.select(*columns).where(~sa.exists(bound))
    connection.execute(sa.insert(deployment).from_select(["name", "value", "since"], row))
    return str(connection.execute(bound).scalar_one())


def read_bound(connection: sa.Connection, name: str) -> str | None:
    """The value to which the database is bound; None if it is not bound."""
    return connection.execute(
        sa.select(deployment.c.value).where(deployment.c.name == name)
    ).scalar()

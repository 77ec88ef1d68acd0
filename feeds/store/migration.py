"""Bring the tables of version 1 (release 0.1.0) to version 2; every event keeps its history."""

from uuid import uuid4

import sqlalchemy as sa

from feeds.store.tables import deployment, events, metadata

REMOVED = ("version", "pending_since")
"""Columns of version 1 that version 2 does not have."""


def upgrade_from_1(connection: sa.Connection) -> None:
    """Copy all rows into new tables, in the transaction of ``connection``.

    No stamp is lost: those of the entries are kept, and Last-Modified rises above them with the
    first save. Removals that were pending begin anew.
    """
    tables = metadata.sorted_tables
    stored = {
        table: connection.execute(sa.text(f"SELECT * FROM {table.name}")).mappings().all()  # noqa: S608 - own names
        for table in tables
    }
    metadata.drop_all(connection)
    metadata.create_all(connection)
    for table in tables:
        rows = [{name: row[name] for name in row if name not in REMOVED} for row in stored[table]]
        if table is events:
            for row in rows:
                row |= {"token": uuid4().hex, "modified": 0, "numbers": b"{}", "pending": None}
        if rows:
            connection.execute(sa.insert(table), rows)
    is_version = deployment.c.name == "tables"
    connection.execute(sa.update(deployment).where(is_version).values(value="2"))

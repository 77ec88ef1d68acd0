"""From the tables of an older version to the newest: numbered steps, each in one transaction."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from feeds.errors import SettingsError
from feeds.store.tables import deployment, events, metadata, service, stamps

SEQUENCE_EPOCH = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())


def migrate(connection: sa.Connection) -> None:
    """Bring the tables to ``NEWEST`` in the transaction of ``connection``.

    Raises ``SettingsError`` if a newer version of this service made them.
    """
    version = _version(connection)
    if version > NEWEST:
        raise SettingsError(
            f"FEEDS_DATABASE_URL was made by a newer version of this service (tables {version}, "
            f"this one knows {NEWEST}); run that version, or use another database."
        )
    if version == NEWEST:
        return
    if version:
        for step in _STEPS[version - 1 :]:
            step(connection)
    metadata.create_all(connection)
    if not connection.execute(sa.select(service.c.id)).first():
        empty = dict.fromkeys(("revision", "full", "unseen_full", "closed"), 0)
        connection.execute(sa.insert(service).values(id=1, **empty))
    connection.execute(sa.delete(deployment).where(deployment.c.name == "tables"))
    row = {"name": "tables", "value": str(NEWEST), "since": 0}
    connection.execute(sa.insert(deployment).values(row))


def _version(connection: sa.Connection) -> int:
    """The version of the tables; 0 if there are none."""
    if not sa.inspect(connection).has_table("deployment"):
        return 0
    made = sa.select(deployment.c.value).where(deployment.c.name == "tables")
    return int(connection.execute(made).scalar() or 1)


def _history(connection: sa.Connection) -> None:
    """From version 1, which had one stamp for an event, to stamps and changes."""
    # It made its tables one by one: a start that was killed has left the last ones out.
    found = {"deployment", "events"} & set(sa.inspect(connection).get_table_names())
    for name in found:
        connection.execute(sa.text(f"ALTER TABLE {name} RENAME TO {name}_1"))
    connection.execute(sa.text("DROP INDEX IF EXISTS ix_events_ends"))
    metadata.create_all(connection)
    copy = "INSERT INTO deployment (name, value, since) SELECT name, value, 0 FROM deployment_1"
    connection.execute(sa.text(copy))
    if "events" in found:
        kept = ("id", "version", "document", "fetched", "starts", "ends")
        for row in connection.execute(sa.text("SELECT * FROM events_1")).mappings().all():
            columns = {name: row[name] for name in kept} | {"deployment": ""}
            connection.execute(sa.insert(events).values(columns))
            connection.execute(sa.insert(stamps), list(_first_stamps(row)))
    for name in found:
        connection.execute(sa.text(f"DROP TABLE {name}_1"))


def _first_stamps(row: sa.RowMapping) -> Iterator[dict[str, Any]]:
    """For the event and each of its runs, what version 1 said of all of them."""
    ids = [row["id"], *(run["id"] for run in json.loads(row["document"]).get("runs", ()))]
    for id_ in dict.fromkeys(ids):
        yield {
            "event_id": row["id"],
            "id": id_,
            "created": row["first_seen"],
            "last_modified": row["last_modified"],
            "sequence": row["last_modified"] - SEQUENCE_EPOCH,
            "content": "",
            "schedule": "",
        }


def _budget(connection: sa.Connection) -> None:
    """From version 2, whose processes knew nothing of each other's calls."""
    known = {column["name"] for column in sa.inspect(connection).get_columns("events")}
    for name in ("etag", "due", "polled", "revision"):
        if name not in known:  # the step before makes the table as it is now
            column = sa.schema.CreateColumn(events.c[name]).compile(dialect=connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE events ADD COLUMN {column}"))
    for index in events.indexes:
        index.create(connection, checkfirst=True)


_STEPS: tuple[Callable[[sa.Connection], None], ...] = (_history, _budget)
NEWEST = 1 + len(_STEPS)

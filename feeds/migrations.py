"""From the tables of an older version to the newest: numbered steps, each in one transaction."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from feeds.errors import SettingsError
from feeds.tables import deployment, events, metadata, stamps

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
    connection.execute(sa.delete(deployment).where(deployment.c.name == "tables"))
    row = {"name": "tables", "value": str(NEWEST), "since": 0}
    connection.execute(sa.insert(deployment).values(row))


def _version(connection: sa.Connection) -> int:
    """The version of the tables; 0 if there are none."""
    names = set(sa.inspect(connection).get_table_names())
    if not {"events", "deployment"} <= names:
        return 0
    made = sa.select(deployment.c.value).where(deployment.c.name == "tables")
    return int(connection.execute(made).scalar() or 1)


def _history(connection: sa.Connection) -> None:
    """From version 1, which had one stamp for an event, to stamps and changes."""
    for name in ("events", "deployment"):
        connection.execute(sa.text(f"ALTER TABLE {name} RENAME TO {name}_1"))
    connection.execute(sa.text("DROP INDEX ix_events_ends"))
    metadata.create_all(connection)
    copy = "INSERT INTO deployment (name, value, since) SELECT name, value, 0 FROM deployment_1"
    connection.execute(sa.text(copy))
    for row in connection.execute(sa.text("SELECT * FROM events_1")).mappings().all():
        kept = ("id", "version", "document", "fetched", "starts", "ends")
        columns = {name: row[name] for name in kept}
        connection.execute(sa.insert(events).values(columns, deployment=""))
        ids = [row["id"], *(run["id"] for run in json.loads(row["document"]).get("runs", ()))]
        for id_ in dict.fromkeys(ids):
            connection.execute(
                sa.insert(stamps).values(
                    event_id=row["id"],
                    id=id_,
                    created=row["first_seen"],
                    last_modified=row["last_modified"],
                    sequence=row["last_modified"] - SEQUENCE_EPOCH,
                    content="",
                    schedule="",
                )
            )
    for name in ("events_1", "deployment_1"):
        connection.execute(sa.text(f"DROP TABLE {name}"))


_STEPS: tuple[Callable[[sa.Connection], None], ...] = (_history,)
NEWEST = 1 + len(_STEPS)

"""What differs between the engines of databases: SQLite, which is a file; PostgreSQL, a server.

Each gives a connection to ``read`` with, whose statements see one version of all tables, one to
``write`` with, and ``making``: alone among all that start at the same time.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from feeds.errors import SettingsError
from feeds.store import quarantine as damage

PATIENCE = 10
"""Seconds that a statement waits for what others are writing."""

CONNECT_TIMEOUT = 3
"""Seconds until a server that does not answer counts as away."""

POOL = {"pool_size": 5, "max_overflow": 15, "pool_timeout": PATIENCE}
"""Connections of a process; each is held for milliseconds."""

POSTGRESQL = "postgresql+psycopg"

_STARTING = 7_350_911
"""The advisory lock of those that make tables; any number that nothing else uses."""


class Engine(Protocol):
    """A database as SQLAlchemy knows it."""

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one version of all tables."""

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that is committed at the end of the block."""

    def making(self, now: datetime) -> AbstractContextManager[sa.Connection]:
        """``write`` for one process at a time, where there may be nothing yet."""

    def close(self) -> None:
        """Close the connections that are not in use."""

    def upsert(self, table: sa.Table) -> Any:  # noqa: ANN401 - two dialects' inserts
        """An INSERT that takes ``on_conflict_do_update``."""


def create_engine(url: str) -> Engine:
    """The engine of a database URL that ``config`` has found to be well formed.

    Raises ``SettingsError`` if its driver is not installed.
    """
    named = sa.make_url(url)
    if named.drivername == POSTGRESQL:
        if importlib.util.find_spec("psycopg") is None:
            raise SettingsError(
                "FEEDS_DATABASE_URL needs psycopg: pip install 'intervals-feeds[postgres]'."
            )
        return Postgres(named)
    return Sqlite(named)


class Sqlite:
    """A file, made by ``making`` alone: an empty one would take the place of one that is away."""

    def __init__(self, url: sa.URL) -> None:
        self._path = Path(url.database or "").absolute()
        query = {"mode": "rw", "uri": "true", "timeout": str(PATIENCE)}
        self._engine = sa.create_engine(url.set(database=self._path.as_uri(), query=query), **POOL)
        sa.event.listen(self._engine, "connect", self._connected)
        sa.event.listen(self._engine, "checkout", self._checked_out)
        sa.event.listen(self._engine, "begin", _begin)

    def read(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.connect()

    def write(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.execution_options(begins="IMMEDIATE").begin()

    @contextmanager
    def making(self, now: datetime) -> Iterator[sa.Connection]:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        with damage.lock_folder(folder):  # SQLite does not wait where many make a file its own
            damage.quarantine(self._path, now)
            self._path.touch()
            with self.write() as connection:
                yield connection

    def close(self) -> None:
        self._engine.dispose()

    def upsert(self, table: sa.Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def _connected(self, connection: Any, record: Any) -> None:  # noqa: ANN401 - DBAPI connections have no common type
        # Else the driver opens no transaction for reading, and two reads may see two versions.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        record.info["file"] = self._file()

    def _checked_out(self, _connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401 - as above
        """Give up a connection to a file that was deleted, or put aside or replaced meanwhile."""
        if record.info["file"] != self._file():
            raise sa.exc.DisconnectionError("the database is another file now")

    def _file(self) -> tuple[int, int] | None:
        """Which file is there, as the system tells files apart; None if there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


class Postgres:
    """A server. A connection is tried before it is used: one that broke is replaced."""

    def __init__(self, url: sa.URL) -> None:
        settings = {
            "connect_timeout": CONNECT_TIMEOUT,
            "tcp_user_timeout": CONNECT_TIMEOUT * 1000,
            "application_name": "intervals-feeds",
            "options": f"-c statement_timeout={PATIENCE}s -c lock_timeout={PATIENCE}s"
            f" -c idle_in_transaction_session_timeout={PATIENCE}s",
        }
        own = {name: value for name, value in settings.items() if name not in url.query}
        self._engine = sa.create_engine(url, pool_pre_ping=True, connect_args=own, **POOL)
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")

    def read(self) -> AbstractContextManager[sa.Connection]:
        return self._reading.connect()

    def write(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.begin()

    @contextmanager
    def making(self, now: datetime) -> Iterator[sa.Connection]:  # noqa: ARG002 - nothing is put aside
        with self.write() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_STARTING)))
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def upsert(self, table: sa.Table) -> Any:  # noqa: ANN401 - known once it is imported
        # 30 ms of a start, and 2 MiB, without which SQLite does.
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)


def _begin(connection: sa.Connection) -> None:
    begins = connection.get_execution_options().get("begins", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {begins}")

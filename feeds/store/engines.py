"""The differences between SQLite, which is a file, and PostgreSQL, which is a server."""

import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from feeds.errors import SettingsError
from feeds.store.quarantine import lock_folder, quarantine

LOCK_TIMEOUT = 10
"""Seconds that a statement waits for the locks of other transactions."""

FILE_LOCK_TIMEOUT = 5
"""Seconds that a statement waits while another program locks the file. A request that waits for an
edition learns then that the database is unavailable (rules 8.22)."""

CONNECT_TIMEOUT = 3
"""Seconds until a server that does not answer counts as unavailable."""

POOL = {"pool_size": 5, "max_overflow": 15, "pool_timeout": LOCK_TIMEOUT}
"""The connections of a process; each is in use for milliseconds."""

POSTGRESQL = "postgresql+psycopg"
"""SQLAlchemy's name for PostgreSQL with the driver psycopg."""

_STARTUP_LOCK = 7_350_911
"""The key of the advisory lock for creating tables: an arbitrary number."""


class Engine(Protocol):
    """A SQLAlchemy engine with the transactions that the service needs."""

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A transaction whose statements all see the same snapshot."""

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that is committed at the end of the block."""

    def write_exclusively(self, now: datetime) -> AbstractContextManager[sa.Connection]:
        """``write`` for one process at a time, which may create the database."""

    def close(self) -> None:
        """Close all idle connections."""

    def insert(self, table: sa.Table) -> Any:  # noqa: ANN401 - two dialects' inserts
        """An INSERT that has ``on_conflict_do_update``."""


def create_engine(url: str) -> Engine:
    """The engine of a database URL that ``config`` has validated.

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
    """A file.

    Only ``write_exclusively`` creates it. While a file is missing, no other transaction may put an
    empty one in its place.
    """

    def __init__(self, url: sa.URL) -> None:
        self._path = Path(url.database or "").absolute()
        query = {"mode": "rw", "uri": "true", "timeout": str(FILE_LOCK_TIMEOUT)}
        self._engine = sa.create_engine(url.set(database=self._path.as_uri(), query=query), **POOL)
        sa.event.listen(self._engine, "connect", self._set_up)
        sa.event.listen(self._engine, "checkout", self._check_file)
        sa.event.listen(self._engine, "begin", _begin)
        self._writing = self._engine.execution_options(begins="IMMEDIATE")

    def read(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.connect()

    def write(self) -> AbstractContextManager[sa.Connection]:
        return self._writing.begin()

    @contextmanager
    def write_exclusively(self, now: datetime) -> Iterator[sa.Connection]:
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock_folder(folder):  # SQLite does not wait for others that set up a new file
            quarantine(self._path, now)
            self._path.touch(mode=0o600)  # SQLite gives its other files the same mode
            with self.write() as connection:
                yield connection

    def close(self) -> None:
        self._engine.dispose()

    def insert(self, table: sa.Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def _set_up(self, connection: Any, record: Any) -> None:  # noqa: ANN401 - DBAPI connections have no common type
        # By default, the driver opens no transaction for reading, and two reads in a row may see
        # two versions.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        record.info["file"] = self._identify_file()

    def _check_file(self, _connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401 - as above
        """Discard a pooled connection if its file was deleted, moved or replaced."""
        if record.info["file"] != self._identify_file():
            raise sa.exc.DisconnectionError("the database is another file now")

    def _identify_file(self) -> tuple[int, int] | None:
        """The device and the inode of the file; None if there is no file."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


class Postgres:
    """A server. Each connection is tested before it is used, and replaced if it is broken."""

    def __init__(self, url: sa.URL) -> None:
        settings = {
            "connect_timeout": CONNECT_TIMEOUT,
            "tcp_user_timeout": CONNECT_TIMEOUT * 1000,
            # A server that dies after it has received a statement sends no error. The system's
            # default asks such a server for the first time after two hours.
            "keepalives_idle": LOCK_TIMEOUT,
            "keepalives_interval": 1,
            "application_name": "intervals-feeds",
            "client_encoding": "utf8",  # else a database in SQL_ASCII gives bytes for texts
            "options": f"-c statement_timeout={LOCK_TIMEOUT}s -c lock_timeout={LOCK_TIMEOUT}s"
            f" -c idle_in_transaction_session_timeout={LOCK_TIMEOUT}s",
        }
        defaults = {name: value for name, value in settings.items() if name not in url.query}
        self._engine = sa.create_engine(url, pool_pre_ping=True, connect_args=defaults, **POOL)
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")

    def read(self) -> AbstractContextManager[sa.Connection]:
        return self._reading.connect()

    def write(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.begin()

    @contextmanager
    def write_exclusively(self, now: datetime) -> Iterator[sa.Connection]:  # noqa: ARG002 - for SQLite
        with self.write() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_STARTUP_LOCK)))
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def insert(self, table: sa.Table) -> Any:  # noqa: ANN401 - the type is imported below
        # The import takes 30 ms and 2 MiB, which a service with SQLite saves.
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)


def _begin(connection: sa.Connection) -> None:
    begins = connection.get_execution_options().get("begins", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {begins}")

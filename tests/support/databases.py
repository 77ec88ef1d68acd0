"""Databases of both engines for tests, and processes that use a database at the same time."""

from collections.abc import Callable, Iterable
from datetime import datetime
from multiprocessing import get_context
from typing import Any

import sqlalchemy as sa

from feeds.sandbox import ORGANIZATION_ID
from feeds.store.database import Database
from feeds.store.tables import metadata
from tests.support.factories import NOW
from tests.support.waiting import PATIENCE

ENGINES = ("sqlite", "postgresql")
API = "https://api.intervals.run"

# Forked from a server that has one thread: as fast as fork, without inherited locks. The server
# imports beforehand what test modules import and what takes long.
processes = get_context("forkserver")
processes.set_forkserver_preload([__name__, "pytest", "hypothesis.strategies"])

_in_use: list[Database] = []


def connect(url: str) -> Database:
    """The database as one more process has it, until the end of the test."""
    _in_use.append(Database(url))
    return _in_use[-1]


def open_database(url: str, *, api: str = API, now: datetime = NOW) -> Database:
    """The database after a start of the service."""
    database = connect(url)
    database.open(api, now)
    return database


def bind_organization(url: str, now: datetime, organization: str = ORGANIZATION_ID) -> None:
    """Bind a database to an organization, as the start of ``feeds serve`` does."""
    database = Database(url)
    database.bind_organization(organization, now)
    database.close()


def close_all() -> None:
    """Close all databases of a test; the server drops them afterwards."""
    while _in_use:
        _in_use.pop().close()


def read_rows(url: str, table: sa.Table) -> list[sa.Row[Any]]:
    """All rows of a table, read from outside the service."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(*table.primary_key)))


def read_tables(url: str) -> dict[str, list[sa.Row[Any]]]:
    """All rows of all tables by the name of the table."""
    return {table.name: read_rows(url, table) for table in metadata.sorted_tables}


def put_back(url: str, tables: dict[str, list[sa.Row[Any]]]) -> None:
    """Put all rows back to what ``read_tables`` has read: a failover has lost the commits since."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.delete(table))
            if rows := [row._asdict() for row in tables[table.name]]:
                connection.execute(sa.insert(table), rows)


def execute(url: str, statement: sa.Executable) -> None:
    """Change the database from outside the service."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(statement)


def run_processes(target: Callable[..., None], *arguments: Iterable[Any]) -> None:
    """Run the function once for each group of arguments, at the same time, each in a process."""
    started = [processes.Process(target=target, args=tuple(each)) for each in arguments]
    for process in started:
        process.start()
    for process in started:
        process.join(PATIENCE)
        assert process.exitcode == 0

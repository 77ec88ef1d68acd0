"""The processes of a walk on one database, each with a clock; copies and losses of the database."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from werkzeug.test import Client, TestResponse

from bench.walking.upstream import URL
from feeds.app import assemble, create_app
from feeds.config import Settings
from feeds.domain.catalog import EVENTS, EventList
from feeds.domain.quota import Rate
from feeds.service.operations.background import BackgroundRefresher
from feeds.store import catalog
from feeds.store.engines import create_engine
from feeds.store.tables import events, metadata

if TYPE_CHECKING:
    from bench.walking.oracle.statements import Form
    from bench.walking.oracle.story import Story

HOME = "America/Chicago"
RATE = Rate(600_000, timedelta(minutes=1), 60_000)
"""So high that no poll is refused a call."""

PATIENCE = 2.5
"""Seconds of real time that a request may take: after three, it is answered without a refresh."""

PATIENCE_AT_END = 60.0
"""Seconds for which the end of a walk waits for a thread."""

Stamps = tuple[datetime, int]
"""LAST-MODIFIED and SEQUENCE of a VEVENT."""

Rows = dict[str, list[dict[str, Any]]]


class TooSlow(Exception):
    """The machine is too slow for a walk: a request did not wait for what it has to wait for."""


class Time:
    """The time of a walk: ``elapsed`` seconds, which the clocks show ``shift`` seconds off."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self.elapsed = 0.0
        self.shift = 0.0

    def read(self, offset: float = 0) -> datetime:
        """What a clock shows that is ``offset`` seconds ahead."""
        return self._start + timedelta(seconds=self.elapsed + self.shift + offset)


class Process:
    """An application with a clock that is ``offset`` seconds ahead.

    ``stories`` are what it has in memory, ``forms`` the JSON Feeds that it has served last,
    ``stamps`` and ``modified`` the newest stamps and the newest Last-Modified, by event.
    """

    def __init__(self, name: str, time: Time, offset: float) -> None:
        self.name = name
        self.time = time
        self.offset = offset
        self.public_url = ""
        self.forget()

    def forget(self) -> None:
        self.stories: dict[str, Story] = {}
        self.forms: dict[str, Form] = {}
        self.stamps: dict[str, dict[str, Stamps]] = {}
        self.modified: dict[str, datetime] = {}

    @property
    def is_wrong(self) -> bool:
        """Whether its clock is further off than clocks may be."""
        return abs(self.offset) > 2

    def clock(self) -> datetime:
        return self.time.read(self.offset)

    def start(self, settings: Settings) -> None:
        """Start, or start again without any memory."""
        self.forget()
        self.public_url = settings.public_url
        self._client = Client(create_app(settings, lambda: self.clock().timestamp()))

    def get(self, path: str, headers: dict[str, str] | None = None) -> TestResponse:
        """Answer a request; raises ``TooSlow``."""
        began = monotonic()
        response = self._client.get(path, headers=headers)
        if monotonic() - began > PATIENCE:
            raise TooSlow
        return response


@contextmanager
def closing_connections() -> Iterator[None]:
    """Close all connections at the end of the block: a process that starts again closes none.

    Threads that still use one are waited for: closing a connection in use ends this process.
    """
    opened: list[Any] = []
    known = set(threading.enumerate())

    def note(connection: object, _: object) -> None:
        opened.append(connection)

    sa.event.listen(sa.Pool, "connect", note)
    try:
        yield
    finally:
        for thread in set(threading.enumerate()) - known:
            thread.join(PATIENCE_AT_END)
        sa.event.remove(sa.Pool, "connect", note)
        for each in opened:
            each.close()


def run_round(settings: Settings, clock: Callable[[], datetime]) -> None:
    """One round of a background refresher that has just started."""
    parts = assemble(settings, clock)
    with closing(parts.database), ThreadPoolExecutor(1) as threads:
        parts.open_database()
        refresher = BackgroundRefresher(
            parts.refresh, parts.catalog_refresh, parts.database, parts.invalidation, clock
        )
        refresher.run_round(threads, Flag())


class Storage:
    """The database of a walk; without a URL, a SQLite file in ``folder``."""

    def __init__(self, url: str | None, folder: Path) -> None:
        self._file = None if url else folder / "feeds.sqlite3"
        self.url = url or f"sqlite:///{self._file}"
        self.lost = False
        if url:
            self.lose()

    def settings(self, key: str, public_url: str) -> Settings:
        return Settings(
            api_key=key,
            timezone=HOME,
            api_url=URL,
            public_url=public_url,
            database_url=self.url,
            rate=RATE,
        )

    def copy(self) -> Rows:
        """All rows of all tables, as one transaction sees them."""
        with closing(create_engine(self.url)) as engine, engine.read() as connection:
            return {
                table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]  # noqa: SLF001 - public, in spite of its name
                for table in metadata.sorted_tables
            }

    def list_events(self) -> set[str]:
        """The ids of the events that are stored."""
        with closing(create_engine(self.url)) as engine, engine.read() as connection:
            return set(connection.execute(sa.select(events.c.id)).scalars())

    def list_members(self) -> set[str]:
        """The ids of the events in the stored list of all events."""
        with closing(create_engine(self.url)) as engine, engine.read() as connection:
            part = catalog.read(connection, EVENTS)
        value = part.value if part else None
        return {each.id for each in value.items} if isinstance(value, EventList) else set()

    def restore(self, rows: Rows, *, replace: bool) -> None:
        """Go back to a copy; a SQLite file is replaced by another one if so chosen."""
        replace = self._file is not None and (replace or self.lost)
        target = self._file.with_suffix(".new.sqlite3") if self._file and replace else None
        if target:
            target.touch()
        engine = create_engine(f"sqlite:///{target}" if target else self.url)
        with closing(engine), engine.write() as connection:
            metadata.create_all(connection)
            if self._file is None:  # threads that fetch lists write meanwhile
                names = ", ".join(table.name for table in metadata.sorted_tables)
                connection.execute(sa.text(f"LOCK TABLE {names}"))
            for table in metadata.sorted_tables:
                connection.execute(sa.delete(table))
                if rows[table.name]:
                    connection.execute(sa.insert(table), rows[table.name])
        if target:
            self._unlink()
            target.rename(self._file or "")
        self.lost = False

    def lose(self, *, empty: bool = False) -> None:
        """Remove the database; the next start creates another one. Or leave an empty file."""
        self.lost = True
        if self._file:
            self._unlink()
            if empty:
                self._file.touch()
            return
        with closing(create_engine(self.url)) as engine, engine.write() as connection:
            metadata.drop_all(connection)

    def _unlink(self) -> None:
        assert self._file
        for suffix in ("-wal", "-shm", ""):
            self._file.with_name(f"{self._file.name}{suffix}").unlink(missing_ok=True)


START = datetime(2026, 5, 20, 12, tzinfo=UTC)

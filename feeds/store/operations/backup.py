"""Copies of a SQLite database while it is in use, and back, with SQLite's online backup.

Both directions are one transaction for all others that use the database: SQLite's own locks keep
them apart (https://www.sqlite.org/backup.html). A process that serves meanwhile notices that the
database went back, and raises the stamps (rules 4.12).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import mkstemp
from time import monotonic

from feeds.errors import BackupError
from feeds.store.schema import VERSION

LOCK_TIMEOUT = 10.0
"""Seconds that a copy waits for the locks of other programs."""


def back_up(database: Path, file: Path) -> int:
    """Copy a database to a new file, and check the copy; returns the number of events.

    The file is there only once it is complete. Raises ``BackupError``.
    """
    with _convert_errors(f"{file} cannot be written"):
        if file.exists():
            raise BackupError(f"{file} exists; a backup needs a new file.")
        if not database.is_file():
            raise BackupError("There is no database yet; feeds serve creates it.")
        descriptor, name = mkstemp(prefix=f"{file.name}.", suffix=".partial", dir=file.parent)
        os.close(descriptor)
        partial = Path(name)
        try:
            with (
                closing(_connect(database, "rw")) as source,
                closing(_connect(partial, "rw")) as to,
            ):
                _copy(source, to)
                to.execute("PRAGMA journal_mode = DELETE")  # the copy is one file
                events = _check(to)
            _sync(partial)
            # Unlike a rename, a link never replaces a file.
            os.link(partial, file)
            _sync(file.parent)
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                partial.with_name(partial.name + suffix).unlink(missing_ok=True)
    return events


def restore(file: Path, database: Path, api_url: str, now: datetime) -> tuple[int, Path | None]:
    """Put a backup in the place of what a database holds, while the service may use it.

    Returns the number of events, and the file with what the database held before, if there was
    one. Raises ``BackupError``; the database is then as before.
    """
    with _convert_errors(f"{file} cannot be restored"):
        if not file.is_file():
            raise BackupError(f"There is no file {file}.")
        with closing(_connect(file, "ro")) as source:
            events = _check(source)
            _check_owner(source, api_url)
            aside = _keep_aside(database, now)
            if aside is None:
                database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                database.touch(mode=0o600)
            try:
                with closing(_connect(database, "rw")) as to:
                    _copy(source, to)
            except (BackupError, sqlite3.Error):  # the database is as before
                if aside:
                    aside.unlink()
                raise
    return events, aside


def _keep_aside(database: Path, now: datetime) -> Path | None:
    """Back up what a database holds beside it; None if it holds nothing."""
    if not database.is_file() or database.stat().st_size == 0:
        return None
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%dT%H%M%SZ}")
    try:
        back_up(database, aside)
    except BackupError as error:
        raise BackupError(
            f"What the database holds cannot be kept: {error} Move {database} away first."
        ) from None
    return aside


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, timeout=LOCK_TIMEOUT, uri=True, isolation_level=None)


def _copy(source: sqlite3.Connection, to: sqlite3.Connection) -> None:
    """Copy all pages in one step: none that is written meanwhile makes the copy begin anew."""
    end = monotonic() + LOCK_TIMEOUT

    def watch(status: int, _left: int, _all: int) -> None:
        locked = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        if locked and monotonic() > end:  # sqlite3 would try again for ever
            raise BackupError("Another program has locked the database. Try again.")

    source.backup(to, pages=-1, progress=watch, sleep=0.1)


def _check(connection: sqlite3.Connection) -> int:
    """The number of events; raises ``BackupError`` for what is damaged or no database of ours."""
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise BackupError("The database is damaged.")
    version = _read(connection, "tables")
    if version is None:
        raise BackupError("The file is no database of this service.")
    if not version.isdecimal() or int(version) > VERSION:
        raise BackupError(f"The file has tables of version {version}, this release uses {VERSION}.")
    return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def _check_owner(connection: sqlite3.Connection, api_url: str) -> None:
    bound = _read(connection, "api_url")
    if bound not in (None, api_url):
        raise BackupError(f"The file holds events of {bound}, FEEDS_API_URL is {api_url}.")


def _read(connection: sqlite3.Connection, name: str) -> str | None:
    """What a database says about itself; None if it is another program's."""
    tables = "SELECT 1 FROM sqlite_master WHERE name IN ('deployment', 'events') AND type = 'table'"
    if len(connection.execute(tables).fetchall()) != 2:  # noqa: PLR2004 - those two
        return None
    row = connection.execute("SELECT value FROM deployment WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _convert_errors(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackupError(f"{what}: {error}.") from None
    except OSError as error:
        raise BackupError(f"{what}: {error.strerror or error}.") from None

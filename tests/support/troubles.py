"""Troubles with the file of a SQLite database, each until the end of a block."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.clock import START
from tests.support.databases import open_database, processes
from tests.support.waiting import PATIENCE


def _hold_lock(path: Path, held: Any, done: Any) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("DELETE FROM events")
        held.set()
        done.wait(PATIENCE)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is in the middle of a transaction."""
    held, done = processes.Event(), processes.Event()
    process = processes.Process(target=_hold_lock, args=(path, held, done))
    process.start()
    try:
        assert held.wait(PATIENCE)
        yield
    finally:
        done.set()
        process.join(PATIENCE)
    assert process.exitcode == 0


@contextmanager
def full_disk(_path: Path) -> Iterator[None]:
    """No byte can be written to any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def moved_away(path: Path) -> Iterator[None]:
    """The folder is missing for a while, as that of a disk that is not mounted."""
    away = path.parent.with_name("away")
    path.parent.rename(away)
    try:
        yield
    finally:
        away.rename(path.parent)


@contextmanager
def deleted_and_restored(path: Path) -> Iterator[None]:
    """The file is deleted, then restored from a backup."""
    backup = path.with_name("backup")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    for each in path.parent.glob("feeds.sqlite3*"):
        each.unlink()
    yield
    backup.rename(path)


@contextmanager
def replaced_by_an_empty_one(path: Path) -> Iterator[None]:
    """The file is moved away; in the end another process has created an empty database."""
    with closing(sqlite3.connect(path)) as connection:
        bound = "SELECT value FROM deployment WHERE name = 'api_url'"
        (api_url,) = connection.execute(bound).fetchone()
    for suffix in ("-wal", "-shm", ""):
        path.with_name(f"{path.name}{suffix}").rename(path.with_name(f"aside{suffix}"))
    yield
    open_database(f"sqlite:///{path}", api=api_url, now=START)


TROUBLES = {
    "locked": locked,
    "full": full_disk,
    "moved": moved_away,
    "deleted": deleted_and_restored,
    "replaced": replaced_by_an_empty_one,
}
"""All troubles by name."""

MISSING = (moved_away, deleted_and_restored, replaced_by_an_empty_one)
"""The troubles in which there is no file for a while."""

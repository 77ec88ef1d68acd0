"""Quarantine of a damaged SQLite file: the service continues with an empty one.

A file is damaged if SQLite reports it as corrupt or as no database. A document that cannot be read,
a locked file or a full disk is not damage.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from feeds.store.schema import REFILL

log = logging.getLogger(__name__)

SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""The suffixes of databases. A file with another suffix is renamed only if it has the header of a
SQLite database, so that a wrong setting does not rename a document of the operator."""

_HEADER = b"SQLite format 3\0"
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let one process at a time run the block; the lock creates no file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another process has locked the folder of the database: waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def quarantine(path: Path, now: datetime) -> None:
    """Rename a damaged database, with its write-ahead log; leave any other file alone.

    Hold ``lock_folder`` meanwhile, so that no two processes rename the file.
    """
    if not path.is_file() or not _is_database(path) or not _is_damaged(path):
        return
    renamed = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(f"{path.name}{suffix}")
        if part.exists():
            part.rename(renamed.with_name(f"{renamed.name}{suffix}"))
    message = "the database was damaged: it is now %s, an empty one takes its place; %s"
    log.error(message, renamed, REFILL)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix in SUFFIXES or file.read(len(_HEADER)) == _HEADER


def _is_damaged(path: Path) -> bool:
    # Read-only: a connection that can write would merge the log into the file when it closes.
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, timeout=10, uri=True)) as connection:
            is_sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.DatabaseError as error:
        # An error without a code: SQLite's description of the damage is itself not valid text.
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _DAMAGE_CODES
    return not is_sound

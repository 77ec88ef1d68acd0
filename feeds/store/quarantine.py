"""A damaged SQLite file: put aside, so that the service goes on with an empty one.

Damage is what SQLite itself calls corrupt, or no database, and a document that is no JSON any more;
a locked file or a full disk is none.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""What databases are called. A file by another name is moved only if it begins as one: nobody's
letters are put aside because a setting named them."""

_MAGIC = b"SQLite format 3\0"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_TORN = "SELECT 1 FROM events WHERE NOT json_valid(CAST(document AS TEXT)) LIMIT 1"
"""SQLite checks how its pages hang together, not what is in those that a long document goes on to.

Where there is no such table yet this is an error, but none that means damage.
"""


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Of processes that start together, one at a time; nothing is left behind in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def quarantine(path: Path, now: datetime) -> None:
    """Rename a damaged file; nothing happens to one that is well or not there.

    For one process at a time, see ``alone``: the next one finds it done.
    """
    if not path.is_file() or not _is_database(path) or not _damaged(path):
        return
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(f"{path.name}{suffix}")
        if part.exists():
            part.rename(aside.with_name(f"{aside.name}{suffix}"))
    log.error("the database was damaged: it is now %s, an empty one takes its place", aside)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix in SUFFIXES or file.read(len(_MAGIC)) == _MAGIC


def _damaged(path: Path) -> bool:
    # Read only: a connection that may write would move the log into the file as it closes.
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, timeout=10, uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
            torn = found == ("ok",) and connection.execute(_TORN).fetchone()
    except sqlite3.DatabaseError as error:
        # What is told of the damage may itself be no text: an error without a code.
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _DAMAGE
    return bool(found != ("ok",) or torn)

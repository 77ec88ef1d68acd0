"""Databases and deployments for running services."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.support.databases import ENGINES
from tests.support.deployment import Deployment, deploy


class RemovableDatabase(NamedTuple):
    """A database that is empty at first. ``remove`` makes it unavailable until ``restore``."""

    url: str
    remove: Callable[[], None]
    restore: Callable[[], None]


@pytest.fixture(scope="session")
def new_database(request, tmp_path_factory):
    """A function: the name of an engine to a new ``RemovableDatabase``."""

    def create(engine: str) -> RemovableDatabase:
        if engine == "postgresql":
            postgres = request.getfixturevalue("postgres")
            return RemovableDatabase(postgres.new_database(), postgres.stop, postgres.start)
        folder = tmp_path_factory.mktemp("database") / "var"
        folder.mkdir()
        away = folder.with_name("away")
        return RemovableDatabase(
            f"sqlite:///{folder}/feeds.sqlite3",
            lambda: folder.rename(away),
            lambda: away.rename(folder),
        )

    return create


@pytest.fixture(scope="module", params=ENGINES)
def shared_database(request, new_database):
    """A database of each engine for all tests of a module."""
    return new_database(request.param)


@pytest.fixture(scope="module")
def deployment(shared_database, tmp_path_factory) -> Iterator[Deployment]:
    """A service with two workers, for all tests of a module."""
    with deploy(shared_database.url, tmp_path_factory.mktemp("service")) as deployment:
        yield deployment


@pytest.fixture(params=ENGINES)
def database(request, new_database):
    """A new database of each engine."""
    return new_database(request.param)

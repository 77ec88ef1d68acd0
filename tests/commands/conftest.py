"""A service in this process, and the commands of ``feeds`` with its settings."""

import pytest
from click.testing import CliRunner

from feeds.cli import main
from tests.support.processes import environment_for
from tests.support.service import Service, a_5k, a_run


@pytest.fixture
def service(upstream, clock, tmp_path):
    """The service after a poll of an event with two runs."""
    folder = tmp_path / "data"
    folder.mkdir()
    started = Service(upstream, clock, folder)
    started.announce(a_run(), a_5k())
    return started


@pytest.fixture
def database(service):
    """The file of the database."""
    return service.folder / "feeds-1.sqlite3"


@pytest.fixture
def run(service, database, monkeypatch, tmp_path):
    """Run a command; its output, which has one line for a failure."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0, **settings):
        url = {"FEEDS_DATABASE_URL": f"sqlite:///{database}"}
        env = environment_for(service.upstream.url, tmp_path, **url | settings)
        done = CliRunner().invoke(main, arguments, env=env)
        assert done.exit_code == code, done.output
        if code:
            assert done.stdout == ""
            assert done.stderr.splitlines()[-1].startswith("Error: ")
            return done.stderr.splitlines()[-1].removeprefix("Error: ")
        return done.stdout

    return run

"""What all tests share."""

import gc
import logging
import os

import hypothesis
import pytest

from feeds import logformat
from feeds.app import create_app
from feeds.store.errors import outage, writes
from feeds.upstream.optional import findings
from tests.support.clock import Clock
from tests.support.compiled import share_compiled
from tests.support.databases import ENGINES, close_all, open_database
from tests.support.postgres import running_postgres
from tests.support.processes import settings_for
from tests.support.upstream import Upstream

pytest_plugins = ["tests.support.browser"]

# No deadline: the speed of the machine decides nothing.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")

LONG = ("tests/system/", "tests/web/test_replay.py")
"""The tests that take longest."""

share_compiled()

# Without compiled files, each process that a test starts compiles the whole service.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers():
    """One more than there are cores: many tests wait for a process or a browser."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest: at the end, one process would work on them alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish():
    """Spare the garbage collector the modules: with them, it takes a tenth of the time of tests."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything should be there, a skipped test is a failed one.

    Tests with the mark ``optional`` may be skipped everywhere: not every machine has their tools.
    """
    report = yield
    required = not item.get_closest_marker("optional")
    if report.skipped and required and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _forget_findings():
    """No test finds less in the log because another one has logged the same."""
    findings.clear()
    outage.clear()
    writes.clear()


@pytest.fixture(autouse=True)
def _restore_logging():
    """No test has the log of a command that ran in another one."""
    yield
    logformat.remove_handlers()
    for name in ("feeds", "gunicorn.error", logformat.ACCESS):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def clock():
    """The time that the service and its upstream are told; it stands still until it is moved."""
    return Clock()


@pytest.fixture(scope="session")
def httpserver_listen_address():
    """One for all tests of a process: the first test that uses the server starts it."""
    return ("127.0.0.1", 0)


@pytest.fixture
def upstream(clock):
    """A sandbox on a socket, with a record of its calls."""
    with Upstream(clock).on() as running:
        yield running


@pytest.fixture
def unlisted(upstream):
    """Have the upstream refuse the list of events: ``/`` then has those that are known."""
    upstream.refuse_path("/events", 403, "FORBIDDEN")


@pytest.fixture
def app(upstream, tmp_path, clock):
    """The service, asking ``upstream``, with a database of its own."""
    return create_app(settings_for(upstream.url, tmp_path), clock.timestamp)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; whatever a test does to it, ``new_database`` has it running again."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres):
    """A PostgreSQL database with nothing in it, for one test."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(params=ENGINES)
def url(request, tmp_path):
    """Where a database of each engine may be, but none is yet."""
    if request.param == "postgresql":
        yield request.getfixturevalue("postgres_url")
    else:
        yield f"sqlite:///{tmp_path}/var/feeds.sqlite3"
    close_all()


@pytest.fixture
def database(url):
    """A new one, opened."""
    return open_database(url)

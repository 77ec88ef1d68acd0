"""What all tests share."""

import os

import pytest

from feeds.app import create_app
from tests.running import Clock, Upstream, settings_for


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything should be there, a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow: {report.longrepr}"
    return report


@pytest.fixture
def clock():
    """The time that the service and its upstream are told; it stands still until it is moved."""
    return Clock()


@pytest.fixture
def upstream(clock):
    """A sandbox on a socket, with a record of its calls."""
    with Upstream(clock).on() as running:
        yield running


@pytest.fixture
def app(upstream, tmp_path, clock):
    """The service, asking ``upstream``, with a database of its own."""
    return create_app(settings_for(upstream.url, tmp_path), clock)


@pytest.fixture
def client(app):
    return app.test_client()

"""The rules of docs/rules.md on the public surface: requests, the upstream's documents, a clock."""

import pytest

from tests.support.clock import Clock
from tests.support.club import Club
from tests.support.service import Service, a_5k, a_run
from tests.support.upstream import Upstream


@pytest.fixture
def service(upstream, clock, tmp_path):
    """The service with an upstream, a clock and a database of its own."""
    return Service(upstream, clock, tmp_path)


@pytest.fixture
def announced(service):
    """The service after a poll of an event with two runs."""
    service.announce(a_run(), a_5k())
    return service


@pytest.fixture
def other(announced, upstream, clock, tmp_path):
    """A second process on the database of ``announced``, which has polled the event too."""
    process = Service(upstream, clock, tmp_path)
    process.poll()
    return process


@pytest.fixture
def club(upstream, clock, tmp_path):
    """A club with events in a week, in a month, and in three months; nobody has polled it."""
    club = Club(upstream, clock, tmp_path)
    for id_, day in (("near", "2026-05-27"), ("next", "2026-06-20"), ("far", "2026-08-15")):
        club.hold(id_, day)
    return club


@pytest.fixture
def full(club):
    """The club after its feed was full."""
    club.fill()
    return club


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory):
    """As ``service``, one for all tests of a module."""
    clock = Clock()
    with Upstream(clock).on() as upstream:
        yield Service(upstream, clock, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def unchanged(shared_service):
    """As ``announced``, for tests that change neither the event nor the time."""
    shared_service.announce(a_run(), a_5k())
    return shared_service

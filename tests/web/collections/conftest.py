"""A club with a few races."""

import pytest

from feeds.app import create_app
from tests.support.browser import UNLIMITED
from tests.support.listed_club import ListedClub
from tests.support.processes import settings_for


@pytest.fixture
def app(upstream, tmp_path, clock):
    """The service with a rate limit that no test reaches."""
    settings = settings_for(upstream.url, tmp_path, rate=UNLIMITED)
    return create_app(settings, clock.timestamp)


@pytest.fixture
def club(upstream, client, clock):
    """Three races ahead, and one that is over, on 20 May 2026."""
    club = ListedClub(upstream, client, clock)
    club.publish("harbor", "2026-06-13", "2026-06-14", name="Harbor Run", address="Navy Pier")
    club.publish("forest", "2026-06-20", name="Forest Trail")
    club.publish("island", "2026-08-01", name="Île Run", type="timeTrial")
    club.publish("over", "2026-05-02", name="Spring Run")
    return club

"""The sample events of the sandbox, as the service decodes them on one day."""

from datetime import UTC, datetime
from functools import cache

from flask.testing import FlaskClient
from msgspec import structs

from feeds.domain.feed import Feed
from feeds.domain.model import Event
from feeds.sandbox import SANDBOX_KEY, create_sandbox
from feeds.upstream.schema import decode
from tests.support.factories import a_feed

TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def event_of(id_: str) -> Event:
    """A sample event."""
    response = _sandbox().get(f"/events/{id_}", headers={"Authorization": f"Bearer {SANDBOX_KEY}"})
    assert response.status_code == 200, id_
    return decode(response.data, id_).event


@cache
def _sandbox() -> FlaskClient:
    return create_sandbox(clock=lambda: TODAY).test_client()


def feed_of(id_: str, extension: str) -> Feed:
    """The feed of a sample event at its own address."""
    page = f"https://feeds.example.org/events/{id_}"
    feed = a_feed(event_of(id_), extension=extension)
    return structs.replace(feed, page=page, source=f"{page}.{extension}")

"""The service behind a gateway that forgets idle connections (rules 8.24)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from feeds.app import create_app
from feeds.domain.quota import Rate
from feeds.sandbox import ORGANIZATION_ID
from tests.support.clock import Clock
from tests.support.processes import settings_for
from tests.support.raw_server import Behaviour, Connection, RawServer, serving, wire

FORGOTTEN_AFTER = 20
"""Seconds after which the gateway forgets an idle connection; RFC 9112 9.3 sets no limit."""

SERVICE_CLOSES_AFTER = 20
"""Seconds after which the service does not use an idle connection again (rules 8.24)."""

MAX_AGE = 60
POLL_INTERVAL = 63

TWO_AT_ONCE = Rate(10, timedelta(minutes=1), 2)
"""Two calls at once; 15 seconds later there are two again."""

FATES = {"reset": Connection.reset, "silence": Connection.stay_silent, "close": Connection.close}
each_fate = pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
each_end = pytest.mark.parametrize("fate", [Connection.reset, Connection.close])


def document(event_id: str, name: str) -> bytes:
    event = {
        "_id": event_id,
        "name": name,
        "slug": event_id,
        "type": "race",
        "date": "2026-08-15",
        "organizationId": ORGANIZATION_ID,
    }
    return json.dumps({"data": {"event": event, "runs": []}}).encode()


class Gateway:
    """An upstream of HTTP/1.1 that forgets connections which were idle for long.

    A request over a forgotten connection meets ``fate``. Event ids are answered with a document
    whose name is ``name``.
    """

    def __init__(self, clock: Clock, fate: Behaviour, forgets_after: int = FORGOTTEN_AFTER) -> None:
        self._forgets_after = timedelta(seconds=forgets_after)
        self.name = ""
        self.forgotten = 0
        self._clock = clock
        self._fate = fate
        self.server: RawServer

    @contextmanager
    def on(self) -> Iterator[RawServer]:
        with serving(self._serve) as server:
            yield server

    def _serve(self, connection: Connection) -> None:
        used = self._clock()
        while path := connection.read_request():
            if self._clock() - used > self._forgets_after:
                self.forgotten += 1
                self._fate(connection)
                return
            event_id = path.removeprefix("/events/")
            connection.send(wire("200 OK", document(event_id, f"{self.name} {event_id}")))
            used = self._clock()


def text_of(response):
    assert response.status_code == 200
    return response.text


@each_fate
def test_polls_63_seconds_apart_are_never_stale_behind_a_gateway_that_forgets_connections(
    fate, clock, tmp_path
):
    gateway = Gateway(clock, fate)
    with gateway.on() as server:
        settings = settings_for(server.url, tmp_path, max_age=timedelta(seconds=MAX_AGE))
        client = create_app(settings, clock.timestamp).test_client()
        for version in ("First", "Second", "Third", "Fourth"):
            gateway.name = version
            assert f"SUMMARY:{version} known" in text_of(client.get("/events/known.ics"))
            clock.advance(seconds=POLL_INTERVAL)

        assert server.paths == ["/events/known"] * 4


@each_fate
@pytest.mark.parametrize("interval", [21, 25, POLL_INTERVAL])
def test_an_id_never_seen_is_answered_behind_a_gateway_that_forgets_connections(
    interval, fate, clock, tmp_path
):
    gateway = Gateway(clock, fate)
    with gateway.on() as server:
        client = create_app(settings_for(server.url, tmp_path), clock.timestamp).test_client()
        for event_id in ("one", "two", "three"):
            response = client.get(f"/events/{event_id}.ics")
            assert event_id in text_of(response)
            assert (response.cache_control.max_age or 0) > MAX_AGE
            clock.advance(seconds=interval)
        assert gateway.forgotten == 0


@each_end
def test_a_call_repeated_on_a_new_connection_counts_once_in_the_budget(fate, clock, tmp_path):
    gateway = Gateway(clock, fate, forgets_after=10)
    with gateway.on() as server:
        settings = settings_for(
            server.url, tmp_path, max_age=timedelta(seconds=MAX_AGE), rate=TWO_AT_ONCE
        )
        client = create_app(settings, clock.timestamp).test_client()
        for event_id in ("a", "b", "c", "d"):
            client.get(f"/events/{event_id}.ics")
            clock.advance(seconds=POLL_INTERVAL)
        gateway.name = "New"
        assert "New a" in text_of(client.get("/events/a.ics"))
        clock.advance(seconds=15)  # forgotten by the gateway, used by the service

        repeated, second, third = (client.get(f"/events/{each}.ics") for each in ("b", "c", "d"))

        assert gateway.forgotten == 1
        assert "New b" in text_of(repeated)
        assert "New c" in text_of(second)
        assert "New d" not in text_of(third)

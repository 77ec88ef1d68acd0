"""Rules 8.24 and 8.26: one call of the upstream, over connections that a test controls."""

import json
from contextlib import contextmanager

import pytest
from werkzeug.test import Client

from feeds.app import create_app
from tests.support.processes import rate, settings_for
from tests.support.raw_server import Connection, always, serving, wire
from tests.support.service import an_event

LARGEST = 5 * 1024 * 1024
"""Bytes of the largest body that is accepted."""


def document(event_id):
    return json.dumps({"data": {"event": an_event(_id=event_id), "runs": []}}).encode()


def answer(path):
    return wire("200 OK", document(path.removeprefix("/events/")))


@pytest.fixture
def polled(clock, tmp_path):
    """Run an upstream that treats each connection as ``behaviour`` says, and the service."""

    @contextmanager
    def polled(behaviour, **settings):
        with serving(behaviour) as server:
            app = create_app(settings_for(server.url, tmp_path, **settings), clock.timestamp)
            yield server, Client(app, use_cookies=False)

    return polled


def poll(client, event_id):
    return client.get(f"/events/{event_id}.ics").status_code


def answer_all(connection):
    while path := connection.read_request():
        connection.send(answer(path))


def test_a_connection_is_used_again_within_20_seconds_and_no_later(polled, clock):
    """Rules 8.24."""
    with polled(answer_all) as (server, client):
        used = []
        for event_id, elapsed in (("one", 0), ("two", 20), ("three", 20), ("four", 21)):
            clock.advance(seconds=elapsed)
            assert poll(client, event_id) == 200
            used.append(len(server.connections))
    assert used == [1, 1, 1, 2]


@pytest.fixture(params=[Connection.reset, Connection.close], ids=["reset", "close"])
def forgetful(request):
    """Answer the first request of a connection; the second one ends the connection."""

    def behave(connection):
        connection.send(answer(connection.read_request()))
        if connection.read_request():
            request.param(connection)

    return behave


def test_a_request_that_fails_on_a_used_connection_is_repeated_on_a_new_connection(
    polled, forgetful
):
    """Rules 8.24."""
    with polled(forgetful) as (server, client):
        assert [poll(client, event_id) for event_id in ("one", "two")] == [200, 200]
        paths = [path for path in server.paths if path.startswith("/events/")]
        assert paths == ["/events/one", "/events/two", "/events/two"]


@pytest.mark.parametrize("end", [Connection.reset, Connection.close])
def test_a_request_that_fails_on_a_new_connection_is_not_repeated(polled, end):
    """Rules 8.24."""

    def behave(connection):
        connection.read_request()
        end(connection)

    with polled(behave) as (server, client):
        assert poll(client, "one") == 503
        assert server.paths == ["/events/one"]


def test_a_repeated_request_counts_once_in_the_budget(polled, forgetful):
    """Rules 8.24: of a burst of 8, polls of ids never seen spend six calls (rules 8.16).

    One of them is for the recurrences.
    """
    with polled(forgetful, rate=rate("80/day;burst=8")) as (server, client):
        statuses = [poll(client, f"event-{number}") for number in range(7)]
        assert len(server.paths) > 6
    assert statuses == [200] * 5 + [503] * 2


@pytest.mark.parametrize(("size", "status"), [(LARGEST, 200), (LARGEST + 1, 502)])
def test_a_body_of_more_than_5_mib_is_not_accepted(polled, size, status):
    """Rules 8.26."""
    with polled(always(wire("200 OK", document("one").ljust(size)))) as (_, client):
        assert poll(client, "one") == status


def test_a_redirect_is_not_followed(polled):
    """Rules 8.26."""
    with polled(always(wire("302 Found", b"", "Location: /events/two"))) as (server, client):
        assert poll(client, "one") == 502
        assert server.paths == ["/events/one"]


def test_a_cookie_is_not_kept(polled):
    """Rules 8.26."""

    def behave(connection):
        while path := connection.read_request():
            body = document(path.removeprefix("/events/"))
            connection.send(wire("200 OK", body, "Set-Cookie: a=b"))

    with polled(behave) as (server, client):
        assert [poll(client, event_id) for event_id in ("one", "two")] == [200, 200]
        assert len(server.connections) == 1
        assert "cookie" not in "".join(server.heads).lower()

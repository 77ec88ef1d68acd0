"""Routes and outcomes of requests."""

import pytest

from feeds.metrics import requests
from feeds.metrics.requests import FORMATS, Request, choose_outcome, name_route


def test_polls_are_of_the_formats_that_the_service_has():
    from feeds import formats  # noqa: PLC0415 - the module is called like the constant

    assert set(FORMATS) == set(formats.FORMATS)


@pytest.mark.parametrize(
    ("status", "stale", "outcome"),
    [
        (200, False, "200"),
        (200, True, "stale"),
        (204, False, "200"),
        (304, False, "304"),
        (304, True, "stale"),
        (308, False, "redirect"),
        (400, False, "refused"),
        (404, True, "refused"),
        (410, False, "refused"),
        (500, False, "error"),
        (503, True, "error"),
    ],
)
def test_the_status_decides_the_outcome(status, stale, outcome):
    assert choose_outcome(status, stale=stale) == outcome


def test_a_route_names_no_event_and_no_group():
    assert name_route("harbor-run", "ics") == "/events/<id>.ics"
    assert name_route("/events", "json") == "/events.json"
    assert name_route("/groups/trail/events", "rss") == "/groups/<slug>.rss"


def test_only_an_answered_request_for_a_feed_is_a_poll():
    def is_poll(format_: str, outcome: str) -> bool:
        return Request("/", format_, outcome).is_poll

    assert is_poll("ics", requests.FRESH)
    assert is_poll("rss", requests.NOT_MODIFIED)
    assert is_poll("json", requests.STALE)
    assert not is_poll("ics", requests.ERROR)
    assert not is_poll("ics", requests.REFUSED)
    assert not is_poll("html", requests.FRESH)

"""Rules 5.3 and 5.13: the extension of the JSON Feed."""

from typing import Any

import pytest

from tests.support.service import EVENT, a_5k, a_run

OPENS, CLOSES = "2026-06-01T15:00:00Z", "2026-08-01T15:00:00Z"
WINDOW = {"registrationOpensAt": OPENS, "registrationClosesAt": CLOSES}
CANCELLED, POSTPONED = {"eventStatus": "cancelled"}, {"eventStatus": "postponed"}
RESCHEDULED = {"eventStatus": "rescheduled"}
SOLD_OUT, PAUSED = {"soldOut": True}, {"registrationOverride": "paused"}
NO_START = {"startTime": None}
NEW_YORK = {"lat": 40.7033, "lng": -74.0170}
NOWHERE = {"address": None, "lat": None, "lng": None}


ORDINARY = {
    "id": "ten",
    "start": "2026-08-15T08:00:00-05:00",
    "end": "2026-08-15T10:00:00-05:00",
    "timezone": "America/Chicago",
    "end_estimated": True,
    "status": "scheduled",
    "distance": {"label": "10K", "standard": "10K", "meters": 10000},
    "registration": {},
    "sold_out": False,
    "virtual": False,
    "relay": False,
    "walking": False,
    "location": "Navy Pier, Chicago",
    "point": [41.8917, -87.6043],
}
LINK = "https://harbor.example.org/enter"

IN_NEW_YORK = {
    "start": "2026-08-15T08:00:00-04:00",
    "end": "2026-08-15T10:00:00-04:00",
    "timezone": "America/New_York",
    "point": [40.7033, -74.017],
}

ALL_DAY = {"start": "2026-08-15", "end": "2026-08-16", "end_estimated": False}


def extension(**differing):
    """The members of an ordinary run, with these changed; None means absent."""
    return {name: value for name, value in (ORDINARY | differing).items() if value is not None}


EXTENSIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # Fields of the run; the members that differ.
    ({}, {}),
    (NO_START, ALL_DAY),
    (CANCELLED, {"status": "cancelled"}),
    ({"eventStatus": "canceled"}, {"status": "cancelled"}),
    (POSTPONED, {"status": "postponed"}),
    (RESCHEDULED, {"status": "rescheduled"}),
    ({"eventStatus": "weather hold"}, {"status": "weather hold"}),
    (WINDOW, {"registration": {"opens": OPENS, "closes": CLOSES}}),
    (PAUSED, {"registration": {"override": "paused"}}),
    ({"registrationUrl": LINK}, {"registration": {"url": LINK}}),
    (SOLD_OUT, {"sold_out": True}),
    ({"isVirtual": True}, {"virtual": True, "location": None, "point": None}),
    ({"isRelay": True}, {"relay": True}),
    ({"isWalking": True}, {"walking": True, "end": "2026-08-15T10:30:00-05:00"}),
]


def test_a_run_in_the_json_feed_has_the_members_of_intervals(service):
    """Rules 5.13."""
    service.announce(*[a_run(f"r{n}", **fields) for n, (fields, _) in enumerate(EXTENSIONS)])
    for number, (_, members) in enumerate(EXTENSIONS):
        assert service.run(f"r{number}") == extension(id=f"r{number}", **members)


@pytest.mark.parametrize(
    ("event", "members"),
    [
        ({"endTime": "12:00"}, {"end": "2026-08-15T12:00:00-05:00", "end_estimated": False}),
        (NEW_YORK, IN_NEW_YORK),
        (NOWHERE, {"location": None, "point": None}),
        ({"address": None}, {"location": "41.89170, -87.60430"}),
    ],
)
def test_intervals_has_the_announced_end_and_the_place_of_the_event(service, event, members):
    """Rules 5.13."""
    service.announce(a_run(), **event)
    assert service.run("ten") == extension(**members)


def test_an_event_without_runs_is_one_item_without_a_distance(service):
    """Rules 5.3 and 5.13."""
    service.announce(startTime="08:00")
    (item,) = service.items().values()
    assert item["title"] == "Harbor Run, Sat, Aug 15, 2026, 8:00 AM"
    assert service.run(EVENT).keys() == ORDINARY.keys() - {"distance"}


SITE = "https://harbor.example.org"

THE_EVENT: dict[str, Any] = {
    "id": EVENT,
    "name": "Harbor Run",
    "type": "race",
    "dates": {"first": "2026-08-15", "last": "2026-08-15"},
    "timezone": "America/Chicago",
    "location": "Navy Pier, Chicago",
    "point": [41.8917, -87.6043],
    "organizer": {"id": "k57abc123def456"},
    "registration": {},
}


@pytest.mark.parametrize(
    ("runs", "event", "members"),
    [
        ([a_run()], {}, {}),
        ([a_run()], {"websiteUrl": SITE}, {"url": SITE}),
        ([a_run()], {"registrationUrl": LINK}, {"registration": {"url": LINK}}),
        ([a_run(**CANCELLED)], {"registrationUrl": LINK}, {}),
        ([a_run()], {"type": "runClub"}, {"type": "runClub"}),
        ([a_run(), a_run("b", isVirtual=True)], {}, {}),
        ([a_run(isVirtual=True)], {}, {"location": None, "point": None}),
        ([a_run()], NOWHERE, {"location": None, "point": None}),
        (
            [a_run(), a_5k(date="2026-08-14"), a_run("b", date="2026-08-20", **CANCELLED)],
            {},
            {"dates": {"first": "2026-08-14", "last": "2026-08-15"}},
        ),
        ([], {"endDate": "2026-08-16"}, {"dates": {"first": "2026-08-15", "last": "2026-08-16"}}),
    ],
)
def test_the_json_feed_has_the_event_at_its_top(service, runs, event, members):
    """Rules 5.13."""
    service.announce(*runs, **event)
    known = {name: value for name, value in (THE_EVENT | members).items() if value is not None}
    assert service.json_feed()["_intervals"]["event"] == known


def test_the_json_feed_has_the_runs_that_are_selected_in_the_order_of_their_starts(service):
    """Rules 5.13: also those that are off; no item has the extension."""
    service.announce(a_run("a"), a_5k("b", startTime="07:00"), a_run("c", startTime="06:00"))
    service.edit("c", **CANCELLED)
    service.advance(hours=2)
    feed = service.json_feed()
    assert [each["id"] for each in feed["_intervals"]["runs"]] == ["c", "b", "a"]
    assert not any("_intervals" in each for each in feed["items"])
    filtered = service.json_feed("?run=a&run=b")["_intervals"]
    assert [each["id"] for each in filtered["runs"]] == ["b", "a"]
    assert filtered["event"] == feed["_intervals"]["event"]

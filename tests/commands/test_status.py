"""``feeds status``: what an operator sees of the events, the budget, the catalog and changes."""

import json
from datetime import timedelta

import pytest

from feeds.domain.freshness import compute_refresh_time, find_expiry
from feeds.errors import UpstreamTimeout
from feeds.service.operations.status import EventHealth, summarize
from feeds.store.operations.overview import DatabaseState, EventRow, PartRow
from tests.support.factories import NOW

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_the_time_of_the_service(monkeypatch, clock):
    monkeypatch.setattr("feeds.commands.status.utc_now", clock)


@pytest.fixture
def read(run):
    """The status as JSON."""
    return lambda: json.loads(run("status", "--json"))


def find(status, event_id):
    (found,) = [each for each in status["events"] if each["id"] == event_id]
    return found


def test_the_status_counts_events_by_how_they_are_doing(service, read):
    service.upstream.publish("failing", "2026-05-21")
    assert service.client.get("/events/failing.ics").status_code == 200
    service.advance(minutes=2)
    service.upstream.refuse_path("/events/failing", 500, "INTERNAL")
    assert read()["counts"] == {"stored": 2, "failing": 0, "stale": 0, "fresh": 2, "gone": 0}
    service.advance(minutes=4)
    service.client.get("/events/failing.ics")
    assert read()["counts"] == {"stored": 2, "failing": 1, "stale": 0, "fresh": 1, "gone": 0}
    service.advance(hours=1)
    status = read()
    assert status["counts"] == {"stored": 2, "failing": 1, "stale": 1, "fresh": 0, "gone": 0}
    assert [each["id"] for each in status["events"]] == ["failing", "harbor-run"]
    assert find(status, "failing") == {
        "id": "failing",
        "name": "Failing",
        "starts": "2026-05-21T17:00:00Z",
        "over": False,
        "health": "failing",
        "age": 66 * 60,
        "why": "The Intervals API cannot be reached.",
        "retry_in": 0,
    }


def test_an_event_that_was_fetched_after_a_failure_fails_no_more(service, read):
    service.upstream.refuse(500, "INTERNAL")
    service.advance(hours=2)
    service.poll()
    assert find(read(), "harbor-run")["health"] == "failing"
    service.upstream.instead = None
    service.advance(minutes=1)
    service.poll()
    assert find(read(), "harbor-run")["health"] == "fresh"


def test_the_status_has_the_latest_changes_the_budget_and_the_catalog(service, read):
    service.edit("ten", startTime="09:00")
    service.advance(hours=2)
    service.poll()
    status = read()
    assert status["changes"] == [
        {"event": "harbor-run", "run": "ten", "kind": "moved", "noticed": "2026-05-20T14:00:00Z"}
    ]
    budget = {"calls_left": 19, "burst": 20, "closed_until": None, "why": None}
    assert status["budget"] == budget
    assert [(part["name"], part["age"]) for part in status["catalog"]] == [("/recurrences", 7200)]
    service.upstream.refuse(401, "UNAUTHORIZED")
    service.advance(hours=2)
    service.poll()
    assert read()["budget"] == {
        "calls_left": 0,
        "burst": 20,
        "closed_until": "2026-05-20T16:01:00Z",
        "why": "The Intervals API does not accept the key.",
    }


def test_the_tables_name_the_event_that_fails_and_why(service, run):
    service.upstream.refuse(500, "INTERNAL")
    service.advance(hours=2)
    service.poll()
    output = run("status")
    assert "Events: 1 stored, 1 failing, 0 stale, 0 fresh, 0 gone" in output
    line = next(line for line in output.splitlines() if "harbor-run" in line)
    assert "The Intervals API cannot be reached. Again in 60 s." in line
    assert "Budget: " in output
    assert "/recurrences" in output
    assert "\x1b" not in output


def test_no_name_writes_control_characters_or_markup_to_the_terminal(service, run):
    service.edit(name="[red]Harbor[/red] \x1b[31m Run\u202e")
    service.advance(days=1)
    service.poll()
    output = run("status")
    assert "[red]Harbor[/red]" in output
    assert all(character.isprintable() or character == "\n" for character in output)


def test_without_a_database_the_status_is_one_line(run):
    message = run("status", code=1, FEEDS_DATABASE_URL="sqlite:////missing/feeds.db")
    assert message == (
        "The database is unavailable. Check FEEDS_DATABASE_URL; feeds serve creates it."
    )


@pytest.mark.parametrize("minutes", [1, 4, 5, 6, 15, 60, 24 * 60])
def test_the_expiry_of_an_edition_is_known_from_its_refresh_time(minutes):
    expires = NOW + timedelta(minutes=minutes)
    assert find_expiry(NOW, compute_refresh_time(NOW, expires)) == expires


def a_row(event_id, start, end, **fields):
    given = {"gone": False, "error": None, "retry_at": None, "fetched": NOW, "due": NOW + HOUR}
    span = {"starts": NOW + start * HOUR, "ends": NOW + end * HOUR}
    return EventRow(id=event_id, name=event_id, **span | given | fields)


def summarize_rows(*rows, parts=()):
    state = DatabaseState(events=rows, parts=parts, changes=(), calls=3, closed=NOW, cause=None)
    return summarize(state, NOW + timedelta(minutes=1), 20)


def test_the_next_event_is_first_and_past_events_are_last_the_latest_first():
    spans = {"past": (-9, -8), "later": (9, 10), "next": (2, 3), "on": (-1, 1), "just": (-3, -2)}
    status = summarize_rows(*(a_row(name, *span) for name, span in spans.items()))
    assert [each.id for each in status.events] == ["on", "next", "later", "just", "past"]


def test_an_event_that_is_gone_is_neither_stale_nor_failing():
    gone = a_row("gone", 1, 2, gone=True, due=NOW - HOUR, error=UpstreamTimeout(), retry_at=NOW)
    assert summarize_rows(gone).events[0].health is EventHealth.GONE


def test_a_part_of_the_catalog_tells_why_it_is_old():
    parts = (
        PartRow("/events", 3, NOW, NOW, UpstreamTimeout()),
        PartRow("/groups", 1, NOW, NOW + HOUR, UpstreamTimeout()),
    )
    old, new = summarize_rows(parts=parts).catalog
    assert (old.overdue, old.why) == (True, "The Intervals API did not answer in time.")
    assert (new.overdue, new.why) == (False, None)

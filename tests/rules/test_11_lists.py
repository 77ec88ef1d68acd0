"""Rules 11.3 to 11.6, 11.15 and 11.16: the lists of a club and of its groups."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from werkzeug import Response
from werkzeug.wrappers import Request

from feeds.sandbox import SCOPES
from tests.support.club import CLUB, Club, parse
from tests.support.processes import rate
from tests.support.service import a_run
from tests.support.waiting import wait_until

ALL = {"near-10k", "next-10k", "far-10k"}


def test_members_are_the_events_of_the_last_sixty_days_and_what_repeats(club, upstream):
    """Rules 11.3: of an event that was never fetched, the day in the list decides."""
    club.hold("old", "2026-03-22")
    club.hold("older", "2026-03-19")
    club.hold("runners", "2023-01-03", a_run("tuesday", date="2026-06-02"), type="runClub")
    upstream.failing["/recurrences"] = Response(
        json.dumps({"data": [{"eventId": "weekly", "status": "active"}], "hasMore": False}),
        mimetype="application/json",
    )
    club.hold("weekly", "2023-01-03", a_run("wednesday", date="2026-06-03"), type="other")
    del club.documents["older"]
    club.fill()
    assert set(club.shown()) == ALL | {"old-10k", "tuesday", "wednesday"}
    assert "/events/older" not in upstream.calls


@pytest.mark.parametrize("word", ["run-club", "RunClub", " RUN CLUB "])
def test_a_run_club_is_a_member_however_its_type_is_spelled(club, word):
    """Rules 3.14, 9.1 and 11.3: its own day is years ago."""
    club.hold("runners", "2023-01-03", a_run("tuesday", date="2026-06-02"), type=word)
    club.fill()
    assert set(club.shown()) == ALL | {"tuesday"}
    (found,) = [each for each in club.feed()["_intervals"]["events"] if each["id"] == "runners"]
    assert found["type"] == "runClub"


def test_an_event_stays_a_member_for_sixty_days_after_its_end(full):
    """Rules 11.3."""
    full.hold("festival", "2026-06-01", a_run("festival-10k", date="2026-06-30"))
    full.refresh_lists()
    full.fill()
    full.advance(days=84)  # after 1 June; 56 after 30 June
    full.refresh_lists(times=2)
    assert "festival-10k" in full.shown()
    full.advance(days=18)
    full.refresh_lists(times=2)
    assert set(full.shown()) == {"far-10k"}


def test_a_list_is_fresh_for_15_minutes_while_an_event_is_near_else_for_an_hour(full):
    """Rules 11.4."""
    full.advance(minutes=14, seconds=59)
    full.read()
    assert full.count_calls("/events") == 1
    full.advance(seconds=1)
    full.wait_for_list(2)
    full.advance(days=40)
    full.wait_for_list(3)
    full.advance(minutes=59, seconds=59)
    full.read()
    assert full.count_calls("/events") == 3


def test_a_small_budget_stretches_the_freshness_of_the_list(club):
    """Rules 11.4: with the recurrences 2 calls, at 25 calls a day: 1 h 55 min."""
    club.restart(rate=rate("100/day;burst=50"))
    club.fill()
    club.advance(hours=1, minutes=55)
    club.read()
    assert club.count_calls("/events") == 1
    club.advance(minutes=1)
    club.read()
    wait_until(lambda: club.count_calls("/events") == 2, "the list")


def serve_pages(club, *pages):
    """Have the upstream serve these pages of events; a callable page is an answer of its own."""

    def answer(environ, start_response):
        after = Request(environ).args.get("after")
        number = next((n for n, page in enumerate(pages) if page and page[-1] == after), -1) + 1
        page = pages[number]
        if page is None:
            response = Response("{}", 500)
        else:
            data = [club.documents.get(id_, {"event": {"_id": id_}})["event"] for id_ in page]
            more = number + 1 < len(pages)
            body = json.dumps({"data": data, "hasMore": more})
            response = Response(body, mimetype="application/json")
        return response(environ, start_response)

    club.upstream.failing["/events"] = answer


def test_a_list_that_fails_in_the_middle_of_its_pages_keeps_the_last_good_one(full, caplog):
    """Rules 11.4."""
    full.hold("new", "2026-06-02")
    serve_pages(full, ["near", "new"], None)
    full.advance(minutes=61)
    full.read()
    wait_until(lambda: "list /events: The Intervals API is out of order." in caplog.text, "it")
    full.rest()
    assert full.count_calls("/events") == 3
    assert set(full.shown()) == ALL
    full.advance(seconds=59)
    full.read()
    assert full.count_calls("/events") == 3
    full.list_all()
    full.advance(seconds=1)
    full.read()
    full.fill()
    assert set(full.shown()) == ALL | {"new-10k"}


def test_a_list_goes_on_where_the_budget_had_no_call(club):
    """Rules 11.4: a budget that never has the calls for all pages gets through the list."""
    ids = [f"e{number}" for number in range(1, 8)]
    for id_ in ids:
        club.hold(id_, "2026-06-01")
    serve_pages(club, *[[id_] for id_ in ids], ["near", "next", "far"])
    club.restart(rate=rate("60/hour;burst=4"))  # of which an ordinary poll may spend three
    for _ in range(4):
        club.fetch("/events.ics")
        club.rest()
        club.advance(minutes=14)
    assert club.count_calls("/events") == 8
    club.fill(minutes=14)
    assert set(club.shown()) == ALL | {f"{id_}-10k" for id_ in ids}


def test_an_event_that_leaves_the_list_is_judged_by_its_own_document(full):
    """Rules 11.5: a list does not say whether it holds what is cancelled or unpublished."""
    full.list_only("next", "far")
    full.change("near", eventStatus="postponed")
    full.refresh_lists(times=2)
    assert full.summaries()[0] == "Postponed: Near Run – 10K"
    asked = full.count_calls("/events/near")
    full.refresh_lists(times=24)
    assert full.summaries()[0] == "Postponed: Near Run – 10K"
    assert full.count_calls("/events/near") >= asked + 24


def test_an_event_that_is_gone_is_no_longer_listed_and_leaves_after_thirty_days(full):
    """Rules 11.5."""
    full.bind(CLUB)
    full.remove("far")
    began = full.clock.now
    shown: list[str] = []
    while "far-10k" in full.shown():
        full.advance(minutes=31 if len(shown) < 8 else 720)
        shown.append(full.summaries()[-1])
    assert shown[0] == "Far Run – 10K"
    assert set(shown[8:-1]) == {"No longer listed: Far Run – 10K"}
    assert timedelta(days=30) <= full.clock.now - began <= timedelta(days=31)


OF_FAR = ("/events.ics", "/groups/south.ics", "/events.ics?event=far&event=next")


def pass_hours(club, hours):
    """Poll the feeds that may show the event once an hour."""
    for _ in range(hours):
        club.advance(minutes=61)
        for path in OF_FAR:
            club.read(path)
            club.rest()


@pytest.fixture
def gone(full):
    """The club and the document of an event that has left the club and the group "south"."""
    full.bind(CLUB)
    full.group("south", "next", "far")
    full.fill("/groups/south.ics")
    document = full.documents["far"]
    full.remove("far")
    pass_hours(full, 4)
    assert full.summaries()[-1] == "No longer listed: Far Run – 10K"
    full.advance(days=30)
    pass_hours(full, 4)
    for path in OF_FAR:
        assert "far-10k" not in full.shown(path)
    return full, document


def test_an_event_that_is_published_again_after_thirty_days_returns(gone):
    """Rules 11.5 and 3.13: to the club, to its groups, and to my races."""
    club, document = gone
    club.upstream.put("far", document)
    pass_hours(club, 3)
    for path in OF_FAR:
        assert club.summaries(path)[-1] == "Far Run – 10K"


def test_an_event_that_is_listed_and_does_not_exist_costs_a_call_for_each_list(gone):
    """Rules 11.5: it is not shown, delays nothing, and shortens no max-age."""
    club, club.documents["far"] = gone
    club.list_only(*club.documents)
    pass_hours(club, 2)
    lists, calls = club.count_calls("/events"), club.count_calls("/events/far")
    for _ in range(3):
        pass_hours(club, 1)
        club.settle()
        assert "max-age=60," not in club.fetch("/events.ics").headers["Cache-Control"]
        for _ in range(9):
            club.advance(minutes=3)
            club.settle()
    assert 0 < club.count_calls("/events/far") - calls <= club.count_calls("/events") - lists
    assert "far-10k" not in club.shown()
    assert club.fetch("/events.ics?event=far").status_code == 404
    club.group("west", "next", "far")
    pass_hours(club, 1)
    assert set(club.shown("/groups/west.ics")) == {"next-10k"}


def test_an_event_that_was_never_fetched_leaves_with_the_first_list_that_lacks_it(full, upstream):
    """Rules 11.5: nobody has seen it."""
    full.hold("draft", "2026-06-02")
    upstream.refuse_path("/events/draft", 500, "INTERNAL")
    full.refresh_lists()
    wait_until(lambda: full.read() and "/events/draft" in upstream.calls, "the event")
    full.list_only("near", "next", "far")
    full.refresh_lists(times=2)
    asked = full.count_calls("/events/draft")
    upstream.failing.pop("/events/draft")
    full.refresh_lists()
    assert full.count_calls("/events/draft") == asked
    assert set(full.shown()) == ALL


def test_an_event_leaves_a_group_after_three_lists_over_thirty_minutes(full):
    """Rules 11.5: its own feed and the club's have it all the same."""
    full.group("north", "near", "next")
    path = "/groups/north.ics"
    full.fill(path)
    full.group("north", "next")
    for _ in range(2):
        full.refresh_lists(path)
        assert set(full.shown(path)) == {"near-10k", "next-10k"}
    full.refresh_lists(path)
    assert set(full.shown(path)) == {"next-10k"}
    assert set(full.shown()) == ALL


def test_a_group_that_one_list_lacks_keeps_its_feed(full):
    """Rules 11.5: three lists over 30 minutes decide."""
    full.group("north", "near")
    full.group("south", "far")
    full.fill("/groups/north.ics")
    full.list_groups("south")
    statuses = []
    for _ in range(5):
        full.advance(minutes=61)
        before = full.count_calls("/groups")

        def is_asked(before: int = before) -> bool:
            full.fetch("/groups/north.ics")
            return bool(full.count_calls("/groups") > before)

        wait_until(is_asked, "the groups")
        statuses.append(full.fetch("/groups/north.ics").status_code)
    assert set(statuses[:2]) == {200}
    assert set(statuses[4:]) == {404}
    assert full.fetch("/groups/south.ics").status_code in (200, 503)


def test_items_that_no_address_can_hold_are_left_out(club):
    """Rules 11.6."""
    items = [each["event"] for each in club.documents.values()]
    odd: list[Any] = [
        "x",
        None,
        7,
        {},
        {"_id": 7},
        {"_id": "a/b"},
        {"_id": "é"},
        {"_id": "e" * 65},
        [],
    ]
    club.answer_list([*odd, *items, *items])
    club.fill()
    assert set(club.shown()) == ALL
    assert {path for path in club.upstream.calls if "/events/" in path} == {
        f"/events/{id_}" for id_ in club.documents
    }


@pytest.mark.parametrize("fields", [{"date": "soon"}, {"date": None}, {"name": 7, "type": []}])
def test_an_event_whose_fields_in_the_list_cannot_be_read_is_a_member(club, fields):
    """Rules 11.3 and 11.6."""
    club.answer_list([each["event"] | fields for each in club.documents.values()])
    club.fill()
    assert set(club.shown()) == ALL


def test_the_last_id_of_a_page_may_be_one_that_no_address_can_hold(club):
    """Rules 11.6."""
    serve_pages(club, ["near", "a b/c&d"], ["next", "far"])
    club.fill()
    assert set(club.shown()) == ALL


@pytest.mark.parametrize("items", [[], ["near"], [{"_id": "near"}]])
def test_pages_that_do_not_end_are_not_understood(full, items, clock, tmp_path, caplog):
    """Rules 11.6: ``hasMore`` without a next page, and a cursor that goes in circles."""
    full.answer_list(items, more=True)
    full.advance(minutes=61)
    full.read()
    wait_until(lambda: "list /events: The Intervals API sent an answer" in caplog.text, "it")
    assert set(full.shown()) == ALL
    assert full.count_calls("/events") <= 3
    cold = Club(full.upstream, clock, tmp_path / "cold")
    cold.folder.mkdir()
    response = cold.fetch("/events.ics")
    assert (response.status_code, response.text) == (
        502,
        "The Intervals API sent an answer that cannot be read.\n",
    )


def test_a_list_of_10000_events_makes_a_collection_of_the_next_1000(club):
    """Rules 11.3 and 11.6: 100 pages; no event beyond the next 1,000 is asked for."""
    events = [{"_id": f"e{n:04}", "date": f"{2030 + n // 300}-01-01"} for n in range(9_997)]
    known = [each["event"] for each in club.documents.values()]
    every = [*known, *events]
    pages: dict[str | None, Any] = {None: every[:100]}
    pages |= {every[n - 1]["_id"]: every[n : n + 100] for n in range(100, len(every), 100)}

    def answer(environ, start_response):
        page = pages[Request(environ).args.get("after")]
        body = json.dumps({"data": page, "hasMore": page is not pages[every[9899]["_id"]]})
        return Response(body, mimetype="application/json")(environ, start_response)

    club.upstream.failing["/events"] = answer
    club.restart(rate=rate("1000000/minute;burst=500000"))
    wait_until(lambda: club.fetch("/events.ics").status_code == 200, "the nearest events")
    assert club.count_calls("/events") == 100
    wait_until(lambda: set(club.shown()) == ALL, "the events that exist")


def test_a_group_has_its_own_feed_and_text(full):
    """Rules 11.15."""
    full.group("north", "near", name="North <b>Side</b>", description="Tuesdays.\nAll paces.")
    full.fill("/groups/north.ics")
    calendar = parse(full.read("/groups/north.ics"))
    assert [str(each["UID"]) for each in calendar.events] == ["near-10k@intervals.run"]
    assert calendar["X-WR-CALNAME"] == "North <b>Side</b>"
    page = "https://feeds.example.org/groups/north"
    assert calendar["X-WR-CALDESC"] == f"North <b>Side</b>: Tuesdays. All paces. {page}"
    assert calendar["SOURCE"] == f"{page}.ics"
    data = full.feed("/groups/north")
    assert data["title"] == "North Side"
    assert data["description"].endswith("for North Side. Tuesdays. All paces.")


@pytest.mark.parametrize("status", ["paused", "archived"])
def test_a_paused_or_archived_group_keeps_its_feed_and_says_so(full, status):
    """Rules 11.15."""
    full.group("north", "near", status=status)
    full.fill("/groups/north.ics")
    assert set(full.shown("/groups/north.ics")) == {"near-10k"}
    assert f": This group is {status}." in full.read("/groups/north.ics").decode()
    assert f"This group is {status}." in full.feed("/groups/north")["description"]


@pytest.mark.parametrize("name", ["", " \u200b", None, 7])
def test_a_group_with_an_empty_name_has_the_name_of_its_address(full, name):
    """Rules 11.6 and 11.15."""
    full.group("north", "near", name=name)
    full.fill("/groups/north.ics")
    assert parse(full.read("/groups/north.ics"))["X-WR-CALNAME"] == "north"


def test_an_unknown_group_is_404_without_a_call(full):
    """Rules 11.15: the groups are asked for once."""
    full.group("north", "near")
    for slug in ("south", "west", "south"):
        response = full.fetch(f"/groups/{slug}.ics")
        assert (response.status_code, response.text) == (404, "There is no such group.\n")
    assert full.count_calls("/groups") == 1
    assert "/groups/south/events" not in full.upstream.calls


def test_a_group_without_events_has_an_empty_calendar(full):
    """Rules 11.10 and 11.15."""
    full.group("north")
    assert not parse(full.fill("/groups/north.ics")).events


def test_a_key_without_groups_has_none_and_the_log_says_so_once(upstream, clock, tmp_path, caplog):
    """Rules 11.16."""
    upstream.scopes.discard("read:groups")
    upstream.scopes.discard("read:series")
    club = Club(upstream, clock, tmp_path)
    club.hold("near", "2026-05-27")
    for _ in range(3):
        assert club.fetch("/groups/north.ics").status_code == 404
        club.advance(days=2)
        club.fill()
    assert parse(club.read())["X-WR-CALNAME"] == "Races"
    lines = [each.message for each in caplog.records if "lacks the scope" in each.message]
    assert sorted(lines) == [
        "INTERVALS_PARTNER_API_KEY lacks the scope read:groups: groups have no feeds",
        "INTERVALS_PARTNER_API_KEY lacks the scope read:series: pages do not name the organization",
    ]


def test_a_group_whose_events_the_key_may_not_read_is_404(full, caplog):
    """Rules 11.16."""
    full.group("north", "near")
    full.upstream.refuse_path("/groups/north/events", 403, "FORBIDDEN")
    caplog.set_level(logging.ERROR)
    for _ in range(2):
        assert full.fetch("/groups/north.ics").status_code == 404
    assert caplog.records == []


def test_a_404_for_the_list_of_events_does_not_say_that_there_is_no_such_event(club):
    """Rules 8.21 and 10.10: there is a list of events, so the answer cannot be used."""
    club.hold("near", "2026-05-27")
    club.upstream.refuse_path("/events", 404, "NOT_FOUND")
    for path in ("/events.ics", "/"):
        response = club.fetch(path)
        assert response.status_code == 502
        assert response.headers["Cache-Control"] == "no-store"
        assert "no such" not in response.text


def test_a_key_that_loses_scopes_leaves_what_was_read_before(full):
    """Rules 11.16."""
    full.group("north", "near")
    full.fill("/groups/north.ics")
    for path in ("/groups", "/groups/north/events", "/organization", "/recurrences"):
        full.upstream.refuse_path(path, 403, "FORBIDDEN")
    for _ in range(3):
        full.advance(days=2)
        full.fetch("/groups/north.ics")
        full.read()
    assert set(full.shown("/groups/north.ics")) == {"near-10k"}
    assert parse(full.read())["X-WR-CALNAME"] == CLUB
    assert SCOPES  # the sandbox's own, which other tests use

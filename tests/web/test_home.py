"""The home page of a key that may not list events: the known events, and the search."""

import re

import pytest
from markupsafe import escape

from feeds.app import create_app
from tests.support.processes import settings_for

pytestmark = pytest.mark.usefixtures("unlisted")

LINKS = re.compile(r'href="\./events/(\w+)"')


def test_the_home_page_lists_the_known_events_the_next_one_first(client, upstream, clock):
    assert "No race is listed here yet." in client.get("/").text
    days = {
        "over": "2026-03-01",
        "later": "2026-07-18",
        "soon": "2026-05-23",
        "bygone": "2025-05-23",
        "next": "2026-06-20",
        "today": "2026-05-20",
    }
    for event_id, day in days.items():
        upstream.publish(event_id, day)
        client.get(f"/events/{event_id}.ics")
        clock.advance(seconds=10)
    client.get("/events/unknown.ics")
    response = client.get("/")
    assert LINKS.findall(response.text) == ["today", "soon", "next", "later", "over", "bygone"]
    ahead, _, past = response.text.partition("<summary>Past races</summary>")
    assert LINKS.findall(past) == ["over", "bygone"]
    assert re.findall("<h2>(.+)</h2>", ahead) == ["May 2026", "June 2026", "July 2026"]
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "max-age=60"


def test_the_home_page_lists_the_last_known_events_while_the_database_is_unavailable(
    upstream, tmp_path, clock
):
    settings = settings_for(upstream.url, tmp_path)
    client = create_app(settings, clock.timestamp).test_client()
    client.get("/events/harbor-festival.ics")
    assert "Harbor Festival" in client.get("/").text
    (tmp_path / "feeds.sqlite3").rename(tmp_path / "elsewhere")
    assert "Harbor Festival" in client.get("/").text


@pytest.mark.parametrize("path", ["/", "/?event=harbor", "/sitemap.xml"])
def test_nothing_is_said_to_be_unlisted_while_the_database_was_never_read(
    upstream, tmp_path, clock, path
):
    settings = settings_for(upstream.url, tmp_path)
    create_app(settings, clock.timestamp)
    client = create_app(settings, clock.timestamp, must_exist=True).test_client()
    (tmp_path / "feeds.sqlite3").rename(tmp_path / "elsewhere")
    response = client.get(path)
    assert response.status_code == 503
    assert response.headers["Cache-Control"] == "no-store"
    assert "No race" not in response.text
    if path != "/sitemap.xml":
        assert "We can’t look this up right now." in response.text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        *(("harbor", ["soon"]), ("  FÊTE du port ", ["next"]), ("fete", ["next"])),
        *(("r", ["soon", "next", "later"]), ("/ Zwei", ["later"]), ("harbor-", None)),
    ],
)
def test_a_search_finds_events_whose_names_have_the_text(client, upstream, asked, found):
    names = {"soon": "Harbor Run", "next": "Fête du Port", "later": "Drei / Zwei"}
    for number, (event_id, name) in enumerate(names.items(), 1):
        upstream.publish(event_id, f"2026-06-{number:02}", name=name)
        client.get(f"/events/{event_id}.ics")
    response = client.get("/", query_string={"event": asked})
    assert response.status_code == (200 if found else 303)
    assert LINKS.findall(response.text) == (found or [])


@pytest.mark.parametrize("asked", ["", "   "])
def test_an_empty_search_lists_all_events(client, asked):
    client.get("/events/harbor-festival.ics")
    response = client.get("/", query_string={"event": asked})
    assert response.status_code == 200
    assert "Harbor Festival" in response.text


@pytest.mark.parametrize(
    "asked",
    [
        *("harbor-festival", "  harbor-festival  "),
        "https://intervals.run/events/harbor-festival",
        "https://intervals.run/events/harbor-festival?tab=runs#map",
        "https://feeds.example.org/events/harbor-festival.ics",
        "intervals.run/club/events/harbor-festival/",
    ],
)
def test_an_id_or_a_url_in_the_form_leads_to_the_page_of_the_event(client, asked):
    response = client.get("/", query_string={"event": asked})
    assert response.status_code == 303
    assert response.headers["Location"] == "events/harbor-festival"
    assert response.headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    "asked",
    [
        *("a b", "intervals.run", "https://intervals.run", "https://", "?"),
        "é",
        *("<b>", 65 * "x", 1_001 * "x"),
    ],
)
def test_text_that_finds_nothing_is_404_and_shown_again(client, upstream, asked):
    response = client.get("/", query_string={"event": asked})
    assert response.status_code == 404
    assert "No race here has this name." in response.text
    assert f'value="{escape(asked)}"' in response.text
    assert "<b>" not in response.text
    assert upstream.asked == []


@pytest.mark.parametrize("asked", ["\u0301\u0316", "\u00a8"])
def test_a_search_for_accents_alone_finds_no_known_event(client, asked):
    assert client.get("/events/harbor-festival.ics").status_code == 200
    assert client.get("/", query_string={"q": asked}).status_code == 404

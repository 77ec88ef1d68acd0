"""The pages of the club and of its groups: what they list, filters, choices, errors."""

import json
import re
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.support.waiting import wait_until

SITE = "https://feeds.example.org"
EVENTS = re.compile(r'<a href="(?:\./|\.\./)events/([\w-]+)"><bdi>')
CHECKED = re.compile(r'<input type="checkbox" name="(event|run)" value="([\w-]+)"[^>]* checked>')
HOSTILE = '<script>alert(1)</script>"; \u202eHarbor & <b>Run</b> {{ 7 * 7 }}'


def list_events(response):
    """The ids of the events ahead, by month, and of past ones."""
    page = response.text.partition("<summary>Add other races</summary>")[0]
    ahead, _, past = page.partition("<summary>Past races</summary>")
    months = {}
    for part in ahead.split("<h2>")[1:]:
        title, _, rest = part.partition("</h2>")
        months[title] = EVENTS.findall(rest)
    return months, EVENTS.findall(past)


def list_links(response):
    return [unescape(url) for url in re.findall(r'href="([^"]+)"', response.text)]


def find_webcal(response):
    """The link with which Apple's calendar subscribes."""
    return next(each for each in list_links(response) if each.startswith("webcal:"))


def test_the_clubs_page_lists_races_by_month_and_folds_away_what_is_over(club):
    response = club.open()
    months, past = list_events(response)
    assert months == {"June 2026": ["harbor", "forest"], "August 2026": ["island"]}
    assert past == ["over"]
    assert "<bdi>Lakeside Runners</bdi></h1>" in response.text
    assert "Sat, Jun 13 – Sun, Jun 14, 2026 · <bdi>Navy Pier</bdi>" in response.text
    assert '<span class="chip"><bdi>10K</bdi></span>' in response.text
    assert find_webcal(response) == f"webcal://{SITE[8:]}/events.ics"


def test_the_clubs_page_names_what_is_virtual_and_a_run_without_a_time_last(club):
    club.edit("forest", isVirtual=True)
    club.edit("harbor", startTime=None)
    club.edit("harbor", 1, date="2026-06-13", startTime="09:00")
    page = club.open().text
    assert re.findall(r'name="run" value="([\w-]+)"', page) == ["harbor-2", "harbor-1"]
    assert "Sat, Jun 20, 2026 · <bdi>Virtual</bdi>" in page


def test_the_clubs_page_says_what_is_not_normal(club):
    club.edit("forest", eventStatus="cancelled")
    club.edit("island", soldOut=True)
    page = club.open().text
    assert re.search(r'<div class="notice cancelled">\s*<p>Cancelled</p>', page)
    assert '<span class="state"><bdi>Sold out</bdi></span>' in page


def test_the_page_says_how_many_races_are_read(club, client, upstream):
    upstream.refuse_path("/events/harbor", 500, "INTERNAL")

    def find_count():
        return re.search("3 of 4 events are read so far", client.get("/").text)

    wait_until(find_count, "three of four races")
    response = client.get("/")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Cache-Control"] == "no-store"
    assert "No race" not in response.text
    assert "We are reading these races for the first time." in response.text
    assert '<a class="button" href="">Try again</a>' in response.text


def test_while_the_list_cannot_be_read_the_page_says_so(club, client, upstream):
    upstream.refuse(500, "INTERNAL")
    response = client.get("/")
    assert response.status_code == 503
    assert "We can’t reach Intervals right now." in response.text


def test_while_the_page_cannot_be_shown_an_address_still_leads_to_its_event(club, client, upstream):
    upstream.refuse(500, "INTERNAL")
    for name in ("event", "q"):
        response = client.get("/", query_string={name: "https://intervals.run/events/harbor"})
        assert (response.status_code, response.headers["Location"]) == (303, "events/harbor")
        assert client.get("/", query_string={name: "a b"}).status_code == 503


@pytest.mark.parametrize("query", ["event=harbor&event=forest", "event=harbor&run=forest-1"])
def test_while_the_page_cannot_be_shown_chosen_races_are_no_search(club, client, upstream, query):
    client.get("/events/harbor.ics")
    upstream.refuse(500, "INTERNAL")
    for path in ("/", "/events.ics"):
        assert client.get(f"{path}?{query}").status_code == 503


@pytest.mark.parametrize(
    ("query", "listed", "feed"),
    [
        ("?distance=10K&virtual=no", ["harbor", "forest", "island"], "distance=10K&virtual=no"),
        ("?type=timeTrial", ["island"], "type=timeTrial"),
        ("?from=2026-06-14&to=2026-06-20", ["harbor", "forest"], "from=2026-06-14&to=2026-06-20"),
        ("?type=&q=&virtual=&from=&to=2026-06-30", ["harbor", "forest"], "to=2026-06-30"),
        ("?distance=5K", [], "distance=5K"),
    ],
)
def test_filters_are_those_of_the_feed(club, query, listed, feed):
    response = club.open(f"/{query}")
    months, _ = list_events(response)
    assert [each for some in months.values() for each in some] == listed
    assert find_webcal(response) == f"webcal://{SITE[8:]}/events.ics?{feed}"
    assert ("No upcoming race matches." in response.text) == (not listed)
    assert f'<link rel="canonical" href="{SITE}/">' in response.text


@pytest.mark.parametrize("query", ["?distance=9K", "?from=soon", "?type=Race"])
def test_filters_that_make_no_sense_are_left_out_and_a_line_says_so(club, query):
    response = club.open(f"/{query}")
    assert "What you asked for is not here, so you see all races." in response.text
    assert find_webcal(response) == f"webcal://{SITE[8:]}/events.ics"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("distance=10K&from=soon", "distance=10K"),
        ("distance=9K&distance=10K&type=race&type=other", "distance=10K&type=race"),
        ("from=2026-06-20&to=2026-06-01", "from=2026-06-20"),
        ("event=forest&from=soon", "event=forest"),
        ("busy=1&registration=2", "busy=1"),
    ],
)
def test_a_filter_that_makes_no_sense_leaves_the_others_as_they_are(club, query, kept):
    response = club.open(f"/?{query}")
    assert "Part of what you asked for is not here. You see the rest." in response.text
    assert find_webcal(response) == f"webcal://{SITE[8:]}/events.ics?{kept}"


def test_a_search_beside_a_filter_that_makes_no_sense_does_not_claim_to_show_all(club):
    response = club.open("/?q=trail&from=soon")
    assert list_events(response)[0] == {"June 2026": ["forest"]}
    assert "Part of what you asked for is not here. You see the rest." in response.text


def test_an_option_that_is_repeated_makes_sense(club):
    for query in ("busy=1&busy=1", "event=forest&event=forest"):
        assert "you asked for" not in club.open(f"/?{query}").text


def test_a_choice_of_more_than_a_hundred_events_has_the_first_hundred(club):
    ids = [f"race-{number:03}" for number in range(101)]
    for id_ in ids:
        club.publish(id_, "2026-07-04")
    response = club.open("/?" + "&".join(f"event={id_}" for id_ in ids))
    assert "Part of what you asked for is not here. You see the rest." in response.text
    assert find_webcal(response).count("event=race-") == 100
    assert "race-100" not in find_webcal(response)


@pytest.mark.parametrize("name", ["q", "event"])
@pytest.mark.parametrize(
    ("asked", "listed"),
    [("run", ["harbor", "island"]), ("  ILE ", ["island"]), ("trail", ["forest"])],
)
def test_a_search_lists_races_whose_names_have_the_text(club, name, asked, listed):
    club.open()
    response = club.client.get("/", query_string={name: asked})
    months, _ = list_events(response)
    assert [each for some in months.values() for each in some] == listed
    assert f'name="q" value="{asked.strip()}"' in response.text


def test_an_address_or_an_unknown_id_leads_to_the_page_of_the_event(club):
    club.open()
    for name, asked in (("event", "elsewhere"), ("q", "https://intervals.run/events/harbor")):
        response = club.client.get("/", query_string={name: asked})
        assert response.status_code == 303
        assert response.headers["Location"] == f"events/{asked.rpartition('/')[2]}"


@pytest.mark.parametrize(
    "asked",
    ["https://intervals.run/groups/north", f"{SITE}/groups/north.ics?busy=1", "/groups/north/ "],
)
def test_the_address_of_a_group_leads_to_the_page_of_the_group(club, asked):
    club.open()
    response = club.client.get("/", query_string={"q": asked})
    assert response.status_code == 303
    assert response.headers["Location"] == "groups/north"


@pytest.mark.parametrize("asked", ["a b", "<b>", 1_001 * "x", "\u0301\u0316", "\u00a8"])
def test_a_search_that_finds_nothing_is_404_and_shown_again(club, asked):
    club.open()
    response = club.client.get("/", query_string={"q": asked})
    assert response.status_code == 404
    assert "No race here has this name." in response.text
    assert "<b>" not in response.text


def test_a_search_for_control_characters_is_shown_again_as_it_is(club):
    club.open()
    asked = "a\x1ab\x1bc d"
    response = club.client.get("/", query_string={"q": asked})
    assert f'name="q" value="{asked}"' in response.text
    assert len(club.client.get("/", query_string={"q": "\x1b" * 1000}).data) < 50_000


def test_ticks_lead_to_one_address_with_all_ways_to_subscribe(club):
    page = club.open().text
    for field in ('name="event" value="forest"', 'name="run" value="harbor-2"'):
        assert field in page
    response = club.open("/?run=harbor-2&event=forest")
    months, past = list_events(response)
    assert months["June 2026"] == ["harbor", "forest"]
    assert past == []
    feed = f"{SITE[8:]}/events.ics?event=forest&run=harbor-2"
    assert find_webcal(response) == f"webcal://{feed}"
    assert f"https://{feed}&download=1" in list_links(response)
    assert set(CHECKED.findall(response.text)) == {("event", "forest"), ("run", "harbor-2")}
    assert f"{SITE}/?event=forest&amp;run=harbor-2</code>" in response.text
    assert "Sun, Jun 14, 2026" in response.text
    for kind, begins in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        code = club.open(f"/qr.{kind}?run=harbor-2&event=forest")
        assert code.data.startswith(begins)
    assert (
        b"<title>https://feeds.example.org/?event=forest&amp;run=harbor-2</title>"
        in club.open("/qr.svg?run=harbor-2&event=forest").data
    )


def test_one_choice_has_one_address(club):
    queries = ("?event=harbor&run=harbor-2", "?run=harbor-1&run=harbor-2&event=harbor&x=1")
    assert {find_webcal(club.open(f"/{query}")) for query in queries} == {
        f"webcal://{SITE[8:]}/events.ics?event=harbor"
    }


def test_ids_that_are_unknown_are_skipped_and_a_line_says_so(club):
    response = club.open("/?event=forest&event=gone&run=nobody")
    assert "Part of what you asked for is not here. You see the rest." in response.text
    assert find_webcal(response) == f"webcal://{SITE[8:]}/events.ics?event=forest"
    response = club.open("/?event=gone&event=left")
    assert "What you asked for is not here, so you see all races." in response.text
    assert find_webcal(response) == f"webcal://{SITE[8:]}/events.ics"


def test_an_event_that_has_left_the_list_is_still_chosen(club, upstream):
    club.open()
    club.publish("elsewhere", "2026-07-01", name="Elsewhere")
    club.client.get("/events/elsewhere.ics")
    response = club.open("/?event=elsewhere&event=forest")
    months, _ = list_events(response)
    assert months == {"June 2026": ["forest"], "July 2026": ["elsewhere"]}
    assert "not here" not in response.text


def test_a_chosen_run_stays_ticked_however_the_event_is_shown(club):
    club.publish("tuesdays", "2026-05-26", "2026-06-02", "2026-06-09", type="runClub")
    response = club.open("/?run=tuesdays-2&event=forest")
    assert ("run", "tuesdays-2") in CHECKED.findall(response.text)


def test_the_page_of_a_group_has_its_races_and_its_description(club):
    club.add_group("trails", "forest", name="Trail Runners", description="Off road.")
    response = club.open("/groups/trails")
    assert list_events(response)[0] == {"June 2026": ["forest"]}
    assert "<bdi>Trail Runners</bdi></h1>" in response.text
    assert "Off road." in response.text
    assert "‹ <bdi>Lakeside Runners</bdi>" in response.text
    assert find_webcal(response) == f"webcal://{SITE[8:]}/groups/trails.ics"
    assert '<a class="tap" href="./groups/trails"><bdi>Trail Runners</bdi></a>' in club.open().text
    assert club.open("/groups/trails.ics").mimetype == "text/calendar"


@pytest.mark.parametrize("word", ["paused", "archived"])
def test_a_group_that_is_paused_or_archived_says_so(club, word):
    club.add_group("trails", "forest", status=word)
    response = club.open("/groups/trails")
    assert f"This group is {word}." in response.text
    assert f'<span class="tag">{word}</span>' in club.open().text
    assert find_webcal(response).endswith("/groups/trails.ics")


@pytest.mark.parametrize("word", ["active", "Active", " PAUSED "])
def test_an_archived_group_comes_after_others_however_their_status_is_spelled(club, word):
    club.add_group("alpha", "forest", name="Alpha", status="Archived")
    club.add_group("beta", "forest", name="Beta", status=word)
    text = club.open().text
    assert text.index("./groups/beta") < text.index("./groups/alpha")
    assert '<span class="tag">archived</span>' in text


def test_a_group_without_races_says_so(club):
    club.add_group("empty")
    assert "No upcoming races." in club.open("/groups/empty").text


@pytest.mark.parametrize("form", ["", "/embed", "/embed-kit"])
def test_an_unknown_group_is_404_as_a_page(club, form):
    response = club.open(f"/groups/nobody{form}", status=404)
    assert response.mimetype == "text/html"
    assert "We don’t know this group." in response.text


def test_a_key_without_the_scope_for_groups_has_the_clubs_page(club, upstream):
    upstream.scopes.discard("read:groups")
    response = club.open()
    assert "Groups (" not in response.text
    club.open("/groups/trails", status=404)


def test_the_page_is_not_modified_until_something_was_checked_again(club, client, clock):
    etag = club.open().headers["ETag"]
    again = client.get("/?utm=x&download=1", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    clock.advance(minutes=59)
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 304
    clock.advance(hours=2)
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/groups/trails", "/?event=forest"])
def test_the_page_says_when_the_list_and_the_races_ahead_were_checked(club, clock, path):
    club.add_group("trails", "forest")
    club.open(path)
    began = clock.now
    for id_ in ("harbor", "forest", "island"):
        clock.advance(hours=2)
        club.client.get(f"/events/{id_}.ics")

    def find_checked():
        page = club.open(path).text
        assert "Oldest check of the list and the races ahead: <time" in page
        (checked,) = re.findall(r'<time class="ago" datetime="([^"]+)">', page)
        return datetime.fromisoformat(checked)

    assert find_checked() < began + timedelta(hours=6)
    wait_until(lambda: find_checked() >= began + timedelta(hours=2), "the list and the races")
    clock.advance(minutes=70)
    wait_until(lambda: find_checked() == clock.now, "the list and the races")


def test_the_page_says_that_a_check_failed_and_knows_no_time_of_the_request(club, clock, upstream):
    club.open()
    upstream.refuse_path("/events", 500, "INTERNAL")
    clock.advance(hours=2)
    failed = "<strong>Not everything could be checked again.</strong>"
    wait_until(lambda: failed in club.open().text, "the failure")
    etag = club.open().headers["ETag"]
    clock.advance(seconds=59)
    assert club.open().headers["ETag"] == etag
    assert (
        "The oldest check of the list and the races ahead was on Wed, May 20, 2026, 7:00 AM CDT."
        in club.open().text
    )
    upstream.stop()
    clock.advance(days=40)
    page = club.client.get("/").text
    upstream.restart()
    assert failed in page


@pytest.mark.parametrize("path", ["/", "/?q=forest"])
def test_the_page_and_a_search_show_a_race_as_of_its_last_refresh(club, clock, path):
    assert "Cancelled" not in club.open(path).text
    club.edit("forest", eventStatus="cancelled")
    clock.advance(hours=2)
    club.client.get("/events/forest.ics")
    wait_until(lambda: "Cancelled" in club.open(path).text, "the cancellation")


def test_another_name_of_the_organization_is_another_page(club, clock):
    club.open()
    club.rename("Seaside Runners")
    clock.advance(days=2)
    wait_until(lambda: "<bdi>Seaside Runners</bdi></h1>" in club.open().text, "the new name")


def test_made_up_queries_are_one_page(club):
    queries = ("", "?x=1", "?utm_source=mail&cancelled=drop", "?limit=3&days=2&busy=")
    assert len({club.open(f"/{query}").headers["ETag"] for query in queries}) == 1


def test_markup_in_names_is_shown_as_text(club):
    club.rename(HOSTILE)
    club.publish("evil", "2026-06-01", name=HOSTILE, address=HOSTILE, description=HOSTILE)
    club.add_group("evil", "evil", name=HOSTILE, description="<b>")
    for path in ("/", "/groups/evil", "/?event=evil&event=forest", "/embed", "/groups/evil/embed"):
        page = club.open(path).text
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "{{ 7 * 7 }}" in page
        assert "\u202e" not in page
        for found in re.findall(r'ld\+json">(.*?)</script>', page, re.DOTALL):
            assert json.loads(found)["@type"] == "ItemList"


def test_machines_read_the_list_its_feeds_and_how_to_embed_it(club):
    response = club.open()
    (found,) = re.findall(r'ld\+json">(.*?)</script>', response.text)
    document = json.loads(found)
    assert document["@type"] == "ItemList"
    first = document["itemListElement"][0]
    assert (first["@type"], first["position"]) == ("ListItem", 1)
    event = first["item"]
    assert (event["@type"], event["name"], event["url"]) == (
        *("SportsEvent", "Harbor Run", f"{SITE}/events/harbor"),
    )
    assert event["organizer"]["name"] == "Lakeside Runners"
    types = ("text/calendar", "application/rss+xml", "application/feed+json")
    link = re.compile(r'<([^>]+)>; rel="alternate"; type="([^"]+)"')
    links = dict(link.findall(response.headers["Link"]))
    assert list(links.values()) == [*types, "application/json+oembed"]
    assert f"{SITE}/events.ics" in links
    for name, value in (("title", "Lakeside Runners"), ("url", f"{SITE}/")):
        assert f'<meta property="og:{name}" content="{value}">' in response.text
    assert '<meta name="twitter:card" content="summary_large_image">' in response.text


def test_the_head_of_the_page_of_chosen_races_is_short_and_its_html_has_the_links(club):
    response = club.open("/?event=harbor&event=" + "x" * 64)
    assert response.headers["Link"] == f'<{SITE}/>; rel="canonical"'
    assert response.text.count('rel="alternate"') == 4


def test_the_page_of_an_event_names_the_organization_and_leads_to_the_club(club):
    page = club.open("/events/harbor").text
    assert '<a href="../">‹ <bdi>Lakeside Runners</bdi></a>' in page
    (found,) = re.findall(r'ld\+json">(.*?)</script>', page)
    assert json.loads(found)["organizer"] == {
        "@type": "SportsOrganization",
        "name": "Lakeside Runners",
        "url": f"{SITE}/",
    }


def test_many_races_are_on_several_pages_of_less_than_50_kilobytes(club):
    for number in range(60):
        day = f"2026-{7 + number // 28:02}-{1 + number % 28:02}"
        name = f"The Annual Lakeside Championship Race number {number}"
        club.publish(f"race-{number}", day, day, day, name=name, address="1 Lake Shore Drive")
    first = club.open()
    assert len(first.data) < 50_000
    (later,) = re.findall(r'href="\./(\?from=[\d-]+)">Later races \((\d+)\)', first.text)
    listed = [each for some in list_events(first)[0].values() for each in some]
    second = club.open(f"/{later[0]}")
    listed += [each for some in list_events(second)[0].values() for each in some]
    assert int(later[1]) == 63 - 40
    assert sorted(set(listed)) == sorted(
        ["harbor", "forest", "island", *(f"race-{number}" for number in range(60))]
    )


def test_the_link_to_later_races_of_a_search_leads_to_races_with_that_name(club):
    for number in range(45):
        club.publish(
            f"race-{number}", f"2026-{7 + number // 28:02}-{1 + number % 28:02}", name="A & B"
        )
    first = club.open("/?q=a+%26")
    (later,) = re.findall(r'href="\./(\?[^"]+)">Later races \(5\)', first.text)
    second = club.open(f"/{unescape(later)}")
    listed = {each for some in list_events(second)[0].values() for each in some}
    assert listed == {f"race-{number}" for number in range(40, 45)}


def test_the_link_to_later_races_beside_a_search_that_found_nothing_leads_to_all(club):
    for number in range(45):
        club.publish(f"race-{number}", f"2026-{7 + number // 28:02}-{1 + number % 28:02}")
    nothing = club.client.get("/", query_string={"q": "a b"})
    (later,) = re.findall(r'href="\./(\?[^"]+)">Later races', nothing.text)
    assert club.open(f"/{unescape(later)}").status_code == 200


def test_later_links_lead_to_all_races_of_a_full_day_beside_one_that_began_before(club):
    club.publish("year", "2026-01-01")
    club.edit("year", isVirtual=True)
    document = club.upstream.document("year")
    document["event"]["endDate"] = "2026-12-31"
    club.upstream.put("year", document)
    ids = {f"race-{number}" for number in range(45)}
    for id_ in ids:
        club.publish(id_, "2026-07-04")
    listed, path, pages = [], "/", 0
    while path:
        response, pages = club.open(path), pages + 1
        listed += [each for some in list_events(response)[0].values() for each in some]
        later = re.findall(r'href="\./(\?from=[\d-]+)">Later races', response.text)
        path = f"/{later[0]}" if later else ""
        assert pages < 5, "the links go in circles"
    assert set(listed) == {"year", "harbor", "forest", "island"} | ids


def submit(response, form, **ticked):
    """The query that a form sends as it is on the page, with more boxes ticked."""
    (found,) = re.findall(rf"<form {form}.*?</form>", response.text, re.DOTALL)
    fields = re.findall(r'<input type="(\w+)" name="(\w+)" value="([^"]*)"([^>]*)>', found)
    sent = [(n, v) for kind, n, v, end in fields if kind == "hidden" or "checked" in end]
    return urlencode(sent + list(ticked.items()))


def test_a_choice_that_is_changed_keeps_the_options_of_its_links(club):
    query = submit(club.open("/?event=forest&registration=1&busy=1"), 'id="mine"', event="island")
    feed = "events.ics?busy=1&event=forest&event=island&registration=1"
    assert find_webcal(club.open(f"/?{query}")) == f"webcal://{SITE[8:]}/{feed}"


@pytest.mark.parametrize("form", ['class="find filters"', 'id="mine"'])
def test_filters_and_ticks_keep_the_options_of_the_links(club, form):
    response = club.open("/?registration=1&busy=1")
    link = find_webcal(club.open(f"/?{submit(response, form)}"))
    assert link == f"webcal://{SITE[8:]}/events.ics?busy=1&registration=1"
    assert submit(club.open(), form) == ""


def test_a_choice_that_is_changed_keeps_the_races_that_are_on_other_pages(club):
    ids = sorted(f"race-{number}" for number in range(44))
    for number, id_ in enumerate(ids):
        club.publish(id_, f"2026-{7 + number // 28:02}-{1 + number % 28:02}")
    club.publish("double", "2026-05-01", "2026-09-26")
    query = "&".join(f"event={id_}" for id_ in ids) + "&run=double-1&run=double-2"
    first = club.open(f"/?{query}")
    (later,) = re.findall(r'href="\./(\?[^"]+)">Later races', first.text)
    for page in (first, club.open(f"/{unescape(later)}")):
        changed = submit(page, 'id="mine"', event="forest")
        assert set(parse_qsl(changed)) == {*parse_qsl(query), ("event", "forest")}

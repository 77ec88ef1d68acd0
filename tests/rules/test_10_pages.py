"""Rules 10: pages."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from tests.support.browser import UNLIMITED
from tests.support.listed_club import ListedClub
from tests.support.service import PAGE, PUBLIC_URL, a_5k, a_run
from tests.support.waiting import wait_until


def read(page: str, pattern: str) -> list[str]:
    """What a pattern finds in a page, without markup."""
    found = re.findall(pattern, page, re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]+>", " ", each)).split()) for each in found]


def get_page(service, query=""):
    response = service.get(query)
    assert response.status_code == 200
    return response.text


def test_a_page_says_first_whether_when_and_where(service):
    """Rules 10.1."""
    service.announce(
        a_run(eventStatus="cancelled", registrationUrl="https://club.example/"),
        description="The pier is closed.\n\nEntries are refunded.",
    )
    page = get_page(service)
    order = ["<h1>", 'class="when"', 'class="where"', 'class="notice cancelled"', 'class="actions"']
    order += ['id="runs"', 'id="about"', 'id="subscribe"', 'id="share"']
    places = [page.index(each) for each in order]
    assert places == sorted(places)
    assert read(page, '<div class="notice cancelled">(.*?)</div>') == [
        "Cancelled The pier is closed."
    ]


@pytest.mark.parametrize("at_once", [True, False])
def test_the_notice_of_a_postponed_event_tells_of_a_new_date_that_the_organizer_lists(
    service, at_once
):
    """Rules 10.1: a date that was entered before the event was postponed is not new."""
    service.announce(a_run())
    service.edit("ten", date="2026-08-22", startTime="09:00")
    service.advance(hours=2)
    service.poll()
    service.edit("ten", eventStatus="postponed")
    if not at_once:
        service.advance(hours=2)
        assert read(get_page(service), '<div class="notice postponed">(.*?)</div>') == [
            "Postponed No new date yet. It was planned for Sat, Aug 22, 2026, 9:00 AM."
        ]
        assert '<header class="hero off">' in get_page(service)
    service.edit("ten", date="2026-09-06")
    service.advance(hours=2)
    assert '<header class="hero">' in get_page(service)  # the new date is not struck out
    assert read(get_page(service), '<div class="notice postponed">(.*?)</div>') == [
        "Postponed From Sat, Aug 22, 2026, 9:00 AM to Sun, Sep 6, 2026, 9:00 AM."
    ]


def test_the_page_of_an_event_that_is_over_offers_no_subscription(service):
    """Rules 10.1."""
    service.announce(a_run())
    assert "webcal:" in get_page(service)
    service.advance(days=90)
    page = get_page(service)
    assert "This event is over." in page
    assert "webcal:" not in page


VIRTUAL: dict[str, object] = {"isVirtual": True}
UNREAD: dict[str, object] = {"isVirtual": "maybe"}
IN_PERSON: dict[str, object] = {}
SENTENCE, ADDRESS = "Virtual: take part from anywhere.", "Navy Pier, Chicago"
DAY = "Sat, Aug 15, 2026"


@pytest.mark.parametrize(
    ("runs", "head", "name"),
    [
        ([VIRTUAL], SENTENCE, "Virtual"),
        ([VIRTUAL, VIRTUAL], SENTENCE, "Virtual"),
        ([UNREAD], "", ""),
        ([UNREAD, VIRTUAL], "", ""),
        ([VIRTUAL, IN_PERSON], ADDRESS, ADDRESS),
        ([UNREAD, IN_PERSON], ADDRESS, ADDRESS),
    ],
    ids=str,
)
def test_pages_state_a_place_only_for_runs_that_are_in_person(service, runs, head, name):
    """Rules 3.15 and 10.1."""
    service.announce(*(a_run(f"r{n}", **fields) for n, fields in enumerate(runs)))
    page = get_page(service)
    assert read(page, '<p class="where">(.*?)</p>') == ([head] if head else [])
    assert ("/maps/" in page) == (head == ADDRESS)
    (preview,) = re.findall(r'"og:description" content="(.*?)"', page)
    assert preview == (f"{DAY}, {name}" if name else DAY)
    (dates,) = read(get_page(service, "/embed"), '<p class="when">(.*?)</p>')
    assert dates == (f"{DAY} · {name}" if name else DAY)
    assert ("Navy" in page) == (IN_PERSON in runs)


@pytest.mark.parametrize(("fields", "place"), [(VIRTUAL, "Virtual"), (UNREAD, None), ({}, ADDRESS)])
def test_a_list_of_races_states_a_place_only_for_runs_that_are_in_person(club, fields, place):
    """Rules 3.15 and 10.9."""
    document = club.upstream.document("island")
    document["event"] |= {"address": ADDRESS}
    club.upstream.put("island", document)
    club.edit("island", **fields)
    response = club.open()
    lines = read(response.text, '<span class="quiet">(.*?)</span>')
    (line,) = [each for each in lines if "Jul" in each]
    assert line.partition(" · ")[2] == (place or "")
    assert (ADDRESS in club.open("/?event=island").text) == (place == ADDRESS)


def test_what_names_the_next_session_gives_the_place_of_that_session(service):
    """Rules 3.15 and 9.3."""
    later = a_run("later", date="2026-08-22")
    service.announce(a_run("next", **VIRTUAL), later, type="runClub")
    assert f"{DAY} · Virtual" in read(get_page(service, "/embed"), '<p class="when">(.*?)</p>')
    assert read(get_page(service), '<p class="where">(.*?)</p>') == [ADDRESS]


@pytest.mark.parametrize(
    ("locale", "when", "zone"),
    [
        ("en_US", "Saturday, August 15, 2026 · 8:00 AM CDT", "CDT"),
        ("en_GB", "Saturday, 15 August 2026 · 08:00 Chicago time", "Chicago time"),
    ],
)
def test_dates_and_times_are_written_as_the_setting_says(service, locale, when, zone):
    """Rules 10.2."""
    service.restart(locale=locale)
    service.announce(a_run())
    page = get_page(service)
    (found,) = read(page, '<p class="when">(.*?)</p>')
    assert found == when
    assert '<span class="clock" title="America/Chicago">' in page
    assert zone in str(service.entry()["DESCRIPTION"])


def test_a_page_has_the_links_of_a_choice(service):
    """Rules 10.3."""
    service.announce(a_run(), a_5k())
    feed = f"webcal://{PAGE.removeprefix('https://')}.ics"
    page = get_page(service, "?run=five&registration=1&busy=1")
    assert f'href="{feed}?busy=1&amp;registration=1&amp;run=five"' in page
    assert f'<link rel="canonical" href="{PAGE}">' in page

    unknown = get_page(service, "?run=nobody&run=other&unheard=of")
    assert "What you asked for is not in this event, so you see the whole event." in unknown
    assert f'href="{feed}"' in unknown
    assert get_page(service, "?run=else") == unknown


def test_the_address_of_a_page_to_open_elsewhere_has_the_choice(service):
    """Rules 10.3 and 10.4: on a computer, and in the browser instead of an app."""
    service.announce(a_run(), a_5k())
    page = get_page(service, "?run=five&registration=1")
    address = f"{PAGE}?registration=1&run=five"
    assert read(page, 'data-way="computer".*?<code>(.*?)</code>') == [address]
    assert read(page, 'class="inapp.*?<code>(.*?)</code>') == [address]
    assert read(page, 'class="share".*?<code>(.*?)</code>') == [PAGE]


@pytest.mark.parametrize("chosen", ["off", "ended"])
@pytest.mark.parametrize("ahead", [1, 2])
def test_a_choice_of_a_run_that_is_off_or_has_ended_can_be_kept(service, chosen, ahead):
    """Rules 10.3: else the next tick would lead to the links of the whole event."""
    runs = [a_run(f"r{number}") for number in range(ahead)]
    ended, off = a_run("ended", date="2026-05-10"), a_run("off", eventStatus="cancelled")
    service.announce(ended, off, *runs, date="2026-05-10")
    tick = r'<input type="checkbox" name="run" value="([\w-]+)"( checked)?>'
    ticks = dict(re.findall(tick, get_page(service, f"?run={chosen}")))
    assert {id_ for id_, checked in ticks.items() if checked} == {chosen}
    assert ticks.keys() == {chosen, *(run["_id"] for run in runs)}
    unchosen = re.findall(tick, get_page(service))
    assert [id_ for id_, _ in unchosen] == ([run["_id"] for run in runs] if ahead > 1 else [])


def test_without_scripts_googles_way_to_subscribe_is_not_the_first(service):
    """Rules 10.4; a browser walks the table in tests/system/test_browser_picker.py."""
    service.announce(a_run())
    ways = re.findall(r'<li data-way="([\w-]+)"( hidden)?', get_page(service))
    shown = [key for key, hidden in ways if not hidden]
    assert shown[0] == "apple"
    assert shown[-1] == "file"
    assert [key for key, hidden in ways if hidden] == ["google-once", "computer"]


def test_the_widget_shows_the_next_six_runs(service):
    """Rules 10.5."""
    service.announce(*(a_run(f"r{n}", startTime=f"{n:02}:00") for n in range(6, 16)))
    widget = get_page(service, "/embed")
    assert 'data-theme="light"' in widget
    assert read(widget, '<span class="time">(.*?)</span>')[0] == "6:00 AM"
    assert widget.count('<span class="time">') == 6
    assert "and 4 more" in widget
    assert read(widget, '<a class="button"[^>]*>(.*?)</a>') == ["Subscribe"]


def test_errors_of_pages_say_what_happened_and_what_to_do(service):
    """Rules 10.6."""
    service.announce(a_run())
    page = service.client.get("/events/unknown")
    assert page.status_code == 404
    assert read(page.text, "<h1>(.*?)</h1>") == ["We don’t know this race."]
    kit = service.get("/embed-kit?accent=red&theme=dark")
    assert kit.status_code == 400
    assert "“red” is no color." in kit.text
    assert '<option value="dark" selected>' in kit.text


def test_the_sitemap_has_the_pages_of_known_events_that_are_not_over(service):
    """Rules 10.7."""
    service.announce(a_run())
    listed = service.client.get("/sitemap.xml").text
    assert f"<loc>{PAGE}</loc>" in listed
    service.advance(days=90)
    assert PAGE not in service.client.get("/sitemap.xml").text


def test_an_organizers_own_status_is_words_on_pages_and_as_it_is_in_feeds(service):
    """Rules 10.8."""
    service.announce(a_run(eventStatus="weatherHold"))
    assert read(get_page(service), '<span class="state">(.*?)</span>') == ["Weather hold"]
    assert "weatherHold" in str(service.entry()["DESCRIPTION"])


def test_registration_that_is_not_open_yet_says_when_it_opens(service):
    """Rules 10.1 and 10.2."""
    opens = datetime(2026, 8, 1, 14, tzinfo=UTC)
    service.announce(a_run(registrationOpensAt=opens.isoformat()))
    (note,) = read(get_page(service), '<span class="what">.*?<small>(.*?)</small>')
    assert note == "registration opens Sat, Aug 1, 2026, 9:00 AM"


def list_races(response):
    """The ids of the races that a page lists, in its order."""
    return re.findall(r'<a href="(?:\.\./|\./)events/([\w-]+)"><bdi>', response.text)


@pytest.fixture
def club(upstream, service, clock):
    """A club with a race, one that is over, and a group that is paused."""
    club = ListedClub(upstream, service.client, clock)
    club.publish("harbor", "2026-06-13", "2026-06-14", name="Harbor Run", address="Navy Pier")
    club.publish("island", "2026-07-01", name="Island Run")
    club.publish("over", "2026-05-02")
    club.add_group("trails", "island", name="Trails", description="Off road.", status="paused")
    return club


def test_the_clubs_page_lists_what_is_ahead_then_what_is_over(club):
    """Rules 10.9."""
    response = club.open()
    assert read(response.text, "<h1[^>]*>(.*?)</h1>") == ["Lakeside Runners"]
    assert list_races(response) == ["harbor", "island", "over"]
    group = club.open("/groups/trails").text
    assert "This group is paused." in group
    assert "Off road." in group
    event = club.open("/events/harbor").text
    assert read(event, '<header class="site">(.*?)</header>') == ["‹ Lakeside Runners"]


def test_while_races_are_not_read_a_page_says_so_and_lists_none(club, upstream):
    """Rules 10.10."""
    upstream.refuse_path("/events/harbor", 500, "INTERNAL")
    text = "2 of 3 events are read so far."
    wait_until(lambda: text in club.client.get("/").text, "two of three races")
    response = club.client.get("/")
    assert response.status_code == 503
    assert read(response.text, "<h1>(.*?)</h1>") == [
        "We are reading these races for the first time."
    ]
    assert list_races(response) == []
    search = club.client.get("/?q=https://intervals.run/events/harbor")
    assert search.headers["Location"] == "events/harbor"


def test_the_filters_of_the_page_are_those_of_its_links(club):
    """Rules 10.11."""
    response = club.open("/?from=2026-06-15&to=&type=race&q=")
    assert list_races(response) == ["island"]
    assert f"webcal://{PUBLIC_URL[8:]}/events.ics?from=2026-06-15&amp;type=race" in response.text
    assert list_races(club.open("/?q=harbor")) == ["harbor"]
    club.open("/?q=no+such+race", status=404)


def test_a_choice_of_races_is_one_address_without_what_is_unknown(club):
    """Rules 10.12."""
    response = club.open("/?run=harbor-2&event=island&event=gone")
    link = f"webcal://{PUBLIC_URL[8:]}/events.ics?event=island&amp;run=harbor-2"
    assert link in response.text
    assert "Part of what you asked for is not here." in response.text
    assert f"{PUBLIC_URL}/?event=island&amp;run=harbor-2</code>" in response.text
    assert club.open("/qr.svg?run=harbor-2&event=island").mimetype == "image/svg+xml"


def test_a_page_has_at_most_forty_races_and_leads_to_later_ones(club, service):
    """Rules 10.13."""
    service.restart(rate=UNLIMITED)
    club.client = service.client
    for number in range(45):
        club.publish(f"race-{number}", f"2026-08-{1 + number % 28:02}")
    response = club.open()
    later = re.findall(r'href="\./(\?from=[0-9-]+)">Later races', response.text)
    races = {*list_races(response), *list_races(club.open(f"/{later[0]}"))}
    assert len(races) == 48
    assert '"@type":"ItemList"' in response.text


def test_a_key_that_may_not_list_events_has_the_known_ones(club, upstream):
    """Rules 10.14."""
    upstream.refuse_path("/events", 403, "FORBIDDEN")
    assert "No race is listed here yet." in club.client.get("/").text
    club.client.get("/events/harbor.ics")
    assert list_races(club.client.get("/")) == ["harbor"]


def test_the_widget_of_a_list_has_the_next_runs_and_one_button(club):
    """Rules 10.15."""
    response = club.open("/embed?limit=2")
    names = read(response.text, '<span class="what">(.*?)</span>')
    assert names == ["Harbor Run – 10K"] * 2
    buttons = re.findall(r'class="button" href="([^"]+)"', response.text)
    assert buttons == [f"{PUBLIC_URL}/#subscribe"]
    club.open("/groups/trails/embed?limit=0", status=400)
    assert 'data-group="trails"' in unescape(club.open("/groups/trails/embed-kit").text)
    embedded = club.client.get("/oembed", query_string={"url": f"{PUBLIC_URL}/groups/trails"})
    assert embedded.json["title"] == "Trails"

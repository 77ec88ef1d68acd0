"""Rules 10: pages."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from tests.support.service import PAGE, a_5k, a_run


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


def test_the_page_of_an_event_that_is_over_offers_no_subscription(service):
    """Rules 10.1."""
    service.announce(a_run())
    assert "webcal:" in get_page(service)
    service.advance(days=90)
    page = get_page(service)
    assert "This event is over." in page
    assert "webcal:" not in page


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
    assert "“red” is no colour." in kit.text
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

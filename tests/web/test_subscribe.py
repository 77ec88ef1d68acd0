"""The ways to subscribe: the exact form of each client's link."""

from datetime import date, time
from urllib.parse import parse_qsl, urlsplit

import pytest

from feeds.domain.options import Options
from feeds.web.subscribe import build_android_links, build_google_link, build_subscribe_links
from tests.support.factories import PAGE, a_run, the_entry

TITLE = "Lauf & Fest: 10K/5K"
LINKS = {link.key: link for link in build_subscribe_links(PAGE, TITLE)}

CALENDAR = "webcal://feeds.example.org/events/harbor.ics"
ENCODED = "%2F%2Ffeeds.example.org%2Fevents%2Fharbor.ics"
MICROSOFT = f"/calendar/0/addfromweb?url=https%3A{ENCODED}&name=Lauf%20%26%20Fest%3A%2010K%2F5K"


@pytest.mark.parametrize(
    ("key", "href", "copy"),
    [
        ("apple", CALENDAR, None),
        ("others", CALENDAR, None),
        # Google hides what is cancelled: both calendars keep it.
        (
            "google",
            f"https://calendar.google.com/calendar/r?cid=webcal%3A{ENCODED}%3Fcancelled%3Dkeep",
            None,
        ),
        ("address", None, f"{PAGE}.ics?cancelled=keep"),
        ("outlook", f"https://outlook.live.com{MICROSOFT}", None),
        ("microsoft365", f"https://outlook.office.com{MICROSOFT}", None),
        ("rss", None, f"{PAGE}.rss"),  # a click would download the feed
        ("file", f"{PAGE}.ics?download=1", None),
    ],
)
def test_each_client_gets_a_link_or_a_url_to_copy(key, href, copy):
    assert (LINKS[key].href, LINKS[key].copy) == (href, copy)


def test_every_link_follows_the_choice():
    options = Options(run=("r10k", "r5k"), registration=True, busy=True)
    links = {each.key: each for each in build_subscribe_links(PAGE, TITLE, options)}
    query = "registration=1&run=r10k&run=r5k"
    encoded = "registration%3D1%26run%3Dr10k%26run%3Dr5k"
    assert links["apple"].href == links["others"].href == f"{CALENDAR}?busy=1&{query}"
    assert links["file"].href == f"{PAGE}.ics?busy=1&{query}&download=1"
    assert links["address"].copy == f"{PAGE}.ics?busy=1&cancelled=keep&{query}"
    assert links["rss"].copy == f"{PAGE}.rss?run=r10k&run=r5k"
    assert str(links["google"].href).endswith(f"%3Fbusy%3D1%26cancelled%3Dkeep%26{encoded}")
    for key in ("outlook", "microsoft365"):
        assert f"ics%3Fbusy%3D1%26{encoded}&name=" in str(links[key].href)


def test_every_way_has_a_note_and_either_a_link_or_a_url_to_copy():
    for link in (*LINKS.values(), *build_android_links(the_entry(a_run()), PAGE, PAGE)):
        assert link.note.endswith(".")
        assert (link.href is None) != (link.copy is None)


def test_the_file_says_that_it_does_not_update():
    assert LINKS["file"].label == "Download .ics (won’t update)"


EIGHT = {"start_time": time(8)}


@pytest.mark.parametrize(
    ("run", "event", "fields"),
    [
        (
            EIGHT,
            {"end_date": date(2025, 6, 14), "end_time": time(12, 30), "location": "Pier 1, Zürich"},
            {
                "text": "Lauf & Fest – 10K",
                "dates": "20250614T130000Z/20250614T173000Z",
                "location": "Pier 1, Zürich",
            },
        ),
        ({}, {}, {"text": "Lauf & Fest – 10K", "dates": "20250614/20250615"}),
        (
            EIGHT | {"status": "cancelled"},
            {},
            {
                "text": "Cancelled: Lauf & Fest – 10K",
                "dates": "20250614T130000Z/20250614T150000Z",
            },
        ),
        (
            {"virtual": True},
            {"end_date": date(2025, 6, 30)},
            {"text": "Lauf & Fest – 10K", "dates": "20250614/20250701"},
        ),
    ],
)
def test_the_template_link_of_google_has_each_field_of_the_run(run, event, fields):
    url = build_google_link(the_entry(a_run(**run), name="Lauf & Fest", **event), PAGE)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "calendar.google.com")
    assert parts.path == "/calendar/render"
    pairs = parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True)
    assert dict(pairs) == {
        "action": "TEMPLATE",
        "ctz": "America/Chicago",
        "details": PAGE,
        **fields,
    }
    assert len(pairs) == len(dict(pairs))


def test_the_way_that_adds_a_run_once_says_that_it_will_not_follow_changes():
    once, computer = build_android_links(the_entry(a_run()), PAGE, PAGE)
    assert once.note == "10K, as it is now. It will not follow changes."
    assert once.android
    assert computer.copy == PAGE

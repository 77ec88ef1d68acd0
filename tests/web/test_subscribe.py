"""The ways to subscribe: the exact form of each client's link."""

from urllib.parse import parse_qs, urlsplit

from feeds.web import subscribe as subscribing
from tests.support.factories import PAGE

TITLE = "Lauf & Fest: 10K/5K"
WAYS = {way.key: way for way in subscribing.build_subscribe_links(PAGE, TITLE)}


def link(key):
    """The host and path of a link, and its parameters as its reader decodes them."""
    parts = urlsplit(WAYS[key].href or "")
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parse_qs(parts.query)


def test_apple_and_others_are_handed_webcal():
    assert WAYS["apple"].href == "webcal://feeds.example.org/events/harbor.ics"
    assert WAYS["others"].href == WAYS["apple"].href


def test_google_takes_webcal_encoded_as_a_whole_and_keeps_what_is_cancelled():
    assert WAYS["google"].href == (
        "https://calendar.google.com/calendar/r"
        "?cid=webcal%3A%2F%2Ffeeds.example.org%2Fevents%2Fharbor.ics%3Fcancelled%3Dkeep"
    )


def test_microsoft_takes_https_and_a_name():
    for key, host in (("outlook", "outlook.live.com"), ("microsoft365", "outlook.office.com")):
        address, given = link(key)
        assert address == f"https://{host}/calendar/0/addfromweb"
        assert given == {"url": [f"{PAGE}.ics"], "name": [TITLE]}


def test_what_is_copied_keeps_what_is_cancelled_and_is_https():
    assert WAYS["address"].copy == f"{PAGE}.ics?cancelled=keep"


def test_a_feed_is_copied_since_a_click_would_download_it():
    assert WAYS["rss"].copy == f"{PAGE}.rss"
    assert WAYS["rss"].href is None


def test_a_file_is_told_from_a_subscription():
    assert WAYS["file"].href == f"{PAGE}.ics?download=1"
    assert "Never changes" in WAYS["file"].note


def test_every_way_says_how_soon_it_sees_a_change_and_is_either_link_or_address():
    for way in WAYS.values():
        assert way.note.endswith(".")
        assert (way.href is None) != (way.copy is None)


def test_a_run_has_a_calendar_of_its_own():
    assert subscribing.build_run_link(PAGE, "r10k") == (
        "webcal://feeds.example.org/events/harbor.ics?run=r10k"
    )

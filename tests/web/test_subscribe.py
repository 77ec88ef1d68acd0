"""The ways to subscribe: the exact form of each client's link."""

from urllib.parse import parse_qs, urlsplit

from feeds.web.subscribe import build_run_link, build_subscribe_links
from tests.support.factories import PAGE

TITLE = "Lauf & Fest: 10K/5K"
LINKS = {link.key: link for link in build_subscribe_links(PAGE, TITLE)}


def test_apple_calendar_and_others_get_a_webcal_link():
    assert LINKS["apple"].href == "webcal://feeds.example.org/events/harbor.ics"
    assert LINKS["others"].href == LINKS["apple"].href


def test_google_gets_an_encoded_webcal_link_that_keeps_cancelled_runs():
    assert LINKS["google"].href == (
        "https://calendar.google.com/calendar/r"
        "?cid=webcal%3A%2F%2Ffeeds.example.org%2Fevents%2Fharbor.ics%3Fcancelled%3Dkeep"
    )


def test_microsoft_gets_an_https_link_and_a_name():
    for key, host in (("outlook", "outlook.live.com"), ("microsoft365", "outlook.office.com")):
        parts = urlsplit(LINKS[key].href or "")
        assert (
            f"{parts.scheme}://{parts.netloc}{parts.path}"
            == f"https://{host}/calendar/0/addfromweb"
        )
        assert parse_qs(parts.query) == {"url": [f"{PAGE}.ics"], "name": [TITLE]}


def test_the_calendar_to_copy_is_an_https_url_that_keeps_cancelled_runs():
    assert LINKS["address"].copy == f"{PAGE}.ics?cancelled=keep"


def test_the_rss_feed_is_copied_because_a_click_would_download_it():
    assert LINKS["rss"].copy == f"{PAGE}.rss"
    assert LINKS["rss"].href is None


def test_the_file_is_a_download_that_never_changes():
    assert LINKS["file"].href == f"{PAGE}.ics?download=1"
    assert "Never changes" in LINKS["file"].note


def test_every_way_has_a_note_and_either_a_link_or_a_url_to_copy():
    for link in LINKS.values():
        assert link.note.endswith(".")
        assert (link.href is None) != (link.copy is None)


def test_a_run_has_a_calendar_of_its_own():
    assert build_run_link(PAGE, "r10k") == ("webcal://feeds.example.org/events/harbor.ics?run=r10k")

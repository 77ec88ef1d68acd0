"""The ways to subscribe: the exact form of each client's link."""

import pytest

from feeds.web.subscribe import build_run_link, build_subscribe_links
from tests.support.factories import PAGE

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


def test_every_way_has_a_note_and_either_a_link_or_a_url_to_copy():
    for link in LINKS.values():
        assert link.note.endswith(".")
        assert (link.href is None) != (link.copy is None)


def test_the_file_never_changes_and_a_run_has_a_calendar_of_its_own():
    assert "Never changes" in LINKS["file"].note
    assert build_run_link(PAGE, "r10k") == f"{CALENDAR}?run=r10k"

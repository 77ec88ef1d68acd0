"""Rules 11.8 and 11.11: how fresh a choice is that names an event which the list lacks."""

from threading import Event as Flag
from threading import Thread

import pytest

from tests.support.club import Club
from tests.support.waiting import PATIENCE

ADDRESS = "?event=guest&event=far"
"""A race of tomorrow that the list lacks, and one in four months that the list has."""


@pytest.fixture
def club(upstream, clock, tmp_path):
    """A club whose only race is months ahead; the key can read another race, of tomorrow."""
    club = Club(upstream, clock, tmp_path)
    club.hold("far", "2026-09-20")
    club.fill()
    club.hold("guest", "2026-05-21")
    club.list_only("far")
    assert find_max_age(club, "/events/guest.ics") == 300
    return club


@pytest.fixture
def failing(club):
    """The club after a failed refresh of the race that the list lacks."""
    club.upstream.refuse_path("/events/guest", 500, "INTERNAL")
    club.advance(minutes=6)
    assert find_max_age(club, "/events/guest.ics") == 60
    return club


def find_max_age(club, address):
    response = club.fetch(address)
    assert response.status_code == 200
    return response.cache_control.max_age


@pytest.mark.parametrize("path", ["/events.ics", "/events.rss", "/events.json", "/", "/embed"])
def test_a_choice_is_as_fresh_as_a_named_event_that_the_list_lacks(club, path):
    """Rules 11.11."""
    assert find_max_age(club, path + ADDRESS) == 300
    assert find_max_age(club, path + "?event=far") == 3600
    club.advance(minutes=2)
    assert find_max_age(club, path + ADDRESS) == 180
    assert find_max_age(club, path + "?event=far") == 3480


def test_a_choice_has_a_max_age_of_a_minute_after_a_failed_refresh_of_a_named_event(failing):
    """Rules 7.8 and 11.11."""
    assert find_max_age(failing, f"/events.ics{ADDRESS}") == 60
    assert find_max_age(failing, "/events.ics?event=far") == 3240


def test_the_page_of_a_choice_says_that_the_check_of_a_named_event_failed(failing):
    """Rules 11.8 and 11.11: of no other choice, and until the event can be read again."""
    problem = "Not everything could be checked again."
    assert problem in failing.fetch(f"/{ADDRESS}").text
    assert problem not in failing.fetch("/?event=far").text
    failing.upstream.failing.pop("/events/guest")
    failing.advance(minutes=2)
    assert problem not in failing.fetch(f"/{ADDRESS}").text


def test_a_named_event_that_has_ended_is_no_failed_check(club):
    """Rules 11.8: nobody waits for news of it."""
    club.advance(days=3)
    club.read(f"/events.ics{ADDRESS}")
    club.upstream.refuse_path("/events/guest", 500, "INTERNAL")
    club.advance(days=2)
    page = club.fetch(f"/{ADDRESS}").text
    assert "Guest Run" in page
    assert "Not everything could be checked again." not in page


def test_a_choice_whose_unknown_event_becomes_known_shows_it(club):
    """Rules 11.11: also if the choice was answered from memory before."""
    club.hold("other", "2026-05-21")
    address = "/events.ics?event=far&event=other"
    for _ in range(2):
        assert set(club.shown(address)) == {"far-10k"}
    club.read("/events/other.ics")
    assert set(club.shown(address)) == {"far-10k", "other-10k"}
    assert find_max_age(club, address) == 300


def test_a_choice_is_served_while_the_system_gives_no_more_threads(club, monkeypatch):
    """Rules 8.10 and 11.11."""
    paths = [f"{path}{ADDRESS}" for path in ("/events.ics", "/events.rss")]
    before = [club.read(path) for path in paths]

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    club.advance(hours=2)
    assert [club.read(path) for path in paths] == before


def test_a_choice_is_served_while_the_check_of_a_named_event_hangs(club, monkeypatch):
    """Rules 8.10 and 11.11."""
    before = club.read(f"/events.ics{ADDRESS}")
    club.advance(minutes=6)
    released = Flag()
    hang = "feeds.service.collections.named.refresh_events"
    monkeypatch.setattr(hang, lambda *_: released.wait(PATIENCE))
    try:
        assert club.read(f"/events.ics{ADDRESS}") == before
    finally:
        released.set()

"""Rules 6.10 to 6.14: the options that choose the entries of a calendar."""

import re

import pytest

from tests.support.service import EVENT, PAGE, a_5k, a_run

REGISTRATION = {
    "registrationOpensAt": "2026-06-01T15:00:00Z",
    "registrationClosesAt": "2026-08-10T04:59:00Z",
}
HALF = {"distanceStandard": "Half Marathon", "distanceLabel": "Half", "distanceMeters": 21097}


@pytest.fixture(scope="module")
def three_runs(shared_service):
    """A service whose event has a 10K, a cancelled 5K and a half marathon; no test changes it."""
    runs = (a_run(**REGISTRATION), a_5k(eventStatus="cancelled"), a_run("half", **HALF))
    shared_service.announce(*runs)
    return shared_service


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", {"ten", "five", "half"}),
        ("?run=five", {"five"}),
        ("?run=five&run=half", {"five", "half"}),
        ("?run=five&run=another", {"five"}),
        ("?distance=10K", {"ten"}),
        ("?distance=10K&distance=Half+Marathon", {"ten", "half"}),
        ("?distance=10K&run=ten&run=five", {"ten"}),
    ],
)
def test_a_filter_keeps_the_runs_that_it_names(three_runs, query, kept):
    """Rules 6.10."""
    assert set(three_runs.entries(query)) == kept
    assert set(three_runs.items(query)) == kept


@pytest.mark.parametrize("query", ["?run=another", "?distance=Marathon", "?distance=5K&run=ten"])
@pytest.mark.parametrize("extension", [".ics", ".rss", ".json"])
def test_a_filter_that_leaves_no_run_is_404(three_runs, extension, query):
    """Rules 6.10."""
    assert three_runs.get(f"{extension}{query}").status_code == 404


def test_registration_entries_are_half_an_hour_when_registration_opens_and_closes(service):
    """Rules 6.11."""
    service.announce(a_run(**REGISTRATION), a_5k())
    assert set(service.entries()) == {"ten", "five"}
    entries = service.entries("?registration=1")
    assert set(entries) == {"ten", "five", "ten/opens", "ten/closes"}
    found = {
        f"{each['SUMMARY']}, {each['DTSTART'].dt} to {each['DTEND'].dt:%H:%M:%S}"
        for uid, each in entries.items()
        if "/" in uid
    }
    assert found == {
        "Registration opens: Harbor Run – 10K, 2026-06-01 10:00:00-05:00 to 10:30:00",
        "Registration closes: Harbor Run – 10K, 2026-08-09 23:59:00-05:00 to 00:29:00",
    }


def test_a_run_that_takes_no_entries_has_no_registration_entries(service):
    """Rules 6.11."""
    off = a_5k(eventStatus="cancelled", **REGISTRATION)
    delisted = a_run("mile", **REGISTRATION)
    full = a_run("full", soldOut=True, **REGISTRATION)
    paused = a_run("paused", registrationOverride="paused", **REGISTRATION)
    closed = a_run("closed", registrationOverride="closed", **REGISTRATION)
    service.announce(a_run(**REGISTRATION), off, delisted, full, paused, closed)
    service.delist("mile")
    service.advance(hours=1)
    service.believe_removal()
    others = {"five", "mile", "full", "paused", "closed"}
    assert set(service.entries("?registration=1")) == {"ten", "ten/opens", "ten/closes", *others}
    service.edit("full", soldOut=False)
    service.advance(hours=1)
    assert {"full/opens", "full/closes"} < set(service.entries("?registration=1"))


@pytest.mark.parametrize("extension", [".rss", ".json"])
@pytest.mark.parametrize("option", ["cancelled=drop", "busy=1", "registration=1", "busy=nonsense"])
def test_rss_and_json_feed_ignore_the_options_of_calendars(three_runs, extension, option):
    """Rules 6.12."""
    assert three_runs.poll(f"{extension}?{option}") == three_runs.poll(extension)


def test_a_calendar_shows_1000_of_1002_runs_and_the_log_and_the_page_say_so(service, caplog):
    """Rules 6.13."""
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (2026, 2027, 2028)
        for month in range(1, 13)
        for day in range(1, 29)
    ][:1002]
    service.announce(*(a_run(f"run{number}", date=day) for number, day in enumerate(days)))
    shown = re.findall(r"^UID:run(\d+)@", service.poll().decode(), re.MULTILINE)
    assert shown == [str(number) for number in range(2, 1002)]
    page = service.poll("").decode()
    assert "The calendar leaves out 2 of" in page
    assert "it holds 1,000 runs and 1 MB at most" in page
    told = f"event {EVENT}: 1002 runs, a feed shows 1000"
    assert [record.getMessage() for record in caplog.records].count(told) == 1


@pytest.mark.parametrize(
    ("character", "forms"),
    [
        ('"', (".rss", ".json")),
        ("\\", (".ics?registration=1", ".json")),
        ("\N{RUNNER}", (".ics", ".rss", ".json")),
    ],
)
def test_a_feed_stays_under_1_mb_whatever_the_texts(service, character, forms):
    """Rules 5.9 and 6.13."""
    url, name = f"https://club.example.org/{1900 * '&'}", character * 300
    ids = [f"r{number:03}" for number in range(150)]
    texts = {"distanceLabel": name, "eventStatus": name, "registrationUrl": url} | REGISTRATION
    fields = {"name": name, "address": 2 * name, "websiteUrl": url, "description": 100 * name}
    service.announce(*(a_run(id_, **texts) for id_ in ids), **fields)
    service.edit(*ids, startTime="09:00")
    service.advance(hours=2)
    for form in forms:  # those that write more than a byte for the character
        body = service.poll(form)
        assert 300_000 < len(body) < 1_000_000
        assert b"r000@" in body


def test_a_feed_stays_under_1_mb_if_the_events_own_text_is_full_of_tabs(service):
    """Rules 6.13: JSON writes a tab as two characters."""
    service.announce(*(a_run(f"r{number}") for number in range(300)), description=1000 * "a\t")
    for form in (".ics", ".rss", ".json"):
        assert len(service.poll(form)) < 1_000_000


def test_runs_are_left_out_only_if_the_feed_is_too_large_without_the_events_own_text(service):
    """Rules 6.13."""
    service.announce(*(a_run(f"r{number}") for number in range(600)), description=2000 * "a")
    for form in (".ics", ".rss", ".json"):
        body = service.poll(form).decode().replace("\r\n ", "")
        assert len(body) < 1_000_000
        assert len(set(re.findall(r"r\d+@intervals.run", body))) == 600
        assert (2000 * "a" in body, f"… {PAGE}" in body) == (False, True)


@pytest.mark.parametrize("place", [{}, {"lat": 31.7812, "lng": 35.2069}])
def test_a_calendar_of_which_all_runs_are_dropped_has_a_time_zone(service, place):
    """Rules 6.14; no VTIMEZONE fits Jerusalem (rules 2.4)."""
    service.restart(timezone="Asia/Jerusalem" if place else "America/Chicago")
    service.announce(a_run(eventStatus="cancelled"), **place)
    calendar = service.calendar("?cancelled=drop")
    assert [each.name for each in calendar.subcomponents] == ["VTIMEZONE"]

"""Rules 6.10 to 6.14: the options that choose the entries of a calendar."""

import pytest

from tests.support.service import PAGE, a_5k, a_run

REGISTRATION = {
    "registrationOpensAt": "2026-06-01T15:00:00Z",
    "registrationClosesAt": "2026-08-10T04:59:00Z",
}


def three_runs(service):
    half = {"distanceStandard": "Half Marathon", "distanceLabel": "Half", "distanceMeters": 21097}
    service.announce(a_run(), a_5k(), a_run("half", **half))


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
def test_a_filter_keeps_the_runs_that_it_names(service, query, kept):
    """Rules 6.10."""
    three_runs(service)
    assert set(service.entries(query)) == kept
    assert set(service.items(query)) == kept


@pytest.mark.parametrize("query", ["?run=another", "?distance=Marathon", "?distance=5K&run=ten"])
@pytest.mark.parametrize("extension", [".ics", ".rss", ".json"])
def test_a_filter_that_leaves_no_run_is_404(service, extension, query):
    """Rules 6.10."""
    three_runs(service)
    assert service.get(f"{extension}{query}").status_code == 404


def test_registration_entries_are_half_an_hour_when_registration_opens_and_closes(service):
    """Rules 6.11."""
    service.announce(a_run(**REGISTRATION), a_5k())
    assert set(service.entries()) == {"ten", "five"}
    entries = service.entries("?registration=1")
    assert set(entries) == {"ten", "five", "ten/opens", "ten/closes"}
    assert {
        uid: (str(each["SUMMARY"]), str(each["DTSTART"].dt), str(each["DTEND"].dt))
        for uid, each in entries.items()
        if "/" in uid
    } == {
        "ten/opens": (
            "Registration opens: Harbor Run: 10K",
            "2026-06-01 10:00:00-05:00",
            "2026-06-01 10:30:00-05:00",
        ),
        "ten/closes": (
            "Registration closes: Harbor Run: 10K",
            "2026-08-09 23:59:00-05:00",
            "2026-08-10 00:29:00-05:00",
        ),
    }


def test_a_run_that_is_off_has_no_registration_entries(service):
    """Rules 6.11."""
    off = a_5k(eventStatus="cancelled", **REGISTRATION)
    delisted = a_run("mile", **REGISTRATION)
    service.announce(a_run(**REGISTRATION), off, delisted)
    service.delist("mile")
    service.advance(hours=1)
    entries = service.entries("?registration=1")
    assert set(entries) == {"ten", "ten/opens", "ten/closes", "five", "mile"}


@pytest.mark.parametrize("extension", [".rss", ".json"])
@pytest.mark.parametrize("option", ["cancelled=drop", "busy=1", "registration=1", "busy=nonsense"])
def test_rss_and_json_feed_ignore_the_options_of_calendars(service, extension, option):
    """Rules 6.12."""
    service.announce(a_run(**REGISTRATION), a_5k(eventStatus="cancelled"))
    assert service.poll(f"{extension}?{option}") == service.poll(extension)


def test_a_calendar_shows_the_last_1000_runs_and_the_log_says_so(service, caplog):
    """Rules 6.13."""
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (2026, 2027, 2028)
        for month in range(1, 13)
        for day in range(1, 29)
    ][:1002]
    service.announce(*(a_run(f"run{number}", date=day) for number, day in enumerate(days)))
    entries = service.entries()
    assert list(entries) == [f"run{number}" for number in range(2, 1002)]
    assert f"{PAGE}.ics: 1002 runs, the last 1000 are shown" in caplog.text


@pytest.mark.parametrize("place", [{}, {"lat": 31.7812, "lng": 35.2069}])
def test_a_calendar_of_which_all_runs_are_dropped_has_a_time_zone(service, place):
    """Rules 6.14; no VTIMEZONE fits Jerusalem (rules 2.4)."""
    service.restart(timezone="Asia/Jerusalem" if place else "America/Chicago")
    service.announce(a_run(eventStatus="cancelled"), **place)
    calendar = service.calendar("?cancelled=drop")
    assert [each.name for each in calendar.subcomponents] == ["VTIMEZONE"]

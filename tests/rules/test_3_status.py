"""Section 3 of docs/rules.md: status, and what counts as cancelled."""

import json
from datetime import timedelta

import pytest
from werkzeug import Response

from feeds.app import check
from feeds.errors import SettingsError
from tests.support.processes import settings_for
from tests.support.service import EVENT, a_5k, a_run, an_event

CANCELLED = {"eventStatus": "cancelled"}


def summaries(service, query=""):
    return {id_: str(entry["SUMMARY"]) for id_, entry in service.entries(query).items()}


def is_listed(service):
    """Whether the calendar has the 10K, and as a run that takes place."""
    entry = service.entries()["ten"]
    return (str(entry["STATUS"]), str(entry["SUMMARY"])) == ("CONFIRMED", "Harbor Run: 10K")


STATUSES = [
    ("scheduled", "CONFIRMED", "Harbor Run: 10K"),
    (None, "CONFIRMED", "Harbor Run: 10K"),
    ("cancelled", "CANCELLED", "Cancelled: Harbor Run: 10K"),
    ("canceled", "CANCELLED", "Cancelled: Harbor Run: 10K"),
    ("CANCELLED", "CANCELLED", "Cancelled: Harbor Run: 10K"),
    ("postponed", "TENTATIVE", "Postponed: Harbor Run: 10K"),
    ("Postponed", "TENTATIVE", "Postponed: Harbor Run: 10K"),
    ("rescheduled", "CONFIRMED", "Rescheduled: Harbor Run: 10K"),
    ("reScheduled", "CONFIRMED", "Rescheduled: Harbor Run: 10K"),
    ("weather hold", "CONFIRMED", "Harbor Run: 10K"),
    ("unlisted", "CONFIRMED", "Harbor Run: 10K"),
]


@pytest.mark.parametrize(("word", "status", "summary"), STATUSES)
def test_the_event_status_decides_status_and_the_prefix_of_the_summary(
    service, word, status, summary
):
    """Rules 3.1."""
    service.announce(a_run(eventStatus=word))
    entry = service.entry()
    assert (entry["STATUS"], entry["SUMMARY"]) == (status, summary)


def test_the_description_gives_a_status_that_is_in_no_row_of_the_table(service):
    """Rules 3.1."""
    service.announce(a_run(eventStatus="weather hold"))
    description = service.entry()["DESCRIPTION"].splitlines()
    assert "Status given by the organizer: weather hold" in description


def test_a_run_that_is_no_longer_listed_is_cancelled_and_its_summary_says_why(service):
    """Rules 3.1."""
    service.announce(a_run(), a_5k())
    service.delist("ten")
    service.advance(hours=2)
    entry = service.entries()["ten"]
    assert entry["STATUS"] == "CANCELLED"
    assert entry["SUMMARY"] == "No longer listed: Harbor Run: 10K"


@pytest.mark.parametrize(
    ("run", "without_option", "with_busy"),
    [
        ({}, "TRANSPARENT", "OPAQUE"),
        ({"startTime": None}, "TRANSPARENT", "OPAQUE"),
        ({"eventStatus": "rescheduled"}, "TRANSPARENT", "OPAQUE"),
        ({"eventStatus": "postponed"}, "TRANSPARENT", "TRANSPARENT"),
        ({"eventStatus": "cancelled"}, "TRANSPARENT", "TRANSPARENT"),
        ({"eventStatus": "weather hold"}, "TRANSPARENT", "TRANSPARENT"),
        ({"isVirtual": True}, "TRANSPARENT", "TRANSPARENT"),
    ],
)
def test_a_race_blocks_time_only_with_busy_and_only_if_it_takes_place_in_person(
    service, run, without_option, with_busy
):
    """Rules 3.2."""
    service.announce(a_run(**run))
    assert service.entry()["TRANSP"] == without_option
    assert service.entry("?busy=1")["TRANSP"] == with_busy


def test_a_run_that_is_no_longer_listed_never_blocks_time(service):
    """Rules 3.2."""
    service.announce(a_run(), a_5k())
    service.delist("ten")
    service.advance(hours=2)
    entries = service.entries("?busy=1").items()
    assert {id_: str(entry["TRANSP"]) for id_, entry in entries} == {
        "five": "OPAQUE",
        "ten": "TRANSPARENT",
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", "CANCELLED"),
        ("?cancelled=mark", "CANCELLED"),
        ("?cancelled=keep", "CONFIRMED"),
        ("?cancelled=drop", None),
    ],
)
@pytest.mark.parametrize("off", ["Cancelled", "No longer listed"])
def test_the_option_cancelled_marks_keeps_or_drops_runs_that_are_off(service, query, status, off):
    """Rules 3.3."""
    service.announce(a_run(), a_5k())
    if off == "Cancelled":
        service.edit("ten", **CANCELLED)
    else:
        service.delist("ten")
    service.advance(hours=2)
    entries = {
        id_: (str(entry["STATUS"]), str(entry["SUMMARY"]))
        for id_, entry in service.entries(query).items()
    }
    assert entries.pop("five") == ("CONFIRMED", "Harbor Run: 5K")
    assert entries == ({"ten": (status, f"{off}: Harbor Run: 10K")} if status else {})


def test_the_google_button_and_the_address_to_copy_keep_cancelled_runs(service):
    """Rules 3.3."""
    service.announce(a_run())
    page = service.get("").text
    calendar = f"feeds.example.org/events/{EVENT}.ics"
    encoded = calendar.replace("/", "%2F")
    assert f"calendar.google.com/calendar/r?cid=webcal%3A%2F%2F{encoded}%3Fcancelled%3Dkeep" in page
    assert f"https://{calendar}?cancelled=keep" in page


def an_error(status, code):
    body = json.dumps({"error": {"code": code, "message": "Refused."}})
    return Response(body, status, mimetype="application/json")


def a_document(data):
    return Response(json.dumps({"data": data}), 200, mimetype="application/json")


EVENT_WITHOUT_FIELDS = {"_id": EVENT}
FAILURES = {
    "500": an_error(500, "INTERNAL"),
    "502 with a page": Response("<html>Bad gateway</html>", 502, mimetype="text/html"),
    "429": an_error(429, "RATE_LIMITED"),
    "401": an_error(401, "UNAUTHORIZED"),
    "403": an_error(403, "FORBIDDEN"),
    "422": an_error(422, "INVALID"),
    "404 with a page": Response("<html>Not found</html>", 404, mimetype="text/html"),
    "404 with another code": an_error(404, "ROUTE_NOT_FOUND"),
    "410": an_error(410, "NOT_FOUND"),
    "a page": Response("<html>Maintenance</html>", 200, mimetype="text/html"),
    "an empty body": Response("", 200, mimetype="application/json"),
    "half a document": Response('{"data": {"event": {"_id"', 200, mimetype="application/json"),
    "an empty document": a_document({}),
    "no list of runs": a_document({"event": EVENT_WITHOUT_FIELDS, "runs": None}),
    "an event without required fields": a_document({"event": EVENT_WITHOUT_FIELDS, "runs": []}),
    "a redirect": Response("", 302, headers={"Location": "https://elsewhere.example.org/"}),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_no_failure_of_the_upstream_cancels_a_run(service, failure):
    """Rules 3.4 and 3.9."""
    service.announce(a_run())
    before = service.poll()
    service.upstream.instead = failure
    for _ in range(3):
        service.advance(hours=2)
        assert service.poll() == before
    assert service.upstream.asked == [EVENT] * 4


def test_one_complete_document_without_a_run_is_enough_for_no_longer_listed(service):
    """Rules 3.5."""
    service.announce(a_run(), a_5k())
    service.delist("ten")
    service.advance(hours=2)
    assert summaries(service) == {
        "five": "Harbor Run: 5K",
        "ten": "No longer listed: Harbor Run: 10K",
    }


def test_a_document_with_an_unreadable_run_makes_no_run_no_longer_listed(service):
    """Rules 3.5 and 3.6."""
    service.announce(a_run(), a_5k(), a_5k("walk", distanceLabel="Walk"))
    service.edit("five", date="soon")
    service.edit("walk", startTime="09:30")
    service.delist("ten")
    service.advance(hours=2)
    assert summaries(service) == {
        "five": "Harbor Run: 5K",
        "ten": "Harbor Run: 10K",
        "walk": "Harbor Run: Walk",
    }
    assert service.entries()["walk"]["DTSTART"].dt.hour == 9


UNREADABLE = {
    "the date": {"date": "2026-13-01"},
    "the distance": {"distanceMeters": "10 km"},
    "the id of another event": {"eventId": "another-event"},
    "no label": {"distanceLabel": None},
    "no standard distance": {"distanceStandard": None},
    "no date": {"date": None},
}


@pytest.mark.parametrize("fields", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_run_keeps_its_last_good_version(service, fields):
    """Rules 3.6 and 3.7."""
    service.announce(a_run(), a_5k())
    before = service.entries()["ten"].to_ical()
    service.edit("ten", startTime="09:00", **fields)
    for _ in range(3):
        service.advance(hours=2)
        assert service.entries()["ten"].to_ical() == before


def test_an_unreadable_run_is_logged_once(service, caplog):
    """Rules 3.6."""
    service.announce(a_run("k97logged"), a_5k())
    service.edit("k97logged", date="soon")
    for _ in range(3):
        service.advance(hours=2)
        service.poll()
    found = [each for each in caplog.messages if "k97logged" in each]
    assert len(found) == 1
    assert "does not decode" in found[0]


OPTIONAL = [
    ("run", {"startTime": "at eight"}),
    ("run", {"registrationUrl": "javascript:alert(1)"}),
    ("run", {"registrationOpensAt": "in June"}),
    ("run", {"registrationClosesAt": 1754061600}),
    ("run", {"soldOut": "no"}),
    ("run", {"isVirtual": 1}),
    ("event", {"startTime": "25:00"}),
    ("event", {"endDate": "the same day"}),
    ("event", {"endTime": 1200}),
    ("event", {"lat": "north"}),
    ("event", {"address": 5}),
    ("event", {"websiteUrl": "harbor.example.org"}),
    ("event", {"description": ["a", "list"]}),
]


@pytest.mark.parametrize(
    ("part", "fields"), OPTIONAL, ids=[f"{part}, {next(iter(fields))}" for part, fields in OPTIONAL]
)
def test_an_unreadable_optional_field_is_as_if_it_were_null(service, part, fields):
    """Rules 3.7."""
    bodies = []
    for change in (fields, dict.fromkeys(fields)):
        event, run = (change, {}) if part == "event" else ({}, change)
        service.lose_database()
        service.announce(a_run(**run), **event)
        bodies.append(service.poll())
    assert bodies[0] == bodies[1]


def test_an_unreadable_optional_field_is_logged_once(service, caplog):
    """Rules 3.7."""
    service.announce(a_run("k97field", registrationUrl="ftp://harbor.example.org"))
    service.advance(hours=2)
    service.poll()
    found = [each for each in caplog.messages if "k97field" in each]
    assert len(found) == 1
    assert "registrationUrl does not decode" in found[0]


def required(document):
    """The fields of an event or a run that the API reference requires."""
    names = ("_id", "name", "slug", "type", "date", "organizationId", "eventId")
    return {k: v for k, v in document.items() if k in names or k.startswith("distance")}


def test_null_means_absent_and_unknown_fields_are_ignored(service):
    """Rules 3.7."""
    names = "startTime endDate endTime address lat lng description websiteUrl registrationUrl"
    nulls = dict.fromkeys(names.split()) | {"colour": "red"}
    of_runs = "startTime eventStatus registrationUrl registrationOpensAt registrationClosesAt"
    flags = "registrationOverride soldOut isVirtual isRelay isWalking"
    run = a_run(**dict.fromkeys(f"{of_runs} {flags}".split()), wave={"number": 3})
    service.announce(run, **nulls)
    with_nulls = service.poll()
    service.lose_database()
    bare = {"event": required(an_event()), "runs": [required(a_run())]}
    service.upstream.put(EVENT, bare)
    assert service.poll() == with_nulls


@pytest.mark.parametrize("field", ["_id", "name", "slug", "type", "date", "organizationId"])
def test_an_event_without_a_required_field_is_refused(service, field):
    """Rules 3.7."""
    service.upstream.put(EVENT, {"event": an_event(**{field: None}), "runs": [a_run()]})
    assert service.get().status_code == 502


@pytest.mark.parametrize(
    "field",
    ["_id", "eventId", "distanceMeters", "distanceStandard", "distanceLabel", "date"],
)
def test_a_run_without_a_required_field_does_not_decode(service, field):
    """Rules 3.7."""
    service.announce(a_run(**{field: None}), a_5k())
    assert list(service.entries()) == ["five"]


def remove(service, how):
    """Have the event deleted, or its list of runs emptied."""
    if how == "deleted":
        service.delete()
    else:
        service.delist("ten")


REMOVALS = pytest.mark.parametrize("how", ["deleted", "emptied"])


@REMOVALS
def test_an_event_is_gone_only_after_two_answers_at_least_60_seconds_apart(service, how):
    """Rules 3.8."""
    service.restart(max_age=timedelta(seconds=20))
    service.announce(a_run())
    remove(service, how)
    service.advance(seconds=20)
    for _ in range(3):
        assert is_listed(service)
        service.advance(seconds=20)
    assert summaries(service) == {"ten": "No longer listed: Harbor Run: 10K"}
    assert service.upstream.asked == [EVENT] * 5


@REMOVALS
def test_after_the_first_answer_the_event_stays_as_it_was_and_its_edition_ends_60_seconds_later(
    service, how
):
    """Rules 3.8."""
    service.announce(a_run())
    before = service.poll()
    remove(service, how)
    service.advance(hours=2)
    first = service.get()
    assert first.data == before
    assert first.headers["Cache-Control"].startswith("max-age=60,")
    service.advance(seconds=59)
    assert service.poll() == before
    assert service.upstream.asked == [EVENT] * 2
    service.advance(seconds=1)
    assert not is_listed(service)
    assert service.upstream.asked == [EVENT] * 3


@REMOVALS
def test_a_good_document_after_the_first_answer_clears_the_doubt(service, how):
    """Rules 3.8."""
    service.announce(a_run())
    for _ in range(3):
        remove(service, how)
        service.advance(hours=2)
        assert is_listed(service)
        service.publish()
        service.advance(hours=2)
        assert is_listed(service)


def test_a_404_and_an_empty_list_of_runs_do_not_confirm_each_other(service):
    """Rules 3.8."""
    service.announce(a_run())
    service.delete()
    service.advance(hours=2)
    service.poll()
    service.delist("ten")
    service.advance(hours=2)
    assert is_listed(service)
    service.advance(hours=2)
    assert not is_listed(service)


@pytest.mark.parametrize(
    "answer",
    [
        an_error(404, "ROUTE_NOT_FOUND"),
        Response("<html>NOT_FOUND</html>", 404, mimetype="text/html"),
        Response('{"code": "NOT_FOUND"}', 404, mimetype="application/json"),
        Response("", 404, mimetype="application/json"),
    ],
)
def test_a_404_without_the_code_not_found_says_nothing_about_an_event(service, answer):
    """Rules 3.9."""
    service.announce(a_run())
    service.upstream.instead = answer
    for _ in range(3):
        service.advance(hours=2)
        assert is_listed(service)
    service.upstream.instead = None
    service.delete()
    service.advance(hours=2)
    assert is_listed(service)


def test_a_404_does_not_count_when_the_key_belongs_to_another_organization(service):
    """Rules 3.10."""
    service.announce(a_run())
    service.upstream.give_key_to("another-organization")
    for _ in range(4):
        service.advance(hours=2)
        assert is_listed(service)
    assert "/organization" in service.upstream.calls


def test_a_key_of_another_organization_closes_the_upstream_for_a_minute(service):
    """Rules 3.10."""
    service.announce(a_run())
    service.upstream.give_key_to("another-organization")
    service.advance(hours=2)
    service.poll()
    calls = len(service.upstream.calls)
    service.advance(seconds=59)
    assert service.client.get("/events/another-id.ics").status_code == 503
    assert len(service.upstream.calls) == calls
    service.advance(seconds=2)
    assert service.client.get("/events/another-id.ics").status_code == 404


@pytest.mark.parametrize(
    ("time_between", "calls"),
    [({"minutes": 1}, 1), ({"minutes": 9, "seconds": 59}, 1), ({"minutes": 10}, 2)],
)
def test_the_organization_of_the_key_is_remembered_for_10_minutes(service, time_between, calls):
    """Rules 3.10."""
    service.announce(a_run())
    service.delete()
    service.advance(hours=2)
    service.poll()
    service.advance(**time_between)
    assert not is_listed(service)
    assert service.upstream.calls.count("/organization") == calls


def test_two_answers_decide_when_the_scope_of_the_key_hides_its_organization(service):
    """Rules 3.10."""
    service.upstream.scopes.remove("read:series")
    service.announce(a_run())
    service.delete()
    service.advance(hours=2)
    assert is_listed(service)
    service.advance(seconds=60)
    assert not is_listed(service)
    assert "/organization" in service.upstream.calls


def test_the_service_refuses_a_database_of_another_upstream(service):
    """Rules 3.11."""
    service.announce(a_run())
    with pytest.raises(SettingsError, match="http://localhost:9"):
        service.restart(api_url="http://localhost:9")


def test_the_service_refuses_a_database_of_another_organization(service, tmp_path):
    """Rules 3.11."""
    settings = settings_for(service.upstream.url, tmp_path)
    check(settings)
    check(settings)
    service.upstream.give_key_to("another-organization")
    with pytest.raises(SettingsError, match="another-organization"):
        check(settings)


def test_a_run_that_leaves_the_list_before_its_end_is_no_longer_listed_for_30_days(service):
    """Rules 3.12."""
    service.announce(a_run(), a_5k())
    service.delist("ten")
    service.advance(hours=2)
    service.poll()
    service.advance(days=30, seconds=-1)
    assert summaries(service)["ten"] == "No longer listed: Harbor Run: 10K"
    assert service.get(".ics?run=ten").status_code == 200
    service.advance(seconds=1)
    assert list(service.entries()) == ["five"]
    assert "ten" not in service.items()
    for form in (".ics", ".rss", ".json"):
        assert service.get(f"{form}?run=ten").status_code == 404


def test_a_run_that_leaves_the_list_after_its_end_stays_as_it_was_for_30_days(service):
    """Rules 3.12."""
    service.announce(a_run(date="2026-05-21"), a_5k())
    service.advance(days=3)
    before, items = service.poll(), service.items()
    service.delist("ten")
    service.advance(hours=2)
    assert (service.poll(), service.items()) == (before, items)
    service.advance(days=30, seconds=-1)
    assert (service.poll(), service.items()) == (before, items)
    service.advance(seconds=1)
    assert list(service.entries()) == ["five"]
    assert list(service.items()) == ["five"]
    assert service.get(".ics?run=ten").status_code == 404


@pytest.mark.parametrize("date", ["2026-05-21", "2026-08-15"])
def test_an_event_that_has_been_gone_for_30_days_answers_410(service, date):
    """Rules 3.12."""
    service.announce(a_run(date=date), date=date)
    service.advance(days=4)
    service.poll()
    service.delete()
    service.advance(days=1)
    service.poll()
    service.advance(seconds=60)
    over = date == "2026-05-21"
    assert is_listed(service) == over
    service.advance(days=30, seconds=-1)
    assert is_listed(service) == over
    service.advance(seconds=1)
    assert [service.get(form).status_code for form in (".ics", ".rss", ".json", "")] == [410] * 4


@pytest.mark.parametrize("days", [1, 29, 31, 360])
def test_a_run_that_returns_within_a_year_keeps_its_history_and_is_reinstated(service, days):
    """Rules 3.13."""
    service.announce(a_run(date="2028-08-12"), a_5k(date="2028-08-12"), date="2028-08-12")
    created = service.entries()["ten"]["CREATED"].dt
    service.edit("ten", startTime="09:00")
    service.advance(hours=2)
    service.poll()
    service.delist("ten")
    service.advance(hours=2)
    service.poll()
    service.advance(days=days)
    assert ("ten" in service.entries()) == (days < 30)
    service.publish()
    service.advance(hours=2)
    entry = service.entries()["ten"]
    assert (entry["SUMMARY"], entry["CREATED"].dt) == ("Harbor Run: 10K", created)
    assert [each for each in service.items() if each.startswith("ten/")] == [
        "ten/reinstated",
        "ten/no-longer-listed",
        "ten/moved/2028-08-12T09:00:00",
    ]


def test_a_run_that_returns_after_it_left_when_it_had_ended_is_not_reinstated(service):
    """Rules 3.13."""
    service.announce(a_run(date="2026-05-21"), a_5k())
    service.advance(days=3)
    before = service.poll(), service.items()
    service.delist("ten")
    service.advance(hours=2)
    service.poll()
    service.publish()
    service.advance(hours=2)
    assert (service.poll(), service.items()) == before

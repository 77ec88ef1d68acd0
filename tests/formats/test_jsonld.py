"""JSON-LD against schema.org and Google's documentation of structured data for events."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from msgspec import structs

from feeds.domain.history.changes import find_changes
from feeds.formats import jsonld
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_feed,
    a_run,
    an_edition,
    an_event,
    entries_of,
    timetable_of,
)
from tests.support.samples import feed_of
from tests.support.upstream import SAMPLE_IDS

SITE, CLUB = "https://club.example/harbor", "https://club.example/register"
HOSTILE = "</script><script>x()</script><!-- <script> ]]> &amp; \" ' \\ \u2028\u2029 \U0001f3c3"
EIGHT, NINE = {"start_time": time(8)}, {"start_time": time(9)}
OFF: list[dict[str, Any]] = [{"status": "cancelled"}, {"unlisted": NOW, "withdrawn": True}]
PLACE, CHICAGO = {"@type": "Place"}, (41.9, -87.6)
GEO = {"@type": "GeoCoordinates", "latitude": 41.9, "longitude": -87.6}


def the_event(*runs, **fields):
    return jsonld.build_document(a_feed(an_event(*runs, **fields)))


def the_run(event=(), **fields):
    (run,) = the_event(a_run(**fields), **dict(event))["subEvent"]
    return run


def history(*events):
    """The document of an event after these versions, one an hour."""
    editions = [an_edition(events[0])]
    for event in events[1:]:
        before, after = entries_of(editions[-1], HOME), entries_of(an_edition(event), HOME)
        noticed = NOW + len(editions) * timedelta(hours=1)
        known = editions[-1].changes + find_changes(before, after, noticed)
        editions.append(an_edition(event, changes=known))
    return jsonld.build_document(
        structs.replace(a_feed(events[-1]), timetables=(timetable_of(editions[-1]),))
    )


def moved(*versions):
    """Status and previous start of a run after versions with these fields."""
    (run,) = history(*(an_event(a_run(**each)) for each in versions))["subEvent"]
    return word(run["eventStatus"]), run.get("previousStartDate")


def word(address):
    return address.removeprefix("https://schema.org/")


def at(hour, **fields):
    return a_run(id=f"at{hour}", start_time=time(hour), **fields)


def at_hours(*hours):
    return an_event(*(a_run(id=f"r{nth}", start_time=time(hour)) for nth, hour in enumerate(hours)))


def on(day, **fields):
    return a_run(id=f"on{day}", date=date(2025, 6, day), **fields)


# The document


def test_the_document_has_all_known_members_of_an_event_and_its_run():
    opens, closes = datetime(2025, 3, 1, 12, tzinfo=UTC), datetime(2025, 6, 10, 22, tzinfo=UTC)
    window = {"registration_opens": opens, "registration_closes": closes}
    run = a_run(start_time=time(8), registration_url=CLUB, **window)
    both = {
        "@type": "SportsEvent",
        "url": PAGE,
        "startDate": "2025-06-14T08:00:00-05:00",
        "endDate": "2025-06-14T11:00:00-05:00",
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {**PLACE, "name": "Pier", "address": "Pier", "geo": GEO},
    }
    offer = {"@type": "Offer", "url": CLUB, "availability": "https://schema.org/InStock"}
    offer |= {"validFrom": "2025-03-01T12:00:00Z", "validThrough": "2025-06-10T22:00:00Z"}
    one = {"@id": f"{PAGE}?run=r10k", "name": "Harbor Run – 10K", "sport": "Running"}
    all_ = {"@context": "https://schema.org", "@id": PAGE, "name": "Harbor Run"}
    fields = {"location": "Pier", "point": CHICAGO, "end_time": time(11)}
    assert the_event(run, description="A\nB", **fields) == {
        **(both | all_ | {"description": "A\nB"}),
        "subEvent": [both | one | {"offers": offer}],
    }


def test_an_event_without_runs_has_its_own_members_and_no_sub_events():
    document = the_event(start_time=time(8), registration_url=CLUB)
    assert (document["@id"], document["name"], document["offers"]["url"]) == (
        PAGE,
        "Harbor Run",
        CLUB,
    )
    assert document["startDate"] == "2025-06-14T08:00:00-05:00"
    assert not {"subEvent", "description", "endDate", "location", "organizer"} & document.keys()
    assert "subEvent" not in the_event(a_run(unlisted=NOW, left=True))


# Dates


def test_an_estimated_end_is_left_out():
    document = the_event(at(8, distance_meters=42_195), at(13), end_time=time(12))
    first, second = document["subEvent"]
    assert first["endDate"] == "2025-06-14T12:00:00-05:00"
    assert "endDate" not in document | second


def test_an_event_ends_on_a_day_also_if_an_estimated_end_is_its_midnight():
    document = the_event(on(13, start_time=time(20), distance_meters=168_000), on(14))
    assert [run.get("endDate") for run in document["subEvent"]] == [None, "2025-06-14"]
    assert document["endDate"] == "2025-06-14"


def test_an_event_goes_from_the_first_start_to_the_last_end():
    document = the_event(on(15), at(8))
    assert (document["startDate"], document["endDate"]) == (
        "2025-06-14T08:00:00-05:00",
        "2025-06-15",
    )
    # A day claims less than its midnight.
    assert the_event(at(0), a_run(virtual=True))["startDate"] == "2025-06-14"


@pytest.mark.parametrize("off", OFF)
def test_the_dates_of_an_event_ignore_runs_that_are_off_unless_all_are(off):
    some = the_event(on(13, **off), on(14), on(16, **off))
    assert (some["startDate"], some["endDate"]) == ("2025-06-14", "2025-06-14")
    none = the_event(on(13, **off), on(16, **off))
    assert (none["startDate"], none["endDate"]) == ("2025-06-13", "2025-06-16")


# eventStatus


@pytest.mark.parametrize("status", ["scheduled", "postponed", "rescheduled"])
def test_an_event_has_the_status_that_all_runs_that_are_not_off_share(status):
    document = the_event(a_run(status=status), on(13, status=status), on(12, **OFF[0]))
    for each in (document, *document["subEvent"][1:]):
        assert word(each["eventStatus"]) == f"Event{status.capitalize()}"


@pytest.mark.parametrize("statuses", ["postponed scheduled", "postponed rescheduled", "hold"])
def test_an_event_of_several_statuses_or_an_unknown_one_is_scheduled(statuses):
    document = the_event(*(a_run(id=each, status=each) for each in statuses.split()))
    assert word(document["eventStatus"]) == "EventScheduled"


# previousStartDate


def test_a_moved_run_is_rescheduled_and_has_the_start_before_the_last_move():
    september = {"date": date(2025, 9, 6)}
    assert moved(EIGHT, NINE) == ("EventRescheduled", "2025-06-14T08:00:00-05:00")
    assert moved(EIGHT, NINE, EIGHT) == ("EventRescheduled", "2025-06-14T09:00:00-05:00")
    assert moved({}, september | EIGHT) == ("EventRescheduled", "2025-06-14")
    assert moved({"status": "postponed"}, september) == ("EventRescheduled", "2025-06-14")
    assert moved({}, september | {"status": "rescheduled"})[1] == "2025-06-14"
    assert history(an_event(), an_event(**september))["previousStartDate"] == "2025-06-14"


def test_an_announced_start_time_and_another_place_reschedule_no_run():
    elsewhere = history(*(an_event(a_run(), location=place) for place in "AB"))
    assert word(elsewhere["eventStatus"]) == "EventScheduled"
    assert "previousStartDate" not in elsewhere
    assert moved({}, EIGHT) == ("EventScheduled", None)


def test_postponed_and_cancelled_runs_have_no_previous_start():
    assert moved(EIGHT, NINE, NINE | {"status": "postponed"}) == ("EventPostponed", None)
    assert moved(EIGHT, NINE, NINE | OFF[0]) == ("EventCancelled", None)
    assert moved(EIGHT, NINE, NINE | OFF[1]) == ("EventCancelled", None)


def test_an_event_has_a_previous_start_if_its_start_and_all_its_runs_moved():
    document = history(at_hours(8, 9), at_hours(6, 7))
    assert document["previousStartDate"] == "2025-06-14T08:00:00-05:00"
    for later in (at_hours(7, 9), at_hours(9, 8)):
        assert "previousStartDate" not in history(at_hours(8, 9), later)
    unknown = on(20, status="rescheduled")
    document = history(*(an_event(a_run(**each), unknown) for each in (EIGHT, NINE)))
    assert word(document["eventStatus"]) == "EventRescheduled"
    assert "previousStartDate" not in document


# Location


def test_the_location_of_a_virtual_run_is_the_website_or_else_the_page():
    run = the_run({"website_url": SITE, "location": "A"}, virtual=True)
    assert run["location"] == {"@type": "VirtualLocation", "url": SITE}
    assert the_run(virtual=True)["location"] == {"@type": "VirtualLocation", "url": PAGE}
    assert word(run["eventAttendanceMode"]) == "OnlineEventAttendanceMode"


@pytest.mark.parametrize("off", OFF)
def test_an_event_has_both_locations_if_runs_of_both_kinds_are_not_off(off):
    both = the_event(a_run(), at(8, virtual=True), location="A")
    assert [each["@type"] for each in both["location"]] == ["Place", "VirtualLocation"]
    assert word(both["eventAttendanceMode"]) == "MixedEventAttendanceMode"
    one = the_event(a_run(**off), at(8, virtual=True), location="A")
    assert word(one["eventAttendanceMode"]) == "OnlineEventAttendanceMode"


# Offers


def test_the_availability_depends_on_places_and_on_the_override_of_registration():
    def availability(**fields):
        return word(the_run(registration_url=CLUB, **fields)["offers"].get("availability", ""))

    assert availability() == availability(status="postponed") == "InStock"
    assert availability(sold_out=True, registration_override="closed") == "SoldOut"
    for override in ("paused", "closed"):
        assert availability(registration_override=override) == "OutOfStock"
    assert availability(registration_override="lottery") == ""


def test_a_run_without_a_link_or_off_has_no_offer():
    assert "offers" not in the_run(registration_opens=NOW)
    assert not any("offers" in the_run(registration_url=CLUB, **off) for off in OFF)


# The script


def test_the_script_cannot_be_ended_by_a_text_and_loses_no_character():
    lines = dict.fromkeys(("name", "location", "description"), HOSTILE)
    run = a_run(distance_label=HOSTILE, registration_url=f"{CLUB}?a&b='</script>")
    text = jsonld.render_script(jsonld.build_document(a_feed(an_event(run, **lines))))

    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == the_event(run, **lines)
    assert {json.loads(text)[name] for name in ("name", "description")} == {HOSTILE}


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_the_documents_of_all_samples_have_no_null(id_):
    document = jsonld.render_script(jsonld.build_document(feed_of(id_, "ics")))
    assert json.loads(document) == jsonld.build_document(feed_of(id_, "ics"))
    assert '":null' not in document

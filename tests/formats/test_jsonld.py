"""JSON-LD against schema.org and what Google's documentation says of events."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from msgspec import structs

from feeds.domain.changes import append_changes, find_changes
from feeds.domain.entries import UNLISTED_SHOWN_FOR
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
from tests.support.samples import SAMPLE_IDS, feed_of

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
    """The document of the last of these versions of an event, told one after the other."""
    editions = [an_edition(events[0])]
    for event in events[1:]:
        before, after = entries_of(editions[-1], HOME), entries_of(an_edition(event), HOME)
        noticed = NOW + len(editions) * timedelta(hours=1)
        known = append_changes(editions[-1].changes, find_changes(before, after, noticed))
        editions.append(an_edition(event, changes=known))
    return jsonld.build_document(
        structs.replace(a_feed(events[-1]), timetables=(timetable_of(editions[-1]),))
    )


def moved(*versions):
    """Status and previous start of a run that was told with these fields, one after the other."""
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


class TestTheDocument:
    def test_tells_all_there_is_to_know(self):
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
        one = {"@id": f"{PAGE}?run=r10k", "name": "Harbor Run: 10K", "sport": "Running"}
        all_ = {"@context": "https://schema.org", "@id": PAGE, "name": "Harbor Run"}
        fields = {"location": "Pier", "point": CHICAGO, "end_time": time(11)}
        assert the_event(run, description="A\nB", **fields) == {
            **(both | all_ | {"description": "A\nB"}),
            "subEvent": [both | one | {"offers": offer}],
        }

    def test_of_an_event_without_runs_tells_of_the_event_itself(self):
        told = the_event(start_time=time(8), registration_url=CLUB)
        assert (told["@id"], told["name"], told["offers"]["url"]) == (PAGE, "Harbor Run", CLUB)
        assert told["startDate"] == "2025-06-14T08:00:00-05:00"
        assert not {"subEvent", "description", "endDate", "location", "organizer"} & told.keys()
        left = structs.replace(
            a_feed(an_event(a_run(unlisted=NOW))), as_of=NOW + UNLISTED_SHOWN_FOR
        )
        assert "subEvent" not in jsonld.build_document(left)

    def test_has_all_runs_and_walks_in_the_order_of_time_whatever_the_options(self):
        told = jsonld.build_document(a_feed(an_event(at(9), at(8, walking=True)), run=("at9",)))
        assert [run["sport"] for run in told["subEvent"]] == ["Walking", "Running"]
        assert [run["@id"] for run in told["subEvent"]] == [f"{PAGE}?run=at8", f"{PAGE}?run=at9"]


class TestDates:
    def test_of_days_have_the_last_one_inclusive(self):
        run = the_run({"end_date": date(2025, 6, 20)}, virtual=True)
        assert (run["startDate"], run["endDate"]) == ("2025-06-14", "2025-06-20")

    def test_are_on_the_clock_of_the_place(self):
        run = the_run({"end_time": time(12), "point": (48.85, 2.35)}, start_time=time(8))
        assert run["startDate"] == "2025-06-14T08:00:00+02:00"
        assert run["endDate"] == "2025-06-14T12:00:00+02:00"

    def test_have_no_end_that_nobody_announced(self):
        told = the_event(at(8, distance_meters=42_195), at(13), end_time=time(12))
        first, second = told["subEvent"]
        assert first["endDate"] == "2025-06-14T12:00:00-05:00"
        assert "endDate" not in told | second

    def test_of_an_event_have_the_end_of_a_day_also_where_an_estimate_is_its_midnight(self):
        told = the_event(on(13, start_time=time(20), distance_meters=168_000), on(14))
        assert [run.get("endDate") for run in told["subEvent"]] == [None, "2025-06-14"]
        assert told["endDate"] == "2025-06-14"

    def test_of_an_event_go_from_the_first_start_to_the_last_end(self):
        told = the_event(on(15), at(8))
        assert (told["startDate"], told["endDate"]) == ("2025-06-14T08:00:00-05:00", "2025-06-15")
        # The day says less than its midnight.
        assert the_event(at(0), a_run(virtual=True))["startDate"] == "2025-06-14"

    @pytest.mark.parametrize("off", OFF)
    def test_of_an_event_are_not_those_of_runs_that_are_off_unless_all_are(self, off):
        some = the_event(on(13, **off), on(14), on(16, **off))
        assert (some["startDate"], some["endDate"]) == ("2025-06-14", "2025-06-14")
        none = the_event(on(13, **off), on(16, **off))
        assert (none["startDate"], none["endDate"]) == ("2025-06-13", "2025-06-16")


class TestEventStatus:
    @pytest.mark.parametrize("off", OFF)
    def test_of_what_is_off_is_cancelled(self, off):
        told = the_event(a_run(**off), on(13, **off))
        for each in (told, *told["subEvent"]):
            assert word(each["eventStatus"]) == "EventCancelled"

    @pytest.mark.parametrize("status", ["scheduled", "postponed", "rescheduled"])
    def test_is_the_word_of_schema_org_if_all_have_it_that_are_not_off(self, status):
        told = the_event(a_run(status=status), on(13, status=status), on(12, **OFF[0]))
        for each in (told, *told["subEvent"][1:]):
            assert word(each["eventStatus"]) == f"Event{status.capitalize()}"

    @pytest.mark.parametrize("statuses", ["postponed scheduled", "postponed rescheduled", "hold"])
    def test_is_scheduled_for_all_else(self, statuses):
        told = the_event(*(a_run(id=each, status=each) for each in statuses.split()))
        assert word(told["eventStatus"]) == "EventScheduled"


class TestPreviousStartDate:
    def test_is_the_start_before_the_last_move(self):
        september = {"date": date(2025, 9, 6)}
        assert moved(EIGHT, NINE) == ("EventRescheduled", "2025-06-14T08:00:00-05:00")
        assert moved(EIGHT, NINE, EIGHT) == ("EventRescheduled", "2025-06-14T09:00:00-05:00")
        assert moved({}, september | EIGHT) == ("EventRescheduled", "2025-06-14")
        assert moved({"status": "postponed"}, september) == ("EventRescheduled", "2025-06-14")
        assert moved({}, september | {"status": "rescheduled"})[1] == "2025-06-14"
        assert history(an_event(), an_event(**september))["previousStartDate"] == "2025-06-14"

    def test_has_the_offset_of_its_own_day_and_zone(self):
        then = an_event(at(8, date=date(2025, 1, 11)), point=(48.85, 2.35))
        assert history(then, an_event(at(8)))["previousStartDate"] == "2025-01-11T08:00:00+01:00"

    def test_is_not_of_a_time_that_is_announced_for_the_day_nor_of_another_place(self):
        elsewhere = history(*(an_event(a_run(), location=place) for place in "AB"))
        assert word(elsewhere["eventStatus"]) == "EventScheduled"
        assert "previousStartDate" not in elsewhere
        assert moved({}, EIGHT) == ("EventScheduled", None)

    def test_goes_with_no_status_but_rescheduled(self):
        assert moved(EIGHT, NINE, NINE | {"status": "postponed"}) == ("EventPostponed", None)
        assert moved(EIGHT, NINE, NINE | OFF[0]) == ("EventCancelled", None)
        assert moved(EIGHT, NINE, NINE | OFF[1]) == ("EventCancelled", None)

    def test_of_an_event_is_the_earliest_if_all_its_runs_and_its_start_have_moved(self):
        told = history(at_hours(8, 9), at_hours(6, 7))
        assert told["previousStartDate"] == "2025-06-14T08:00:00-05:00"
        for later in (at_hours(7, 9), at_hours(9, 8)):
            assert "previousStartDate" not in history(at_hours(8, 9), later)
        unknown = on(20, status="rescheduled")
        told = history(*(an_event(a_run(**each), unknown) for each in (EIGHT, NINE)))
        assert word(told["eventStatus"]) == "EventRescheduled"
        assert "previousStartDate" not in told


class TestLocation:
    def test_is_the_place_as_far_as_it_is_known(self):
        assert the_run({"location": "A"})["location"] == {**PLACE, "name": "A", "address": "A"}
        assert the_run({"point": CHICAGO})["location"] == {**PLACE, "geo": GEO}
        assert "location" not in the_run()

    def test_of_a_virtual_run_is_an_address_on_the_web(self):
        run = the_run({"website_url": SITE, "location": "A"}, virtual=True)
        assert run["location"] == {"@type": "VirtualLocation", "url": SITE}
        assert the_run(virtual=True)["location"] == {"@type": "VirtualLocation", "url": PAGE}
        assert word(run["eventAttendanceMode"]) == "OnlineEventAttendanceMode"

    @pytest.mark.parametrize("off", OFF)
    def test_of_an_event_is_of_both_kinds_if_its_runs_are_that_are_not_off(self, off):
        both = the_event(a_run(), at(8, virtual=True), location="A")
        assert [each["@type"] for each in both["location"]] == ["Place", "VirtualLocation"]
        assert word(both["eventAttendanceMode"]) == "MixedEventAttendanceMode"
        one = the_event(a_run(**off), at(8, virtual=True), location="A")
        assert word(one["eventAttendanceMode"]) == "OnlineEventAttendanceMode"


class TestOffers:
    def test_tell_whether_the_organizer_takes_anyone(self):
        def told(**fields):
            return word(the_run(registration_url=CLUB, **fields)["offers"].get("availability", ""))

        assert told() == told(status="postponed") == "InStock"
        assert told(sold_out=True, registration_override="closed") == "SoldOut"
        for override in ("paused", "closed"):
            assert told(registration_override=override) == "OutOfStock"
        assert told(registration_override="lottery") == ""  # which nobody knows

    def test_are_at_the_address_of_the_run_or_else_of_the_event(self):
        told = the_event(at(8), at(9, registration_url=SITE), registration_url=CLUB)
        assert [run["offers"]["url"] for run in told["subEvent"]] == [CLUB, SITE]

    def test_are_none_without_an_address_nor_of_what_is_off(self):
        assert "offers" not in the_run(registration_opens=NOW)
        assert not any("offers" in the_run(registration_url=CLUB, **off) for off in OFF)


class TestTheText:
    def test_does_not_end_its_script_nor_lose_a_character(self):
        lines = dict.fromkeys(("name", "location", "description"), HOSTILE)
        run = a_run(distance_label=HOSTILE, registration_url=f"{CLUB}?a&b='</script>")
        text = jsonld.render_script(a_feed(an_event(run, **lines)))

        assert not set("<>&\u2028\u2029") & set(text)
        assert json.loads(text) == the_event(run, **lines)
        assert {json.loads(text)[name] for name in ("name", "description")} == {HOSTILE}

    @pytest.mark.parametrize("id_", SAMPLE_IDS)
    def test_of_no_sample_tells_what_is_not_known(self, id_):
        told = jsonld.render_script(feed_of(id_, "ics"))
        assert json.loads(told) == jsonld.build_document(feed_of(id_, "ics"))
        assert '":null' not in told

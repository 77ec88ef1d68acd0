"""JSON feeds against JSON Feed 1.1, the channel, and the calendar."""

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.model import Change, Kind, State
from feeds.formats import ical, jsonfeed
from feeds.formats.items import build_items
from feeds.upstream import fields as values
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_feed,
    a_run,
    an_edition,
    an_event,
    timetable_of,
)
from tests.support.samples import SAMPLE_IDS, feed_of

EIGHT = time(8)


def rendered(*events, **how):
    return json.loads(jsonfeed.render(a_feed(*events, extension="json", **how)))


def the_item(run, **event):
    (item,) = rendered(an_event(run, **event))["items"]
    return item


def the_run(run, **event):
    return the_item(run, **event)["_intervals"]


@cache
def sample(id_):
    return json.loads(jsonfeed.render(feed_of(id_, "json")))


class TestTheFeed:
    @pytest.mark.parametrize("id_", SAMPLE_IDS)
    def test_has_what_json_feed_demands(self, id_):
        feed = sample(id_)

        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["title"]
        assert feed["home_page_url"] == f"https://feeds.example.org/events/{id_}"
        assert feed["feed_url"] == f"https://feeds.example.org/events/{id_}.json"
        ids = [item["id"] for item in feed["items"]]
        assert ids
        assert len(set(ids)) == len(ids)
        for item in feed["items"]:
            assert isinstance(item["id"], str)
            assert item["content_html"]
            for name in ("date_published", "date_modified"):
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item[name])
            # A name of our own begins with an underscore, all others are the standard's.
            assert set(item) <= {
                *("id", "url", "title", "content_html", "date_published", "date_modified"),
                *("tags", "_intervals"),
            }

    @pytest.mark.parametrize("id_", SAMPLE_IDS)
    def test_has_the_items_of_the_channel_in_its_order(self, id_):
        told = [(each.guid, each.title, each.html) for each in build_items(feed_of(id_, "rss"))]

        assert [
            (item["id"], item["title"], item["content_html"]) for item in sample(id_)["items"]
        ] == told

    def test_a_change_is_an_item_without_a_run_of_its_own(self):
        event = an_event(a_run(start_time=EIGHT, status="cancelled"))
        state: dict[str, Any] = {"start": "2025-06-14T08:00:00", "zone": HOME}
        change = Change(
            run="r10k",
            kind=Kind.CANCELLED,
            was=State(**state),
            now=State(**state | {"status": "cancelled"}),
            noticed=NOW + timedelta(days=1),
        )
        feed = structs.replace(
            a_feed(event, extension="json"),
            timetables=(timetable_of(an_edition(event, changes=(change,))),),
        )
        change_item, run_item = json.loads(jsonfeed.render(feed))["items"]

        assert change_item["id"] == "r10k@intervals.run/cancelled"
        assert change_item["date_published"] == "2025-06-02T12:00:00Z"
        assert not {"_intervals", "date_modified"} & change_item.keys()
        assert run_item["_intervals"]["status"] == "cancelled"

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_any_text_comes_back_as_it_was(self, name, description):
        name = values.clean_line(name) or "Run"
        feed = rendered(
            an_event(a_run(), name=name, location=values.clean_line(description) or None)
        )

        assert feed["items"][0]["_intervals"].get("location") == (
            values.clean_line(description) or None
        )
        assert isinstance(feed["title"], str)


class TestARun:
    @pytest.mark.parametrize("id_", SAMPLE_IDS)
    def test_starts_and_ends_as_in_the_calendar(self, id_):
        calendar = icalendar.Calendar.from_ical(ical.render(feed_of(id_, "ics")))
        vevents: dict[str, Any] = {str(each["UID"]): each for each in calendar.walk("VEVENT")}
        runs = {item["id"]: item["_intervals"] for item in sample(id_)["items"]}

        assert runs.keys() == vevents.keys()
        for uid, run in runs.items():
            for name, prop in (("start", "DTSTART"), ("end", "DTEND")):
                told, shown = run[name], vevents[uid][prop].dt
                if isinstance(shown, datetime):
                    assert datetime.fromisoformat(told).astimezone(UTC) == shown.astimezone(UTC)
                    assert datetime.fromisoformat(told).tzinfo is not None
                else:
                    assert told == shown.isoformat()

    def test_tells_what_there_is_to_know(self):
        run = a_run(
            start_time=EIGHT,
            registration_opens=datetime(2025, 3, 1, 12, tzinfo=UTC),
            registration_closes=datetime(2025, 6, 10, 22, tzinfo=UTC),
            registration_override="paused",
            registration_url="https://club.example/10k",
            sold_out=True,
            relay=True,
            walking=True,
        )
        assert the_run(run, location="Navy Pier, Chicago", point=(41.9, -87.6)) == {
            "start": "2025-06-14T08:00:00-05:00",
            "end": "2025-06-14T10:30:00-05:00",
            "timezone": "America/Chicago",
            "end_estimated": True,
            "status": "scheduled",
            "distance": {"label": "10K", "standard": "10K", "meters": 10000},
            "registration": {
                "opens": "2025-03-01T12:00:00Z",
                "closes": "2025-06-10T22:00:00Z",
                "url": "https://club.example/10k",
                "override": "paused",
            },
            "sold_out": True,
            "virtual": False,
            "relay": True,
            "walking": True,
            "location": "Navy Pier, Chicago",
            "point": [41.9, -87.6],
        }

    def test_of_whole_days_has_days_whose_end_is_exclusive(self):
        run = the_run(a_run(virtual=True), end_date=date(2025, 6, 20))

        assert (run["start"], run["end"]) == ("2025-06-14", "2025-06-21")
        assert not {"location", "point"} & run.keys()

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({}, "scheduled"),
            ({"status": "postponed"}, "postponed"),
            ({"status": "weatherHold"}, "weatherHold"),
            ({"unlisted": NOW, "withdrawn": True}, "unlisted"),
            ({"unlisted": NOW}, "scheduled"),
        ],
        ids=str,
    )
    def test_has_a_status(self, fields, status):
        assert the_run(a_run(**fields))["status"] == status

    def test_that_is_off_cannot_be_registered_for(self):
        run = a_run(status="cancelled", registration_url="https://club.example/10k")

        assert the_run(run)["registration"] == {}

    def test_that_stands_for_an_event_without_runs_has_no_distance(self):
        (item,) = rendered(an_event())["items"]

        assert item["id"] == "harbor@intervals.run"
        assert "distance" not in item["_intervals"]

    def test_is_found_at_the_page_of_its_event(self):
        assert the_item(a_run())["url"] == PAGE

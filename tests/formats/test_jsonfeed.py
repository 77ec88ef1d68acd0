"""JSON feeds against JSON Feed 1.1, the items of the channel, and the calendar."""

import json
import re
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

import icalendar
import pytest

from feeds.formats import ical, jsonfeed
from feeds.formats.items import build_items
from tests.support.factories import (
    a_feed,
    a_run,
    an_event,
)
from tests.support.samples import SAMPLE_IDS, feed_of

EIGHT = time(8)


def rendered(event):
    return json.loads(jsonfeed.render(a_feed(event, extension="json")))


def the_item(run, **event):
    (item,) = rendered(an_event(run, **event))["items"]
    return item


def the_run(run, **event):
    return the_item(run, **event)["_intervals"]


@cache
def sample(id_):
    return json.loads(jsonfeed.render(feed_of(id_, "json")))


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_a_feed_has_the_members_that_json_feed_requires(id_):
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
        # The names of extensions begin with an underscore; all others are the standard's.
        assert set(item) <= {
            *("id", "url", "title", "content_html", "date_published", "date_modified"),
            *("tags", "_intervals"),
        }


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_a_feed_has_the_items_of_the_channel_in_their_order(id_):
    items = [(each.guid, each.title, each.html) for each in build_items(feed_of(id_, "rss"))]
    found = [(item["id"], item["title"], item["content_html"]) for item in sample(id_)["items"]]
    assert found == items


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_a_run_starts_and_ends_as_in_the_calendar(id_):
    calendar = icalendar.Calendar.from_ical(ical.render(feed_of(id_, "ics")))
    vevents: dict[str, Any] = {str(each["UID"]): each for each in calendar.walk("VEVENT")}
    runs = {item["id"]: item["_intervals"] for item in sample(id_)["items"]}

    assert runs.keys() == vevents.keys()
    for uid, run in runs.items():
        for name, property_ in (("start", "DTSTART"), ("end", "DTEND")):
            written, expected = run[name], vevents[uid][property_].dt
            if isinstance(expected, datetime):
                when = datetime.fromisoformat(written)
                assert when.tzinfo is not None
                assert when.astimezone(UTC) == expected.astimezone(UTC)
            else:
                assert written == expected.isoformat()


def test_the_extension_has_all_known_members_of_a_run():
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


def test_a_virtual_run_has_days_with_an_exclusive_end_and_no_place():
    run = the_run(a_run(virtual=True), end_date=date(2025, 6, 20), point=(41.9, -87.6))
    assert (run["start"], run["end"]) == ("2025-06-14", "2025-06-21")
    assert not {"location", "point"} & run.keys()

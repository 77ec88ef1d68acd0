"""JSON feeds against JSON Feed 1.1 and against docs/feed.schema.json."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import structs

from feeds.domain.feed import MAX_BYTES
from feeds.formats import jsonfeed, rss
from tests.formats.test_golden import DATA
from tests.support.factories import a_feed, a_run, an_event
from tests.support.samples import feed_of
from tests.support.upstream import SAMPLE_IDS

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "feed.schema.json").read_text("utf-8"))
DAY = timedelta(days=1)
HISTORIES = sorted((DATA / "histories").glob("*.json"))


def validate(feed: Any) -> None:
    Draft202012Validator(SCHEMA).validate(feed)
    # What no schema says: items have different ids.
    ids = [item["id"] for item in feed["items"]]
    assert len(set(ids)) == len(ids)


def test_the_schema_in_the_documents_is_a_valid_json_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_the_feed_of_a_sample_is_valid(id_):
    validate(json.loads(jsonfeed.render(feed_of(id_, "json"))))


def test_the_feed_of_a_collection_is_valid_also_without_runs():
    events = [structs.replace(an_event(a_run(id=f"r{id_}")), id=id_) for id_ in ("a", "b")]
    validate(json.loads(jsonfeed.render(a_feed(*events, extension="json"))))
    validate(json.loads(jsonfeed.render(a_feed(*events, extension="json", run=("another",)))))


def test_the_schema_tells_the_feed_of_an_event_from_that_of_a_collection():
    feed = json.loads(jsonfeed.render(feed_of(SAMPLE_IDS[0], "json")))
    event, runs = feed["_intervals"]["event"], feed["_intervals"]["runs"]
    named = [run | {"event": event["id"]} for run in runs]
    validate(feed | {"_intervals": {"events": [event], "runs": named}})
    for wrong in (
        {"event": event, "runs": named},
        {"events": [event], "runs": runs},
        {"event": event, "events": [event], "runs": runs},
        {"event": event, "runs": []},
        {"runs": runs},
    ):
        assert not Draft202012Validator(SCHEMA).is_valid(feed | {"_intervals": wrong})


def test_the_feed_of_a_collection_stays_under_1_mb_with_the_data_of_its_events():
    """Rules 6.13 and 11.12: the items stay, as those of new events are about runs far ahead."""
    url = f"https://club.example/{'a' * 180}"
    events = [
        an_event(
            a_run(id=f"r{number}", registration_url=url, date=date(2025, 7, 1) + number * DAY),
            id=f"e{number}",
            name=f"Race {number} of the club in the harbor",
            website_url=url,
            location="Navy Pier, 600 East Grand Avenue, Chicago, IL 60611, USA",
            point=(41.8917, -87.6043),
        )
        for number in range(1000)
    ]
    feed = a_feed(*events, extension="json")
    body = jsonfeed.render(feed)
    document = json.loads(body)
    assert MAX_BYTES * 0.8 < len(body) < MAX_BYTES
    assert len(document["items"]) == 200
    assert rss.render(feed).count(b"<item>") == 200
    assert "r0" in {run["id"] for run in document["_intervals"]["runs"]}


def test_of_items_of_the_same_time_a_collection_has_those_whose_runs_start_first():
    """Rules 5.9 and 11.13: all items of a club that is polled for the first time."""
    events = [
        an_event(a_run(id=f"r{number}", date=date(2025, 7, 1) + number * DAY), id=f"e{number}")
        for number in range(300)
    ]
    document = json.loads(jsonfeed.render(a_feed(*events, extension="json")))
    ids = [f"r{number}@intervals.run" for number in range(200)]
    assert [each["id"] for each in document["items"]] == ids


def test_of_items_of_the_same_time_a_collection_leaves_out_those_of_past_runs_first():
    """Rules 6.13 and 11.13: a new club whose past runs alone would fill the channel."""
    events = [
        an_event(a_run(id=f"r{number}", date=date(2025, 4, 5) + number * DAY // 4), id=f"e{number}")
        for number in range(400)
    ]
    document = json.loads(jsonfeed.render(a_feed(*events, extension="json")))
    ids = {each["id"].removesuffix("@intervals.run") for each in document["items"]}
    ahead = {run["id"] for run in document["_intervals"]["runs"] if run["start"] >= "2025-06-02"}
    assert len(ids) == 200
    assert ahead <= ids


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_the_feed_after_a_history_is_valid(path):
    validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("part", ["event", "run"])
def test_the_documentation_has_the_members_of_the_schema(part):
    text = (DOCS / "jsonfeed.md").read_text("utf-8")
    section = text.partition(f"\n## `{part}{'s' * (part == 'run')}`\n")[2].partition("\n## ")[0]
    columns = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = [name.strip(" `") for column in columns for name in column.split(",")]
    assert named == list(SCHEMA["$defs"][part]["properties"])

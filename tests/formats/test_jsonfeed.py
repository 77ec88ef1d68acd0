"""JSON feeds against JSON Feed 1.1, the items of the channel, and the calendar."""

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import icalendar
import pytest

from feeds.formats import ical, jsonfeed
from tests.support.samples import feed_of
from tests.support.upstream import SAMPLE_IDS


@cache
def sample(id_):
    return json.loads(jsonfeed.render(feed_of(id_, "json")))


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_a_feed_has_the_members_that_json_feed_requires(id_):
    feed = sample(id_)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
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

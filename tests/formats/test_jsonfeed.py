"""JSON feeds against JSON Feed 1.1."""

import json
import re

import pytest

from feeds.formats import jsonfeed
from tests.support.samples import feed_of
from tests.support.upstream import SAMPLE_IDS


@pytest.mark.parametrize("id_", SAMPLE_IDS)
def test_a_feed_has_the_members_that_json_feed_requires(id_):
    feed = json.loads(jsonfeed.render(feed_of(id_, "json")))
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

"""The links of a channel's items lead to elements of the page (rules 5.11)."""

import json
import re
from pathlib import Path

import pytest

from tests.support.clock import Clock
from tests.support.histories import BEGINNING, HISTORIES, Race
from tests.support.upstream import SAMPLE_IDS, Upstream


def assert_lead_somewhere(feed: bytes, page: bytes) -> None:
    """Every item has a link of its own, to an element that the page has once."""
    ids = re.findall(r'\bid="([^"]+)"', page.decode())
    assert len(set(ids)) == len(ids)
    document = json.loads(feed)
    links = [item["url"] for item in document["items"]]
    assert len(set(links)) == len(links)
    for link in links:
        address, _, anchor = link.partition("#")
        assert address == document["home_page_url"]
        assert anchor in ids


def test_the_links_of_a_sample_lead_to_elements_of_its_page(client, clock):
    for id_ in SAMPLE_IDS:
        feed, page = (client.get(f"/events/{id_}{form}").data for form in (".json", ""))
        assert_lead_somewhere(feed, page)
        clock.advance(seconds=1)  # within the rate limit


@pytest.mark.parametrize("live", HISTORIES, ids=lambda live: live.__name__)
def test_the_links_after_a_history_lead_to_elements_of_the_page(live, tmp_path):
    clock = Clock(BEGINNING)
    with Upstream(clock).on() as upstream:
        race = Race("", upstream, Path(tmp_path), clock)
        race.urls = {".json": ".json", ".html": ""}
        live(race)
        race.keep()
    for name, body in race.files.items():
        if name.endswith(".json"):
            assert_lead_somewhere(body, race.files[name.replace(".json", ".html")])

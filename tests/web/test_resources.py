"""QR codes, assets, the widget's script, robots.txt and the sitemap."""

import re

import pytest

from tests.support.headers import list_stable

HARBOR = "/events/harbor-festival"
SITE = "https://feeds.example.org"


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<svg"), ("png", b"\x89PNG\r\n\x1a\n")])
def test_the_qr_code_is_an_image_that_stays_the_same(client, kind, begins):
    first, second = (client.get(f"{HARBOR}/qr.{kind}") for _ in range(2))
    assert first.content_type.startswith(f"image/{kind}")
    assert begins in first.data[:60]
    assert f'filename="harbor-festival.{kind}"' in first.headers["Content-Disposition"]
    assert first.data == second.data
    assert first.headers["ETag"] == second.headers["ETag"]
    assert client.get(f"/events/nobody/qr.{kind}").status_code == 404


@pytest.mark.parametrize("name", ["style.css", "page.js", "icon.svg"])
def test_an_asset_is_cached_for_a_year_under_the_url_that_pages_use(client, name):
    page = client.get(HARBOR).text
    url = re.search(rf'"\.\./(assets/{re.escape(name)}\?[0-9a-f]{{12}})"', page)
    assert url
    asset = client.get(f"/{url[1]}")
    assert asset.headers["Cache-Control"].startswith("max-age=31536000,")
    assert list_stable(client.head(f"/{url[1]}").headers) == list_stable(asset.headers)
    known = {"If-None-Match": asset.headers["ETag"]}
    assert client.get(f"/{url[1]}", headers=known).status_code == 304
    other = client.get(f"/assets/{name}?ffffffffffff")
    assert other.headers["Cache-Control"].startswith("max-age=60,")


def test_the_script_of_the_widget_is_small_and_cached_for_an_hour(client):
    script = client.get("/widget.js")
    assert script.content_type == "text/javascript; charset=utf-8"
    assert len(script.data) < 2_000
    assert script.cache_control.max_age == 3600
    assert script.headers["Access-Control-Allow-Origin"] == "*"
    known = {"If-None-Match": script.headers["ETag"]}
    assert client.get("/widget.js", headers=known).status_code == 304


GROUPS = (
    *("clock-changers", "lincoln-park-run-club"),
    *("north-shore-grand-prix", "winter-marathon-training"),
)


def list_sitemap(client):
    response = client.get("/sitemap.xml")
    assert response.content_type == "application/xml; charset=utf-8"
    assert response.headers["Cache-Control"] == "max-age=3600"
    return re.findall("<loc>([^<]+)</loc>", response.text)


def test_the_sitemap_lists_groups_and_known_events_that_are_not_over(client, upstream, clock):
    for event_id, day in {
        "over": "2026-03-01",
        "later": "2026-07-18",
        "next": "2026-06-20",
    }.items():
        upstream.publish(event_id, day)
        client.get(f"/events/{event_id}.ics")
    events = [f"{SITE}/events/{event_id}" for event_id in ("next", "later")]
    groups = [f"{SITE}/groups/{slug}" for slug in GROUPS]
    assert list_sitemap(client) == [f"{SITE}/", *groups, *events]
    assert f"Sitemap: {SITE}/sitemap.xml\n" in client.get("/robots.txt").text

    upstream.publish("new", "2026-08-01")
    client.get("/events/new.ics")
    clock.advance(minutes=59)
    assert len(list_sitemap(client)) == 7, "it is made once an hour"
    clock.advance(minutes=1)
    assert list_sitemap(client)[-1] == f"{SITE}/events/new"


def test_the_sitemap_is_made_again_after_the_clock_was_set_back(client, upstream, clock):
    upstream.publish("new", "2026-08-01")
    before = list_sitemap(client)
    client.get("/events/new.ics")
    assert list_sitemap(client) == before
    clock.advance(days=-1)
    assert list_sitemap(client) == [*before, f"{SITE}/events/new"]

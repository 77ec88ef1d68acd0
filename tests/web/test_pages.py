"""Pages over HTTP: what they say, what machines find in them, what browsers are told."""

import json
import re
from datetime import timedelta

import pytest

from feeds.app import create_app
from feeds.domain.quota import Rate
from feeds.formats import FORMATS
from tests.support.processes import settings_for

SITE = "https://feeds.example.org"
HARBOR = "/events/harbor-festival"
PAGES = ["/", HARBOR, f"{HARBOR}/embed", f"{HARBOR}/embed-kit", "/nothing"]


def edit(upstream, number=0, **fields):
    document = upstream.document("harbor-festival")
    document["runs"][number] |= fields
    upstream.put("harbor-festival", document)


def policy(response):
    """What a Content-Security-Policy allows."""
    directives = response.headers["Content-Security-Policy"].split("; ")
    return dict(each.split(" ", 1) for each in directives)


class TestSecurity:
    @pytest.mark.parametrize("path", PAGES)
    def test_nothing_is_loaded_from_elsewhere_and_nothing_inline_runs(self, client, path):
        allowed = policy(client.get(path))
        assert allowed["default-src"] == "'none'"
        assert allowed["base-uri"] == "'none'"
        assert allowed["script-src"] == "'self'"
        sources = {word for value in allowed.values() for word in value.split()}
        assert {each for each in sources if not each.startswith("'sha256-")} <= {
            "'none'",
            "'self'",
            "*",
        }
        assert [name for name, value in allowed.items() if value == "*"] == (
            ["frame-ancestors"] if path.endswith("/embed") else []
        )

    @pytest.mark.parametrize("path", [path for path in PAGES if not path.endswith("/embed")])
    def test_only_the_widget_is_framed(self, client, path):
        assert policy(client.get(path))["frame-ancestors"] == "'none'"

    def test_the_data_in_the_page_cannot_end_its_script(self, client, upstream):
        upstream.publish("evil", "2026-09-01", name="</script><script>alert(1)</script>")
        page = client.get("/events/evil").text
        data = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
        assert data
        assert json.loads(data[1])["name"] == "</script><script>alert(1)</script>"

    def test_no_page_is_large(self, client):
        sizes = [len(client.get(path).data) for path in (HARBOR, f"{HARBOR}/qr.svg")]
        sizes += [len(client.get(f"/assets/{name}").data) for name in ("style.css", "page.js")]
        assert sum(sizes) < 50_000


class TestForMachines:
    def test_each_format_and_oembed_are_announced_in_the_page_and_its_header(self, client):
        response = client.get(HARBOR)
        alternates = {
            f"{SITE}{HARBOR}.{extension}": format_.media_type.partition(";")[0]
            for extension, format_ in FORMATS.items()
        }
        oembed = f"{SITE}/oembed?url=https%3A%2F%2Ffeeds.example.org%2Fevents%2Fharbor-festival"
        alternates[f"{oembed}&format=json"] = "application/json+oembed"
        links = dict(
            re.findall(r'<([^>]+)>; rel="alternate"; type="([^"]+)"', response.headers["Link"])
        )
        assert links == alternates
        in_page = re.findall(
            r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', response.text
        )
        assert {url.replace("&amp;", "&"): type_ for type_, url in in_page} == alternates
        assert f'<{SITE}{HARBOR}>; rel="canonical"' in response.headers["Link"]
        assert f'<link rel="canonical" href="{SITE}{HARBOR}">' in response.text

    def test_what_is_shared_has_a_title_and_a_text(self, client):
        page = client.get(HARBOR).text
        told = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', page))
        assert told["title"] == "Harbor Festival of Running"
        assert told["url"] == f"{SITE}{HARBOR}"
        assert "Veterans Park" in told["description"]

    def test_the_code_for_posters_is_an_image_that_stays_the_same(self, client):
        first, second = (client.get(f"{HARBOR}/qr.svg") for _ in range(2))
        assert first.content_type == "image/svg+xml"
        assert first.data == second.data
        assert first.headers["ETag"] == second.headers["ETag"]
        assert client.get("/events/nobody/qr.svg").status_code == 404

    def test_what_pages_load_is_found_under_a_name_that_changes_with_it(self, client):
        page = client.get(HARBOR).text
        for name in ("style.css", "page.js", "icon.svg"):
            found = re.search(rf'"\.\./(assets/{re.escape(name)}\?[0-9a-f]{{12}})"', page)
            assert found
            asset = client.get(f"/{found[1]}")
            assert asset.headers["Cache-Control"].startswith("max-age=31536000")
            assert client.head(f"/{found[1]}").headers == asset.headers
            unchanged = client.get(f"/{found[1]}", headers={"If-None-Match": asset.headers["ETag"]})
            assert unchanged.status_code == 304
            other = client.get(f"/assets/{name}?ffffffffffff")
            assert other.headers["Cache-Control"].startswith("max-age=60,")
        assert client.get("/assets/base.html").status_code == 404


class TestWhatItSays:
    @pytest.mark.parametrize("word", ["cancelled", "postponed", "rescheduled"])
    def test_what_is_not_as_planned_stands_at_the_head(self, client, upstream, word):
        edit(upstream, eventStatus=word)
        for path in (HARBOR, f"{HARBOR}/embed", "/"):
            assert f'<p class="notice {word}">{word.capitalize()}: <bdi>' in client.get(path).text

    def test_how_old_it_may_be_is_told_stretched_where_the_budget_is_small(
        self, upstream, tmp_path, clock
    ):
        upstream.publish("later", f"{clock() + timedelta(days=90):%Y-%m-%d}")
        for rate, words in (
            (Rate(100, timedelta(minutes=1), 20), "1 hour"),
            (Rate(20, timedelta(days=1), 4), "3 hours"),
        ):
            settings = settings_for(upstream.url, tmp_path, rate=rate)
            client = create_app(settings, clock.timestamp).test_client()
            client.get("/events/later.ics")
            clock.advance(seconds=3)
            page = client.get("/events/later").text
            assert f"nothing here or in a feed is older than {words}." in page

    def test_an_upstream_that_cannot_be_reached_is_told_with_the_time_of_what_is_shown(
        self, client, upstream, clock
    ):
        assert "cannot be confirmed" not in client.get(HARBOR).text
        clock.advance(days=2)
        upstream.refuse(500, "INTERNAL")
        page = client.get(HARBOR).text
        assert "This cannot be confirmed at the moment." in page
        assert "nothing here or in a feed is older" not in page

    def test_what_is_cancelled_as_a_whole_says_so_in_tabs_and_previews(self, client):
        page = client.get("/events/river-city-10-miler").text
        assert "<title>Cancelled: River City 10 Miler</title>" in page
        assert '<meta property="og:title" content="Cancelled: River City 10 Miler">' in page
        assert '<meta property="og:description" content="Cancelled. ' in page

    def test_what_is_in_doubt_is_not_called_confirmed(self, client, upstream, clock):
        client.get(HARBOR)
        clock.advance(hours=2)
        upstream.delete("harbor-festival")
        page = client.get(HARBOR).text
        assert "This cannot be confirmed at the moment." in page
        assert "Confirmed by" not in page

    def test_a_zone_is_told_of_times_only(self, client):
        assert "America/Chicago" not in client.get("/events/virtual-miles-challenge/embed").text
        assert "Chicago time" not in client.get("/events/virtual-miles-challenge").text
        assert "America/Chicago time" in client.get(HARBOR).text

    def test_registration_turns_with_the_clock(self, client, upstream, clock):
        opens = clock() + timedelta(minutes=1)
        edit(upstream, registrationOpensAt=opens.isoformat())
        assert "Opens " in client.get(HARBOR).text
        clock.advance(minutes=1)
        page = client.get(HARBOR).text
        assert "Opens " not in page
        assert "Open<" in page.replace(" <", "<")

    def test_bytes_and_last_modified_move_together(self, client, upstream, clock):
        before = client.get(HARBOR)
        again = client.get(HARBOR)
        assert again.data == before.data
        clock.advance(hours=2)
        after = client.get(HARBOR)
        assert after.headers["ETag"] != before.headers["ETag"], "it tells when it was confirmed"
        assert after.headers["Last-Modified"] != before.headers["Last-Modified"]


class TestHome:
    @pytest.mark.parametrize(
        "asked",
        [
            "harbor-festival",
            "  harbor-festival  ",
            "https://intervals.run/events/harbor-festival",
            "https://intervals.run/events/harbor-festival?tab=runs#map",
            "https://feeds.example.org/events/harbor-festival.ics",
            "intervals.run/club/events/harbor-festival/",
        ],
    )
    def test_an_id_or_an_address_leads_to_the_page(self, client, asked):
        response = client.get("/", query_string={"event": asked})
        assert response.status_code == 303
        assert response.headers["Location"] == "events/harbor-festival"
        assert response.headers["Content-Length"] == "0"

    @pytest.mark.parametrize(
        "asked",
        [
            "",
            "   ",
            "a b",
            "intervals.run",
            "https://intervals.run",
            "https://",
            "?",
            "é",
            "<b>",
            "x" * 65,
        ],
    )
    def test_what_is_none_is_asked_for_again_with_what_was_typed(self, client, upstream, asked):
        response = client.get("/", query_string={"event": asked})
        assert response.status_code == 400
        assert "Paste the id of an event, or its address on Intervals." in response.text
        assert "<b>" not in response.text
        assert upstream.asked == []

    def test_it_is_well_while_the_database_is_away(self, upstream, tmp_path, clock):
        settings = settings_for(upstream.url, tmp_path)
        client = create_app(settings, clock.timestamp).test_client()
        client.get("/events/harbor-festival.ics")
        assert "Harbor Festival" in client.get("/").text
        (tmp_path / "feeds.sqlite3").rename(tmp_path / "elsewhere")
        assert "Harbor Festival" in client.get("/").text


class TestErrors:
    def test_the_widget_says_what_is_wrong_within_its_frame(self, client):
        response = client.get("/events/nobody/embed")
        assert response.status_code == 404
        assert policy(response)["frame-ancestors"] == "*"
        assert "There is no such event." in response.text

    def test_a_feed_says_it_in_a_line_of_text(self, client):
        assert client.get("/events/nobody.ics").text == "There is no such event.\n"

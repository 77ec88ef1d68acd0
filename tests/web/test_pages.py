"""Pages over HTTP: their texts, what machines read in them, their security headers."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask import template_rendered

from feeds.app import create_app
from feeds.formats import FORMATS
from tests.support.processes import settings_for

SITE = "https://feeds.example.org"
HARBOR = "/events/harbor-festival"
PAGES = ["/", HARBOR, f"{HARBOR}/embed", f"{HARBOR}/embed-kit", "/nothing"]
LINK = re.compile(r"(https?|webcal)://|(\.\./)+|#main$")
"""The links of pages: to sites, to calendars, within the service, and to the main part."""


def edit(upstream, number=0, **fields):
    document = upstream.document("harbor-festival")
    document["runs"][number] |= fields
    upstream.put("harbor-festival", document)


def parse_policy(response):
    """The directives of Content-Security-Policy."""
    directives = response.headers["Content-Security-Policy"].split("; ")
    return dict(each.split(" ", 1) for each in directives)


class Page(HTMLParser):
    """A page as a browser parses it: elements, attributes, text."""

    def __init__(self, response):
        super().__init__()
        self.elements, self.attributes, self.text, self.scripts = set(), [], "", set()
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.add(dict(attrs).get("type") or ("src" if dict(attrs).get("src") else ""))

    def handle_data(self, data):
        self.text += data

    @property
    def links(self):
        return [value for name, value in self.attributes if name == "href"]

    @property
    def handlers(self):
        return [name for name, _ in self.attributes if name.startswith("on")]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_only_files_of_the_service_and_runs_no_inline_script(client, path):
    policy = parse_policy(client.get(path))
    assert policy["default-src"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == "'self'"
    sources = {word for value in policy.values() for word in value.split()}
    hashes = {each for each in sources if each.startswith("'sha256-")}
    assert sources - hashes <= {"'none'", "'self'", "*"}


@pytest.mark.parametrize("path", PAGES)
def test_other_sites_may_frame_the_widget_and_no_other_page(client, path):
    policy = parse_policy(client.get(path))
    framed = [name for name, value in policy.items() if value == "*"]
    assert framed == (["frame-ancestors"] if path.endswith("/embed") else [])
    assert policy["frame-ancestors"] == ("*" if path.endswith("/embed") else "'none'")


def test_a_page_with_its_files_has_less_than_50_kilobytes(client):
    paths = (HARBOR, f"{HARBOR}/qr.svg", "/assets/style.css", "/assets/page.js")
    assert sum(len(client.get(path).data) for path in paths) < 50_000


def test_markup_in_a_name_or_a_description_is_shown_as_text(client):
    page, home = (Page(client.get(path)) for path in ("/events/run-for-all", "/"))
    for each in (page, home):
        assert "<i>&amp; more</i>" in each.text
        assert not {"i", "b", "em"} & each.elements
        assert each.scripts <= {"src", "application/ld+json"}
        assert not each.handlers
    assert "HTML: bold  link (https://example.com/?a=1&b=2) & <5K> 🏃 ]]>" in page.text
    assert "{not a token} {{neither}} ${nor} {% this %}" in page.text
    assert "https://example.com/?a=1&b=2" not in page.links


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", '" onclick="alert(1)', "//evil.test"]
)
def test_a_link_leads_to_a_site_or_within_the_service_only(client, upstream, address):
    upstream.publish(
        "harbor", "2026-06-20", websiteUrl=address, registrationUrl=address, name=address
    )
    page = Page(client.get("/events/harbor"))
    assert all(LINK.match(link) for link in page.links)
    assert not [link for link in page.links if "evil" in link and "name=" not in link]
    assert not page.handlers
    assert client.get("/events/harbor.ics").status_code == 200


def test_a_page_and_its_link_header_announce_each_format_and_oembed(client):
    response = client.get(HARBOR)
    alternates = {
        f"{SITE}{HARBOR}.{extension}": format_.media_type.partition(";")[0]
        for extension, format_ in FORMATS.items()
    }
    oembed = f"{SITE}/oembed?url=https%3A%2F%2Ffeeds.example.org%2Fevents%2Fharbor-festival"
    alternates[f"{oembed}&format=json"] = "application/json+oembed"
    links = re.findall(r'<([^>]+)>; rel="alternate"; type="([^"]+)"', response.headers["Link"])
    assert dict(links) == alternates
    in_page = re.findall(
        r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', response.text
    )
    assert {url.replace("&amp;", "&"): type_ for type_, url in in_page} == alternates
    assert f'<{SITE}{HARBOR}>; rel="canonical"' in response.headers["Link"]
    assert f'<link rel="canonical" href="{SITE}{HARBOR}">' in response.text


def test_the_qr_code_is_an_image_that_stays_the_same(client):
    first, second = (client.get(f"{HARBOR}/qr.svg") for _ in range(2))
    assert first.content_type == "image/svg+xml"
    assert first.data == second.data
    assert first.headers["ETag"] == second.headers["ETag"]
    assert client.get("/events/nobody/qr.svg").status_code == 404


@pytest.mark.parametrize("name", ["style.css", "page.js", "icon.svg"])
def test_an_asset_is_cached_for_a_year_under_the_url_that_pages_use(client, name):
    page = client.get(HARBOR).text
    url = re.search(rf'"\.\./(assets/{re.escape(name)}\?[0-9a-f]{{12}})"', page)
    assert url
    asset = client.get(f"/{url[1]}")
    assert asset.headers["Cache-Control"].startswith("max-age=31536000,")
    assert client.head(f"/{url[1]}").headers == asset.headers
    known = {"If-None-Match": asset.headers["ETag"]}
    assert client.get(f"/{url[1]}", headers=known).status_code == 304
    other = client.get(f"/assets/{name}?ffffffffffff")
    assert other.headers["Cache-Control"].startswith("max-age=60,")


@pytest.mark.parametrize("word", ["cancelled", "postponed", "rescheduled"])
def test_every_page_begins_with_a_notice_of_a_run_that_is_not_as_planned(client, upstream, word):
    edit(upstream, eventStatus=word)
    for path in (HARBOR, f"{HARBOR}/embed", "/"):
        assert f'<p class="notice {word}">{word.capitalize()}: <bdi>' in client.get(path).text


@pytest.mark.parametrize(
    "begin", [lambda up: up.refuse(500, "X"), lambda up: up.delete(HARBOR[8:])]
)
def test_a_page_says_that_it_cannot_be_confirmed_in_an_outage_and_after_a_first_404(
    client, upstream, clock, begin
):
    assert "cannot be confirmed" not in client.get(HARBOR).text
    clock.advance(hours=2)
    begin(upstream)
    page = client.get(HARBOR).text
    assert "This cannot be confirmed at the moment." in page
    assert "Confirmed by" not in page
    assert "nothing here or in a feed is older" not in page


def test_a_page_shows_registration_as_open_once_it_was_fetched_past_its_instant(
    client, upstream, clock
):
    opens = clock() + timedelta(minutes=1)
    edit(upstream, registrationOpensAt=opens.isoformat())
    assert "Opens " in client.get(HARBOR).text
    clock.advance(hours=1)
    page = client.get(HARBOR).text
    assert "Opens " not in page
    assert re.search(r"Open\s*<", page)


def test_the_home_page_lists_the_known_events_the_next_one_first(client, upstream, clock):
    assert "/events/<id>" in Page(client.get("/")).text
    days = {
        "over": "2026-03-01",
        "later": "2026-07-18",
        "soon": "2026-05-23",
        "bygone": "2025-05-23",
        "next": "2026-06-20",
        "today": "2026-05-20",
    }
    for event_id, day in days.items():
        upstream.publish(event_id, day)
        client.get(f"/events/{event_id}.ics")
        clock.advance(seconds=10)
    client.get("/events/unknown.ics")
    response = client.get("/")
    links = Page(response).links
    listed = [link[9:] for link in links if re.fullmatch(r"\./events/\w+", link)]
    assert listed == ["today", "soon", "next", "later", "over", "bygone"]
    assert {f"{SITE}/events/soon.{extension}" for extension in FORMATS} <= set(links)
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "max-age=60"


def test_the_home_page_lists_the_last_known_events_while_the_database_is_unavailable(
    upstream, tmp_path, clock
):
    settings = settings_for(upstream.url, tmp_path)
    client = create_app(settings, clock.timestamp).test_client()
    client.get("/events/harbor-festival.ics")
    assert "Harbor Festival" in client.get("/").text
    (tmp_path / "feeds.sqlite3").rename(tmp_path / "elsewhere")
    assert "Harbor Festival" in client.get("/").text


def count_renderings(client, targets):
    """How often a template was rendered while these targets were answered."""
    rendered = []

    def note(_sender, template, **_context):
        rendered.append(template.name)

    with template_rendered.connected_to(note, client.application):
        for target in targets:
            client.get(target)
    return len(rendered)


def test_the_home_page_is_rendered_once_until_what_it_shows_changes(client, upstream, clock):
    odd = ["/", "/?x=1", "/?x=2&y", "/?event=a%20b", "/?event=%3Cb%3E", "/"]
    client.get("/events/harbor-festival.ics")
    assert count_renderings(client, odd) == 2  # the page, and the page with a problem
    clock.advance(minutes=1)
    assert count_renderings(client, odd) == 0
    edit(upstream, eventStatus="cancelled")
    clock.advance(hours=2)
    client.get("/events/harbor-festival.ics")
    assert count_renderings(client, odd) == 2
    assert "Cancelled" in client.get("/").text
    upstream.publish("new", "2026-06-20")
    client.get("/events/new.ics")
    assert "./events/new" in Page(client.get("/?x=3")).links


def test_the_home_page_shows_what_was_asked_and_nobody_elses_text(client):
    pages = [client.get("/", query_string={"event": text}).text for text in ("a b", "<c>", "")]
    for text, page in zip(("a b", "&lt;c&gt;", ""), pages, strict=True):
        assert f'value="{text}"' in page
    assert "\x1a" not in "".join([*pages, client.get("/").text])


@pytest.mark.parametrize(
    "asked",
    [
        *("harbor-festival", "  harbor-festival  "),
        "https://intervals.run/events/harbor-festival",
        "https://intervals.run/events/harbor-festival?tab=runs#map",
        "https://feeds.example.org/events/harbor-festival.ics",
        "intervals.run/club/events/harbor-festival/",
    ],
)
def test_an_id_or_a_url_in_the_form_leads_to_the_page_of_the_event(client, asked):
    response = client.get("/", query_string={"event": asked})
    assert response.status_code == 303
    assert response.headers["Location"] == "events/harbor-festival"
    assert response.headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    "asked",
    [
        *("", "   ", "a b", "intervals.run", "https://intervals.run", "https://", "?"),
        "é",
        *("<b>", 65 * "x"),
    ],
)
def test_other_text_in_the_form_is_400_and_shown_again(client, upstream, asked):
    response = client.get("/", query_string={"event": asked})
    assert response.status_code == 400
    assert "Paste the id of an event, or its address on Intervals." in response.text
    assert "<b>" not in response.text
    assert upstream.asked == []

"""Pages over HTTP: their texts, what machines read in them, their security headers."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from flask import template_rendered

from feeds.formats import FORMATS

SITE = "https://feeds.example.org"
HARBOR = "/events/harbor-festival"
PAGES = ["/", HARBOR, f"{HARBOR}/embed", f"{HARBOR}/embed-kit", "/nothing"]
LINK = re.compile(r"(https?|webcal)://|(\.\./)+|#(main|subscribe|runs)$")
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


@pytest.mark.usefixtures("unlisted")
def test_markup_in_a_name_or_a_description_is_shown_as_text(client):
    page, home = (Page(client.get(path)) for path in ("/events/run-for-all", "/"))
    assert "form" in page.elements
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
    assert not [link for link in page.links if "evil" in (urlsplit(link).hostname or "")]
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


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("word", ["cancelled", "postponed", "rescheduled"])
def test_every_page_begins_with_a_notice_of_a_run_that_is_not_as_planned(client, upstream, word):
    edit(upstream, eventStatus=word)
    for path in (HARBOR, f"{HARBOR}/embed", "/"):
        notice = rf'<div class="notice {word}">\s*<p>{word.capitalize()}: <bdi>'
        assert re.search(notice, client.get(path).text)


@pytest.mark.parametrize(
    ("begin", "text"),
    [
        (lambda up: up.refuse(500, "X"), "We can’t reach Intervals right now."),
        (lambda up: up.delete(HARBOR[8:]), "This cannot be confirmed at the moment."),
    ],
)
def test_a_page_says_that_it_cannot_be_confirmed_in_an_outage_and_after_a_first_404(
    client, upstream, clock, begin, text
):
    assert text not in client.get(HARBOR).text
    assert "behind Intervals" in client.get(HARBOR).text
    clock.advance(hours=2)
    begin(upstream)
    page = client.get(HARBOR).text
    assert text in page
    assert "behind Intervals" not in page


def test_a_page_offers_registration_once_it_was_fetched_past_the_opening(client, upstream, clock):
    opens = clock() + timedelta(minutes=1)
    edit(upstream, registrationOpensAt=opens.isoformat())
    document = upstream.document("harbor-festival")
    note, link = "<bdi>registration opens ", f'href="{document["runs"][0]["registrationUrl"]}"'
    page = client.get(HARBOR).text
    assert (note in page, link in page) == (True, False)
    clock.advance(hours=1)
    page = client.get(HARBOR).text
    assert (note in page, link in page) == (False, True)


def test_a_run_without_a_time_is_the_last_one_to_choose(client):
    page = client.get("/events/orchard-loop-5k").text
    picker = page[page.index('id="choice"') :]
    assert picker.index("<bdi>5K<") < picker.index("<bdi>Cider Mile<")


def test_a_page_says_that_its_zone_is_a_guess_until_the_event_is_over(client):
    for sample, count in (("orchard-loop-5k", 1), ("e72tuv901wxy234", 0), ("harbor-festival", 0)):
        assert client.get(f"/events/{sample}").text.count(", is a guess: ") == count


def test_the_preview_of_a_shared_link_says_what_is_off_when_and_where_with_a_picture(
    client, upstream
):
    upstream.publish("gala", "2026-06-20", address={"city": "Milwaukee"}, name="Gala")
    document = upstream.document("gala")
    document["runs"][0]["eventStatus"] = "cancelled"
    upstream.put("gala", document)
    page = client.get("/events/gala").text
    found = dict(
        re.findall(r'<meta (?:property|name)="((?:og|twitter):\w+)" content="([^"]*)"', page)
    )
    assert found["og:title"] == "Cancelled: Gala"
    assert found["og:description"] == "Cancelled. Sat, Jun 20, 2026, Milwaukee"
    assert found["twitter:card"] == "summary_large_image"
    picture = client.get(found["og:image"].removeprefix(SITE))
    assert picture.content_type == "image/png"
    assert picture.data[16:24] == (1200).to_bytes(4) + (630).to_bytes(4)  # PNG 11.2.2
    assert len(picture.data) < 60_000


def test_the_page_of_a_past_event_says_so_and_offers_no_subscription(client):
    page = Page(client.get("/events/e72tuv901wxy234"))
    assert "This event is over." in page.text
    assert "Subscribe" not in page.text
    assert not [link for link in page.links if link.startswith(("webcal:", "https://calendar."))]
    assert f"{SITE}/events/e72tuv901wxy234.ics?download=1" in page.links


def test_a_page_shows_12_runs_and_has_the_others_behind_a_button(client):
    page = client.get("/events/county-cross-country-day").text
    shown, _, rest = page.partition("<summary>Show all 60</summary>")
    assert shown.count('<span class="time">') == 12
    assert rest.count('<span class="time">') == 48
    assert "<summary>Choose among 60 runs</summary>" in page


def test_a_page_has_an_anchor_for_each_run(client, upstream):
    page = client.get(HARBOR).text
    for run in upstream.document("harbor-festival")["runs"]:
        assert f'<li id="{run["_id"]}"' in page


def test_an_organizers_own_status_is_shown_as_words(client):
    assert "<bdi>Weather hold</bdi>" in client.get("/events/marsh-trail-run").text


def test_the_place_of_an_event_is_a_link_to_a_map(client, upstream):
    upstream.publish("a", "2026-06-20", address={"city": "Århus & C"})
    upstream.publish("b", "2026-06-20", address={"city": "Århus"}, lat=56.15, lng=10.2)
    upstream.publish("c", "2026-06-20")
    map_ = "https://www.google.com/maps/search/?api=1&query="
    for event, query in {"a": "%C3%85rhus%20%26%20C", "b": "56.15%2C10.2"}.items():
        assert f"{map_}{query}" in Page(client.get(f"/events/{event}")).links
    assert not [link for link in Page(client.get("/events/c")).links if "maps" in link]


def test_a_choice_is_in_the_links_and_the_canonical_link_is_that_of_the_whole_event(client):
    response = client.get(f"{HARBOR}?run=harbor-festival-10k&registration=1&busy=1")
    feed = f"webcal://feeds.example.org{HARBOR}.ics?busy=1&registration=1&run=harbor-festival-10k"
    assert feed in Page(response).links
    assert response.text.count(" checked>") == 3
    assert f'<link rel="canonical" href="{SITE}{HARBOR}">' in response.text
    assert f'<{SITE}{HARBOR}>; rel="canonical"' in response.headers["Link"]


def count_renderings(client, targets):
    """How often a template was rendered while these targets were answered."""
    rendered = []

    def note(_sender, template, **_context):
        rendered.append(template.name)

    with template_rendered.connected_to(note, client.application):
        for target in targets:
            client.get(target)
    return len(rendered)


@pytest.mark.usefixtures("unlisted")
def test_the_home_page_is_rendered_once_a_minute_until_what_it_shows_changes(
    client, upstream, clock
):
    odd = ["/", "/?x=1", "/?x=2&y", "/?event=a%20b", "/?event=%3Cb%3E", "/"]
    client.get("/events/harbor-festival.ics")
    assert count_renderings(client, odd) == 2  # the page, and the page with a problem
    clock.advance(seconds=59)
    assert count_renderings(client, odd) == 0
    clock.advance(seconds=1)
    assert count_renderings(client, odd) == 2
    edit(upstream, eventStatus="cancelled")
    clock.advance(hours=2)
    client.get("/events/harbor-festival.ics")
    assert count_renderings(client, odd) == 2
    assert "Cancelled" in client.get("/").text
    upstream.publish("new", "2026-06-20")
    client.get("/events/new.ics")
    assert "./events/new" in Page(client.get("/?x=3")).links


@pytest.mark.usefixtures("unlisted")
def test_the_home_page_shows_what_was_asked_and_nobody_elses_text(client):
    pages = [client.get("/", query_string={"event": text}).text for text in ("a b", "<c>", "")]
    for text, page in zip(("a b", "&lt;c&gt;", ""), pages, strict=True):
        assert f'value="{text}"' in page
    assert "\x1a" not in "".join([*pages, client.get("/").text])


@pytest.mark.parametrize(
    "query", ["?run=nobody", "?run=a%20b", "?run=", "?busy=2", "?run=" + 65 * "x"]
)
def test_a_choice_that_makes_no_sense_is_the_whole_event_and_a_line_that_says_so(client, query):
    response = client.get(f"{HARBOR}{query}")
    assert response.status_code == 200
    assert "What you asked for is not in this event, so you see the whole event." in response.text
    assert f"webcal://feeds.example.org{HARBOR}.ics" in Page(response).links


def test_an_option_of_a_choice_that_makes_no_sense_leaves_the_others_as_they_are(client):
    response = client.get(f"{HARBOR}?run=harbor-festival-10k&busy=2&registration=1&registration=1")
    assert "Part of what you asked for is not in this event." in response.text
    feed = f"webcal://feeds.example.org{HARBOR}.ics?registration=1&run=harbor-festival-10k"
    assert feed in Page(response).links
    response = client.get(f"{HARBOR}?busy=2&registration=1")
    assert "Part of what you asked for is not in this event. You see the rest." in response.text
    assert f"webcal://feeds.example.org{HARBOR}.ics?registration=1" in Page(response).links


def test_the_known_runs_of_a_choice_are_kept(client):
    response = client.get(f"{HARBOR}?run=harbor-festival-10k&run=nobody")
    assert "Part of what you asked for is not in this event." in response.text
    feed = f"webcal://feeds.example.org{HARBOR}.ics?run=harbor-festival-10k"
    assert feed in Page(response).links


def test_made_up_queries_make_no_further_representations(client, app):
    same = [
        ["", "?x=1", "?distance=10K&cancelled=drop&download=1", "?utm_source=mail"],
        ["?run=a", "?run=b&run=c", "?busy=7", "?run=" + 300 * "y"],
        [
            "?run=harbor-festival-10k&run=harbor-festival-5k",
            "?run=harbor-festival-5k&y=2&run=harbor-festival-10k&run=harbor-festival-5k",
        ],
    ]
    etags = [{client.get(HARBOR + query).headers["ETag"] for query in group} for group in same]
    assert [len(each) for each in etags] == [1, 1, 1]
    assert len(set.union(*etags)) == 3


@pytest.mark.parametrize(
    ("statuses", "counts", "tile"),
    [
        (["scheduled", "scheduled"], True, "hero"),
        (["cancelled", "scheduled"], True, "hero"),
        (["postponed", "postponed"], False, "hero off"),
        (["cancelled", "postponed"], False, "hero off"),
        (["cancelled", "cancelled"], False, "hero off"),
    ],
)
def test_a_page_counts_the_days_to_a_start_that_is_certain_only(
    client, upstream, statuses, counts, tile
):
    upstream.publish("gala", "2026-06-20", "2026-06-21")
    document = upstream.document("gala")
    for run, status in zip(document["runs"], statuses, strict=True):
        run["eventStatus"] = status
    upstream.put("gala", document)
    page = client.get("/events/gala").text
    assert ('<time class="countdown"' in page) is counts
    assert f'<header class="{tile}">' in page
    if statuses[0] == "cancelled" and counts:
        assert 'datetime="2026-06-21"' in page

"""Channels against RSS 2.0, the RSS Advisory Board's profile, and feedparser."""

import re
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from functools import cache
from html.parser import HTMLParser
from itertools import permutations
from typing import NamedTuple
from urllib.parse import urlsplit

import feedparser
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from feeds.domain.feed import Feed, compute_last_modified, select_entries
from feeds.formats import rss
from feeds.upstream import fields
from tests.support.factories import NOW, PAGE, a_feed, a_run, an_edition, an_event, timetable_of
from tests.support.samples import SAMPLE_IDS, event_of

NAMESPACES = {"atom": "http://www.w3.org/2005/Atom", "georss": "http://www.georss.org/georss"}
EIGHT = time(8)
HOSTILE = (
    "<script>alert('run')</script><img src=x onerror=alert(1)>"
    '<a href="javascript:alert(2)">go</a>'
    "<style>p{}</style><!-- --></p></a>]]>&lt;b&gt;&#60;i>&amp;<p onclick='x'>"
)


class Html(HTMLParser):
    """HTML as a browser reads it: elements, attributes, hrefs, paragraphs, all else."""

    def __init__(self, html):
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.paragraphs: list[str] = []
        self.declarations: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        match tag:
            case "p":
                self.paragraphs.append("")
            case "br":
                self.paragraphs[-1] += "\n"
            case "a":
                self.links.append(dict(attrs)["href"] or "")

    def handle_data(self, data):
        self.paragraphs[-1] += data

    def handle_comment(self, data):
        self.declarations.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def rendered(*events, **options):
    return rss.render(a_feed(*events, extension="rss", **options))


def channel_in(data):
    root = etree.fromstring(data)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    (channel,) = root
    assert channel.tag == "channel"
    return channel


def channel_of(*events, **options):
    return channel_in(rendered(*events, **options))


def items_of(*events, **options):
    """The items of a feed by guid without the host, in their order."""
    items = channel_of(*events, **options).findall("item")
    return {(item.findtext("guid") or "").removesuffix("@intervals.run"): item for item in items}


def the_item(run, **event):
    (item,) = items_of(an_event(run, **event)).values()
    return item


def html_of(item):
    return Html(item.findtext("description"))


class Sample(NamedTuple):
    """A feed of one sample event, or of all of them, and its bytes."""

    feed: Feed
    data: bytes


@cache
def samples():
    feeds = [a_feed(event_of(id_), extension="rss") for id_ in SAMPLE_IDS]
    feeds.append(a_feed(*map(event_of, SAMPLE_IDS), extension="rss"))
    return [Sample(feed, rss.render(feed)) for feed in feeds]


def items_of_samples():
    return [item for sample in samples() for item in channel_in(sample.data).findall("item")]


def feed_seen_on(*days):
    """A feed of one event for each day of June on which it was first seen; later ones are older."""
    editions = (
        an_edition(
            an_event(a_run(id=f"r{day}"), id=f"e{day}"),
            seen=datetime(2025, 6, day, 9, tzinfo=UTC),
            changed=datetime(2025, 7, 31 - day, 10, tzinfo=UTC),
        )
        for day in days
    )
    feed = a_feed(an_event(), extension="rss")
    return msgspec.structs.replace(feed, timetables=tuple(map(timetable_of, editions)))


# XML


def test_every_sample_is_well_formed_utf_8_with_no_forbidden_character():
    for _, data in samples():
        assert data.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<rss ")
        assert channel_in(data).findall("item")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", data.decode())


CHARACTERS = st.sampled_from("<>&;#x0123!-/'\"ab \n]") | st.characters(exclude_categories=["Cs"])


@given(st.text(CHARACTERS).map(fields.clean_text).filter(bool))
@example(HOSTILE)
@example("]]>")
@example("<![CDATA[")
@example("&#0;&#7;&#12;&#x85;&#xFFFE;&#xD800;")
@example("<?xml?>")
def test_any_text_of_the_upstream_arrives_as_it_was(text):
    name = fields.clean_line(text)
    event = an_event(
        a_run(distance_label=name, distance_standard=name, status=name, registration_override=name),
        name=name,
        location=name,
        description=text,
    )
    item = items_of(event)["r10k"]
    html = html_of(item)
    assert html.elements <= {"p", "br", "a"}
    assert html.attributes == {"href"}
    assert not html.declarations
    facts, _, *paragraphs = html.paragraphs
    assert facts.endswith(f"\n{name}")
    assert "\n\n".join(paragraphs).split() == text.split()
    assert item.find("category").text == name


# RSS 2.0


def test_a_channel_has_the_required_elements_and_no_element_twice():
    for _, data in samples():
        channel = channel_in(data)
        names = [child.tag for child in channel if child.tag != "item"]
        assert len(set(names)) == len(names)
        assert {"title", "link", "description"} <= set(names)
        assert channel.findtext("title")
        assert channel.findtext("description")


def test_a_channel_has_title_link_description_language_and_ttl():
    channel = channel_of(an_event(a_run(), name="Läufe & <b>mehr</b>"))
    assert channel.findtext("title") == "Läufe & mehr"
    assert channel.findtext("link") == PAGE
    assert channel.findtext("description").startswith("Läufe & mehr: ")
    assert channel.findtext("language") == "en"
    assert channel.findtext("ttl") == "60"


def test_the_build_date_is_last_modified():
    changed = datetime(2025, 6, 3, 17, 45, 30, tzinfo=UTC)
    feed = a_feed(an_event(a_run()), extension="rss")
    edition = an_edition(an_event(a_run()), seen=NOW, changed=changed)
    feed = msgspec.structs.replace(feed, timetables=(timetable_of(edition),))
    assert compute_last_modified(feed) == changed
    built = channel_in(rss.render(feed)).findtext("lastBuildDate")
    assert built == "Tue, 03 Jun 2025 17:45:30 +0000"


def test_the_newest_items_come_first():
    items = channel_in(rss.render(feed_seen_on(3, 9, 1, 5))).findall("item")
    guids = [item.findtext("guid") for item in items]
    assert guids == [f"r{day}@intervals.run" for day in (9, 5, 3, 1)]


# The RSS Advisory Board's profile


def test_a_channel_links_to_itself():
    source = f"{PAGE}.rss?distance=10K&run=a"
    feed = msgspec.structs.replace(a_feed(an_event(a_run()), extension="rss"), source=source)
    (link,) = channel_in(rss.render(feed)).findall("atom:link", NAMESPACES)
    assert link.attrib == {"href": source, "rel": "self", "type": "application/rss+xml"}


def test_guids_are_unique_contain_all_uids_and_are_no_links():
    for feed, data in samples():
        guids = [item.find("guid") for item in channel_in(data).findall("item")]
        assert {guid.get("isPermaLink") for guid in guids} == {"false"}
        texts = [guid.text for guid in guids]
        assert len(set(texts)) == len(texts)
        assert {entry.uid for entry in select_entries(feed)} <= set(texts)


def test_every_item_has_the_recommended_elements_once():
    for item in items_of_samples():
        names = [child.tag for child in item if child.tag != "category"]
        assert len(set(names)) == len(names)
        assert {"title", "link", "description", "guid", "pubDate"} <= set(names)
        assert item.findtext("title")
        assert item.findtext("link") == PAGE


def test_dates_are_rfc_822_with_a_year_of_four_digits_and_not_after_last_modified():
    # Without a date of ours, feedgen would write the present.
    pattern = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000"
    for feed, data in samples():
        dates = re.findall(r"<(?:pubDate|lastBuildDate)>(.*?)<", data.decode())
        for when in dates:
            assert re.fullmatch(pattern, when)
            assert f"{parsedate_to_datetime(when):%a, %d %b %Y %H:%M:%S %z}" == when
        assert max(map(parsedate_to_datetime, dates)) <= compute_last_modified(feed)


def test_the_only_dates_in_the_bytes_are_first_seen_and_last_modified():
    data = rss.render(feed_seen_on(3)).decode()
    assert "<pubDate>Tue, 03 Jun 2025 09:00:00 +0000</pubDate>" in data
    assert set(re.findall(r"\d\d:\d\d:\d\d", data)) == {"09:00:00", "10:00:00"}
    assert set(re.findall(r"(?<!/)\b20\d\d\b", data)) == {"2025"}


# Items


def test_the_title_of_an_item_is_plain_text():
    item = the_item(a_run(distance_label="<em>fast</em> 10 &amp; 5"), name="Caf&eacute; 5 < 6")
    assert item.findtext("title") == "Café 5 < 6: fast 10 & 5, Sat 14 Jun 2025"


def test_the_descriptions_of_all_samples_have_paragraphs_breaks_and_web_links_alone():
    for item in items_of_samples():
        html = html_of(item)
        assert html.elements <= {"p", "br", "a"}
        assert html.attributes == {"href"}
        assert not html.declarations
        assert {urlsplit(href).scheme for href in html.links} <= {"http", "https"}


def test_a_description_has_facts_with_the_place_then_links_then_the_events_paragraphs():
    item = the_item(
        a_run(start_time=EIGHT, registration_url="https://club.example/join?a=1&b='2'"),
        location="Veterans Park",
        website_url="https://club.example/'onclick='x'&quot;&gt;",
        description="One\ntwo.\n\nThree.\n \n\nFour.",
    )
    facts, links, *paragraphs = html_of(item).paragraphs
    assert facts.split("\n")[0].startswith("Start: Sat 14 Jun 2025, 08:00 local time")
    assert facts.split("\n")[-1] == "Veterans Park"
    assert links == "Register · Website · Event page"
    assert html_of(item).attributes == {"href"}
    assert html_of(item).links == [
        "https://club.example/join?a=1&b='2'",
        "https://club.example/'onclick='x'&quot;&gt;",
        PAGE,
    ]
    assert paragraphs == ["One\ntwo.", "Three.", "Four."]


@pytest.mark.parametrize(
    ("point", "written"),
    [
        ((43.0466, -87.8871), "43.046600 -87.887100"),
        ((-36.8485, 174.7633), "-36.848500 174.763300"),
        ((51.4778, 0.00001), "51.477800 0.000010"),
        ((51.4778, -0.0000001), "51.477800 0.000000"),
    ],
)
def test_a_georss_point_is_latitude_and_longitude(point, written):
    item = the_item(a_run(), point=point)
    assert item.findtext("georss:point", namespaces=NAMESPACES) == written


def test_a_virtual_run_and_an_unknown_place_have_no_georss_point():
    virtual = the_item(a_run(virtual=True), point=(43.0466, -87.8871), location="Veterans Park")
    assert virtual.find("georss:point", NAMESPACES) is None
    assert "Veterans Park" not in html_of(virtual).paragraphs[0]
    assert the_item(a_run(), location="At the pier").find("georss:point", NAMESPACES) is None


def test_several_events_are_one_channel():
    one, other = an_event(a_run(id="a"), id="e1"), an_event(id="e2", name="Bay Run")
    assert set(items_of(one, other)) == {"a", "e2"}


def test_a_filter_keeps_items_as_they_are():
    standards = {"a": "5K", "b": "10K", "c": "10K"}
    event = an_event(*(a_run(id=id_, distance_standard=each) for id_, each in standards.items()))
    unfiltered = items_of(event)
    for options, kept in (
        ({"run": ("a", "c")}, {"a", "c"}),
        ({"distance": ("10K",)}, {"b", "c"}),
        ({"run": ("a", "b"), "distance": ("10K",)}, {"b"}),
    ):
        filtered = items_of(event, **options)
        assert set(filtered) == kept
        for id_, item in filtered.items():
            assert etree.tostring(item).strip() == etree.tostring(unfiltered[id_]).strip()


def test_options_of_calendars_change_no_byte_of_a_channel():
    opens = datetime(2025, 5, 1, tzinfo=UTC)
    event = an_event(a_run(registration_opens=opens), a_run(id="r5k", status="cancelled"))
    plain = rendered(event)
    assert rendered(event, cancelled="drop", busy=True, registration=True) == plain


def test_the_order_of_runs_and_events_changes_no_byte_of_a_channel():
    runs = [
        a_run(id="b", start_time=EIGHT),
        a_run(id="a", start_time=EIGHT, virtual=True),
        a_run(id="c", start_time=time(7), status="cancelled"),
    ]
    assert len({rendered(an_event(*some, end_time=time(12))) for some in permutations(runs)}) == 1
    assert len({rss.render(feed_seen_on(*days)) for days in permutations((3, 5, 9))}) == 1


# feedparser


def test_feedparser_reads_every_sample_without_complaint():
    for _, data in samples():
        found = feedparser.parse(data)
        assert not found.bozo
        assert (found.version, found.feed.link) == ("rss20", PAGE)
        items = channel_in(data).findall("item")
        assert [(each.id, each.title, each.published) for each in found.entries] == [
            tuple(item.findtext(name) for name in ("guid", "title", "pubDate")) for item in items
        ]
        assert {each.link for each in found.entries} == {PAGE}
        assert not any(each.guidislink for each in found.entries)


def test_feedparser_reads_the_georss_point():
    (entry,) = feedparser.parse(rendered(an_event(a_run(), point=(43.5, -87.25)))).entries
    assert entry.where == {"type": "Point", "coordinates": (-87.25, 43.5)}

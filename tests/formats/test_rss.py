"""Channels against RSS 2.0, the RSS Board's profile and what readers make of them."""

import re
from datetime import UTC, date, datetime, time
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

from feeds.domain.feed import MAX_RUNS, Feed, compute_last_modified, select_entries
from feeds.formats import rss
from feeds.upstream import fields as values
from tests.formats.test_golden import EVERY, event_of
from tests.support.factories import NOW, PAGE, a_feed, a_run, an_edition, an_event, timetable_of

NAMESPACES = {"atom": "http://www.w3.org/2005/Atom", "georss": "http://www.georss.org/georss"}
EIGHT = time(8)

# What a page would run, open or load if one place forgot to escape it.
HOSTILE = (
    "<script>alert('run')</script><img src=x onerror=alert(1)>"
    '<a href="javascript:alert(2)">go</a>'
    "<style>p{}</style><!-- --></p></a>]]>&lt;b&gt;&#60;i>&amp;<p onclick='x'>"
)
JOIN = "https://club.example/join?a=1&b='2'"


class Prose(HTMLParser):
    """What a browser makes of HTML: elements, attributes, links with their labels, paragraphs."""

    def __init__(self, html):
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[tuple[str, str]] = []
        self.paragraphs: list[str] = []
        self.oddities: list[str] = []
        self._in_link = False
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
                self._in_link = True
                self.links.append((dict(attrs)["href"] or "", ""))

    def handle_data(self, data):
        self.paragraphs[-1] += data
        if self._in_link:
            href, label = self.links[-1]
            self.links[-1] = (href, label + data)

    def handle_endtag(self, tag):
        self._in_link = self._in_link and tag != "a"

    def handle_comment(self, data):
        self.oddities.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def rendered(*events, **how):
    return rss.render(a_feed(*events, extension="rss", **how))


def channel_of(*events, **how):
    return channel_in(rendered(*events, **how))


def channel_in(data):
    root = etree.fromstring(data)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    (channel,) = root
    assert channel.tag == "channel"
    return channel


def items_of(*events, **how):
    """The items of a feed by the part of their guid before the host, in their order."""
    items = channel_of(*events, **how).findall("item")
    return {(item.findtext("guid") or "").removesuffix("@intervals.run"): item for item in items}


def the_item(run, *, options=None, **event):
    (item,) = items_of(an_event(run, **event), **options or {}).values()
    return item


def prose_of(item):
    return Prose(item.findtext("description"))


def told(item):
    """All that the description says, as a reader shows it."""
    return "\n\n".join(prose_of(item).paragraphs)


class Sample(NamedTuple):
    """A feed of one sample event, or of all of them, and its bytes."""

    feed: Feed
    data: bytes


@cache
def samples():
    feeds = [a_feed(event_of(id_), extension="rss") for id_ in EVERY]
    feeds.append(a_feed(*map(event_of, EVERY), extension="rss"))
    return [Sample(feed, rss.render(feed)) for feed in feeds]


def items_of_samples():
    return [item for sample in samples() for item in channel_in(sample.data).findall("item")]


def seen_on(*days):
    """A feed of one event for each of these days of June: what was seen last has changed first."""
    feed = a_feed(an_event(), extension="rss")
    editions = tuple(
        an_edition(
            an_event(a_run(id=f"r{day}"), id=f"e{day}"),
            seen=datetime(2025, 6, day, 9, tzinfo=UTC),
            changed=datetime(2025, 7, 31 - day, 10, tzinfo=UTC),
        )
        for day in days
    )
    return msgspec.structs.replace(feed, timetables=tuple(map(timetable_of, editions)))


class TestXml:
    def test_every_sample_is_well_formed_and_in_utf_8(self):
        for _, data in samples():
            assert data.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<rss ")
            assert channel_in(data).findall("item")

    def test_there_is_no_character_that_xml_does_not_have(self):
        for _, data in samples():
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", data.decode())

    @pytest.mark.parametrize(
        "text",
        ["]]>", "<![CDATA[", "&nbsp;", "&#0;&#7;&#12;&#x85;&#xFFFE;&#xD800;", "<?xml?>", "<"],
    )
    def test_no_text_breaks_it(self, text):
        event = an_event(
            a_run(distance_label=text, distance_standard=text, status=text),
            a_run(id="other"),
            name=text,
            location=text,
            description=text,
        )
        item = items_of(event)["r10k"]
        assert text in told(item)
        assert item.find("category").text == text

    @given(
        st.text(
            st.sampled_from("<>&;#x0123!-/'\"ab \n]") | st.characters(exclude_categories=["Cs"])
        )
        .map(values.clean_text)
        .filter(bool)
    )
    @example(HOSTILE)
    def test_any_text_arrives_as_it_was(self, text):
        name = values.clean_line(text)
        event = an_event(
            a_run(distance_label=name, status=name, registration_override=name),
            name=name,
            location=name,
            description=text,
        )
        prose = prose_of(items_of(event)["r10k"])
        assert prose.elements <= {"p", "br", "a"}
        assert prose.attributes == {"href"}
        assert not prose.oddities
        facts, _, *paragraphs = prose.paragraphs
        assert facts.endswith(f"\n{name}")
        assert "\n\n".join(paragraphs).split() == text.split()


class TestRSS20Channel:
    def test_what_is_required_is_there_and_nothing_twice(self):
        for _, data in samples():
            channel = channel_in(data)
            names = [child.tag for child in channel if child.tag != "item"]
            assert len(set(names)) == len(names)
            assert {"title", "link", "description"} <= set(names)
            assert channel.findtext("title")
            assert channel.findtext("description")

    def test_the_link_is_the_page(self):
        assert channel_of(an_event(a_run())).findtext("link") == PAGE

    def test_the_title_is_the_name_and_the_description_holds_it(self):
        channel = channel_of(an_event(a_run(), name="Läufe & mehr"))
        assert channel.findtext("title") == "Läufe & mehr"
        assert channel.findtext("description").startswith("Läufe & mehr: ")

    def test_it_is_in_english_and_kept_for_an_hour(self):
        channel = channel_of(an_event(a_run()))
        assert channel.findtext("language") == "en"
        assert channel.findtext("ttl") == "60"

    def test_it_was_built_when_the_feed_last_changed(self):
        changed = datetime(2025, 6, 3, 17, 45, 30, tzinfo=UTC)
        feed = a_feed(an_event(a_run()), extension="rss")
        edition = an_edition(an_event(a_run()), seen=NOW, changed=changed)
        feed = msgspec.structs.replace(feed, timetables=(timetable_of(edition),))
        assert compute_last_modified(feed) == changed
        built = channel_in(rss.render(feed)).findtext("lastBuildDate")
        assert built == "Tue, 03 Jun 2025 17:45:30 +0000"

    def test_newest_come_first(self):
        items = channel_in(rss.render(seen_on(3, 9, 1, 5))).findall("item")
        assert [item.findtext("guid") for item in items] == [
            f"r{day}@intervals.run" for day in (9, 5, 3, 1)
        ]

    def test_what_is_equally_new_is_in_the_order_of_time(self):
        runs = [a_run(id="late", start_time=time(9)), a_run(id="early", start_time=EIGHT)]
        assert list(items_of(an_event(*runs))) == ["early", "late"]

    def test_at_most_a_thousand_runs_are_shown(self):
        runs = [a_run(id=f"r{n}", start_time=time(n // 60, n % 60)) for n in range(MAX_RUNS + 1)]
        assert set(items_of(an_event(*runs))) == {run.id for run in runs[1:]}


class TestRSSBoardProfile:
    def test_the_feed_links_to_itself(self):
        source = f"{PAGE}.rss?distance=10K&run=a"
        feed = msgspec.structs.replace(a_feed(an_event(a_run()), extension="rss"), source=source)
        (link,) = channel_in(rss.render(feed)).findall("atom:link", NAMESPACES)
        assert link.attrib == {"href": source, "rel": "self", "type": "application/rss+xml"}

    def test_a_guid_is_the_uid_and_no_address(self):
        for feed, data in samples():
            guids = [item.find("guid") for item in channel_in(data).findall("item")]
            assert {guid.get("isPermaLink") for guid in guids} == {"false"}
            texts = [guid.text for guid in guids]
            assert len(set(texts)) == len(texts)
            assert {entry.uid for entry in select_entries(feed)} <= set(texts)

    def test_every_item_has_one_of_each(self):
        for item in items_of_samples():
            names = [child.tag for child in item if child.tag != "category"]
            assert len(set(names)) == len(names)
            assert {"title", "link", "description", "guid", "pubDate"} <= set(names)
            assert item.findtext("title")

    def test_every_date_is_one_of_rfc_822_with_four_digits_of_a_year(self):
        for _, data in samples():
            dates = re.findall(r"<(?:pubDate|lastBuildDate)>(.*?)<", data.decode())
            for when in dates:
                pattern = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000"
                assert re.fullmatch(pattern, when)
                assert f"{parsedate_to_datetime(when):%a, %d %b %Y %H:%M:%S %z}" == when

    def test_an_item_was_published_when_its_run_was_first_seen(self):
        items = channel_in(rss.render(seen_on(3))).findall("item")
        assert [item.findtext("pubDate") for item in items] == ["Tue, 03 Jun 2025 09:00:00 +0000"]

    def test_no_date_is_later_than_the_revisions(self):
        # Neither the clock's, which feedgen takes where it is given none, nor that of the race.
        for feed, data in samples():
            dates = re.findall(r"<(?:pubDate|lastBuildDate)>(.*?)<", data.decode())
            assert max(map(parsedate_to_datetime, dates)) <= compute_last_modified(feed)

    def test_no_other_date_is_in_the_bytes(self):
        data = rss.render(seen_on(3)).decode()
        assert set(re.findall(r"\d\d:\d\d:\d\d", data)) == {"09:00:00", "10:00:00"}
        assert set(re.findall(r"(?<!/)\b20\d\d\b", data)) == {"2025"}


class TestTitles:
    def test_a_title_tells_the_run_and_when_it_starts(self):
        item = the_item(a_run(start_time=EIGHT))
        assert item.findtext("title") == "Harbor Run: 10K, Sat 14 Jun 2025, 08:00"

    def test_without_a_start_time_it_tells_the_day(self):
        assert the_item(a_run()).findtext("title") == "Harbor Run: 10K, Sat 14 Jun 2025"

    def test_of_several_days_it_tells_the_first_and_the_last(self):
        item = the_item(a_run(virtual=True), end_date=date(2025, 6, 20))
        assert item.findtext("title") == "Harbor Run: 10K, Sat 14 Jun 2025 to Fri 20 Jun 2025"

    @pytest.mark.parametrize(
        ("status", "prefix"),
        [
            ("scheduled", ""),
            ("cancelled", "Cancelled: "),
            ("postponed", "Postponed: "),
            ("rescheduled", "Rescheduled: "),
            ("delayed", ""),
        ],
    )
    def test_a_title_begins_with_the_status(self, status, prefix):
        item = the_item(a_run(status=status))
        assert item.findtext("title") == f"{prefix}Harbor Run: 10K, Sat 14 Jun 2025"

    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("Harbor <b>Run</b>", "Harbor Run"),
            ("Harbor &amp; Bay", "Harbor & Bay"),
            ("Harbor & Bay", "Harbor & Bay"),
            ("Caf&eacute; &#33; Run", "Café ! Run"),
            ("<script>alert(1)</script>Run", "alert(1)Run"),
            ("&lt;i&gt;Run&lt;/i&gt;", "Run"),
            ("Run <!-- not this --> on", "Run on"),
            ("5 < 6 > 4", "5 < 6 > 4"),
            ("Läufe <3", "Läufe <3"),
        ],
    )
    def test_titles_are_plain_text(self, name, title):
        channel = channel_of(an_event(a_run(), name=name))
        assert channel.findtext("title") == title
        assert channel.findtext("item/title") == f"{title}: 10K, Sat 14 Jun 2025"

    def test_so_are_labels(self):
        item = the_item(a_run(distance_label="<em>fast</em> 10 &amp; 5"))
        assert item.findtext("title") == "Harbor Run: fast 10 & 5, Sat 14 Jun 2025"


class TestDescriptions:
    def test_every_sample_is_made_of_paragraphs_breaks_and_links(self):
        for item in items_of_samples():
            prose = prose_of(item)
            assert prose.elements <= {"p", "br", "a"}
            assert prose.attributes == {"href"}
            assert not prose.oddities
            assert {urlsplit(href).scheme for href, _ in prose.links} <= {"http", "https"}

    @pytest.mark.parametrize("part", ["name", "location", "description"])
    def test_what_the_event_says_stays_text(self, part):
        item = the_item(a_run(), **{part: HOSTILE})
        assert prose_of(item).elements == {"p", "br", "a"}
        assert [label for _, label in prose_of(item).links] == ["Event page"]
        assert (HOSTILE in told(item)) == (part != "name")

    @pytest.mark.parametrize("part", ["distance_label", "status", "registration_override"])
    def test_what_the_run_says_stays_text(self, part):
        item = the_item(a_run(**{part: HOSTILE}))
        assert prose_of(item).elements == {"p", "br", "a"}
        assert [label for _, label in prose_of(item).links] == ["Event page"]
        assert (HOSTILE in told(item)) == (part != "distance_label")

    def test_an_address_cannot_leave_its_attribute(self):
        url = "https://club.example/'onclick='x'&quot;&gt;?a=1&amp=2"
        item = the_item(a_run(), website_url=url, registration_url=url)
        assert prose_of(item).attributes == {"href"}
        assert prose_of(item).links[:2] == [(url, "Register"), (url, "Website")]

    def test_it_tells_when_and_where(self):
        item = the_item(a_run(start_time=EIGHT), location="Veterans Park, Milwaukee")
        facts = prose_of(item).paragraphs[0].split("\n")
        assert facts[0] == "Start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)"
        assert facts[-1] == "Veterans Park, Milwaukee"

    def test_paragraphs_and_lines_of_the_event_are_kept(self):
        item = the_item(a_run(), description="One\ntwo.\n\nThree.\n \n\nFour.")
        assert prose_of(item).paragraphs[2:] == ["One\ntwo.", "Three.", "Four."]

    def test_an_event_without_a_text_has_facts_and_links(self):
        assert len(prose_of(the_item(a_run())).paragraphs) == 2


class TestLinks:
    def test_an_item_links_to_the_page(self):
        item = the_item(a_run(), website_url="https://club.example/")
        assert item.findtext("link") == PAGE

    def test_the_description_links_to_the_registration_of_the_run_first(self):
        item = the_item(
            a_run(registration_url=JOIN),
            registration_url="https://club.example/all",
            website_url="https://club.example/",
        )
        assert prose_of(item).links == [
            (JOIN, "Register"),
            ("https://club.example/", "Website"),
            (PAGE, "Event page"),
        ]

    def test_without_one_of_its_own_it_is_that_of_the_event(self):
        item = the_item(a_run(), registration_url=JOIN)
        assert prose_of(item).links == [(JOIN, "Register"), (PAGE, "Event page")]

    def test_nobody_is_sent_to_register_for_a_cancelled_run(self):
        item = the_item(a_run(status="cancelled", registration_url=JOIN), registration_url=JOIN)
        assert prose_of(item).links == [(PAGE, "Event page")]


class TestCategories:
    def test_they_are_the_distance_and_the_type(self):
        item = the_item(a_run(distance_standard="Half Marathon"), type="runClub")
        assert [each.text for each in item.findall("category")] == ["Half Marathon", "Run club"]

    def test_a_type_that_is_not_known_is_an_event(self):
        item = the_item(a_run(), type="gala")
        assert [each.text for each in item.findall("category")] == ["10K", "Event"]


class TestGeoRSS:
    @pytest.mark.parametrize(
        ("point", "written"),
        [
            ((43.0466, -87.8871), "43.046600 -87.887100"),
            ((-36.8485, 174.7633), "-36.848500 174.763300"),
            ((51.4778, 0.00001), "51.477800 0.000010"),
            ((51.4778, -0.0000001), "51.477800 0.000000"),
            ((0.0, 18.5), "0.000000 18.500000"),
        ],
    )
    def test_a_point_is_latitude_and_longitude(self, point, written):
        item = the_item(a_run(), point=point)
        assert item.findtext("georss:point", namespaces=NAMESPACES) == written

    def test_a_virtual_run_is_nowhere(self):
        item = the_item(a_run(virtual=True), point=(43.0466, -87.8871), location="Veterans Park")
        assert item.find("georss:point", NAMESPACES) is None
        assert "Veterans Park" not in told(item)

    def test_an_unknown_place_has_no_point(self):
        item = the_item(a_run(), location="At the pier")
        assert item.find("georss:point", NAMESPACES) is None


class TestItems:
    def test_an_event_without_runs_is_one_item(self):
        items = items_of(an_event(start_time=EIGHT))
        assert list(items) == ["harbor"]
        assert items["harbor"].findtext("title") == "Harbor Run, Sat 14 Jun 2025, 08:00"
        assert [each.text for each in items["harbor"].findall("category")] == ["Race"]

    def test_several_events_are_one_channel(self):
        one, other = an_event(a_run(id="a"), id="e1"), an_event(id="e2", name="Bay Run")
        assert set(items_of(one, other)) == {"a", "e2"}

    def test_filters_keep_some_runs_as_they_are(self):
        runs = [
            a_run(id="a", distance_standard="5K"),
            a_run(id="b", distance_standard="10K"),
            a_run(id="c", distance_standard="10K"),
        ]
        event = an_event(*runs)
        unfiltered = {id_: etree.tostring(item) for id_, item in items_of(event).items()}
        for options, kept in (
            ({"run": ("a", "c")}, {"a", "c"}),
            ({"distance": ("10K",)}, {"b", "c"}),
            ({"distance": ("5K", "10K")}, {"a", "b", "c"}),
            ({"run": ("a", "b"), "distance": ("10K",)}, {"b"}),
        ):
            filtered = items_of(event, **options)
            assert set(filtered) == kept
            for id_, item in filtered.items():
                assert etree.tostring(item).strip() == unfiltered[id_].strip()

    def test_options_of_calendars_make_no_difference(self):
        event = an_event(
            a_run(registration_opens=datetime(2025, 5, 1, tzinfo=UTC)),
            a_run(id="r5k", status="cancelled"),
        )
        plain = rendered(event)
        assert rendered(event, cancelled="drop", busy=True, registration=True) == plain


class TestReaders:
    def test_feedparser_reads_every_sample_without_complaint(self):
        for _, data in samples():
            found = feedparser.parse(data)
            assert not found.bozo
            assert (found.version, found.feed.link) == ("rss20", PAGE)
            items = channel_in(data).findall("item")
            assert [(each.id, each.title, each.published) for each in found.entries] == [
                tuple(item.findtext(name) for name in ("guid", "title", "pubDate"))
                for item in items
            ]
            assert {each.link for each in found.entries} == {PAGE}
            assert not any(each.guidislink for each in found.entries)

    def test_feedparser_finds_the_point(self):
        (entry,) = feedparser.parse(rendered(an_event(a_run(), point=(43.5, -87.25)))).entries
        assert entry.where == {"type": "Point", "coordinates": (-87.25, 43.5)}


class TestTheSameBytes:
    def test_the_order_of_the_runs_does_not_matter(self):
        runs = [
            a_run(id="b", start_time=EIGHT),
            a_run(id="a", start_time=EIGHT, virtual=True),
            a_run(id="c", start_time=time(7), status="cancelled"),
            a_run(id="d", distance_meters=5000),
        ]
        ordered = [an_event(*some, end_time=time(12)) for some in permutations(runs)]
        assert len({rendered(event) for event in ordered}) == 1

    def test_the_order_of_the_events_does_not_matter(self):
        assert len({rss.render(seen_on(*days)) for days in permutations((3, 5, 9))}) == 1

"""Channels against RSS 2.0, the RSS Advisory Board's profile, and feedparser."""

import re
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from functools import cache
from html.parser import HTMLParser
from itertools import permutations

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from feeds.formats import rss
from feeds.text.cleaning import clean_line, clean_text
from tests.support.factories import NOW, a_feed, a_run, an_edition, an_event, timetable_of
from tests.support.samples import event_of
from tests.support.upstream import SAMPLE_IDS

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


@cache
def samples():
    """The channels of the sample events, one by one and in one feed."""
    events = [event_of(id_) for id_ in SAMPLE_IDS]
    return [rendered(event) for event in events] + [rendered(*events)]


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
    for data in samples():
        assert data.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<rss ")
        assert channel_in(data).findall("item")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", data.decode())


CHARACTERS = st.sampled_from("<>&;#x0123!-/'\"ab \n]") | st.characters(exclude_categories=["Cs"])


@given(st.text(CHARACTERS).map(clean_text).filter(clean_line))
@example(HOSTILE)
@example("]]>")
@example("<![CDATA[")
@example("&#0;&#7;&#12;&#x85;&#xFFFE;&#xD800;")
@example("<?xml?>")
def test_any_text_of_the_upstream_arrives_as_it_was(text):
    name = clean_line(text)
    event = an_event(
        a_run(distance_label=name, distance_standard=name, status=name, registration_override=name),
        name=name,
        location=name,
        description=text,
    )
    (item,) = channel_in(rendered(event)).findall("item")
    html = Html(item.findtext("description"))
    assert html.elements <= {"p", "br", "a"}
    assert html.attributes == {"href"}
    assert not html.declarations
    facts, _, *paragraphs = html.paragraphs
    assert facts.endswith(f"\n{name}")
    assert "\n\n".join(paragraphs).split() == text.split()
    assert item.find("category").text == name


def test_dates_are_rfc_822_with_a_year_of_four_digits_and_none_is_the_present():
    # Without a date of ours, feedgen would write the present.
    pattern = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000"
    for data in samples():
        dates = re.findall(r"<(?:pubDate|lastBuildDate)>(.*?)<", data.decode())
        for when in dates:
            assert re.fullmatch(pattern, when)
            assert f"{parsedate_to_datetime(when):%a, %d %b %Y %H:%M:%S %z}" == when
        assert {parsedate_to_datetime(when) for when in dates} == {NOW}


def test_a_georss_point_has_six_decimals_and_no_negative_zero():
    data = rendered(an_event(a_run(), point=(51.4778, -1e-7)))
    assert b"<georss:point>51.477800 0.000000</georss:point>" in data


def test_the_order_of_runs_and_events_changes_no_byte_of_a_channel():
    runs = [
        a_run(id="b", start_time=EIGHT),
        a_run(id="a", start_time=EIGHT, virtual=True),
        a_run(id="c", start_time=time(7), status="cancelled"),
    ]
    assert len({rendered(an_event(*some, end_time=time(12))) for some in permutations(runs)}) == 1
    assert len({rss.render(feed_seen_on(*days)) for days in permutations((3, 5, 9))}) == 1

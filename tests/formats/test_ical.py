"""Calendars against RFC 5545 and RFC 7986, by section, as three parsers read them."""

import itertools
import re
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import permutations
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream
from icalendar import Calendar

from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import Edition
from feeds.formats import ical
from feeds.service.revisions import revise
from feeds.text.cleaning import clean_line, clean_text
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    PUBLIC_URL,
    a_feed,
    a_run,
    an_event,
)
from tests.support.samples import event_of
from tests.support.upstream import SAMPLE_IDS

MILWAUKEE = (43.0466, -87.8871)
NEW_YORK = (40.7722, -73.9711)
HELSINKI = (60.1757, 24.9346)
OSLO = (59.9139, 10.7522)
MEXICO_CITY = (19.4326, -99.1332)  # without summer time since the end of 2022

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keep": {"cancelled": "keep", "busy": True},
    "drop": {"cancelled": "drop"},
    "registration": {"registration": True},
}

HOSTILE = "back\\slash \\n \\N \\; \\, semi;colon, comma: \"quoted\" 'single' ^caret ^n ^^ ^' \\"
EIGHT = time(8)
OPENS = datetime(2025, 3, 1, 14, tzinfo=UTC)
CLOSES = datetime(2025, 6, 13, 3, 59, 59, tzinfo=UTC)


def typographic(text):
    """The text with typographic quotes in pairs; a quote without a partner is a closing one."""
    quotes = itertools.cycle("“”")
    pairs = text.count('"') // 2
    if pairs:
        text = re.sub('"', lambda _: next(quotes), text, count=2 * pairs)
    return text.replace('"', "”")


class Line(NamedTuple):
    """A content line: ``parameters`` without quotes and carets (RFC 6868), ``value`` as written."""

    name: str
    parameters: dict[str, str]
    value: str


class Component(NamedTuple):
    """The lines and components between a BEGIN and its END."""

    name: str
    lines: list[Line]
    components: list["Component"]

    def all(self, name):
        return [component for component in self.components if component.name == name]

    def count(self, name):
        return sum(line.name == name for line in self.lines)

    def line(self, name):
        (line,) = (line for line in self.lines if line.name == name)
        return line

    def value(self, name):
        return self.line(name).value

    def text(self, name):
        """A TEXT without its escapes (RFC 5545 3.3.11)."""
        unescaped = {"n": "\n", "N": "\n"}
        return re.sub(r"\\(.)", lambda found: unescaped.get(found[1], found[1]), self.value(name))


# RFC 5545 3.1: no part of a line may contain a CONTROL character, which a tab is not.
CONTROL = "\x00-\x08\x0a-\x1f\x7f"
PARAMETER = rf';([A-Z0-9-]+)=("[^"{CONTROL}]*"|[^";:,{CONTROL}]*)'
CONTENT_LINE = re.compile(rf"([A-Z0-9-]+)((?:{PARAMETER})*):([^{CONTROL}]*)")


def read_line(content):
    found = CONTENT_LINE.fullmatch(content)
    assert found, content
    carets = {"^n": "\n", "^'": '"', "^^": "^"}
    parameters = {
        name: re.sub(r"\^[n'^]", lambda caret: carets[caret[0]], value.strip('"'))
        for name, value in re.findall(PARAMETER, found[2])
    }
    return Line(found[1], parameters, found[5])


def content_lines(data):
    """The lines of a calendar, unfolded (RFC 5545 3.1)."""
    lines = data.decode().replace("\r\n ", "").split("\r\n")
    assert lines.pop() == ""
    return lines


def read(data):
    """The one calendar in these bytes, by the grammar of RFC 5545 alone."""
    stack = [Component("", [], [])]
    for line in map(read_line, content_lines(data)):
        if line.name == "BEGIN":
            stack.append(Component(line.value, [], []))
        elif line.name == "END":
            component = stack.pop()
            assert component.name == line.value
            stack[-1].components.append(component)
        else:
            stack[-1].lines.append(line)
    (outermost,) = stack
    (calendar,) = outermost.components
    assert calendar.name == "VCALENDAR"
    return calendar


def rendered(*events, **how):
    return ical.render(a_feed(*events, **how))


def calendar_of(*events, **how):
    return read(rendered(*events, **how))


def vevents(*events, **how):
    """The VEVENTs of a feed by UID without the host."""
    found = calendar_of(*events, **how).all("VEVENT")
    return {event.value("UID").removesuffix("@intervals.run"): event for event in found}


def the_vevent(run, *, options=None, **event):
    (found,) = vevents(an_event(run, **event), **options or {}).values()
    return found


def blocks(data):
    """The VEVENTs as bytes, by UID without the host."""
    found = re.findall(rb"^BEGIN:VEVENT\r\n.*?^END:VEVENT\r\n", data, re.DOTALL | re.MULTILINE)
    return {
        uid.decode(): block
        for block in found
        for uid in re.findall(rb"^UID:(.*)@intervals.run\r$", block, re.MULTILINE)
    }


class Sample(NamedTuple):
    """A feed of one sample event, or of all of them, its bytes, and its calendar."""

    feed: Feed
    data: bytes
    calendar: Component


@cache
def samples(options):
    """The samples, one by one and in one feed, with one set of the options."""
    feeds = [a_feed(event_of(id_), **OPTIONS[options]) for id_ in SAMPLE_IDS]
    feeds.append(a_feed(*map(event_of, SAMPLE_IDS), **OPTIONS[options]))
    return [Sample(feed, data := ical.render(feed), read(data)) for feed in feeds]


def vevents_of_samples(options):
    return [event for sample in samples(options) for event in sample.calendar.all("VEVENT")]


with_any_options = pytest.mark.parametrize("options", OPTIONS)


def in_utc(when):
    """A day as it is, a time in UTC."""
    if not isinstance(when, datetime):
        return when
    assert when.tzinfo is not None
    return when.astimezone(UTC)


def by_icalendar(data):
    """Start and end by UID, days or instants in UTC, as icalendar reads them."""
    return {
        str(event["UID"]): (in_utc(event.decoded("DTSTART")), in_utc(event.decoded("DTEND")))
        for event in Calendar.from_ical(data).walk("VEVENT")
    }


def by_home_assistant(data):
    """Start and end by UID as Home Assistant reads them."""
    events = IcsCalendarStream.calendar_from_ics(data.decode()).events
    return {event.uid: (in_utc(event.dtstart), in_utc(event.dtend)) for event in events}


def by_schedule(feed):
    """Start and end by UID in the schedule."""
    return {
        entry.uid: (in_utc(entry.period.start), in_utc(entry.period.end))
        for entry in select_entries(feed)
        if not (entry.run.status == "cancelled" and feed.options.cancelled == "drop")
    }


# RFC 5545 3.1: content lines


@with_any_options
def test_lines_end_in_crlf_have_at_most_75_octets_and_no_control_character(options):
    for _, data, _ in samples(options):
        assert data.endswith(b"\r\n")
        assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
        assert b"\r\n\r\n" not in data
        text = data.replace(b"\r\n", b"").decode()
        # U+2028 and U+2029 are ends of lines to some.
        assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", text)
    assert max(len(line) for _, data, _ in samples(options) for line in data.split(b"\r\n")) == 75


@pytest.mark.parametrize("character", ["x", "é", "跑", "🏃", "👩‍👩‍👧‍👦", "Z͑ͫ", "\\"])
def test_a_line_is_folded_between_characters(character):
    for before in range(5):  # a character has one to four octets: each meets the limit
        text = "a" * before + character * 200
        data = rendered(an_event(a_run(), name=text, description=text, location=text))
        lines = data.split(b"\r\n")
        assert max(map(len, lines)) in range(71, 76)
        for line in lines:
            line.decode()
        (event,) = read(data).all("VEVENT")
        assert event.text("SUMMARY") == f"{text} – 10K"
        assert event.text("LOCATION") == text


# RFC 5545 3.2: parameters, 3.3.11: texts, 3.3.13: URIs


def test_a_parameter_is_quoted_a_category_is_escaped_and_a_uri_is_written_as_it_is():
    data = rendered(an_event(a_run(), location="a;b:c,d", point=MILWAUKEE))
    (line,) = (each for each in content_lines(data) if each.startswith("X-APPLE"))
    assert ';X-TITLE="a;b:c,d":geo:' in line
    event = the_vevent(a_run(distance_standard="6h, day; night\\"))
    assert event.value("CATEGORIES") == "6h\\, day\\; night\\\\,Race"
    url = "https://club.example/a,b;c?d=1,2;3"
    assert the_vevent(a_run(), website_url=url).value("URL") == url
    assert the_vevent(a_run(virtual=True), website_url=url).value("CONFERENCE") == url


# RFC 5545 3.6.1: VEVENT


@with_any_options
def test_a_vevent_has_the_required_properties_none_twice_and_no_alarm(options):
    for event in vevents_of_samples(options):
        counted = Counter(line.name for line in event.lines)
        assert set(counted.values()) == {1}
        assert {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"} <= set(counted)
        assert {"STATUS", "TRANSP", "DESCRIPTION", "URL"} <= set(counted)
        assert event.components == []


@with_any_options
def test_start_and_end_have_one_type_and_the_end_is_later(options):
    for event in vevents_of_samples(options):
        start, end = event.line("DTSTART"), event.line("DTEND")
        assert start.parameters == end.parameters
        assert start.value < end.value
        assert start.value.endswith("Z") == end.value.endswith("Z")


# RFC 5545 3.6.5: VTIMEZONE


@with_any_options
def test_every_tzid_is_defined_once_before_the_vevents_of_the_same_calendar(options):
    for sample in samples(options):
        names = [component.name for component in sample.calendar.components]
        assert names == sorted(names, key=["VTIMEZONE", "VEVENT"].index)
        defined = [zone.value("TZID") for zone in sample.calendar.all("VTIMEZONE")]
        assert len(set(defined)) == len(defined)
        for event in sample.calendar.all("VEVENT"):
            for name in ("DTSTART", "DTEND"):
                assert event.line(name).parameters.get("TZID", defined[0]) in defined


def test_the_home_zone_is_first_and_the_others_follow_by_name():
    places = [OSLO, NEW_YORK, HELSINKI]
    events = [an_event(a_run(id=f"r{n}"), id=f"e{n}", point=places[n]) for n in range(3)]
    zones = calendar_of(*events, home="Europe/Oslo").all("VTIMEZONE")
    names = ["Europe/Oslo", "America/New_York", "Europe/Helsinki"]
    assert [zone.value("TZID") for zone in zones] == names


# Properties of a calendar


def test_x_wr_timezone_is_the_zone_of_all_runs_or_else_home():
    at_home, away = an_event(a_run()), an_event(a_run(id="away"), id="away", point=HELSINKI)
    assert calendar_of(away).value("X-WR-TIMEZONE") == "Europe/Helsinki"
    assert calendar_of(at_home, away).value("X-WR-TIMEZONE") == HOME


# RFC 5545 3.8.1.6: GEO


@pytest.mark.parametrize(
    ("point", "geo"),
    [
        ((0.0, 18.5), "0;18.5"),
        ((51.4778, 0.00001), "51.4778;0.00001"),
        ((51.4778, -0.0000001), "51.4778;0"),
        ((40.123456789, 9.87654321), "40.123457;9.876543"),
    ],
)
def test_coordinates_are_decimals_without_an_exponent(point, geo):
    event = the_vevent(a_run(), point=point, location="Somewhere")
    assert event.value("GEO") == geo
    assert event.line("X-APPLE-STRUCTURED-LOCATION") == Line(
        "X-APPLE-STRUCTURED-LOCATION",
        {"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": "Somewhere"},
        "geo:" + geo.replace(";", ","),  # RFC 5870 3.3
    )


@given(st.tuples(st.floats(-90, 90), st.floats(-180, 180)))
def test_geo_has_any_point_to_six_decimals(point):
    event = the_vevent(a_run(), point=point)
    floats = re.fullmatch(r"(-?\d+(?:\.\d+)?);(-?\d+(?:\.\d+)?)", event.value("GEO"))
    assert floats
    assert tuple(map(float, floats.groups())) == pytest.approx(point, abs=1e-6)


# Registration


def test_each_vevent_of_registration_has_a_revision_of_its_own():
    run = a_run(registration_opens=OPENS, registration_closes=CLOSES, start_time=EIGHT)
    moved = msgspec.structs.replace(run, registration_opens=OPENS + timedelta(days=7))
    known: Any = None
    stamps: dict[str, list[tuple[str, int]]] = {}
    for hours, each in enumerate((run, moved, msgspec.structs.replace(moved, start_time=time(9)))):
        now = NOW + timedelta(hours=hours)
        revisions = known.edition.revisions if known else {}
        edition = Edition(event=an_event(each), fetched=now, revisions=revisions)
        known = revise(known, edition, now, HOME, PUBLIC_URL, locale="en_US")
        feed = msgspec.structs.replace(a_feed(an_event(), registration=True), timetables=(known,))
        for vevent in read(ical.render(feed)).all("VEVENT"):
            stamp = vevent.value("LAST-MODIFIED")[9:11], int(vevent.value("SEQUENCE"))
            stamps.setdefault(vevent.value("UID").partition("@")[0], []).append(stamp)
    first = stamps["r10k"][0][1]
    # Each of the three VEVENTs gives the whole window and the start in its description.
    assert stamps == {
        "r10k": [("12", first), ("13", first), ("14", first + 7200)],
        "r10k/opens": [("12", first), ("13", first + 3600), ("14", first + 3600)],
        "r10k/closes": [("12", first), ("13", first), ("14", first)],
    }


@pytest.mark.parametrize("minutes", range(-30, 180, 30))
def test_a_vevent_of_registration_lasts_half_an_hour_while_clocks_go_back(minutes):
    at = datetime(2025, 11, 2, 5, 45, tzinfo=UTC) + timedelta(minutes=minutes)
    data = rendered(an_event(a_run(registration_closes=at)), registration=True)
    expected = (at, at + timedelta(minutes=30))
    for found in (by_icalendar(data), by_home_assistant(data)):
        assert found["r10k/closes@intervals.run"] == expected
    start, end = (read(data).all("VEVENT")[1].value(name) for name in ("DTSTART", "DTEND"))
    assert start < end


# Filters


def test_a_filter_keeps_times_in_utc_if_another_run_needs_utc():
    event = an_event(
        a_run(id="early", date=date(2022, 6, 18), start_time=EIGHT),
        a_run(id="later", date=date(2023, 6, 17), start_time=EIGHT),
        point=MEXICO_CITY,
    )
    unfiltered = blocks(rendered(event))
    assert b"DTSTART:20230617T140000Z" in unfiltered["later"]
    assert blocks(rendered(event, run=("later",))) == {"later": unfiltered["later"]}


# Parsers


@with_any_options
def test_both_parsers_read_the_times_of_the_schedule(options):
    for feed, data, _ in samples(options):
        found = by_icalendar(data)
        assert {id_: when for id_, when in found.items() if "/" not in id_} == by_schedule(feed)
        assert by_home_assistant(data) == found


@with_any_options
def test_clients_that_know_no_zone_names_read_the_same_times(options):
    for _, data, _ in samples(options):
        renamed = re.sub(rb"^(TZID:|DT\w+;TZID=)", rb"\1/here/", data, flags=re.MULTILINE)
        assert by_icalendar(renamed) == by_icalendar(data)


@pytest.mark.parametrize("home", ["Asia/Jerusalem", "Africa/Casablanca", "Europe/Dublin"])
@pytest.mark.parametrize("id_", ["zero-point-relay", "e72tuv901wxy234"])
def test_both_parsers_read_the_times_of_the_schedule_in_any_home_zone(id_, home):
    feed = a_feed(event_of(id_), home=home)
    data = ical.render(feed)
    assert by_icalendar(data) == by_home_assistant(data) == by_schedule(feed)


def clean(tidy):
    """Texts as the decoder gives them: clean, and not empty."""
    special = st.sampled_from("\\;,:\"'^nN\n\t ")
    texts = st.text(special | st.characters(exclude_categories=["Cs"]), max_size=200)
    return texts.map(tidy).filter(bool)


@given(
    name=clean(clean_line),
    label=clean(clean_line),
    place=clean(clean_line),
)
@example(name=HOSTILE, label=HOSTILE, place=HOSTILE)
def test_any_name_label_and_place_arrive_as_they_were(name, label, place):
    runs = [a_run(distance_label=label), a_run(id="other", date=date(2025, 6, 15))]
    data = rendered(an_event(*runs, name=name, location=place, point=MILWAUKEE))
    loose = Calendar.from_ical(data)
    summary = loose.walk("VEVENT")[0]["SUMMARY"]
    assert summary == f"{name} – {label}" or (
        summary == name and name.lower().endswith(label.lower())
    )
    assert loose.walk("VEVENT")[0]["LOCATION"] == typographic(place)
    strict = IcsCalendarStream.calendar_from_ics(data.decode())
    assert strict.name == [name]
    assert strict.events[0].summary == summary
    assert strict.events[0].location == typographic(place)
    grammar = read(data)
    assert grammar.text("NAME") == grammar.text("X-WR-CALNAME") == name
    title = grammar.all("VEVENT")[0].line("X-APPLE-STRUCTURED-LOCATION")
    assert title.parameters["X-TITLE"] == strict.events[0].location


@given(text=clean(clean_text))
@example(text=f"{HOSTILE}\n\n{HOSTILE}")
def test_any_description_arrives_as_it_was_in_lines_of_75_octets(text):
    data = rendered(an_event(a_run(), description=text))
    (loose,) = Calendar.from_ical(data).walk("VEVENT")
    (strict,) = IcsCalendarStream.calendar_from_ics(data.decode()).events
    assert str(loose["DESCRIPTION"]).endswith(f"\n\n{text}\n\nEvent page: {PAGE}")
    assert strict.description == str(loose["DESCRIPTION"])
    assert max(map(len, data.split(b"\r\n"))) <= 75


def test_the_order_of_runs_and_events_changes_no_byte():
    runs = [
        a_run(id="b", start_time=EIGHT),
        a_run(id="a", start_time=EIGHT, virtual=True),
        a_run(id="c", start_time=time(7), status="cancelled"),
        a_run(id="d", distance_meters=5000, registration_opens=OPENS),
    ]
    ordered = [an_event(*some, point=HELSINKI, end_time=time(12)) for some in permutations(runs)]
    assert len({rendered(event, registration=True) for event in ordered}) == 1
    events = [
        an_event(a_run(id=f"r{n}", start_time=EIGHT), id=f"e{n}", point=point)
        for n, point in enumerate([OSLO, NEW_YORK, HELSINKI])
    ]
    assert len({rendered(*some) for some in permutations(events)}) == 1

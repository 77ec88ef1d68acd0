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

from feeds.domain.feed import MAX_RUNS, Feed, select_entries
from feeds.formats import ical
from feeds.upstream import fields
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_feed,
    a_run,
    an_edition,
    an_event,
    timetable_of,
)
from tests.support.samples import SAMPLE_IDS, event_of

MILWAUKEE = (43.0466, -87.8871)
NEW_YORK = (40.7722, -73.9711)
HELSINKI = (60.1757, 24.9346)
OSLO = (59.9139, 10.7522)
MARRAKECH = (31.6222, -8.0036)  # had another offset in Ramadan until 2026
JERUSALEM = (31.7812, 35.2069)  # its summer time begins on a Friday that no RRULE gives
MEXICO_CITY = (19.4326, -99.1332)  # without summer time since the end of 2022

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keep": {"cancelled": "keep", "busy": True},
    "drop": {"cancelled": "drop"},
    "registration": {"registration": True},
}

HOSTILE = "back\\slash \\n \\N \\; \\, semi;colon, comma: \"quoted\" 'single' ^caret ^n ^^ ^' \\"
EIGHT = time(8)


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


def zones_of(*events, **how):
    return [zone.value("TZID") for zone in calendar_of(*events, **how).all("VTIMEZONE")]


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
    """Start and end by id, days or instants in UTC, as icalendar reads them."""
    return {
        str(event["UID"]).removesuffix("@intervals.run"): (
            in_utc(event.decoded("DTSTART")),
            in_utc(event.decoded("DTEND")),
        )
        for event in Calendar.from_ical(data).walk("VEVENT")
    }


def by_home_assistant(data):
    """Start and end by id as Home Assistant reads them."""
    return {
        (event.uid or "").removesuffix("@intervals.run"): (
            in_utc(event.dtstart),
            in_utc(event.dtend),
        )
        for event in IcsCalendarStream.calendar_from_ics(data.decode()).events
    }


def by_schedule(feed):
    """Start and end by id in the schedule."""
    return {
        entry.run.id: (in_utc(entry.period.start), in_utc(entry.period.end))
        for entry in select_entries(feed)
        if not (entry.run.status == "cancelled" and feed.options.cancelled == "drop")
    }


class TestRFC5545Section31ContentLines:
    @with_any_options
    def test_every_line_ends_in_crlf_and_none_is_empty(self, options):
        for _, data, _ in samples(options):
            assert data.endswith(b"\r\n")
            assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
            assert b"\r\n\r\n" not in data

    @with_any_options
    def test_no_line_is_longer_than_75_octets(self, options):
        lines = [line for _, data, _ in samples(options) for line in data.split(b"\r\n")]
        assert max(map(len, lines)) == 75

    @pytest.mark.parametrize(
        "character", ["x", "é", "跑", "ج", "🏃", "👩‍👩‍👧‍👦", "Z͑ͫ", "\\", ";", "^"]
    )
    def test_a_line_is_folded_between_characters(self, character):
        for before in range(5):  # a character has one to four octets: each meets the limit
            text = "a" * before + character * 200
            data = rendered(an_event(a_run(), name=text, description=text, location=text))
            lines = data.split(b"\r\n")
            assert max(map(len, lines)) in range(71, 76)
            for line in lines:
                line.decode()
            (event,) = read(data).all("VEVENT")
            assert event.text("SUMMARY") == f"{text}: 10K"
            assert event.text("DESCRIPTION").endswith(f"\n\n{text}")
            assert event.text("LOCATION") == text

    @with_any_options
    def test_every_line_is_a_name_parameters_and_a_value(self, options):
        for _, data, _ in samples(options):
            for line in content_lines(data):
                assert CONTENT_LINE.fullmatch(line), line

    @with_any_options
    def test_there_is_no_control_character_but_the_tab(self, options):
        for _, data, _ in samples(options):
            text = data.replace(b"\r\n", b"").decode()
            assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f]", text)
            assert not re.search("[\u2028\u2029\ufffe\uffff]", text)  # ends of lines to some


class TestRFC5545Section32Parameters:
    @pytest.mark.parametrize(
        "location", [HOSTILE, 'The "Old" Pier', "a;b:c,d", "N\\A", "^n", "Zürich; Süd", "x" * 99]
    )
    def test_quotes_are_typographic_in_location_and_in_apples_title_alike(self, location):
        event = the_vevent(a_run(), location=location, point=MILWAUKEE)
        place = event.line("X-APPLE-STRUCTURED-LOCATION")
        assert place.parameters["X-TITLE"] == event.text("LOCATION")
        assert event.text("LOCATION") == typographic(location)

    def test_the_value_of_a_parameter_with_colon_semicolon_or_comma_is_quoted(self):
        data = rendered(an_event(a_run(), location="a;b:c,d", point=MILWAUKEE))
        (line,) = (each for each in content_lines(data) if each.startswith("X-APPLE"))
        assert ';X-TITLE="a;b:c,d":geo:' in line


class TestRFC5545Section3311Text:
    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("back\\slash", "back\\\\slash"),
            ("semi;colon", "semi\\;colon"),
            ("com,ma", "com\\,ma"),
            ("two\nlines", "two\\nlines"),
            ("not a \\n break", "not a \\\\n break"),
            ("nor \\N one", "nor \\\\N one"),
            ("escaped \\; \\,", "escaped \\\\\\; \\\\\\,"),
            ('colon: "quotes" ^carets^n', 'colon: "quotes" ^carets^n'),
            ("a\ttab", "a\ttab"),
        ],
    )
    def test_every_text_is_escaped(self, text, written):
        runs = [a_run(id="a", distance_label=text), a_run(id="b")]
        calendar = calendar_of(an_event(*runs, name=text, location=text, description=text))
        event = calendar.all("VEVENT")[0]
        assert event.value("SUMMARY") == f"{written}: {written}"
        assert event.value("DESCRIPTION").endswith(f"\\n\\n{written}")
        assert event.value("LOCATION") == typographic(written)
        assert calendar.value("NAME") == written
        assert calendar.value("X-WR-CALNAME") == written
        assert calendar.value("X-WR-CALDESC") == f"{written}: {PAGE}"

    def test_a_comma_in_a_category_is_escaped(self):
        event = the_vevent(a_run(distance_standard="6h, day; night\\"))
        assert event.value("CATEGORIES") == "6h\\, day\\; night\\\\,Race"

    def test_a_text_cannot_open_or_close_a_component(self):
        text = "END:VEVENT\nBEGIN:VALARM\nACTION:AUDIO\nEND:VALARM\nBEGIN:VEVENT"
        event = the_vevent(a_run(), description=text, name=text)
        assert event.components == []
        assert event.text("DESCRIPTION").endswith(text)

    def test_uris_are_not_escaped(self):
        url = "https://club.example/a,b;c?d=1,2;3"
        assert the_vevent(a_run(), website_url=url).value("URL") == url
        assert the_vevent(a_run(virtual=True), website_url=url).value("CONFERENCE") == url


class TestRFC5545Section335DateTime:
    @with_any_options
    def test_no_time_is_floating(self, options):
        lines = [line for event in vevents_of_samples(options) for line in event.lines]
        times = [line for line in lines if re.fullmatch(r"\d{8}T\d{6}Z?", line.value)]
        assert times
        for line in times:
            assert line.value.endswith("Z") != ("TZID" in line.parameters), line

    def test_an_event_without_a_known_place_is_in_the_home_zone(self):
        line = the_vevent(a_run(start_time=EIGHT)).line("DTSTART")
        assert line == Line("DTSTART", {"TZID": HOME}, "20250614T080000")

    def test_an_event_at_a_place_is_in_the_zone_there(self):
        line = the_vevent(a_run(start_time=EIGHT), point=HELSINKI).line("DTSTART")
        assert line == Line("DTSTART", {"TZID": "Europe/Helsinki"}, "20250614T080000")

    def test_a_time_that_does_not_exist_is_written_as_the_one_after_it(self):
        run = a_run(date=date(2025, 3, 9), start_time=time(2, 30))
        assert the_vevent(run).value("DTSTART") == "20250309T033000"

    def test_a_repeated_time_is_written_as_its_first_pass(self):
        run = a_run(date=date(2025, 11, 2), start_time=time(1, 30))
        event = the_vevent(run)
        assert event.line("DTSTART") == Line("DTSTART", {"TZID": HOME}, "20251102T013000")
        (start, _) = by_home_assistant(rendered(an_event(run)))["r10k"]
        assert start == datetime(2025, 11, 2, 6, 30, tzinfo=UTC)


class TestRFC5545Section36Components:
    @pytest.mark.parametrize("home", [HOME, "Asia/Jerusalem"])
    @with_any_options
    @pytest.mark.parametrize(
        "event",
        [
            an_event(),
            an_event(a_run(status="cancelled")),
            an_event(a_run(status="cancelled"), point=JERUSALEM),
            an_event(a_run(status="cancelled"), a_run(id="v", virtual=True, status="cancelled")),
        ],
        ids=["no runs", "cancelled", "cancelled elsewhere", "all cancelled"],
    )
    def test_every_calendar_has_a_component(self, event, options, home):
        assert calendar_of(event, home=home, **OPTIONS[options]).components

    def test_a_calendar_without_its_cancelled_runs_has_a_vtimezone_alone(self):
        event = an_event(a_run(status="cancelled"), a_run(id="r5k", status="cancelled"))
        calendar = calendar_of(event, cancelled="drop", registration=True)
        assert [component.name for component in calendar.components] == ["VTIMEZONE"]

    def test_a_calendar_without_vevents_and_writable_zones_has_utc_as_its_component(self):
        event = an_event(a_run(status="cancelled"))
        data = rendered(event, cancelled="drop", home="Asia/Jerusalem")
        assert [zone.value("TZID") for zone in read(data).all("VTIMEZONE")] == ["UTC"]
        assert by_home_assistant(data) == {}
        assert by_icalendar(data) == {}

    def test_several_events_are_one_calendar_in_the_order_of_their_starts(self):
        late = an_event(a_run(id="late", date=date(2025, 7, 1)), id="a")
        early = an_event(a_run(id="early", date=date(2025, 5, 1)), id="b")
        assert list(vevents(late, early)) == ["early", "late"]

    def test_a_calendar_shows_at_most_the_last_thousand_runs_and_logs_it(self, caplog):
        runs = [a_run(id=f"r{n}", start_time=time(n // 60, n % 60)) for n in range(MAX_RUNS + 1)]
        data = rendered(an_event(*runs))
        assert MAX_RUNS == 1000
        assert set(blocks(data)) == {run.id for run in runs[1:]}
        assert [record.getMessage() for record in caplog.records] == [
            f"{PAGE}.ics: 1001 runs, the last 1000 are shown"
        ]


class TestRFC5545Section361Event:
    @with_any_options
    def test_a_vevent_has_the_required_properties_and_none_twice(self, options):
        for event in vevents_of_samples(options):
            counted = Counter(line.name for line in event.lines)
            assert set(counted.values()) == {1}
            assert {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"} <= set(counted)
            assert {"STATUS", "TRANSP", "DESCRIPTION", "URL"} <= set(counted)

    @with_any_options
    def test_the_uids_of_a_calendar_are_unique(self, options):
        for sample in samples(options):
            uids = [event.value("UID") for event in sample.calendar.all("VEVENT")]
            assert len(set(uids)) == len(uids)

    @with_any_options
    def test_no_vevent_has_an_alarm(self, options):
        assert not any(event.components for event in vevents_of_samples(options))

    def test_the_end_of_a_day_is_the_next_day(self):
        event = the_vevent(a_run())
        assert event.line("DTSTART") == Line("DTSTART", {"VALUE": "DATE"}, "20250614")
        assert event.line("DTEND") == Line("DTEND", {"VALUE": "DATE"}, "20250615")

    def test_the_end_of_several_days_is_the_day_after_the_last(self):
        run = a_run(virtual=True, date=date(2025, 12, 1))
        event = the_vevent(run, date=date(2025, 12, 1), end_date=date(2025, 12, 31))
        assert event.line("DTSTART") == Line("DTSTART", {"VALUE": "DATE"}, "20251201")
        assert event.line("DTEND") == Line("DTEND", {"VALUE": "DATE"}, "20260101")

    @with_any_options
    def test_start_and_end_have_one_type_and_the_end_is_later(self, options):
        for event in vevents_of_samples(options):
            start, end = event.line("DTSTART"), event.line("DTEND")
            assert start.parameters == end.parameters
            assert start.value < end.value
            assert start.value.endswith("Z") == end.value.endswith("Z")


class TestRFC5545Section365TimeZone:
    @with_any_options
    def test_every_tzid_is_defined_once_in_the_same_calendar(self, options):
        for sample in samples(options):
            defined = [zone.value("TZID") for zone in sample.calendar.all("VTIMEZONE")]
            assert len(set(defined)) == len(defined)
            for event in sample.calendar.all("VEVENT"):
                for name in ("DTSTART", "DTEND"):
                    parameters = event.line(name).parameters
                    assert "TZID" not in parameters or parameters["TZID"] in defined

    @with_any_options
    def test_vtimezones_come_before_vevents(self, options):
        for sample in samples(options):
            names = [component.name for component in sample.calendar.components]
            assert names == sorted(names, key=["VTIMEZONE", "VEVENT"].index)

    def test_the_home_zone_is_first_and_the_others_follow_by_name(self):
        places = [OSLO, NEW_YORK, HELSINKI, None]
        events = [an_event(a_run(id=f"r{n}"), id=f"e{n}", point=places[n]) for n in range(4)]
        expected = ["America/Chicago", "America/New_York", "Europe/Helsinki", "Europe/Oslo"]
        assert zones_of(*events) == expected
        expected = ["Europe/Oslo", "America/New_York", "Europe/Helsinki"]
        assert zones_of(*events[:3], home="Europe/Oslo") == expected

    @pytest.mark.parametrize("run", [a_run(start_time=EIGHT), a_run(), a_run(virtual=True)])
    def test_the_home_zone_is_written_also_if_no_run_is_in_it(self, run):
        assert HOME in zones_of(an_event(run, point=HELSINKI))

    @pytest.mark.parametrize(
        ("point", "day", "start"),
        [
            (JERUSALEM, date(2025, 6, 14), "20250614T050000Z"),
            (JERUSALEM, date(2025, 12, 13), "20251213T060000Z"),
            (MARRAKECH, date(2025, 3, 15), "20250315T080000Z"),  # in Ramadan
            (MARRAKECH, date(2025, 6, 14), "20250614T070000Z"),
        ],
    )
    def test_times_are_in_utc_where_no_yearly_rule_fits(self, point, day, start):
        event = an_event(a_run(date=day, start_time=EIGHT), date=day, point=point)
        assert zones_of(event) == [HOME]
        found = vevents(event)["r10k"]
        assert found.line("DTSTART") == Line("DTSTART", {}, start)
        assert found.value("DTEND").endswith("Z")

    def test_a_home_zone_without_yearly_rules_is_not_written(self):
        event = an_event(a_run(start_time=EIGHT))
        assert zones_of(event, home="Asia/Jerusalem") == []
        line = vevents(event, home="Asia/Jerusalem")["r10k"].line("DTSTART")
        assert line == Line("DTSTART", {}, "20250614T050000Z")

    def test_the_zone_of_an_event_is_written_also_if_the_home_zone_cannot_be(self):
        event = an_event(a_run(start_time=EIGHT), point=HELSINKI)
        assert zones_of(event, home="Asia/Jerusalem") == ["Europe/Helsinki"]

    def test_the_yearly_rules_must_also_fit_the_registration_window(self):
        day = date(2023, 6, 17)
        run = a_run(date=day, start_time=EIGHT)
        event = an_event(run, date=day, point=MEXICO_CITY)
        assert "America/Mexico_City" in zones_of(event, registration=True)
        opens = datetime(2022, 7, 1, 12, tzinfo=UTC)  # still in summer time
        run = a_run(date=day, start_time=EIGHT, registration_opens=opens)
        event = an_event(run, date=day, point=MEXICO_CITY)
        assert "America/Mexico_City" not in zones_of(event, registration=True)
        start = vevents(event, registration=True)["r10k/opens"].line("DTSTART")
        assert start == Line("DTSTART", {}, "20220701T120000Z")


class TestRFC5545Section37CalendarProperties:
    @with_any_options
    def test_a_calendar_has_these_properties_once_and_no_others(self, options):
        required = {"VERSION", "PRODID", "CALSCALE"}
        offered = {"NAME", "REFRESH-INTERVAL", "SOURCE", "URL"}
        offered |= {"X-WR-CALNAME", "X-WR-CALDESC", "X-WR-TIMEZONE", "X-PUBLISHED-TTL"}
        for sample in samples(options):
            counted = Counter(line.name for line in sample.calendar.lines)
            assert counted == dict.fromkeys(required | offered, 1)

    def test_version_and_calscale_have_their_only_values(self):
        calendar = calendar_of(an_event(a_run()))
        assert calendar.value("VERSION") == "2.0"
        assert calendar.value("CALSCALE") == "GREGORIAN"

    def test_x_wr_timezone_is_the_zone_of_all_runs_or_else_home(self):
        at_home = an_event(a_run())
        away = an_event(a_run(id="away"), id="away", point=HELSINKI)
        assert calendar_of(at_home).value("X-WR-TIMEZONE") == HOME
        assert calendar_of(away).value("X-WR-TIMEZONE") == "Europe/Helsinki"
        assert calendar_of(at_home, away).value("X-WR-TIMEZONE") == HOME


class TestRFC5545Section3816Geo:
    @pytest.mark.parametrize(
        ("point", "geo"),
        [
            ((43.0466, -87.8871), "43.0466;-87.8871"),
            ((-36.8485, 174.7633), "-36.8485;174.7633"),
            ((0.0, 18.5), "0;18.5"),
            ((51.4778, 0.0), "51.4778;0"),
            ((51.4778, 0.00001), "51.4778;0.00001"),
            ((51.4778, -0.000012), "51.4778;-0.000012"),
            ((51.4778, -0.0000001), "51.4778;0"),
            ((0.0000001, 100.0), "0;100"),
            ((-90.0, -180.0), "-90;-180"),
            ((40.123456789, 9.87654321), "40.123457;9.876543"),
        ],
    )
    def test_coordinates_are_decimals_without_an_exponent(self, point, geo):
        event = the_vevent(a_run(), point=point, location="Somewhere")
        assert event.value("GEO") == geo
        uri = "geo:" + geo.replace(";", ",")  # RFC 5870 3.3
        assert event.value("X-APPLE-STRUCTURED-LOCATION") == uri

    @given(st.tuples(st.floats(-90, 90), st.floats(-180, 180)))
    def test_geo_has_any_point_to_six_decimals(self, point):
        event = the_vevent(a_run(), point=point)
        floats = re.fullmatch(r"(-?\d+(?:\.\d+)?);(-?\d+(?:\.\d+)?)", event.value("GEO"))
        assert floats
        assert tuple(map(float, floats.groups())) == pytest.approx(point, abs=1e-6)

    def test_a_place_without_coordinates_has_a_location_alone(self):
        event = the_vevent(a_run(), location="At the pier")
        assert event.count("GEO") == event.count("X-APPLE-STRUCTURED-LOCATION") == 0
        assert event.text("LOCATION") == "At the pier"

    def test_without_an_address_the_location_is_the_coordinates(self):
        event = the_vevent(a_run(), point=(43.0466, -87.8871))
        assert event.text("LOCATION") == "43.04660, -87.88710"
        place = event.line("X-APPLE-STRUCTURED-LOCATION")
        assert place.parameters["X-TITLE"] == "43.04660, -87.88710"

    def test_a_virtual_run_has_no_location_and_no_geo(self):
        event = the_vevent(a_run(virtual=True), point=MILWAUKEE, location="Veterans Park")
        for name in ("GEO", "LOCATION", "X-APPLE-STRUCTURED-LOCATION"):
            assert event.count(name) == 0


class TestRFC5545Section38111Status:
    @pytest.mark.parametrize(
        ("run", "cancelled", "written"),
        [
            (a_run(), "mark", "CONFIRMED"),
            (a_run(status="cancelled"), "mark", "CANCELLED"),
            (a_run(status="cancelled"), "keep", "CONFIRMED"),
            (a_run(unlisted=NOW, withdrawn=True), "mark", "CANCELLED"),
            (a_run(unlisted=NOW, withdrawn=True), "keep", "CONFIRMED"),
            (a_run(status="postponed"), "keep", "TENTATIVE"),
            (a_run(status="postponed"), "drop", "TENTATIVE"),
            (a_run(status="rescheduled"), "mark", "CONFIRMED"),
            (a_run(status="delayed"), "drop", "CONFIRMED"),
        ],
    )
    def test_the_status_is_that_of_the_run_unless_cancellations_are_kept(
        self, run, cancelled, written
    ):
        event = the_vevent(run, options={"cancelled": cancelled})
        assert event.value("STATUS") == written

    def test_drop_leaves_out_cancelled_runs_and_no_others(self):
        statuses = ["scheduled", "cancelled", "postponed", "rescheduled", "delayed"]
        event = an_event(*[a_run(id=status, status=status) for status in statuses])
        assert set(vevents(event, cancelled="drop")) == set(statuses) - {"cancelled"}

    def test_mark_and_keep_differ_in_the_status_of_cancelled_runs_alone(self):
        event = an_event(a_run(status="cancelled"), a_run(id="r5k"))
        marked, kept = rendered(event), rendered(event, cancelled="keep")
        assert marked.replace(b"STATUS:CANCELLED", b"STATUS:CONFIRMED") == kept
        assert marked != kept


class TestRFC5545Section3827Transparency:
    def test_a_race_is_transparent(self):
        found = vevents_of_samples("plain") + vevents_of_samples("registration")
        assert {event.value("TRANSP") for event in found} == {"TRANSPARENT"}

    @pytest.mark.parametrize(
        ("run", "written"),
        [
            (a_run(), "OPAQUE"),
            (a_run(status="rescheduled"), "OPAQUE"),
            (a_run(virtual=True), "TRANSPARENT"),
            (a_run(status="cancelled"), "TRANSPARENT"),
            (a_run(status="postponed"), "TRANSPARENT"),
            (a_run(status="delayed"), "TRANSPARENT"),
        ],
    )
    def test_busy_makes_runs_opaque_that_take_place_in_person(self, run, written):
        for cancelled in ("mark", "keep"):
            options = {"busy": True, "cancelled": cancelled}
            assert the_vevent(run, options=options).value("TRANSP") == written

    def test_registration_is_transparent_also_with_busy(self):
        run = a_run(registration_opens=datetime(2025, 5, 1, 12, tzinfo=UTC))
        found = vevents(an_event(run), busy=True, registration=True)
        assert found["r10k"].value("TRANSP") == "OPAQUE"
        assert found["r10k/opens"].value("TRANSP") == "TRANSPARENT"


class TestRFC5545Section387ChangeManagement:
    @with_any_options
    def test_every_vevent_has_the_revision_of_its_run(self, options):
        for feed, _, calendar in samples(options):
            revisions = {entry.run.id: entry.revision for entry in select_entries(feed)}
            for event in calendar.all("VEVENT"):
                revision = revisions[re.split("[/@]", event.value("UID"))[0]]
                changed = f"{revision.last_modified:%Y%m%dT%H%M%SZ}"
                assert event.value("DTSTAMP") == event.value("LAST-MODIFIED") == changed
                assert event.value("CREATED") == f"{revision.created:%Y%m%dT%H%M%SZ}"
                assert event.value("SEQUENCE") == str(revision.sequence)

    def test_created_is_first_seen_and_dtstamp_is_last_modified(self):
        edition = an_edition(
            an_event(a_run()),
            seen=datetime(2025, 5, 1, 9, tzinfo=UTC),
            changed=datetime(2025, 5, 20, 17, 30, 15, tzinfo=UTC),
        )
        feed = msgspec.structs.replace(a_feed(an_event()), timetables=(timetable_of(edition),))
        (event,) = read(ical.render(feed)).all("VEVENT")
        assert event.value("CREATED") == "20250501T090000Z"
        assert event.value("DTSTAMP") == "20250520T173015Z"
        assert event.value("LAST-MODIFIED") == "20250520T173015Z"


class TestRFC5545Section3847UniqueIdentifier:
    def test_an_event_without_runs_is_one_vevent_with_its_own_uid(self):
        (found,) = vevents(an_event(start_time=EIGHT, end_time=time(11))).values()
        assert found.value("UID") == "harbor@intervals.run"
        assert found.text("SUMMARY") == "Harbor Run"
        assert found.value("DTSTART") == "20250614T080000"
        assert found.value("DTEND") == "20250614T110000"
        assert found.value("CATEGORIES") == "Race"


class TestRFC7986:
    def test_section_51_the_name_stands_twice_because_google_reads_x_wr_calname(self):
        calendar = calendar_of(an_event(a_run(), name="Läufe & mehr"))
        assert calendar.text("NAME") == calendar.text("X-WR-CALNAME") == "Läufe & mehr"

    def test_section_55_the_url_of_a_calendar_is_the_page(self):
        assert calendar_of(an_event(a_run())).line("URL") == Line("URL", {}, PAGE)

    def test_section_57_the_refresh_interval_is_a_duration_of_an_hour(self):
        calendar = calendar_of(an_event(a_run()))
        expected = Line("REFRESH-INTERVAL", {"VALUE": "DURATION"}, "PT1H")
        assert calendar.line("REFRESH-INTERVAL") == expected
        assert calendar.line("X-PUBLISHED-TTL") == Line("X-PUBLISHED-TTL", {}, "PT1H")

    def test_section_58_the_source_is_the_url_of_the_feed(self):
        line = calendar_of(an_event(a_run())).line("SOURCE")
        assert line == Line("SOURCE", {"VALUE": "URI"}, f"{PAGE}.ics")

    def test_section_511_a_virtual_run_has_a_conference_if_it_has_a_website(self):
        url = "https://virtual.example/run"
        line = the_vevent(a_run(virtual=True), website_url=url).line("CONFERENCE")
        assert line == Line("CONFERENCE", {"VALUE": "URI"}, url)
        assert the_vevent(a_run(virtual=True)).count("CONFERENCE") == 0
        assert the_vevent(a_run(), website_url=url).count("CONFERENCE") == 0

    def test_apples_structured_location_is_a_geo_uri_with_title_and_radius(self):
        event = the_vevent(a_run(), point=MILWAUKEE, location="Veterans Park")
        assert event.line("X-APPLE-STRUCTURED-LOCATION") == Line(
            "X-APPLE-STRUCTURED-LOCATION",
            {"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": "Veterans Park"},
            "geo:43.0466,-87.8871",
        )


class TestTexts:
    def test_the_url_of_a_vevent_is_the_website_or_else_the_page(self):
        url = "https://club.example/harbor"
        assert the_vevent(a_run(), website_url=url).value("URL") == url
        assert the_vevent(a_run()).value("URL") == PAGE

    def test_the_description_is_plain_text_with_all_links_and_the_organizers_text(self):
        event = the_vevent(
            a_run(start_time=EIGHT, registration_url="https://club.example/join"),
            description="Along <b>the</b> shore.\n\nBring gloves.",
        )
        text = event.text("DESCRIPTION")
        assert "Sat 14 Jun 2025, 08:00 local time (America/Chicago)" in text
        assert "https://club.example/join" in text
        assert text.endswith(f"{PAGE}\n\nAlong <b>the</b> shore.\n\nBring gloves.")


OPENS = datetime(2025, 3, 1, 14, tzinfo=UTC)
CLOSES = datetime(2025, 6, 13, 3, 59, 59, tzinfo=UTC)


class TestRegistration:
    def test_opening_and_closing_are_vevents_of_half_an_hour(self):
        run = a_run(registration_opens=OPENS, registration_closes=CLOSES)
        found = vevents(an_event(run), registration=True)
        assert set(found) == {"r10k", "r10k/opens", "r10k/closes"}
        opens, closes = found["r10k/opens"], found["r10k/closes"]
        assert opens.line("DTSTART") == Line("DTSTART", {"TZID": HOME}, "20250301T080000")
        assert opens.line("DTEND") == Line("DTEND", {"TZID": HOME}, "20250301T083000")
        assert opens.text("SUMMARY") == "Registration opens: Harbor Run: 10K"
        assert closes.line("DTSTART") == Line("DTSTART", {"TZID": HOME}, "20250612T225959")
        assert closes.line("DTEND") == Line("DTEND", {"TZID": HOME}, "20250612T232959")
        assert closes.text("SUMMARY") == "Registration closes: Harbor Run: 10K"

    def test_registration_for_a_postponed_run_is_confirmed(self):
        run = a_run(registration_opens=OPENS, status="postponed")
        found = vevents(an_event(run), registration=True)
        assert found["r10k/opens"].value("STATUS") == "CONFIRMED"

    def test_only_known_instants_of_registration_are_vevents(self):
        run = a_run(registration_opens=OPENS)
        assert set(vevents(an_event(run), registration=True)) == {"r10k", "r10k/opens"}
        assert set(vevents(an_event(run))) == {"r10k"}
        run = a_run(registration_closes=CLOSES)
        assert set(vevents(an_event(run), registration=True)) == {"r10k", "r10k/closes"}
        assert set(vevents(an_event(a_run()), registration=True)) == {"r10k"}
        assert set(vevents(an_event(), registration=True)) == {"harbor"}

    @pytest.mark.parametrize("cancelled", ["mark", "keep", "drop"])
    def test_a_cancelled_run_has_no_vevent_of_registration(self, cancelled):
        run = a_run(registration_opens=OPENS, status="cancelled")
        event = an_event(run, a_run(id="other"))
        found = set(vevents(event, registration=True, cancelled=cancelled))
        assert found == ({"other"} if cancelled == "drop" else {"other", "r10k"})

    def test_the_url_of_registration_is_the_link_to_register(self):
        run = a_run(registration_opens=OPENS, registration_url="https://club.example/10k")
        event = an_event(run, website_url="https://club.example/")
        found = vevents(event, registration=True)
        assert found["r10k/opens"].value("URL") == "https://club.example/10k"
        assert found["r10k"].value("URL") == "https://club.example/"

    @pytest.mark.parametrize("minutes", range(-30, 180, 15))
    def test_a_vevent_of_registration_lasts_half_an_hour_while_clocks_go_back(self, minutes):
        at = datetime(2025, 11, 2, 5, 30, tzinfo=UTC) + timedelta(minutes=minutes)
        run = a_run(registration_closes=at)
        data = rendered(an_event(run), registration=True)
        expected = (at, at + timedelta(minutes=30))
        assert (
            by_icalendar(data)["r10k/closes"] == by_home_assistant(data)["r10k/closes"] == expected
        )
        start, end = (read(data).all("VEVENT")[1].value(name) for name in ("DTSTART", "DTEND"))
        assert start < end

    def test_registration_adds_vevents_and_changes_none(self):
        event = event_of("desert-dawn-10-miler")
        plain, more = blocks(rendered(event)), blocks(rendered(event, registration=True))
        assert plain.items() < more.items()
        assert len(more) == 3 * len(plain)


class TestFilters:
    @pytest.mark.parametrize("id_", [id_ for id_ in SAMPLE_IDS if len(event_of(id_).runs) > 1])
    def test_a_filter_keeps_the_bytes_of_each_run(self, id_):
        event = event_of(id_)
        unfiltered = blocks(rendered(event))
        for run in event.runs[:5]:
            assert blocks(rendered(event, run=(run.id,))) == {run.id: unfiltered[run.id]}
            distance = run.distance_standard
            same = [each.id for each in event.runs if each.distance_standard == distance]
            kept = blocks(rendered(event, distance=(distance,)))
            assert kept == {id_: unfiltered[id_] for id_ in same}

    def test_a_filter_keeps_times_in_utc_if_another_run_needs_utc(self):
        event = an_event(
            a_run(id="early", date=date(2022, 6, 18), start_time=EIGHT),
            a_run(id="later", date=date(2023, 6, 17), start_time=EIGHT),
            point=MEXICO_CITY,
        )
        unfiltered = blocks(rendered(event))
        assert b"DTSTART:20230617T140000Z" in unfiltered["later"]
        assert blocks(rendered(event, run=("later",))) == {"later": unfiltered["later"]}

    def test_a_filter_does_not_make_a_run_the_only_one_whose_label_is_left_out(self):
        event = an_event(a_run(), a_run(id="r5k", distance_label="5K"), name="Fall Back 10K")
        (found,) = vevents(event, run=("r10k",)).values()
        assert found.text("SUMMARY") == "Fall Back 10K: 10K"


class TestParsers:
    @with_any_options
    def test_both_parsers_read_the_times_of_the_schedule(self, options):
        for feed, data, _ in samples(options):
            found = by_icalendar(data)
            assert {id_: when for id_, when in found.items() if "/" not in id_} == by_schedule(feed)
            assert by_home_assistant(data) == found

    @with_any_options
    def test_clients_that_know_no_zone_names_read_the_same_times(self, options):
        for _, data, _ in samples(options):
            renamed = re.sub(rb"^(TZID:|DT\w+;TZID=)", rb"\1/here/", data, flags=re.MULTILINE)
            assert by_icalendar(renamed) == by_icalendar(data)

    @pytest.mark.parametrize("home", ["Asia/Jerusalem", "Africa/Casablanca", "Europe/Dublin"])
    @pytest.mark.parametrize("id_", ["zero-point-relay", "e72tuv901wxy234"])
    def test_both_parsers_read_the_times_of_the_schedule_in_any_home_zone(self, id_, home):
        feed = a_feed(event_of(id_), home=home)
        data = ical.render(feed)
        assert by_icalendar(data) == by_home_assistant(data) == by_schedule(feed)

    @with_any_options
    def test_both_parsers_read_the_texts_that_the_grammar_gives(self, options):
        for _, data, calendar in samples(options):
            names = ("UID", "SUMMARY", "DESCRIPTION", "LOCATION")
            by_grammar = [
                tuple(event.text(name) if event.count(name) else None for name in names)
                for event in calendar.all("VEVENT")
            ]
            loose = Calendar.from_ical(data).walk("VEVENT")
            assert [tuple(event.get(name) for name in names) for event in loose] == by_grammar
            strict = IcsCalendarStream.calendar_from_ics(data.decode()).events
            assert [
                (event.uid, event.summary, event.description, event.location) for event in strict
            ] == by_grammar


def clean(tidy):
    """Texts as the decoder gives them: clean, and not empty."""
    special = st.sampled_from("\\;,:\"'^nN\n\t ")
    texts = st.text(special | st.characters(exclude_categories=["Cs"]), max_size=200)
    return texts.map(tidy).filter(bool)


class TestAnyText:
    @given(
        name=clean(fields.clean_line),
        label=clean(fields.clean_line),
        place=clean(fields.clean_line),
    )
    @example(name=HOSTILE, label=HOSTILE, place=HOSTILE)
    def test_any_name_label_and_place_arrive_as_they_were(self, name, label, place):
        runs = [a_run(distance_label=label), a_run(id="other", date=date(2025, 6, 15))]
        data = rendered(an_event(*runs, name=name, location=place, point=MILWAUKEE))
        loose = Calendar.from_ical(data)
        assert loose.walk("VEVENT")[0]["SUMMARY"] == f"{name}: {label}"
        assert loose.walk("VEVENT")[0]["LOCATION"] == typographic(place)
        strict = IcsCalendarStream.calendar_from_ics(data.decode())
        assert strict.name == [name]
        assert strict.events[0].summary == f"{name}: {label}"
        assert strict.events[0].location == typographic(place)
        grammar = read(data)
        assert grammar.text("NAME") == grammar.text("X-WR-CALNAME") == name
        title = grammar.all("VEVENT")[0].line("X-APPLE-STRUCTURED-LOCATION")
        assert title.parameters["X-TITLE"] == strict.events[0].location

    @given(text=clean(fields.clean_text))
    @example(text=f"{HOSTILE}\n\n{HOSTILE}")
    def test_any_description_arrives_as_it_was_in_lines_of_75_octets(self, text):
        data = rendered(an_event(a_run(), description=text))
        (loose,) = Calendar.from_ical(data).walk("VEVENT")
        (strict,) = IcsCalendarStream.calendar_from_ics(data.decode()).events
        assert str(loose["DESCRIPTION"]).endswith(f"{PAGE}\n\n{text}")
        assert strict.description == str(loose["DESCRIPTION"])
        assert max(map(len, data.split(b"\r\n"))) <= 75


class TestTheSameBytes:
    def test_the_order_of_the_runs_changes_no_byte(self):
        runs = [
            a_run(id="b", start_time=EIGHT),
            a_run(id="a", start_time=EIGHT, virtual=True),
            a_run(id="c", start_time=time(7), status="cancelled"),
            a_run(id="d", distance_meters=5000, registration_opens=OPENS),
        ]
        ordered = [
            an_event(*some, point=HELSINKI, end_time=time(12)) for some in permutations(runs)
        ]
        assert len({rendered(event, registration=True) for event in ordered}) == 1

    def test_the_order_of_the_events_changes_no_byte(self):
        places = [OSLO, NEW_YORK, HELSINKI]
        events = [
            an_event(a_run(id=f"r{n}", start_time=EIGHT), id=f"e{n}", point=places[n])
            for n in range(3)
        ]
        assert len({rendered(*some) for some in permutations(events)}) == 1

"""A feed as iCalendar: RFC 5545, RFC 7986, and properties that only some clients read."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from threading import Lock

from cachetools import LRUCache, cached
from icalendar import (
    Calendar,
    Event,
    vCategory,
    vDate,
    vDatetime,
    vDuration,
    vInt,
    vText,
    vUri,
)
from msgspec import structs

from feeds.domain.entries import Entry
from feeds.domain.feed import MAX_BYTES, Feed, fit_entries, list_selected, select_entries
from feeds.domain.model import Revision
from feeds.domain.options import Options
from feeds.formats.folding import write_component
from feeds.formats.vtimezone import Zones, build_vtimezone, build_zones, find_span
from feeds.text import descriptions, summaries
from feeds.text.recurrences import describe_recurrences

PRODID = "-//intervals-feeds//intervals-feeds//EN"

REFRESH = dt.timedelta(hours=1)
"""How often clients are asked to poll (rules 6.2). Cache-Control shows how near a race is, so that
the bytes do not change with the clock."""

MAX_CACHE_BYTES = 8 * 1024 * 1024
"""Bytes of the VEVENTs that a process keeps, and of the entries that they were rendered from."""

ENTRY_SIZE = 1_500
"""Bytes of an entry without its texts, which are about as long as its VEVENT."""

vevent_cache: LRUCache[object, bytes] = LRUCache(
    MAX_CACHE_BYTES, getsizeof=lambda vevents: 2 * len(vevents) + ENTRY_SIZE
)

ZONE_SIZE = 1_000
"""Bytes of a VTIMEZONE, at most."""

_CALENDAR_END = b"END:VCALENDAR\r\n"
_REVISION_LINES = re.compile(rb"^(?:CREATED|DTSTAMP|LAST-MODIFIED|SEQUENCE):.*\r\n", re.MULTILINE)
"""The properties of a revision; all are too short to be folded (RFC 5545 3.1)."""

REGISTRATION_ENTRY_DURATION = dt.timedelta(minutes=30)


class _Text(vText):
    r"""TEXT that keeps backslashes: icalendar's vText writes ``\N`` as a line break."""

    def to_ical(self) -> bytes:
        """The text as escaped by RFC 5545 3.3.11."""
        escaped = self.replace("\\", r"\\").replace(";", r"\;").replace(",", r"\,")
        return escaped.replace("\n", r"\n").encode()


def render(feed: Feed) -> bytes:
    selected = select_entries(feed)
    zones = build_zones(feed, selected)
    entries, vevents = _render_fitting(feed, zones, selected)
    components = zones.components
    # RFC 5545 3.6 requires a component, also if all runs are cancelled and dropped.
    if not (components or any(vevents)) and (utc := build_vtimezone("UTC", *find_span(feed))):
        components = {"UTC": utc}
    calendar = _build_calendar(feed, entries)
    for component in components.values():
        calendar.add_component(component)
    head = write_component(calendar).removesuffix(_CALENDAR_END)
    return b"".join((head, *vevents, _CALENDAR_END))


def count_left_out(feed: Feed) -> int:
    """How many of the selected entries the calendar has no room for (rules 6.13)."""
    selected = select_entries(feed)
    shown, _ = _render_fitting(feed, build_zones(feed, selected), selected)
    return len(list_selected(feed)) - len(shown)


def _render_fitting(
    feed: Feed, zones: Zones, selected: Sequence[Entry]
) -> tuple[tuple[Entry, ...], list[bytes]]:
    """The entries that fit, and the VEVENTs of each."""
    # The title is there three times, and all of it may be escaped and folded.
    head = 7 * len(feed.title.encode()) + 2 * len(feed.source) + 4 * len(feed.page)
    head += 3 * len(feed.about.encode())
    room = MAX_BYTES - head - ZONE_SIZE * (2 + len(zones.components))
    rendered: dict[str, bytes] = {}  # by uid, as the entries were measured last

    def measure(entry: Entry) -> int:
        rendered[entry.uid] = _render_with_options(entry, feed, zones)
        return len(rendered[entry.uid])

    entries = fit_entries(feed, selected, measure, room)
    return entries, [rendered[entry.uid] for entry in entries]


def render_contents(feed: Feed) -> Iterator[tuple[Entry, bytes]]:
    """Each entry with its VEVENT without CREATED, DTSTAMP, LAST-MODIFIED and SEQUENCE."""
    zones = build_zones(feed, ())
    for timetable in feed.timetables:
        for entry in timetable.entries:
            yield entry, _REVISION_LINES.sub(b"", _render_with_options(entry, feed, zones))


def _render_with_options(entry: Entry, feed: Feed, zones: Zones) -> bytes:
    if entry.off and feed.options.cancelled == "drop":
        return b""
    # The options that select runs are left out, so that all feeds of an event share the cache; so
    # are all changes but the one that a VEVENT shows, so that the keys of the cache stay small.
    chosen = feed.options
    options = Options(
        cancelled=chosen.cancelled, busy=chosen.busy, registration=chosen.registration
    )
    move = entry.last_move
    if len(entry.changes) > bool(move):
        entry = structs.replace(entry, changes=(move,) if move else ())
    page, zone = feed.build_page_url(entry.event.id), zones.by_event[entry.event.id]
    return _render_entry(entry, page, feed.locale, options, zone)


@cached(vevent_cache, lock=Lock())
def _render_entry(entry: Entry, page: str, locale: str, options: Options, zone: dt.tzinfo) -> bytes:
    """The VEVENTs of an entry: its own, and those of its registration if the options ask for them.

    ``zone`` is the zone in which its times are written: its own, or UTC.
    """
    vevents = [_build_vevent(entry, page, locale, options, zone)]
    if options.registration and entry.takes_entries:
        turns = (
            ("opens", entry.run.registration_opens, entry.opens),
            ("closes", entry.run.registration_closes, entry.closes),
        )
        vevents += (
            _build_registration_vevent(entry, page, locale, (word, at, revision), zone)
            for word, at, revision in turns
            if at
        )
    return b"".join(map(write_component, vevents))


def _build_calendar(feed: Feed, entries: Sequence[Entry]) -> Calendar:
    zones = {entry.zone.key for entry in entries}
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODID)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", _Text(feed.title))
    calendar.add("x-wr-calname", _Text(feed.title))
    calendar.add("x-wr-caldesc", _Text(_describe_calendar(feed)))
    calendar.add("x-wr-timezone", _Text(zones.pop() if len(zones) == 1 else feed.timezone))
    # RFC 7986 5.7 requires VALUE, which icalendar leaves out.
    calendar.add("refresh-interval", vDuration(REFRESH, params={"VALUE": "DURATION"}))
    calendar.add("x-published-ttl", _Text("PT1H"))
    calendar.add("source", vUri(feed.source, params={"VALUE": "URI"}))  # RFC 7986 5.8
    calendar.add("url", vUri(feed.page))
    return calendar


def _describe_calendar(feed: Feed) -> str:
    """``Harbor Run: https://...``; of a series, how often it takes place; of a group, its text."""
    events = [timetable.edition.event for timetable in feed.timetables]
    recurrences = events[0].recurrences if feed.listed is None else ()
    repeats = describe_recurrences(recurrences, feed.locale)
    parts = [f"{feed.title}:", f"{repeats}." if repeats else "", feed.about, feed.page]
    return " ".join(part for part in parts if part)


def _build_vevent(entry: Entry, page: str, locale: str, options: Options, zone: dt.tzinfo) -> Event:
    run, event, period = entry.run, entry.event, entry.period
    component = _build_component(entry.uid, summaries.build_summary(entry), entry.revision)
    _add_times(component, period.start, period.end, zone)
    # Google hides STATUS:CANCELLED, so its subscribers would never learn of a cancellation.
    keep = entry.off and options.cancelled == "keep"
    component["STATUS"] = _Text("CONFIRMED" if keep else entry.status.vevent)
    busy = options.busy and entry.status.busy and run.in_person
    component["TRANSP"] = _Text("OPAQUE" if busy else "TRANSPARENT")
    component["DESCRIPTION"] = _Text(descriptions.build_description(entry, page, locale))
    component["URL"] = vUri(event.website_url or page)
    component["CATEGORIES"] = vCategory(list(descriptions.list_categories(entry)))
    if run.virtual:
        if event.website_url:  # RFC 7986 5.11
            component["CONFERENCE"] = vUri(event.website_url, params={"VALUE": "URI"})
    elif run.in_person:
        _add_place(component, entry)
    return component


def _build_registration_vevent(
    entry: Entry,
    page: str,
    locale: str,
    turn: tuple[str, dt.datetime, Revision],
    zone: dt.tzinfo,
) -> Event:
    """A VEVENT for the instant when registration opens or closes, since clients drop VALARM.

    ``turn`` is the word for it, the instant, and the revision of this VEVENT.
    """
    word, at, revision = turn
    summary = f"Registration {word}: {summaries.build_name(entry)}"
    component = _build_component(f"{entry.run.id}/{word}@intervals.run", summary, revision)
    end = at + REGISTRATION_ENTRY_DURATION
    _add_times(component, at.astimezone(entry.zone), end.astimezone(entry.zone), zone)
    component["STATUS"] = _Text("CONFIRMED")
    component["TRANSP"] = _Text("TRANSPARENT")
    component["DESCRIPTION"] = _Text(descriptions.build_description(entry, page, locale))
    component["URL"] = vUri(entry.register or entry.event.website_url or page)
    return component


def _build_component(uid: str, summary: str, revision: Revision) -> Event:
    component = Event()
    component["UID"] = _Text(uid)
    component["SUMMARY"] = _Text(summary)
    # DTSTAMP is never the time of a request (rules 4.5).
    component["DTSTAMP"] = component["LAST-MODIFIED"] = vDatetime(revision.last_modified)
    component["CREATED"] = vDatetime(revision.created)
    component["SEQUENCE"] = vInt(revision.sequence)
    return component


def _add_times(component: Event, start: dt.date, end: dt.date, zone: dt.tzinfo) -> None:
    # A repeated local time with a TZID means its first pass (RFC 5545 3.3.5), but ical.js and
    # node-ical read its second pass. UTC has no such time.
    in_utc = zone == dt.UTC or _is_repeated(start) or _is_repeated(end)
    for name, when in (("DTSTART", start), ("DTEND", end)):
        if isinstance(when, dt.datetime):
            component[name] = vDatetime(when.astimezone(dt.UTC) if in_utc else when)
        else:
            component[name] = vDate(when, params={"VALUE": "DATE"})


def _is_repeated(when: dt.date) -> bool:
    """Whether a local time occurs twice, because the clock is put back."""
    return isinstance(when, dt.datetime) and (
        when.replace(fold=0).utcoffset() != when.replace(fold=1).utcoffset()
    )


def _add_place(component: Event, entry: Entry) -> None:
    place, point = entry.place, entry.event.point
    if place:
        # Apple compares LOCATION with X-TITLE, and the value of a parameter cannot contain a quote
        # (RFC 5545 3.2).
        place = re.sub('"([^"]*)"', "\u201c\\1\u201d", place).replace('"', "\u201d")
        component["LOCATION"] = _Text(place)
    if point:
        latitude, longitude = (_format_degrees(each) for each in point)
        component["GEO"] = vUri(f"{latitude};{longitude}")
        component["X-APPLE-STRUCTURED-LOCATION"] = vUri(
            f"geo:{latitude},{longitude}",
            params={"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": place},
        )


def _format_degrees(value: float) -> str:
    return f"{value:z.6f}".rstrip("0").rstrip(".")

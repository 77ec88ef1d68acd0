"""A feed as an iCalendar object: RFC 5545, with RFC 7986 and what calendars are known to read."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock

from cachetools import LRUCache, cached
from icalendar import (
    Calendar,
    Event,
    Timezone,
    vCategory,
    vDate,
    vDatetime,
    vDuration,
    vInt,
    vText,
    vUri,
)
from msgspec import structs

from feeds.domain.entries import Entry, compute_span
from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import Options
from feeds.formats.vtimezone import build_vtimezone
from feeds.text import descriptions, summaries

PRODID = "-//intervals-feeds//intervals-feeds//EN"

REFRESH = dt.timedelta(hours=1)
"""How often clients are asked to poll; how near a race is shows in Cache-Control instead, so that
bytes do not change with the clock."""

MAX_CACHE_BYTES = 8 * 1024 * 1024
"""Bytes of VEVENTs, and of the entries they were rendered from, that a process keeps."""

ENTRY_SIZE = 1_500
"""Bytes of an entry besides its texts, which are as long as those of its VEVENT."""

vevent_cache: LRUCache[object, bytes] = LRUCache(
    MAX_CACHE_BYTES, getsizeof=lambda part: 2 * len(part) + ENTRY_SIZE
)

Zones = Mapping[str, Timezone]
"""The zones in which times can be written, by name; others are written in UTC."""

_END = b"END:VCALENDAR\r\n"
_STAMP = re.compile(rb"^(?:CREATED|DTSTAMP|LAST-MODIFIED|SEQUENCE):.*\r\n", re.MULTILINE)
"""Lines of a VEVENT; what continues a longer one begins with a space."""

REGISTRATION_LASTS = dt.timedelta(minutes=30)


class _Text(vText):
    r"""TEXT in which a backslash stays one; icalendar's writes ``\N`` as a line break."""

    def to_ical(self) -> bytes:
        """Escaped by RFC 5545 3.3.11."""
        escaped = self.replace("\\", r"\\").replace(";", r"\;").replace(",", r"\,")
        return escaped.replace("\n", r"\n").encode()


def render(feed: Feed) -> bytes:
    """The bytes of ``text/calendar``."""
    shown = select_entries(feed)
    zones = _zones(feed)
    parts = _parts(shown, feed, zones)
    # RFC 5545 3.6 wants a component, also when all runs are cancelled and to be dropped.
    if not (zones or any(parts)) and (utc := build_vtimezone("UTC", *compute_span(shown))):
        zones = {"UTC": utc}
    calendar = _calendar(feed, shown)
    for each in zones.values():
        calendar.add_component(each)
    return b"".join((bytes(calendar.to_ical()).removesuffix(_END), *parts, _END))


def render_contents(feed: Feed) -> Iterator[tuple[Entry, bytes]]:
    """Each entry with the content of its VEVENT: all but its revision."""
    zones = _zones(feed)
    for timetable in feed.timetables:
        shown = timetable.entries
        for entry, part in zip(shown, _parts(shown, feed, zones), strict=True):
            yield entry, _STAMP.sub(b"", part)


def _parts(shown: Iterable[Entry], feed: Feed, zones: Zones) -> list[bytes]:
    """What becomes of each entry; which runs a feed has makes no difference to it."""
    chosen = structs.replace(feed.options, run=(), distance=(), download=False)
    return [
        _part(entry, feed.page, chosen, entry.zone if entry.zone.key in zones else dt.UTC)
        for entry in shown
    ]


@cached(vevent_cache, lock=Lock())
def _part(entry: Entry, page: str, options: Options, clock: dt.tzinfo) -> bytes:
    """The VEVENTs of an entry: itself, and its registration where that is asked for.

    ``clock`` is what its times are written on: its zone, or UTC.
    """
    if entry.off and options.cancelled == "drop":
        return b""
    vevents = [_vevent(entry, page, options, clock)]
    vevents += (
        _registration_vevent(entry, page, word, at, clock)
        for word, at in _registration(entry, options)
    )
    return b"".join(bytes(each.to_ical()) for each in vevents)


def _zones(feed: Feed) -> dict[str, Timezone]:
    """The zones that can be written: home first, then those of the events.

    They are those of all runs, so that a filter does not change how a run's times are written, and
    cover registration, which may open in an earlier year with other rules.
    """
    everything = [entry for timetable in feed.timetables for entry in timetable.entries]
    instants = [*compute_span(everything)]
    for entry in everything:
        instants += [
            at for at in (entry.run.registration_opens, entry.run.registration_closes) if at
        ]
    return {
        name: component
        for name in (feed.timezone, *sorted({entry.zone.key for entry in everything}))
        if (component := build_vtimezone(name, min(instants), max(instants)))
    }


def _calendar(feed: Feed, shown: Sequence[Entry]) -> Calendar:
    zones = {entry.zone.key for entry in shown}
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODID)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", _Text(feed.title))
    calendar.add("x-wr-calname", _Text(feed.title))
    calendar.add("x-wr-caldesc", _Text(f"{feed.title}: {feed.page}"))
    calendar.add("x-wr-timezone", _Text(zones.pop() if len(zones) == 1 else feed.timezone))
    # RFC 7986 5.7: with VALUE, other than the library has it.
    calendar.add("refresh-interval", vDuration(REFRESH, params={"VALUE": "DURATION"}))
    calendar.add("x-published-ttl", _Text("PT1H"))
    calendar.add("source", vUri(feed.source, params={"VALUE": "URI"}))  # RFC 7986 5.8
    calendar.add("url", vUri(feed.page))
    return calendar


def _vevent(entry: Entry, page: str, options: Options, clock: dt.tzinfo) -> Event:
    run, event, period = entry.run, entry.event, entry.period
    component = _bare(entry, entry.uid, summaries.build_summary(entry))
    _set_times(component, period.start, period.end, clock)
    component["STATUS"] = _Text(_status(entry, options))
    busy = options.busy and entry.status.busy and not run.virtual
    component["TRANSP"] = _Text("OPAQUE" if busy else "TRANSPARENT")
    component["DESCRIPTION"] = _Text(descriptions.build_description(entry, page))
    component["URL"] = vUri(event.website_url or page)
    component["CATEGORIES"] = vCategory(list(descriptions.list_categories(entry)))
    if run.virtual:
        if event.website_url:  # RFC 7986 5.11
            component["CONFERENCE"] = vUri(event.website_url, params={"VALUE": "URI"})
    else:
        _set_place(component, entry)
    return component


def _registration_vevent(
    entry: Entry, page: str, word: str, at: dt.datetime, clock: dt.tzinfo
) -> Event:
    """Registration opening or closing as a VEVENT of its own, since clients drop VALARM."""
    summary = f"Registration {word}: {summaries.build_name(entry)}"
    component = _bare(entry, f"{entry.run.id}/{word}@intervals.run", summary)
    end = at + REGISTRATION_LASTS
    _set_times(component, at.astimezone(entry.zone), end.astimezone(entry.zone), clock)
    component["STATUS"] = _Text("CONFIRMED")
    component["TRANSP"] = _Text("TRANSPARENT")
    component["DESCRIPTION"] = _Text(descriptions.build_description(entry, page))
    component["URL"] = vUri(entry.register or entry.event.website_url or page)
    return component


def _registration(entry: Entry, options: Options) -> list[tuple[str, dt.datetime]]:
    if not options.registration or entry.off:
        return []
    window = (("opens", entry.run.registration_opens), ("closes", entry.run.registration_closes))
    return [(word, at) for word, at in window if at]


def _bare(entry: Entry, uid: str, summary: str) -> Event:
    component, revision = Event(), entry.revision
    component["UID"] = _Text(uid)
    component["SUMMARY"] = _Text(summary)
    # DTSTAMP is never the time of a request.
    component["DTSTAMP"] = component["LAST-MODIFIED"] = vDatetime(revision.last_modified)
    component["CREATED"] = vDatetime(revision.created)
    component["SEQUENCE"] = vInt(revision.sequence)
    return component


def _set_times(component: Event, start: dt.date, end: dt.date, clock: dt.tzinfo) -> None:
    """With a TZID a repeated time means its first pass (RFC 5545 3.3.5): the second needs UTC."""
    in_utc = clock == dt.UTC or any(
        isinstance(when, dt.datetime) and when.fold for when in (start, end)
    )
    for name, when in (("DTSTART", start), ("DTEND", end)):
        if isinstance(when, dt.datetime):
            component[name] = vDatetime(when.astimezone(dt.UTC) if in_utc else when)
        else:
            component[name] = vDate(when, params={"VALUE": "DATE"})


def _status(entry: Entry, options: Options) -> str:
    # Google hides STATUS:CANCELLED, so that its subscribers never learn of it.
    return "CONFIRMED" if entry.off and options.cancelled == "keep" else entry.status.vevent


def _set_place(component: Event, entry: Entry) -> None:
    place, point = entry.place, entry.event.point
    if place:
        # A parameter's value cannot hold a quote and Apple compares the two (RFC 5545 3.2).
        place = re.sub('"([^"]*)"', "\u201c\\1\u201d", place).replace('"', "\u201d")
        component["LOCATION"] = _Text(place)
    if point:
        latitude, longitude = (_degrees(each) for each in point)
        component["GEO"] = vUri(f"{latitude};{longitude}")
        component["X-APPLE-STRUCTURED-LOCATION"] = vUri(
            f"geo:{latitude},{longitude}",
            params={"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": place},
        )


def _degrees(value: float) -> str:
    return f"{value:z.6f}".rstrip("0").rstrip(".")

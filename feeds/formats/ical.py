"""A feed as an iCalendar object: RFC 5545, with RFC 7986 and what calendars are known to read."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence

from icalendar import Calendar, Component, Event, Timezone, vDuration, vText, vUri

from feeds import wording
from feeds.model import Feed, Options, Stamp
from feeds.schedule import Entry, entries, entries_of, span
from feeds.zones import vtimezone

PRODID = "-//intervals-feeds//intervals-feeds//EN"

REFRESH = dt.timedelta(hours=1)
"""How often clients are asked to poll; how near a race is shows in Cache-Control instead, so that
bytes do not change with the clock."""

Zones = Mapping[str, Timezone]
"""The zones in which times can be written, by name; others are written in UTC."""

REGISTRATION_LASTS = dt.timedelta(minutes=30)


class _Text(vText):
    r"""TEXT in which a backslash stays one; icalendar's writes ``\N`` as a line break."""

    def to_ical(self) -> bytes:
        """Escaped by RFC 5545 3.3.11."""
        return re.sub(r"[\\;,]", r"\\\g<0>", self).replace("\n", r"\n").encode()


def render(feed: Feed) -> bytes:
    """The bytes of ``text/calendar``."""
    shown = entries_of(feed)
    zones = _zones(feed)
    components: list[Component] = [*zones.values()]
    for entry in shown:
        components += (_stamped(each, entry.stamp) for each in _vevents(entry, feed, zones))
    # RFC 5545 3.6 wants a component, also when all runs are cancelled and to be dropped.
    if not components and (utc := vtimezone("UTC", *span(shown))):
        components = [utc]
    calendar = _calendar(feed, shown)
    for each in components:
        calendar.add_component(each)
    return bytes(calendar.to_ical())


def _stamped(component: Event, stamp: Stamp) -> Event:
    component.add("dtstamp", stamp.last_modified)  # never the time of a request
    component.add("created", stamp.created)
    component.add("last-modified", stamp.last_modified)
    component.add("sequence", stamp.sequence)
    return component


def contents(feed: Feed) -> Iterator[tuple[Entry, bytes]]:
    """Each entry with the content of its VEVENT: all but its stamp."""
    zones = _zones(feed)
    for each in feed.editions:
        for entry in entries(each, feed.timezone, feed.at):
            yield entry, bytes(_vevent(entry, feed, zones).to_ical())


def _zones(feed: Feed) -> dict[str, Timezone]:
    """The zones that can be written: home first, then those of the events.

    They are those of all runs, so that a filter does not change how a run's times are written, and
    cover registration, which may open in an earlier year with other rules.
    """
    everything = [entry for each in feed.editions for entry in entries(each, feed.timezone)]
    instants = [*span(everything)]
    for entry in everything:
        instants += [
            at for at in (entry.run.registration_opens, entry.run.registration_closes) if at
        ]
    return {
        name: component
        for name in (feed.timezone, *sorted({entry.zone.key for entry in everything}))
        if (component := vtimezone(name, min(instants), max(instants)))
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


def _vevents(entry: Entry, feed: Feed, zones: Zones) -> Iterator[Event]:
    """The VEVENTs of an entry: itself, and its registration where that is asked for."""
    if entry.off and feed.options.cancelled == "drop":
        return
    yield _vevent(entry, feed, zones)
    for word, at in _registration(entry, feed.options):
        yield _registration_vevent(entry, feed, word, at, zones)


def _vevent(entry: Entry, feed: Feed, zones: Zones) -> Event:
    run, event, period = entry.run, entry.event, entry.period
    component = _bare(entry.uid, wording.summary(entry))
    _add_times(component, period.start, period.end, zones)
    component.add("status", _status(entry, feed.options))
    takes_place = run.status in ("scheduled", "rescheduled") and not entry.off
    busy = feed.options.busy and takes_place and not run.virtual
    component.add("transp", "OPAQUE" if busy else "TRANSPARENT")
    component.add("description", _Text(wording.prose(entry, feed.page)))
    component.add("url", vUri(event.website_url or feed.page))
    component.add("categories", list(wording.categories(entry)))
    if run.virtual:
        if event.website_url:
            component.add(
                "conference", vUri(event.website_url, params={"VALUE": "URI"})
            )  # RFC 7986 5.11
    else:
        _add_place(component, entry)
    return component


def _registration_vevent(
    entry: Entry, feed: Feed, word: str, at: dt.datetime, zones: Zones
) -> Event:
    """Registration opening or closing as a VEVENT of its own, since clients drop VALARM."""
    summary = f"Registration {word}: {wording.name(entry)}"
    component = _bare(f"{entry.run.id}/{word}@intervals.run", summary)
    end = at + REGISTRATION_LASTS
    _add_times(component, at.astimezone(entry.zone), end.astimezone(entry.zone), zones)
    component.add("status", "CONFIRMED")
    component.add("transp", "TRANSPARENT")
    component.add("description", _Text(wording.prose(entry, feed.page)))
    component.add("url", vUri(entry.register or entry.event.website_url or feed.page))
    return component


def _registration(entry: Entry, options: Options) -> list[tuple[str, dt.datetime]]:
    if not options.registration or entry.off:
        return []
    window = (("opens", entry.run.registration_opens), ("closes", entry.run.registration_closes))
    return [(word, at) for word, at in window if at]


def _bare(uid: str, summary: str) -> Event:
    component = Event()
    component.add("uid", uid)
    component.add("summary", _Text(summary))
    return component


def _add_times(component: Event, start: dt.date, end: dt.date, zones: Zones) -> None:
    """With a TZID a repeated time means its first pass (RFC 5545 3.3.5): the second needs UTC."""
    in_utc = any(
        isinstance(when, dt.datetime) and (when.fold or str(when.tzinfo) not in zones)
        for when in (start, end)
    )
    for name, when in (("dtstart", start), ("dtend", end)):
        if isinstance(when, dt.datetime) and in_utc:
            component.add(name, when.astimezone(dt.UTC))
        else:
            component.add(name, when)


def _status(entry: Entry, options: Options) -> str:
    if entry.off:
        # Google hides STATUS:CANCELLED, so that its subscribers never learn of it.
        return "CONFIRMED" if options.cancelled == "keep" else "CANCELLED"
    return "TENTATIVE" if entry.run.status == "postponed" else "CONFIRMED"


def _add_place(component: Event, entry: Entry) -> None:
    place, point = wording.place(entry), entry.event.point
    if place:
        # A parameter's value cannot hold a quote and Apple compares the two (RFC 5545 3.2).
        place = re.sub('"([^"]*)"', "\u201c\\1\u201d", place).replace('"', "\u201d")
        component.add("location", _Text(place))
    if point:
        latitude, longitude = (_degrees(each) for each in point)
        component.add("geo", vUri(f"{latitude};{longitude}"))
        component.add(
            "x-apple-structured-location",
            vUri(
                f"geo:{latitude},{longitude}",
                params={"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": place},
            ),
        )


def _degrees(value: float) -> str:
    return f"{value:z.6f}".rstrip("0").rstrip(".")

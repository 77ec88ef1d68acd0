"""The VTIMEZONE components of a calendar (RFC 5545 3.6.5)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from feeds.domain.entries import Entry, Timetable
from feeds.domain.feed import Feed
from feeds.domain.timezones import EPOCH, Observance, find_yearly_rules

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class Zones(NamedTuple):
    """The VTIMEZONEs of a calendar by name, and the zone in which the times of each event are.

    An event whose zone cannot be written has its times in UTC (rules 2.4).
    """

    components: dict[str, Timezone]
    by_event: Mapping[str, tzinfo]


def build_zones(feed: Feed, selected: Iterable[Entry]) -> Zones:
    """The zones of a calendar: the home zone first, then those of the events.

    All runs of an event are considered, so that neither a filter nor another event changes how the
    times of a run are written. Of a collection, only events with ``selected`` entries have a
    component.
    """
    by_event: dict[str, tzinfo] = {}
    spans = {feed.timezone: find_span(feed)}
    shown = {entry.event.id for entry in selected}
    for timetable in sorted(feed.timetables, key=lambda each: each.entries[0].zone.key):
        zone, span = timetable.entries[0].zone, _find_own_span(timetable)
        can_be_written = has_yearly_rules(zone.key, *span)
        event_id = timetable.edition.event.id
        by_event[event_id] = zone if can_be_written else UTC
        if can_be_written and (feed.listed is None or event_id in shown):
            spans[zone.key] = span
    components = {name: build_vtimezone(name, *span) for name, span in spans.items()}
    return Zones({name: each for name, each in components.items() if each}, by_event)


def find_span(feed: Feed) -> tuple[datetime, datetime]:
    """From the first to the last instant of a feed."""
    spans = [_find_own_span(timetable) for timetable in feed.timetables]
    spans = spans or [(feed.as_of, feed.as_of)]
    return min(first for first, _ in spans), max(last for _, last in spans)


def _find_own_span(timetable: Timetable) -> tuple[datetime, datetime]:
    """From the first to the last instant of an event.

    Registration may open in an earlier year, in which the zone had other rules.
    """
    instants = [*timetable.span]
    for entry in timetable.entries:
        opens, closes = entry.run.registration_opens, entry.run.registration_closes
        instants += [at for at in (opens, closes) if at]
    return min(instants), max(instants)


def build_vtimezone(name: str, first: datetime, last: datetime) -> Timezone | None:
    """Build the VTIMEZONE of a zone for times from ``first`` to ``last``, both aware.

    It has one STANDARD, or STANDARD and DAYLIGHT with yearly rules from 1970 on: all clients read
    this shape. Return None if such rules do not give zoneinfo's offsets in every calendar year (of
    UTC) from ``first`` to ``last``; the times must be written in UTC then (rules 2.4).

    Every call returns a new component. An unknown name raises ZoneInfoNotFoundError.
    """
    observances, _ = find_yearly_rules(name)
    if not observances or not has_yearly_rules(name, first, last):
        return None
    component = Timezone()
    component.add("TZID", name)
    for observance in observances:
        component.add_component(_build_component(observance))
    return component


def has_yearly_rules(name: str, first: datetime, last: datetime) -> bool:
    """Whether a zone has a VTIMEZONE for times from ``first`` to ``last``, both aware.

    The VTIMEZONE itself is the same for all times.
    """
    years = range(first.astimezone(UTC).year, last.astimezone(UTC).year + 1)
    observances, irregular = find_yearly_rules(name)
    return bool(observances) and years.start >= EPOCH.year and irregular.isdisjoint(years)


def _build_component(observance: Observance) -> TimezoneStandard | TimezoneDaylight:
    """Build STANDARD or DAYLIGHT, with the properties in the order in which icalendar sorts."""
    is_daylight = observance.offset_to > observance.offset_from
    component = TimezoneDaylight() if is_daylight else TimezoneStandard()
    component.add("DTSTART", observance.onset(EPOCH.year))
    if rule := observance.rule:
        byday = f"{rule.week}{_WEEKDAYS[rule.weekday]}"
        component.add("RRULE", vRecur(FREQ="YEARLY", BYMONTH=rule.month, BYDAY=byday))
    component.add("TZNAME", observance.tzname)
    component.add("TZOFFSETFROM", observance.offset_from)
    component.add("TZOFFSETTO", observance.offset_to)
    return component

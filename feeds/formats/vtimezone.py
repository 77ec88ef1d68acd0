"""The VTIMEZONE component of a time zone (RFC 5545 3.6.5)."""

from datetime import UTC, datetime

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from feeds.domain.timezones import EPOCH, Observance, find_yearly_rules

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def build_vtimezone(name: str, first: datetime, last: datetime) -> Timezone | None:
    """Build the VTIMEZONE of a zone for times from ``first`` to ``last``, both aware.

    It has one STANDARD, or STANDARD and DAYLIGHT with yearly rules from 1970 on: all clients read
    this shape. Return None if such rules do not give zoneinfo's offsets in every calendar year (of
    UTC) from ``first`` to ``last``; the times must be written in UTC then (rules 2.4).

    Every call returns a new component. An unknown name raises ZoneInfoNotFoundError.
    """
    years = range(first.astimezone(UTC).year, last.astimezone(UTC).year + 1)
    observances, irregular = find_yearly_rules(name)
    if not observances or years.start < EPOCH.year or not irregular.isdisjoint(years):
        return None
    component = Timezone()
    component.add("TZID", name)
    for observance in observances:
        component.add_component(_build_component(observance))
    return component


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

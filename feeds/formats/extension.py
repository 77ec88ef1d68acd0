"""The extension of JSON Feed, ``_intervals``: an event, or events, with their runs, for scripts.

docs/jsonfeed.md describes it.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import json

from feeds.domain.entries import Entry
from feeds.domain.feed import Feed
from feeds.text.dates import format_utc
from feeds.text.pages import find_days
from feeds.text.places import find_in_person

_DEPTH = 3
"""Blanks before each line of an event or a run, at most."""


def build_extension(feed: Feed, entries: Sequence[Entry]) -> dict[str, Any]:
    """The event of a feed, or the events of a collection, and the runs that the feed shows."""
    if feed.listed is None:
        (timetable,) = feed.timetables
        event = _build_event(timetable.list_current(by_start=True))
        return {"event": event, "runs": [_build_run(entry) for entry in entries]}
    timetables = {timetable.edition.event.id: timetable for timetable in feed.timetables}
    shown = dict.fromkeys(entry.event.id for entry in entries)  # by their first runs
    return {
        "events": [_build_event(timetables[id_].list_current(by_start=True)) for id_ in shown],
        "runs": [{"event": entry.event.id} | _build_run(entry) for entry in entries],
    }


def _build_event(entries: Sequence[Entry]) -> dict[str, Any]:
    """The event of these entries, whatever the options select."""
    event = entries[0].event
    first, last = find_days(entries)
    in_person = find_in_person(entries)
    url = None if all(entry.off for entry in entries) else event.registration_url
    members = {
        "id": event.id,
        "name": event.name,
        "type": event.type,
        "dates": {"first": first, "last": last},
        "timezone": entries[0].zone.key,
        "location": in_person.place if in_person else None,
        "point": event.point if in_person else None,
        "organizer": {"id": event.organization_id},
        "url": event.website_url,
        "registration": {"url": url} if url else {},
    }
    return _leave_out_unknown(members)


def _build_run(entry: Entry) -> dict[str, Any]:
    run, event, period = entry.run, entry.event, entry.period
    distance: dict[str, Any] = {"label": run.distance_label, "standard": run.distance_standard}
    if run.distance_meters:  # 0 says nothing: a run of six hours, for example
        distance["meters"] = run.distance_meters
    registration = {
        "opens": format_utc(run.registration_opens) if run.registration_opens else None,
        "closes": format_utc(run.registration_closes) if run.registration_closes else None,
        "url": entry.registration_url,
        "override": run.registration_override,
    }
    # Leave out a member that could not be read: its default is not the organizer's value.
    flags = {
        name: getattr(run, name)
        for name in ("sold_out", "virtual", "relay", "walking")
        if name not in run.unread
    }
    members = {
        "id": run.id,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "timezone": entry.zone.key,
        "end_estimated": period.estimated,
        "status": entry.status.name,
        "distance": distance if run.id != event.id else None,
        "registration": {name: value for name, value in registration.items() if value},
        **flags,
        "location": entry.place,
        "point": event.point if run.in_person else None,
    }
    return _leave_out_unknown(members)


def measure_event(entries: Sequence[Entry]) -> int:
    """Bytes of the event of these entries."""
    return _measure(_build_event(entries))


def measure_run(entry: Entry) -> int:
    """Bytes of a run, with the event that it belongs to."""
    return _measure({"event": entry.event.id} | _build_run(entry))


def _measure(members: dict[str, Any]) -> int:
    text = json.format(json.encode(members), indent=1)
    return len(text) + (text.count(b"\n") + 1) * (_DEPTH + 1)


def _leave_out_unknown(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

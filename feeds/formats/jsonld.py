"""An event as schema.org JSON-LD, for the search engines that read its page.

What is not known is left out. Where schema.org leaves a choice, Google's structured data for events
decides (https://developers.google.com/search/docs/appearance/structured-data/event).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import json, structs

from feeds.domain.changes import announces_start_time
from feeds.domain.entries import Entry
from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import Options
from feeds.domain.schedule import DAY, to_instant
from feeds.domain.status import RESCHEDULED, SCHEDULED
from feeds.domain.timezones import localize
from feeds.text import summaries
from feeds.text.dates import format_utc

SCHEMA = "https://schema.org"

_UNSAFE = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
"""What may end a script, or keep it from ending, within a string too (HTML, "Restrictions for
contents of script elements"). JSON has these characters in strings only."""
_AVAILABILITY = {None: "InStock", "paused": "OutOfStock", "closed": "OutOfStock"}
"""By what the organizer made of registration; of a word that is not known, none."""


def render_script(feed: Feed) -> str:
    """The document as JSON that is safe inside ``<script type="application/ld+json">``."""
    return json.encode(build_document(feed)).decode().translate(_UNSAFE)


def build_document(feed: Feed) -> dict[str, Any]:
    """The event of a feed of one edition with all its runs, whatever the options of the feed."""
    (event,) = (timetable.edition.event for timetable in feed.timetables)
    entries = select_entries(structs.replace(feed, options=Options()))
    # A run that is off moves neither the days nor the place of those that are left.
    on = [entry for entry in entries if not entry.off] or entries
    told = {"@context": SCHEMA} | _sports_event(feed.page, event.name, on, feed.page)
    if event.description:
        told["description"] = event.description
    if entries[0].run.id == event.id:
        return told | _offers(entries[0])
    return told | {"subEvent": [_run(entry, feed.page) for entry in entries]}


def _run(entry: Entry, page: str) -> dict[str, Any]:
    told = _sports_event(f"{page}?run={entry.run.id}", summaries.build_name(entry), [entry], page)
    return told | {"sport": "Walking" if entry.run.walking else "Running"} | _offers(entry)


def _sports_event(id_: str, name: str, entries: Sequence[Entry], page: str) -> dict[str, Any]:
    """What a run tells of itself, and an event of its runs."""
    zone = entries[0].zone
    start, end = _earliest([entry.period.start for entry in entries], zone), _end(entries)
    statuses = {_status(entry) for entry in entries}
    status = statuses.pop() if len(statuses) == 1 else SCHEDULED.schema_org
    # Google takes a previousStartDate with no other status, and the planned start of what is
    # postponed as its startDate; schema.org would have that one as previousStartDate.
    before = [each for each in map(_previously, entries) if each]
    told_of_all = status == RESCHEDULED.schema_org and len(before) == len(entries)
    previous = _earliest(before, zone) if told_of_all else None
    told = {
        "@type": "SportsEvent",
        "@id": id_,
        "url": page,
        "name": name,
        "startDate": start.isoformat(),
        "endDate": end and end.isoformat(),
        "eventStatus": f"{SCHEMA}/{status}",
        "previousStartDate": previous.isoformat() if previous and previous != start else None,
        **_attendance(entries, page),
    }
    return {name: value for name, value in told.items() if value}


def _earliest(starts: Iterable[dt.date], zone: ZoneInfo) -> dt.date:
    """Of a day and its midnight the day, which says less."""
    return min(starts, key=lambda start: (to_instant(start, zone), isinstance(start, dt.datetime)))


def _end(entries: Sequence[Entry]) -> dt.date | None:
    """The latest end, unless nobody announced it; of days the last, since it is inclusive here."""
    period = max(
        (entry.period for entry in entries),
        key=lambda each: (to_instant(each.end, entries[0].zone), not each.estimated),
    )
    end = period.end - DAY if period.all_day else period.end
    return None if period.estimated else end


def _status(entry: Entry) -> str:
    status = entry.status.schema_org
    moved = status == SCHEDULED.schema_org and _previously(entry)
    return RESCHEDULED.schema_org if moved else status


def _previously(entry: Entry) -> dt.date | None:
    """The start that was told before the last move, if that moved it."""
    move = entry.last_move
    if move is None or not move.new_start or announces_start_time(move):
        return None
    start = dt.datetime.fromisoformat(move.was.start)
    return localize(start, ZoneInfo(move.was.zone)) if "T" in move.was.start else start.date()


def _attendance(entries: Sequence[Entry], page: str) -> dict[str, Any]:
    """How one takes part, and where: at a place, from anywhere, or (a list) in both ways."""
    event = entries[0].event
    virtual = {entry.run.virtual for entry in entries}
    place: dict[str, Any] = {"@type": "Place"}
    if event.location:
        place |= {"name": event.location, "address": event.location}
    if event.point:
        degrees = zip(("latitude", "longitude"), event.point, strict=True)
        place["geo"] = {"@type": "GeoCoordinates", **dict(degrees)}
    # Google does without a name of the place, but not without the url of a VirtualLocation.
    online = {"@type": "VirtualLocation", "url": event.website_url or page}
    known = [place] if False in virtual and len(place) > 1 else []
    known += [online] if True in virtual else []
    mode = "Mixed" if len(virtual) > 1 else "Online" if True in virtual else "Offline"
    return {
        "eventAttendanceMode": f"{SCHEMA}/{mode}EventAttendanceMode",
        "location": known if len(known) > 1 else next(iter(known), None),
    }


def _offers(entry: Entry) -> dict[str, Any]:
    """Where and when to register, if one can at all; whether that is now is for a clock to say."""
    run = entry.run
    if entry.register is None:
        return {}
    availability = "SoldOut" if run.sold_out else _AVAILABILITY.get(run.registration_override)
    offer = {
        "@type": "Offer",
        "url": entry.register,
        "availability": availability and f"{SCHEMA}/{availability}",
        "validFrom": run.registration_opens and format_utc(run.registration_opens),
        "validThrough": run.registration_closes and format_utc(run.registration_closes),
    }
    return {"offers": {name: value for name, value in offer.items() if value}}

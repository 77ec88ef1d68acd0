"""An event as schema.org JSON-LD, for search engines that read its page.

Unknown properties are left out. Where schema.org leaves a choice, Google's rules for events decide
(https://developers.google.com/search/docs/appearance/structured-data/event).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import json, structs

from feeds.domain.entries import Entry
from feeds.domain.feed import Feed, select_entries
from feeds.domain.history.changes import announces_start_time
from feeds.domain.model import Event
from feeds.domain.options import Options
from feeds.domain.schedule import DAY, to_instant
from feeds.domain.status import RESCHEDULED, SCHEDULED
from feeds.domain.timezones import localize
from feeds.text import summaries
from feeds.text.agenda import Agenda, build_agenda
from feeds.text.dates import format_utc

SCHEMA = "https://schema.org"

_SCRIPT_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
"""Characters that can end a script element, or keep it from ending, even within a string (HTML,
"Restrictions for contents of script elements"). In JSON, they occur in strings only."""
_AVAILABILITY = {None: "InStock", "paused": "OutOfStock", "closed": "OutOfStock"}
"""By the organizer's override of registration. An unknown override has no availability."""


def render_script(document: dict[str, Any]) -> str:
    """A document as JSON, escaped for ``<script type="application/ld+json">``."""
    return json.encode(document).decode().translate(_SCRIPT_ESCAPES)


def build_list(
    feed: Feed, members: Iterable[tuple[Event, Agenda]], organizer: str
) -> dict[str, Any]:
    """The document of a collection: an ItemList of its events, in the order given."""
    events = []
    for event, agenda in members:
        on, page = _select_on(agenda), feed.build_page_url(event.id)
        events.append(
            _build_sports_event(page, event.name, on, page) | _build_organizer(feed, organizer)
        )
    return {
        "@context": SCHEMA,
        "@type": "ItemList",
        "name": feed.title,
        "url": feed.page,
        "itemListElement": [
            {"@type": "ListItem", "position": place, "item": event}
            for place, event in enumerate(events, 1)
        ],
    }


def _select_on(agenda: Agenda) -> Sequence[Entry]:
    """The entries of the next occasion without those that are off, unless all are."""
    return [entry for entry in agenda.next if not entry.off] or agenda.next


def _build_organizer(feed: Feed, organizer: str) -> dict[str, Any]:
    if not organizer:
        return {}
    return {
        "organizer": {
            "@type": "SportsOrganization",
            "name": organizer,
            "url": f"{feed.public_url}/",
        }
    }


def build_document(feed: Feed, organizer: str = "") -> dict[str, Any]:
    """The document of a feed with one edition, whatever the options select.

    ``organizer`` is the name of the organization, if it is known.

    The dates and the place of an event are those of its next occasion, its sub-events are the runs
    ahead as of when the edition was fetched; all runs if all have ended.
    """
    (edition,) = (timetable.edition for timetable in feed.timetables)
    event, entries = edition.event, select_entries(structs.replace(feed, options=Options()))
    agenda = build_agenda(entries, edition.fetched)
    document = {"@context": SCHEMA}
    document |= _build_sports_event(feed.page, event.name, _select_on(agenda), feed.page)
    document |= _build_organizer(feed, organizer)
    if event.description:
        document["description"] = event.description
    if entries[0].run.id == event.id:
        return document | _build_offers(entries[0])
    shown = agenda.ahead or entries
    return document | {"subEvent": [_build_sub_event(entry, feed.page) for entry in shown]}


def _build_sub_event(entry: Entry, page: str) -> dict[str, Any]:
    id_, name = f"{page}?run={entry.run.id}", summaries.build_name(entry)
    sport = {"sport": "Walking" if entry.run.walking else "Running"}
    if "walking" in entry.run.unread:
        sport = {}
    return _build_sports_event(id_, name, [entry], page) | sport | _build_offers(entry)


def _build_sports_event(id_: str, name: str, entries: Sequence[Entry], page: str) -> dict[str, Any]:
    """The members of a run, or of an event with these runs."""
    zone = entries[0].zone
    start, end = _find_earliest([entry.period.start for entry in entries], zone), _find_end(entries)
    statuses = {_get_status(entry) for entry in entries}
    status = statuses.pop() if len(statuses) == 1 else SCHEDULED.schema_org
    if "" in statuses:
        status = ""
    # Google accepts previousStartDate with EventRescheduled only. For a postponed event, Google
    # wants the planned start in startDate, and schema.org in previousStartDate.
    before = [each for each in map(_find_previous_start, entries) if each]
    all_moved = status == RESCHEDULED.schema_org and len(before) == len(entries)
    previous = _find_earliest(before, zone) if all_moved else None
    members = {
        "@type": "SportsEvent",
        "@id": id_,
        "url": page,
        "name": name,
        "startDate": start.isoformat(),
        "endDate": end and end.isoformat(),
        "eventStatus": status and f"{SCHEMA}/{status}",
        "previousStartDate": previous.isoformat() if previous and previous != start else None,
        **_build_attendance(entries, page),
    }
    return {name: value for name, value in members.items() if value}


def _find_earliest(starts: Iterable[dt.date], zone: ZoneInfo) -> dt.date:
    """The earliest start. If a day ties with its midnight: the day, which states no time."""
    return min(starts, key=lambda start: (to_instant(start, zone), isinstance(start, dt.datetime)))


def _find_end(entries: Sequence[Entry]) -> dt.date | None:
    """The latest end; None if it is an estimate. For all-day entries, the last day itself."""
    period = max(
        (entry.period for entry in entries),
        key=lambda each: (to_instant(each.end, entries[0].zone), not each.estimated),
    )
    end = period.end - DAY if period.all_day else period.end
    return None if period.estimated else end


def _get_status(entry: Entry) -> str:
    status = entry.status.schema_org
    moved = status == SCHEDULED.schema_org and _find_previous_start(entry)
    return RESCHEDULED.schema_org if moved else status


def _find_previous_start(entry: Entry) -> dt.date | None:
    """The start that was published before the last move; None if that move kept the start."""
    move = entry.last_move
    if move is None or not move.new_start or announces_start_time(move):
        return None
    start = dt.datetime.fromisoformat(move.was.start)
    return localize(start, ZoneInfo(move.was.zone)) if "T" in move.was.start else start.date()


def _build_attendance(entries: Sequence[Entry], page: str) -> dict[str, Any]:
    """The attendance mode, and the location: a place, a virtual one, or a list of both."""
    event = entries[0].event
    if any("virtual" in entry.run.unread for entry in entries):
        return {}
    virtual = {entry.run.virtual for entry in entries}
    place: dict[str, Any] = {"@type": "Place"}
    if event.location:
        place |= {"name": event.location, "address": event.location}
    if event.point:
        degrees = zip(("latitude", "longitude"), event.point, strict=True)
        place["geo"] = {"@type": "GeoCoordinates", **dict(degrees)}
    # Google does not require the name of a Place, but it requires the url of a VirtualLocation.
    online = {"@type": "VirtualLocation", "url": event.website_url or page}
    known = [place] if False in virtual and len(place) > 1 else []
    known += [online] if True in virtual else []
    mode = "Mixed" if len(virtual) > 1 else "Online" if True in virtual else "Offline"
    return {
        "eventAttendanceMode": f"{SCHEMA}/{mode}EventAttendanceMode",
        "location": known if len(known) > 1 else next(iter(known), None),
    }


def _build_offers(entry: Entry) -> dict[str, Any]:
    """The offer: where to register, and the registration window. Empty without a URL to register.

    It never states whether registration is open now (rules 4.9).
    """
    run = entry.run
    if entry.registration_url is None:
        return {}
    availability = "SoldOut" if run.sold_out else _AVAILABILITY.get(run.registration_override)
    if availability == "InStock" and not run.registration_read:
        availability = None
    offer = {
        "@type": "Offer",
        "url": entry.registration_url,
        "availability": availability and f"{SCHEMA}/{availability}",
        "validFrom": run.registration_opens and format_utc(run.registration_opens),
        "validThrough": run.registration_closes and format_utc(run.registration_closes),
    }
    return {"offers": {name: value for name, value in offer.items() if value}}

"""A feed as JSON Feed 1.1: the items of the channel, and for each run an extension for scripts.

Only the items of runs have the extension, ``_intervals`` (rules 5.13):

start, end           ISO 8601 with the offset of the place, or days; the end is exclusive, as in a
                     calendar: a race on 14 June ends on the 15th
timezone             IANA name
end_estimated        true if the end is an estimate
status               scheduled, cancelled, postponed, rescheduled, unlisted, unknown (it could not
                     be read), or the organizer's word
distance             label, standard and meters; absent for an event without runs
registration         opens and closes (UTC), url, override (paused, closed), each only if known
sold_out, virtual, relay, walking, location, point (latitude, longitude), each if it was read
"""

from typing import Any

from msgspec import json

from feeds.domain.entries import Entry
from feeds.domain.feed import Feed
from feeds.formats.items import Item, build_items
from feeds.text import summaries
from feeds.text.dates import format_utc

VERSION = "https://jsonfeed.org/version/1.1"


def render(feed: Feed) -> bytes:
    """The feed as ``application/feed+json``."""
    title = summaries.strip_markup(feed.title)
    document = {
        "version": VERSION,
        "title": title,
        "home_page_url": feed.page,
        "feed_url": feed.source,
        "description": summaries.describe_feed(title),
        "language": "en",
        "items": [_build_item(item, feed.page) for item in build_items(feed)],
    }
    return json.format(json.encode(document), indent=1)


def _build_item(item: Item, page: str) -> dict[str, Any]:
    """The members of an item."""
    members: dict[str, Any] = {
        "id": item.guid,
        "url": page,
        "title": item.title,
        "content_html": item.html,
        "date_published": format_utc(item.published),
        "tags": item.categories,
    }
    if item.entry:
        members |= {
            "date_modified": format_utc(item.entry.revision.last_modified),
            "_intervals": _build_extension(item.entry),
        }
    return members


def _build_extension(entry: Entry) -> dict[str, Any]:
    run, event, period = entry.run, entry.event, entry.period
    distance = {
        "label": run.distance_label,
        "standard": run.distance_standard,
        "meters": run.distance_meters,
    }
    registration = {
        "opens": format_utc(run.registration_opens) if run.registration_opens else None,
        "closes": format_utc(run.registration_closes) if run.registration_closes else None,
        "url": entry.registration_url,
        "override": run.registration_override,
    }
    # A member that could not be read is left out: its default was not told.
    flags = {
        name: getattr(run, name)
        for name in ("sold_out", "virtual", "relay", "walking")
        if name not in run.unread
    }
    members = {
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
    return {name: value for name, value in members.items() if value is not None}

"""Feeds rendered by icalendar and feedgen alone, from values computed before.

Both functions return a function that renders the bytes which the service renders for the feed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from feedgen.feed import FeedGenerator
from icalendar import Calendar, Component
from icalendar import Event as Vevent

from feeds.domain.entries import Entry
from feeds.domain.feed import Feed, select_entries
from feeds.formats import channel, ical, rss
from feeds.formats.vtimezone import build_vtimezone
from feeds.text import descriptions, summaries

Property = tuple[str, Any, Mapping[str, str] | None]
"""Name, value and parameters."""


def prepare_icalendar(feed: Feed) -> Callable[[], bytes]:
    """For a feed whose runs are all in its home zone."""
    entries = select_entries(feed)
    head: list[Property] = [
        ("version", "2.0", None),
        ("prodid", ical.PRODID, None),
        ("calscale", "GREGORIAN", None),
        ("name", feed.title, None),
        ("x-wr-calname", feed.title, None),
        ("x-wr-caldesc", f"{feed.title}: {feed.page}", None),
        ("x-wr-timezone", feed.timezone, None),
        ("refresh-interval", ical.REFRESH, {"VALUE": "DURATION"}),
        ("x-published-ttl", "PT1H", None),
        ("source", feed.source, {"VALUE": "URI"}),
        ("url", feed.page, None),
    ]
    vtimezone = build_vtimezone(feed.timezone, *feed.timetables[0].span)
    assert vtimezone
    vevents = [_list_properties(entry, feed.page) for entry in entries]

    def render() -> bytes:
        calendar = Calendar()
        _add(calendar, head)
        calendar.add_component(vtimezone)
        for properties in vevents:
            vevent = Vevent()
            _add(vevent, properties)
            calendar.add_component(vevent)
        return bytes(calendar.to_ical())

    return render


def prepare_feedgen(feed: Feed) -> Callable[[], bytes]:
    channel_items = channel.build_channel(feed).items
    modified = max(item.published for item in channel_items)

    def render() -> bytes:
        channel = FeedGenerator()
        channel.load_extension("geo", atom=False, rss=True)
        channel.title(feed.title)
        channel.description(summaries.describe_feed(feed.title))
        channel.link(href=feed.source, rel="self", type="application/rss+xml")
        channel.link(href=feed.page, rel="alternate")
        channel.language("en")
        channel.ttl(rss.TTL)
        channel.generator("intervals-feeds")
        channel.lastBuildDate(modified)
        for each in channel_items:
            item = channel.add_entry(order="append")
            item.guid(each.guid, permalink=False)
            item.title(each.title)
            item.link(href=each.url)
            item.description(each.html)
            item.pubDate(each.published)
            item.category([{"term": term} for term in each.categories])
            if each.point:
                item.geo.point("{:.6f} {:.6f}".format(*each.point))
        return bytes(channel.rss_str(pretty=True))

    return render


def _add(component: Component, properties: list[Property]) -> None:
    for name, value, parameters in properties:
        component.add(name, value, dict(parameters or {}))


def _list_properties(entry: Entry, page: str) -> list[Property]:
    place, (latitude, longitude) = entry.place or "", entry.event.point or (0, 0)
    return [
        ("uid", entry.uid, None),
        ("summary", summaries.build_summary(entry), None),
        ("dtstart", entry.period.start, None),
        ("dtend", entry.period.end, None),
        ("status", "CONFIRMED", None),
        ("transp", "TRANSPARENT", None),
        ("description", descriptions.build_description(entry, page, "en_US"), None),
        ("url", entry.event.website_url, None),
        ("categories", list(descriptions.list_categories(entry)), None),
        ("location", place, None),
        ("geo", (latitude, longitude), None),
        (
            "x-apple-structured-location",
            f"geo:{latitude},{longitude}",
            {"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": place},
        ),
        ("dtstamp", entry.revision.last_modified, None),
        ("created", entry.revision.created, None),
        ("last-modified", entry.revision.last_modified, None),
        ("sequence", entry.revision.sequence, None),
    ]

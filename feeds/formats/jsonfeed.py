"""A feed as JSON Feed 1.1: the items of the channel, and the event with its runs for scripts.

The extension ``_intervals`` is described in docs/jsonfeed.md and, as a JSON Schema, in
docs/feed.schema.json.
"""

from typing import Any

from msgspec import json

from feeds.domain.feed import Feed
from feeds.formats.channel import build_channel
from feeds.formats.extension import build_extension
from feeds.formats.items import Item
from feeds.text import summaries
from feeds.text.dates import format_utc

VERSION = "https://jsonfeed.org/version/1.1"


def render(feed: Feed) -> bytes:
    title, channel = summaries.strip_markup(feed.title), build_channel(feed)
    document = {
        "version": VERSION,
        "title": title,
        "home_page_url": feed.page,
        "feed_url": feed.source,
        "description": summaries.describe_feed(title, feed.about),
        "language": "en",
        "_intervals": build_extension(feed, channel.entries),
        "items": [_build_item(item) for item in channel.items],
    }
    return json.format(json.encode(document), indent=1)


def _build_item(item: Item) -> dict[str, Any]:
    members: dict[str, Any] = {
        "id": item.guid,
        "url": item.url,
        "title": item.title,
        "content_html": item.html,
        "date_published": format_utc(item.published),
        "tags": item.categories,
    }
    if item.entry:
        # A session was mostly seen long before its item is published (rules 9.4).
        modified = max(item.entry.revision.last_modified, item.published)
        members["date_modified"] = format_utc(modified)
    return members

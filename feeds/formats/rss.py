"""A feed as an RSS 2.0 channel, by the RSS Advisory Board's profile."""

from feedgen.feed import FeedGenerator  # feedgen.ext can only be imported after this module

from feeds.domain.feed import Feed
from feeds.formats.channel import build_channel
from feeds.formats.items import Item
from feeds.text import summaries

TTL = 60
"""Minutes that readers may keep the channel."""


def render(feed: Feed) -> bytes:
    title = summaries.strip_markup(feed.title)
    channel = FeedGenerator()
    channel.load_extension("geo", atom=False, rss=True)
    channel.title(title)
    channel.description(summaries.describe_feed(title, feed.about))
    channel.link(href=feed.source, rel="self", type="application/rss+xml")
    channel.link(href=feed.page, rel="alternate")  # last: feedgen's <link> is the last one added
    channel.language("en")
    channel.ttl(TTL)
    channel.generator("intervals-feeds")
    shown = build_channel(feed)
    # Of what this channel shows, so that a filtered channel changes only if its own items do.
    modified = [entry.revision.last_modified for entry in shown.entries]
    modified += [item.published for item in shown.items]
    channel.lastBuildDate(max(modified, default=feed.listed or feed.as_of))
    for item in shown.items:
        _add_item(channel, item)
    return bytes(channel.rss_str(pretty=True))


def _add_item(channel: FeedGenerator, item: Item) -> None:
    entry = channel.add_entry(order="append")
    entry.guid(item.guid, permalink=False)
    entry.title(item.title)
    entry.link(href=item.url)
    entry.description(item.html)
    entry.pubDate(item.published)
    entry.category([{"term": term} for term in item.categories])
    if item.point:
        latitude, longitude = item.point
        entry.geo.point(f"{latitude:z.6f} {longitude:z.6f}")

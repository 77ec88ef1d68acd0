"""A feed as an RSS 2.0 channel, by the RSS Board's profile."""

from feedgen.feed import FeedGenerator  # before feedgen.ext, which does not import without it

from feeds import wording
from feeds.items import items
from feeds.model import Feed
from feeds.schedule import last_modified

TTL = 60
"""Minutes that readers may keep the channel."""


def render(feed: Feed) -> bytes:
    """The bytes of ``application/rss+xml``."""
    title = wording.plain(feed.title)
    channel = FeedGenerator()
    channel.load_extension("geo", atom=False, rss=True)
    channel.title(title)
    channel.description(wording.tells(title))
    channel.link(href=feed.source, rel="self", type="application/rss+xml")
    channel.link(href=feed.page, rel="alternate")  # last: feedgen's <link> is the last one added
    channel.language("en")
    channel.ttl(TTL)
    channel.generator("intervals-feeds")
    channel.lastBuildDate(last_modified(feed))
    for each in items(feed):
        item = channel.add_entry(order="append")
        item.guid(each.guid, permalink=False)
        item.title(each.title)
        item.link(href=feed.page)
        item.description(each.html)
        item.pubDate(each.published)
        item.category([{"term": term} for term in each.categories])
        if each.point:
            latitude, longitude = each.point
            item.geo.point(f"{latitude:z.6f} {longitude:z.6f}")
    return bytes(channel.rss_str(pretty=True))

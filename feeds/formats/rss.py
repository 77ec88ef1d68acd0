"""A feed as an RSS 2.0 channel, by the RSS Board's profile."""

from feedgen.feed import FeedGenerator  # before feedgen.ext, which does not import without it

from feeds.domain.memo import memo
from feeds.domain.model import Feed
from feeds.domain.schedule import compute_last_modified
from feeds.formats.items import Item, build_items
from feeds.text import wording

TTL = 60
"""Minutes that readers may keep the channel."""


_ITEM, _END = b"    <item>", b"  </channel>"
"""Where items begin and end: of all that is written, only tags have an angle bracket."""


def render(feed: Feed) -> bytes:
    """The bytes of ``application/rss+xml``."""
    title = wording.strip_markup(feed.title)
    channel = _channel(title, wording.describe_feed(title))
    channel.link(href=feed.source, rel="self", type="application/rss+xml")
    channel.link(href=feed.page, rel="alternate")  # last: feedgen's <link> is the last one added
    channel.language("en")
    channel.ttl(TTL)
    channel.generator("intervals-feeds")
    channel.lastBuildDate(compute_last_modified(feed))
    head, end, rest = bytes(channel.rss_str(pretty=True)).rpartition(_END)
    return b"".join((head, *(_part(each, feed.page) for each in build_items(feed)), end, rest))


def _channel(title: str, description: str) -> FeedGenerator:
    channel = FeedGenerator()
    channel.load_extension("geo", atom=False, rss=True)
    channel.title(title)
    channel.description(description)
    return channel


@memo.remembers(weigh=len)
def _part(item: Item, page: str) -> bytes:
    """An item as it stands in any channel: cut out of one of its own, which declares its names."""
    channel = _channel("-", "-")
    channel.link(href=page)
    entry = channel.add_entry()
    entry.guid(item.guid, permalink=False)
    entry.title(item.title)
    entry.link(href=page)
    entry.description(item.html)
    entry.pubDate(item.published)
    entry.category([{"term": term} for term in item.categories])
    if item.point:
        latitude, longitude = item.point
        entry.geo.point(f"{latitude:z.6f} {longitude:z.6f}")
    written = bytes(channel.rss_str(pretty=True))
    return written[written.index(_ITEM) : written.rindex(_END)]

"""A feed as an RSS 2.0 channel, by the RSS Board's profile."""

import html
import re
from collections.abc import Iterator

from feedgen.feed import FeedGenerator  # before feedgen.ext, which does not import without it

from feeds import wording
from feeds.model import Feed
from feeds.schedule import Entry, entries_of

TTL = 60
"""Minutes that readers may keep the channel."""


def render(feed: Feed) -> bytes:
    """The bytes of ``application/rss+xml``."""
    entries = entries_of(feed)
    title = wording.plain(feed.title)
    channel = FeedGenerator()
    channel.load_extension("geo", atom=False, rss=True)
    channel.title(title)
    channel.description(f"{title}: starts, changes and cancellations, as the organizer tells them.")
    channel.link(href=feed.source, rel="self", type="application/rss+xml")
    channel.link(href=feed.page, rel="alternate")  # last: feedgen's <link> is the last one added
    channel.language("en")
    channel.ttl(TTL)
    channel.generator("intervals-feeds")
    channel.lastBuildDate(feed.last_modified)
    newest_first = sorted(entries, key=lambda entry: entry.stamp.created, reverse=True)
    for entry in newest_first:
        _add_item(channel, entry, feed)
    return bytes(channel.rss_str(pretty=True))


def _add_item(channel: FeedGenerator, entry: Entry, feed: Feed) -> None:
    """The item of a run: what it is now."""
    item = channel.add_entry(order="append")
    item.guid(entry.uid, permalink=False)
    item.title(f"{wording.plain(wording.summary(entry))}, {wording.when(entry.period)}")
    item.link(href=feed.page)
    item.description(_html(entry, feed.page))
    item.pubDate(entry.stamp.created)
    item.category([{"term": term} for term in wording.categories(entry)])
    if entry.event.point and not entry.run.virtual:
        latitude, longitude = entry.event.point
        item.geo.point(f"{latitude:z.6f} {longitude:z.6f}")


def _html(entry: Entry, page: str) -> str:
    return "".join(_paragraphs(entry, page))


def _paragraphs(entry: Entry, page: str) -> Iterator[str]:
    """HTML in which all that came from outside is escaped."""
    facts = list(wording.facts(entry))
    if place := wording.place(entry):
        facts.append(place)
    yield f"<p>{'<br>'.join(map(html.escape, facts))}</p>"
    links = (
        f'<a href="{html.escape(link.url)}">{link.label}</a>' for link in wording.links(entry, page)
    )
    yield f"<p>{' · '.join(links)}</p>"
    for paragraph in re.split(r"\n\s*\n", entry.event.description or ""):
        if paragraph.strip():
            yield f"<p>{html.escape(paragraph.strip()).replace(chr(10), '<br>')}</p>"

"""The items of a channel: what each run is now, what has changed, and when registration turned.

Readers do not announce an item again when it changes, so each change is an item of its own; the
same items make the channel and the JSON feed.
"""

import datetime as dt
import html
import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from feeds import changes, wording
from feeds.model import Edition, Event, Feed, Kind
from feeds.options import keeps
from feeds.schedule import Entry, entries, entries_of, has_left

MOST_CHANGES = 50
NEWS = dt.timedelta(days=30)
"""Change items in a channel; none that was noticed so short before the last one is dropped."""

OPENS = "registration-opens"
CLOSES = "registration-closes"


class Item(Struct, frozen=True, kw_only=True):
    """An item: ``guid`` for ever the same, ``html`` escaped, ``published`` in UTC."""

    guid: str
    title: str
    html: str
    published: dt.datetime
    categories: tuple[str, ...]
    point: tuple[float, float] | None


def items(feed: Feed) -> tuple[Item, ...]:
    """The items of a feed, newest first."""
    found = [_run_item(entry, feed) for entry in entries_of(feed)]
    for edition in feed.editions:
        kept = [
            entry for entry in entries(edition, feed.timezone) if keeps(feed.options, entry.run)
        ]
        found += _change_items(edition, kept, feed)
        found += _registration_items(kept, feed)
    # By guid first, so that what was published at the same time has an order.
    found.sort(key=lambda item: item.guid)
    return tuple(sorted(found, key=lambda item: item.published, reverse=True))


def marks(feed: Feed) -> Iterator[dt.datetime]:
    """The instants at which a channel gets an item without anything having changed."""
    for entry in entries_of(feed):
        yield from (at for _, at in _registration(entry))


def _run_item(entry: Entry, feed: Feed) -> Item:
    """A run as it is now, which is also its announcement."""
    title = f"{wording.summary(entry)}, {wording.when(entry.period)}"
    facts = [*wording.facts(entry), wording.place(entry) or ""]
    links = wording.links(entry, feed.page)
    return _item(
        entry.uid, title, _html(facts, links, entry.event.description), entry.stamp.created, [entry]
    )


def _change_items(edition: Edition, kept: Sequence[Entry], feed: Feed) -> list[Item]:
    """The changes of the runs that a feed keeps; those of runs that have left, leave with them.

    A group is named by all that it had when it was noticed, so that its guid stays when some leave.
    """
    by_id = {entry.run.id: entry for entry in kept}
    found = []
    for whole in changes.groups(edition.changes):
        group = [change for change in whole if change.run in by_id]
        runs = [by_id[change.run] for change in group]
        if whole[0].kind == Kind.OTHER_DISTANCE or all(has_left(run.run, feed.at) for run in runs):
            continue
        guid = _guid(
            edition.event,
            runs,
            group[0].kind,
            changes.group_value(whole) if len(group) > 1 else changes.value(group[0]),
            group[0].group_nth if len(group) > 1 else group[0].nth,
        )
        title = wording.announcement(group, runs)
        lines = [wording.change(change, run) for change, run in zip(group, runs, strict=True)]
        found.append(
            _item(
                guid, title, _html(lines, wording.links(runs[0], feed.page)), group[0].noticed, runs
            )
        )
    found.reverse()
    return [
        item
        for place, item in enumerate(found)
        if place < MOST_CHANGES or found[0].published - item.published < NEWS
    ]


def _registration_items(kept: Sequence[Entry], feed: Feed) -> Iterator[Item]:
    """Registration that has opened or closed as the organizer had announced."""
    groups: dict[tuple[str, dt.datetime], list[Entry]] = {}
    for entry in kept:
        for kind, at in _registration(entry):
            if feed.at and at <= feed.at and not has_left(entry.run, feed.at):
                groups.setdefault((kind, at), []).append(entry)
    for (kind, at), runs in groups.items():
        guid = _guid(runs[0].event, runs, kind, at.strftime("%Y%m%dT%H%M%SZ"), 1)
        yield _item(
            guid,
            f"{wording.REGISTRATION[kind]}: {wording.names(runs)}",
            _html(wording.facts(runs[0]), wording.links(runs[0], feed.page)),
            at,
            runs,
        )


def _registration(entry: Entry) -> Iterator[tuple[str, dt.datetime]]:
    """When registration opens and closes, unless the run is then off, sold out or overridden."""
    window = ((OPENS, entry.run.registration_opens), (CLOSES, entry.run.registration_closes))
    for kind, at in window:
        if at:
            then = changes.at(changes.state(entry), entry.changes, at)
            off = then.status in ("cancelled", changes.UNLISTED)
            if not (off or then.sold_out or then.override):
                yield kind, at


def _guid(event: Event, runs: Sequence[Entry], kind: str, value: str, nth: int) -> str:
    """What happened as data: the same item on every deployment, also after a lost database."""
    named = runs[0].uid if len(runs) == 1 else f"{event.id}@intervals.run"
    return "/".join([named, kind, *([value] if value else []), *([str(nth)] if nth > 1 else [])])


def _item(guid: str, title: str, body: str, published: dt.datetime, runs: Sequence[Entry]) -> Item:
    categories = dict.fromkeys(term for run in runs for term in wording.categories(run))
    virtual = all(run.run.virtual for run in runs)
    return Item(
        guid=guid,
        title=wording.plain(title),
        html=body,
        published=published,
        categories=tuple(categories),
        point=None if virtual else runs[0].event.point,
    )


def _html(lines: Iterable[str], links: Iterable[wording.Link], text: str | None = None) -> str:
    """HTML in which all that came from outside is escaped."""
    told = "<br>".join(html.escape(line) for line in lines if line)
    leads = " · ".join(
        f'<a href="{html.escape(link.url)}">{html.escape(link.label)}</a>' for link in links
    )
    paragraphs = [
        html.escape(each.strip()).replace("\n", "<br>") for each in re.split(r"\n\s*\n", text or "")
    ]
    return "".join(f"<p>{each}</p>" for each in (told, leads, *paragraphs) if each)

"""The items of a channel: runs and their changes (rules 5).

Readers do not announce a changed item again, so each change is an item of its own. RSS and JSON
Feed have the same items.
"""

import datetime as dt
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct, structs

from feeds.domain.entries import Entry
from feeds.domain.feed import MAX_BYTES, Feed, fit_entries, select_entries
from feeds.domain.history.changes import build_group_guid_value, build_guid_value, group_changes
from feeds.domain.history.moves import merge_moves
from feeds.domain.model import Change, Edition, Event, State
from feeds.domain.options import Options, selects
from feeds.domain.sessions import select_announced
from feeds.text import changes, dates, descriptions, summaries

MIN_CHANGE_ITEMS, MAX_CHANGE_ITEMS = 50, 300
CHANGE_ITEM_KEPT_FOR = dt.timedelta(days=30)
"""Beyond the minimum, a change item is dropped if it is this much older than the newest one."""

ITEM_SIZE = 550
"""Bytes of an item without its texts, at most."""


class Item(Struct, frozen=True, kw_only=True):
    """An item: its ``guid`` never changes, ``html`` is escaped, ``published`` is in UTC.

    ``entry`` is the entry of a run's own item, None for the item of a change.
    """

    guid: str
    title: str
    html: str
    published: dt.datetime
    categories: tuple[str, ...]
    point: tuple[float, float] | None
    entry: Entry | None = None


def build_items(feed: Feed) -> tuple[Item, ...]:
    """The items of a feed, newest first."""
    items: list[Item] = []
    for timetable in feed.timetables:
        shown = {
            entry.run.id: entry
            for entry in timetable.list_current()
            if selects(feed.options, entry.run)
        }
        items += _build_change_items(timetable.edition, shown, feed)
    sizes = [_measure(item, feed.page) for item in items]
    head = 20 * len(feed.title.encode()) + 2 * (len(feed.source) + len(feed.page))
    built: dict[str, Item] = {}  # by uid, as the entries were measured last

    def measure(entry: Entry) -> int:
        built[entry.uid] = _build_run_item(entry, feed.page)
        return _measure(built[entry.uid], feed.page)

    entries = select_announced(select_entries(feed))
    room = MAX_BYTES - ITEM_SIZE - head - sum(sizes)
    items += [built[entry.uid] for entry in fit_entries(feed, entries, measure, room)]
    # Sort by guid first: sorting is stable, so items of the same time are in the order of guids.
    items.sort(key=lambda item: item.guid)
    return tuple(sorted(items, key=lambda item: item.published, reverse=True))


def _build_run_item(entry: Entry, page: str) -> Item:
    """The item with the present state of a run, which also announces the run (rules 5.2)."""
    title = f"{summaries.build_summary(entry)}, {dates.format_when(entry.period)}"
    facts = [
        *descriptions.list_news(entry),
        *descriptions.list_facts(entry),
        entry.place or "",
    ]
    links = descriptions.list_links(entry, page)
    body = _build_html(facts, links, descriptions.build_own_text(entry, page))
    published = entry.published or entry.revision.created
    item = _build_item(entry.uid, title, body, published, [entry])
    return structs.replace(item, entry=entry)


def _measure(item: Item, page: str) -> int:
    """Bytes of an item in RSS or in JSON Feed, at most: markup is escaped twice in RSS."""
    size = ITEM_SIZE + 3 * len(page) + len(item.guid)
    texts = [item.title, item.html]
    if item.entry:
        run = item.entry.run
        own = (item.entry.place, item.entry.register, run.registration_override, run.status)
        texts += [run.distance_label, *(text for text in own if text)]
    return size + sum(len(html.escape(text).encode()) + text.count("\\") for text in texts)


def _build_change_items(edition: Edition, shown: Mapping[str, Entry], feed: Feed) -> list[Item]:
    """The items about changes of the runs in ``shown``, the entries that a feed shows, by run id.

    A guid is made from the runs that the feed had when the changes were noticed, so that the guid
    stays the same when some of the runs leave the feed. After two histories were merged, a filter
    may leave the same change of a run in two groups: the first one is shown.
    """
    found: dict[str, Item] = {}
    told = dict(zip(edition.changes, merge_moves(edition.changes), strict=True))
    for whole in group_changes(edition.changes):
        group = [
            each for each in whole if _is_selected(feed.options, edition.event, each.run, each.now)
        ]
        visible = [now for each in group if each.run in shown and (now := told[each])]
        if not visible:
            continue
        runs = [shown[each.run] for each in visible]
        lines = changes.describe_changes(visible, runs)
        linked = next((run for run in runs if run.register), runs[0])
        is_current = visible[0].kind == runs[0].status.change_kind
        reason = descriptions.split_text(runs[0], feed.page)[0] if is_current else ""
        item = _build_item(
            _build_change_guid(edition.event, whole, group),
            changes.build_change_title(visible, runs),
            _build_html(lines, descriptions.list_links(linked, feed.page), reason),
            visible[0].noticed,
            runs,
        )
        found.setdefault(item.guid, item)
    items = sorted(found.values(), key=lambda item: item.published, reverse=True)
    recent = [
        item
        for place, item in enumerate(items)
        if place < MIN_CHANGE_ITEMS or items[0].published - item.published < CHANGE_ITEM_KEPT_FOR
    ][:MAX_CHANGE_ITEMS]
    sizes = accumulate(_measure(item, feed.page) for item in recent)
    room = MAX_BYTES // 2 // len(feed.timetables)
    return [item for item, size in zip(recent, sizes, strict=True) if size <= room]


def _build_change_guid(event: Event, whole: Sequence[Change], group: Sequence[Change]) -> str:
    """The guid of an item. ``group`` are the changes of ``whole`` whose runs the feed had then."""
    first = group[0]
    runs = [each.run for each in group]
    if len(group) > 1:
        return _build_guid(event, runs, first.kind, build_group_guid_value(whole), first.group_nth)
    return _build_guid(event, runs, first.kind, build_guid_value(first), first.nth)


def _is_selected(options: Options, event: Event, run_id: str, state: State) -> bool:
    """Whether the options select a run in this state; its distance may differ from today's."""
    run = structs.replace(event.as_run, id=run_id, distance_standard=state.distance)
    return selects(options, run)


def _build_guid(event: Event, runs: Sequence[str], kind: str, value: str, nth: int) -> str:
    """The guid (rules 1.5). It is made of data, so it is the same on every deployment."""
    named = runs[0] if len(runs) == 1 else event.id
    parts = (f"{named}@intervals.run", kind, value, str(nth) if nth > 1 else "")
    return "/".join(part for part in parts if part)


def _build_item(
    guid: str,
    title: str,
    body: str,
    published: dt.datetime,
    runs: Sequence[Entry],
) -> Item:
    categories = dict.fromkeys(term for run in runs for term in descriptions.list_categories(run))
    return Item(
        guid=guid,
        title=summaries.strip_markup(title),
        html=body,
        published=published,
        categories=tuple(categories),
        point=runs[0].event.point if any(run.run.in_person for run in runs) else None,
    )


def _build_html(lines: Iterable[str], links: Iterable[descriptions.Link], text: str = "") -> str:
    """Paragraphs of HTML: lines, links, and the event's own text, all of it escaped."""
    facts = "<br>".join(html.escape(line) for line in lines if line)
    anchors = " · ".join(
        f'<a href="{html.escape(link.url)}">{html.escape(link.label)}</a>' for link in links
    )
    paragraphs = [
        html.escape(each.strip()).replace("\n", "<br>") for each in re.split(r"\n\s*\n", text)
    ]
    return "".join(f"<p>{each}</p>" for each in (facts, anchors, *paragraphs) if each)

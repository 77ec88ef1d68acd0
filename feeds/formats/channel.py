"""The channel of a feed: which items it has, and in which order (rules 5).

RSS and JSON Feed have the same items.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.feed import MAX_BYTES, Feed, fit_entries, rank_entries, select_entries
from feeds.domain.history.sessions import select_announced
from feeds.formats.extension import measure_event, measure_run
from feeds.formats.items import (
    ITEM_SIZE,
    Item,
    build_change_items,
    build_run_item,
    measure_item,
)

MIN_CHANGE_ITEMS, MAX_CHANGE_ITEMS = 50, 300
CHANGE_ITEM_KEPT_FOR = dt.timedelta(days=30)
"""Beyond the minimum, a change item is dropped if it is this much older than the newest one. In a
collection, if it is this much older than the last change of a member."""

MAX_COLLECTION_ITEMS = 200
"""Items in the channel of a collection, the newest ones."""


class Channel(Struct, frozen=True):
    """The items of a feed, newest first, and the entries that they are about, by start.

    Items of the same time are in the order of their starts. A run that is off has no item of its
    own beside the item of that change, nor has a session that is far ahead.
    """

    items: tuple[Item, ...]
    entries: tuple[Entry, ...]


def build_channel(feed: Feed) -> Channel:
    """The channel of a feed, as far as it fits into ``MAX_BYTES`` (rules 6.13).

    A collection leaves out runs with an item last: new events are mostly far ahead (rules 11.12).
    """
    items = build_history(feed)
    selected = select_entries(feed)
    announced = _select_own(selected, items)
    if feed.listed:
        items, announced = _select_newest(items, rank_entries(feed, announced))
    own = {entry.uid for entry in announced}
    needed = own if feed.listed else frozenset[str]()
    events = _measure_events(feed, selected, needed)
    built: dict[str, Item] = {}  # by uid, as the entries were measured last

    def measure(entry: Entry) -> int:
        size = measure_run(entry) + events.get(entry.uid, 0)
        if entry.uid in own:
            page = feed.build_page_url(entry.event.id)
            built[entry.uid] = build_run_item(entry, page, feed.locale)
            size += measure_item(built[entry.uid])
        return size

    head = 20 * len(feed.title.encode()) + 2 * (len(feed.source) + len(feed.page))
    head += 6 * len(feed.about.encode())
    room = MAX_BYTES - ITEM_SIZE - head - sum(measure_item(item) for item in items)
    entries = fit_entries(feed, selected, measure, room, needed)
    items += tuple(built[entry.uid] for entry in entries if entry.uid in built)
    ordered = sorted(items, key=lambda item: (item.start, item.guid))
    return Channel(tuple(sorted(ordered, key=lambda item: item.published, reverse=True)), entries)


def _measure_events(
    feed: Feed, selected: Iterable[Entry], needed: Collection[str]
) -> dict[str, int]:
    """Bytes of each event in JSON Feed, by the uid of that entry which is left out last."""
    timetables = {timetable.edition.event.id: timetable for timetable in feed.timetables}
    ranked = rank_entries(feed, selected, needed)
    last = {entry.event.id: entry.uid for entry in reversed(ranked)}
    return {
        uid: measure_event(timetables[id_].list_current(by_start=True)) for id_, uid in last.items()
    }


def _select_own(selected: Sequence[Entry], items: Iterable[Item]) -> list[Entry]:
    told = {(run, item.kind) for item in items for run in item.runs}
    return [
        entry
        for entry in select_announced(selected)
        if not (entry.off and (entry.run.id, entry.status.change_kind) in told)
    ]


def _select_newest(
    items: Sequence[Item], announced: Sequence[Entry]
) -> tuple[tuple[Item, ...], list[Entry]]:
    """The newest items of a collection: those of changes, and the entries of the others.

    Of entries that were announced at the same time, those that come first are kept.
    """
    dated = [
        *((item.published, 0, place) for place, item in enumerate(items)),
        *((_get_published(entry), 1, place) for place, entry in enumerate(announced)),
    ]
    newest = sorted(dated, key=lambda each: each[0], reverse=True)[:MAX_COLLECTION_ITEMS]
    kept = [{place for _, its_kind, place in newest if its_kind == kind} for kind in range(2)]
    return (
        tuple(item for place, item in enumerate(items) if place in kept[0]),
        [entry for place, entry in enumerate(announced) if place in kept[1]],
    )


def _get_published(entry: Entry) -> dt.datetime:
    return entry.published or entry.revision.created


def build_history(feed: Feed) -> tuple[Item, ...]:
    """The items of changes that a channel and a page show, newest first."""
    items = []
    for timetable in feed.timetables:
        items += _select_recent(build_change_items(timetable, feed))
    items.sort(key=lambda item: item.published, reverse=True)
    if feed.listed:
        kept = feed.as_of - CHANGE_ITEM_KEPT_FOR
        # A run that two events have may have the same change in both.
        recent = {item.guid: item for item in items[::-1] if item.published > kept}
        items = [*recent.values()][::-1][:MAX_COLLECTION_ITEMS]
    sizes = accumulate(map(measure_item, items))
    return tuple(item for item, size in zip(items, sizes, strict=True) if size <= MAX_BYTES // 2)


def _select_recent(items: Iterable[Item]) -> list[Item]:
    """The items of the changes of one event that a channel still shows (rules 5.9)."""
    items = sorted(items, key=lambda item: item.published, reverse=True)
    return [
        item
        for place, item in enumerate(items)
        if place < MIN_CHANGE_ITEMS or items[0].published - item.published < CHANGE_ITEM_KEPT_FOR
    ][:MAX_CHANGE_ITEMS]

"""The items of a channel: runs and their changes (rules 5).

Readers do not announce a changed item again, so each change is an item of its own.
"""

import datetime as dt
import html
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from feeds.domain.entries import Entry, Timetable
from feeds.domain.feed import Feed
from feeds.domain.history.anchors import Anchors, name_anchors
from feeds.domain.history.changes import build_group_guid_value, build_guid_value, group_changes
from feeds.domain.model import Change, Event, Kind, State
from feeds.domain.moves import merge_moves
from feeds.domain.options import Options, selects, shows
from feeds.text import changes, dates, descriptions, summaries
from feeds.text.descriptions import Link

ITEM_SIZE, CATEGORY_SIZE = 270, 30
"""Bytes of an item, and of a category of an item, without their texts, at most."""


class Item(Struct, frozen=True, kw_only=True):
    """An item: its ``guid`` never changes, ``html`` is escaped, ``published`` is in UTC.

    ``page`` is the address of the event's page, ``anchors`` are its places on that page: its own,
    then those of its runs in filtered feeds. ``start`` is the earliest start of its runs, ``runs``
    are their ids. ``entry`` is the entry of a run's own item, ``kind`` is that of a change.
    """

    guid: str
    page: str
    title: str
    html: str
    published: dt.datetime
    categories: tuple[str, ...]
    point: tuple[float, float] | None
    anchors: tuple[str, ...]
    start: dt.datetime
    runs: tuple[str, ...]
    entry: Entry | None = None
    kind: Kind | None = None

    @property
    def anchor(self) -> str:
        return self.anchors[0]

    @property
    def url(self) -> str:
        return f"{self.page}#{self.anchor}"


def build_run_item(entry: Entry, page: str, locale: str) -> Item:
    """The item with the present state of a run, which also announces the run (rules 5.2)."""
    title = f"{summaries.build_summary(entry)}, {dates.format_when(entry.period, locale)}"
    facts = [
        *descriptions.list_news(entry, locale),
        *descriptions.list_facts(entry, locale),
        entry.place or "",
    ]
    links = descriptions.list_links(entry, page)
    return _build_item(
        entry.uid,
        title,
        _build_html(facts, links, descriptions.build_own_text(entry, page)),
        entry.published or entry.revision.created,
        [entry],
        page=page,
        anchors=[entry.run.id],
        entry=entry,
    )


def measure_item(item: Item) -> int:
    """Bytes of an item in RSS or in JSON Feed, at most: markup is escaped twice in RSS."""
    size = ITEM_SIZE + len(item.page) + len(item.guid) + len(item.anchor)
    size += sum(CATEGORY_SIZE + len(category) for category in item.categories)
    return size + _measure_text(item.title) + _measure_text(item.html)


def _measure_text(text: str) -> int:
    """Bytes of a text, whose tabs and backslashes JSON escapes."""
    return len(html.escape(text).encode()) + text.count("\\") + text.count("\t")


def build_change_items(timetable: Timetable, feed: Feed) -> list[Item]:
    """The items about changes of the runs that a feed shows.

    A guid is made from the runs that the feed had when the changes were noticed, so that the guid
    stays the same when some of the runs leave the feed. After two histories were merged, a filter
    may leave the same change of a run in two groups: the first one is shown.
    """
    edition, anchors = timetable.edition, name_anchors(timetable.edition)
    page = feed.build_page_url(edition.event.id)
    shown = {
        entry.run.id: entry for entry in timetable.list_current() if shows(feed.options, entry)
    }
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
        lines = changes.describe_changes(visible, runs, feed.locale)
        linked = next((run for run in runs if run.register), runs[0])
        still = [run for run in runs if run.status.change_kind == visible[0].kind]
        reason = descriptions.split_text(still[0], page)[0] if still else ""
        item = _build_item(
            _build_guid(edition.event, whole, group),
            changes.build_change_title(visible, runs, feed.locale),
            _build_html(lines, _list_links(visible[0], linked, page), reason),
            visible[0].noticed,
            runs,
            page=page,
            anchors=_list_anchors(edition.event, group, visible, anchors),
            kind=visible[0].kind,
        )
        found.setdefault(item.guid, item)
    return list(found.values())


def _list_links(change: Change, entry: Entry, page: str) -> list[Link]:
    """The links of an entry, without registration in the item that says that it has closed."""
    links = descriptions.list_links(entry, page)
    closed = change.kind == Kind.REGISTRATION_CLOSES
    return [link for link in links if not (closed and link.url == entry.register)]


def _list_anchors(
    event: Event, group: Sequence[Change], visible: Sequence[Change], anchors: Anchors
) -> list[str]:
    """The anchors of an item: its own, with the id of its guid, then those of its runs."""
    first = group[0]
    named = [first.run if len(group) == 1 else event.id, *(each.run for each in visible)]
    return list(dict.fromkeys(anchors[id_, first.kind, first.noticed] for id_ in named))


def _build_guid(event: Event, whole: Sequence[Change], group: Sequence[Change]) -> str:
    """The guid of an item (rules 1.5): made of data, so it is the same on every deployment.

    ``group`` are the changes of ``whole`` whose runs the feed had then.
    """
    first = group[0]
    named, value, nth = first.run, build_guid_value(first), first.nth
    if len(group) > 1:
        named, value, nth = event.id, build_group_guid_value(whole), first.group_nth
    parts = (f"{named}@intervals.run", first.kind, value, str(nth) if nth > 1 else "")
    return "/".join(part for part in parts if part)


def _is_selected(options: Options, event: Event, run_id: str, state: State) -> bool:
    """Whether the options select a run in this state; its distance may differ from today's."""
    run = structs.replace(event.as_run, id=run_id, distance_standard=state.distance)
    return selects(options, event.id, run)


def _build_item(
    guid: str,
    title: str,
    body: str,
    published: dt.datetime,
    runs: Sequence[Entry],
    *,
    page: str,
    anchors: Iterable[str],
    entry: Entry | None = None,
    kind: Kind | None = None,
) -> Item:
    categories = dict.fromkeys(term for run in runs for term in descriptions.list_categories(run))
    return Item(
        guid=guid,
        page=page,
        title=summaries.strip_markup(title),
        html=body,
        published=published,
        categories=tuple(categories),
        point=runs[0].event.point if any(run.run.in_person for run in runs) else None,
        anchors=tuple(anchors),
        start=min(run.starts for run in runs),
        runs=tuple(run.run.id for run in runs),
        entry=entry,
        kind=kind,
    )


def _build_html(
    lines: Iterable[str], links: Iterable[descriptions.Link], text: str | None = None
) -> str:
    """Paragraphs of HTML: lines, links, and the event's own text, all of it escaped."""
    facts = "<br>".join(html.escape(line) for line in lines if line)
    anchors = " · ".join(
        f'<a href="{html.escape(link.url)}">{html.escape(link.label)}</a>' for link in links
    )
    paragraphs = [
        html.escape(each.strip()).replace("\n", "<br>") for each in re.split(r"\n\s*\n", text or "")
    ]
    return "".join(f"<p>{each}</p>" for each in (facts, anchors, *paragraphs) if each)

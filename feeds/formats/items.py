"""The items of a channel: runs, their changes, and registration (rules 5).

Readers do not announce a changed item again, so each change is an item of its own. RSS and JSON
Feed have the same items.
"""

import datetime as dt
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from feeds.domain.changes import (
    KINDS_WITHOUT_ITEM,
    build_group_guid_value,
    build_guid_value,
    capture_state,
    find_state_at,
    group_changes,
)
from feeds.domain.entries import Entry, Timetable
from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import Change, Edition, Event, Options, State
from feeds.domain.options import selects
from feeds.domain.status import find_status
from feeds.text import changes, dates, descriptions, summaries

MAX_CHANGE_ITEMS = 50
CHANGE_ITEM_KEPT_FOR = dt.timedelta(days=30)
"""Beyond the maximum, a change item is dropped if it is this much older than the newest one."""

OPENS = "registration-opens"
CLOSES = "registration-closes"


class Item(Struct, frozen=True, kw_only=True):
    """An item: its ``guid`` never changes, ``html`` is escaped, ``published`` is in UTC."""

    guid: str
    title: str
    html: str
    published: dt.datetime
    categories: tuple[str, ...]
    point: tuple[float, float] | None


def build_items(feed: Feed) -> tuple[Item, ...]:
    """The items of a feed, newest first."""
    items = [_build_run_item(entry, feed.page) for entry in select_entries(feed)]
    for timetable in feed.timetables:
        shown = {
            entry.run.id: entry
            for entry in timetable.list_current(feed.as_of)
            if selects(feed.options, entry.run)
        }
        items += _build_change_items(timetable.edition, shown, feed)
        items += _build_registration_items(timetable, shown, feed)
    if now := feed.now:
        items = [item for item in items if item.published <= now]
    # Sort by guid first: sorting is stable, so items of the same time are in the order of guids.
    items.sort(key=lambda item: item.guid)
    return tuple(sorted(items, key=lambda item: item.published, reverse=True))


def find_registration_times(feed: Feed) -> Iterator[dt.datetime]:
    """The instants at which the clock alone adds an item: registration opens or closes."""
    for entry in select_entries(feed):
        for turn in _find_turns(entry):
            if _is_selected(feed.options, entry.event, entry.run.id, turn.state):
                yield turn.at


def find_publication_times(edition: Edition) -> Iterator[dt.datetime]:
    """The pubDates of runs and changes. They lie in the future only if the clock was set back."""
    yield from (revision.created for revision in edition.revisions.values())
    yield from (change.noticed for change in edition.changes)


def _build_run_item(entry: Entry, page: str) -> Item:
    """The item with the present state of a run, which also announces the run (rules 5.2)."""
    title = f"{summaries.build_summary(entry)}, {dates.format_when(entry.period)}"
    facts = [*descriptions.list_facts(entry), entry.place or ""]
    links = descriptions.list_links(entry, page)
    return _build_item(
        entry.uid,
        title,
        _build_html(facts, links, entry.event.description),
        entry.revision.created,
        [entry],
    )


def _build_change_items(edition: Edition, shown: Mapping[str, Entry], feed: Feed) -> list[Item]:
    """The items about changes of the runs in ``shown``, the entries that a feed shows, by run id.

    A guid is made from the runs that the feed had when the changes were noticed, so that the guid
    stays the same when some of the runs leave the feed.
    """
    items = []
    for whole in group_changes(edition.changes):
        group = [
            each for each in whole if _is_selected(feed.options, edition.event, each.run, each.now)
        ]
        visible = [each for each in group if each.run in shown]
        if not visible or visible[0].kind in KINDS_WITHOUT_ITEM:
            continue
        runs = [shown[each.run] for each in visible]
        lines = [
            changes.describe_change(change, run) for change, run in zip(visible, runs, strict=True)
        ]
        items.append(
            _build_item(
                _build_change_guid(edition.event, whole, group),
                changes.build_change_title(visible, runs),
                _build_html(lines, descriptions.list_links(runs[0], feed.page)),
                visible[0].noticed,
                runs,
            )
        )
    items.reverse()
    return [
        item
        for place, item in enumerate(items)
        if place < MAX_CHANGE_ITEMS or items[0].published - item.published < CHANGE_ITEM_KEPT_FOR
    ]


def _build_change_guid(event: Event, whole: Sequence[Change], group: Sequence[Change]) -> str:
    """The guid of an item. ``group`` are the changes of ``whole`` whose runs the feed had then."""
    first = group[0]
    runs = [each.run for each in group]
    if len(group) > 1:
        return _build_guid(event, runs, first.kind, build_group_guid_value(whole), first.group_nth)
    return _build_guid(event, runs, first.kind, build_guid_value(first), first.nth)


class _Turn(Struct, frozen=True):
    """When registration opens or closes, and the state of the run at that instant."""

    kind: str
    at: dt.datetime
    state: State


def _build_registration_items(
    timetable: Timetable, shown: Mapping[str, Entry], feed: Feed
) -> Iterator[Item]:
    """The items about registration that has opened or closed.

    The runs that were known at the instant share an item. Runs that were first seen later have
    items of their own, so that an added run does not change a guid.
    """
    event = timetable.edition.event
    groups: dict[tuple[str, dt.datetime, dt.datetime], dict[str, State]] = {}
    for entry in timetable.entries:
        for turn in _find_turns(entry):
            if feed.as_of and turn.at <= feed.as_of:
                key = (turn.kind, turn.at, max(turn.at, entry.revision.created))
                groups.setdefault(key, {})[entry.run.id] = turn.state
    shared_items: Counter[tuple[str, dt.datetime]] = Counter()
    for (kind, at, _), whole in sorted(groups.items(), key=lambda each: each[0]):
        shared_items[kind, at] += len(whole) > 1
        group = [
            id_ for id_, state in whole.items() if _is_selected(feed.options, event, id_, state)
        ]
        runs = [shown[id_] for id_ in group if id_ in shown]
        if runs:
            nth = shared_items[kind, at] if len(group) > 1 else 1
            facts = changes.list_shared_facts(runs)
            yield _build_item(
                _build_guid(event, group, kind, at.strftime("%Y%m%dT%H%M%SZ"), nth),
                changes.build_registration_title(kind, runs),
                _build_html(facts, descriptions.list_links(runs[0], feed.page)),
                at,
                runs,
            )


def _find_turns(entry: Entry) -> Iterator[_Turn]:
    """When registration opens and closes, unless the run is off, sold out or overridden then."""
    run = entry.run
    for kind, at in ((OPENS, run.registration_opens), (CLOSES, run.registration_closes)):
        if at is None or (run.unlisted and run.unlisted <= at):
            continue
        state = find_state_at(capture_state(entry), entry.changes, at)
        if not (find_status(state.status).off or state.sold_out or state.override):
            yield _Turn(kind, at, state)


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
    guid: str, title: str, body: str, published: dt.datetime, runs: Sequence[Entry]
) -> Item:
    categories = dict.fromkeys(term for run in runs for term in descriptions.list_categories(run))
    virtual = all(run.run.virtual for run in runs)
    return Item(
        guid=guid,
        title=summaries.strip_markup(title),
        html=body,
        published=published,
        categories=tuple(categories),
        point=None if virtual else runs[0].event.point,
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

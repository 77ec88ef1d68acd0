"""The items of a channel: what each run is now, what has changed, and when registration turned.

Readers do not announce an item again when it changes, so each change is an item of its own; the
same items make the channel and the JSON feed.
"""

import datetime as dt
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from feeds.domain import changes
from feeds.domain.entries import Entry, Timetable
from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import Change, Edition, Event, Options, State
from feeds.domain.options import selects
from feeds.domain.status import find_status
from feeds.text import changes as announcements
from feeds.text import dates, descriptions, summaries

MAX_CHANGE_ITEMS = 50
CHANGE_ITEM_KEPT_FOR = dt.timedelta(days=30)
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


def build_items(feed: Feed) -> tuple[Item, ...]:
    """The items of a feed, newest first."""
    found = [_run_item(entry, feed.page) for entry in select_entries(feed)]
    for timetable in feed.timetables:
        shown = {
            entry.run.id: entry
            for entry in timetable.list_current(feed.as_of)
            if selects(feed.options, entry.run)
        }
        found += _change_items(timetable.edition, shown, feed)
        found += _registration_items(timetable, shown, feed)
    if now := feed.now:
        found = [item for item in found if item.published <= now]
    # By guid first, so that what was published at the same time has an order.
    found.sort(key=lambda item: item.guid)
    return tuple(sorted(found, key=lambda item: item.published, reverse=True))


def find_turn_times(feed: Feed) -> Iterator[dt.datetime]:
    """The instants at which a channel gets an item without anything having changed."""
    for entry in select_entries(feed):
        for turn in _turns(entry):
            if _had(feed.options, entry.event, entry.run.id, turn.then):
                yield turn.at


def find_publication_times(edition: Edition) -> Iterator[dt.datetime]:
    """The instants of which items are told; only a clock that jumped back is behind them."""
    yield from (revision.created for revision in edition.revisions.values())
    yield from (change.noticed for change in edition.changes)


def _run_item(entry: Entry, page: str) -> Item:
    """A run as it is now, which is also its announcement."""
    title = f"{summaries.build_summary(entry)}, {dates.format_when(entry.period)}"
    facts = [*descriptions.list_facts(entry), entry.place or ""]
    links = descriptions.list_links(entry, page)
    return _item(
        entry.uid,
        title,
        _html(facts, links, entry.event.description),
        entry.revision.created,
        [entry],
    )


def _change_items(edition: Edition, shown: Mapping[str, Entry], feed: Feed) -> list[Item]:
    """The changes of the runs that a feed shows; those of runs that have left, leave with them.

    The guid is of all that the feed had when they were noticed, so that it stays when some leave.
    """
    found = []
    for whole in changes.group_changes(edition.changes):
        group = [each for each in whole if _had(feed.options, edition.event, each.run, each.now)]
        told = [each for each in group if each.run in shown]
        if not told or told[0].kind in changes.KINDS_WITHOUT_ITEM:
            continue
        runs = [shown[each.run] for each in told]
        lines = [
            announcements.describe_change(change, run)
            for change, run in zip(told, runs, strict=True)
        ]
        found.append(
            _item(
                _change_guid(edition.event, whole, group),
                announcements.build_change_title(told, runs),
                _html(lines, descriptions.list_links(runs[0], feed.page)),
                told[0].noticed,
                runs,
            )
        )
    found.reverse()
    return [
        item
        for place, item in enumerate(found)
        if place < MAX_CHANGE_ITEMS or found[0].published - item.published < CHANGE_ITEM_KEPT_FOR
    ]


def _change_guid(event: Event, whole: Sequence[Change], group: Sequence[Change]) -> str:
    """The guid of the part of a group that a feed had."""
    first = group[0]
    runs = [each.run for each in group]
    if len(group) > 1:
        return _guid(
            event, runs, first.kind, changes.build_group_guid_value(whole), first.group_nth
        )
    return _guid(event, runs, first.kind, changes.build_guid_value(first), first.nth)


class _Turn(Struct, frozen=True):
    """That registration opens or closes at an instant, and what was told of the run by then."""

    kind: str
    at: dt.datetime
    then: State


def _registration_items(
    timetable: Timetable, shown: Mapping[str, Entry], feed: Feed
) -> Iterator[Item]:
    """Registration that has opened or closed as the organizer had announced.

    What was known when it turned is one item; what was first seen later is another, so that a run
    that is added does not change a guid.
    """
    event = timetable.edition.event
    groups: dict[tuple[str, dt.datetime, dt.datetime], dict[str, State]] = {}
    for entry in timetable.entries:
        for turn in _turns(entry):
            if feed.as_of and turn.at <= feed.as_of:
                key = (turn.kind, turn.at, max(turn.at, entry.revision.created))
                groups.setdefault(key, {})[entry.run.id] = turn.then
    several: Counter[tuple[str, dt.datetime]] = Counter()
    for (kind, at, _), whole in sorted(groups.items(), key=lambda each: each[0]):
        several[kind, at] += len(whole) > 1
        group = [id_ for id_, then in whole.items() if _had(feed.options, event, id_, then)]
        runs = [shown[id_] for id_ in group if id_ in shown]
        if runs:
            nth = several[kind, at] if len(group) > 1 else 1
            yield _item(
                _guid(event, group, kind, at.strftime("%Y%m%dT%H%M%SZ"), nth),
                announcements.build_registration_title(kind, runs),
                _html(
                    announcements.list_shared_facts(runs),
                    descriptions.list_links(runs[0], feed.page),
                ),
                at,
                runs,
            )


def _turns(entry: Entry) -> Iterator[_Turn]:
    """When registration opens and closes, unless the run is then off, sold out or overridden."""
    run = entry.run
    for kind, at in ((OPENS, run.registration_opens), (CLOSES, run.registration_closes)):
        if at is None or (run.unlisted and run.unlisted <= at):
            continue
        then = changes.find_state_at(changes.capture_state(entry), entry.changes, at)
        if not (find_status(then.status).off or then.sold_out or then.override):
            yield _Turn(kind, at, then)


def _had(options: Options, event: Event, id_: str, then: State) -> bool:
    """Whether a feed had a run when this was told of it."""
    return selects(options, structs.replace(event.as_run, id=id_, distance_standard=then.distance))


def _guid(event: Event, runs: Sequence[str], kind: str, value: str, nth: int) -> str:
    """What happened as data: the same item on every deployment, also after a lost database."""
    named = runs[0] if len(runs) == 1 else event.id
    parts = (f"{named}@intervals.run", kind, value, str(nth) if nth > 1 else "")
    return "/".join(part for part in parts if part)


def _item(guid: str, title: str, body: str, published: dt.datetime, runs: Sequence[Entry]) -> Item:
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


def _html(lines: Iterable[str], links: Iterable[descriptions.Link], text: str | None = None) -> str:
    """HTML in which all that came from outside is escaped."""
    told = "<br>".join(html.escape(line) for line in lines if line)
    leads = " · ".join(
        f'<a href="{html.escape(link.url)}">{html.escape(link.label)}</a>' for link in links
    )
    paragraphs = [
        html.escape(each.strip()).replace("\n", "<br>") for each in re.split(r"\n\s*\n", text or "")
    ]
    return "".join(f"<p>{each}</p>" for each in (told, leads, *paragraphs) if each)

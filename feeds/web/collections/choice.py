"""What a request for a page of a collection asks for: filters, a choice of races, a search.

What makes no sense is left out, and the page says so: its links always work, and made-up queries
make no further representations.
"""

from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from feeds.domain.entries import Timetable
from feeds.domain.options import Options, parse, parse_understood
from feeds.errors import BadOption, EventNotFound
from feeds.formats import COLLECTION_OPTIONS
from feeds.service.collections.entry import CollectionEntry, Content, find_checked
from feeds.web.addresses import read_query
from feeds.web.site import get_site

OPTIONS = COLLECTION_OPTIONS | {"busy", "distance", "registration", "run"}
"""The options of the page: its list, and its links to subscribe, are those of this choice."""


class CollectionState(NamedTuple):
    """How new a collection is: the oldest check of the list and of the races ahead.

    ``failing`` is whether the last check of any of them failed, ``unread`` how many members were
    never read.
    """

    checked: datetime
    failing: bool
    unread: int


class Choice(NamedTuple):
    """The members to show, the options with known ids only, and what is searched.

    ``understood`` is whether all of the query made sense. The entry has the events that the options
    name and the list lacks.
    """

    entry: CollectionEntry
    options: Options
    understood: bool
    asked: str

    @property
    def content(self) -> Content:
        return self.entry.content

    @property
    def state(self) -> CollectionState:
        entry = self.entry
        checked = find_checked(self.content.timetables, entry.fetched)
        return CollectionState(checked, entry.failing or entry.failed, len(entry.unread))


def read_choice(slug: str, *, searches_events: bool = False) -> Choice:
    """The choice of the current request; raises as ``Collections.get`` does.

    With ``searches_events``, one ``event`` that is not known is a search.
    """
    site, query = get_site(), read_query()
    # Forms send their empty fields.
    pairs = [(name, value.strip()) for name, value in query.items(multi=True) if value.strip()]
    asked = next((value for name, value in pairs if name == "q"), "")
    options, understood = parse_understood(pairs, OPTIONS)
    entry = site.collections.get(slug or None, options)
    named = [value for name, value in pairs if name == "event"]
    is_search = searches_events and len(named) == 1 and not options.run and not asked
    if is_search and not _knows_event(entry, named[0]):
        asked = named[0]
        others = [pair for pair in pairs if pair[0] != "event"]
        options, understood = parse_understood(others, OPTIONS)
        entry = site.collections.get(slug or None, options)
    entry, known = _select_known(entry, options)
    if known.event != options.event or known.run != options.run:
        understood = False
        site.collections.get(slug or None, known)  # raises if this cannot be shown yet
    return Choice(entry, _drop_redundant_runs(entry.content, known), understood, asked)


def _knows_event(entry: CollectionEntry, event_id: str) -> bool:
    try:
        options = parse([("event", event_id)], OPTIONS)
        get_site().collections.add_named(entry, options)
    except (BadOption, EventNotFound):
        return False
    return True


def _select_known(entry: CollectionEntry, options: Options) -> tuple[CollectionEntry, Options]:
    """The entry with the events that the options name, and the options with known ids only."""
    if not (options.event or options.run):
        return entry, options
    try:
        entry = get_site().collections.add_named(entry, options)
    except EventNotFound:
        return entry, structs.replace(options, event=(), run=())
    timetables = entry.content.timetables
    events = entry.content.ids
    runs = {id_ for timetable in timetables for id_ in _list_runs(timetable)}
    return entry, structs.replace(
        options,
        event=tuple(each for each in options.event if each in events),
        run=tuple(each for each in options.run if each in runs),
    )


def _drop_redundant_runs(content: Content, options: Options) -> Options:
    """The options without the runs of chosen events: one choice has one address."""
    if not (options.event and options.run):
        return options
    covered = {
        id_
        for timetable in content.timetables
        if timetable.edition.event.id in options.event
        for id_ in _list_runs(timetable)
    }
    return structs.replace(options, run=tuple(each for each in options.run if each not in covered))


def _list_runs(timetable: Timetable) -> list[str]:
    return [entry.run.id for entry in timetable.list_current()]

"""Names and titles of collections, and the list of their events on a page.

A page is a function of the editions: ``at`` is when the newest of them was fetched.
"""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain, groupby

from msgspec import Struct

from feeds.domain.catalog import Group, Organization
from feeds.domain.entries import Entry, Timetable, find_ended
from feeds.domain.feed import index_by_uid
from feeds.domain.model import Event
from feeds.domain.options import Options, shows
from feeds.domain.schedule import to_instant
from feeds.text import dates, notices, pages
from feeds.text.agenda import Agenda, build_agenda
from feeds.text.places import describe_place
from feeds.text.recurrences import describe_recurrences
from feeds.text.rows import sort_by_clock

NO_NAME = "Races"
"""The name of an organization whose name is unknown."""

MAX_TICKS = 8
"""The most runs of an event that a page lets one choose among; more are chosen on its own page."""

VIRTUAL = {"yes": "virtual", "no": "in person"}
TYPES = {"race": "Races", "runClub": "Run clubs", "timeTrial": "Time trials", "other": "Others"}
"""The types of events as pages name them."""

_GROUP_STATUSES = {"paused": "This group is paused.", "archived": "This group is archived."}


def build_name(organization: Organization | None, group: Group | None) -> str:
    """The name of a group, or of the organization."""
    if group:
        return group.name
    return (organization.name if organization else "") or NO_NAME


MAX_ABOUT = 500
"""Characters of a group's own text in its feeds."""


def build_about(group: Group | None) -> str:
    """The status of a group that is not active, and its own text."""
    if group is None:
        return ""
    text = " ".join(group.description.split())
    if len(text) > MAX_ABOUT:
        text = f"{text[:MAX_ABOUT].rstrip()}…"
    return " ".join(part for part in (describe_group_status(group), text) if part)


def build_title(name: str, options: Options) -> str:
    """``North Shore Race Series – 10K, 5K``; ``My races – ...`` for chosen events and runs."""
    title = f"My races – {name}" if options.event or options.run else name
    return f"{title} – {', '.join(options.distance)}" if options.distance else title


def describe_group_status(group: Group) -> str:
    """A sentence such as ``This group is paused.``; empty if it is active or the word unknown."""
    return _GROUP_STATUSES.get(group.status.casefold(), "")


def describe_filters(options: Options, locale: str) -> str:
    """``10K, in person, from Sat, Jun 14, 2025``: what the options select; empty without any."""
    parts = [
        *([TYPES.get(options.type, options.type).lower()] if options.type else []),
        *options.distance,
        *([VIRTUAL[options.virtual]] if options.virtual else []),
        *([f"from {dates.format_day(options.first, locale)}"] if options.first else []),
        *([f"until {dates.format_day(options.last, locale)}"] if options.last else []),
    ]
    return ", ".join(parts)


def fold(text: str) -> str:
    """A text as it is searched: without differences of case, width and accents.

    Empty for a text of accents alone, which each name would contain.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(each for each in decomposed if not unicodedata.combining(each))
    return bare.casefold().strip()


class Member(Struct, frozen=True):
    """An event of a collection with the agenda of its entries that are shown, as of a time.

    ``ahead`` are all of its entries that have not ended, also those that are not shown.
    """

    event: Event
    agenda: Agenda
    ahead: tuple[Entry, ...] = ()

    @property
    def first(self) -> dt.date:
        """The day of its next occasion."""
        return pages.find_days(self.agenda.next)[0]

    @property
    def is_ahead(self) -> bool:
        """Whether it has an entry that has not ended."""
        return bool(self.agenda.ahead)


class Members(Struct, frozen=True):
    """The events of a collection ``at`` a time: the next one first, and the last past one first."""

    ahead: tuple[Member, ...]
    past: tuple[Member, ...]
    at: dt.datetime

    @property
    def all(self) -> tuple[Member, ...]:
        return self.ahead + self.past


def list_members(timetables: Sequence[Timetable], options: Options, at: dt.datetime) -> Members:
    """The events with an entry that the options select; a run of two events is in one of them."""
    ahead: list[Member] = []
    past: list[Member] = []
    listed = [timetable.list_current(by_start=True) for timetable in timetables]
    found = index_by_uid(each for each in chain.from_iterable(listed) if shows(options, each))
    for timetable, current in zip(timetables, listed, strict=True):
        entries = [each for each in current if found.get(each.uid) is each]
        if entries:
            agenda = build_agenda(entries, at)
            own = [each for each in current if found.get(each.uid, each) is each]
            ended = find_ended(own, at) if len(entries) < len(own) else frozenset()
            rest = (
                agenda.ahead
                if len(entries) == len(own)
                else tuple(each for each in own if each.run.id not in ended)
            )
            member = Member(timetable.edition.event, agenda, rest)
            (ahead if member.is_ahead else past).append(member)
    ahead.sort(key=_order)
    past.sort(key=_order, reverse=True)
    return Members(tuple(ahead), tuple(past), at)


def _order(member: Member) -> tuple[dt.date, dt.datetime, str]:
    start = member.agenda.next[0]
    return member.first, to_instant(start.period.start, start.zone), member.event.id


class Tick(Struct, frozen=True):
    """A run to choose: its id, its label, when it starts."""

    id: str
    label: str
    when: str


class EventSummary(Struct, frozen=True):
    """An event as a list shows it.

    ``states`` are what is not normal about registration, ``ticks`` the runs that one may choose.
    """

    id: str
    name: str
    first: dt.date
    when: str
    place: str
    distances: tuple[str, ...]
    notices: tuple[notices.Notice, ...]
    states: tuple[str, ...]
    ticks: tuple[Tick, ...]
    over: bool
    off: bool


class Month(Struct, frozen=True):
    """The events of a month, ``June 2025``."""

    title: str
    events: tuple[EventSummary, ...]


def summarize(
    event: Event, agenda: Agenda, at: dt.datetime, locale: str, ticks: Iterable[Entry] = ()
) -> EventSummary:
    """The summary of an event with the entries of this agenda; ``ticks`` are runs to choose."""
    shown = agenda.shown
    repeats = describe_recurrences(event.recurrences, locale)
    return EventSummary(
        id=event.id,
        name=event.name,
        first=pages.find_days(agenda.next)[0],
        when=f"{pages.format_dates(agenda.next, locale)}{' · ' if repeats else ''}{repeats}",
        place=describe_place(agenda.next).name,
        distances=tuple(
            dict.fromkeys(
                pages.get_label(each) for each in sort_by_clock(shown) if each.run.id != event.id
            )
        ),
        notices=tuple(notices.list_notices(shown, locale)),
        states=tuple(_list_states(agenda.next, at)),
        ticks=tuple(_build_ticks(list(ticks), locale)),
        over=not agenda.ahead,
        off=pages.has_lost_its_date(agenda.next),
    )


def _list_states(entries: Sequence[Entry], at: dt.datetime) -> Iterable[str]:
    """``Sold out``, or ``Sold out: 10K`` if other runs are not."""
    on = [entry for entry in entries if not entry.off]
    found: dict[str, list[str]] = {}
    for entry in on:
        if state := pages.describe_registration(entry, at):
            found.setdefault(state, []).append(pages.get_label(entry))
    for state, labels in found.items():
        which = "" if len(labels) == len(on) else f": {', '.join(dict.fromkeys(labels))}"
        yield f"{state}{which}"


def select_ticks(member: Member, options: Options) -> list[Entry]:
    """The runs that one may choose instead of the event: several, but not too many.

    Runs that are chosen already are among them.
    """
    several = not member.event.is_series and 1 < len(member.ahead) <= MAX_TICKS
    runs = {each.run.id: each for each in (*member.ahead, *member.agenda.past)}
    chosen = [runs[id_] for id_ in options.run if id_ in runs]
    ahead = sort_by_clock(member.ahead) if several else []
    return ahead + [each for each in chosen if each not in ahead]


def _build_ticks(entries: Sequence[Entry], locale: str) -> Iterable[Tick]:
    days = {dates.format_days(each.period, locale) for each in entries}
    return (
        Tick(
            each.run.id,
            pages.get_label(each),
            dates.format_when(each.period, locale) if len(days) > 1 else _format_time(each, locale),
        )
        for each in entries
    )


def _format_time(entry: Entry, locale: str) -> str:
    start = entry.period.start
    return dates.format_clock(start, locale) if isinstance(start, dt.datetime) else ""


def group_by_month(summaries: Iterable[EventSummary], locale: str) -> list[Month]:
    """The summaries by the month of their first day; they are in the order of these days."""
    return [
        Month(title, tuple(group))
        for title, group in groupby(
            summaries, lambda each: dates.format_month_of_year(each.first, locale)
        )
    ]

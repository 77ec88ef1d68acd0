"""The list of runs on a page: grouped by day, each with its time and with what is not normal.

A page is a function of an edition: ``at`` is when the edition was fetched.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.history.changes import announces_start_time
from feeds.domain.model import Change
from feeds.domain.schedule import find_start_time, is_start_unread
from feeds.text import dates, pages
from feeds.text.agenda import Agenda
from feeds.text.places import format_place

MAX_SHOWN = 12
"""Runs ahead that a page shows at once."""

NO_TIME = "Time TBA"
UNCLEAR = "Time unclear"
"""A time was announced, but it, or its zone, could not be read (rules 3.15)."""


class Row(Struct, frozen=True):
    """A run: its time, its label, what is not normal about it, and where to register.

    ``notes`` say what the run was moved from, when registration opens or closes, and when the
    organizer starts where the run itself has no time.
    """

    entry: Entry
    time: str
    label: str
    tags: tuple[str, ...]
    states: tuple[str, ...]
    notes: tuple[str, ...]
    register: str | None


class Day(Struct, frozen=True):
    """The runs of one day, or of the same days; ``title`` has the dates."""

    title: str
    rows: tuple[Row, ...]


class Listing(Struct, frozen=True):
    """The runs of an event, by day in the order of time.

    ``first`` are those that a page shows at once, ``rest`` are further ones ahead, ``ended`` those
    that ended, the latest day first. ``count`` is the number of runs ahead.
    """

    first: tuple[Day, ...]
    rest: tuple[Day, ...]
    ended: tuple[Day, ...]
    count: int

    @property
    def registers(self) -> bool:
        """Whether a run has an address to register."""
        return any(row.register for day in self.first + self.rest for row in day.rows)

    @property
    def has_one_day(self) -> bool:
        """Whether all runs are on one day, or on the same days, which the head of a page names."""
        return len({day.title for day in self.first + self.rest + self.ended}) == 1


def build_listing(agenda: Agenda, at: dt.datetime, locale: str, most: int = MAX_SHOWN) -> Listing:
    """The listing of all entries; ``most`` of those ahead are shown at once."""
    ahead, first = agenda.ahead, agenda.ahead[:most]
    return Listing(
        tuple(list_days(first, at, locale)),
        tuple(list_days(ahead[len(first) :], at, locale)),
        tuple(list_days(agenda.past[::-1], at, locale))[::-1],
        len(ahead),
    )


def list_days(
    entries: Sequence[Entry],
    at: dt.datetime,
    locale: str,
    get_label: Callable[[Entry], str] = pages.get_label,
) -> Iterator[Day]:
    """The rows of entries, which are in the order of their starts, by day."""
    for title, group in groupby(entries, lambda entry: dates.format_days(entry.period, locale)):
        ordered = sort_by_clock(group)
        yield Day(title, tuple(_build_row(each, at, locale, get_label(each)) for each in ordered))


def sort_by_clock(entries: Iterable[Entry]) -> list[Entry]:
    """By day, with runs without a time last: they would come first, at the beginning of the day."""
    return sorted(entries, key=lambda each: (dates.get_day(each.period.start), each.period.all_day))


def _build_row(entry: Entry, at: dt.datetime, locale: str, label: str) -> Row:
    run = entry.run
    tags = (("virtual", run.virtual), ("relay", run.relay), ("walking", run.walking))
    return Row(
        entry,
        _format_time(entry, locale),
        label,
        tuple(tag for tag, so in tags if so),
        tuple(_list_states(entry, at)),
        tuple(_list_notes(entry, at, locale)),
        entry.register if pages.is_registration_open(entry, at) else None,
    )


def _format_time(entry: Entry, locale: str) -> str:
    run, event = entry.run, entry.event
    if isinstance(entry.period.start, dt.datetime):
        return dates.format_clock(entry.period.start, locale)
    if is_start_unread(run, event):
        return UNCLEAR
    if run.virtual:
        return "Any time"
    return UNCLEAR if find_start_time(run, event) else NO_TIME


def _list_states(entry: Entry, at: dt.datetime) -> Iterator[str]:
    if entry.status.sentence:
        yield pages.humanize(entry.status.word)
    state = pages.describe_registration(entry, at)
    if state:
        yield state


def _list_notes(entry: Entry, at: dt.datetime, locale: str) -> Iterator[str]:
    yield from _list_moves(entry, locale)
    yield from _list_start(entry, locale)
    window = pages.describe_registration_window(entry, at, locale)
    if window:
        yield window


def _list_moves(entry: Entry, locale: str) -> Iterator[str]:
    move = entry.last_move
    if move is None or entry.off:
        return
    if move.new_start and not announces_start_time(move):
        yield f"moved from {_format_old_start(move, locale)}"
    if move.new_place and move.was.place:
        yield f"moved from {format_place(move.was, move.now)}"


def _list_start(entry: Entry, locale: str) -> Iterator[str]:
    run, event = entry.run, entry.event
    if not entry.period.all_day or entry.off:
        return
    if clock := run.start_time if run.virtual else find_start_time(run, event):
        yield f"the organizer starts at {dates.format_wall_time(clock, locale)}"
    elif is_start_unread(run, event):
        yield "the start time could not be read"


def _format_old_start(move: Change, locale: str) -> str:
    """The time alone if the day and the zone are still the same."""
    was, now = move.was, move.now
    if "T" in was.start and was.zone == now.zone and was.start[:10] == now.start[:10]:
        return dates.format_clock(dt.datetime.fromisoformat(was.start), locale)
    return dates.format_old_start(was, now, locale)

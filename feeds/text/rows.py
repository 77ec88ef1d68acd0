"""The list of runs on a page: grouped by day, each with its time and with what is not normal.

A page is a function of an edition: ``at`` is when the edition was fetched.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from feeds.domain.agenda import Agenda
from feeds.domain.entries import Entry
from feeds.domain.history.changes import announces_start_time
from feeds.domain.model import Change
from feeds.text import dates, pages
from feeds.text.places import format_place

MAX_SHOWN = 12
"""Runs ahead that a page shows at once."""

NO_TIME = "Time TBA"


class Row(Struct, frozen=True):
    """A run: its time, its label, what is not normal about it, and where to register.

    ``moved`` says what the run was moved from.
    """

    entry: Entry
    time: str
    label: str
    tags: tuple[str, ...]
    states: tuple[str, ...]
    moved: tuple[str, ...]
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


def build_listing(agenda: Agenda, at: dt.datetime, locale: str, most: int = MAX_SHOWN) -> Listing:
    """The listing of all entries; ``most`` of those ahead are shown at once."""
    ahead, first = agenda.ahead, agenda.ahead[:most]
    return Listing(
        tuple(_list_days(first, at, locale)),
        tuple(_list_days(ahead[len(first) :], at, locale)),
        tuple(_list_days(agenda.past[::-1], at, locale))[::-1],
        len(ahead),
    )


def _list_days(entries: Sequence[Entry], at: dt.datetime, locale: str) -> Iterator[Day]:
    for title, group in groupby(entries, lambda entry: dates.format_days(entry.period, locale)):
        yield Day(title, tuple(_build_row(entry, at, locale) for entry in group))


def _build_row(entry: Entry, at: dt.datetime, locale: str) -> Row:
    run = entry.run
    tags = (("virtual", run.virtual), ("relay", run.relay), ("walking", run.walking))
    return Row(
        entry,
        _format_time(entry, locale),
        pages.get_label(entry),
        tuple(tag for tag, so in tags if so),
        tuple(_list_states(entry, at, locale)),
        tuple(_list_moves(entry, locale)),
        entry.register if pages.is_registration_open(entry, at) else None,
    )


def _format_time(entry: Entry, locale: str) -> str:
    if isinstance(entry.period.start, dt.datetime):
        return dates.format_clock(entry.period.start, locale)
    return "Any time" if entry.run.virtual else NO_TIME


def _list_states(entry: Entry, at: dt.datetime, locale: str) -> Iterator[str]:
    if entry.status.sentence:
        yield pages.humanize(entry.status.word)
    state = pages.describe_registration(entry, at, locale)
    if state:
        yield state


def _list_moves(entry: Entry, locale: str) -> Iterator[str]:
    move = entry.last_move
    if move is None or entry.off:
        return
    if move.new_start and not announces_start_time(move):
        yield f"moved from {_format_old_start(move, locale)}"
    if move.new_place and move.was.place:
        yield f"moved from {format_place(move.was, move.now)}"


def _format_old_start(move: Change, locale: str) -> str:
    """The time alone if the day is still the same."""
    was = move.was.start
    if "T" in was and was[:10] == move.now.start[:10]:
        return dates.format_clock(dt.datetime.fromisoformat(was), locale)
    return dates.format_start(was, locale)

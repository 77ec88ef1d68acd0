"""Titles and lines of the items about changes (rules 5.4, 5.5 and 5.7)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain

from feeds.domain.entries import Entry
from feeds.domain.history.changes import announces_start_time, is_turn
from feeds.domain.model import Change, Kind
from feeds.domain.status import STATUSES, find_status
from feeds.text.dates import format_moment, format_old_start, format_start, format_zoned
from feeds.text.places import format_place
from feeds.text.summaries import build_name, join_label

CHANGE_TITLES = {
    Kind.MOVED: "Moved",
    Kind.REINSTATED: "Reinstated",
    Kind.SOLD_OUT: "Sold out",
    Kind.PLACES_AGAIN: "Places available again",
    Kind.REGISTRATION_PAUSED: "Registration paused",
    Kind.REGISTRATION_CLOSED: "Registration closed",
    Kind.REGISTRATION_REOPENED: "Registration reopened",
    Kind.REGISTRATION_OPENS: "Registration is open",
    Kind.REGISTRATION_CLOSES: "Registration has closed",
    Kind.REGISTRATION_EXTENDED: "Registration extended",
} | {status.change_kind: status.word for status in STATUSES if status.change_kind}

MAX_NAMES, MAX_LINES = 500, 20_000
"""Characters of the labels in a title, and of the lines in an item; the other runs are counted."""

_REGISTRATION_WORDS = {
    Kind.REGISTRATION_OPENS: "opened",
    Kind.REGISTRATION_CLOSES: "closed",
    Kind.REGISTRATION_EXTENDED: "closes",
}
_BEFORE_END = {Kind.MOVED: "now ", Kind.RESCHEDULED: "now ", Kind.REGISTRATION_EXTENDED: "until "}


def build_shared_name(runs: Sequence[Entry], starts: Sequence[str], locale: str) -> str:
    """The name of some runs of one event: ``Harbor Run – 10K, 5K``.

    ``starts`` are their starts as in ``State``. Runs with one label are told apart by their days:
    ``Easy 5K (Tue, Jun 2, 2026, Tue, Jun 9, 2026)``.
    """
    event = runs[0].event
    if len(runs) == 1:
        return build_name(runs[0])
    days: dict[str, list[str]] = {}
    for run, start in zip(runs, starts, strict=True):
        day = format_start(start.partition("T")[0], locale)
        days.setdefault(run.run.distance_label, []).append(day)
    labels = [
        f"{label} ({', '.join(dict.fromkeys(each))})" if len(set(each)) > 1 else label
        for label, each in days.items()
    ]
    named = _count_within(labels, MAX_NAMES)
    more = f" and {len(labels) - named} more" if named < len(labels) else ""
    return join_label(event.name, f"{', '.join(labels[:named])}{more}")


def _count_within(texts: Iterable[str], limit: int) -> int:
    """How many of the texts have ``limit`` characters together, at least the first one."""
    return max(1, sum(length <= limit for length in accumulate(map(len, texts))))


def build_change_title(group: Sequence[Change], runs: Sequence[Entry], locale: str) -> str:
    """``Moved: Harbor Run – 10K, 5K, now Sun, Jun 15, 2025, 8:00 AM``.

    ``group`` are changes of one kind that were noticed together, ``runs`` are their entries. If
    all runs have the same new start, the title ends with the start. If no start changed and all
    runs have the same new place, the title ends with the place. The title of a registration that
    was extended ends with its new end. Runs that were moved back at once are ``As before``; the
    title does not name them if others of the group were moved. A run with an organizer's own word,
    which may mean that it does not take place, is not called reinstated.
    """
    if group[0].kind == Kind.MOVED and any(map(_moves, group)):
        runs = [run for change, run in zip(group, runs, strict=True) if _moves(change)]
        group = [change for change in group if _moves(change)]
    kind, word, now = group[0].kind, CHANGE_TITLES[group[0].kind], _BEFORE_END.get(group[0].kind)
    name = build_shared_name(runs, [change.now.start for change in group], locale)
    if is_turn(group[0]):
        day = f", {format_start(group[0].now.start, locale)}" if runs[0].is_session else ""
        return f"{word}: {name}{day}"
    moved = kind == Kind.MOVED
    if kind == Kind.REINSTATED and any(map(_get_status_sentence, group)):
        word = "New status"
    if moved and not _moves(group[0]):
        word, now, moved = "As before", "", False
    elif moved and all(map(_only_adds, group)):
        word = "Start time" if all(map(announces_start_time, group)) else "Place"
    if word == "Place" or (moved and not any(change.new_start for change in group)):
        shared = {format_place(change.now, change.was) for change in group}
    elif kind == Kind.REGISTRATION_EXTENDED:
        pairs = zip(group, runs, strict=True)
        shared = {_format_turn(change, run, locale) for change, run in pairs}
    else:
        shared = {format_start(change.now.start, locale) for change in group}
    end = f", {now or ''}{shared.pop()}" if len(shared) == 1 else ""
    return f"{word}: {name}{end}"


def _moves(change: Change) -> bool:
    return change.new_start or change.new_place


def _only_adds(change: Change) -> bool:
    """Whether the change adds a start time or a place, and replaces neither."""
    replaces_start = change.new_start and not announces_start_time(change)
    replaces_place = change.new_place and change.was.place
    return not (replaces_start or replaces_place)


def _get_status_sentence(change: Change) -> str:
    """What is not normal about the new status, such as an organizer's own word; may be empty."""
    return find_status(change.now.status).sentence


def describe_changes(group: Sequence[Change], runs: Sequence[Entry], locale: str) -> Iterator[str]:
    """The lines of an item: each run as it was then, and its registration if that is the news."""
    some_move = group[0].kind == Kind.MOVED and any(map(_moves, group))
    ends = [", as before" if some_move and not _moves(change) else "" for change in group]
    lines = [
        [f"{line}{end}" for line in _describe(change, run, locale)]
        for change, run, end in zip(group, runs, ends, strict=True)
    ]
    named = _count_within(map("".join, lines), MAX_LINES)
    yield from chain.from_iterable(lines[:named])
    if named < len(lines):
        yield f"And {len(lines) - named} more; see the event page."


def _describe(change: Change, run: Entry, locale: str) -> Iterator[str]:
    yield describe_change(change, run, locale)
    if change.kind == Kind.REINSTATED and (sentence := _get_status_sentence(change)):
        yield sentence
    if change.kind in _REGISTRATION_WORDS:
        turn = _format_turn(change, run, locale, zoned=True)
        yield f"Registration {_REGISTRATION_WORDS[change.kind]} {turn}"


def _format_turn(change: Change, entry: Entry, locale: str, *, zoned: bool = False) -> str:
    """When registration closes; if it opened, when it did and when it closes."""
    window = change.now.opens, change.now.closes
    form = format_zoned if zoned else format_moment
    opens, closes = (form(at.astimezone(entry.zone), locale) if at else "" for at in window)
    if change.kind != Kind.REGISTRATION_OPENS:
        return closes
    return f"{opens} and closes {closes}" if closes else opens


def describe_change(change: Change, entry: Entry, locale: str) -> str:
    """``10K: Sun, Jun 15, 2025, 8:00 AM CDT; before: Sat, Jun 14, 2025, 8:00 AM``.

    The start and the place after the change, and the old start and the old place if replaced.
    """
    was, now = change.was, change.now
    place = format_place(now, was) if change.new_place else now.place
    after = [format_start(now.start, locale, now.zone), *([place] if place else [])]
    replaces_start = change.new_start and not announces_start_time(change)
    before = [format_old_start(was, now, locale)] if replaces_start else []
    before += [format_place(was, now)] if change.new_place and was.place else []
    end = f"; before: {', '.join(before)}" if before else ""
    return f"{_get_label(entry)}: {', '.join(after)}{end}"


def _get_label(entry: Entry) -> str:
    return entry.run.distance_label or entry.event.name

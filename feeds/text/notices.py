"""Notices at the top of a page: what is off, postponed or moved, and why."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.model import Event
from feeds.domain.status import POSTPONED, RESCHEDULED, SCHEDULED, STATUSES, Status
from feeds.text import dates
from feeds.text.descriptions import split_first_paragraph
from feeds.text.pages import find_days, find_move, get_label, has_new_date, humanize


class Notice(Struct, frozen=True):
    """A heading, the labels of its runs, and details; no labels if all runs are affected.

    ``reason`` is the first paragraph of the organizer's text, where a page shows it in the notice.
    """

    heading: str
    css_class: str
    labels: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    reason: str = ""

    @property
    def text(self) -> str:
        """``Cancelled.``, or ``Cancelled: 10K, 5K.``."""
        return f"{self.heading}{': ' if self.labels else ''}{', '.join(self.labels)}."


def list_notices(entries: Sequence[Entry], locale: str) -> Iterator[Notice]:
    """A notice for each status other than scheduled, the worst first; then one for a move.

    An organizer's own word, such as ``weatherHold``, may mean that a run does not take place.
    """
    own = dict.fromkeys(each.status for each in entries if each.status not in STATUSES)
    for status in (*STATUSES[: STATUSES.index(SCHEDULED)], *own):
        affected = [entry for entry in entries if entry.status == status]
        if status in own:
            labels = _list_labels(affected, entries, locale)
            yield Notice(humanize(status.word), status.css_class, labels)
        elif len(affected) == len(entries):
            details = tuple(_list_details(status, entries, locale))
            reason = _find_reason(status, entries[0].event)
            yield Notice(status.word, status.css_class, (), details, reason)
        elif affected:
            labels = _list_labels(affected, entries, locale)
            details = tuple(_tell_unknown(status, affected))
            yield Notice(status.word, status.css_class, labels, details)
    move = describe_common_move(entries, locale)
    if move and all(entry.status == SCHEDULED for entry in entries):
        yield Notice("Moved", "rescheduled", (), (move,))


def _list_labels(
    affected: Sequence[Entry], entries: Sequence[Entry], locale: str
) -> tuple[str, ...]:
    """The labels of some runs, with the start where another run has the same label.

    The start alone where all runs have one label; nothing if all runs are affected. ``1 of 3``
    where other runs have the same label and start: readers would take those for affected as well.
    """
    if len(affected) == len(entries):
        return ()
    is_same = len({get_label(entry) for entry in entries}) == 1
    others = {get_label(entry) for entry in entries if entry not in affected}

    def describe(entry: Entry) -> tuple[str, str]:
        label, when = get_label(entry), dates.format_when(entry.period, locale)
        return (when, "") if is_same else (label, when if label in others else "")

    totals = Counter(map(describe, entries))
    labels = []
    for (label, when), count in Counter(map(describe, affected)).items():
        total = totals[label, when]
        more = "; ".join(filter(None, (when, f"{count} of {total}" if count < total else "")))
        labels.append(f"{label} ({more})" if more else label)
    return tuple(labels)


def _list_details(status: Status, entries: Sequence[Entry], locale: str) -> Iterator[str]:
    """What all runs have in common: the old date, and the new one if there is one."""
    move = describe_common_move(entries, locale)
    starts = {dates.format_when(entry.period, locale) for entry in entries}
    when = starts.pop() if len(starts) == 1 else dates.format_range(*find_days(entries), locale)
    if status == POSTPONED and not any(map(has_new_date, entries)):
        yield f"No new date yet. It was planned for {when}."
    elif move and not status.off:
        yield move
    elif status in (POSTPONED, RESCHEDULED):
        yield f"The organizer now lists {when}."
        yield from _tell_unknown(status, entries)


def _tell_unknown(status: Status, entries: Sequence[Entry]) -> Iterator[str]:
    if status == RESCHEDULED and not any(map(find_move, entries)):
        yield "We don’t know the old date."


def _find_reason(status: Status, event: Event) -> str:
    if status.off or status in (POSTPONED, RESCHEDULED):
        return split_first_paragraph(event.description or "")[0]
    return ""


def find_about(event: Event, notices: Sequence[Notice]) -> str:
    """The organizer's text without the reason that a notice shows."""
    reason, rest = split_first_paragraph(event.description or "")
    shown = any(each.reason for each in notices)
    return rest if shown and reason else event.description or ""


def describe_common_move(entries: Sequence[Entry], locale: str) -> str:
    """``From Sat, Dec 12, 2026 to Sun, Dec 20, 2026.`` if that is the last move of all runs.

    Runs with different times share a move if they share their old day and their new day.
    """
    moves = [(move.was, move.now) for each in entries if (move := find_move(each))]
    found = {
        (dates.format_old_start(was, now, locale), dates.format_old_start(now, was, locale))
        for was, now in moves
    }
    if len(found) > 1:
        days = {(was.start[:10], now.start[:10]) for was, now in moves}
        found = {
            (dates.format_start(was, locale), dates.format_start(now, locale))
            for was, now in days
            if was != now
        }
    if len(moves) < len(entries) or len(found) != 1:
        return ""
    was, now = found.pop()
    return f"From {was} to {now}."

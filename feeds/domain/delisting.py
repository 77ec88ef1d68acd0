"""Delisting: when a run or an event counts as no longer listed (rules 3).

A false cancellation is the worst defect. A run counts as delisted only if it is absent from a
document that decoded completely; an event, or all runs of one, only after two such answers.
"""

import datetime as dt
from collections.abc import Collection

from msgspec import structs

from feeds.domain.model import Edition, Event, PendingRemoval, Run

CONFIRMED_AFTER = dt.timedelta(seconds=60)
"""The least time between two answers that together prove a removal."""

FORGOTTEN_AFTER = dt.timedelta(days=365)
"""How long a delisted run is remembered: if it returns, it has its old revision and guid."""

GONE = "gone"
EMPTIED = "emptied"


def mark_unlisted(event: Event, known: Event, ended: Collection[str], now: dt.datetime) -> Event:
    """The event of a complete document, with the known runs that the document no longer lists.

    ``ended`` are the ids of runs that have ended: they are not marked as withdrawn. A run that has
    been missing for a year is dropped.
    """
    listed = {run.id for run in event.runs}
    missing = (
        run if run.unlisted else structs.replace(run, unlisted=now, withdrawn=run.id not in ended)
        for run in known.runs
        if run.id not in listed
    )
    runs = [*event.runs, *(run for run in missing if _remembered(run.unlisted, now))]
    return structs.replace(event, runs=tuple(sorted(runs, key=run_sort_key)))


def mark_all_unlisted(event: Event, ended: Collection[str], now: dt.datetime) -> Event:
    """The event with all of its runs delisted."""
    return mark_unlisted(structs.replace(event, runs=()), event, ended, now)


def has_listed_runs(event: Event) -> bool:
    return any(run.unlisted is None for run in event.runs)


def is_confirmed(pending: PendingRemoval | None, reason: str, now: dt.datetime) -> bool:
    """Whether another answer of the same kind confirms a pending removal."""
    return (
        pending is not None and pending.reason == reason and now - pending.since >= CONFIRMED_AFTER
    )


def update_pending(pending: PendingRemoval | None, reason: str, now: dt.datetime) -> PendingRemoval:
    """The pending removal after such an answer: since the first answer of its kind."""
    return (
        pending
        if pending and pending.reason == reason and pending.since <= now
        else PendingRemoval(reason, now)
    )


def apply_document(
    known: Edition, event: Event, ended: Collection[str], now: dt.datetime, *, complete: bool
) -> Edition:
    """The edition after ``known`` when the upstream answers with an event.

    ``complete`` is whether all of its runs decoded. The history is still that of ``known``, and so
    is the event while an emptied list of runs is not confirmed.
    """
    emptied = not event.runs and has_listed_runs(known.event)
    if emptied and not is_confirmed(known.pending, EMPTIED, now):
        return structs.replace(
            known, fetched=now, pending=update_pending(known.pending, EMPTIED, now)
        )
    if complete:
        event = mark_unlisted(event, known.event, ended, now)
    return structs.replace(known, event=event, fetched=now, gone=None, pending=None)


def apply_not_found(known: Edition, ended: Collection[str], now: dt.datetime) -> Edition:
    """The edition after ``known`` when the upstream answers 404 NOT_FOUND."""
    if known.gone:
        return structs.replace(known, fetched=now)
    if not is_confirmed(known.pending, GONE, now):
        return structs.replace(known, fetched=now, pending=update_pending(known.pending, GONE, now))
    event = mark_all_unlisted(known.event, ended, now)
    return structs.replace(known, event=event, fetched=now, gone=now, pending=None)


def run_sort_key(run: Run) -> tuple[dt.date, dt.time, float, str]:
    """The order of runs in a schedule, independent of the upstream's order."""
    return (run.date, run.start_time or dt.time.min, run.distance_meters, run.id)


def _remembered(unlisted: dt.datetime | None, now: dt.datetime) -> bool:
    return unlisted is None or now - unlisted < FORGOTTEN_AFTER

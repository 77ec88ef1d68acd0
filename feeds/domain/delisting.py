"""What an event's list of runs proves: which are no longer listed, and when that is believed.

A false cancellation is the worst that can happen: a run counts as gone only when it is absent from
a document that was understood as a whole, an event or all of its runs only after two such answers.
"""

import datetime as dt
from collections.abc import Collection

from msgspec import structs

from feeds.domain.model import Edition, Event, PendingRemoval, Run

CONFIRMED_AFTER = dt.timedelta(seconds=60)
"""What has to lie between two answers that say an event is gone, or has no runs any more."""

FORGOTTEN_AFTER = dt.timedelta(days=365)
"""How long a run that left is remembered: if it comes back, it is itself again."""

GONE = "gone"
EMPTIED = "emptied"


def mark_unlisted(event: Event, known: Event, over: Collection[str], now: dt.datetime) -> Event:
    """The event of a complete document, with the known runs that it no longer lists.

    ``over`` are the ids of those that have ended: they leave without being withdrawn. One that has
    been missing for a year is forgotten.
    """
    listed = {run.id for run in event.runs}
    missing = (
        run if run.unlisted else structs.replace(run, unlisted=now, withdrawn=run.id not in over)
        for run in known.runs
        if run.id not in listed
    )
    runs = [*event.runs, *(run for run in missing if _remembered(run.unlisted, now))]
    return structs.replace(event, runs=tuple(sorted(runs, key=run_sort_key)))


def mark_all_unlisted(event: Event, over: Collection[str], now: dt.datetime) -> Event:
    """The event with none of its runs listed any more."""
    return mark_unlisted(structs.replace(event, runs=()), event, over, now)


def has_listed_runs(event: Event) -> bool:
    return any(run.unlisted is None for run in event.runs)


def is_confirmed(pending: PendingRemoval | None, of: str, now: dt.datetime) -> bool:
    """Whether an answer that says the same again is enough."""
    return pending is not None and pending.reason == of and now - pending.since >= CONFIRMED_AFTER


def update_pending(pending: PendingRemoval | None, of: str, now: dt.datetime) -> PendingRemoval:
    """The pending removal after such an answer: since the first answer of its kind."""
    return (
        pending
        if pending and pending.reason == of and pending.since <= now
        else PendingRemoval(of, now)
    )


def apply_document(
    known: Edition, event: Event, over: Collection[str], now: dt.datetime, *, complete: bool
) -> Edition:
    """The edition after ``known`` when the upstream answers with an event.

    ``complete`` tells whether all of its runs were understood. The history is still that of
    ``known``, and so is the event while an emptied list of runs is in doubt.
    """
    emptied = not event.runs and has_listed_runs(known.event)
    if emptied and not is_confirmed(known.pending, EMPTIED, now):
        return structs.replace(
            known, fetched=now, pending=update_pending(known.pending, EMPTIED, now)
        )
    if complete:
        event = mark_unlisted(event, known.event, over, now)
    return structs.replace(known, event=event, fetched=now, gone=None, pending=None)


def apply_not_found(known: Edition, over: Collection[str], now: dt.datetime) -> Edition:
    """The edition after ``known`` when the upstream says that there is no such event."""
    if known.gone:
        return structs.replace(known, fetched=now)
    if not is_confirmed(known.pending, GONE, now):
        return structs.replace(known, fetched=now, pending=update_pending(known.pending, GONE, now))
    event = mark_all_unlisted(known.event, over, now)
    return structs.replace(known, event=event, fetched=now, gone=now, pending=None)


def run_sort_key(run: Run) -> tuple[dt.date, dt.time, float, str]:
    """The order of a schedule, whatever order the upstream has, and whoever is missing."""
    return (run.date, run.start_time or dt.time.min, run.distance_meters, run.id)


def _remembered(unlisted: dt.datetime | None, now: dt.datetime) -> bool:
    return unlisted is None or now - unlisted < FORGOTTEN_AFTER

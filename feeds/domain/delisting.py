"""What an event's list of runs proves: which are no longer listed, and when that is believed.

A false cancellation is the worst that can happen: a run counts as gone only when it is absent from
a document that was understood as a whole, an event or all of its runs only after two such answers.
"""

import datetime as dt
from collections.abc import Collection

from msgspec import structs

from feeds.domain.model import Doubt, Edition, Event, Run

BELIEVED_AFTER = dt.timedelta(seconds=60)
"""What has to lie between two answers that say an event is gone, or has no runs any more."""

FORGOTTEN_AFTER = dt.timedelta(days=365)
"""How long a run that left is remembered: if it comes back, it is itself again."""

GONE = "gone"
EMPTIED = "emptied"


def with_unlisted(event: Event, known: Event, over: Collection[str], now: dt.datetime) -> Event:
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
    return structs.replace(event, runs=tuple(sorted(runs, key=order)))


def without_any(event: Event, over: Collection[str], now: dt.datetime) -> Event:
    """The event with none of its runs listed any more."""
    return with_unlisted(structs.replace(event, runs=()), event, over, now)


def has_listed_runs(event: Event) -> bool:
    return any(run.unlisted is None for run in event.runs)


def believed(doubt: Doubt | None, of: str, now: dt.datetime) -> bool:
    """Whether an answer that says the same again is enough."""
    return doubt is not None and doubt.of == of and now - doubt.since >= BELIEVED_AFTER


def doubted(doubt: Doubt | None, of: str, now: dt.datetime) -> Doubt:
    """The doubt that such an answer leaves: since the first one of its kind."""
    return doubt if doubt and doubt.of == of and doubt.since <= now else Doubt(of, now)


def answered(
    known: Edition, event: Event, over: Collection[str], now: dt.datetime, *, complete: bool
) -> Edition:
    """The edition after ``known`` when the upstream answers with an event.

    ``complete`` tells whether all of its runs were understood. The history is still that of
    ``known``, and so is the event while an emptied list of runs is in doubt.
    """
    emptied = not event.runs and has_listed_runs(known.event)
    if emptied and not believed(known.doubt, EMPTIED, now):
        return structs.replace(known, fetched=now, doubt=doubted(known.doubt, EMPTIED, now))
    if complete:
        event = with_unlisted(event, known.event, over, now)
    return structs.replace(known, event=event, fetched=now, gone=None, doubt=None)


def unknown(known: Edition, over: Collection[str], now: dt.datetime) -> Edition:
    """The edition after ``known`` when the upstream says that there is no such event."""
    if known.gone:
        return structs.replace(known, fetched=now)
    if not believed(known.doubt, GONE, now):
        return structs.replace(known, fetched=now, doubt=doubted(known.doubt, GONE, now))
    event = without_any(known.event, over, now)
    return structs.replace(known, event=event, fetched=now, gone=now, doubt=None)


def order(run: Run) -> tuple[dt.date, dt.time, float, str]:
    """The order of a schedule, whatever order the upstream has, and whoever is missing."""
    return (run.date, run.start_time or dt.time.min, run.distance_meters, run.id)


def _remembered(unlisted: dt.datetime | None, now: dt.datetime) -> bool:
    return unlisted is None or now - unlisted < FORGOTTEN_AFTER

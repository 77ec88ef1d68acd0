"""Delisting: when a run or an event counts as no longer listed (rules 3.5 to 3.10).

A false cancellation is the worst defect. A stale replica or a faulty deploy of the upstream may
lack runs and events that take place. So a removal is pending while few answers lack the run or the
event, and while other events began to miss something at the same time.

1. ``apply_document`` and ``apply_not_found`` count the answers that lack something.
2. ``find_provable`` finds the removals for which there are enough answers.
3. ``confirm_removals`` carries out those for which no other event raises doubt.

The pauses between answers and the bounds of doubt are fractions or multiples of ``confirm_after``,
which is 30 minutes; only the demo and tests shorten it.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping

from msgspec import structs

from feeds.domain.model import Edition, Event, PendingRemoval, Run

UNLISTED_SHOWN_FOR = dt.timedelta(days=30)
"""How long a run or an event is shown as no longer listed."""

CONFIRM_AFTER = dt.timedelta(minutes=30)
"""The least time between the first and the last of the answers that prove a removal."""

MIN_ANSWERS = 3
"""The least number of answers that prove a removal."""

FORGOTTEN_AFTER = dt.timedelta(days=365)
"""How long a delisted run is remembered: if it returns, it has its old revision and guid."""

MAX_MISSING, MAX_UNLISTED = 2_000, 1_000
"""Runs that are missing but not confirmed (a document lists no more), and delisted runs, of one
event. Of more, those that left first are dropped."""

_PAUSE_DIVISORS = (30, 6, 2)
"""Pauses after the first, the second, and each later answer: 1, 5 and 15 of 30 minutes."""


def compute_doubt_window(confirm_after: dt.timedelta) -> dt.timedelta:
    """Events that begin to miss something within this time raise doubt about each other: 1 hour."""
    return 2 * confirm_after


def compute_doubt_limit(confirm_after: dt.timedelta) -> dt.timedelta:
    """How long other events can hold back a removal: 1 day."""
    return 48 * confirm_after


def apply_document(
    known: Edition, event: Event, ended: Collection[str], now: dt.datetime, *, complete: bool
) -> Edition:
    """The edition after ``known`` when the upstream answers with an event.

    ``event`` has the runs that the document lists, ``complete`` is whether all of them decoded. The
    known runs that the document lacks stay as they are. A complete document counts as an answer
    without them; but runs whose ids are in ``ended`` have ended and are unlisted at once, since
    nothing is stated about them (rules 3.12). A run that has been missing for a year is dropped, as
    are the oldest of too many. The history is still that of ``known``.
    """
    # A run that was stored with the id of its event is listed with another id (rules 1.2).
    listed = {event.id, *(run.id for run in event.runs)}
    missing = [run for run in known.event.runs if run.id not in listed]
    pending = {id_: each for id_, each in known.pending.items() if id_ not in listed}
    if complete:
        missing = [
            _unlist(run, ended, now) if run.id in ended else run
            for run in missing
            if run.unlisted is None or now - run.unlisted < FORGOTTEN_AFTER
        ]
        pending = dict(_count_missing(missing, pending, now))
    kept = _drop_oldest(missing, pending, now)
    if len(kept) < len(missing):
        dropped = {run.id for run in missing} - {run.id for run in kept}
        pending = {id_: each for id_, each in pending.items() if id_ not in dropped}
        missing = kept
    runs = tuple(sorted([*event.runs, *missing], key=run_sort_key))
    event = structs.replace(event, runs=runs)
    return structs.replace(known, event=event, fetched=now, gone=None, pending=pending)


def _drop_oldest(
    missing: list[Run], pending: Mapping[str, PendingRemoval], now: dt.datetime
) -> list[Run]:
    """The missing runs, without those that left first if there are too many."""
    if len(missing) <= min(MAX_MISSING, MAX_UNLISTED):
        return missing

    def get_since(run: Run) -> dt.datetime:
        since = run.unlisted or (pending[run.id].since if run.id in pending else None)
        return since or now

    newest = sorted(missing, key=get_since, reverse=True)
    unlisted = [run for run in newest if run.unlisted]
    unconfirmed = [run for run in newest if not run.unlisted]
    return unconfirmed[:MAX_MISSING] + unlisted[:MAX_UNLISTED]


def apply_not_found(known: Edition, now: dt.datetime) -> Edition:
    """The edition after ``known`` when the upstream answers 404 NOT_FOUND."""
    if known.gone:
        return structs.replace(known, fetched=now)
    id_ = known.event.id
    pending = {**known.pending, id_: count_answer(known.pending.get(id_), now)}
    return structs.replace(known, fetched=now, pending=pending)


def find_unconfirmed(edition: Edition) -> dict[str, PendingRemoval]:
    """The removals that are pending, by the id of a run or of the event."""
    if not edition.pending or edition.gone:
        return {}
    confirmed = {run.id for run in edition.event.runs if run.unlisted}
    return {id_: each for id_, each in edition.pending.items() if id_ not in confirmed}


def find_provable(edition: Edition, confirm_after: dt.timedelta) -> dict[str, PendingRemoval]:
    """The pending removals for which there are enough answers, over enough time.

    After ``confirm_removals``, these are the removals that other events hold back.
    """
    return {
        id_: each
        for id_, each in find_unconfirmed(edition).items()
        if each.answers >= MIN_ANSWERS and edition.fetched - each.since >= confirm_after
    }


def confirm_removals(
    edition: Edition,
    ended: Collection[str],
    others: Collection[dt.datetime],
    confirm_after: dt.timedelta,
) -> Edition:
    """The edition after an answer that lacks something, with the proved removals carried out.

    ``others`` are the instants since when other events that are ahead have missed something. Those
    within an hour hold back a removal, for a day at most: then probably the upstream is at fault.
    """
    now = edition.fetched
    window, limit = compute_doubt_window(confirm_after), compute_doubt_limit(confirm_after)
    proved = {
        id_
        for id_, each in find_provable(edition, confirm_after).items()
        if now - each.since >= limit or not any(abs(each.since - at) < window for at in others)
    }
    if edition.event.id in proved:
        event = mark_unlisted(edition.event, {run.id for run in edition.event.runs}, ended, now)
        return structs.replace(edition, event=event, gone=now)
    return structs.replace(edition, event=mark_unlisted(edition.event, proved, ended, now))


def mark_unlisted(
    event: Event, ids: Collection[str], ended: Collection[str], now: dt.datetime
) -> Event:
    """The event with these runs marked as no longer listed, unless they are already.

    ``ended`` are the ids of runs that have ended: they are not marked as withdrawn.
    """
    runs = tuple(_unlist(run, ended, now) if run.id in ids else run for run in event.runs)
    return structs.replace(event, runs=runs)


def compute_pause(edition: Edition, confirm_after: dt.timedelta) -> dt.timedelta | None:
    """How long to wait before asking again while a removal is pending; None if none is pending."""
    unconfirmed = find_unconfirmed(edition).values()
    if not unconfirmed:
        return None
    fewest = min(each.answers for each in unconfirmed)
    return confirm_after / _PAUSE_DIVISORS[min(fewest, len(_PAUSE_DIVISORS)) - 1]


def find_missing_since(edition: Edition) -> dt.datetime | None:
    """The latest instant since when the upstream has lacked the event, or a run of it.

    A removal counts here after it was confirmed, too, until the run or the event is listed again.
    """
    return max((each.since for each in edition.pending.values()), default=None)


def run_sort_key(run: Run) -> tuple[dt.date, dt.time, float, str]:
    """The order of runs in a schedule, independent of the upstream's order."""
    return (run.date, run.start_time or dt.time.min, run.distance_meters, run.id)


def _unlist(run: Run, ended: Collection[str], now: dt.datetime) -> Run:
    if run.unlisted:
        return run
    return structs.replace(run, unlisted=now, withdrawn=run.id not in ended)


def _count_missing(
    missing: Iterable[Run], pending: Mapping[str, PendingRemoval], now: dt.datetime
) -> Iterable[tuple[str, PendingRemoval]]:
    """The pending removals after another answer without these runs."""
    for run in missing:
        if run.unlisted is None:
            yield run.id, count_answer(pending.get(run.id), now)
        elif run.id in pending:
            yield run.id, pending[run.id]


def count_answer(pending: PendingRemoval | None, now: dt.datetime) -> PendingRemoval:
    """The pending removal after another answer; after the clock was set back, that is the first."""
    if pending is None or pending.since > now:
        return PendingRemoval(now, 1)
    return PendingRemoval(pending.since, pending.answers + 1)


def mark_left(event: Event, as_of: dt.datetime) -> Event:
    """The event with the runs marked that have been shown as no longer listed for long enough."""
    leaving = {
        run.id
        for run in event.runs
        if run.unlisted and not run.left and run.unlisted + UNLISTED_SHOWN_FOR <= as_of
    }
    if not leaving:
        return event
    runs = (structs.replace(run, left=run.left or run.id in leaving) for run in event.runs)
    return structs.replace(event, runs=tuple(runs))


def has_ended_as_gone(edition: Edition) -> bool:
    """Whether an event has been gone for ``UNLISTED_SHOWN_FOR``, so that its feeds have ended."""
    return edition.gone is not None and edition.gone + UNLISTED_SHOWN_FOR <= edition.fetched

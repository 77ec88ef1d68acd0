"""Recovery: what a process has served is merged with what the database holds (rules 4.12)."""

import datetime as dt

from msgspec import structs

from feeds.domain.entries import Timetable, build_timetable
from feeds.domain.freshness import MAX_CLOCK_SKEW
from feeds.domain.history.changes import (
    CHANGES_KEPT_FOR,
    find_changes,
    find_turns,
    group_changes,
    is_turn,
)
from feeds.domain.history.delisting import FORGOTTEN_AFTER, MAX_UNLISTED, run_sort_key
from feeds.domain.history.numbering import append_changes, get_number, identify, identify_group
from feeds.domain.model import NEVER, Change, Edition, History, Kind, Revision, Run

SECOND = dt.timedelta(seconds=1)


def has_gone_back(served: Edition, stored: Edition) -> bool:
    """Whether the database went back: a backup was restored, or a failover lost commits.

    The stored edition then has older stamps than the served one, or lacks a run or a change of it
    that is not dropped by age.
    """
    if stored.modified < served.modified:
        return True
    if stored.modified == served.modified and _get_content(stored) != _get_content(served):
        return True
    known = {run.id for run in stored.event.runs}
    is_full = sum(run.unlisted is not None for run in stored.event.runs) >= MAX_UNLISTED
    if any(
        run.id not in known
        and not run.left
        and not (run.unlisted and (is_full or stored.fetched - run.unlisted >= FORGOTTEN_AFTER))
        for run in served.event.runs
    ):
        return True
    pairs = (
        (revision, stored.revisions[key])
        for key, revision in served.revisions.items()
        if key in stored.revisions
    )
    if any(
        new.last_modified < old.last_modified or new.sequence < old.sequence for old, new in pairs
    ):
        return True
    kept = {(identify(each), each.nth) for each in stored.changes}
    return any(
        (identify(each), each.nth) not in kept
        and each.nth > get_number(stored.numbers, identify(each))
        for each in served.changes
        if stored.modified - each.noticed < CHANGES_KEPT_FOR
    )


def _get_content(edition: Edition) -> tuple[object, ...]:
    """What the feeds of an edition depend on."""
    return edition.event, edition.gone, edition.changes, edition.revisions


def merge(served: Timetable, stored: Timetable, noticed: dt.datetime, home: str) -> Timetable:
    """The timetable to save over ``stored``, if ``has_gone_back`` is true for ``served``.

    Its event is the served one, unless the stored one was fetched later and has changed since; its
    history is that of both, with the changes from the served event to this one. Its deployment is
    empty, so that the next ``revise`` stamps anew whatever differs between the two. ``home`` is the
    zone of events without a place.
    """
    old, new = served.edition, stored.edition
    known = {(identify(each), each.nth) for each in old.changes}
    unknown = [each for each in new.changes if (identify(each), each.nth) not in known]
    is_older = (
        new.modified < old.modified
        or new.fetched + MAX_CLOCK_SKEW < old.fetched
        or (new.fetched < old.fetched and not unknown)
    )
    last, other = (served, stored) if is_older else (stored, served)
    timetable = build_timetable(_keep_runs(last.edition, other.edition), home)
    ids = {entry.run.id for entry in last.entries}
    lacked = [entry for entry in other.entries if entry.run.id not in ids]
    missing = find_turns(  # the last edition has those of the other runs
        lacked,
        [entry for entry in timetable.entries if entry.run.id not in ids],
        since=other.edition.fetched,
        until=last.edition.fetched,
        noticed=noticed,
    )
    changes = _merge_changes(old, new)
    while any(each.noticed == noticed for each in changes):  # what is told now has its own items
        noticed += SECOND
    announced = {_get_outcome(each) for each in unknown}
    before = lacked if is_older else served.entries
    missing += tuple(
        each
        for each in find_changes(before, timetable.entries, noticed)
        if _get_outcome(each) not in announced
    )
    numbers = {
        key: max(old.numbers.get(key, 0), new.numbers.get(key, 0))
        for key in (*old.numbers, *new.numbers)
    }
    history = History(
        revisions=_merge_revisions(old, new),
        changes=changes,
        numbers=numbers,
        modified=max(old.modified, new.modified),
        token=new.token,
    )
    history = structs.replace(history, changes=append_changes(history, missing, new.event.id))
    return timetable.with_history(carry_over(history, timetable.edition))


def _keep_runs(edition: Edition, other: Edition) -> Edition:
    """The edition, to be stamped anew, with the runs of another one that it lacks.

    They are missing until complete answers prove more (rules 3.5). The answers before do not count:
    the database may be a new one, which has lost what other events lacked (rules 4.12). So an event
    with such runs is not gone yet; its next 404 confirms that the event is gone, with these runs.
    Runs that the last answers of the edition lack, and that the other edition has proved to be no
    longer listed, stay no longer listed. A run that returned in the other edition counts as listed,
    and its removal has to be proved again.
    """
    event, pending = edition.event, edition.pending
    others = {run.id: run for run in other.event.runs}
    returned = {run.id for run in event.runs if _has_returned(run, other)}
    runs = [
        _keep_removal(run, others.get(run.id, run)) if pending.keys() & {run.id, event.id} else run
        for run in (others[each.id] if each.id in returned else each for each in event.runs)
    ]
    lacked = others.keys() - {run.id for run in runs}
    runs += (others[id_] for id_ in lacked)
    kept = {id_: each for id_, each in other.pending.items() if id_ in returned}
    gone = edition.gone or (other.gone if event.id in pending else None)
    if returned:  # the answer that listed them cleared the counts (rules 3.5)
        pending = {id_: each for id_, each in pending.items() if id_ not in {*returned, event.id}}
    return structs.replace(
        edition,
        event=structs.replace(event, runs=tuple(sorted(runs, key=run_sort_key))),
        gone=None if any(run.unlisted is None for run in runs) else gone,
        pending={**kept, **pending},
        deployment="",
        etag=None,
    )


def _has_returned(run: Run, other: Edition) -> bool:
    """Whether another edition lists a run, and announced its return after the run was unlisted."""
    since = run.unlisted
    if since is None or all(each.id != run.id or each.unlisted for each in other.event.runs):
        return False
    return any(
        (each.run, each.kind) == (run.id, Kind.REINSTATED) and each.noticed > since
        for each in other.changes
    )


def _keep_removal(run: Run, other: Run) -> Run:
    if run.unlisted:
        return run
    return structs.replace(run, unlisted=other.unlisted, withdrawn=other.withdrawn, left=other.left)


def _get_outcome(change: Change) -> tuple[object, ...]:
    """The run, the kind, and the new values of a change.

    Two histories may reach the same state from different ones: such changes have equal outcomes.
    """
    now, moves = change.now, (Kind.MOVED, Kind.RESCHEDULED)
    where = (now.start, now.zone, now.place) if change.kind in moves else ()
    closes = now.closes if change.kind == Kind.REGISTRATION_EXTENDED else None
    return change.run, change.kind, where, closes


def _merge_changes(old: Edition, new: Edition) -> tuple[Change, ...]:
    """The changes of both, group by group: readers know each item by its guid.

    Those of each stay in their order, also where the clock was put back between two of them.
    """
    merged: list[tuple[dt.datetime, Change]] = []
    guids, times = set(), set()
    for edition in (old, new):
        last = NEVER
        for group in group_changes(edition.changes):
            first = group[0]
            last = max(last, first.noticed)
            nth = first.group_nth if len(group) > 1 else first.nth
            guid = identify_group(group, new.event.id) if len(group) > 1 else identify(first)
            if (guid, nth) in guids:
                continue
            guids.add((guid, nth))
            noticed = first.noticed
            while not is_turn(first) and (noticed, first.kind) in times:
                noticed += SECOND  # changes of one kind that were noticed together are one item
            times.add((noticed, first.kind))
            merged += ((last, structs.replace(each, noticed=noticed)) for each in group)
    return tuple(change for _, change in sorted(merged, key=lambda pair: pair[0]))


def carry_over(history: History, edition: Edition) -> Edition:
    fields = {name: getattr(history, name) for name in History.__struct_fields__}
    return structs.replace(edition, **fields)


def _merge_revisions(old: Edition, new: Edition) -> dict[str, Revision]:
    """The later stamps of both; where the contents differ, digests that no content has."""
    merged = dict(old.revisions) | dict(new.revisions)
    for key in old.revisions.keys() & new.revisions.keys():
        one, other = old.revisions[key], new.revisions[key]
        merged[key] = Revision(
            created=min(one.created, other.created),
            last_modified=max(one.last_modified, other.last_modified),
            sequence=max(one.sequence, other.sequence),
            content=one.content if one.content == other.content else "",
            schedule=one.schedule if one.schedule == other.schedule else "",
        )
    return merged

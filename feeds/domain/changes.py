"""What changed between two versions of an event: what a runner has to be told.

The upstream never says. A new run is no change: its own item announces it.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from msgspec import structs

from feeds.domain.entries import Entry
from feeds.domain.model import Change, Kind, Run, State
from feeds.domain.status import RESCHEDULED, find_status

KINDS_WITHOUT_ITEM = (Kind.OTHER_DISTANCE, Kind.SILENT)
"""Kinds that make no item."""

_INVITING = (Kind.PLACES_AGAIN, Kind.REGISTRATION_REOPENED)

KEPT_FOR = dt.timedelta(days=365)
"""How long changes are remembered."""

_BY_OVERRIDE = {
    "paused": Kind.REGISTRATION_PAUSED,
    "closed": Kind.REGISTRATION_CLOSED,
    None: Kind.REGISTRATION_REOPENED,
}


def capture_state(entry: Entry) -> State:
    """What a runner is told of an entry."""
    run, start = entry.run, entry.period.start
    wall = start.replace(tzinfo=None) if isinstance(start, dt.datetime) else start
    return State(
        start=wall.isoformat(),
        zone=entry.zone.key,
        place=entry.place,
        spot=entry.event.location is None and entry.place is not None,
        status=entry.status.stored,
        sold_out=run.sold_out,
        override=run.registration_override,
        distance=run.distance_standard,
    )


def find_changes(
    before: Iterable[Entry], after: Iterable[Entry], noticed: dt.datetime
) -> tuple[Change, ...]:
    """What happened to each entry that is in both, in the order of ``after``.

    Of two equal versions, nothing; nor for what shows in no feed, nor for an end that moves, nor
    for what becomes of a run while it is not listed, nor for one that was tidied away once over.
    """
    known = {entry.run.id: entry for entry in before}
    both = [(known[entry.run.id], entry) for entry in after if entry.run.id in known]
    return tuple(
        change
        for was, now in both
        if now.run.unlisted is None or (now.run.withdrawn and was.run.unlisted is None)
        for change in _changes(was, now, noticed)
    )


def _changes(was: Entry, now: Entry, noticed: dt.datetime) -> Iterator[Change]:
    change = Change(
        run=now.run.id,
        kind=Kind.MOVED,
        was=capture_state(was),
        now=capture_state(now),
        noticed=noticed,
    )
    kinds = [
        Kind.SILENT if kind in _INVITING and not _invites(change, now.run) else kind
        for kind in _kinds(change)
    ]
    for kind in dict.fromkeys(kinds):
        yield structs.replace(change, kind=kind)


def _invites(change: Change, run: Run) -> bool:
    """Whether one can register: not for what is off or sold out, nor outside the window."""
    opens, closes, now = run.registration_opens, run.registration_closes, change.noticed
    within = (opens is None or opens <= now) and (closes is None or now < closes)
    told = change.now
    return (
        within
        and not find_status(told.status).off
        and not told.sold_out
        and (told.override is None)
    )


def _kinds(change: Change) -> Iterator[Kind]:
    was, now = change.was, change.now
    before, after = find_status(was.status), find_status(now.status)
    if before != after:
        if after.change_kind:
            yield after.change_kind
        elif not before.confirmed:
            yield Kind.REINSTATED
    rescheduled = before != after and after == RESCHEDULED
    if (change.new_start or change.new_place) and not rescheduled:
        yield Kind.MOVED
    if was.sold_out != now.sold_out:
        yield Kind.SOLD_OUT if now.sold_out else Kind.PLACES_AGAIN
    if was.override != now.override:
        known = was.override in _BY_OVERRIDE or now.override is not None
        yield _BY_OVERRIDE.get(now.override, Kind.SILENT) if known else Kind.SILENT
    if was.distance != now.distance:
        yield Kind.OTHER_DISTANCE


def announces_start_time(change: Change) -> bool:
    """Whether a run that had only a day now has a time on that day."""
    return "T" not in change.was.start and change.now.start.startswith(f"{change.was.start}T")


def build_guid_value(change: Change) -> str:
    """What it changed to, as data: a new start, a new place; empty for kinds that say it all."""
    was, now = change.was, change.now
    if change.kind not in (Kind.MOVED, Kind.RESCHEDULED):
        return ""
    parts = [now.start] if change.kind == Kind.RESCHEDULED or change.new_start else []
    parts += [now.zone] if parts and was.zone != now.zone else []
    parts += [now.place] if now.place and change.new_place else []
    return "/".join(quote(part, safe=":") for part in parts)


def append_changes(known: Sequence[Change], new: Sequence[Change]) -> tuple[Change, ...]:
    """The history with new changes, which were noticed together, counted.

    Changes that are older than a year are dropped when there are new ones of the same runs, so that
    a history changes only when something happens, and a group goes as a whole.
    """
    if not new:
        return tuple(known)
    runs = {change.run for change in new}
    noticed = max(change.noticed for change in new)
    before = group_changes(known)
    dropped = {
        change
        for group in before
        if noticed - group[0].noticed >= KEPT_FOR and runs.issuperset(each.run for each in group)
        for change in group
    }
    # What is dropped counts once more: its guid is still known to readers.
    counted = [structs.replace(each, nth=1 + _count(known, each)) for each in new]
    for kind in dict.fromkeys(each.kind for each in counted):
        group = [each for each in counted if each.kind == kind]
        same = [
            earlier[0].group_nth
            for earlier in before
            if len(earlier) > 1  # an item that names one run has that run's guid
            and earlier[0].kind == kind
            and build_group_guid_value(earlier) == build_group_guid_value(group)
        ]
        nth = 1 + max(same, default=0)
        counted = [
            structs.replace(each, group_nth=nth) if each.kind == kind else each for each in counted
        ]
    return (*(each for each in known if each not in dropped), *counted)


def _count(known: Iterable[Change], change: Change) -> int:
    return max(
        (
            each.nth
            for each in known
            if (each.run, each.kind, build_guid_value(each))
            == (change.run, change.kind, build_guid_value(change))
        ),
        default=0,
    )


def group_changes(changes: Iterable[Change]) -> list[tuple[Change, ...]]:
    """Changes of one kind that were noticed together, in order: each group is one item."""
    found: dict[tuple[dt.datetime, str], list[Change]] = {}
    for change in changes:
        found.setdefault((change.noticed, change.kind), []).append(change)
    return [tuple(group) for group in found.values()]


def build_group_guid_value(group: Sequence[Change]) -> str:
    """What a group changed to: one value if they all did, else each run's own."""
    values = {change.run: build_guid_value(change) for change in group}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    each = ",".join(f"{run}={values[run]}" for run in sorted(values))
    return hashlib.sha256(each.encode()).hexdigest()[:16]


def find_state_at(current: State, changes: Iterable[Change], instant: dt.datetime) -> State:
    """What was told at an instant: what the first change after it started from."""
    return next((change.was for change in changes if change.noticed > instant), current)

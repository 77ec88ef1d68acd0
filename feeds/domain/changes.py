"""Changes between two versions of an event (rules 4.10, 4.11 and 5.4 to 5.6).

The upstream does not report changes. A new run is no change: its own item announces it.
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
"""Kinds of change that make no item."""

CHANGES_KEPT_FOR = dt.timedelta(days=365)

_INVITATIONS = (Kind.PLACES_AGAIN, Kind.REGISTRATION_REOPENED)
"""Kinds of change that are news only if one can register now."""

_KIND_BY_OVERRIDE = {
    "paused": Kind.REGISTRATION_PAUSED,
    "closed": Kind.REGISTRATION_CLOSED,
    None: Kind.REGISTRATION_REOPENED,
}


def capture_state(entry: Entry) -> State:
    """The state of an entry, in which later versions are compared with it."""
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


def find_state_at(current: State, changes: Iterable[Change], instant: dt.datetime) -> State:
    """The state at an instant: the one before the first change that was noticed after it."""
    return next((change.was for change in changes if change.noticed > instant), current)


def find_changes(
    before: Iterable[Entry], after: Iterable[Entry], noticed: dt.datetime
) -> tuple[Change, ...]:
    """The changes of each entry that is in both versions, in the order of ``after``.

    Equal versions have no changes. Nor has a run while it is not listed, or a run that was removed
    after it had ended.
    """
    known = {entry.run.id: entry for entry in before}
    pairs = [(known[entry.run.id], entry) for entry in after if entry.run.id in known]
    return tuple(
        change
        for was, now in pairs
        if now.run.unlisted is None or (now.run.withdrawn and was.run.unlisted is None)
        for change in _compare(was, now, noticed)
    )


def _compare(was: Entry, now: Entry, noticed: dt.datetime) -> Iterator[Change]:
    change = Change(
        run=now.run.id,
        kind=Kind.MOVED,
        was=capture_state(was),
        now=capture_state(now),
        noticed=noticed,
    )
    kinds = [
        Kind.SILENT if kind in _INVITATIONS and not _can_register(change, now.run) else kind
        for kind in _list_kinds(change)
    ]
    for kind in dict.fromkeys(kinds):
        yield structs.replace(change, kind=kind)


def _can_register(change: Change, run: Run) -> bool:
    """Whether one can register for the run when the change is noticed."""
    opens, closes, state = run.registration_opens, run.registration_closes, change.now
    in_window = (opens is None or opens <= change.noticed) and (
        closes is None or change.noticed < closes
    )
    takes_entries = not (find_status(state.status).off or state.sold_out or state.override)
    return in_window and takes_entries


def _list_kinds(change: Change) -> Iterator[Kind]:
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
        # The end of an override in the organizer's own words may mean anything.
        known = was.override in _KIND_BY_OVERRIDE or now.override is not None
        yield _KIND_BY_OVERRIDE.get(now.override, Kind.SILENT) if known else Kind.SILENT
    if was.distance != now.distance:
        yield Kind.OTHER_DISTANCE


def announces_start_time(change: Change) -> bool:
    """Whether a run that had only a day now has a time on that day."""
    return "T" not in change.was.start and change.now.start.startswith(f"{change.was.start}T")


def build_guid_value(change: Change) -> str:
    """The value of rules 1.5: the new start, zone and place; empty for most kinds."""
    was, now = change.was, change.now
    if change.kind not in (Kind.MOVED, Kind.RESCHEDULED):
        return ""
    parts = [now.start] if change.kind == Kind.RESCHEDULED or change.new_start else []
    parts += [now.zone] if parts and was.zone != now.zone else []
    parts += [now.place] if now.place and change.new_place else []
    return "/".join(quote(part, safe=":") for part in parts)


def build_group_guid_value(group: Sequence[Change]) -> str:
    """The value of rules 1.5 for an item: that of its runs, or a digest if they differ."""
    values = {change.run: build_guid_value(change) for change in group}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    by_run = ",".join(f"{run}={values[run]}" for run in sorted(values))
    return hashlib.sha256(by_run.encode()).hexdigest()[:16]


def group_changes(changes: Iterable[Change]) -> list[tuple[Change, ...]]:
    """Changes of one kind that were noticed together, in order: each group is one item."""
    groups: dict[tuple[dt.datetime, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.noticed, change.kind), []).append(change)
    return [tuple(group) for group in groups.values()]


def append_changes(known: Sequence[Change], new: Sequence[Change]) -> tuple[Change, ...]:
    """The history with new changes, which were noticed together; ``nth`` and ``group_nth`` are set.

    Changes older than a year are dropped when the same runs change again: so a history changes only
    when something happens, and a group is dropped as a whole.
    """
    if not new:
        return tuple(known)
    runs = {change.run for change in new}
    noticed = max(change.noticed for change in new)
    groups = group_changes(known)
    dropped = {
        change
        for group in groups
        if noticed - group[0].noticed >= CHANGES_KEPT_FOR
        and runs.issuperset(each.run for each in group)
        for change in group
    }
    # Dropped changes still count here, because readers remember their guids.
    numbered = [structs.replace(each, nth=1 + _find_last_nth(known, each)) for each in new]
    for kind in dict.fromkeys(each.kind for each in numbered):
        group = [each for each in numbered if each.kind == kind]
        same = [
            earlier[0].group_nth
            for earlier in groups
            if len(earlier) > 1  # the item of a single run has the guid of that run
            and earlier[0].kind == kind
            and build_group_guid_value(earlier) == build_group_guid_value(group)
        ]
        nth = 1 + max(same, default=0)
        numbered = [
            structs.replace(each, group_nth=nth) if each.kind == kind else each for each in numbered
        ]
    return (*(each for each in known if each not in dropped), *numbered)


def _find_last_nth(known: Iterable[Change], change: Change) -> int:
    """The highest ``nth`` of this run's changes of this kind to this value; 0 if there is none."""
    return max(
        (
            each.nth
            for each in known
            if (each.run, each.kind, build_guid_value(each))
            == (change.run, change.kind, build_guid_value(change))
        ),
        default=0,
    )

"""Changes between two versions of an event (rules 4.10, 4.11 and 5.4 to 5.7).

The upstream does not report changes. A new run is no change: its own item announces it.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from msgspec import structs

from feeds.domain.entries import Entry
from feeds.domain.model import NEVER, Change, Kind, State, is_same_place
from feeds.domain.places import format_point, is_far
from feeds.domain.schedule import is_start_unread
from feeds.domain.status import NO_LONGER_LISTED, RESCHEDULED, UNREAD, find_status

CHANGES_KEPT_FOR = dt.timedelta(days=365)
"""Older changes are dropped with the next save that changes a feed (rules 4.11)."""

_INVITATIONS = (Kind.PLACES_AGAIN, Kind.REGISTRATION_REOPENED, Kind.REGISTRATION_EXTENDED)
"""Kinds of change that are news only if one can register now."""

OPENS, CLOSES = Kind.REGISTRATION_OPENS, Kind.REGISTRATION_CLOSES

_KIND_BY_OVERRIDE = {
    "paused": Kind.REGISTRATION_PAUSED,
    "closed": Kind.REGISTRATION_CLOSED,
    None: Kind.REGISTRATION_REOPENED,
}


def capture_state(entry: Entry) -> State:
    """The state of an entry, in which later versions are compared with it."""
    run, event, place = entry.run, entry.event, entry.place
    # A part of an address is no evidence of a move, nor are coordinates.
    vague = event.location is None or "location" in event.unread
    return State(
        start=entry.wall_start,
        zone=entry.zone.key,
        place=place,
        spot=vague and place is not None,
        status=entry.status.stored,
        sold_out=run.sold_out,
        override=run.registration_override,
        distance=run.distance_standard,
        opens=run.registration_opens,
        closes=run.registration_closes,
        registration_unread=not run.registration_read,
        point=event.point if place else None,
    )


def use_old_names(was: State, now: State) -> State:
    """The new state, with the old names of the zone and the place where they mean the same."""
    change = Change(run="", kind=Kind.MOVED, was=was, now=now, noticed=NEVER)
    return structs.replace(
        now,
        zone=now.zone if change.new_start else was.zone,
        place=was.place if is_same_place(was, now) else now.place,
    )


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


def _capture_read(was: Entry, now: Entry) -> State:
    """The new state; a time that cannot be read any more on the same day is no news."""
    state = capture_state(now)
    withdrawn = was.wall_start.partition("T")[0] == state.start
    if withdrawn and is_start_unread(now.run, now.event):
        return structs.replace(state, start=was.wall_start)
    return state


def _compare(was: Entry, now: Entry, noticed: dt.datetime) -> Iterator[Change]:
    old, new = capture_state(was), _capture_read(was, now)
    change = Change(run=now.run.id, kind=Kind.MOVED, was=old, now=new, noticed=noticed)
    can_register = _takes_entries(new) and _is_open(new, noticed) and noticed < now.ends
    for kind in _list_kinds(change):
        if can_register or kind not in _INVITATIONS:
            yield structs.replace(change, kind=kind)


def _takes_entries(state: State) -> bool:
    closed = find_status(state.status).off or state.sold_out or state.override
    return not (closed or state.registration_unread)


def _is_open(state: State, at: dt.datetime) -> bool:
    opens, closes = state.opens, state.closes
    return (opens is None or opens <= at) and (closes is None or at < closes)


def _list_kinds(change: Change) -> Iterator[Kind]:
    was, now = change.was, change.now
    before, after = find_status(was.status), find_status(now.status)
    if after == NO_LONGER_LISTED:  # what else differs is news of another run, or of the event
        if before != after:
            yield Kind.NO_LONGER_LISTED
        return
    if before != after:
        if after.change_kind:
            yield after.change_kind
        elif not before.confirmed and before != UNREAD:
            yield Kind.REINSTATED
    rescheduled = before != after and after == RESCHEDULED
    if (change.new_start or change.new_place) and not rescheduled:
        yield Kind.MOVED
    if was.sold_out != now.sold_out:
        yield Kind.SOLD_OUT if now.sold_out else Kind.PLACES_AGAIN
    # The end of an override in the organizer's own words may mean anything.
    known = was.override in _KIND_BY_OVERRIDE or now.override is not None
    if was.override != now.override and known and now.override in _KIND_BY_OVERRIDE:
        yield _KIND_BY_OVERRIDE[now.override]
    if was.closes and now.closes and was.closes < now.closes:
        yield Kind.REGISTRATION_EXTENDED


def find_turns(
    before: Iterable[Entry],
    after: Iterable[Entry],
    *,
    since: dt.datetime,
    until: dt.datetime,
    noticed: dt.datetime,
) -> tuple[Change, ...]:
    """What the clock brings between two versions: registration opens or closes (rules 5.7).

    ``since`` and ``until`` are when the versions were fetched. A run that is in ``after`` alone has
    the turns of the last year, a session none. A turn is no news if the run is off, sold out or
    overridden, before or after, nor is an opening after the end of the run. It is noticed at its
    own instant; at ``noticed`` if an edit moved it into the past.
    """
    known = {entry.run.id: capture_state(entry) for entry in before}
    found: list[Change] = []
    for entry in after:
        now = capture_state(entry)
        was = known.get(entry.run.id, now)
        if entry.run.unlisted or not (_takes_entries(was) and _takes_entries(now)):
            continue
        first = until if entry.is_session else until - CHANGES_KEPT_FOR
        begin = since if entry.run.id in known else first
        opened, closed = was.opens is None or was.opens <= begin, _has_closed(was, begin)
        change = Change(run=entry.run.id, kind=Kind.MOVED, was=was, now=now, noticed=noticed)
        if now.opens and begin < now.opens <= until:
            if _is_open(now, now.opens) and now.opens < entry.ends:
                found.append(structs.replace(change, kind=OPENS, noticed=now.opens))
        elif now.opens and not opened and _is_open(now, until) and until < entry.ends:
            found.append(structs.replace(change, kind=OPENS))
        if now.closes and begin < now.closes <= until:
            found.append(structs.replace(change, kind=CLOSES, noticed=now.closes))
        elif entry.run.id in known and not closed and _has_closed(now, until):
            found.append(structs.replace(change, kind=CLOSES))
    return tuple(sorted(found, key=lambda each: each.noticed))


def is_turn(change: Change) -> bool:
    """Whether the clock alone brings changes of this kind; each run has its own items for them."""
    return change.kind in (OPENS, CLOSES)


def _has_closed(state: State, at: dt.datetime) -> bool:
    return state.closes is not None and state.closes <= at


def announces_start_time(change: Change) -> bool:
    """Whether a run that had only a day now has a time on that day."""
    return "T" not in change.was.start and change.now.start.startswith(f"{change.was.start}T")


def build_guid_value(change: Change) -> str:
    """The value of rules 1.5: the new start, zone and place, or an instant; often empty."""
    was, now = change.was, change.now
    if change.kind in (OPENS, CLOSES, Kind.REGISTRATION_EXTENDED):
        at = now.opens if change.kind == OPENS else now.closes
        return f"{at:%Y%m%dT%H%M%SZ}" if at else ""
    if change.kind not in (Kind.MOVED, Kind.RESCHEDULED):
        return ""
    # Guids do not know what counts as moved: an old change keeps its guid when that changes.
    timed = "T" in now.start and was.zone != now.zone
    moved = change.kind == Kind.RESCHEDULED or was.start != now.start or timed
    parts = [now.start] if moved else []
    parts += [now.zone] if parts and was.zone != now.zone else []
    parts += _list_new_places(was, now)
    return "/".join(quote(part, safe=":") for part in parts)


def _list_new_places(was: State, now: State) -> list[str]:
    """The new place, if it has another text; its point, if the point alone is another one."""
    if now.place is None or (was.place is not None and was.spot != now.spot):
        return []
    if was.place != now.place:
        return [now.place]
    return [format_point(now.point)] if now.point and is_far(was.point, now.point) else []


def build_group_guid_value(group: Sequence[Change]) -> str:
    """The value of rules 1.5 for an item: that of its runs, or a digest if they differ."""
    values = {change.run: build_guid_value(change) for change in group}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    by_run = ",".join(f"{run}={values[run]}" for run in sorted(values))
    return hashlib.sha256(by_run.encode()).hexdigest()[:16]


def group_changes(changes: Iterable[Change]) -> list[tuple[Change, ...]]:
    """Changes of one kind that were noticed together, in order: each group is one item."""
    groups: dict[tuple[dt.datetime, str, str], list[Change]] = {}
    for change in changes:
        alone = change.run if is_turn(change) else ""
        groups.setdefault((change.noticed, change.kind, alone), []).append(change)
    return [tuple(group) for group in groups.values()]

"""Sessions: the runs of an event that goes on for years (rules 9).

Such an event is a *series*: organizers publish its runs weekly, for some weeks ahead.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from feeds.domain.entries import Entry, find_ended, order_by_start
from feeds.domain.model import NEVER, Change, Revision

ANNOUNCED_BEFORE = dt.timedelta(days=7)
"""How long before its start the item of a session is published."""

MAX_SESSION_ITEMS = 50
"""Sessions that a channel has items of, the last ones."""


def find_announcements(
    before: Iterable[Entry],
    after: Iterable[Entry],
    *,
    since: dt.datetime,
    until: dt.datetime,
    noticed: dt.datetime,
) -> dict[str, Revision]:
    """The sessions whose own items are published now, and when: revisions by their keys.

    ``since`` and ``until`` are when the two versions of the event were fetched. An item is dated
    ``ANNOUNCED_BEFORE`` the start, if that instant lies between the two; else ``noticed``: the run
    is new, or was moved nearer. A session that had ended is not announced, nor one that is off and
    of which a change item says so. While no session is announced, the nearest session is, so that
    the channel of the whole event has an item.
    """
    known = {entry.run.id: entry for entry in before}
    found = {}
    for entry in after:
        if not entry.is_session:
            continue
        due = entry.starts - ANNOUNCED_BEFORE
        last = known.get(entry.run.id)
        if entry.published or not due <= until < entry.ends:
            continue
        if entry.off and _is_told(entry, last):
            continue
        at = due if last and since < due else noticed
        found[_build_key(entry)] = Revision(at, NEVER, 0, "", "")
    sessions = [entry for entry in after if entry.is_session]
    if sessions and not found and not any(entry.published for entry in sessions):
        found[_build_key(_find_nearest(sessions, until))] = Revision(noticed, NEVER, 0, "", "")
    return found


def _build_key(entry: Entry) -> str:
    return f"{entry.run.id}/announced"


def _find_nearest(sessions: Sequence[Entry], at: dt.datetime) -> Entry:
    """The next session that has not ended; the last one if all have."""
    ahead = [entry for entry in sessions if entry.ends > at]
    return min(ahead, key=order_by_start) if ahead else max(sessions, key=order_by_start)


def _is_told(entry: Entry, last: Entry | None) -> bool:
    """Whether a change item says that the run is off, at the latest after this save."""
    kind = entry.status.change_kind
    return (last is not None and not last.off) or any(each.kind == kind for each in entry.changes)


def drop_changes_of_past(
    changes: Iterable[Change],
    before: Iterable[Entry],
    after: Sequence[Entry],
    at: dt.datetime,
) -> tuple[Change, ...]:
    """The changes without those of sessions that have ended, before and after the change.

    An edit of a series concerns its past sessions as well, of which it is no news.
    """
    if not after[0].event.is_series:
        return tuple(changes)
    past = find_ended(before, at) & find_ended(after, at)
    return tuple(each for each in changes if each.run not in past)


def select_announced(entries: Sequence[Entry]) -> list[Entry]:
    """The entries whose own items a channel has; of each series, the ``MAX_SESSION_ITEMS`` last."""
    shown = [entry for entry in entries if entry.published]
    series: dict[str, list[str]] = {}
    for entry in shown:
        if entry.is_session:
            series.setdefault(entry.event.id, []).append(entry.uid)
    dropped = {uid for uids in series.values() for uid in uids[:-MAX_SESSION_ITEMS]}
    return [entry for entry in shown if entry.uid not in dropped]

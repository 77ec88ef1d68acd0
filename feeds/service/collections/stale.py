"""Choose the events of a collection that a poll refreshes."""

import datetime as dt
from collections.abc import Mapping

from feeds.domain.catalog import EventList
from feeds.domain.freshness import IMMINENT, find_next_start
from feeds.domain.history.delisting import has_ended_as_gone
from feeds.domain.model import Edition
from feeds.errors import Overloaded, QuotaExhausted, StorageUnavailable
from feeds.service.entry import CacheEntry
from feeds.store.catalog import Part

MAX_REFRESHES_PER_POLL = 3
"""Members that one poll refreshes."""

_UNASKED = QuotaExhausted | Overloaded | StorageUnavailable
"""Errors for which no call was made."""


def choose_stale(
    members: EventList, entries: Mapping[str, CacheEntry], part: Part, now: dt.datetime
) -> list[str]:
    """The ids of the members with an edition that a poll refreshes, see ``select_stale``.

    A member that the list lacks is refreshed once for each list, since the event may be gone. So is
    a gone member that the list contains, since the event may be published again.
    """
    found = {}
    for listed in members.items:
        entry = entries.get(listed.id)
        if entry is None or entry.edition is None:
            continue
        if may_have_returned(entry.edition, members, part):
            was_asked = entry.failed and entry.since >= part.fetched
            is_chosen = _has_expired(entry, now) and not was_asked
        else:
            doubted = listed.id in members.missing and entry.edition.fetched < part.fetched
            is_chosen = is_stale(entry, now) or (doubted and not entry.failed)
        if is_chosen:
            found[listed.id] = entry
    return select_stale(found, now)


def select_stale(stale: Mapping[str, CacheEntry], now: dt.datetime) -> list[str]:
    """The ids of the events that one poll refreshes, of those that need a refresh.

    Events with a run within 48 hours come first, then the events that were fetched longest ago. In
    any other order, few polls would refresh the same three events for ever. At most one event whose
    last call failed comes before the others: events that always fail would keep all others old.
    """
    failed: list[str] = []
    others: list[str] = []
    for _, id_ in sorted((_rank(entry, now), id_) for id_, entry in stale.items()):
        (failed if _has_failed(stale[id_]) else others).append(id_)
    return [*failed[:1], *others, *failed[1:]][:MAX_REFRESHES_PER_POLL]


def is_stale(entry: CacheEntry, now: dt.datetime) -> bool:
    """Whether an edition has to be refreshed before it is served."""
    if entry.edition is None or has_ended_as_gone(entry.edition):
        return False
    return _has_expired(entry, now)


def may_have_returned(edition: Edition, members: EventList, part: Part) -> bool:
    """Whether a list that is newer than the edition contains an event that has ended as gone.

    A call for the event makes a newer edition, so the event is fetched once for each list.
    """
    is_listed = edition.event.id not in members.missing
    return has_ended_as_gone(edition) and is_listed and edition.fetched < part.fetched


def _has_expired(entry: CacheEntry, now: dt.datetime) -> bool:
    return not entry.since <= now < entry.until


def _rank(entry: CacheEntry, now: dt.datetime) -> tuple[bool, dt.datetime]:
    """The place of an event among those that need a refresh."""
    timetable = entry.get_timetable()
    start = find_next_start(timetable.list_spans(), now)
    asked = entry.since if _has_failed(entry) else timetable.edition.fetched
    return start is None or start - IMMINENT > now, asked


def _has_failed(entry: CacheEntry) -> bool:
    """Whether the last call for the event failed."""
    return entry.failed and not isinstance(entry.error, _UNASKED)

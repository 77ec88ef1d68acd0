"""Which events of a collection a poll has refreshed."""

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
"""Members that one poll has refreshed."""

_UNASKED = QuotaExhausted | Overloaded | StorageUnavailable


def choose_stale(
    members: EventList, entries: Mapping[str, CacheEntry], part: Part, now: dt.datetime
) -> list[str]:
    """The members that need a refresh most, of those that have an edition: ``select_stale``.

    A member that the list lacks is asked for again, since the event may be gone, and so is a member
    that is gone and that the list has, since the event may be published again.
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
    """The ids of the events that one poll has refreshed, of those that need a refresh.

    Those with a run within 48 hours come first, then those that were fetched longest ago: where
    polls are few, they would else refresh the same three events for ever. Of those whose last call
    failed, only one is among the first: those that always fail would keep all others old.
    """
    ranked = sorted((_rank(entry, now), id_) for id_, entry in stale.items())
    failed = [id_ for _, id_ in ranked if _has_failed(stale[id_])]
    others = [id_ for _, id_ in ranked if id_ not in failed]
    return [*failed[:1], *others, *failed[1:]][:MAX_REFRESHES_PER_POLL]


def is_stale(entry: CacheEntry, now: dt.datetime) -> bool:
    """Whether an edition has to be refreshed before it is served."""
    if entry.edition is None or has_ended_as_gone(entry.edition):
        return False
    return _has_expired(entry, now)


def may_have_returned(edition: Edition, members: EventList, part: Part) -> bool:
    """Whether an event has ended as gone, and a list that is newer than its edition has it.

    A call for the event makes a newer edition, so the event is asked for once for each list.
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
    """Whether a call for the event failed; other errors are those of this service."""
    return entry.failed and not isinstance(entry.error, _UNASKED)

"""The state of a collection at one time, made of its list and of the editions of its members."""

import datetime as dt
from collections.abc import Mapping

from msgspec import Struct

from feeds.domain.catalog import RUN_CLUB, EventList, Group, ListedEvent, Organization
from feeds.domain.entries import Timetable
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.history.delisting import has_ended_as_gone
from feeds.domain.model import Edition
from feeds.errors import (
    FeedsError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.service.entry import CacheEntry
from feeds.store.catalog import Part

MAX_REFRESHES = 3
"""Members that one poll has refreshed."""

MIN_MAX_AGE = dt.timedelta(minutes=1)
"""The shortest max-age of a collection."""

REQUIRED_WITHIN = dt.timedelta(days=28)
"""A collection is served once all members that start within this time have an edition."""

MIN_REQUIRED = 10
"""So many members have to have an edition in any case, the next ones."""

_DAY = dt.timedelta(days=1)
_OUTAGES = (
    UpstreamTimeout
    | UpstreamUnavailable
    | QuotaExhausted
    | RateLimited
    | Unauthorized
    | Overloaded
    | StorageUnavailable
)


class Content(Struct, frozen=True, weakref=True):
    """What a collection shows: its members that have an edition.

    ``organization`` is None while nothing is known of it, ``group`` is None for all its events.
    ``listed`` is when the list changed last.
    """

    organization: Organization | None
    group: Group | None
    timetables: tuple[Timetable, ...]
    listed: dt.datetime

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the editions: equal tokens have equal editions."""
        return tuple(timetable.edition.token for timetable in self.timetables)

    def equals(self, other: "Content") -> bool:
        """Whether both show the same, without a look at each run."""
        return (self.organization, self.group, self.listed, self.tokens) == (
            other.organization,
            other.group,
            other.listed,
            other.tokens,
        )


class CollectionEntry(Struct, frozen=True, weakref=True):
    """A collection from ``since`` until ``until`` (UTC), or until ``version`` has changed.

    ``lacking`` are the members that have no edition yet, of ``members`` in all; ``required`` are
    those of them without which the collection cannot be served. ``failed`` is whether the last
    attempt at a newer entry failed.
    """

    since: dt.datetime
    until: dt.datetime
    version: tuple[int, int]
    content: Content
    lacking: tuple[ListedEvent, ...] = ()
    required: tuple[ListedEvent, ...] = ()
    members: int = 0
    failed: bool = False

    @property
    def expires(self) -> float | None:
        """When clients need a newer one, in POSIX time; None after a failure."""
        return None if self.failed else self.until.timestamp()


def choose_stale(
    members: EventList, entries: Mapping[str, CacheEntry], part: Part, now: dt.datetime
) -> list[str]:
    """The members that need a refresh most: the next ones, of those that have an edition.

    A member that the list lacks is asked for again, since the event may be gone.
    """
    found = []
    for listed in members.items:
        entry = entries.get(listed.id)
        edition = entry.edition if entry else None
        if entry is None or edition is None or has_ended_as_gone(edition):
            continue
        doubted = listed.id in members.missing and edition.fetched < part.fetched
        if not entry.since <= now < entry.until or (doubted and not entry.failed):
            found.append(listed.id)
    return found[:MAX_REFRESHES]


def build_entry(
    of: tuple[Organization | None, Group | None],
    part: Part,
    members: EventList,
    entries: Mapping[str, CacheEntry],
    *,
    version: tuple[int, int],
    now: dt.datetime,
) -> CollectionEntry:
    """The entry of a collection as of now; ``of`` is what its content begins with."""
    timetables, ends, lacking, required = [], [], [], []
    for place, listed in enumerate(members.items):
        entry = entries.get(listed.id)
        edition = entry.edition if entry else None
        if entry and edition:
            if not has_ended_as_gone(edition):
                timetables.append(entry.get_timetable())
                ends.append(entry.until)
        elif entry is None or is_outage(entry.error):
            lacking.append(listed)
            if place < MIN_REQUIRED or _starts_soon(listed, now):
                required.append(listed)
    until = max(min(ends, default=now), now + MIN_MAX_AGE)
    return CollectionEntry(
        since=now,
        until=now + INVALIDATION_INTERVAL if lacking else until,
        version=version,
        content=Content(*of, tuple(timetables), part.changed),
        lacking=tuple(lacking),
        required=tuple(required),
        members=len(members.items),
    )


def _starts_soon(listed: ListedEvent, now: dt.datetime) -> bool:
    """Whether a feed without this event may lack what its subscribers need."""
    if listed.day is None or listed.type == RUN_CLUB:
        return True
    return (now - _DAY).date() <= listed.day <= (now + REQUIRED_WITHIN).date()


def is_outage(error: FeedsError | None) -> bool:
    """Whether an error says nothing about the event: it may be readable in a minute."""
    return error is None or isinstance(error, _OUTAGES)


def find_edition(entry: CacheEntry | None) -> Edition | None:
    """The edition of an entry, if there is one."""
    return entry.edition if entry else None

"""The state of a collection at one time, made of its list and of the editions of its members."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, structs

from feeds.domain.catalog import RUN_CLUB, EventList, Group, ListedEvent, Organization
from feeds.domain.entries import Timetable
from feeds.domain.freshness import INVALIDATION_INTERVAL
from feeds.domain.history.delisting import has_ended_as_gone
from feeds.domain.schedule import DAY
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
from feeds.service.collections.stale import may_have_returned
from feeds.service.entry import CacheEntry
from feeds.store.catalog import Part

MIN_MAX_AGE = dt.timedelta(minutes=1)
"""The shortest max-age of a collection."""

REQUIRED_WITHIN = dt.timedelta(days=28)
"""A collection is served once all members that start within this time have an edition."""

_OUTAGES = (
    UpstreamTimeout
    | UpstreamUnavailable
    | QuotaExhausted
    | RateLimited
    | Unauthorized
    | Overloaded
    | StorageUnavailable
)


class CatalogEntry(Struct, frozen=True):
    """A part of the catalog as known from ``since`` until ``until`` (UTC).

    ``error`` is why there is no newer answer of the upstream, or none at all.
    """

    since: dt.datetime
    until: dt.datetime
    part: Part | None = None
    error: FeedsError | None = None

    def invalidate(self) -> "CatalogEntry":
        """The same entry, to be read from the database again."""
        return structs.replace(self, until=self.since)


class Content(Struct, frozen=True, weakref=True):
    """What a collection shows: its members that have an edition.

    ``listed`` is when the list changed last, ``group`` is None for the whole organization, and
    ``organization`` is None for a group, and while its name is not known.
    """

    organization: Organization | None
    group: Group | None
    timetables: tuple[Timetable, ...]
    listed: dt.datetime

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the editions: equal tokens have equal editions."""
        return tuple(timetable.edition.token for timetable in self.timetables)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the events."""
        return frozenset(timetable.edition.event.id for timetable in self.timetables)

    @property
    def run_ids(self) -> frozenset[str]:
        """The ids of the runs, and of the events without runs."""
        return frozenset(entry.run.id for each in self.timetables for entry in each.entries)

    def equals(self, other: "Content") -> bool:
        """Whether both show the same, without a look at each run."""
        mine = (self.organization, self.group, self.listed, self.tokens)
        return mine == (other.organization, other.group, other.listed, other.tokens)


class CollectionEntry(Struct, frozen=True, weakref=True):
    """A collection from ``since`` until ``until`` (UTC), or until ``version`` has changed.

    ``stale_at`` is when the list or a member needs a refresh, ``fetched`` when the list was
    fetched, ``failing`` whether the last refresh of it, or of a member that has not ended, failed.
    ``unread`` are the ids of the members that have no edition yet. ``required`` is the number of
    members that start within ``REQUIRED_WITHIN``, ``lacking`` are the unread ones among these,
    but those that the collection does not wait for. ``unreadable`` are the ids of the members that
    have no edition because they do not exist or cannot be understood, ``given_up`` those
    without an edition for which a choice does not wait either. ``failed`` is whether the last
    attempt at a newer entry failed. ``has_named`` is whether the content has events that a
    query named and the list lacks.
    """

    since: dt.datetime
    until: dt.datetime
    stale_at: dt.datetime
    fetched: dt.datetime
    version: tuple[int, int]
    content: Content
    unread: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    given_up: frozenset[str] = frozenset()
    required: int = 0
    failing: bool = False
    failed: bool = False
    has_named: bool = False

    @property
    def expires(self) -> float | None:
        """When clients need a newer collection, in POSIX time; None after a failure."""
        return None if self.failed else self.stale_at.timestamp()

    @property
    def least_max_age(self) -> int:
        """The shortest max-age, in seconds."""
        return int(MIN_MAX_AGE.total_seconds())


def build_entry(
    owner: Organization | Group | None,
    part: Part,
    members: EventList,
    entries: Mapping[str, CacheEntry],
    *,
    broken: Collection[str],
    given_up: frozenset[str],
    failing: bool,
    version: tuple[int, int],
    now: dt.datetime,
) -> CollectionEntry:
    """The entry of a collection as of now; its ``owner`` is None while it is not known.

    The collection does not wait for members that are ``broken``; ``failing`` is whether the last
    refresh of the list failed.
    """
    timetables, ends, required = [], [], 0
    unread, lacking, unreadable = set(), set(), set()
    for listed in members.items:
        entry = entries.get(listed.id)
        edition = entry.edition if entry else None
        soon = starts_soon(listed, now)
        if entry and edition:
            required += soon
            if not has_ended_as_gone(edition):
                timetables.append(entry.get_timetable())
                ends.append(entry.until)
                failing |= entry.failed and timetables[-1].span[1] > now
            elif may_have_returned(edition, members, part) and not entry.failed:
                ends.append(entry.until)
        elif entry is None or is_outage(entry.error):
            required += soon
            unread.add(listed.id)
            if soon and listed.id not in broken:
                lacking.add(listed.id)
        else:
            unreadable.add(listed.id)
    stale_at = max(min([part.due, *ends]), now + MIN_MAX_AGE)
    return CollectionEntry(
        since=now,
        until=now + INVALIDATION_INTERVAL if lacking else stale_at,
        stale_at=stale_at,
        fetched=part.fetched,
        version=version,
        content=Content(
            organization=owner if isinstance(owner, Organization) else None,
            group=owner if isinstance(owner, Group) else None,
            # In an order of their own: that of the list depends on the day.
            timetables=tuple(sorted(timetables, key=lambda each: each.edition.event.id)),
            listed=part.changed,
        ),
        unread=frozenset(unread),
        lacking=frozenset(lacking),
        unreadable=frozenset(unreadable),
        given_up=given_up,
        required=required,
        failing=failing,
    )


def add_events(
    entry: CollectionEntry, added: Sequence[CacheEntry], now: dt.datetime
) -> CollectionEntry:
    """The entry with stored events that the list lacks: they count as members do."""
    if not added:
        return entry
    timetables = [each.get_timetable() for each in added]
    ends = [each.until for each in added]
    failed = [timetable for timetable, each in zip(timetables, added, strict=True) if each.failed]
    return structs.replace(
        entry,
        until=min(entry.until, *ends),
        stale_at=min(entry.stale_at, *ends),
        content=structs.replace(entry.content, timetables=(*entry.content.timetables, *timetables)),
        failing=entry.failing or any(timetable.span[1] > now for timetable in failed),
        has_named=True,
    )


def find_checked(timetables: Sequence[Timetable], listed: dt.datetime) -> dt.datetime:
    """The oldest of the times when the list and the events that have not ended were fetched."""
    fetched = [timetable.edition.fetched for timetable in timetables]
    at = max(fetched, default=listed)
    ahead = [
        each for each, timetable in zip(fetched, timetables, strict=True) if timetable.span[1] > at
    ]
    return min([listed, *ahead])


def starts_soon(listed: ListedEvent, now: dt.datetime) -> bool:
    """Whether a feed without this event may lack what its subscribers need."""
    if listed.day is None or listed.type == RUN_CLUB:
        return True
    return (now - DAY).date() <= listed.day <= (now + REQUIRED_WITHIN).date()


def is_outage(error: FeedsError | None) -> bool:
    """Whether an error says nothing about the event: it may be readable in a minute."""
    return error is None or isinstance(error, _OUTAGES)


def needs_call(entry: CacheEntry | None, part: Part, now: dt.datetime) -> bool:
    """Whether a member has to be fetched, since it has no edition.

    One that does not exist, or cannot be understood, is asked for again after a newer list, and
    after the clock was set back.
    """
    if entry is None:
        return True
    was_asked = part.fetched <= entry.since <= now
    return entry.edition is None and (is_outage(entry.error) or not was_asked)

"""The catalog: what the upstream lists of an organization, and who is in its collections.

A list has neither runs nor statuses: a collection is made of the editions of its members.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from feeds.domain.freshness import NEAR
from feeds.domain.history.delisting import CONFIRM_AFTER, MIN_ANSWERS, count_answer
from feeds.domain.model import PendingRemoval, Recurrence
from feeds.domain.quota import Rate
from feeds.domain.schedule import DAY

ORGANIZATION, EVENTS, GROUPS, RECURRENCES = "/organization", "/events", "/groups", "/recurrences"
"""The parts of the catalog, by their paths in the partner API."""

RUN_CLUB = "runClub"
"""The type of events that go on for years."""

SELDOM = frozenset({ORGANIZATION, RECURRENCES})
"""The parts that are asked for once a day, and as the refresher asks (rules 8.16)."""

MEMBER_KEPT_FOR = dt.timedelta(days=60)
"""How long after its end an event is a member of a collection."""

MAX_MEMBERS = 1_000
"""Members of a collection: those ahead first, the next one first."""

LISTED_AGE_NEAR, LISTED_AGE = dt.timedelta(minutes=15), dt.timedelta(hours=1)
"""How old a list may get: while an event starts within ``NEAR``, and else."""

SELDOM_AGE = DAY
"""How old the organization and its recurrences may get, and the answer that a key may not read a
part of the catalog."""


class ListedEvent(Struct, frozen=True, gc=False, omit_defaults=True):
    """An event of a list; its day is None if that cannot be read."""

    id: str
    name: str = ""
    type: str = ""
    day: dt.date | None = None

    @property
    def key(self) -> str:
        return self.id


class Group(Struct, frozen=True, gc=False, omit_defaults=True):
    """A group of events; ``status`` is ``active``, ``paused``, ``archived`` or another word."""

    slug: str
    name: str
    description: str = ""
    status: str = "active"

    @property
    def key(self) -> str:
        return self.slug


class Organization(Struct, frozen=True, tag=True):
    """The organization of the key, and the name of the key's plan, if the API gave it."""

    id: str
    name: str
    plan: str = ""


class EventList(Struct, frozen=True, tag=True):
    """The members of a collection.

    ``missing`` are those that the last answer lacked, by their ids.
    """

    items: tuple[ListedEvent, ...] = ()
    missing: Mapping[str, PendingRemoval] = {}


class GroupList(Struct, frozen=True, tag=True):
    """The groups of the organization; ``missing`` as in ``EventList``, by their slugs."""

    items: tuple[Group, ...] = ()
    missing: Mapping[str, PendingRemoval] = {}


class RecurrenceList(Struct, frozen=True, tag=True):
    """The recurrences of the organization by the ids of their events.

    ``missing`` are the ids of which the last answer lacked all recurrences.
    """

    items: Mapping[str, tuple[Recurrence, ...]] = {}
    missing: Mapping[str, PendingRemoval] = {}


class Nothing(Struct, frozen=True, tag=True):
    """No value: the key may not read this part of the catalog, or no call has succeeded yet."""


Value = Organization | EventList | GroupList | RecurrenceList | Nothing
"""What a part of the catalog holds."""

Listed = TypeVar("Listed", bound=ListedEvent | Group)
Ends = Mapping[str, dt.datetime | None]
"""When stored events end, by their ids; None for events that have ended as gone."""


def build_group_part(slug: str) -> str:
    return f"{GROUPS}/{slug}{EVENTS}"


def keep_missing(
    known: Sequence[Listed],
    missing: Mapping[str, PendingRemoval],
    listed: Sequence[Listed],
    at: dt.datetime,
) -> tuple[tuple[Listed, ...], dict[str, PendingRemoval]]:
    """The items after an answer, and those that it lacks: no single answer removes an item."""
    keys = {each.key for each in listed}
    counted = _count_missing([each.key for each in known], missing, keys, at)
    return (*listed, *(each for each in known if each.key in counted)), counted


def _count_missing(
    known: Iterable[str],
    missing: Mapping[str, PendingRemoval],
    listed: Collection[str],
    at: dt.datetime,
) -> dict[str, PendingRemoval]:
    """The known keys that an answer lacks, with the answers that lacked them."""
    return {key: count_answer(missing.get(key), at) for key in known if key not in listed}


def list_groups(known: GroupList | None, listed: Sequence[Group], at: dt.datetime) -> GroupList:
    """The groups after an answer; one that enough answers lack is removed."""
    known = known or GroupList()
    items, missing = keep_missing(known.items, known.missing, listed, at)
    return GroupList(*_drop_proved(items, missing, at))


def list_recurrences(
    known: RecurrenceList | None, listed: Mapping[str, tuple[Recurrence, ...]], at: dt.datetime
) -> RecurrenceList:
    """The recurrences after an answer, by the ids of their events.

    Those that the answer lacks stay until enough answers lack them: they decide which sessions have
    an item, and when each session ends.
    """
    known = known or RecurrenceList()
    missing = _count_missing(known.items, known.missing, listed, at)
    kept = _select_unproved(missing, at)
    return RecurrenceList({**listed, **{id_: known.items[id_] for id_ in kept}}, kept)


def list_group_members(
    known: EventList | None,
    listed: Sequence[ListedEvent],
    series: Collection[str],
    ends: Ends,
    at: dt.datetime,
) -> EventList:
    """The members of a group after an answer.

    An event that enough answers lack has left the group: its own feed says whether it takes place.
    """
    known = known or EventList()
    items, missing = keep_missing(known.items, known.missing, listed, at)
    items, missing = _drop_proved(items, missing, at)
    return _select_members(items, missing, series, ends, at)


def list_members(
    known: EventList | None,
    listed: Sequence[ListedEvent],
    series: Collection[str],
    ends: Ends,
    at: dt.datetime,
) -> EventList:
    """The members of the organization's collection after an answer.

    An event that the answer lacks stays a member until its own document has been 404 for 30 days;
    an event that was never fetched is dropped.
    """
    known = known or EventList()
    items, missing = keep_missing(known.items, known.missing, listed, at)
    # Of an event that was never fetched, nobody has seen anything.
    unseen = {key for key in missing if key not in ends}
    items = tuple(each for each in items if each.key not in unseen)
    missing = {key: each for key, each in missing.items() if key not in unseen}
    return _select_members(items, missing, series, ends, at)


def _drop_proved(
    items: tuple[Listed, ...], missing: Mapping[str, PendingRemoval], at: dt.datetime
) -> tuple[tuple[Listed, ...], dict[str, PendingRemoval]]:
    """The items without those that enough answers lack."""
    kept = _select_unproved(missing, at)
    return tuple(each for each in items if each.key not in missing or each.key in kept), kept


def _select_unproved(
    missing: Mapping[str, PendingRemoval], at: dt.datetime
) -> dict[str, PendingRemoval]:
    """Those that too few answers lack, or over too short a time (rules 3.5)."""
    return {
        key: each
        for key, each in missing.items()
        if each.answers < MIN_ANSWERS or at - each.since < CONFIRM_AFTER
    }


def _select_members(
    items: Iterable[ListedEvent],
    missing: Mapping[str, PendingRemoval],
    series: Collection[str],
    ends: Ends,
    at: dt.datetime,
) -> EventList:
    # A gone event is dropped only if the answer lacks the event, which may be published again.
    found = [each for each in items if each.id not in missing or ends.get(each.id, at) is not None]
    kept = [each for each in found if _is_member(each, series, ends, at)]
    kept = sorted(kept, key=lambda each: _rank(each, series, ends, at))[:MAX_MEMBERS]
    ids = {each.id for each in kept}
    return EventList(tuple(kept), {key: each for key, each in missing.items() if key in ids})


def _is_member(listed: ListedEvent, series: Collection[str], ends: Ends, at: dt.datetime) -> bool:
    """Whether an event has not ended more than 60 days ago, repeats, or has no readable day.

    An event that was never fetched, or has ended as gone, is judged by its day, since a list has no
    runs.
    """
    if _repeats(listed, series) or listed.day is None:
        return True
    return _find_end(listed, ends, at) >= at - MEMBER_KEPT_FOR


def _find_end(listed: ListedEvent, ends: Ends, at: dt.datetime) -> dt.datetime:
    day = listed.day or at.date()
    last = dt.datetime.combine(min(day, dt.date.max - DAY) + DAY, dt.time(), dt.UTC)
    return max(last, ends.get(listed.id) or last)


def _repeats(listed: ListedEvent, series: Collection[str]) -> bool:
    return listed.type == RUN_CLUB or listed.id in series


def _rank(
    listed: ListedEvent, series: Collection[str], ends: Ends, at: dt.datetime
) -> tuple[bool, float, str]:
    """Events that have not ended first, the nearest day first; then the others, the last first.

    What repeats counts as an event of today.
    """
    if _repeats(listed, series):
        return False, 0, listed.id
    is_past = _find_end(listed, ends, at) < at
    days = ((listed.day or at.date()) - at.date()).days
    return is_past, abs(days), listed.id


def compute_due(value: Value, at: dt.datetime, pages: int, rate: Rate) -> dt.datetime:
    """When a part of the catalog that was fetched ``at`` is fetched again.

    ``pages`` is the number of calls that all parts cost: they spend a quarter of the rate at most.
    Recurrences of which some are missing are fetched again like a list.
    """
    is_doubted = isinstance(value, RecurrenceList) and value.missing
    if not (isinstance(value, EventList | GroupList) or is_doubted):
        return at + SELDOM_AGE
    events = value.items if isinstance(value, EventList) else ()
    days = [listed.day for listed in events if listed.day]
    near = any(at.date() - DAY <= day <= (at + NEAR).date() for day in days)
    age = LISTED_AGE_NEAR if near else LISTED_AGE
    return at + max(age, rate.window * pages * 4 / rate.limit)

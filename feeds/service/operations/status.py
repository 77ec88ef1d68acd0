"""The state of a deployment, as an operator asks for it: events, budget, catalog, changes.

Pure: what the database holds comes in, a summary goes out.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from feeds.domain.freshness import find_expiry
from feeds.store.operations.overview import ChangeRow, DatabaseState, EventRow, PartRow


class EventHealth(StrEnum):
    """How an event is doing. The one that needs attention most is first."""

    FAILING = "failing"
    STALE = "stale"
    FRESH = "fresh"
    GONE = "gone"


class EventStatus(Struct, frozen=True):
    """An event, how it is doing, and why; ages are in seconds.

    ``why`` is the last failure, ``retry_in`` the seconds until the next attempt, if there was one.
    """

    id: str
    name: str
    starts: datetime
    over: bool
    health: EventHealth
    age: int
    why: str | None = None
    retry_in: int | None = None


class PartStatus(Struct, frozen=True):
    """A part of the catalog, how many items it has, its age in seconds, and why it is old."""

    name: str
    items: int
    age: int
    overdue: bool
    why: str | None = None


class BudgetStatus(Struct, frozen=True):
    """The calls that can be made now, of how many at once; why none, and until when."""

    calls_left: int
    burst: int
    closed_until: datetime | None
    why: str | None


class DeploymentStatus(Struct, frozen=True):
    """The state of a deployment; ``counts`` are the events by how they are doing."""

    counts: dict[str, int]
    events: tuple[EventStatus, ...]
    budget: BudgetStatus
    changes: tuple[ChangeRow, ...]
    catalog: tuple[PartStatus, ...]


def summarize(state: DatabaseState, now: datetime, burst: int) -> DeploymentStatus:
    """The status of what the database holds; events that are ahead first, the next one first."""
    events = sorted((_describe_event(each, now) for each in state.events), key=_get_place)
    counts = dict.fromkeys(EventHealth, 0)
    for each in events:
        counts[each.health] += 1
    closed = state.closed if state.closed > now else None
    return DeploymentStatus(
        counts={"stored": len(events)} | {health.value: counts[health] for health in EventHealth},
        events=tuple(events),
        budget=BudgetStatus(
            calls_left=0 if closed else state.calls,
            burst=burst,
            closed_until=closed,
            why=str(state.cause) if closed and state.cause else None,
        ),
        changes=state.changes,
        catalog=tuple(_describe_part(each, now) for each in state.parts),
    )


def _describe_event(row: EventRow, now: datetime) -> EventStatus:
    error = row.error
    if row.gone:
        health = EventHealth.GONE
    elif row.fetched <= now < find_expiry(row.fetched, row.due):
        health, error = EventHealth.FRESH, None  # the failure is older than the edition
    else:
        health = EventHealth.FAILING if error else EventHealth.STALE
    return EventStatus(
        id=row.id,
        name=row.name,
        starts=row.starts,
        over=row.ends <= now,
        health=health,
        age=_count_seconds(now - row.fetched),
        why=str(error) if error else None,
        retry_in=_count_seconds(row.retry_at - now) if error and row.retry_at else None,
    )


def _get_place(event: EventStatus) -> tuple[bool, float, str]:
    start = event.starts.timestamp()
    return event.over, -start if event.over else start, event.id


def _describe_part(row: PartRow, now: datetime) -> PartStatus:
    return PartStatus(
        name=row.name,
        items=row.items,
        age=_count_seconds(now - row.fetched),
        overdue=row.due <= now,
        why=str(row.error) if row.error and row.due <= now else None,
    )


def _count_seconds(duration: timedelta) -> int:
    return max(0, round(duration.total_seconds()))

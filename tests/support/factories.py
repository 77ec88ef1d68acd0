"""Events, editions and feeds for tests: what is not said is ordinary."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Any

from msgspec import structs

from feeds.domain.entries import Entry, Timetable, build_timetable
from feeds.domain.feed import Feed
from feeds.domain.history.delisting import (
    CONFIRM_AFTER,
    MIN_ANSWERS,
    apply_document,
    confirm_removals,
)
from feeds.domain.model import Edition, Event, PendingRemoval, Revision, Run
from feeds.domain.options import Options

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOME = "America/Chicago"
PUBLIC_URL = "https://feeds.example.org"
PAGE = f"{PUBLIC_URL}/events/harbor"


def a_run(**fields: Any) -> Run:
    """A 10K on Saturday 14 June 2025, without a start time of its own."""
    ordinary: dict[str, Any] = {
        "id": "r10k",
        "distance_meters": 10_000,
        "distance_standard": "10K",
        "distance_label": "10K",
        "date": date(2025, 6, 14),
    }
    return Run(**ordinary | fields)


def an_event(*runs: Run, **fields: Any) -> Event:
    """Harbor Run on Saturday 14 June 2025, nowhere in particular, with these runs."""
    ordinary: dict[str, Any] = {
        "id": "harbor",
        "organization_id": "club",
        "name": "Harbor Run",
        "slug": "harbor-run",
        "type": "race",
        "date": date(2025, 6, 14),
        "runs": runs,
    }
    return Event(**ordinary | fields)


def an_edition(
    event: Event, *, seen: datetime = NOW, changed: datetime | None = None, **fields: Any
) -> Edition:
    """An edition of an event, all of it first seen and last changed at these times."""
    revision = Revision(seen, changed or seen, 170_000_000, "", "")
    keys = [event.id, *(run.id for run in event.runs)]
    if event.is_series:
        keys += [f"{run.id}/announced" for run in event.runs]
    revisions = dict.fromkeys(keys, revision)
    return Edition(event=event, fetched=NOW, revisions=revisions, **fields)


def delist(known: Edition, event: Event, ended: Collection[str], now: datetime) -> Event:
    """The event after the last of the answers which prove that it lacks runs of ``known``."""
    since = PendingRemoval(now - CONFIRM_AFTER, MIN_ANSWERS - 1)
    known = structs.replace(known, pending=dict.fromkeys([r.id for r in known.event.runs], since))
    edition = apply_document(known, event, ended, now, complete=True)
    return confirm_removals(edition, ended, (), CONFIRM_AFTER).event


def a_feed(*events: Event, extension: str = "ics", home: str = HOME, **options: Any) -> Feed:
    """A feed of these events with these options."""
    return Feed(
        title=events[0].name,
        page=PAGE,
        public_url=PUBLIC_URL,
        source=f"{PAGE}.{extension}",
        timezone=home,
        locale="en_US",
        timetables=tuple(timetable_of(an_edition(event), home) for event in events),
        listed=NOW if len(events) > 1 else None,
        options=Options(**options),
    )


def the_entry(run: Run, *, home: str = HOME, **event: Any) -> Entry:
    """The entry of a run that is the only one of its event."""
    return entries_of(an_edition(an_event(run, **event)), home)[0]


def timetable_of(edition: Edition, home: str = HOME) -> Timetable:
    """The timetable of an edition."""
    return build_timetable(edition, home)


def entries_of(edition: Edition, home: str = HOME) -> tuple[Entry, ...]:
    """The entries of an edition, without the runs that have left."""
    return build_timetable(edition, home).list_current()

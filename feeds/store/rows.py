"""Editions as rows of the tables, and back. Times are whole seconds since 1970 (UTC)."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import json, structs

from feeds.domain.model import Change, Edition, Event, Kind, PendingRemoval, Revision, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Created at import: msgspec 0.22 crashes if two threads are the first to decode a class.
_EVENT, _STATE = json.Decoder(Event), json.Decoder(State)


def build_event_row(
    edition: Edition, span: tuple[datetime, datetime], due: datetime
) -> dict[str, Any]:
    """The row of ``events`` but for ``version``, ``polled`` and ``save_number``."""
    return {
        "id": edition.event.id,
        "document": json.encode(edition.event),
        "fetched": to_seconds(edition.fetched),
        "deployment": edition.deployment,
        "gone": to_seconds(edition.gone) if edition.gone else None,
        "pending": edition.pending.reason if edition.pending else None,
        "pending_since": to_seconds(edition.pending.since) if edition.pending else None,
        "starts": to_seconds(span[0]),
        "ends": to_seconds(span[1]),
        "etag": edition.etag,
        "due": to_seconds(due),
    }


def build_revision_rows(edition: Edition) -> Iterator[dict[str, Any]]:
    """The rows of ``revisions``."""
    for id_, revision in edition.revisions.items():
        times = {
            "created": to_seconds(revision.created),
            "last_modified": to_seconds(revision.last_modified),
        }
        yield {"event_id": edition.event.id, "id": id_} | structs.asdict(revision) | times


def build_change_rows(edition: Edition) -> Iterator[dict[str, Any]]:
    """The rows of ``changes``, numbered in the order of the history."""
    for number, change in enumerate(edition.changes):
        row = {"event_id": edition.event.id, "number": number} | structs.asdict(change)
        states = {"was": json.encode(change.was), "now": json.encode(change.now)}
        yield row | states | {"noticed": to_seconds(change.noticed)}


def read_edition(row: Any, revision_rows: Iterable[Any], change_rows: Iterable[Any]) -> Edition:  # noqa: ANN401 - rows
    """The edition of these rows. Raises ``ValueError`` or ``OverflowError`` for damaged rows."""
    return Edition(
        event=read_event(row.document),
        fetched=from_seconds(row.fetched),
        revisions={
            each.id: Revision(
                created=from_seconds(each.created),
                last_modified=from_seconds(each.last_modified),
                sequence=each.sequence,
                content=each.content,
                schedule=each.schedule,
            )
            for each in revision_rows
        },
        changes=tuple(
            Change(
                run=each.run,
                kind=Kind(each.kind),
                was=_STATE.decode(each.was),
                now=_STATE.decode(each.now),
                noticed=from_seconds(each.noticed),
                nth=each.nth,
                group_nth=each.group_nth,
            )
            for each in change_rows
        ),
        gone=from_seconds(row.gone) if row.gone is not None else None,
        pending=PendingRemoval(row.pending, from_seconds(row.pending_since))
        if row.pending
        else None,
        deployment=row.deployment,
        etag=row.etag,
        version=row.version,
    )


def read_event(document: bytes) -> Event:
    """The event of a stored document; raises ``ValueError`` for a damaged document."""
    return _EVENT.decode(document)


def to_seconds(instant: datetime) -> int:
    """Whole seconds since 1970 (UTC)."""
    return int(instant.timestamp())


def from_seconds(seconds: int) -> datetime:
    """The instant of these seconds since 1970 (UTC); raises ``OverflowError`` for too many."""
    return _EPOCH + timedelta(seconds=seconds)

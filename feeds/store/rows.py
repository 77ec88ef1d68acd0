"""Editions as rows of the tables, and back. Times are whole seconds since 1970 (UTC)."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import json, structs

from feeds.domain.model import Change, Doubt, Edition, Event, Kind, Stamp, State

# Made here, before there are threads: see ``documents``.
_EVENT, _STATE = json.Decoder(Event), json.Decoder(State)


def event_row(edition: Edition, span: tuple[datetime, datetime], due: datetime) -> dict[str, Any]:
    """What ``events`` has of an edition, but for what counts its saves."""
    return {
        "id": edition.event.id,
        "document": json.encode(edition.event),
        "fetched": seconds(edition.fetched),
        "deployment": edition.deployment,
        "gone": seconds(edition.gone) if edition.gone else None,
        "doubt": edition.doubt.of if edition.doubt else None,
        "doubted": seconds(edition.doubt.since) if edition.doubt else None,
        "starts": seconds(span[0]),
        "ends": seconds(span[1]),
        "etag": edition.etag,
        "due": seconds(due),
    }


def stamp_rows(edition: Edition) -> Iterator[dict[str, Any]]:
    for id_, stamp in edition.stamps.items():
        times = {"created": seconds(stamp.created), "last_modified": seconds(stamp.last_modified)}
        yield {"event_id": edition.event.id, "id": id_} | structs.asdict(stamp) | times


def change_rows(edition: Edition) -> Iterator[dict[str, Any]]:
    for number, change in enumerate(edition.changes):
        row = {"event_id": edition.event.id, "number": number} | structs.asdict(change)
        states = {"was": json.encode(change.was), "now": json.encode(change.now)}
        yield row | states | {"noticed": seconds(change.noticed)}


def edition(row: Any, stamp_rows: Iterable[Any], change_rows: Iterable[Any]) -> Edition:  # noqa: ANN401 - rows
    """The edition of its rows. Raises ``ValueError`` or ``OverflowError`` for damaged ones."""
    return Edition(
        event=event(row.document),
        fetched=instant(row.fetched),
        stamps={
            each.id: Stamp(
                created=instant(each.created),
                last_modified=instant(each.last_modified),
                sequence=each.sequence,
                content=each.content,
                schedule=each.schedule,
            )
            for each in stamp_rows
        },
        changes=tuple(
            Change(
                run=each.run,
                kind=Kind(each.kind),
                was=_STATE.decode(each.was),
                now=_STATE.decode(each.now),
                noticed=instant(each.noticed),
                nth=each.nth,
                group_nth=each.group_nth,
            )
            for each in change_rows
        ),
        gone=instant(row.gone) if row.gone is not None else None,
        doubt=Doubt(row.doubt, instant(row.doubted)) if row.doubt else None,
        deployment=row.deployment,
        etag=row.etag,
        version=row.version,
    )


def event(document: bytes) -> Event:
    return _EVENT.decode(document)


def seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

"""Editions as rows of the tables, and back. Times are whole seconds since 1970 (UTC).

A row that this version cannot read hurts no other one: it may come from a later version, to which
the operator went back.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, TypeVar

from msgspec import json, structs

from feeds.domain.history.delisting import find_missing_since
from feeds.domain.model import (
    NEVER,
    Change,
    Edition,
    Event,
    History,
    Kind,
    PendingRemoval,
    Revision,
    State,
)
from feeds.domain.timezones import EPOCH

log = logging.getLogger(__name__)

T = TypeVar("T")

_UNREADABLE = (ValueError, OverflowError, TypeError)

# Created at import: msgspec 0.22 crashes if two threads are the first to decode a class.
_EVENT, _STATE, _NUMBERS = json.Decoder(Event), json.Decoder(State), json.Decoder(dict[str, int])
_PENDING = json.Decoder(dict[str, PendingRemoval])


def build_event_row(
    edition: Edition, span: tuple[datetime, datetime], due: datetime
) -> dict[str, Any]:
    """The row of ``events`` but for ``polled`` and ``save_number``."""
    missing = find_missing_since(edition)
    return {
        "id": edition.event.id,
        "token": edition.token,
        "modified": to_seconds(edition.modified),
        "document": json.encode(edition.event),
        "numbers": json.encode(edition.numbers),
        "fetched": to_seconds(edition.fetched),
        "deployment": edition.deployment,
        "gone": to_seconds(edition.gone) if edition.gone else None,
        "pending": json.encode(edition.pending) if edition.pending else None,
        "missing_since": to_seconds(missing) if missing else None,
        "starts": to_seconds(span[0]),
        "ends": to_seconds(span[1]),
        "etag": edition.etag,
        "due": to_seconds(due),
    }


def build_revision_rows(edition: Edition) -> Iterator[dict[str, Any]]:
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


def read_edition(row: Any, revision_rows: Iterable[Any], change_rows: Iterable[Any]) -> History:  # noqa: ANN401 - rows
    """The edition of these rows; what can be read of its history if the rest cannot be read."""
    revisions = {each.id: _try(_read_revision, each) for each in revision_rows}
    numbers, modified = _try(_NUMBERS.decode, row.numbers), _try(from_seconds, row.modified)
    history = History(
        revisions={id_: each for id_, each in revisions.items() if each},
        changes=tuple(change for each in change_rows if (change := _try(_read_change, each))),
        numbers=numbers or {},
        modified=modified or NEVER,
        token=row.token,
    )
    whole = None not in (numbers, modified, *revisions.values())
    edition = _try(partial(_read_whole, history), row) if whole else None
    if edition is None:
        _log_unreadable(row.id)
    return edition or history


def _try(read: Callable[[Any], T], stored: Any) -> T | None:  # noqa: ANN401 - a row or a column
    """What ``read`` makes of a row or a column; None if this version cannot read it."""
    try:
        return read(stored)
    except _UNREADABLE:
        return None


def _read_whole(history: History, row: Any) -> Edition:  # noqa: ANN401 - a row
    return Edition(
        event=_EVENT.decode(row.document),
        fetched=from_seconds(row.fetched),
        gone=from_seconds(row.gone) if row.gone is not None else None,
        pending=_PENDING.decode(row.pending) if row.pending else {},
        deployment=row.deployment,
        etag=row.etag,
        **structs.asdict(history),
    )


def _read_revision(row: Any) -> Revision:  # noqa: ANN401 - a row
    return Revision(
        created=from_seconds(row.created),
        last_modified=from_seconds(row.last_modified),
        sequence=row.sequence,
        content=row.content,
        schedule=row.schedule,
    )


def _read_change(row: Any) -> Change:  # noqa: ANN401 - a row
    return Change(
        run=row.run,
        kind=Kind(row.kind),
        was=_STATE.decode(row.was),
        now=_STATE.decode(row.now),
        noticed=from_seconds(row.noticed),
        nth=row.nth,
        group_nth=row.group_nth,
    )


def read_missing_since(row: Any) -> set[datetime]:  # noqa: ANN401 - a row
    """The instants at which an event began to miss something: those of now, and the latest ever."""
    pending = _try(_PENDING.decode, row.pending) if row.pending else None
    return {each.since for each in (pending or {}).values()} | {from_seconds(row.missing_since)}


def is_missing(row: Any) -> bool:  # noqa: ANN401 - a row
    """Whether the last answer lacked the event itself."""
    pending = _try(_PENDING.decode, row.pending) if row.pending else None
    return row.id in (pending or {})


def read_event(row: Any) -> Event | None:  # noqa: ANN401 - a row
    """The event of a row of ``events``; None if its document cannot be read."""
    event = _try(_EVENT.decode, row.document)
    if event is None:
        _log_unreadable(row.id)
    return event


@lru_cache(maxsize=1000)
def _log_unreadable(event_id: str) -> None:
    """Log once that an event has to be fetched again."""
    log.warning("event %s: the stored document cannot be read and is fetched again", event_id)


def to_seconds(instant: datetime) -> int:
    """Whole seconds since 1970 (UTC)."""
    return int(instant.timestamp())


def from_seconds(seconds: int) -> datetime:
    """The instant of these seconds since 1970 (UTC); raises ``OverflowError`` for too many."""
    return EPOCH + timedelta(seconds=seconds)

"""The changes that a save has brought, as lines of the log and in the metrics."""

import logging
from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from feeds import metrics
from feeds.domain.model import Change, Edition, History, State

log = logging.getLogger("feeds.changes")


def log_changes(edition: Edition, before: Sequence[History | None]) -> None:
    """Log and count each change of an edition that the histories before it did not have.

    What a first edition tells of the past is no change that was noticed.
    """
    histories = [history for history in before if history]
    if not histories:
        return
    event_id = edition.event.id
    known = {_identify(change) for history in histories for change in history.changes}
    for change in edition.changes:
        if _identify(change) not in known:
            was, now = _describe_difference(change)
            fields = {
                "_event": event_id,
                "run": change.run,
                "kind": change.kind.value,
                "from": was,
                "to": now,
            }
            message = "event %s, run %s: %s, from %s to %s"
            log.info(message, event_id, change.run, change.kind.value, was, now, extra=fields)
            if recorder := metrics.get():
                recorder.count_change(change.kind.value)


def _identify(change: Change) -> tuple[str, str, object]:
    return change.run, change.kind, change.noticed


def _describe_difference(change: Change) -> tuple[str, str]:
    """The fields that differ, as they were and as they are.

    If the clock alone brought the change, these are the times of registration.
    """
    was, now = structs.asdict(change.was), structs.asdict(change.now)
    names = [name for name in State.__struct_fields__ if was[name] != now[name]]
    names = names or [name for name in ("opens", "closes") if now[name]]
    return ", ".join(_list_fields(was, names)), ", ".join(_list_fields(now, names))


def _list_fields(state: dict[str, object], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        text = str(state[name]).strip()
        yield f"{name} {''.join(c if c.isprintable() else ' ' for c in text)}"

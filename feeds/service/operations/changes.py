"""The changes that a save has brought, as lines of the log."""

import logging
from collections.abc import Iterable, Iterator

from msgspec import structs

from feeds.domain.model import Change, State

log = logging.getLogger("feeds.changes")


def log_changes(event_id: str, before: Iterable[Change], after: Iterable[Change]) -> None:
    """Log each change of an edition that the edition before it did not have."""
    known = {_identify(change) for change in before}
    for change in after:
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


def _identify(change: Change) -> tuple[str, str, object]:
    return change.run, change.kind, change.noticed


def _describe_difference(change: Change) -> tuple[str, str]:
    """The fields that differ, as they were and as they are; all if the clock brought the change."""
    was, now = structs.asdict(change.was), structs.asdict(change.now)
    names = [name for name in State.__struct_fields__ if was[name] != now[name]]
    both = [", ".join(_list_fields(state, names)) for state in (was, now)]
    return both[0] or change.was.start, both[1] or change.now.start


def _list_fields(state: dict[str, object], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        text = str(state[name]).strip()
        yield f"{name} {''.join(c if c.isprintable() else ' ' for c in text)}"

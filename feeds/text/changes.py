"""What a channel says of changes: titles and lines of items.

``descriptions`` has the words for the present state.
"""

from collections.abc import Iterator, Sequence

from feeds.domain.changes import announces_start_time
from feeds.domain.entries import Entry
from feeds.domain.model import Change, Kind
from feeds.domain.status import STATUSES
from feeds.text.dates import format_start
from feeds.text.descriptions import list_facts
from feeds.text.summaries import build_name

_KINDS = {
    Kind.MOVED: "Moved",
    Kind.REINSTATED: "Reinstated",
    Kind.SOLD_OUT: "Sold out",
    Kind.PLACES_AGAIN: "Places again",
    Kind.REGISTRATION_PAUSED: "Registration paused",
    Kind.REGISTRATION_CLOSED: "Registration closed",
    Kind.REGISTRATION_REOPENED: "Registration reopened",
} | {status.change_kind: status.word for status in STATUSES if status.change_kind}
REGISTRATION_TITLES = {
    "registration-opens": "Registration is open",
    "registration-closes": "Registration has closed",
}


def build_shared_name(runs: Sequence[Entry]) -> str:
    """What some runs of an event are called together: ``Harbor Run: 10K, 5K``."""
    event = runs[0].event
    if len(runs) == 1:
        return build_name(runs[0])
    return f"{event.name}: {', '.join(dict.fromkeys(run.run.distance_label for run in runs))}"


def build_registration_title(kind: str, runs: Sequence[Entry]) -> str:
    """``Registration is open: Harbor Run: 10K``."""
    return f"{REGISTRATION_TITLES[kind]}: {build_shared_name(runs)}"


def build_change_title(group: Sequence[Change], runs: Sequence[Entry]) -> str:
    """The title of changes of one kind that were noticed together, with what they share.

    What is told for the first time has not moved; where only the place is new, the place is told.
    """
    kind, word = group[0].kind, _KINDS[group[0].kind]
    moved = kind == Kind.MOVED
    if moved and all(map(_tells_first, group)):
        word = "Start time" if all(map(announces_start_time, group)) else "Place"
    if word == "Place" or (moved and not any(change.new_start for change in group)):
        shared = {change.now.place or "" for change in group}
    else:
        shared = {format_start(change.now.start) for change in group}
    now = "now " if kind in (Kind.MOVED, Kind.RESCHEDULED) else ""
    what = f", {now}{shared.pop()}" if len(shared) == 1 else ""
    return f"{word}: {build_shared_name(runs)}{what}"


def _tells_first(change: Change) -> bool:
    """Whether nothing moved of what had been told."""
    start = change.new_start and not announces_start_time(change)
    return not (start or (change.new_place and change.was.place))


def describe_change(change: Change, entry: Entry) -> str:
    """What a change tells of a run: how it is now and, where that moved, how it was."""
    was, now = change.was, change.now
    zone = f" local time ({now.zone})" if "T" in now.start else ""
    parts = [f"{format_start(now.start)}{zone}", *([now.place] if now.place else [])]
    before = (
        [format_start(was.start)] if change.new_start and not announces_start_time(change) else []
    )
    before += [was.place] if change.new_place and was.place else []
    told_before = f"; before: {', '.join(before)}" if before else ""
    return f"{_label(entry)}: {', '.join(parts)}{told_before}"


def list_shared_facts(runs: Sequence[Entry]) -> Iterator[str]:
    """What there is to know of some runs; what does not hold for all of them names its run."""
    each_has = [list(list_facts(run)) for run in runs]
    shared = [fact for fact in each_has[0] if all(fact in has for has in each_has)]
    yield from shared
    for run, has in zip(runs, each_has, strict=True):
        yield from (f"{_label(run)}: {fact}" for fact in has if fact not in shared)


def _label(entry: Entry) -> str:
    return entry.run.distance_label or entry.event.name

"""New changes get their numbers, and old changes are dropped (rules 1.5 and 4.11)."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import structs

from feeds.domain.history.changes import (
    CHANGES_KEPT_FOR,
    build_group_guid_value,
    build_guid_value,
    group_changes,
    is_turn,
)
from feeds.domain.model import Change, Edition, History

MAX_CHANGES_OF_KIND, MAX_CHANGES, MAX_NUMBERS = 100, 5_000, 100
"""Changes of one kind of a run, changes of an event, and guids of a run whose numbers are kept
(rules 4.11)."""


def append_changes(history: History, new: Sequence[Change], event_id: str) -> tuple[Change, ...]:
    """The changes of a history and new ones, numbered by their guids (rules 1.5).

    A turn of registration that is known is left out: the clock was set back in between.
    """
    numbers = _find_numbers(history, event_id)
    added = []
    for group in group_changes(new):
        group_nth = 1
        if len(group) > 1:
            group_nth += get_number(numbers, identify_group(group, event_id))
        for change in group:
            key = identify(change)
            by_clock = change.noticed in (change.now.opens, change.now.closes)
            if key not in numbers or not (is_turn(change) and by_clock):
                nth = 1 + get_number(numbers, key)
                added.append(structs.replace(change, nth=nth, group_nth=group_nth))
    return (*history.changes, *added)


def drop_old_changes(edition: Edition, at: dt.datetime) -> Edition:
    """The edition without changes of more than a year ago, and with not too many of the others.

    Their numbers stay with their runs. Readers remember the guids: a number is never used twice.
    """
    recent = [each for each in edition.changes if at - each.noticed < CHANGES_KEPT_FOR]
    kept = _drop_oldest(recent)
    if len(kept) == len(edition.changes):
        return edition
    event, gone = edition.event, set(edition.changes) - set(kept)
    dropped = structs.replace(edition, changes=tuple(e for e in edition.changes if e in gone))
    ids = {event.id, *(run.id for run in event.runs)}
    numbers = _find_numbers(dropped, event.id)
    kept_numbers = {key: nth for key, nth in numbers.items() if key.partition("/")[0] in ids}
    return structs.replace(edition, changes=kept, numbers=_unite_numbers(kept_numbers))


def _drop_oldest(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes without the oldest ones of a run or an event that has too many.

    Changes that were noticed together stay together: a part of them would have another guid. They
    stay while one of their runs has few changes of their kind: no run drops the changes of another
    run, and a status that flaps drops no change of a start. The last change of each kind of a run
    always stays: it may not have been read yet.
    """
    counts: Counter[tuple[str, str]] = Counter()
    kept: set[int] = set()
    for group in reversed(group_changes(changes)):
        least = min(counts[change.run, change.kind] for change in group)
        fits = len(kept) + len(group) <= MAX_CHANGES
        if least == 0 or (fits and least < MAX_CHANGES_OF_KIND):
            counts.update((change.run, change.kind) for change in group)
            kept.update(map(id, group))
    return tuple(change for change in changes if id(change) in kept)


def _unite_numbers(numbers: Mapping[str, int]) -> dict[str, int]:
    """The numbers of each guid; of a run with too many guids, the highest one of each kind."""
    counts = Counter(key.partition("/")[0] for key in numbers)
    united: dict[str, int] = {}
    for key, nth in numbers.items():
        short = _get_kind(key) if counts[key.partition("/")[0]] > MAX_NUMBERS else key
        united[short] = max(nth, united.get(short, 0))
    return united


def get_number(numbers: Mapping[str, int], key: str) -> int:
    """The highest number that a guid may have had."""
    return max(numbers.get(key, 0), numbers.get(_get_kind(key), 0))


def _get_kind(key: str) -> str:
    """The beginning of a guid: the run and the kind."""
    return "/".join(key.split("/", 2)[:2])


def _find_numbers(history: History, event_id: str) -> dict[str, int]:
    """The highest number of each guid; those of changes that were dropped count, too."""
    found = [(identify(each), each.nth) for each in history.changes]
    found += [
        (identify_group(group, event_id), group[0].group_nth)
        for group in group_changes(history.changes)
        if len(group) > 1  # the item of a single run has the guid of that run
    ]
    numbers = dict(history.numbers)
    for key, nth in found:
        numbers[key] = max(nth, numbers.get(key, 0))
    return numbers


def identify(change: Change) -> str:
    """The guid of a change of one run, without its domain and its number."""
    return f"{change.run}/{change.kind}/{build_guid_value(change)}"


def identify_group(group: Sequence[Change], event_id: str) -> str:
    return f"{event_id}/{group[0].kind}/{build_group_guid_value(group)}"

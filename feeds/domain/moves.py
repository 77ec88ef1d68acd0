"""Moves of a run within minutes become one move (rules 5.15)."""

import datetime as dt
from collections.abc import Sequence

from msgspec import structs

from feeds.domain.model import Change, Kind

CORRECTED_WITHIN = dt.timedelta(minutes=15)
"""A move that is followed by another one within this time after it was noticed was a slip."""

_MOVES = (Kind.MOVED, Kind.RESCHEDULED)


def merge_moves(changes: Sequence[Change]) -> list[Change | None]:
    """Each change as feeds show it, None for a move that a later move of its run replaces.

    ``changes`` are in the order in which they were noticed. The later move then leads from where
    the corrected one began: hardly anybody has read what stood in between. A run that was moved
    back has a move that changes nothing.
    """
    told: list[Change | None] = list(changes)
    last: dict[str, int] = {}
    for number, change in enumerate(changes):
        if change.kind not in _MOVES:
            continue
        previous = last.get(change.run)
        last[change.run] = number
        if previous is None:
            continue
        before, noticed = told[previous], changes[previous].noticed
        if before and dt.timedelta(0) <= change.noticed - noticed <= CORRECTED_WITHIN:
            told[number] = structs.replace(change, was=before.was)
            if before.kind == Kind.MOVED:
                told[previous] = None
    return told

"""What all processes must tell after a database that went back (rules 4.12)."""

from collections.abc import Collection, Iterator
from datetime import datetime

from bench.walking.oracle.statements import Form
from bench.walking.oracle.story import MAX_ITEMS, PLAIN, Story

MOVES = ("moved", "rescheduled")
"""Kinds whose items may be corrected by those of the other history (rules 5.15)."""


def find_losses(served: Story, form: Form, now: datetime, listed: Collection[str]) -> Iterator[str]:
    """What ``form``, after the processes have settled, has lost of what one of them remembered.

    ``listed`` are the runs that answers have listed since the database went back.
    """
    for id_ in served.runs:
        if not served.is_shown(id_, now):
            continue
        state = form.states.get(id_)
        if state is None:
            yield f"{id_} is lost"
        elif id_ in served.unlisted and id_ not in listed and state.status != "unlisted":
            yield f"{id_} is told as listed again"
    if len(form.guids) < MAX_ITEMS:
        for guid in sorted(served.list_required(PLAIN, now) - form.guids):
            kind = guid.split("/")[1]
            # The other history may tell the same of several runs, in one item.
            groups = f"{served.id}@intervals.run/{kind}"
            if kind not in MOVES and not any(each.startswith(groups) for each in form.guids):
                yield f"{guid} is lost"

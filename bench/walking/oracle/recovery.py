"""What all processes must tell after a database that went back (rules 4.12)."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from bench.walking.oracle.statements import Form
from bench.walking.oracle.story import MAX_ITEMS, PLAIN, Story

MOVES = ("moved", "rescheduled")
"""Kinds whose items may be corrected by those of the other history (rules 5.15)."""


def find_losses(
    served: Story, others: Iterable[Story], form: Form, now: datetime, listed: Collection[str]
) -> Iterator[str]:
    """What ``form``, after the processes have settled, has lost of what one of them remembered.

    ``others`` are what the others remembered, ``listed`` the runs that answers may have listed
    since the database went back.
    """
    listed = {*listed, *(id_ for each in others for id_ in _find_listed_again(served, each))}
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


def _find_listed_again(served: Story, other: Story) -> Iterator[str]:
    """The runs that ``served`` tells as no longer listed, and that another process knows better."""
    for id_, since in served.unlisted.items():
        is_missing = id_ not in other.runs or id_ in other.unlisted or id_ in other.lacking
        if other.listed and other.listed.elapsed > since.elapsed and not is_missing:
            yield id_

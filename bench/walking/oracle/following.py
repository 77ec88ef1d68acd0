"""The stories that can follow from one after an answer."""

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import combinations

from bench.walking.oracle.proof import DAY, Others
from bench.walking.oracle.statements import Form
from bench.walking.oracle.story import KEPT_FOR, Story
from bench.walking.upstream import Call


def follow(
    base: Story, call: Call, form: Form, others: Others
) -> Iterator[tuple[Story, list[str]]]:
    """The stories after an answer, and what is wrong with ``form``, which was served then."""
    if _can_be_saved(base, call):
        for each in _forget_or_not(base, call.at):
            story, false = each.follow(call, form, others)
            yield story, false or story.find_differences(form, call.at)
    if call.overtaken:
        yield base, base.find_differences(form, call.at)


def follow_unseen(base: Story, call: Call, form: Form, others: Others) -> Iterator[Story]:
    """The stories after an answer; ``form`` was served after later ones."""
    if _can_be_saved(base, call):
        for each in _forget_or_not(base, call.at):
            earlier = _list_earlier(form, each.unlisted)
            found = [each.follow(call, served, others) for served in earlier]
            yield from (story for story, false in found if not false)
    if call.overtaken:
        yield base


def _can_be_saved(base: Story, call: Call) -> bool:
    """Whether no later answer was saved before.

    A 404 after stored ones may be saved all the same: a process may confirm those with it.
    """
    last, reading = base.last, call.reading
    is_late = call.overtaken and last and last.at >= call.at and last.elapsed > call.elapsed
    return not is_late or bool(base.gone and reading and reading.fields is None)


def _forget_or_not(base: Story, now: datetime) -> Iterator[Story]:
    """The story, and that without the runs that left about a year ago or before (rules 3.13)."""
    yield base
    left = {id_ for id_, at in base.unlisted.items() if now - at.at > KEPT_FOR - DAY}
    if left:
        story = base.copy()
        for of_runs in (story.runs, story.unlisted, story.lacking):
            for id_ in left & of_runs.keys():
                del of_runs[id_]
        story.counts = {key: each for key, each in base.counts.items() if key[0] not in left}
        yield story


def _list_earlier(form: Form, known: Collection[str]) -> Iterator[Form]:
    """What may have been served before: with each choice of the runs that are not listed.

    ``known`` are those that were told as no longer listed even before.
    """
    unlisted = {id_ for id_, each in form.states.items() if each.status == "unlisted"}
    new = sorted(unlisted.difference(known))
    for count in range(len(new) + 1):
        for told in combinations(new, count):
            yield form.hide_unlisted(*unlisted.intersection(known), *told)

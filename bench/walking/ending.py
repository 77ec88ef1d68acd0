"""The end of a walk: all is well again, and every client has to be equal to the truth."""

from collections.abc import Callable, Iterator

from bench.walking.oracle.story import PLAIN
from bench.walking.world import World

PAUSES = (620, *[660] * 5, *[8 * 3600] * 5, 3601)
"""Seconds between polls: enough answers for removals, and a day for those that others hold back."""


def heal(world: World, log: Callable[[str], object]) -> None:
    """Let the upstream be well until all that is missing is told, and all caches have expired."""
    world.upstream.trouble = world.upstream.slow = None
    world.organizer.mend()
    for process in world.processes:
        process.offset = max(-2, process.offset)
    for seconds in PAUSES:
        world.time.elapsed += seconds
        log("all is well")
        for id_ in sorted(world.stories):
            for process in world.processes:
                world.get(process, f"/events/{id_}.ics?registration=1")
            world.time.elapsed += 2.5
        if seconds > PAUSES[1] and not _find_pending(world):
            break


def find_mistakes(world: World) -> Iterator[str]:
    """What clients show otherwise than the truth, after their last poll."""
    yield from (f"{each} is missing, and not told so" for each in _find_pending(world))
    for id_, event in world.organizer.events.items():
        story = world.stories[id_]
        if id_ in world.unserved or event.deleted:
            continue
        if story.fields != event.fields or any(
            story.runs[id_] != event.runs[id_] for id_ in event.runs
        ):
            yield f"{id_} is told as it was"
    for client in world.clients:
        process = world.processes[0]
        response = world.get(process, client.path)
        if response.status_code == 200:
            for each in client.find_mistakes(response.data):
                yield f"{client.path} ({client.sends}): {each}"
        scope = client.path.partition("?run=")[2] or PLAIN
        if client.is_calendar or "distance" in client.path or not client.body:
            continue
        stories = world.list_stories()[client.event_id]
        required = [each.list_required(scope, process.clock()) for each in stories]
        if missing := frozenset.intersection(*required) - client.announced:
            yield f"{client.path} ({client.sends}) was not told {sorted(missing)}"


def _find_pending(world: World) -> list[str]:
    """Runs that are missing, and not yet told as no longer listed; nothing is told of past ones."""
    found, today = [], f"{world.time.read().date()}"
    for id_, event in world.organizer.events.items():
        if id_ not in world.unserved:
            listed = {} if event.deleted else event.runs
            story = world.stories[id_]
            missing = sorted(story.runs.keys() - listed.keys() - story.unlisted.keys())
            found += [each for each in missing if story.runs[each]["date"] > today]
    return found

"""A simulated client of ``/events.ics``, which has to be equal to the union of the events' feeds.

Each event is polled first: the collection then needs no refresh, and a seed walks the same way.
"""

from collections.abc import Iterator
from datetime import timedelta

from bench.walking.clients import Vevent, parse_vevents
from bench.walking.deployment import Process
from bench.walking.world import World

PATH = "/events.ics"
LEAVES_AFTER = timedelta(days=59)


class CollectionClient:
    """``members`` are the events that each process has served in the collection.

    They are as of the last loss of the database, or the last start of the process. While a list is
    fetched again, the one before it is served: two processes may have different ones. After a loss,
    an event counts once the stored list has it: a process without memory may have stored another
    list than one that remembers.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.members: dict[str, set[str]] = {}

    def poll(self, process: Process) -> Iterator[str]:
        """Poll a process while all is sound; yields what is wrong with the answer."""
        self._read_own(process)
        response = process.get(PATH)
        self._world.polls += 1
        if response.status_code != 200:
            if process.name in self.members:
                yield f"{PATH}: {response.status}, after a 200"
            return
        found, own = parse_vevents(response.data), self._read_own(process)
        members = {each for each, vevents in own.items() if vevents.keys() <= found.keys()}
        known = self.members.setdefault(process.name, set())
        known -= self.list_past() - members  # what has left returns with the next list
        for id_ in sorted((known & own.keys()) - members):
            yield f"{PATH} has lost the member {id_}"
        known |= members & self._world.storage.list_members()
        for id_ in sorted(members):
            for uid, vevent in own[id_].items():
                if found.pop(uid) != vevent:
                    yield f"{PATH} has another version of {uid} than the feed of {id_}"
        for uid in sorted(found):
            yield f"{PATH} has {uid}, which is in no feed"

    def list_past(self) -> set[str]:
        """The events that may have left: they ended two months ago, or have left their own feed.

        Rules 11.3 and 3.12.
        """
        now = self._world.time.read()
        day = f"{now.date() - LEAVES_AFTER}"
        return {
            id_
            for id_, each in self._world.stories.items()
            if all(
                run["date"] < day or not each.is_shown(run_id, now)
                for run_id, run in each.runs.items()
            )
        }

    def _read_own(self, process: Process) -> dict[str, dict[str, Vevent]]:
        """The VEVENTs of each event that has a feed."""
        own = {}
        for id_ in sorted(self._world.stories):
            response = self._world.get(process, f"/events/{id_}.ics")
            if response.status_code == 200:
                own[id_] = parse_vevents(response.data)
        return own

"""What happens to processes, clocks and the database in a walk, and polls of clients."""

from copy import deepcopy
from itertools import product
from random import Random
from typing import TYPE_CHECKING

from bench.walking.clients import Client
from bench.walking.collection import CollectionClient
from bench.walking.deployment import Process, Rows, Time, run_round
from bench.walking.world import Violation, World

if TYPE_CHECKING:
    from bench.walking.oracle.story import Stories

DAY = 86_400
RESTORED_FOR = 300 * DAY
"""Seconds after which no copy of the database is restored."""

LONG = 9 * DAY
"""Seconds after which readers may miss items."""


class Operations:
    """Steps that an operator, a machine or a client takes; ``steps`` is what has happened so far.

    Each step returns what was done.
    """

    def __init__(self, world: World, random: Random) -> None:
        self.steps: list[str] = []
        self.world = world
        self.random = random
        self.time: Time = world.time
        self.collection = CollectionClient(world)
        self._copies: list[tuple[float, Rows, Stories]] = []

    def log(self, text: str) -> None:
        self.steps.append(f"{self.time.read():%d %H:%M:%S.%f} {text}")

    def choose_event(self) -> str:
        return self.random.choice(sorted(self.world.stories))

    def advance(self, seconds: float) -> None:
        self.time.elapsed += seconds

    def wait(self, seconds: float) -> None:
        """Let time pass; all clients poll before a month or more does: they would miss items.

        So do all processes: none remembers an edition of a year ago.
        """
        if seconds > LONG:
            self.settle_if_unsettled()
            self.poll_all()
            self.advance(3)
            self.poll_all()
            self.advance(3)
            for process, id_ in product(self.world.processes, self.world.stories):
                self.world.get(process, f"/events/{id_}.ics")
            for event in self.world.organizer.events.values():
                if seconds > 150 * DAY:
                    event.removed.clear()
        self.advance(seconds)

    def ask(self, process: Process, client: Client) -> None:
        """A client polls; while there are two truths, a request that no client remembers."""
        world = self.world
        if world.unsettled or process.public_url != world.public_url:
            world.get(process, client.path)
        else:
            world.poll(process, client)

    def poll(self) -> str:
        """Some clients poll, at most one process each."""
        world, random = self.world, self.random
        polled = []
        for _ in range(random.choice((1, 3, 8))):
            process = random.choice(world.processes)
            client = random.choice(world.clients)
            polled.append(f"{client.path.removeprefix('/events/')}@{process.name}")
            self.ask(process, client)
        return " ".join(polled)

    def poll_by_date(self) -> None:
        """The clients poll that send a date alone."""
        for client in self.world.clients:
            if client.sends in ("If-Modified-Since", "own time"):
                self.ask(self.world.processes[0], client)

    def poll_all(self) -> None:
        self.log("all clients poll")
        for client in self.world.clients:
            self.ask(self.random.choice(self.world.processes), client)

    def alike(self, event_id: str) -> None:
        """Two processes of a deployment are alike some seconds after a save."""
        world = self.world
        current = [each for each in world.processes if each.public_url == world.public_url]
        if len(current) < 2 or world.ages.is_ill(event_id) or not world.is_sound:
            return
        for pause in (4.5, 0):
            total, found = world.upstream.total, {}
            for form in (".ics?registration=1", ".rss", ".json"):
                path = f"/events/{event_id}{form}"
                found[path] = {world.get(each, path).data for each in current}
            self.advance(pause)
        for path, bodies in found.items():
            is_quiet = total == world.upstream.total and not world.ages.is_ill(event_id)
            if len(bodies) > 1 and is_quiet:
                raise Violation(f"{path}: processes differ")

    def collect(self, process: Process | None = None) -> str:
        """A client polls the collection of all events, at any process or at this one."""
        process = process or self.random.choice(self.world.processes)
        if not self.world.is_sound or process.public_url != self.world.public_url:
            return "none"
        for problem in self.collection.poll(process):
            raise Violation(f"{process.name}: {problem}")
        return f"{process.name} {sorted(self.collection.members.get(process.name, ()))}"

    def start(self, process: Process) -> None:
        world = self.world
        self.collection.members.pop(process.name, None)
        process.start(world.storage.settings(process.name, world.public_url))
        world.upstream.clocks[process.name] = process.clock
        if world.storage.lost:
            world.storage.lost = False
            world.change_database(None)
        world.forget_unknown()

    def wait_for_call(self) -> None:
        """Whoever waits for a call that takes long is answered with the last edition."""
        self.world.ages.note_illness("", 20)

    def restart(self) -> str:
        process = self.random.choice(self.world.processes)
        self.start(process)
        return process.name

    def deploy(self) -> str:
        """All processes start with another fingerprint, one after the other."""
        world, random = self.world, self.random
        self.settle_if_unsettled()
        self.poll_by_date()
        world.public_url = f"https://feeds{random.randrange(3)}.example.org"
        for process in world.processes:
            self.log(f"deploy {process.name}: {world.public_url}")
            self.start(process)
            for _ in range(random.randrange(3)):
                self.log(f"  {self.poll()}")
        self.poll_by_date()
        return world.public_url

    def refresh(self) -> str:
        """A round of the background refresher; then all processes look."""
        world = self.world
        settings = world.storage.settings("refresher", world.public_url)
        world.upstream.clocks["refresher"] = self.time.read
        if world.storage.lost:
            return "none"
        world.upstream.slow = None
        run_round(settings, self.time.read)
        return " ".join(self._take_calls())

    def _take_calls(self) -> list[str]:
        """Poll the events that were fetched for others than their clients; returns their ids."""
        called = [call.event_id for call in self.world.upstream.calls]
        if called:
            self.advance(4.5)  # the clock may have been put back by less than two seconds
        for id_ in called:
            self.world.get(self.world.processes[0], f"/events/{id_}.ics?registration=1")
        return called

    def copy(self) -> str:
        self._take_calls()
        if not self.world.storage.lost and not self.world.rowless:
            rows, stories = self.world.storage.copy(), deepcopy(self.world.list_stories())
            self._copies = [*self._copies[-2:], (self.time.elapsed, rows, stories)]
        return str(len(self._copies))

    def _set_right(self) -> None:
        for process in self.world.processes:
            process.offset = max(-2, process.offset)

    def restore(self, *, last: bool = False) -> str:
        """Restore a copy; none of a year ago, when runs that have left since are forgotten."""
        copies = [each for each in self._copies if self.time.elapsed - each[0] < RESTORED_FOR]
        if not copies:
            return "none"
        self._take_calls()
        self._set_right()
        _, rows, stories = copies[-1] if last else self.random.choice(copies)
        replace = self.random.random() < 0.5
        self.advance(1.1)
        self.world.storage.restore(rows, replace=replace)
        self.collection.members.clear()
        self.world.change_database(deepcopy(stories))
        return "another file" if replace else "rows"

    def lose(self) -> str:
        self._take_calls()
        self._set_right()
        empty = self.random.random() < 0.5
        self.advance(1.1)
        self.world.storage.lose(empty=empty)
        self.collection.members.clear()
        self.world.change_database(None)
        return "empty" if empty else "removed"

    def put_back(self) -> str:
        """All clocks are put back."""
        seconds = self.random.choice((1, 5, 60, 3600, 7200)) * self.random.random()
        self.time.shift -= seconds
        self.world.ages.note_illness("", 140)  # for a window of the budget, no call may be left
        return f"{seconds:.1f} s"

    def set_wrong(self) -> str:
        """One clock is put back, and right again with the next such step or at the end."""
        process = self.random.choice(self.world.processes)
        if self.world.unsettled:
            return "none"
        process.offset = 0 if process.offset < -2 else -7200 * self.random.random()
        return f"{process.name} {process.offset:.1f}"

    def settle_if_unsettled(self) -> None:
        if self.world.unsettled:
            self.settle()

    def settle(self) -> None:
        self.log("settle")
        world = self.world
        world.upstream.slow = None
        if world.storage.lost:
            self.log("a process starts again")
            self.start(self.random.choice(world.processes))
        world.settle()

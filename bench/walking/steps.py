"""The steps of a walk, drawn at random."""

import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic

from bench.walking.clients import CONDITIONS, Client
from bench.walking.deployment import (
    START,
    Process,
    Storage,
    Time,
    TooSlow,
    closing_connections,
)
from bench.walking.ending import find_mistakes, heal
from bench.walking.organizer import Organizer
from bench.walking.scenarios import Scenarios
from bench.walking.upstream import DOUBTS, TROUBLES, Trouble
from bench.walking.world import Violation, World

EDITS = {
    "start": 4,
    "date": 2,
    "status": 6,
    "sold out": 2,
    "override": 2,
    "opens": 3,
    "closes": 3,
    "distance": 1,
    "place": 2,
    "degrees": 1,
    "text": 1,
    "add run": 1,
    "remove run": 3,
    "return run": 4,
    "break run": 2,
    "delete": 2,
}
LIST_PATIENCE = 5.0
"""Seconds of real time in which a thread fetches a list."""

PACES = {
    "quick": (60, (0.3, 1, 2.2, 5, 20, 61, 301, 900, 3601)),
    "slow": (90, (2.2, 301, 601, 901, 3601, 3601, 20_000, 90_000)),
    "long": (1500, (61, 3601, 3601, 90_000, 90_000, 31 * 86_400, 200 * 86_400)),
}
"""How many days events lie ahead, and the seconds between steps."""


class Walk(Scenarios):
    """One walk; ``without`` are steps that are left out."""

    def __init__(self, seed: int, url: str | None, folder: Path, without: frozenset[str]) -> None:
        random, time = Random(seed), Time(START)
        days, self._pauses = PACES[random.choice(("quick", "quick", "slow", "slow", "long"))]
        organizer = Organizer(random, START, days=days)
        super().__init__(World(seed, Storage(url, folder), time, organizer), random)
        self.abandoned = False
        self._without = without
        for number in range(random.choice((1, 2, 2, 3))):
            apart = random.choice((0, 0, -2, 2, 1.3)) if "apart" not in without else 0
            process = Process(f"p{number}", time, apart)
            self.world.processes.append(process)
            self.start(process)
        self._subscribe()

    def _subscribe(self) -> None:
        random = self.random
        for id_, event in self.world.organizer.events.items():
            run = min(event.runs)
            forms = [".ics", ".ics?registration=1", f".ics?run={run}", ".ics?cancelled=drop"]
            forms += [".ics?distance=10K", ".rss", ".json", f".rss?run={run}", ".json?distance=5K"]
            for form in random.sample(forms, 5):
                sends = random.choice([each for each in CONDITIONS if each not in self._without])
                self.world.clients.append(Client(id_, form, sends))
            for form in (".rss", ".json", f".json?run={run}"):
                self.world.clients.append(Client(id_, form, "ETag"))

    def run(self, count: int) -> None:
        """Take so many steps, then let all be well, and compare clients with the truth."""
        world, random = self.world, self.random
        steps: dict[str, tuple[int, Callable[[], str]]] = {
            "edit": (16, self._edit),
            "poll": (16, self.poll),
            "wait": (12, self._wait),
            "trouble": (4, partial(self._trouble, TROUBLES)),
            "refuse": (2, self.refuse),
            "doubt": (5, partial(self._trouble, DOUBTS)),
            "vanish": (3, self.vanish),
            "slow": (6, self._slow),
            "overtake": (2, self.overtake),
            "outage": (2, self.outage),
            "diverge": (3, self.diverge),
            "repeat": (3, self.repeat),
            "renew": (3, self.renew),
            "restart": (3, self.restart),
            "deploy": (2, self.deploy),
            "refresher": (4, self.refresh),
            "alike": (4, self._compare),
            "collect": (4, self.collect),
            "copy": (3, self.copy),
            "restore": (2, self.restore),
            "lose": (1, self.lose),
            "back": (1, self.put_back),
            "wrong": (1, self.set_wrong),
        }
        for name in self._without & steps.keys():
            del steps[name]
        names, weights = list(steps), [weight for weight, _ in steps.values()]
        with world.upstream.connected():
            self.poll_all()
            for _ in range(count):
                name = random.choices(names, weights)[0]
                self.log(f"{name} ...")
                done = steps[name][1]()
                self.log(f"... {name}: {done}")
                if world.unsettled and random.random() < 0.4:
                    self.settle()
            self._finish()

    def _edit(self) -> str:
        kinds = [each for each in EDITS if each not in self._without]
        (kind,) = self.random.choices(kinds, [EDITS[each] for each in kinds])
        id_ = self.choose_event()
        return f"{id_} {self.world.organizer.edit(id_, kind, self.time.read())}"

    def _wait(self) -> str:
        seconds = self.random.choice(self._pauses) * self.random.choice(
            (1, 1, self.random.random())
        )
        self.wait(seconds)
        return f"{seconds:.1f} s"

    def _trouble(self, kinds: tuple[str, ...]) -> str:
        kinds = tuple(each for each in kinds if each not in self._without)
        concerned = self.random.choice((None, self.choose_event()))
        kind = self.random.choice(kinds)
        trouble = Trouble(kind, concerned, self.random.choice((1, 2, 4, 8)))
        self.world.upstream.trouble = trouble
        return str(tuple(trouble))

    def _slow(self) -> str:
        """The next call takes long: meanwhile there is an edit, or another process refreshes."""
        random = self.random
        when = random.choice(("before", "after", "after"))
        seconds = random.choice((0.5, 3.5, 3.5, 8, 11))
        if self.world.storage.lost or self.world.unsettled:
            seconds = random.choice((0.5, 11.0))
        edits, polls = random.randrange(3), random.randrange(3) if seconds > 3 else 0

        def pass_time(caller: str, event_id: str) -> bool:
            self.log(f"  in a call of {caller} for {event_id}:")
            self.advance(seconds)
            self.wait_for_call()
            for _ in range(edits):
                self.log(f"  edit {self._edit()}")
            for _ in range(0 if self.world.storage.lost else polls):
                self.advance(1.1)
                client = random.choice(self.world.clients)
                process = random.choice(self.world.processes)
                if (process.name, client.event_id) != (caller, event_id):
                    self.log(f"  {client.path} polled at {process.name}")
                    self.ask(process, client)
            return seconds > 3 or polls > 0

        self.world.upstream.slow = (when, pass_time)
        return f"{when} {seconds} s, {edits} edits, {polls} polls"

    def _compare(self) -> str:
        id_ = self.choose_event()
        self.alike(id_)
        return id_

    def _finish(self) -> None:
        """All is well again: clients are equal to the truth."""
        world = self.world
        if world.storage.lost or world.unsettled:
            self.settle()
        heal(world, self.log)
        for _ in range(2):
            self.advance(3)
            self.poll_all()
        for mistake in find_mistakes(world):
            raise Violation(mistake)
        process = world.processes[0]
        # A list is fresh for an hour. A thread fetches the next one, which takes real time; what it
        # could not fetch, it fetches again a minute later.
        for seconds in (3661, 61, 61):
            self.advance(seconds)
            end = monotonic() + LIST_PATIENCE
            while (lacking := self._find_lacking(process)) and monotonic() < end:
                pass
        if lacking:
            raise Violation(f"the collection lacks {sorted(lacking)}")

    def _find_lacking(self, process: Process) -> set[str]:
        """The listed events that the collection does not show."""
        self.collect(process)
        members = self.collection.members.get(process.name, set())
        listed = {id_ for id_, event in self.world.organizer.events.items() if not event.deleted}
        return listed - self.world.unserved - members - self.collection.list_past()


def walk(seed: int, url: str | None, without: frozenset[str], count: int) -> tuple[Walk, str]:
    """A walk of so many steps; returns what it found, or nothing."""
    with tempfile.TemporaryDirectory() as folder, closing_connections():
        walk = Walk(seed, url, Path(folder), without)
        try:
            walk.run(count)
        except Violation as violation:
            return walk, str(violation)
        except TooSlow:
            walk.abandoned = True
            return walk, ""
        except Exception:  # noqa: BLE001 - a finding, too
            return walk, traceback.format_exc()
        return walk, ""

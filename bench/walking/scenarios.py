"""Several steps in a row, which lead where single ones hardly ever do."""

from datetime import timedelta

from bench.walking.operations import Operations
from bench.walking.upstream import Trouble

EXPIRED = 3700
"""Seconds after which an edition has expired, whenever its event takes place."""

PROOF = (70, 310, 910, 910)
"""Pauses between five answers, which prove that something is missing."""

YEAR = 366 * 86_400


class Scenarios(Operations):
    """Each scenario returns what was done."""

    def edit(self, id_: str, *kinds: str) -> None:
        for kind in kinds:
            self.log(f"  {id_} {self.world.organizer.edit(id_, kind, self.time.read())}")

    def poll_after(self, id_: str, *pauses: float) -> None:
        """Poll an event at any process after each pause."""
        for pause in pauses:
            self.advance(pause)
            self.world.get(self.random.choice(self.world.processes), f"/events/{id_}.ics")

    def vanish(self) -> str:
        """A run or an event is missing for as long as it takes, and returns, or does not."""
        random, id_ = self.random, self.choose_event()
        kind = random.choice(("remove run", "remove run", "delete"))
        self.edit(id_, kind)
        self.advance(random.choice((61, EXPIRED, EXPIRED)))
        pauses = tuple(random.choices((61, 310, 901, 1000), k=random.choice((2, 3, 4))))
        self.poll_after(id_, 0, *random.choice((pauses, PROOF)))
        if random.random() < 0.6:
            self.edit(id_, "return run" if kind == "remove run" else kind)
            self.poll_after(id_, EXPIRED * random.choice((1, random.random())))
        return f"{id_} {kind}"

    def refuse(self) -> str:
        """One event is refused, which concerns no other event."""
        world, id_ = self.world, self.choose_event()
        self.advance(EXPIRED)
        trouble = Trouble("403", id_, self.random.choice((1, 2, 8)))
        world.upstream.trouble = trouble
        process = self.random.choice(world.processes)
        for each in (id_, *sorted(world.stories.keys() - {id_})):
            world.get(process, f"/events/{each}.ics")
        return str(tuple(trouble))

    def overtake(self) -> str:
        """A call takes longer than its lease, and another process saves a newer answer."""
        world, random = self.world, self.random
        if len(world.processes) < 2 or world.unsettled:
            return "none"
        id_, (slow, fast) = self.choose_event(), random.sample(world.processes, 2)

        def pass_time(*_: str) -> bool:
            self.advance(15)
            self.wait_for_call()
            for kind in ("start", "status", "sold out"):
                self.edit(id_, kind)
            world.get(fast, f"/events/{id_}.ics")
            return True

        self.advance(EXPIRED)
        world.upstream.slow = ("after", pass_time)
        world.get(slow, f"/events/{id_}.ics")
        world.upstream.slow = None
        return f"{id_} {slow.name} by {fast.name}"

    def outage(self) -> str:
        """The upstream answers 404 for all events, while clients poll one alone."""
        self.settle_if_unsettled()
        world, id_ = self.world, self.choose_event()
        world.upstream.trouble = Trouble("404", None, 100)
        self.poll_after(id_, EXPIRED, *PROOF)
        world.upstream.trouble = None
        return id_

    def diverge(self) -> str:
        """A backup is restored; a process without memory goes on with it, another one remembers."""
        world, random, id_ = self.world, self.random, self.choose_event()
        if len(world.processes) < 2:
            return "none"
        self.settle_if_unsettled()
        self.copy()
        forgetful, other = random.sample(world.processes, 2)
        kinds = ("start", "status", "sold out", "override", "place", "add run")
        removal = random.choice((None, "remove run"))
        self.edit(id_, *random.choices(kinds, k=2), *([removal] if removal else []))
        for pause in (EXPIRED, *(PROOF if removal else ()), 901):
            self.advance(pause)
            world.get(other, f"/events/{id_}.ics")
        self.log(f"  {self.restore(last=True)}")
        self.start(forgetful)
        self.edit(id_, *random.choices(kinds, k=random.choice((0, 1, 2))))
        self.advance(EXPIRED)
        world.get(forgetful, f"/events/{id_}.ics")
        self.settle()
        return f"{id_} {forgetful.name}, not {other.name}"

    def repeat(self) -> str:
        """A run is cancelled again more than a year after it was reinstated."""
        world, id_ = self.world, self.choose_event()
        runs = world.organizer.events[id_].runs
        limit = self.time.read().date() + timedelta(seconds=2 * YEAR)
        far = [each for each in sorted(runs) if runs[each]["date"] > f"{limit}"]
        if not far:
            return "none"
        self.settle_if_unsettled()
        run = runs[far[0]]
        for pause, change in (
            (EXPIRED, {"eventStatus": "cancelled"}),
            (EXPIRED, {"eventStatus": "scheduled"}),
            (YEAR, {"soldOut": not run.get("soldOut")}),
            (EXPIRED, {"eventStatus": "cancelled"}),
        ):
            self.wait(pause)
            run.update(change)
            self.log(f"  {far[0]}: {change}")
            world.get(self.random.choice(world.processes), f"/events/{id_}.ics")
        return far[0]

    def renew(self) -> str:
        """The refresher fetches an edition before it has expired in the memory of processes."""
        world, id_ = self.world, self.choose_event()
        if len(world.processes) < 2 or not world.is_sound:
            return "none"
        for _ in range(2):
            for process in world.processes:
                world.get(process, f"/events/{id_}.ics")
                self.collect(process)
            self.advance(2.1)
        self.advance(max(0.0, world.ages.find_rest(id_) - 20))
        self.edit(id_, "start", "status")
        called = self.refresh()
        if id_ in called.split():
            self.alike(id_)
            for process in world.processes:
                self.collect(process)
        return called

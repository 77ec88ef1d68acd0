"""What a random walk must not demand (``bench.walking``): the service is right in these stories."""

from random import Random

import pytest

from bench.walking.deployment import START, Process, Storage, Time, closing_connections
from bench.walking.organizer import Organizer
from bench.walking.upstream import Trouble
from bench.walking.world import World


@pytest.fixture
def world(tmp_path):
    """A walk with one process and one event, of which everything is known."""
    time = Time(START)
    organizer = Organizer(Random(1), START, days=60)
    world = World(1, Storage(None, tmp_path), time, organizer)
    process = Process("p0", time, 0)
    world.processes.append(process)
    world.upstream.clocks[process.name] = process.clock
    with closing_connections(), world.upstream.connected():
        process.start(world.storage.settings(process.name, world.public_url))
        world.get(process, "/events/e0.ics")
        yield world


def test_answers_of_a_process_whose_clock_is_wrong_prove_a_removal(world):
    (process,) = world.processes
    process.offset = -2400
    (run, *_) = world.organizer.events["e0"].runs
    for pause in (6100, 61, 310, 910):  # less than half an hour in all: no proof
        world.upstream.trouble = Trouble("404", "e0", 1)
        world.time.elapsed += pause
        world.get(process, "/events/e0.ics")
    del world.organizer.events["e0"].runs[run]
    for _ in range(3):
        world.time.elapsed += 3701
        world.get(process, "/events/e0.ics")
    assert world.stories["e0"].unlisted.keys() == {run}

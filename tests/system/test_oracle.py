"""What a random walk demands (``bench.walking``), and what it must not demand."""

from datetime import timedelta
from random import Random

import pytest
from msgspec import structs

from bench.walking.deployment import START, Process, Storage, Time, closing_connections
from bench.walking.oracle.proof import Moment, Others, find_doubt
from bench.walking.oracle.recovery import find_losses
from bench.walking.oracle.statements import Form
from bench.walking.oracle.story import Story, Told
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


FIELDS = {"address": "Navy Pier", "lat": 41.0, "lng": -87.0, "description": ""}
TEN, FIVE = (
    {
        "_id": id_,
        "date": "2026-08-01",
        "startTime": "08:00",
        "distanceLabel": id_,
        "distanceStandard": id_,
        "distanceMeters": 1.0,
    }
    for id_ in ("ten", "five")
)
BEGIN = Moment(START, 0.0)
BOTH = Story("e0", FIELDS, {"ten": TEN, "five": FIVE})


def form_of(story, *guids):
    return Form(frozenset(guids), {id_: story.describe(id_) for id_ in story.runs})


def test_a_run_that_one_process_remembers_must_not_be_lost_with_the_database():
    assert [
        *find_losses(BOTH, [BOTH], form_of(structs.replace(BOTH, runs={"ten": TEN})), START, ())
    ] == ["five is lost"]
    assert not [*find_losses(BOTH, [BOTH], form_of(BOTH), START, ())]


def test_a_change_that_one_process_remembers_must_be_told_by_an_item_of_its_own_or_of_several():
    served = structs.replace(BOTH, required={("", "ten@i/cancelled"): Told(START, ("ten",))})
    lost = [*find_losses(served, [served], form_of(BOTH), START, ())]
    assert lost == ["ten@i/cancelled is lost"]
    for guid in ("ten@i/cancelled", "e0@intervals.run/cancelled/1a2b"):
        assert not [*find_losses(served, [served], form_of(BOTH, guid), START, ())]


def test_what_was_proved_to_be_missing_must_stay_so_unless_it_was_listed_again():
    served = structs.replace(BOTH, unlisted={"ten": BEGIN})
    again = structs.replace(BOTH, listed=Moment(START, 9.0))
    losses = find_losses(served, [served, BOTH], form_of(BOTH), START, ())
    assert [*losses] == ["ten is told as listed again"]
    assert not [*find_losses(served, [served, again], form_of(BOTH), START, ())]
    assert not [*find_losses(served, [served], form_of(BOTH), START, {"ten"})]


def after(minutes):
    return Moment(START + timedelta(minutes=minutes), 60.0 * minutes)


@pytest.mark.parametrize(
    ("listed", "doubt"),
    [
        ((), ""),  # no other event is ahead
        ((after(-60),), "while no other event is listed"),
        ((after(-60), after(10)), ""),
    ],
    ids=["alone", "not since", "since"],
)
def test_that_an_event_is_gone_is_proved_if_another_one_was_listed_since(listed, doubt):
    answers = tuple(map(after, (0, 10, 40)))
    assert find_doubt(answers, after(40), Others(listed=listed)) == doubt
    assert not find_doubt((*answers, after(1441)), after(1441), Others(listed=listed))

"""A log that is told of each cause once a minute."""

import logging

from feeds.logs import Sparing


class World:
    def __init__(self):
        self.now = 0.0
        self.log = Sparing(logging.getLogger("sparing"), lambda: self.now)


def test_a_cause_is_told_once_in_a_minute_with_how_often_it_was_met(caplog):
    world = World()
    for _ in range(5):
        world.log.tell("cause", "%s went wrong", "it")
        world.now += 14.75
    world.log.tell("cause", "%s went wrong", "it")

    assert caplog.messages == ["it went wrong", "it went wrong (4 more like this before)"]


def test_causes_do_not_hide_each_other(caplog):
    world = World()
    for cause in ("one", "other", "one"):
        world.log.tell(cause, cause)

    assert caplog.messages == ["one", "other"]


def test_a_clock_that_was_put_back_hides_nothing(caplog):
    world = World()
    world.now = 1000.0
    world.log.tell("cause", "first")
    world.now = 10.0
    world.log.tell("cause", "second")

    assert caplog.messages == ["first", "second"]

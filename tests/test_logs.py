"""Each cause is logged once a minute."""

import logging

from feeds.logs import Throttle


class World:
    def __init__(self):
        self.now = 0.0
        self.log = Throttle(logging.getLogger("throttled"), lambda: self.now)


def test_a_cause_is_logged_once_a_minute_with_the_number_of_suppressed_messages(caplog):
    world = World()
    for _ in range(5):
        world.log.warning("cause", "%s went wrong", "it")
        world.now += 14.75
    world.log.warning("cause", "%s went wrong", "it")

    assert caplog.messages == ["it went wrong", "it went wrong (4 more like this before)"]


def test_one_cause_suppresses_no_message_of_another_cause(caplog):
    world = World()
    for cause in ("one", "other", "one"):
        world.log.warning(cause, cause)

    assert caplog.messages == ["one", "other"]


def test_a_message_is_logged_after_the_clock_was_set_back(caplog):
    world = World()
    world.now = 1000.0
    world.log.warning("cause", "first")
    world.now = 10.0
    world.log.warning("cause", "second")

    assert caplog.messages == ["first", "second"]

"""Each cause is logged once a minute."""

import logging

import pytest

from feeds.logs import Throttle


@pytest.fixture
def throttle(clock):
    return Throttle(logging.getLogger("throttled"), clock.timestamp)


def test_a_cause_is_logged_once_a_minute_with_the_number_of_suppressed_messages(
    throttle, clock, caplog
):
    for _ in range(5):
        throttle.warning("cause", "%s went wrong", "it")
        clock.advance(seconds=14.75)
    throttle.warning("cause", "%s went wrong", "it")
    assert caplog.messages == ["it went wrong", "it went wrong (4 more like this before)"]


def test_one_cause_suppresses_no_message_of_another_cause(throttle, caplog):
    for cause in ("one", "other", "one"):
        throttle.warning(cause, cause)
    assert caplog.messages == ["one", "other"]


def test_a_message_is_logged_after_the_clock_was_set_back(throttle, clock, caplog):
    throttle.warning("cause", "first")
    clock.advance(seconds=-990)
    throttle.warning("cause", "second")
    assert caplog.messages == ["first", "second"]

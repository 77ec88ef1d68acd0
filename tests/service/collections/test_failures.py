"""How long collections and choices wait for members that cannot be read."""

from datetime import timedelta

import pytest

from feeds.errors import EventNotFound, UpstreamUnavailable
from feeds.service.collections.failures import MemberFailures
from feeds.service.entry import CacheEntry
from tests.support.factories import NOW

GONE, FAILED = EventNotFound(), UpstreamUnavailable()


@pytest.fixture
def find():
    """A function that takes the minute of a list and the error of each member.

    It returns the members that are broken, and those that are given up.
    """
    failures = MemberFailures()

    def find(minutes, **errors):
        at = NOW + timedelta(minutes=minutes)
        entries = {id_: CacheEntry(at, at, error=error) for id_, error in errors.items()}
        unread = [id_ for id_, error in errors.items() if error is FAILED]
        broken = failures.find_broken("club", unread, entries, at)
        return broken, failures.find_given_up("club", [*errors], entries, at)

    return find


def test_one_member_whose_calls_fail_is_broken_after_half_an_hour_and_given_up_after_a_day(find):
    found = [find(minutes, a=FAILED) for minutes in (0, 15, 30, 1439, 1440)]
    assert [("a" in broken, "a" in given_up) for broken, given_up in found] == [
        (False, False),
        (False, False),
        (True, False),
        (True, False),
        (True, True),
    ]


def test_members_whose_calls_fail_together_are_broken_after_a_day(find):
    for minutes in (0, 15, 30, 1439):
        assert find(minutes, a=FAILED, b=FAILED) == (frozenset(), frozenset())
    assert find(1440, a=FAILED, b=FAILED) == (frozenset("ab"), frozenset("ab"))


def test_answers_that_could_not_be_used_are_no_failed_calls(find):
    for minutes in (0, 15, 30):
        assert find(minutes, a=GONE) == (frozenset(), frozenset())
    assert find(45, a=FAILED) == (frozenset(), frozenset())
    assert find(1440, a=GONE) == (frozenset(), frozenset("a"))


def test_failures_that_were_noted_before_the_clock_was_set_back_count_no_more(find):
    for minutes in (10_000, 0, 15):
        assert find(minutes, a=FAILED) == (frozenset(), frozenset())
    assert find(30, a=FAILED) == (frozenset("a"), frozenset())

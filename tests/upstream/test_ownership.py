"""The organization of the API key, compared with that of the database (rules 3.10)."""

from datetime import timedelta

import pytest

from feeds.errors import Forbidden, OtherOrganization, QuotaExhausted, UpstreamTimeout
from feeds.upstream.ownership import OWNER_CACHED_FOR, KeyOwner


class Organizations:
    """An upstream that answers with an organization, or raises an error.

    ``calls`` has the seconds that each call may take.
    """

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def __call__(self, seconds):
        self.calls.append(seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def start_owner(clock):
    """Make an owner over an upstream, in a database that is bound to an organization."""

    def start_owner(organizations, bound="k57", refusal=None):
        return KeyOwner(organizations, lambda: bound, lambda _: refusal, clock)

    return start_owner


@pytest.mark.parametrize(("bound", "calls"), [("k57", 1), (None, 0)])
def test_without_the_scope_or_a_bound_organization_nothing_is_compared(
    start_owner, clock, bound, calls
):
    organizations = Organizations(Forbidden() if bound else "k58")
    owner = start_owner(organizations, bound)
    owner.check(clock())
    owner.check(clock())
    assert len(organizations.calls) == calls


def test_the_organization_is_fetched_again_after_ten_minutes(start_owner, clock):
    organizations = Organizations("k57")
    owner = start_owner(organizations)
    owner.check(clock())
    clock.now += OWNER_CACHED_FOR - timedelta(microseconds=1)
    owner.check(clock())
    assert len(organizations.calls) == 1
    organizations.answer = "k58"
    clock.now += timedelta(microseconds=1)
    with pytest.raises(OtherOrganization):
        owner.check(clock())
    assert len(organizations.calls) == 2


def test_the_organization_is_fetched_again_after_the_clock_was_set_back(start_owner, clock):
    organizations = Organizations("k57")
    owner = start_owner(organizations)
    owner.check(clock())
    clock.advance(seconds=-1)
    owner.check(clock())
    assert len(organizations.calls) == 2


def test_the_check_fails_without_a_call_in_the_budget(start_owner, clock):
    organizations = Organizations("k57")
    with pytest.raises(QuotaExhausted):
        start_owner(organizations, refusal=QuotaExhausted()).check(clock())
    assert organizations.calls == []


def test_an_organization_that_cannot_be_fetched_is_fetched_at_the_next_check(start_owner, clock):
    organizations = Organizations(UpstreamTimeout())
    owner = start_owner(organizations)
    with pytest.raises(UpstreamTimeout):
        owner.check(clock())
    organizations.answer = "k57"
    owner.check(clock())
    assert len(organizations.calls) == 2


def test_the_organization_is_fetched_in_what_is_left_of_eight_seconds(start_owner, clock):
    organizations = Organizations("k58")
    since = clock()
    clock.advance(seconds=7.5)
    with pytest.raises(OtherOrganization):
        start_owner(organizations).check(since)
    assert organizations.calls == [0.5]


def test_without_any_time_left_the_check_times_out_unless_the_organization_is_cached(
    start_owner, clock
):
    organizations = Organizations("k57")
    owner = start_owner(organizations)
    with pytest.raises(UpstreamTimeout):
        owner.check(clock() - timedelta(seconds=8))
    assert organizations.calls == []
    owner.check(clock())
    owner.check(clock() - timedelta(seconds=8))
    assert len(organizations.calls) == 1

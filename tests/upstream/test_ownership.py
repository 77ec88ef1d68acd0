"""The cached organization of the API key (rules 3.10)."""

from datetime import date, timedelta

import pytest

from feeds.domain.model import Event
from feeds.errors import Forbidden, QuotaExhausted, Unauthorized, UpstreamTimeout
from feeds.upstream.ownership import OWNER_CACHED_FOR, KeyOwner

EVENT = Event(
    id="e1", organization_id="k57", name="Run", slug="run", type="race", date=date(2026, 6, 14)
)


class Organizations:
    """An upstream that answers with an organization, or raises an error; it counts the calls."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def grant(_now):
    """Spend a call from a budget that never ends."""


def test_a_key_without_the_scope_to_read_its_organization_passes_the_check(clock):
    organizations = Organizations(Forbidden())
    owner = KeyOwner(organizations, grant, clock)
    owner.check(EVENT)
    owner.check(EVENT)
    assert organizations.calls == 1


def test_the_organization_is_fetched_again_after_ten_minutes(clock):
    organizations = Organizations("k57")
    owner = KeyOwner(organizations, grant, clock)
    owner.check(EVENT)
    clock.now += OWNER_CACHED_FOR - timedelta(microseconds=1)
    owner.check(EVENT)
    assert organizations.calls == 1
    organizations.answer = "k58"
    clock.now += timedelta(microseconds=1)
    with pytest.raises(Unauthorized):
        owner.check(EVENT)
    assert organizations.calls == 2


def test_the_organization_is_fetched_again_after_the_clock_was_set_back(clock):
    organizations = Organizations("k57")
    owner = KeyOwner(organizations, grant, clock)
    owner.check(EVENT)
    clock.advance(seconds=-1)
    owner.check(EVENT)
    assert organizations.calls == 2


def test_the_check_fails_without_a_call_in_the_budget(clock):
    organizations = Organizations("k57")
    with pytest.raises(QuotaExhausted):
        KeyOwner(organizations, lambda _: QuotaExhausted(), clock).check(EVENT)
    assert organizations.calls == 0


def test_an_organization_that_cannot_be_fetched_is_fetched_at_the_next_check(clock):
    organizations = Organizations(UpstreamTimeout())
    owner = KeyOwner(organizations, grant, clock)
    with pytest.raises(UpstreamTimeout):
        owner.check(EVENT)
    organizations.answer = "k57"
    owner.check(EVENT)
    assert organizations.calls == 2

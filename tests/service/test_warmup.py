"""``feeds warm``: what it fetches, in which order, what it says, and how it goes on."""

from datetime import timedelta
from threading import Event, Thread

import pytest
from click import ClickException
from click.exceptions import Exit

from feeds.app import assemble
from feeds.domain.quota import Priority, Rate
from feeds.errors import RateLimited
from feeds.sandbox import ORGANIZATION_ID, SANDBOX_KEY, Key
from feeds.service import warmup as warm
from tests.support.processes import PATIENCE, SAMPLE_IDS, Clock, settings_for

GENEROUS = Rate(100_000, timedelta(minutes=1), 10_000)


class World:
    def __init__(self, upstream, folder, clock, **changes):
        self.upstream, self.clock = upstream, clock
        self.settings = settings_for(upstream.url, folder, **{"rate": GENEROUS} | changes)
        self.ends = Event()

    @property
    def warmer(self):
        """A new one, as each call of the command has it."""
        parts = assemble(self.settings, self.clock)
        parts.since()
        return warm.Warmer(
            parts.source,
            parts.editor,
            parts.reporter,
            parts.database,
            clock=self.clock,
            ends=self.ends,
        )


@pytest.fixture
def world(upstream, tmp_path, clock):
    return World(upstream, tmp_path, clock)


def test_it_fetches_what_is_named_and_counts_the_calls(world, upstream, capsys):
    warm.run(world.warmer, ["harbor-festival", "run-for-all"])

    assert upstream.asked == ["harbor-festival", "run-for-all"]
    assert "2 fetched with 3 calls, 0 were there." in capsys.readouterr().out


def test_what_is_there_costs_nothing(world, upstream, capsys):
    warm.run(world.warmer, ["harbor-festival"])
    warm.run(world.warmer, ["harbor-festival", "run-for-all"])

    assert upstream.asked == ["harbor-festival", "run-for-all"]
    assert "1 fetched with 2 calls, 1 were there." in capsys.readouterr().out


def test_ids_that_are_none_are_named_and_the_others_are_fetched(world, capsys):
    with pytest.raises(Exit):
        warm.run(world.warmer, ["nothing", "harbor-festival", "none"])

    told = capsys.readouterr().out
    assert "1 fetched with 4 calls" in told
    assert "2 unknown: nothing, none" in told


def test_documents_that_cannot_be_read_are_named(world, upstream, capsys):
    upstream.put("torn", {"event": {"_id": "torn"}, "runs": []})
    with pytest.raises(Exit):
        warm.run(world.warmer, ["torn", "harbor-festival"])

    told = capsys.readouterr().out
    assert "1 unreadable: torn" in told
    assert "1 fetched" in told


class TestAll:
    @pytest.fixture
    def clock(self):
        """Time passes with each look at it: the sandbox grants so many calls a minute."""

        class Ticking(Clock):
            def __call__(self):
                self.advance(seconds=1)
                return self.now

        return Ticking()

    def test_are_all_of_the_organization_whatever_the_number_of_pages(
        self, world, upstream, capsys
    ):
        for number in range(130):
            upstream.publish(f"club-{number:03}", "2026-06-13")
        warm.run(world.warmer, [])

        pages = [path for path in upstream.calls if path == "/events"]
        assert len(pages) == 2
        assert len(upstream.asked) == len(set(upstream.asked))
        assert {f"club-{number:03}" for number in range(130)} <= set(upstream.asked)
        calls = 1 + len(pages) + len(upstream.asked)
        assert f"fetched with {calls} calls" in capsys.readouterr().out


def test_what_comes_next_is_fetched_first_and_what_is_over_last(world, upstream):
    upstream.give_key_to("club")
    for id_, day in {
        "b": "2026-05-21",
        "c": "2026-12-01",
        "d": "2026-05-19",
        "a": "2020-01-01",
    }.items():
        upstream.publish(id_, day, organizationId="club")
    warm.run(world.warmer, [])

    assert upstream.asked == ["b", "c", "d", "a"]


def test_an_upstream_that_is_away_ends_it_in_one_line(world, upstream, capsys):
    warm.run(world.warmer, ["harbor-festival"])
    upstream.stop()
    with pytest.raises(ClickException) as failure:
        warm.run(world.warmer, ["harbor-festival", "run-for-all", "new-year-run"])

    assert failure.value.message == (
        "The Intervals API cannot be reached. The same command continues where this one stopped."
    )
    assert "0 fetched with 2 calls, 1 were there." in capsys.readouterr().out


def test_it_waits_for_the_budget_and_ends_when_it_is_told_to(upstream, tmp_path, clock, capsys):
    world = World(upstream, tmp_path, clock, rate=Rate(100, timedelta(days=1), 20))
    failures = []

    def fetch():
        try:
            warm.run(world.warmer, SAMPLE_IDS[:15])
        except ClickException as failure:
            failures.append(failure.message)

    thread = Thread(target=fetch)
    thread.start()
    while len(upstream.asked) < 10:
        thread.join(0.01)
    world.ends.set()
    thread.join(PATIENCE)
    assert failures == ["Stopped. The same command continues where this one stopped."]
    assert "10 fetched with 11 calls" in capsys.readouterr().out

    world.ends.clear()
    clock.advance(days=1)
    warm.run(world.warmer, SAMPLE_IDS[:15])
    assert upstream.asked == SAMPLE_IDS[:15]
    assert "5 fetched with 6 calls, 10 were there." in capsys.readouterr().out


def test_the_key_of_another_organization_lists_nothing(world, upstream, capsys):
    upstream._keys[SANDBOX_KEY] = Key("another")
    warm.run(world.warmer, [])

    assert ORGANIZATION_ID != "another"
    assert "0 fetched with 2 calls, 0 were there." in capsys.readouterr().out


def test_a_refusal_of_the_list_is_one_for_everybody(world, upstream, clock):
    over = clock() + timedelta(seconds=50)
    upstream.refuse(429, "RATE_LIMITED", retryAfter=over.timestamp() * 1000)
    with pytest.raises(ClickException):
        warm.run(world.warmer, [])
    parts = assemble(world.settings, clock)
    parts.since()
    refusal = parts.database.spend_call(GENEROUS.quota_for(Priority.URGENT), clock())
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_at == over


def test_told_to_end_it_makes_no_further_call(world, upstream):
    world.ends.set()
    with pytest.raises(ClickException, match="Stopped"):
        warm.run(world.warmer, ["harbor-festival", "run-for-all"])
    with pytest.raises(ClickException, match="Stopped"):
        warm.run(world.warmer, [])
    assert upstream.calls == []

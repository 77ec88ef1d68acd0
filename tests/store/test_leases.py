"""Who refreshes an event: one at a time, and not again too soon after a failure."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from msgspec import structs

from feeds.domain.freshness import FAILURE_CACHED_FOR, LEASE, MAX_CLOCK_SKEW, UNKNOWN_CACHED_FOR
from feeds.domain.quota import MICROSECOND, Priority, Rate
from feeds.errors import (
    EventNotFound,
    InvalidResponse,
    QuotaExhausted,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.store import leases
from feeds.store.engines import Postgres, Sqlite
from feeds.store.leases import Lease, Leased
from feeds.store.ratelimit import from_micros
from feeds.store.tables import leases as table
from feeds.store.tables import service
from tests.support.databases import another
from tests.support.factories import NOW, an_edition, an_event
from tests.support.processes import PATIENCE

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLENTY = Rate(100_000, MINUTE, 50_000).quota_for(Priority.URGENT)
NONE_LEFT = Rate(1, DAY, 1).quota_for(Priority.URGENT)


def ask(database, now=NOW, *, event_id="harbor", known=None, allowance=PLENTY):
    return database.acquire(event_id, known, allowance, now)


def claimed(database, now=NOW, **how):
    claim = ask(database, now, **how)
    assert isinstance(claim, Lease), claim
    return claim


def saved(database, claim, known=None, **fields):
    edition = structs.replace(known or an_edition(an_event()), fetched=claim.at, **fields)
    return database.save(known, edition, (NOW, NOW + HOUR), NOW, lease=claim)


def kept(database):
    """The ids of the events of which there is a row."""
    with database._engine.read() as connection:
        return set(connection.execute(sa.select(table.c.event_id)).scalars())


def calls(database):
    """How many calls have been counted, since all of them were made at NOW."""
    with database._engine.read() as connection:
        full = connection.execute(sa.select(service.c.tat)).scalar_one()
    return (from_micros(full) - NOW) / PLENTY.bucket.interval if full else 0


class TestALease:
    def test_keeps_others_out_of_its_event_and_of_no_other(self, url, database):
        claimed(database)
        for each in (database, another(url)):
            assert ask(each) == Leased(NOW)
            assert ask(each, NOW + SECOND) == Leased(NOW)
        claimed(another(url), event_id="lakefront")
        assert calls(database) == 2

    def test_is_over_at_its_end_and_not_a_microsecond_earlier(self, url, database):
        claimed(database)
        assert ask(another(url), NOW + LEASE - MICROSECOND) == Leased(NOW)
        claimed(another(url), NOW + LEASE)
        assert ask(database, NOW + LEASE) == Leased(NOW + LEASE)

    @pytest.mark.parametrize("end", ["save", "fail", "release"])
    def test_ends_at_once_with_what_came_of_it(self, database, end):
        claim, known = claimed(database), None
        if end == "save":
            known = saved(database, claim)
        elif end == "fail":
            database.fail(claim, UpstreamUnavailable(), NOW)
        else:
            database.release(claim)
        claimed(database, known=known)

    def test_of_a_clock_a_little_ahead_holds_and_of_one_put_back_does_not(self, database):
        claimed(database, NOW + LEASE, event_id="harbor")
        claimed(database, NOW + LEASE - MICROSECOND, event_id="lakefront")
        assert ask(database, event_id="lakefront") == Leased(NOW + LEASE - MICROSECOND)
        claimed(database, event_id="harbor")

    def test_that_is_taken_over_after_a_clock_was_put_back_holds(self, database):
        early = claimed(database, NOW + DAY)
        claimed(database)
        database.release(early)
        assert ask(database, NOW + SECOND) == Leased(NOW)


class TestALateHolder:
    """One that had its lease too long: somebody else has taken it over."""

    def test_cannot_save_over_what_that_one_has_saved(self, url, database):
        late, other = claimed(database), another(url)
        newer = saved(other, claimed(other, NOW + LEASE), etag="newer")
        assert saved(database, late, etag="older") is None
        assert other.read("harbor") == newer
        known = newer
        late = claimed(database, known=known)
        newer = saved(other, claimed(other, NOW + LEASE, known=known), known, etag="newest")
        assert saved(database, late, known, etag="older") is None
        assert other.read("harbor") == newer

    @pytest.mark.parametrize("end", ["save", "fail", "release"])
    def test_cannot_end_the_lease_of_that_one(self, url, database, end):
        late, other = claimed(database), another(url)
        claimed(other, NOW + LEASE)
        if end == "save":
            assert saved(database, late), "nobody has saved anything else"
        elif end == "fail":
            database.fail(late, UpstreamUnavailable(), NOW + HOUR)
        else:
            database.release(late)
        known = database.read("harbor")
        last = NOW + 2 * LEASE - MICROSECOND
        assert ask(other, last, known=known) == Leased(NOW + LEASE)
        claimed(other, NOW + 2 * LEASE, known=known)

    def test_cannot_make_others_forget_that_ones_failure_nor_remember_its_own(self, database):
        late = claimed(database)
        database.fail(claimed(database, NOW + LEASE), InvalidResponse(), NOW + LEASE + MINUTE)
        database.release(late)
        database.fail(late, UpstreamTimeout(), NOW + HOUR)
        met = ask(database, NOW + LEASE + MINUTE - MICROSECOND)
        assert (type(met), met.retry_at) == (InvalidResponse, NOW + LEASE + MINUTE)
        claimed(database, NOW + LEASE + MINUTE)


class TestARememberedFailure:
    @pytest.mark.parametrize("error", [EventNotFound, UpstreamUnavailable, InvalidResponse])
    def test_stands_in_the_way_of_everybody_until_its_retry(self, url, database, error):
        retry = NOW + FAILURE_CACHED_FOR
        database.fail(claimed(database), error(), retry)
        for now in (NOW, NOW + LEASE, retry - MICROSECOND):
            met = ask(another(url), now)
            assert (type(met), met.retry_at) == (error, retry)
        assert calls(database) == 1
        claimed(another(url), retry)

    def test_is_over_with_a_lease_that_somebody_takes(self, database):
        database.fail(claimed(database), UpstreamUnavailable(), NOW + MINUTE)
        database.release(claimed(database, NOW + MINUTE))
        claimed(database, NOW + SECOND)

    def test_left_by_a_clock_that_was_put_back_does_not_count(self, database):
        longest = NOW + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW
        database.fail(claimed(database), EventNotFound(), longest)
        assert isinstance(ask(database), EventNotFound), "a clock may be a little ahead"
        claimed(database, NOW - MICROSECOND)

    def test_of_an_event_leaves_the_leases_of_others_alone(self, database):
        claimed(database, event_id="lakefront")
        later = NOW + LEASE - MICROSECOND
        database.fail(claimed(database, later), UpstreamUnavailable(), later + MINUTE)
        assert ask(database, later, event_id="lakefront") == Leased(NOW)

    def test_after_a_clock_was_put_back_leaves_the_leases_of_others_alone(self, database):
        early = claimed(database, NOW + DAY)
        claimed(database, event_id="lakefront")
        database.fail(early, UpstreamUnavailable(), NOW + MINUTE)
        assert ask(database, NOW + SECOND, event_id="lakefront") == Leased(NOW)


class TestIdsThatAreNone:
    def test_for_which_there_is_no_call_leave_nothing_behind(self, database):
        claimed(database, allowance=NONE_LEFT)
        for number in range(5):
            refusal = ask(database, event_id=f"guess{number}", allowance=NONE_LEFT)
            assert isinstance(refusal, QuotaExhausted)
        assert kept(database) == {"harbor"}

    def test_are_forgotten_with_the_first_failure_after_their_time(self, database):
        for number in range(3):
            guess = claimed(database, event_id=f"guess{number}")
            database.fail(guess, EventNotFound(), NOW + UNKNOWN_CACHED_FOR)
        guesses = {"guess0", "guess1", "guess2"}
        claim = claimed(database, NOW + UNKNOWN_CACHED_FOR - MICROSECOND)
        database.fail(claim, UpstreamUnavailable(), NOW + HOUR)
        assert kept(database) == {*guesses, "harbor"}, "they are known as none until then"
        claim = claimed(database, NOW + UNKNOWN_CACHED_FOR, event_id="lakefront")
        database.fail(claim, UpstreamUnavailable(), NOW + HOUR)
        assert kept(database) == {"harbor", "lakefront"}


class TestARace:
    def test_of_two_for_the_same_events_gives_each_to_one_of_them(self, url, database):
        ids = [f"event{number}" for number in range(8)]
        racers, lines = [database, another(url)], [threading.Barrier(2) for _ in ids]

        def race(racer):
            for id_, line in zip(ids, lines, strict=True):
                line.wait(PATIENCE)
                yield id_, ask(racer, event_id=id_)

        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda racer: dict(race(racer)), racers)
        for id_ in ids:
            got = first[id_], second[id_]
            assert sum(isinstance(each, Lease) for each in got) == 1
            assert Leased(NOW) in got
        assert calls(database) == len(ids)

    def test_is_lost_by_one_that_saw_the_event_free_before_the_other_had_it(self, url, database):
        late, writes = another(url), threading.Event()
        assert isinstance(late._engine, Sqlite | Postgres)

        @sa.event.listens_for(late._engine._engine, "before_cursor_execute")
        def before(_connection, _cursor, statement, *_):
            if statement.startswith(("BEGIN IMMEDIATE", "INSERT INTO leases")):
                writes.set()

        with ThreadPoolExecutor(1) as threads:
            with database._engine.write() as connection:
                claim = Lease("harbor", NOW)
                assert leases.acquire(connection, claim, database._engine.insert(table))
                lost = threads.submit(ask, late)
                assert writes.wait(PATIENCE), "it has looked, and wants to write"
            assert lost.result(PATIENCE) == Leased(NOW)
        assert calls(database) == 0

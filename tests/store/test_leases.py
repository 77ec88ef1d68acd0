"""Leases: one refresh of an event at a time, and no repeat of a refresh that just failed."""

import os
import random
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from msgspec import structs

from feeds.domain.freshness import FAILURE_CACHED_FOR, LEASE, MAX_CLOCK_SKEW, UNKNOWN_CACHED_FOR
from feeds.domain.quota import MICROSECOND, Priority, Rate
from feeds.errors import (
    UPSTREAM_ERRORS,
    EventNotFound,
    Forbidden,
    InvalidResponse,
    QuotaExhausted,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.store.leases import HeldByOther, Lease
from feeds.store.tables import events, leases
from tests.support.databases import connect, execute, processes, read_rows, run_processes
from tests.support.factories import NOW, an_edition, an_event
from tests.support.waiting import PATIENCE

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# The window is short: calls from before the clock was set back are soon too far in the future.
QUOTA = Rate(100, SECOND, 50).quota_for(Priority.URGENT)

ways_to_end_a_lease = pytest.mark.parametrize("end", ["save", "fail", "release"])


def acquire(database, now=NOW, *, event_id="harbor", known=None, quota=QUOTA):
    """Acquire the lease of an event whose edition ``known`` was read last."""
    return database.acquire(event_id, known.token if known else "", quota, now)


def acquire_lease(database, now=NOW, **how):
    lease = acquire(database, now, **how)
    assert isinstance(lease, Lease), lease
    return lease


def save(database, lease, known=None, **fields):
    edition = structs.replace(known or an_edition(an_event()), fetched=NOW, **fields)
    return database.save(known, edition, (NOW, NOW + HOUR), NOW, lease=lease)


def end_lease(database, lease, end, retry=NOW):
    """End a lease, return the edition that is saved then."""
    if end == "save":
        assert save(database, lease)
    elif end == "fail":
        database.fail(lease, UpstreamUnavailable(), retry)
    else:
        database.release(lease)
    return database.read(lease.key)


def count_calls_left(database):
    calls = range(QUOTA.bucket.capacity + 1)
    return sum(database.spend_call(QUOTA, NOW) is None for _ in calls)


def list_stored_ids(url):
    """The ids of the events that have a row in the table of leases."""
    return {row.event_id for row in read_rows(url, leases)}


@contextmanager
def before_the_next_write(act):
    """Act just before the next statement that writes a lease or begins to write."""
    pending = [act]

    def listener(_connection, _cursor, statement, *_):
        if pending and statement.startswith(("BEGIN IMMEDIATE", "INSERT INTO leases")):
            pending.pop()()

    sa.event.listen(sa.Engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listener)
    assert not pending


def test_a_lease_blocks_its_event_alone_for_all_processes_for_ten_seconds(url, database):
    acquire_lease(database)
    for each, now in ((database, NOW), (connect(url), NOW), (connect(url), NOW + SECOND)):
        assert acquire(each, now) == HeldByOther(NOW)
    acquire_lease(connect(url), event_id="lakefront")
    assert acquire(connect(url), NOW + LEASE - MICROSECOND) == HeldByOther(NOW)
    acquire_lease(connect(url), NOW + LEASE)
    assert acquire(database, NOW + LEASE) == HeldByOther(NOW + LEASE)


@ways_to_end_a_lease
def test_a_lease_that_has_ended_can_be_acquired_at_once(database, end):
    known = end_lease(database, acquire_lease(database), end)
    acquire_lease(database, known=known)


def test_a_lease_from_the_future_is_ignored_if_the_clock_was_set_back(database):
    acquire_lease(database, NOW + LEASE - MICROSECOND, event_id="lakefront")
    assert acquire(database, event_id="lakefront") == HeldByOther(NOW + LEASE - MICROSECOND)
    early = acquire_lease(database, NOW + LEASE)
    acquire_lease(database)
    database.release(early)
    assert acquire(database, NOW + SECOND) == HeldByOther(NOW)


@ways_to_end_a_lease
def test_a_holder_that_is_too_late_does_not_end_the_lease_of_the_next_holder(url, database, end):
    late, other = acquire_lease(database), connect(url)
    acquire_lease(other, NOW + LEASE)
    known = end_lease(database, late, end, retry=NOW + HOUR)
    last = NOW + 2 * LEASE - MICROSECOND
    assert acquire(other, last, known=known) == HeldByOther(NOW + LEASE)
    acquire_lease(other, NOW + 2 * LEASE, known=known)


def test_a_holder_that_is_too_late_does_not_save_over_a_newer_edition(url, database):
    other, known = connect(url), None
    for etag in ("first", "second"):
        late = acquire_lease(database, known=known)
        newer = save(other, acquire_lease(other, NOW + LEASE, known=known), known, etag=etag)
        assert save(database, late, known, etag="older") is None
        assert other.read("harbor") == newer
        known = newer


def test_a_holder_that_is_too_late_changes_nothing_of_a_remembered_failure(database):
    late, retry = acquire_lease(database), NOW + LEASE + MINUTE
    database.fail(acquire_lease(database, NOW + LEASE), InvalidResponse(), retry)
    database.release(late)
    database.fail(late, UpstreamTimeout(), NOW + HOUR)
    obstacle = acquire(database, retry - MICROSECOND)
    assert (type(obstacle), obstacle.retry_at) == (InvalidResponse, retry)
    acquire_lease(database, retry)


@pytest.mark.parametrize("error", UPSTREAM_ERRORS.values())
def test_a_failure_is_remembered_by_all_processes_until_it_can_be_retried(url, database, error):
    retry = NOW + FAILURE_CACHED_FOR
    database.fail(acquire_lease(database), error(), retry)
    for now in (NOW, NOW + LEASE, retry - MICROSECOND):
        obstacle = acquire(connect(url), now)
        assert (type(obstacle), obstacle.retry_at) == (error, retry)
    database.release(acquire_lease(connect(url), retry))
    acquire_lease(database, NOW + SECOND)  # it is forgotten with the next lease


def refuse(database, lease):
    database.fail(lease, Forbidden(), NOW, refused=True)


@pytest.mark.parametrize(("end", "count"), [("save", 0), ("fail", 2), ("release", 2)])
def test_refusals_of_an_event_are_counted_until_a_save(url, database, end, count):
    for refusals in range(2):
        lease = acquire_lease(connect(url))
        assert lease.refusals == refusals
        refuse(database, lease)
    known = end_lease(database, acquire_lease(database), end)
    assert acquire_lease(database, known=known).refusals == count


def test_a_holder_that_is_too_late_counts_no_refusal(database):
    late = acquire_lease(database)
    last = acquire_lease(database, NOW + LEASE)
    refuse(database, late)
    database.release(last)
    assert acquire_lease(database, NOW + LEASE).refusals == 0


def test_refusals_are_kept_while_rows_of_other_ids_are_deleted(url, database):
    refuse(database, acquire_lease(database))
    database.fail(acquire_lease(database, event_id="guess"), EventNotFound(), NOW)
    later = acquire_lease(database, NOW + HOUR, event_id="lakefront")
    database.fail(later, EventNotFound(), NOW + HOUR + UNKNOWN_CACHED_FOR)
    assert list_stored_ids(url) == {"harbor", "lakefront"}
    assert acquire_lease(database, NOW + HOUR).refusals == 1


def test_a_403_is_noted_until_a_save_with_a_lease_or_until_the_upstream_was_closed(url, database):
    assert not database.note_forbidden("harbor")
    assert not connect(url).note_forbidden("harbor")
    assert connect(url).note_forbidden("lakefront")
    known = save(database, None)
    assert database.note_forbidden("lakefront")
    assert save(database, acquire_lease(database, known=known), known)
    assert not database.note_forbidden("lakefront")
    database.close_upstream(NOW + MINUTE, Forbidden(), NOW, MINUTE)
    assert not database.note_forbidden("harbor")


def note_together(url, event_id, start, noted):
    database = connect(url)
    start.wait(PATIENCE)
    noted.put(database.note_forbidden(event_id))


def test_one_of_two_processes_that_note_a_403_at_once_learns_of_both(url, database):
    start, noted = processes.Barrier(2), processes.Queue()
    run_processes(note_together, *[(url, id_, start, noted) for id_ in ("harbor", "lakefront")])
    assert sorted(noted.get(timeout=PATIENCE) for _ in range(2)) == [False, True]


def test_a_failure_too_far_in_the_future_is_ignored(database):
    latest = NOW + UNKNOWN_CACHED_FOR + MAX_CLOCK_SKEW
    database.fail(acquire_lease(database), EventNotFound(), latest)
    assert isinstance(acquire(database), EventNotFound)
    acquire_lease(database, NOW - MICROSECOND)


@pytest.mark.parametrize(
    ("at", "retry"),
    [(NOW + LEASE - MICROSECOND, NOW + LEASE + UNKNOWN_CACHED_FOR), (NOW + DAY, NOW + MINUTE)],
    ids=["later", "before the clock was set back"],
)
def test_a_failure_keeps_the_leases_of_other_events(database, at, retry):
    failing = acquire_lease(database, at)
    acquire_lease(database, event_id="lakefront")
    database.fail(failing, EventNotFound(), retry)
    assert acquire(database, NOW + SECOND, event_id="lakefront") == HeldByOther(NOW)


def test_an_id_for_which_no_call_is_left_is_not_stored(url, database):
    one_call = Rate(1, DAY, 1).quota_for(Priority.URGENT)
    acquire_lease(database, quota=one_call)
    assert isinstance(acquire(database, event_id="guess", quota=one_call), QuotaExhausted)
    assert list_stored_ids(url) == {"harbor"}


def test_unknown_ids_are_deleted_with_the_first_failure_after_their_time(url, database):
    for event_id in ("guess-1", "guess-2"):
        guess = acquire_lease(database, event_id=event_id)
        database.fail(guess, EventNotFound(), NOW + UNKNOWN_CACHED_FOR)
    for now, event_id, stored in (
        (NOW + UNKNOWN_CACHED_FOR - MICROSECOND, "harbor", {"guess-1", "guess-2", "harbor"}),
        (NOW + UNKNOWN_CACHED_FOR, "lakefront", {"harbor", "lakefront"}),
    ):
        lease = acquire_lease(database, now, event_id=event_id)
        database.fail(lease, UpstreamUnavailable(), NOW + HOUR)
        assert list_stored_ids(url) == stored


def test_no_lease_is_acquired_for_an_edition_that_is_not_the_last_one(url, database):
    first = save(database, None)
    assert acquire(database) is None
    second = save(database, None, first, etag="second")
    assert acquire(database, known=first) is None
    acquire_lease(database, known=second)
    database.release(acquire_lease(database, NOW + LEASE, known=second))
    execute(url, sa.delete(events))
    assert acquire(database, known=second) is None
    assert save(database, acquire_lease(database))


def test_an_edition_that_is_saved_just_before_the_lease_is_written_prevents_it(url, database):
    with before_the_next_write(lambda: save(connect(url), None)):
        assert acquire(database) is None
    acquire_lease(database, known=database.read("harbor"))
    assert count_calls_left(database) == QUOTA.bucket.capacity - 1


@pytest.mark.parametrize("fails", [False, True], ids=["lease", "failure"])
def test_a_lease_or_a_failure_of_just_before_the_lease_is_written_prevents_it(url, database, fails):
    def act():
        lease = acquire_lease(connect(url))
        if fails:
            database.fail(lease, UpstreamTimeout(), NOW + MINUTE)

    with before_the_next_write(act):
        assert acquire(database) == HeldByOther(NOW)
    assert isinstance(acquire(database), UpstreamTimeout if fails else HeldByOther)
    assert count_calls_left(database) == QUOTA.bucket.capacity - 1


def acquire_each(url, ids, start, acquired):
    """Try to acquire the lease of each event, in an order of this process's own."""
    database = connect(url)
    ids = random.Random(os.getpid()).sample(ids, len(ids))
    start.wait(PATIENCE)
    acquired.put([id_ for id_ in ids if isinstance(acquire(database, event_id=id_), Lease)])


def test_one_of_many_processes_that_want_a_lease_at_once_gets_it(url, database):
    ids = [f"event-{number:02}" for number in range(20)]
    start, acquired = processes.Barrier(4), processes.Queue()
    run_processes(acquire_each, *[(url, ids, start, acquired)] * 4)
    assert sorted(id_ for _ in range(4) for id_ in acquired.get(timeout=PATIENCE)) == ids
    assert count_calls_left(database) == QUOTA.bucket.capacity - len(ids)

"""From an answer to a saved edition: 304, deploys, lifetimes, removals, what cannot be saved."""

from datetime import datetime, timedelta

import pytest

from feeds.domain.model import Kind
from feeds.errors import InvalidResponse, StorageUnavailable
from feeds.sandbox import SANDBOX_KEY
from feeds.upstream.client import FetchResult, IntervalsClient
from tests.support.processes import PATIENCE, START
from tests.support.workers import (
    HOUR,
    SECOND,
    change_database,
    get_hour,
    list_changes,
    wait_for,
)

FAR_DAY = "2026-08-01"


class UnchangedClient(IntervalsClient):
    """A client to which every document is unchanged."""

    def fetch(self, *_):
        return FetchResult(None, None)


@pytest.fixture(params=["locked", "missing"])
def break_database(request, hold_lock, remove_database):
    """Have the database locked or missing until the end of a block."""
    return hold_lock if request.param == "locked" else remove_database


@pytest.fixture
def measure_lifetime(worker, upstream, clock):
    """Measure the seconds for which a new edition of a race is fresh."""

    def measure_lifetime(day=FAR_DAY, worker=worker, **fields):
        upstream.publish("race", day)
        upstream.edit_run("race", **fields)
        return worker.get_max_age("race")

    return measure_lifetime


def test_times_are_whole_seconds(worker, clock):
    clock.now = datetime.fromisoformat("2026-05-20T12:00:00.987654+00:00")
    edition = worker.get_edition()
    assert edition.fetched == START
    assert worker.read_stored() == edition


def test_a_304_renews_the_edition_as_it_is(worker, upstream, clock):
    before = worker.get_edition()
    for _ in range(3):
        clock.advance(hours=1)
        after = worker.get_edition()
        assert after.event is before.event  # nothing was decoded
        assert (after.fetched, worker.get_max_age()) == (clock(), 3600)
        assert (after.revisions, after.changes) == (before.revisions, ())
    assert upstream.statuses == [200, 304, 304, 304]
    assert worker.read_stored().fetched == clock()


def test_an_etag_is_kept_through_a_failure(worker, upstream, clock):
    worker.poll()
    clock.advance(hours=1)
    upstream.answer(500, "text/plain", "")
    assert worker.poll().failed
    upstream.instead = None
    clock.advance(minutes=1)
    assert not worker.poll().failed
    assert upstream.statuses == [200, 500, 304]


def test_a_304_for_an_event_that_is_not_known_is_an_invalid_response(start_worker, upstream):
    with pytest.raises(InvalidResponse):
        start_worker(source=UnchangedClient(upstream.url, SANDBOX_KEY)).poll()


def test_of_runs_with_one_id_the_first_is_taken_and_that_is_logged_once(
    start_worker, upstream, clock, caplog
):
    upstream.publish("echo", "2026-06-13")
    document = upstream.document("echo")
    document["runs"] += [document["runs"][0] | {"startTime": "15:00"}]
    upstream.put("echo", document)
    workers = start_worker(), start_worker()
    for _ in range(3):
        for worker in workers:
            edition = worker.get_edition("echo")
            assert (len(edition.event.runs), get_hour(edition)) == (1, 12)
            assert edition.changes == ()
        clock.advance(hours=2)
    assert len([line for line in caplog.messages if "echo-1 is listed twice" in line]) == 1


@pytest.mark.parametrize(
    ("day", "seconds"),
    [("2026-08-01", 3600), ("2026-05-22", 900), ("2026-05-21", 300), ("2026-05-01", 86400)],
)
def test_an_edition_is_fresh_for_the_max_age_of_its_phase(measure_lifetime, worker, day, seconds):
    assert measure_lifetime(day) == seconds
    assert worker.poll("race").max_age == seconds * SECOND


def test_an_edition_expires_when_the_next_phase_begins(measure_lifetime, worker, clock):
    clock.advance(hours=4, minutes=50)
    assert measure_lifetime("2026-06-03") == 600
    clock.advance(minutes=10)
    assert worker.get_max_age("race") == 900


def test_an_edition_is_fresh_for_the_longest_max_age_that_is_set(start_worker, measure_lifetime):
    assert measure_lifetime(worker=start_worker(cap=10 * SECOND)) == 10


@pytest.mark.parametrize("field", ["registrationOpensAt", "registrationClosesAt"])
def test_an_edition_expires_when_registration_opens_or_closes(
    measure_lifetime, worker, clock, field
):
    assert measure_lifetime(**{field: "2026-05-20T12:10:00Z"}) == 600
    clock.advance(minutes=10)
    assert worker.get_max_age("race") == 3600


def test_an_edition_does_not_expire_when_registration_of_a_sold_out_run_closes(measure_lifetime):
    assert measure_lifetime(registrationClosesAt="2026-05-20T12:10:00Z", soldOut=True) == 3600


def test_an_edition_expires_when_a_run_has_been_unlisted_for_30_days(worker, upstream, clock):
    upstream.publish("race", FAR_DAY, "2026-08-02")
    worker.poll("race")
    upstream.publish("race", FAR_DAY)
    clock.advance(hours=1)
    unlisted = clock()
    assert worker.get_edition("race").event.runs[1].unlisted == unlisted
    clock.now = unlisted + timedelta(days=30, minutes=-10)
    assert worker.get_max_age("race") == 600
    clock.advance(minutes=10)
    assert worker.get_max_age("race") == 3600


def test_an_emptied_list_of_runs_is_confirmed_by_a_whole_document_a_minute_later(
    worker, upstream, clock, caplog
):
    worker.poll()
    upstream.put("harbor", upstream.document("harbor") | {"runs": []})
    clock.advance(hours=2)
    assert worker.get_edition().pending
    assert worker.get_max_age() == 60
    assert "event harbor may be emptied; asking again" in caplog.messages
    clock.advance(seconds=60)
    edition = worker.get_edition()
    assert (edition.event.runs[0].unlisted, edition.pending) == (clock(), None)
    assert upstream.statuses == [200] * 3


def test_an_event_that_is_gone_is_asked_for_every_hour_and_can_return(worker, upstream, clock):
    worker.poll()
    document = upstream.document("harbor")
    upstream.delete("harbor")
    clock.advance(hours=2)
    assert worker.get_edition().pending
    clock.advance(minutes=1)
    assert worker.get_edition().gone == clock()
    assert worker.get_max_age() == 3600
    clock.advance(hours=1)
    assert worker.get_edition().gone == clock() - HOUR
    upstream.put("harbor", document)
    clock.advance(hours=1)
    edition = worker.get_edition()
    assert edition.gone is None
    kinds = [kind for kind, _ in list_changes(edition)]
    assert kinds == [Kind.NO_LONGER_LISTED, Kind.REINSTATED]


def test_a_404_proves_nothing_once_the_key_is_of_another_organization(worker, upstream, clock):
    before = worker.get_edition()
    upstream.delete("harbor")
    upstream.give_key_to("another")
    clock.advance(hours=2)
    entry = worker.poll()
    assert (entry.edition, entry.failed, entry.edition.pending) == (before, True, None)


def test_a_deploy_that_changes_no_bytes_moves_no_revision(start_worker, upstream, clock):
    before = start_worker().get_edition()
    clock.advance(minutes=1)
    worker = start_worker(fingerprint="next")
    after = worker.get_edition()
    assert (after.revisions, after.changes, after.fetched) == (
        before.revisions,
        before.changes,
        before.fetched,
    )
    assert worker.read_stored().deployment == "next"
    assert upstream.asked == ["harbor"]


def test_a_deploy_that_changes_bytes_moves_revisions_once_without_a_call(
    start_worker, upstream, clock
):
    before = start_worker().get_edition()
    clock.advance(minutes=1)
    settings = {"fingerprint": "next", "timezone": "Europe/Paris"}
    after = start_worker(**settings).get_edition()
    assert after.revisions["harbor-1"].last_modified == clock()
    assert {revision.created for revision in after.revisions.values()} == {START}
    assert before.revisions.keys() == after.revisions.keys()
    clock.advance(minutes=1)
    assert start_worker(**settings).get_edition() == after
    assert upstream.asked == ["harbor"]


def test_the_first_request_after_a_deploy_asks_for_the_whole_document(
    start_worker, upstream, clock
):
    start_worker().poll()
    worker = start_worker(fingerprint="next")
    for _ in range(2):
        clock.advance(hours=2)
        worker.poll()
    assert upstream.statuses == [200, 200, 304]


def test_two_deployments_on_one_database_do_not_save_against_each_other(start_worker, clock):
    workers = start_worker(), start_worker(fingerprint="next")
    for _ in range(10):
        for worker in workers:
            worker.poll()
        clock.advance(seconds=3)
    assert workers[0].read_stored().version <= 2


def test_the_last_edition_is_served_without_a_call_while_nothing_can_be_saved(
    short_lock_timeout, worker, upstream, clock, break_database
):
    before = worker.get_edition()
    upstream.edit_run(soldOut=True)
    with break_database():
        for _ in range(3):
            clock.advance(hours=2)
            entry = worker.poll()
            assert (entry.edition, entry.failed) == (before, True)
            assert worker.get_max_age() == 60
    assert upstream.asked == ["harbor"]
    clock.advance(seconds=2)
    entry = worker.poll()
    assert not entry.failed
    assert list_changes(entry.edition) == [(Kind.SOLD_OUT, clock())]
    assert worker.read_stored() == entry.edition


def test_a_new_event_is_not_asked_for_while_nothing_can_be_saved(
    short_lock_timeout, worker, upstream, hold_lock
):
    with hold_lock(), pytest.raises(StorageUnavailable):
        worker.poll()
    assert upstream.calls == []
    assert worker.get_edition().event.name == "Harbor"


def test_an_edition_that_was_fetched_and_cannot_be_saved_is_not_served(
    worker, upstream, clock, threads, set_max_wait, remove_database
):
    before = worker.get_edition()
    upstream.edit_run(soldOut=True)
    clock.advance(hours=2)
    with upstream.held() as gate:
        polling = threads.submit(worker.poll)
        gate.await_one()
        with remove_database():
            gate.release(0)
            assert wait_for(polling) == before
    set_max_wait(0.2)
    clock.advance(seconds=2)
    assert worker.get_edition() == before  # while the lease lasts
    set_max_wait(PATIENCE)
    clock.advance(seconds=10)
    assert list_changes(worker.get_edition()) == [(Kind.SOLD_OUT, clock())]


def test_an_edition_that_the_database_has_lost_is_saved_again_from_memory(
    worker, upstream, clock, tmp_path
):
    worker.poll()
    clock.advance(hours=2)
    upstream.edit_run(eventStatus="cancelled")
    before = worker.get_edition()
    change_database(
        tmp_path, *(f"DELETE FROM {each}" for each in ("events", "revisions", "changes"))
    )
    clock.advance(hours=2)
    entry = worker.poll()
    assert not entry.failed
    assert upstream.statuses[-1] == 304
    stored = worker.read_stored()
    assert (stored.changes, stored.revisions) == (before.changes, before.revisions)
    assert entry.edition == stored


def test_an_edition_that_is_damaged_in_the_database_is_replaced_from_memory(
    start_worker, clock, tmp_path
):
    worker, other = start_worker(), start_worker()
    edition = worker.get_edition()
    change_database(tmp_path, "UPDATE events SET document = zeroblob(200)")
    with pytest.raises(StorageUnavailable):
        other.poll()
    clock.advance(hours=2)
    assert worker.get_edition().event == edition.event
    assert start_worker().editions.list_events() == [edition.event]


def test_an_edition_that_is_not_saved_after_five_attempts_is_not_served(
    worker, upstream, clock, tmp_path
):
    worker.poll()
    change_database(
        tmp_path,
        "CREATE TRIGGER ignored BEFORE UPDATE OF document ON events"
        " BEGIN SELECT RAISE(IGNORE); END",
    )
    upstream.edit_run(eventStatus="cancelled")
    clock.advance(hours=2)
    entry = worker.poll()
    assert entry.failed
    assert entry.edition.event.runs[0].status == "scheduled"
    assert upstream.asked == ["harbor", "harbor"]
    change_database(tmp_path, "DROP TRIGGER ignored")
    clock.advance(seconds=10)  # the lease has ended
    assert worker.get_edition().event.runs[0].status == "cancelled"

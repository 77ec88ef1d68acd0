"""From an answer to a saved edition: 304, deploys, lifetimes, removals, what cannot be saved."""

from datetime import datetime

import pytest

from feeds.domain.model import Kind
from feeds.errors import InvalidResponse
from feeds.sandbox import SANDBOX_KEY
from feeds.upstream.client import FetchResult, IntervalsClient
from tests.support.clock import START
from tests.support.waiting import PATIENCE
from tests.support.workers import change_database, list_changes, wait_for


class UnchangedClient(IntervalsClient):
    """A client to which every document is unchanged."""

    def fetch(self, *_):
        return FetchResult(None, None)


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


def test_a_removal_is_confirmed_by_whole_documents_and_logged_once(worker, upstream, clock, caplog):
    worker.poll()
    document = upstream.document("harbor")
    upstream.put("harbor", document | {"runs": []})
    clock.advance(hours=2)
    for minutes, max_age in ((0, 60), (1, 300), (5, 900), (15, 900)):
        clock.advance(minutes=minutes)
        edition = worker.get_edition()
        assert (edition.event.runs[0].unlisted, edition.etag) == (None, None)
        assert worker.get_max_age() == max_age
    clock.advance(minutes=15)
    assert worker.get_edition().event.runs[0].unlisted == clock()
    assert worker.get_max_age() == 3600
    assert caplog.messages == ["event harbor: the answer lacks some of its runs; asking again"]
    clock.advance(hours=1)
    worker.poll()
    assert upstream.statuses == [*[200] * 6, 304]


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
    tokens = set()
    for _ in range(10):
        tokens |= {worker.get_edition().token for worker in workers}
        clock.advance(seconds=3)
    assert len(tokens) == 2


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


def test_an_answer_is_stamped_with_the_second_of_its_save(worker, upstream, clock, threads):
    worker.poll()
    clock.advance(hours=2)
    asked = clock()
    upstream.edit_run(eventStatus="cancelled")
    with upstream.held() as gate:
        polling = threads.submit(worker.poll)
        gate.await_one()
        clock.advance(seconds=5)
        gate.release(0)
        edition = wait_for(polling)
    assert (edition.fetched, edition.modified) == (asked, clock())
    assert list_changes(edition) == [(Kind.CANCELLED, clock())]
    assert edition.revisions["harbor-1"].last_modified == clock()


def test_a_save_of_this_process_is_not_read_again(worker, upstream, clock, start_worker):
    for seconds in (0, 7200, 7200):
        clock.advance(seconds=seconds)
        upstream.edit_run(soldOut=bool(seconds))
        entry = worker.poll()
        for _ in range(3):
            clock.advance(seconds=2)
            assert worker.poll() is entry
    start_worker().refresh_in_background()
    clock.advance(seconds=2)
    assert worker.poll() is not entry


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

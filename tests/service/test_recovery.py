"""A database that went back, was emptied, or has a row that cannot be read, under processes."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from feeds.store.tables import events
from tests.support.clock import Clock
from tests.support.databases import ENGINES, execute, put_back, read_tables
from tests.support.workers import get_hour

RUN = "harbor-1"


@pytest.fixture(params=ENGINES)
def database_url(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/feeds.sqlite3"


def back_up(url, folder):
    """Back the database up; the result restores it: the whole file, or the rows in a server."""
    if "postgresql" in url:
        tables = read_tables(url)
        return lambda: put_back(url, tables)
    path, copy = Path(url.removeprefix("sqlite:///")), folder / "copy"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)

    def restore():
        for suffix in ("-wal", "-shm"):
            path.with_name(f"{path.name}{suffix}").unlink()
        copy.rename(path)

    return restore


class Processes:
    """Processes on one database; no stamp that one of them has served falls."""

    def __init__(self, clock, *workers):
        self.workers, self._clock = workers, clock
        self._served = {}

    def poll(self, *workers):
        """The edition that one of these processes, or of all, serves."""
        for worker in workers or self.workers:
            edition = worker.get_edition()
            last = self._served.setdefault(worker, edition)
            assert_stamps_are_above(edition, last)
            self._served[worker] = edition
        return edition

    def poll_until_alike(self):
        """The edition that all processes serve after 5 s."""
        for _ in range(2):
            self.poll()
            self._clock.advance(seconds=2.4)
        edition = self.poll()
        assert all(served == edition for served in self._served.values())
        assert self.workers[0].read_stored() == edition
        return edition


def assert_stamps_are_above(edition, last):
    """No stamp has fallen since ``last``; other bytes have another Last-Modified."""
    now, was = edition.revisions[RUN], last.revisions[RUN]
    assert now.created == was.created
    assert (now.sequence, now.last_modified) >= (was.sequence, was.last_modified)
    assert now.last_modified >= was.last_modified
    assert now.last_modified > was.last_modified or now.content == was.content
    assert now.sequence > was.sequence or now.schedule == was.schedule
    assert edition.modified >= last.modified
    assert edition.modified > last.modified or edition.changes == last.changes


@pytest.mark.parametrize("undone", [False, True], ids=["kept", "undone"])
@pytest.mark.parametrize("others", [0, 2], ids=["one process", "three processes"])
@pytest.mark.parametrize("emptied", [False, True], ids=["lost", "emptied"])
@pytest.mark.parametrize("own", [False, True], ids=["save of another", "own save"])
def test_processes_are_alike_and_no_stamp_falls_after_the_database_has_lost_saves(
    start_worker, upstream, clock, database_url, tmp_path, own, emptied, others, undone
):
    first = start_worker(cap=timedelta(minutes=10))  # the others keep an edition for an hour
    processes = Processes(clock, first, *(start_worker() for _ in range(others)))
    restore_empty = back_up(database_url, tmp_path)
    processes.poll_until_alike()
    restore = restore_empty if emptied else back_up(database_url, tmp_path)
    upstream.edit_run(startTime="13:00")
    if own:
        clock.advance(minutes=20)
    else:
        start_worker().refresh_in_background()
        clock.advance(seconds=2)
    lost = processes.poll(first)
    assert get_hour(lost) == 13
    restore()
    if undone:
        upstream.edit_run(startTime="12:00")
    clock.advance(seconds=2)
    processes.poll_until_alike()
    clock.advance(hours=2)
    assert get_hour(processes.poll_until_alike()) == 13 - undone
    upstream.edit_run(startTime="15:00")
    clock.advance(hours=2)
    edition = processes.poll_until_alike()
    assert_stamps_are_above(edition, lost)
    told = [change.now.start[-8:-3] for change in edition.changes]
    assert told == ["13:00", *(["12:00"] if undone else []), "15:00"]
    assert start_worker().get_edition() == edition


def test_a_new_run_whose_save_was_lost_is_not_removed_without_proof(
    start_worker, upstream, clock, database_url, tmp_path
):
    process = start_worker()
    process.poll()
    restore = back_up(database_url, tmp_path)
    document = upstream.document("harbor")
    (run,) = document["runs"]
    upstream.put("harbor", document | {"runs": [run, run | {"_id": "new"}]})
    clock.advance(hours=2)
    assert len(process.get_edition().event.runs) == 2
    restore()
    upstream.put("harbor", document | {"runs": [run | {"soldOut": True}]})
    clock.advance(seconds=1)
    start_worker().refresh_in_background()
    processes = Processes(clock, process, start_worker())
    for _ in range(3):
        shown = {each.id: each.unlisted for each in processes.poll_until_alike().event.runs}
        assert shown == {RUN: None, "new": None}
        clock.advance(hours=1)
    clock.advance(days=1)
    assert processes.poll_until_alike().event.runs[1].unlisted


def remove_a_run(process, upstream, clock):
    """Have a process prove a removal; returns the documents without and with the run."""
    document = upstream.document("harbor")
    (run,) = document["runs"]
    both = document | {"runs": [run, run | {"_id": "other", "date": "2026-12-24"}]}
    upstream.put("harbor", both)
    process.get_edition()
    upstream.put("harbor", document)
    for _ in range(4):
        clock.advance(hours=26)
        process.get_edition()
    return document, both


def test_a_run_that_is_listed_again_stays_so_after_the_database_has_lost_that(
    start_worker, upstream, clock, database_url, tmp_path
):
    """The last answer lacks the run as well, but it is not complete, so it proves nothing."""
    process = start_worker()
    document, both = remove_a_run(process, upstream, clock)
    assert process.get_edition().event.runs[1].unlisted
    restore = back_up(database_url, tmp_path)
    upstream.put("harbor", both)
    clock.advance(hours=2)
    assert process.get_edition().event.runs[1].unlisted is None
    restore()
    sold_out = both["runs"][0] | {"soldOut": True}
    upstream.put("harbor", document | {"runs": [sold_out, {"no": "id"}]})
    clock.advance(hours=2)
    start_worker().refresh_in_background()
    processes = Processes(clock, process, start_worker())
    for _ in range(2):
        edition = processes.poll_until_alike()
        assert [each.unlisted for each in edition.event.runs] == [None, None]
        told = [change.kind.value for change in edition.changes]
        assert told == ["no-longer-listed", "reinstated", "sold-out"]
        clock.advance(hours=2)
    upstream.put("harbor", document)
    for _ in range(4):
        clock.advance(hours=26)
        edition = processes.poll_until_alike()
    assert edition.event.runs[1].unlisted
    assert edition.changes[-1].kind.value == "no-longer-listed"


def test_the_answers_that_lack_a_run_since_its_return_count_after_the_database_has_lost_that(
    start_worker, upstream, clock, database_url, tmp_path
):
    process = start_worker()
    document, both = remove_a_run(process, upstream, clock)
    restore = back_up(database_url, tmp_path)
    for served in (both, document):
        upstream.put("harbor", served)
        clock.advance(hours=2)
        process.get_edition()
    pending = process.get_edition().pending
    assert list(pending) == ["other"]
    restore()
    sold_out = both["runs"][0] | {"soldOut": True}
    upstream.put("harbor", document | {"runs": [sold_out]})
    start_worker().refresh_in_background()
    clock.advance(seconds=3)
    merged = process.get_edition()
    assert merged.changes[-1].kind.value == "sold-out"
    assert merged.pending == pending


def test_404s_from_before_a_run_was_listed_again_prove_nothing_after_the_database_has_lost_that(
    start_worker, upstream, clock, database_url, tmp_path
):
    process = start_worker()
    _, both = remove_a_run(process, upstream, clock)
    upstream.delete("harbor")
    for _ in range(2):
        clock.advance(hours=26)
        process.get_edition()
    restore = back_up(database_url, tmp_path)
    upstream.put("harbor", both)
    clock.advance(hours=2)
    assert process.get_edition().event.runs[1].unlisted is None
    restore()
    upstream.delete("harbor")
    clock.advance(hours=2)
    other = start_worker()
    assert other.get_edition().gone
    processes = Processes(clock, process, other)
    for _ in range(3):
        assert processes.poll_until_alike().event.runs[1].unlisted is None
        clock.advance(hours=2)
    assert processes.poll_until_alike().event.runs[1].unlisted


def test_a_row_that_cannot_be_read_is_fetched_again_above_its_stamps(
    start_worker, upstream, clock, database_url
):
    ahead = Clock(clock() + timedelta(hours=9))
    early = start_worker(clock=ahead)
    for status in ("scheduled", "cancelled", "scheduled"):
        upstream.edit_run(eventStatus=status)
        known = early.get_edition()
        ahead.advance(hours=2)
    execute(database_url, sa.update(events).values(document=b'{"id": "har'))
    ahead.now = clock()  # the clock was set back: the stamps lie ahead
    upstream.edit_run(eventStatus="cancelled")
    processes = Processes(ahead, start_worker(clock=ahead), early)
    edition = processes.poll_until_alike()
    assert upstream.statuses == [200] * 4
    assert_stamps_are_above(edition, known)
    assert edition.changes[:2] == known.changes

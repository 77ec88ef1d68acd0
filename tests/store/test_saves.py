"""What processes learn from each other: saved events, polled events, events that are due."""

from datetime import timedelta

import pytest
from msgspec import structs

from feeds.domain.freshness import LEASE, POLLED_WITHIN
from feeds.domain.quota import Priority, Rate
from feeds.errors import UpstreamUnavailable
from tests.support.databases import connect, processes, put_back, read_tables
from tests.support.factories import NOW, an_edition, an_event
from tests.support.waiting import PATIENCE

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUOTA = Rate(1000, MINUTE, 500).quota_for(Priority.URGENT)


def save(database, *ids, starts=NOW + DAY, due=NOW, polled=NOW, **fields):
    for id_ in ids:
        known = database.read(id_)
        edition = structs.replace(known or an_edition(an_event(id=id_)), **fields)
        assert database.save(known, edition, (starts, starts + HOUR), due, polled=polled)


def look(database, last=None):
    return database.read_saves(last, NOW)


def test_the_saves_of_all_processes_are_read_with_the_tokens_of_the_last_ones(url, database):
    looks = [look(database)]
    assert look(database, looks[0]).saved == {}
    for process, ids in ((database, "ab"), (connect(url), "bc"), (database, "")):
        save(process, *ids)
        looks.append(look(database, looks[-1]))
    tokens = {id_: database.read(id_).token for id_ in "abc"}
    both = look(database, looks[0])
    assert (both.saved, both.polled) == (tokens, 3)
    assert looks[2].saved.items() >= {(id_, tokens[id_]) for id_ in "bc"}
    assert (looks[3].saved, looks[3].complete) == ({}, False)
    first = look(database)  # this process knows no save
    assert (first.saved, first.complete) == (tokens, True)


def test_all_events_are_read_if_the_newest_save_is_not_there_any_more(database):
    save(database, "a", "b")
    last = look(database)
    save(database, "a")
    assert look(database, last).saved.keys() == {"a"}
    save(database, "b")
    assert look(database, last).saved.keys() == {"a", "b"}
    assert look(database, last).complete


@pytest.mark.parametrize("later", ["", "aa", "aaa", "aba", "abc", "cab"])
def test_all_events_count_as_saved_after_the_database_went_back(url, database, later):
    save(database, "a")
    before = read_tables(url)
    save(database, "b", "c")
    last = look(database)
    put_back(url, before)
    save(connect(url), *later)
    after = look(database, last)
    assert after.complete
    assert after.saved.keys() == {"a", *later}


def save_often(url, id_, start):
    database = connect(url)
    start.wait(PATIENCE)
    for _ in range(40):
        save(database, id_)


def test_no_save_gets_a_number_that_readers_have_already_passed(url, database):
    ids = {f"event-{number}" for number in range(3)}
    start = processes.Barrier(3)
    writers = [processes.Process(target=save_often, args=(url, id_, start)) for id_ in ids]
    for writer in writers:
        writer.start()
    last = look(database)
    tokens: dict[str, str] = {}
    while last.number < 3 * 40:
        running = any(writer.is_alive() for writer in writers)
        last = look(database, last)
        tokens |= last.saved
        assert running or last.number == 3 * 40
    for writer in writers:
        writer.join(PATIENCE)
        assert writer.exitcode == 0
    assert tokens == {id_: database.read(id_).token for id_ in ids}


def test_events_that_were_polled_within_a_week_are_counted(database):
    save(database, "now")
    save(database, "a-week-ago", polled=NOW - POLLED_WITHIN)
    save(database, "longer-ago", polled=NOW - POLLED_WITHIN - SECOND)
    save(database, "never", "later", polled=None)
    save(database, "later")  # its row is there already: the poll is not stored
    assert look(database).polled == 2
    database.mark_polled({"never", "unknown"}, NOW)
    assert look(database).polled == 3


def test_polled_events_are_due_the_nearest_first_and_past_events_last(database):
    save(database, "later", starts=NOW + 30 * DAY)
    save(database, "over", starts=NOW - DAY)
    save(database, "soon")
    save(database, "fresh", due=NOW + SECOND)
    save(database, "unpolled", polled=NOW - POLLED_WITHIN - SECOND)
    save(database, "gone", gone=NOW)
    assert database.list_due(NOW, 10) == ["soon", "later", "over"]
    assert database.list_due(NOW, 2) == ["soon", "later"]
    assert database.list_due(NOW + SECOND, 10)[:2] == ["fresh", "soon"]


def test_events_that_are_leased_or_have_failed_are_not_due(database):
    save(database, "failing", "leased", "free")
    lease = database.acquire("failing", database.read("failing").token, QUOTA, NOW)
    database.fail(lease, UpstreamUnavailable(), NOW + MINUTE)
    database.acquire("leased", database.read("leased").token, QUOTA, NOW)
    assert database.list_due(NOW + SECOND, 10) == ["free"]
    assert database.list_due(NOW + LEASE, 10) == ["free", "leased"]
    assert database.list_due(NOW + MINUTE, 10) == ["failing", "free", "leased"]

"""What processes learn from each other: saved events, polled events, events that are due."""

from datetime import timedelta

from msgspec import structs

from feeds.domain.freshness import LEASE, POLLED_WITHIN
from feeds.domain.quota import Priority, Rate
from feeds.errors import UpstreamUnavailable
from feeds.store.database import Saves
from tests.support.databases import connect, processes
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


def test_a_new_database_has_no_saves(database):
    assert database.read_saves(0, NOW) == Saves(0, frozenset(), 0)


def test_all_events_count_as_saved_for_a_process_that_knows_no_save(database):
    save(database, "a")
    assert database.read_saves(None, NOW) == Saves(1, None, 1)


def test_all_events_count_as_saved_after_a_backup_was_restored(database):
    save(database, "a")
    assert database.read_saves(2, NOW).saved is None
    assert database.read_saves(1, NOW).saved == frozenset()


def test_the_saves_of_all_processes_are_read(url, database):
    save(database, "a", "b")
    save(connect(url), "b", "c")
    assert database.read_saves(0, NOW) == Saves(4, frozenset("abc"), 3)
    assert database.read_saves(2, NOW) == Saves(4, frozenset("bc"), 3)
    assert database.read_saves(4, NOW) == Saves(4, frozenset(), 3)


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
    number, last_versions = 0, dict.fromkeys(ids, 0)
    while number < 3 * 40:
        running = any(writer.is_alive() for writer in writers)
        saves = database.read_saves(number, NOW)
        number = saves.number
        last_versions |= {id_: database.read(id_).version for id_ in saves.saved}
        assert running or number == 3 * 40
    for writer in writers:
        writer.join(PATIENCE)
        assert writer.exitcode == 0
    assert last_versions == dict.fromkeys(ids, 40)


def test_events_that_were_polled_within_a_week_are_counted(database):
    save(database, "now")
    save(database, "a-week-ago", polled=NOW - POLLED_WITHIN)
    save(database, "longer-ago", polled=NOW - POLLED_WITHIN - SECOND)
    save(database, "never", polled=None)
    assert database.read_saves(None, NOW).polled == 2


def test_known_events_are_marked_as_polled(database):
    save(database, "a", "b", polled=None)
    database.mark_polled({"a", "unknown"}, NOW)
    assert database.read_saves(None, NOW).polled == 1
    assert database.list_due(NOW, 10) == ["a"]


def test_a_poll_that_is_passed_with_a_later_edition_is_not_stored(database):
    save(database, "a", polled=None)
    save(database, "a", polled=NOW)
    assert database.read_saves(None, NOW).polled == 0


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
    lease = database.acquire("failing", database.read("failing"), QUOTA, NOW)
    database.fail(lease, UpstreamUnavailable(), NOW + MINUTE)
    database.acquire("leased", database.read("leased"), QUOTA, NOW)
    assert database.list_due(NOW + SECOND, 10) == ["free"]
    assert database.list_due(NOW + LEASE, 10) == ["free", "leased"]
    assert database.list_due(NOW + MINUTE, 10) == ["failing", "free", "leased"]

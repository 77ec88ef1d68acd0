"""What processes tell each other through the database: saves, polls, what is due."""

from datetime import timedelta
from multiprocessing import get_context

import pytest
import sqlalchemy as sa
from msgspec import structs

from feeds.domain.quota import Priority, Rate
from feeds.errors import StorageUnavailable, UpstreamUnavailable
from feeds.service.invalidation import Invalidation
from feeds.store.database import Database, Saves
from feeds.store.engines import Postgres
from tests.support.databases import another
from tests.support.factories import NOW, an_edition, an_event
from tests.support.processes import PATIENCE, Clock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLENTY = Rate(1000, timedelta(minutes=1), 500).quota_for(Priority.URGENT)

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


def save(database, *ids, starts=NOW + DAY, due=NOW, polled=NOW, **fields):
    for id_ in ids:
        known = database.read(id_)
        edition = structs.replace(known or an_edition(an_event(id=id_)), **fields)
        assert database.save(known, edition, (starts, starts + HOUR), due, polled=polled)


class TestNews:
    def test_of_a_database_that_is_new_there_is_nothing(self, database):
        assert database.read_saves(0, NOW) == Saves(0, frozenset(), 0)

    def test_on_the_first_look_is_whatever_was_read_before(self, database):
        save(database, "a", "b")
        assert database.read_saves(None, NOW).saved is None

    def test_is_what_any_process_saved_since(self, url, database):
        save(database, "a", "b")
        save_number = database.read_saves(None, NOW).number
        save(another(url), "b", "c")
        news = database.read_saves(save_number, NOW)
        assert (news.number, news.saved) == (save_number + 2, frozenset("bc"))
        assert database.read_saves(news.number, NOW).saved == frozenset()

    def test_of_a_database_that_was_put_back_is_everything(self, database):
        save(database, "a")
        assert database.read_saves(99, NOW).saved is None

    def test_counts_what_was_polled_within_a_week(self, database):
        save(database, "now")
        save(database, "just", polled=NOW - 7 * DAY)
        save(database, "long-ago", polled=NOW - 7 * DAY - SECOND)
        save(database, "never", polled=None)
        assert database.read_saves(None, NOW).polled == 2

    def test_revisions_rise_in_the_order_of_saves_whoever_makes_them(self, url, database):
        barrier = processes.Barrier(3)
        started = [
            processes.Process(target=save_many, args=(url, f"event{number}", barrier))
            for number in range(3)
        ]
        save_number, seen = 0, []
        for each in started:
            each.start()
        while any(each.is_alive() for each in started):
            news = database.read_saves(save_number, NOW)
            seen += sorted(news.saved)
            save_number = news.number
        seen += sorted(database.read_saves(save_number, NOW).saved)
        for each in started:
            each.join(PATIENCE)
            assert each.exitcode == 0
        # Nobody's last save is missed, which one with a lower number that comes later would be.
        assert set(seen) == {"event0", "event1", "event2"}
        assert database.read_saves(0, NOW).number == 3 * 40


def save_many(url, id_, barrier):
    mine = Database(url)
    barrier.wait(PATIENCE)
    for _ in range(40):
        save(mine, id_)
    mine.close()


class TestPolled:
    def test_is_noted_of_those_that_are_known(self, database):
        save(database, "a", "b", polled=None)
        database.mark_polled({"a", "nothing"}, NOW)
        assert database.read_saves(None, NOW).polled == 1

    def test_is_noted_once_an_hour_by_a_process(self, database):
        save(database, "a", polled=None)
        clock = Clock(NOW)
        polls = Invalidation(database, clock)
        polls.note("a", clock())
        polls.look()
        clock.advance(hours=1, seconds=-1)
        polls.note("a", clock())
        assert not polls._pending
        clock.advance(seconds=1)
        polls.note("a", clock())
        assert polls._pending == {"a"}

    def test_is_noted_at_the_next_look_if_the_database_was_away(self, url, tmp_path):
        if "postgresql" in url:
            return
        with pytest.raises(StorageUnavailable):
            Database(url).mark_polled({"a"}, NOW)
        mine = Database(url)
        polls = Invalidation(mine, Clock(NOW))
        polls.note("a", NOW)
        assert polls.look() is None
        mine.open("https://api.example.org", "", NOW)
        save(mine, "a", polled=None)
        assert polls.look() is not None
        assert mine.read_saves(None, NOW).polled == 1

    def test_one_looks_at_a_time_and_not_too_often(self, database):
        clock = Clock(NOW)
        polls = Invalidation(database, clock)
        assert polls.time_to_look(clock.timestamp())
        clock.advance(seconds=1)
        assert not polls.time_to_look(clock.timestamp())
        clock.advance(seconds=1)
        assert polls.time_to_look(clock.timestamp())
        assert not polls.time_to_look(clock.timestamp())


class TestDue:
    def test_is_what_is_polled_and_ends_the_nearest_first(self, database):
        save(database, "later", starts=NOW + 30 * DAY)
        save(database, "over", starts=NOW - DAY)
        save(database, "soon")
        save(database, "fresh", due=NOW + SECOND)
        save(database, "unpolled", polled=NOW - 8 * DAY)
        save(database, "gone", gone=NOW)
        assert database.list_due(NOW, 10) == ["soon", "later", "over"]
        assert database.list_due(NOW, 2) == ["soon", "later"]
        assert database.list_due(NOW + SECOND, 10)[:2] == ["fresh", "soon"]

    def test_is_not_what_has_failed_or_is_refreshed_just_now(self, database):
        save(database, "failing", "busy", "free")
        failing = database.acquire("failing", database.read("failing"), PLENTY, NOW)
        database.fail(failing, UpstreamUnavailable(), NOW + 60 * SECOND)
        database.acquire("busy", database.read("busy"), PLENTY, NOW)
        assert database.list_due(NOW + SECOND, 10) == ["free"]
        assert database.list_due(NOW + 10 * SECOND, 10) == ["busy", "free"]
        assert database.list_due(NOW + 60 * SECOND, 10) == ["busy", "failing", "free"]


def test_each_of_several_hosts_in_an_address_is_tried():
    url = sa.make_url("postgresql+psycopg://feeds@/feeds?host=127.0.0.1:1&host=127.0.0.1:2")
    with pytest.raises(sa.exc.OperationalError, match="port 2"), Postgres(url).read() as _:
        pass

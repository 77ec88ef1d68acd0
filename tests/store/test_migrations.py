"""A database that an older version made: nothing in it is lost, whatever happens on the way."""

import itertools
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from signal import SIGKILL
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from msgspec import json

from feeds.app import create_app
from feeds.domain.model import Event
from feeds.errors import SettingsError
from feeds.store import schema as migrations
from feeds.store.database import Database
from tests.support.processes import PATIENCE, START, settings_for
from tests.support.subscribers import CalendarClient, ReaderClient

API = "https://api.intervals.run"

# What version 1 made and wrote, word for word; not to be touched when the tables change.
VERSION_1 = """
CREATE TABLE deployment (
	name VARCHAR NOT NULL,
	value VARCHAR NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE events (
	id VARCHAR(64) NOT NULL,
	version INTEGER NOT NULL,
	document BLOB NOT NULL,
	fetched BIGINT NOT NULL,
	first_seen BIGINT NOT NULL,
	last_modified BIGINT NOT NULL,
	starts BIGINT NOT NULL,
	ends BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_events_ends ON events (ends);
"""

HARBOR = """{"id":"harbor","organization_id":"k57abc123def456","name":"Läufe am Hafen",\
"slug":"harbor-run","type":"race","date":"2026-06-13","start_time":"08:00:00",\
"end_date":"2026-06-14","end_time":"14:00:00","location":"Navy Pier, Chicago",\
"point":[41.8917,-87.6043],"description":"Along the lake.",\
"website_url":"https://harbor.example.com","registration_url":"https://harbor.example.com/enter",\
"runs":[{"id":"harbor-10k","distance_meters":10000.0,"distance_standard":"10K",\
"distance_label":"10K","date":"2026-06-13","start_time":"08:00:00",\
"registration_opens":"2026-03-01T12:00:00Z","registration_closes":"2026-06-10T12:00:00Z",\
"registration_override":"paused","sold_out":true},\
{"id":"harbor-5k","distance_meters":5000.0,"distance_standard":"5K","distance_label":"5K Walk",\
"date":"2026-06-14","status":"postponed","walking":true}]}"""
MEETING = """{"id":"meeting","organization_id":"k57abc123def456","name":"Club Meeting",\
"slug":"meeting","type":"other","date":"2026-09-01"}"""
LONG_OVER = """{"id":"long-over","organization_id":"k57abc123def456","name":"Lakefront 5K",\
"slug":"lakefront-5k","type":"race","date":"2025-06-14","start_time":"08:00:00",\
"runs":[{"id":"r41abc","distance_meters":5000.0,"distance_standard":"5K","distance_label":"5K",\
"date":"2025-06-14"}]}"""


class Row(NamedTuple):
    """What version 1 had of an event."""

    id: str
    version: int
    document: str
    fetched: datetime
    first_seen: datetime
    last_modified: datetime


def seconds(instant):
    return int(instant.timestamp())


LATER = START + timedelta(hours=3)
"""Later than START: stamped before the clock was put right."""

FETCHED = START - timedelta(minutes=2)
ROWS = [
    Row("harbor", 7, HARBOR, FETCHED, datetime(2026, 1, 5, 9, tzinfo=UTC), FETCHED),
    Row("meeting", 1, MEETING, FETCHED, FETCHED, LATER),
    Row("long-over", 3, LONG_OVER, *[datetime(2025, 6, 1, 9, tzinfo=UTC)] * 3),
]

UIDS = {
    "harbor": ["harbor-10k@intervals.run", "harbor-5k@intervals.run"],
    "meeting": ["meeting@intervals.run"],
    "long-over": ["r41abc@intervals.run"],
}

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


def make_version_1(path, api=API, rows=ROWS):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.execute("INSERT INTO deployment VALUES ('api_url', ?)", [api])
        for order, row in enumerate(rows, 1):
            times = map(seconds, row[3:])
            values = [row.id, row.version, row.document.encode(), *times, order, order]
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def dump(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def query(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def schema(path):
    """Columns and indexes of all tables."""
    tables = [name for (name,) in query(path, "SELECT name FROM sqlite_schema WHERE type='table'")]
    return {
        table: (
            query(path, f"SELECT * FROM pragma_table_info('{table}')"),
            sorted(query(path, f"SELECT name, origin FROM pragma_index_list('{table}')")),
        )
        for table in tables
    }


@pytest.fixture
def path(tmp_path):
    """A database of version 1."""
    make_version_1(tmp_path / "feeds.sqlite3")
    return tmp_path / "feeds.sqlite3"


def opened(path, *, api=API):
    database = Database(f"sqlite:///{path}")
    database.open(api, "second", START)
    return database


def holds_all(database):
    """Whether every row of version 1 is there, with all that it said."""
    for row in ROWS:
        edition = database.read(row.id)
        event = json.decode(row.document, type=Event)
        assert edition is not None
        assert edition.event == event
        assert (edition.version, edition.fetched) == (row.version, row.fetched)
        assert (edition.gone, edition.doubt, edition.changes) == (None, None, ())
        assert edition.stamps.keys() == {row.id, *(run.id for run in event.runs)}
        for stamp in edition.stamps.values():
            assert (stamp.created, stamp.last_modified) == (row.first_seen, row.last_modified)
    return True


class TestFromVersion1:
    def test_nothing_that_was_stored_is_lost(self, path):
        assert holds_all(opened(path))

    def test_the_order_of_events_stays(self, path):
        listed = opened(path).nearest(datetime(1970, 1, 1, tzinfo=UTC), 10)
        assert [event.id for event in listed] == [row.id for row in ROWS]

    def test_the_tables_are_those_of_a_new_database(self, path, tmp_path):
        opened(path)
        opened(tmp_path / "new.sqlite3")
        assert schema(path) == schema(tmp_path / "new.sqlite3")

    def test_it_stays_bound_to_its_upstream(self, path):
        before = dump(path)
        with pytest.raises(SettingsError, match=f"holds events of {API}"):
            opened(path, api="http://127.0.0.1:8001")
        assert dump(path) == before
        assert holds_all(opened(path))

    def test_an_empty_one_is_migrated(self, tmp_path):
        make_version_1(tmp_path / "feeds.sqlite3", rows=[])
        database = opened(tmp_path / "feeds.sqlite3")
        assert not database.knows_any()

    @pytest.mark.parametrize(
        "missing",
        [
            pytest.param(["DROP INDEX ix_events_ends"], id="index"),
            pytest.param(["DROP TABLE events"], id="events"),
            pytest.param(["DELETE FROM deployment", "DROP TABLE events"], id="all but a table"),
        ],
    )
    def test_one_that_was_killed_before_it_had_made_all_its_tables_is_migrated(
        self, tmp_path, missing
    ):
        path = tmp_path / "feeds.sqlite3"
        make_version_1(path, rows=[])
        with closing(sqlite3.connect(path)) as connection:
            for statement in missing:
                connection.execute(statement)
            connection.commit()
        opened(path)
        opened(tmp_path / "new.sqlite3")
        assert schema(path) == schema(tmp_path / "new.sqlite3")


class TestSubscribersOfVersion1:
    @pytest.fixture
    def client(self, upstream, tmp_path, clock):
        make_version_1(tmp_path / "feeds.sqlite3", upstream.url)
        upstream.answer(500, "text/plain", "")
        return create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client()

    @pytest.mark.parametrize("event_id", ["harbor", "meeting"])
    def test_they_are_served_without_a_call_of_the_upstream_while_the_edition_is_fresh(
        self, client, upstream, event_id
    ):
        for address in ("", ".ics", ".rss"):
            answer = client.get(f"/events/{event_id}{address}")
            assert answer.status_code == 200
            assert 0 < answer.cache_control.max_age <= 58 * 60
        assert upstream.calls == []

    @pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
    def test_calendars_see_the_same_entries_and_no_stamp_falls(self, client, clock, row):
        calendar = CalendarClient(f"/events/{row.id}.ics")
        calendar.poll(client)
        assert sorted(calendar.entries) == UIDS[row.id]
        for uid, entry in calendar.entries.items():
            assert entry["CREATED"].dt == row.first_seen
            assert entry["LAST-MODIFIED"].dt > row.last_modified, (
                "else it keeps what version 1 wrote"
            )
            assert entry["LAST-MODIFIED"].dt >= clock()
            assert calendar.sequences[uid] > 0, "what version 1 wrote"

    @pytest.mark.parametrize("event_id", UIDS)
    def test_readers_are_told_nothing(self, client, clock, event_id):
        if event_id == "meeting":
            clock.now = LATER
        reader = ReaderClient(f"/events/{event_id}.rss")
        reader._seen |= {*UIDS[event_id], *self.registration(event_id)}
        assert reader.poll(client, clock()) == []
        assert reader._poller.statuses == [200]

    def registration(self, event_id):
        return [
            f"{uid}/registration-opens/20260301T120000Z"
            for uid in UIDS[event_id]
            if uid == "harbor-10k@intervals.run"
        ]

    def test_the_next_change_is_told(self, client, upstream, clock):
        calendar = CalendarClient("/events/harbor.ics")
        reader = ReaderClient("/events/harbor.rss")
        calendar.poll(client)
        reader.poll(client, clock())
        upstream.instead = None
        upstream.publish("harbor", "2026-06-20")
        document = upstream.document("harbor")
        document["runs"][0]["_id"] = "harbor-10k"
        upstream.put("harbor", document)
        clock.advance(hours=1)
        calendar.poll(client)
        assert calendar.start("harbor-10k@intervals.run") == "20 12:00"
        assert any(title.startswith("Moved: ") for title in reader.poll(client, clock()))

    def test_stamps_are_made_anew_once(self, client, tmp_path, upstream, clock):
        client.get("/events/harbor.ics")
        first = Database(f"sqlite:///{tmp_path}/feeds.sqlite3").read("harbor")
        clock.advance(seconds=1)
        again = create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client()
        again.get("/events/harbor.ics")
        assert Database(f"sqlite:///{tmp_path}/feeds.sqlite3").read("harbor") == first
        assert first is not None
        assert all(stamp.content and stamp.schedule for stamp in first.stamps.values())


class TestVersions:
    def test_a_new_database_has_the_newest(self, tmp_path):
        opened(tmp_path / "feeds.sqlite3")
        assert query(
            tmp_path / "feeds.sqlite3", "SELECT value FROM deployment WHERE name = 'tables'"
        ) == [(str(migrations.NEWEST),)]

    def test_a_newer_one_is_refused_in_one_line_and_left_alone(self, path):
        opened(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE deployment SET value = '99' WHERE name = 'tables'")
        before = dump(path)
        with pytest.raises(SettingsError) as refusal:
            opened(path)
        (line,) = refusal.value.faults
        assert "\n" not in line
        assert line.startswith("FEEDS_DATABASE_URL was made by a newer version of this service ")
        assert "tables 99" in line
        assert dump(path) == before

    def test_it_is_migrated_once(self, path):
        opened(path)
        before = dump(path), query(path, "PRAGMA schema_version")
        assert holds_all(opened(path))
        assert (dump(path), query(path, "PRAGMA schema_version")) == before


def open_at_once(path, start):
    start.wait(PATIENCE)
    opened(path)


def open_and_die(path, when):
    """Open a database, killed at the ``when``-th point on the way."""
    points = itertools.count(1)

    def die(*_):
        if next(points) == when:
            os.kill(os.getpid(), SIGKILL)

    database = Database(f"sqlite:///{path}")
    for point in ("before_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, point, die)
    database.open(API, "second", START)


class TestAccidents:
    def test_of_many_that_start_at_once_one_migrates_and_all_go_on(self, tmp_path):
        for number in range(4):
            path = tmp_path / f"{number}.sqlite3"
            make_version_1(path)
            start = processes.Barrier(3)
            started = [processes.Process(target=open_at_once, args=(path, start)) for _ in range(3)]
            for each in started:
                each.start()
            for each in started:
                each.join(PATIENCE)
                assert each.exitcode == 0
            assert holds_all(opened(path))

    def test_one_that_is_killed_at_any_point_leaves_the_old_version_whole(self, path):
        old = dump(path)
        deaths = 0
        for when in itertools.count(1):
            process = processes.Process(target=open_and_die, args=(path, when))
            process.start()
            process.join(PATIENCE)
            if process.exitcode == 0:
                break
            assert process.exitcode == -SIGKILL
            assert dump(path) == old
            deaths += 1
        assert deaths > 20
        assert holds_all(opened(path))

    def test_one_that_fails_on_the_way_leaves_the_old_version_whole(self, path):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE stamps (in_the_way)")
        old = dump(path)
        with pytest.raises(SettingsError, match=r"^FEEDS_DATABASE_URL cannot be used: [^\n]+$"):
            opened(path)
        assert dump(path) == old

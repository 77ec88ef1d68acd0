"""A database that version 2 made, which knew no budget: all of it is kept, and goes on from there.

Version 2 had SQLite alone.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import sqlalchemy as sa
from msgspec import json, structs

from feeds.app import create_app
from feeds.domain.freshness import Rate, Share
from feeds.domain.model import Change, Doubt, Edition, Event, Kind, Stamp, State
from feeds.errors import SettingsError
from feeds.store.database import Database, News
from feeds.store.engines import Sqlite
from feeds.store.leases import Claim
from tests.store.test_migrations import API, HARBOR, LONG_OVER, MEETING, dump, opened, query, schema
from tests.support.processes import START, settings_for
from tests.support.subscribers import CalendarClient, ReaderClient

# What version 2 made and wrote, with fewer line breaks; not to be touched when the tables change.
VERSION_2 = """
CREATE TABLE changes (
	event_id VARCHAR(64) NOT NULL, number INTEGER NOT NULL, run VARCHAR(64) NOT NULL,
	kind VARCHAR(32) NOT NULL, was BLOB NOT NULL, now BLOB NOT NULL,
	noticed BIGINT NOT NULL, nth INTEGER NOT NULL, group_nth INTEGER NOT NULL,
	PRIMARY KEY (event_id, number)
);
CREATE TABLE deployment (
	name VARCHAR(32) NOT NULL, value VARCHAR NOT NULL, since BIGINT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE events (
	id VARCHAR(64) NOT NULL, version INTEGER NOT NULL, document BLOB NOT NULL,
	fetched BIGINT NOT NULL, deployment VARCHAR(64) NOT NULL, gone BIGINT,
	doubt VARCHAR(16), doubted BIGINT, starts BIGINT NOT NULL, ends BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE stamps (
	event_id VARCHAR(64) NOT NULL, id VARCHAR(64) NOT NULL, created BIGINT NOT NULL,
	last_modified BIGINT NOT NULL, sequence BIGINT NOT NULL,
	content VARCHAR(64) NOT NULL, schedule VARCHAR(64) NOT NULL,
	PRIMARY KEY (event_id, id)
);
CREATE INDEX ix_events_ends ON events (ends);
INSERT INTO deployment VALUES ('tables', '2', 0);
INSERT INTO deployment VALUES ('fingerprint', 'first', 1777626000);
INSERT INTO deployment VALUES ('organization', 'k57abc123def456', 1777626000);
"""
SAVE = """INSERT INTO events
(id, version, document, fetched, deployment, gone, doubt, doubted, starts, ends)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

WAS = """{"start":"2026-06-12T08:00:00","zone":"America/Chicago",\
"place":"Navy Pier, Chicago","distance":"10K"}"""
MOVED_TO = WAS.replace("-12T", "-13T")
SOLD_OUT = MOVED_TO.replace('"distance"', '"sold_out":true,"distance"')

EVENTS = [
    ("harbor", 7, HARBOR, 1779278280, "first", None, None, None, 1781355600, 1781463600),
    ("meeting", 2, MEETING, 1779278280, "first", None, "empty", 1779278280, 1788238800, 1788325200),
    ("over", 3, LONG_OVER, 1779274800, "", 1779270000, None, None, 1749906000, 1749913200),
]
STAMPS = [
    ("harbor", "harbor", 1767603600, 1775115000, 197364600, "c0", "5c"),
    ("harbor", "harbor-10k", 1767603600, 1775115000, 197364601, "c1", "5d"),
    ("harbor", "harbor-5k", 1767603600, 1772359200, 190000000, "c2", "5e"),
    ("meeting", "meeting", 1779278280, 1779278280, 0, "", ""),
]
CHANGES = [
    ("harbor", 0, "harbor-10k", "moved", WAS, MOVED_TO, 1772359200, 1, 1),
    ("harbor", 1, "harbor-10k", "sold-out", MOVED_TO, SOLD_OUT, 1775115000, 2, 3),
]

SEEN = datetime(2026, 1, 5, 9, tzinfo=UTC)
MOVED = datetime(2026, 3, 1, 10, tzinfo=UTC)
SOLD = datetime(2026, 4, 2, 7, 30, tzinfo=UTC)
FETCHED = datetime(2026, 5, 20, 11, 58, tzinfo=UTC)
ON_FIRST = State(
    start="2026-06-12T08:00:00",
    zone="America/Chicago",
    place="Navy Pier, Chicago",
    distance="10K",
)
ON_SECOND = structs.replace(ON_FIRST, start="2026-06-13T08:00:00")
FULL = structs.replace(ON_SECOND, sold_out=True)

EDITIONS = {
    "harbor": Edition(
        event=json.decode(HARBOR, type=Event),
        fetched=FETCHED,
        stamps={
            "harbor": Stamp(SEEN, SOLD, 197364600, "c0", "5c"),
            "harbor-10k": Stamp(SEEN, SOLD, 197364601, "c1", "5d"),
            "harbor-5k": Stamp(SEEN, MOVED, 190000000, "c2", "5e"),
        },
        changes=(
            Change(run="harbor-10k", kind=Kind.MOVED, was=ON_FIRST, now=ON_SECOND, noticed=MOVED),
            Change(
                run="harbor-10k",
                kind=Kind.SOLD_OUT,
                was=ON_SECOND,
                now=FULL,
                noticed=SOLD,
                nth=2,
                group_nth=3,
            ),
        ),
        deployment="first",
        version=7,
    ),
    "meeting": Edition(
        event=json.decode(MEETING, type=Event),
        fetched=FETCHED,
        stamps={"meeting": Stamp(FETCHED, FETCHED, 0, "", "")},
        doubt=Doubt("empty", FETCHED),
        deployment="first",
        version=2,
    ),
    "over": Edition(
        event=json.decode(LONG_OVER, type=Event),
        fetched=datetime(2026, 5, 20, 11, tzinfo=UTC),
        stamps={},
        gone=datetime(2026, 5, 20, 9, 40, tzinfo=UTC),
        version=3,
    ),
}
PLENTY = Rate(100, timedelta(minutes=1), 20).allowance(Share.URGENT)


def bytes_of(row):
    """The row with what is JSON as bytes, as version 2 wrote it."""
    return [part.encode() if str(part).startswith("{") else part for part in row]


def make_version_2(path, api=API):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_2)
        connection.execute("INSERT INTO deployment VALUES ('api_url', ?, 1777626000)", [api])
        connection.executemany(SAVE, map(bytes_of, EVENTS))
        connection.executemany("INSERT INTO stamps VALUES (?, ?, ?, ?, ?, ?, ?)", STAMPS)
        changes = map(bytes_of, CHANGES)
        connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", changes)


@pytest.fixture
def path(tmp_path):
    """A database of version 2."""
    make_version_2(tmp_path / "feeds.sqlite3")
    return tmp_path / "feeds.sqlite3"


def holds_all(database):
    return {id_: database.read(id_) for id_ in EDITIONS} == EDITIONS


class TestWhatVersion2Kept:
    def test_is_there_to_the_last_change(self, path):
        assert holds_all(opened(path))
        assert holds_all(opened(path)), "and once more"

    def test_is_in_tables_like_those_of_a_new_database(self, path, tmp_path):
        opened(path)
        opened(tmp_path / "new.sqlite3")
        assert schema(path) == schema(tmp_path / "new.sqlite3")

    def test_is_listed_as_before(self, path):
        listed = [event.id for event in opened(path).nearest(START, 10)]
        assert listed == ["harbor", "meeting"], "what is gone is not"

    def test_stays_that_of_its_upstream_and_organization(self, path):
        before = dump(path)
        with pytest.raises(SettingsError, match=f"holds events of {API}"):
            opened(path, api="http://127.0.0.1:8001")
        assert dump(path) == before
        with pytest.raises(SettingsError, match="holds events of the organization k57abc"):
            opened(path).belongs_to("another", START)

    def test_tells_since_when_the_service_has_run_as_it_does(self, path):
        since = Database(f"sqlite:///{path}").open(API, "first", START)
        assert since == datetime(2026, 5, 1, 9, tzinfo=UTC)


class TestTheMigration:
    def test_that_fails_at_any_point_leaves_version_2_whole(self, path):
        old = dump(path)
        for when in count(1):
            database, statements = Database(f"sqlite:///{path}"), count(1)

            def fail(*_, statements=statements, when=when):
                if next(statements) == when:
                    raise sa.exc.OperationalError("", None, OSError("disk full"))

            assert isinstance(database._engine, Sqlite)
            sa.event.listen(database._engine._engine, "before_cursor_execute", fail)
            try:
                database.open(API, "first", START)
                break
            except SettingsError:
                assert dump(path) == old
        assert when > 15
        assert holds_all(opened(path))

    def test_lets_a_process_of_version_2_that_still_runs_save(self, path):
        database = opened(path)
        document = MEETING.replace("meeting", "late")
        row = ["late", 1, document, *EVENTS[0][3:]]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(SAVE, bytes_of(row))
        assert database.read("late").event == json.decode(document, type=Event)


class TestFromThereOn:
    def test_an_event_can_be_claimed_and_saved_and_others_hear_of_it(self, path):
        database = opened(path)
        assert database.news(None, START) == News(0, None, 0)
        known = database.read("harbor")
        claim = database.claim("harbor", known, PLENTY, START)
        assert isinstance(claim, Claim)
        newer = structs.replace(known, fetched=START, etag='"v8"')
        span = (START, START + timedelta(hours=1))
        saved = database.save(known, newer, span, START, claim=claim)
        assert saved == structs.replace(newer, version=8) == database.read("harbor")
        assert database.news(0, START) == News(1, frozenset({"harbor"}), 0)
        assert query(path, "SELECT since, retry FROM refreshes") == [(0, 0)]

    def test_an_event_is_kept_fresh_once_it_is_polled(self, path):
        database = opened(path)
        assert database.due(START, 10) == []
        database.note_polled({"meeting", "harbor", "over"}, START)
        assert database.due(START, 10) == ["harbor", "meeting"]

    def test_subscribers_are_served_and_told_the_next_change(self, upstream, tmp_path, clock):
        make_version_2(tmp_path / "feeds.sqlite3", upstream.url)
        client = create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client()
        calendar = CalendarClient("/events/harbor.ics")
        calendar.sequences["harbor-10k@intervals.run"] = 197364601
        reader = ReaderClient("/events/harbor.rss")
        calendar.poll(client)
        told = reader.poll(client, clock())
        assert calendar.entries["harbor-10k@intervals.run"]["CREATED"].dt == SEEN
        kinds = [title.split(":")[0] for title in told]
        assert kinds.index("Moved") < kinds.index("Sold out"), "in the order of what was noticed"
        assert upstream.asked == [], "it is fresh"

        upstream.publish("harbor", "2026-06-20")
        document = upstream.document("harbor")
        document["runs"][0]["_id"] = "harbor-10k"
        upstream.put("harbor", document)
        clock.advance(hours=1)
        calendar.poll(client)
        assert upstream.asked == ["harbor"]
        assert calendar.start("harbor-10k@intervals.run") == "20 12:00"
        assert any(title.startswith("Moved: ") for title in reader.poll(client, clock()))
        edition = Database(f"sqlite:///{tmp_path}/feeds.sqlite3").read("harbor")
        assert edition is not None
        assert edition.changes[:2] == EDITIONS["harbor"].changes

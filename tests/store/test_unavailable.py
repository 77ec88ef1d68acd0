"""The service while the file of its database cannot be used: what subscribers get."""

import os
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from feeds.app import create_app
from feeds.errors import StorageUnavailable
from feeds.store import errors
from feeds.store.engines import Postgres
from tests.support.databases import connect
from tests.support.processes import settings_for
from tests.support.subscribers import CalendarClient, ReaderClient
from tests.support.troubles import MISSING, TROUBLES

DAY = "2026-06-13"
TITLE = "Harbor – 10K, Sat, Jun 13, 2026, 12:00 PM"

each_trouble = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


@pytest.fixture
def path(tmp_path):
    """A file in a folder that can be moved."""
    (tmp_path / "var").mkdir()
    return tmp_path / "var" / "feeds.sqlite3"


@pytest.fixture
def start(upstream, path, clock):
    """Start the service as one more process does; returns a client of it."""

    def start(**how):
        settings = settings_for(upstream.url, path.parent)
        return create_app(settings, clock.timestamp, **how).test_client()

    return start


class Subscription:
    """A calendar and a reader that poll the feeds of one event."""

    def __init__(self, client, upstream, clock):
        self.client, self.upstream, self.clock = client, upstream, clock
        self.calendar = CalendarClient("/events/harbor.ics")
        self.reader = ReaderClient("/events/harbor.rss")

    def poll(self, **later):
        """The titles that are new in the reader, after so much time."""
        self.clock.advance(**later)
        self.calendar.poll(self.client)
        return self.reader.poll(self.client, self.clock())

    def set_status(self, status):
        document = self.upstream.document("harbor")
        document["runs"][0]["eventStatus"] = status
        self.upstream.put("harbor", document)

    @property
    def status(self):
        return self.calendar.status("harbor-1@intervals.run")


@pytest.fixture
def subscription(upstream, start, clock, monkeypatch):
    monkeypatch.setattr("feeds.store.engines.FILE_LOCK_TIMEOUT", 0.1)
    upstream.publish("harbor", DAY)
    subscription = Subscription(start(), upstream, clock)
    assert subscription.poll() == [TITLE]
    return subscription


@each_trouble
def test_meanwhile_there_are_no_calls_and_a_change_is_announced_once_it_can_be_saved(
    subscription, path, start, upstream, trouble, caplog
):
    calls, get = len(upstream.calls), subscription.client.get
    with trouble(path):
        subscription.set_status("cancelled")
        assert subscription.poll(hours=1) == []
        assert subscription.status == "CONFIRMED"
        assert get("/events/harbor.ics").cache_control.max_age == 60
        assert get("/events/harbor").status_code == 200
        # This process has never read the list of the organization's events.
        assert get("/").status_code == 503
        unseen = get("/events/bridge.ics")
        assert (unseen.status_code, unseen.headers["Cache-Control"]) == (503, "no-store")
        assert int(unseen.headers["Retry-After"]) > 0
        assert unseen.text == "The database is unavailable.\n"
        assert len(upstream.calls) == calls
        assert not get("/readyz").json["database"]
        assert "works again" not in caplog.text
        assert path.exists() != (trouble in MISSING), "no new file is created"
    assert subscription.poll(hours=1) == [f"Cancelled: {TITLE}"]
    assert subscription.status == "CANCELLED"
    assert subscription.client.get("/readyz").json["ready"]
    assert "the database works again" in caplog.text

    saved = connect(f"sqlite:///{path}").read("harbor")
    assert saved is not None
    assert [(each.kind, each.nth) for each in saved.changes] == [("cancelled", 1)]
    subscription.client = start()
    assert subscription.poll() == []
    subscription.set_status("scheduled")
    assert subscription.poll(hours=1) == [f"Reinstated: {TITLE}"]
    assert subscription.status == "CONFIRMED"


def test_a_file_that_is_damaged_while_it_is_used_is_renamed_when_a_process_starts(
    subscription, path, start
):
    path.with_name(f"{path.name}-wal").unlink()
    damaged = path.with_name("damaged")
    damaged.write_bytes(os.urandom(40_960))
    damaged.rename(path)
    subscription.set_status("cancelled")
    assert subscription.poll(hours=1) == []
    assert subscription.client.get("/events/bridge.ics").status_code == 503

    start()
    assert path.with_name("feeds.sqlite3.damaged-20260520T130000Z").exists()
    assert subscription.poll(hours=1) == [f"Cancelled: {TITLE}"]
    assert subscription.client.get("/events/bridge.ics").status_code == 404
    subscription.client = start()
    assert subscription.poll() == []
    assert subscription.status == "CANCELLED"


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (
            sqlite3.OperationalError("attempt to write a readonly database"),
            "attempt to write a readonly database",
        ),
        (OSError("server me:secret@db has gone"), "OperationalError"),
    ],
)
def test_the_log_tells_why_a_file_cannot_be_used_and_nothing_about_a_server(cause, told, caplog):
    with pytest.raises(StorageUnavailable), errors.convert_errors():
        raise sa.exc.OperationalError("SELECT 1", {}, cause)
    (message,) = caplog.messages
    assert message == f"the database is unavailable: {told}. {errors.ADVICE}"


def test_a_server_that_dies_without_a_word_is_noticed_within_a_quarter_of_a_minute(postgres_url):
    """Rules 8.22: the system's default asks a silent server for the first time after two hours."""
    server = Postgres(sa.make_url(postgres_url))
    with closing(server), server.read() as connection:
        driver = connection.connection.driver_connection
        assert driver
        given = driver.info.get_parameters()
    asked_after, patience = int(given["keepalives_idle"]), int(given["tcp_user_timeout"]) / 1000
    assert asked_after + int(given["keepalives_interval"]) + patience <= 15

"""Each change is logged once, by the process that saved it, and each outage with its length."""

import logging

import pytest

from feeds.store.errors import outage
from tests.support.databases import put_back, read_tables
from tests.support.service import Service, a_5k, a_run
from tests.support.troubles import moved_away


@pytest.fixture
def service(upstream, clock, tmp_path, caplog):
    caplog.set_level(logging.INFO, "feeds")
    return Service(upstream, clock, tmp_path / "data")


@pytest.fixture
def changes(caplog):
    """List what was logged of changes: event, run, kind, from, to."""

    def list_changes():
        names = ("_event", "run", "kind", "from", "to")
        found = [record for record in caplog.records if record.name == "feeds.changes"]
        return [tuple(getattr(record, name) for name in names) for record in found]

    return list_changes


@pytest.fixture
def announced(service):
    service.folder.mkdir()
    service.announce(a_run(), a_5k())
    return service


def test_a_first_edition_brings_no_change(announced, changes):
    assert changes() == []


def test_each_change_of_a_run_is_logged_with_what_it_was_and_is(announced, changes, caplog):
    announced.edit("ten", startTime="09:00")
    announced.edit("five", soldOut=True)
    for _ in range(2):
        announced.advance(days=1)
        announced.poll()
    assert sorted(changes()) == [
        ("harbor-run", "five", "sold-out", "sold_out False", "sold_out True"),
        (
            *("harbor-run", "ten", "moved"),
            "start 2026-08-15T08:00:00",
            "start 2026-08-15T09:00:00",
        ),
    ]
    assert (
        "event harbor-run, run five: sold-out, from sold_out False to sold_out True"
        in caplog.messages
    )


def test_two_processes_log_a_change_once(announced, changes):
    other = Service(announced.upstream, announced.clock, announced.folder)
    other.get()
    announced.edit("five", soldOut=True)
    for _ in range(3):
        announced.advance(days=1)
        announced.poll()
        other.get()
        announced.restart()
    assert len(changes()) == 1


def test_a_database_that_went_back_logs_no_change_again(announced, changes):
    url = f"sqlite:///{announced.folder}/feeds-1.sqlite3"
    before = read_tables(url)
    announced.edit("five", soldOut=True)
    announced.advance(days=1)
    announced.poll()
    assert len(changes()) == 1
    put_back(url, before)
    for _ in range(2):
        announced.advance(days=1)
        announced.poll()
    assert len(changes()) == 1


def test_hostile_words_stay_within_the_message(announced, changes, caplog):
    announced.edit("ten", eventStatus="\x1b[31mon fire\nsecond line")
    announced.advance(days=1)
    announced.poll()
    assert any("on fire second line" in message for message in caplog.messages)
    assert all(message.isprintable() for message in caplog.messages)


def list_outages(caplog):
    return [record.getMessage() for record in caplog.records if hasattr(record, "outage")]


def test_an_outage_of_the_upstream_is_logged_when_it_begins_and_when_it_is_over(announced, caplog):
    announced.upstream.refuse(500, "INTERNAL")
    for _ in range(3):
        announced.advance(days=1)
        announced.poll()
    announced.upstream.instead = None
    announced.advance(minutes=5)
    announced.poll()
    begun, ended = list_outages(caplog)
    assert begun == (
        "The Intervals API is out of order. Stored editions are served."
        " If this lasts, check FEEDS_API_URL and the network."
    )
    assert ended == "the Intervals API works again after 48 h 5 min"


def test_an_outage_of_the_database_is_logged_when_it_begins_and_when_it_is_over(announced, caplog):
    with moved_away(announced.folder / "feeds-1.sqlite3"):
        for _ in range(3):
            announced.advance(days=1)
            announced.poll()
    announced.advance(days=1)
    announced.poll()
    begun, ended = list_outages(caplog)
    assert begun == (
        "the database is unavailable: unable to open database file."
        " Check FEEDS_DATABASE_URL, its disk or its server."
    )
    assert ended.startswith("the database works again after ")
    outage.clear()

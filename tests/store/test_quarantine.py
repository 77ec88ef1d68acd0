"""A damaged SQLite file is renamed at the start; any other file is left alone."""

import os
import random
from functools import partial
from signal import SIGKILL
from threading import Thread

import pytest

from feeds.domain.model import Edition
from feeds.errors import SettingsError
from feeds.store.quarantine import lock_folder
from tests.support.databases import connect, open_database, processes, run_processes
from tests.support.factories import NOW, an_edition, an_event
from tests.support.troubles import full_disk, locked
from tests.support.waiting import PATIENCE, wait_until

PAGE_SIZE = 4096
IDS = [f"event-{number}" for number in range(12)]
QUARANTINED = "feeds.sqlite3.damaged-20250601T120000Z"
NOISE = random.Random(3).randbytes(PAGE_SIZE)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "feeds.sqlite3"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def fill(url, end):
    """Save events with documents of many pages, and end as a service does, or as a killed one."""
    database = open_database(url)
    for number, id_ in enumerate(IDS):
        event = an_event(id=id_, description=f"{number} " * 300 * number)
        database.save(None, an_edition(event), (NOW, NOW), NOW)
    database.close()  # moves the write-ahead log into the file
    if end == "killed":
        database.save(None, an_edition(an_event(id="last")), (NOW, NOW), NOW)
        os.kill(os.getpid(), SIGKILL)


@pytest.fixture
def make_file(path, url):
    """Make a database with many pages; after ``"killed"``, the last save is in its log alone."""

    def make(end="stopped"):
        process = processes.Process(target=fill, args=(url, end))
        process.start()
        process.join(PATIENCE)
        assert process.exitcode == (-SIGKILL if end == "killed" else 0)
        assert path.stat().st_size > 20 * PAGE_SIZE

    return make


def overwrite(page, content, path):
    with path.open("r+b") as file:
        file.seek(page * PAGE_SIZE)
        file.write(content)


DAMAGES = {
    "garbage": lambda path: path.write_bytes(NOISE * 10),
    "a line of text": lambda path: path.write_text("This is no database.\n", "utf-8"),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "truncated within a page": lambda path: os.truncate(path, PAGE_SIZE + 700),
    "noise at the start": partial(overwrite, 0, NOISE),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_renamed_once_and_an_empty_database_takes_its_place(
    make_file, path, url, caplog, damage
):
    make_file()
    damage(path)
    damaged = path.read_bytes()

    database = open_database(url)
    assert not database.has_events()
    assert (path.parent / QUARANTINED).read_bytes() == damaged
    message, _ = caplog.messages  # the other one tells that the database is new
    assert QUARANTINED in message
    assert "feeds warm --all" in message
    assert "\n" not in message

    saved = database.save(None, an_edition(an_event()), (NOW, NOW), NOW)
    assert open_database(url).read("harbor") == saved
    assert len(caplog.messages) == 2


def test_the_write_ahead_log_of_a_damaged_file_is_renamed_with_it(make_file, path, url):
    make_file("killed")
    log = path.with_name(f"{path.name}-wal").read_bytes()
    assert log
    overwrite(15, NOISE, path)
    assert open_database(url).read("last") is None
    assert (path.parent / f"{QUARANTINED}-wal").read_bytes() == log
    assert (path.parent / f"{QUARANTINED}-shm").is_file()


@pytest.mark.parametrize(
    "content",
    [bytes(PAGE_SIZE), bytes(4) + NOISE[4:]],
    ids=["zeros", "noise like the end of a document"],
)
def test_after_damage_to_any_page_editions_are_whole_or_count_as_never_fetched(
    make_file, path, url, content
):
    make_file()
    intact = path.read_bytes()
    editions = [connect(url).read(id_) for id_ in IDS]
    renamed = 0
    for page in range(len(intact) // PAGE_SIZE):
        for each in path.parent.iterdir():
            each.unlink()
        path.write_bytes(intact)
        overwrite(page, content, path)
        database = open_database(url)
        renamed += (path.parent / QUARANTINED).exists()
        for edition, id_ in zip(editions, IDS, strict=True):
            read = database.read(id_)
            assert read == edition or not isinstance(read, Edition)
        database.list_events(NOW, len(IDS))
        database.close()
    assert renamed > 10


def open_together(url, start):
    start.wait(PATIENCE)
    open_database(url)


def test_one_of_many_processes_that_start_at_once_renames_the_file(make_file, path, url):
    make_file()
    overwrite(15, NOISE, path)
    damaged = path.read_bytes()
    for _ in range(5):
        for each in path.parent.iterdir():
            each.unlink()
        path.write_bytes(damaged)
        run_processes(open_together, *[(url, processes.Barrier(4))] * 4)
        assert (path.parent / QUARANTINED).read_bytes() == damaged
        assert not connect(url).has_events()


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_an_intact_file_is_left_alone(make_file, path, url, caplog, end):
    make_file(end)
    database = open_database(url)
    assert all(database.read(id_) for id_ in IDS)
    assert bool(database.read("last")) == (end == "killed")
    assert not list(path.parent.glob("*damaged*"))
    assert caplog.messages == []


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear runner, " * 500)
    with pytest.raises(SettingsError, match="file is not a database"):
        open_database(f"sqlite:///{letter}")
    assert letter.read_text() == "Dear runner, " * 500
    assert list(tmp_path.iterdir()) == [letter]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(locked, "database is locked"), (full_disk, "disk I/O error|database or disk is full")],
    ids=["locked", "full"],
)
def test_a_locked_file_or_a_full_disk_is_reported_in_one_line_and_is_no_damage(
    make_file, path, url, caplog, monkeypatch, trouble, reason
):
    monkeypatch.setattr("feeds.store.engines.FILE_LOCK_TIMEOUT", 0.1)
    make_file()
    with trouble(path), pytest.raises(SettingsError) as refusal:
        open_database(url)
    (line,) = refusal.value.faults
    assert line.startswith("FEEDS_DATABASE_URL cannot be used: ")
    assert caplog.messages == []
    assert all(open_database(url).read(id_) for id_ in IDS)


def test_a_start_that_waits_for_another_process_says_so(path, url, caplog):
    waiting = Thread(target=open_database, args=(url,))
    with lock_folder(path.parent):
        waiting.start()
        wait_until(lambda: "waiting for it" in caplog.text, "a word in the log")
        assert not path.exists()
    waiting.join(PATIENCE)
    assert path.exists()
    caplog.clear()
    open_database(url)
    assert caplog.text == ""

"""``feeds backup`` and ``feeds restore``, while the service uses the database."""

import re
import sqlite3
from contextlib import closing

import pytest
import requests

from tests.support.databases import open_database, read_tables
from tests.support.processes import environment_for, serving
from tests.support.processes import run as run_process
from tests.support.service import EVENT, a_run, an_event
from tests.support.troubles import full_disk, locked
from tests.support.waiting import wait_until


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def execute(path, statement):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def damage(path):
    """Overwrite the pages behind the first one."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def read_stamps(service):
    """Last-Modified of the calendar, and LAST-MODIFIED and SEQUENCE of each entry."""
    service.poll()
    service.advance(seconds=2)  # what was saved twice is stamped a second ahead
    entries = service.entries()
    return [
        service.get().last_modified,
        *(each["LAST-MODIFIED"].dt for each in entries.values()),
        *(each["SEQUENCE"] for each in entries.values()),
    ]


def test_a_backup_is_one_file_that_holds_what_the_database_holds(run, service, database, tmp_path):
    file = tmp_path / "copy.db"
    output = run("backup", str(file))
    assert output == f"{file} has 1 events in {file.stat().st_size:,} bytes.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_tables(f"sqlite:///{file}") == read_tables(f"sqlite:///{database}")
    assert list_names(tmp_path) == ["copy.db", "data"]
    service.edit("ten", startTime="09:00")
    service.advance(days=1)
    assert service.entries()["ten"]["DTSTART"].dt.hour == 9


def test_a_backup_replaces_no_file(run, tmp_path):
    (tmp_path / "copy.db").write_text("mine")
    assert run("backup", "copy.db", code=1) == "copy.db exists; a backup needs a new file."
    assert (tmp_path / "copy.db").read_text() == "mine"


@pytest.mark.parametrize("file", ["missing/copy.db", "data/feeds-1.sqlite3/copy.db"])
def test_a_backup_into_a_folder_that_is_none_is_refused(run, tmp_path, file):
    assert run("backup", file, code=1).startswith(f"{file} cannot be written: ")
    assert list_names(tmp_path) == ["data"]


def test_a_backup_onto_a_full_disk_leaves_nothing_behind(run, tmp_path):
    with full_disk(tmp_path):
        message = run("backup", "copy.db", code=1)
    assert message.startswith("copy.db cannot be written: ")
    assert list_names(tmp_path) == ["data"]


def test_a_damaged_database_is_not_backed_up(run, database, tmp_path):
    damage(database)
    assert re.search("damaged|malformed", run("backup", "copy.db", code=1))
    assert list_names(tmp_path) == ["data"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////tmp/missing/x.db", "There is no database yet; feeds serve creates it."),
        (
            "postgres://me:secret@db/feeds",
            "The database is PostgreSQL. Use: pg_dump --format=custom --file=FILE NAME",
        ),
    ],
)
def test_without_a_sqlite_database_there_is_no_backup(run, tmp_path, url, message):
    assert run("backup", "copy.db", code=1, FEEDS_DATABASE_URL=url) == message
    assert list_names(tmp_path) == ["data"]


def test_a_restore_keeps_what_the_database_held_in_a_file_beside_it(run, service, database):
    run("backup", "copy.db")
    before = read_tables(f"sqlite:///{database}")
    service.edit("five", soldOut=True)
    service.advance(hours=2)
    service.poll()
    after = read_tables(f"sqlite:///{database}")
    assert before != after
    output = run("restore", "copy.db")
    (aside,) = [path for path in service.folder.iterdir() if ".before-" in path.name]
    assert output == (
        f"The database has the 1 events of copy.db.\nWhat it held before is in {aside}.\n"
    )
    assert read_tables(f"sqlite:///{database}") == before
    assert read_tables(f"sqlite:///{aside}") == after


@pytest.mark.parametrize("undone", [False, True])
def test_a_restore_below_a_running_process_lowers_no_stamp(run, service, undone):
    run("backup", "copy.db")
    service.edit("ten", startTime="09:00")
    service.edit("five", soldOut=True)
    service.advance(days=1)
    service.poll()
    before = read_stamps(service)
    run("restore", "copy.db")
    if undone:
        service.edit("ten", startTime="08:00")
        service.edit("five", soldOut=False)
    for _ in range(2):
        service.advance(hours=2)
        stamps = read_stamps(service)
        assert all(new >= old for new, old in zip(stamps, before, strict=True))
        before = stamps
    assert service.entries()["ten"]["DTSTART"].dt.hour == (8 if undone else 9)


def test_a_restore_may_create_the_database(run, tmp_path):
    run("backup", "copy.db")
    path = tmp_path / "new" / "feeds.db"
    url = f"sqlite:///{path}"
    assert run("restore", "copy.db", FEEDS_DATABASE_URL=url) == (
        "The database has the 1 events of copy.db.\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert list_names(path.parent) == ["feeds.db"]


def make_other(path):
    execute(path, "CREATE TABLE notes (text)")


def make_newer(path):
    open_database(f"sqlite:///{path}").close()
    execute(path, "UPDATE deployment SET value = '99' WHERE name = 'tables'")


def make_damaged(path):
    open_database(f"sqlite:///{path}").close()
    damage(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("no database\n" * 99), "file is not a database"),
        (lambda path: path.touch(), "no database of this service"),
        (make_other, "no database of this service"),
        (make_newer, "tables of version 99, this release uses"),
        (make_damaged, "damaged|malformed"),
        (lambda path: open_database(f"sqlite:///{path}").close(), "holds events of https://api"),
        (lambda path: path.mkdir(), "There is no file"),
        (lambda _: None, "There is no file"),
    ],
    ids=["text", "empty", "other", "newer", "damaged", "other API", "folder", "missing"],
)
def test_a_file_that_is_no_backup_of_this_database_is_refused_and_changes_nothing(
    run, service, database, tmp_path, make, message
):
    make(tmp_path / "copy.db")
    before = read_tables(f"sqlite:///{database}")
    assert re.search(message, run("restore", "copy.db", code=1))
    assert read_tables(f"sqlite:///{database}") == before
    assert not [name for name in list_names(service.folder) if ".before-" in name]


def test_a_restore_gives_up_while_another_program_has_locked_the_database(
    run, service, database, monkeypatch
):
    run("backup", "copy.db")
    monkeypatch.setattr("feeds.store.operations.backup.LOCK_TIMEOUT", 0.3)
    with locked(database):
        assert "locked" in run("restore", "copy.db", code=1)
    assert not [name for name in list_names(service.folder) if ".before-" in name]
    assert service.entries().keys() == {"ten", "five"}


def test_for_postgresql_restore_names_the_program_to_use(run):
    message = run("restore", "copy.db", code=1, FEEDS_DATABASE_URL="postgresql://db/feeds")
    assert message.startswith("The database is PostgreSQL. Use: pg_restore ")


def get_entry(service):
    """LAST-MODIFIED, SEQUENCE and the hour of the start, as ``feeds serve`` serves them."""
    text = service.text.replace("\r\n", "\n")
    entry = text[text.index("BEGIN:VEVENT") :]
    names = ("LAST-MODIFIED:(\\d+T\\d+)Z", "SEQUENCE:(\\d+)", "DTSTART.*:\\d+T(\\d\\d)")
    return [re.findall(name, entry)[0] for name in names]


def test_the_commands_work_while_feeds_serve_runs(upstream, tmp_path):
    event, run_ = an_event(), a_run()
    upstream.put(EVENT, {"event": event, "runs": [run_]})
    env = environment_for(upstream.url, tmp_path, FEEDS_MAX_AGE="1")

    def poll():
        return get_entry(requests.get(f"{url}/events/{EVENT}.ics", timeout=30))

    with serving(tmp_path / "log", env, "--workers", "1") as (_, url):
        first = poll()
        assert run_process("backup", "copy.db", env=env, cwd=tmp_path).returncode == 0
        upstream.put(EVENT, {"event": event, "runs": [run_ | {"startTime": "09:00"}]})
        wait_until(lambda: poll()[2] == "09", "the change")
        moved = poll()
        assert moved > first
        done = run_process("restore", "copy.db", env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        upstream.put(EVENT, {"event": event, "runs": [run_]})
        for entry in iter(poll, None):
            assert entry[:2] >= moved[:2]
            if entry[2] == "08":
                break
        assert entry[:2] > moved[:2]

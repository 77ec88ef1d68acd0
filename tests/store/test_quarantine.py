"""A database that is damaged, locked, full or away, as those see it who poll meanwhile."""

import os
import random
import resource
import sqlite3
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context
from signal import SIGKILL

import pytest
from msgspec import structs

from feeds.app import assemble, create_app
from feeds.errors import SettingsError
from feeds.store import quarantine as damage
from feeds.store.database import Database
from tests.support.factories import an_edition, an_event
from tests.support.processes import PATIENCE, START, settings_for
from tests.support.subscribers import CalendarClient, ReaderClient

PAGE_SIZE = 4096
EVENTS = 12
DAY = "2026-06-13"
ASIDE = "feeds.sqlite3.damaged-20260520T120000Z"

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


def fill(url, api_url, end):
    """Fill a database, and end as a service does, or as one that is killed."""
    database = Database(url)
    database.open(api_url, "", START)
    for number in range(EVENTS):
        event = an_event(id=f"event-{number}", description=f"{number} " * 300 * number)
        edition = structs.replace(an_edition(event), fetched=START)
        assert database.save(None, edition, (START, START), START)
    if end == "killed":
        database.close()  # to have something beside what is in the log
        assert database.save(None, an_edition(an_event(id="last")), (START, START), START)
        os.kill(os.getpid(), SIGKILL)
    database.close()


def hold_lock(path, held, done):
    """Be in the middle of writing until told to stop."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("DELETE FROM events")
        held.set()
        done.wait(PATIENCE)


@contextmanager
def locked(path):
    held, done = processes.Event(), processes.Event()
    process = processes.Process(target=hold_lock, args=(path, held, done))
    process.start()
    try:
        assert held.wait(PATIENCE)
        yield
    finally:
        done.set()
        process.join(PATIENCE)
    assert process.exitcode == 0


@contextmanager
def full_disk(_path):
    """A disk that takes no more bytes, whichever file they are for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def moved_away(path):
    """A folder that is not there for a while, as on a disk that is not mounted."""
    away = path.parent.with_name("away")
    path.parent.rename(away)
    try:
        yield
    finally:
        away.rename(path.parent)


@contextmanager
def deleted_and_restored(path):
    """A file that is deleted, and restored from a copy."""
    copy = path.with_name("copy")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for each in path.parent.glob("feeds.sqlite3*"):
        each.unlink()
    yield
    copy.rename(path)


@contextmanager
def replaced_by_an_empty_one(path):
    """What another process does that starts and finds the file damaged."""
    with closing(sqlite3.connect(path)) as connection:
        bound = "SELECT value FROM deployment WHERE name = 'api_url'"
        (api_url,) = connection.execute(bound).fetchone()
    for suffix in ("-wal", "-shm", ""):
        path.with_name(f"{path.name}{suffix}").rename(path.with_name(f"aside{suffix}"))
    yield
    Database(f"sqlite:///{path}").open(api_url, "", START)


@pytest.fixture
def folder(tmp_path):
    """A folder of its own for the database, which can be moved."""
    (tmp_path / "var").mkdir()
    return tmp_path / "var"


@pytest.fixture
def path(folder):
    return folder / "feeds.sqlite3"


@pytest.fixture
def filled(upstream, path):
    """A database with more than one event; ``"killed"`` leaves it with its log."""

    def make(end="stopped"):
        process = processes.Process(target=fill, args=(f"sqlite:///{path}", upstream.url, end))
        process.start()
        process.join(PATIENCE)
        assert process.exitcode == (-SIGKILL if end == "killed" else 0)
        assert path.stat().st_size > 20 * PAGE_SIZE
        return path

    return make


def overwritten(page, content, path):
    with path.open("r+b") as file:
        file.seek(page * PAGE_SIZE)
        file.write(content)


NOISE = random.Random(3).randbytes(PAGE_SIZE)
CONTENTS = {
    "noughts": bytes(PAGE_SIZE),
    "noise-that-looks-like-the-end-of-a-document": bytes(4) + NOISE[4:],
}
DAMAGES = {
    "garbage": lambda path: path.write_bytes(NOISE * 10),
    "a-line-of-text": lambda path: path.write_text("This is no database.\n", "utf-8"),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "truncated-to-a-page": lambda path: os.truncate(path, PAGE_SIZE),
    "truncated-within-a-page": lambda path: os.truncate(path, PAGE_SIZE + 700),
    "noise-at-the-start": partial(overwritten, 0, NOISE),
    "noise-in-the-middle": partial(overwritten, 10, NOISE),
    "noughts-in-the-middle": partial(overwritten, 10, bytes(PAGE_SIZE)),
}


@pytest.fixture
def start(upstream, folder, clock):
    """Start the service as one more process would; the answer is its client."""

    def start():
        return create_app(settings_for(upstream.url, folder), clock.timestamp).test_client()

    return start


def told_as_damaged(caplog):
    return [
        record.getMessage() for record in caplog.records if record.name == "feeds.store.quarantine"
    ]


class TestADamagedFile:
    @pytest.mark.parametrize("harm", DAMAGES.values(), ids=DAMAGES)
    def test_it_is_put_aside_and_the_service_goes_on_with_an_empty_one(
        self, filled, upstream, start, caplog, harm
    ):
        path = filled()
        harm(path)
        harmed = path.read_bytes()
        upstream.publish("event-1", DAY)

        client = start()
        assert client.get("/events/event-1.ics").status_code == 200
        assert upstream.asked == ["event-1"]
        assert (path.parent / ASIDE).read_bytes() == harmed
        (line,) = told_as_damaged(caplog)
        assert ASIDE in line
        assert "\n" not in line

        assert start().get("/events/event-1.ics").status_code == 200
        assert upstream.asked == ["event-1"], "it is kept in the new one"
        assert len(told_as_damaged(caplog)) == 1

    def test_its_log_goes_with_it(self, filled, start):
        path = filled("killed")
        parts = {suffix: path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm")}
        overwritten(15, NOISE, path)
        log = parts["-wal"].read_bytes()
        assert log
        start()
        assert (path.parent / f"{ASIDE}-wal").read_bytes() == log
        assert (path.parent / f"{ASIDE}-shm").is_file()
        assert Database(f"sqlite:///{path}").read("last") is None

    @pytest.mark.parametrize("content", list(CONTENTS.values()), ids=list(CONTENTS))
    def test_whichever_page_is_harmed_nobody_notices(self, filled, upstream, start, clock, content):
        path = filled()
        whole = path.read_bytes()
        upstream.publish("event-11", DAY)
        clock.advance(hours=25)
        put_aside = 0
        for page in range(len(whole) // PAGE_SIZE):
            for each in path.parent.iterdir():
                each.unlink()
            path.write_bytes(whole)
            overwritten(page, content, path)
            clock.advance(minutes=1)
            client = start()
            put_aside += len(list(path.parent.glob("*.damaged-*")))
            assert client.get("/").status_code == 200
            assert client.get("/events/event-11.ics").status_code == 200
            client.application.extensions["delivery"].newsroom._database.close()
        assert put_aside > 10

    def test_of_many_that_start_at_once_one_puts_it_aside(self, filled, upstream):
        path = filled()
        overwritten(15, NOISE, path)
        harmed = path.read_bytes()
        for _ in range(5):
            for each in path.parent.iterdir():
                each.unlink()
            path.write_bytes(harmed)
            together = processes.Barrier(4)
            started = [
                processes.Process(target=open_together, args=(path, upstream.url, together))
                for _ in range(4)
            ]
            for process in started:
                process.start()
            for process in started:
                process.join(PATIENCE)
                assert process.exitcode == 0
            assert (path.parent / ASIDE).read_bytes() == harmed, "not put aside twice"
            assert not Database(f"sqlite:///{path}").has_events()


def open_together(path, api_url, together):
    together.wait(PATIENCE)
    Database(f"sqlite:///{path}").open(api_url, "", START)


class TestAFileThatIsWell:
    def test_a_file_that_is_none_of_ours_is_left_alone(self, tmp_path):
        letter = tmp_path / "letter.txt"
        letter.write_text("Dear runner, " * 500)
        damage.quarantine(letter, START)
        assert letter.read_text() == "Dear runner, " * 500
        assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]

    @pytest.mark.parametrize("end", ["stopped", "killed"])
    def test_it_is_left_alone(self, filled, path, start, caplog, end):
        filled(end)
        start()
        start()
        assert not list(path.parent.glob("*damaged*"))
        assert told_as_damaged(caplog) == []
        database = Database(f"sqlite:///{path}")
        assert all(database.read(f"event-{number}") for number in range(EVENTS))
        assert bool(database.read("last")) == (end == "killed")

    def test_one_that_is_not_there_is_not_made(self, path):
        damage.quarantine(path, START)
        assert list(path.parent.iterdir()) == []

    def test_an_empty_file_becomes_a_database(self, path, start, caplog):
        path.touch()
        assert start().get("/").status_code == 200
        assert told_as_damaged(caplog) == []


class Race:
    """An event, the service, and who polls it."""

    def __init__(self, upstream, start, clock):
        self._upstream, self._start, self.clock = upstream, start, clock
        upstream.publish("harbor", DAY)
        self.calendar = CalendarClient("/events/harbor.ics")
        self.reader = ReaderClient("/events/harbor.rss")
        self.restart()
        assert self.poll() == ["Harbor: 10K, Sat 13 Jun 2026, 12:00"]

    def restart(self):
        self.client = self._start()

    def edit(self, **fields):
        document = self._upstream.document("harbor")
        document["runs"][0] |= fields
        self._upstream.put("harbor", document)

    def poll(self):
        self.calendar.poll(self.client)
        return self.reader.poll(self.client, self.clock())

    def later(self):
        self.clock.advance(hours=1)
        return self.poll()

    @property
    def status(self):
        return self.calendar.status("harbor-1@intervals.run")


@pytest.fixture
def impatient(monkeypatch):
    """Who finds a lock has not to wait as long as in earnest."""
    monkeypatch.setattr("feeds.store.engines.LOCK_TIMEOUT", 0.1)


@pytest.fixture
def race(upstream, start, clock, impatient):
    return Race(upstream, start, clock)


TROUBLES = {
    "locked": locked,
    "full": full_disk,
    "moved": moved_away,
    "deleted": deleted_and_restored,
    "replaced": replaced_by_an_empty_one,
}
AWAY = {name: TROUBLES[name] for name in ("moved", "deleted", "replaced")}
any_trouble = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


class TestTroubleWhileItRuns:
    @any_trouble
    def test_what_changes_meanwhile_is_told_once_it_can_be_kept(self, race, path, trouble, caplog):
        with trouble(path):
            race.edit(eventStatus="cancelled")
            assert race.later() == []
            assert race.status == "CONFIRMED"
        assert race.later() == ["Cancelled: Harbor: 10K, Sat 13 Jun 2026, 12:00"]
        assert race.status == "CANCELLED"
        assert told_as_damaged(caplog) == []

        kept = Database(f"sqlite:///{path}").read("harbor")
        assert kept is not None
        assert [(each.kind, each.nth) for each in kept.changes] == [("cancelled", 1)]
        race.restart()
        assert race.poll() == []
        assert race.later() == []
        race.edit(eventStatus="scheduled")
        assert race.later() == ["Reinstated: Harbor: 10K, Sat 13 Jun 2026, 12:00"]
        assert race.status == "CONFIRMED"

    @any_trouble
    def test_no_call_is_made_that_cannot_be_counted(self, race, path, upstream, trouble):
        calls = len(upstream.calls)
        with trouble(path):
            for _ in range(3):
                race.later()
            assert len(upstream.calls) == calls

    @any_trouble
    def test_who_polls_gets_what_is_in_memory(self, race, path, upstream, trouble):
        calls = len(upstream.calls)
        with trouble(path):
            race.clock.advance(minutes=1)
            for extension in ("", ".ics", ".rss"):
                assert race.client.get(f"/events/harbor{extension}").status_code == 200
            assert len(upstream.calls) == calls
            upstream.answer(500, "text/plain", "")
            race.clock.advance(hours=1)
            answer = race.client.get("/events/harbor.ics")
            assert (answer.status_code, answer.cache_control.max_age) == (200, 60)

    @any_trouble
    def test_the_page_of_all_events_is_served(self, race, path, trouble):
        with trouble(path):
            assert race.client.get("/").status_code == 200

    @any_trouble
    def test_of_an_event_that_is_not_in_memory_nothing_is_said_until_it_can_be_read(
        self, race, path, upstream, trouble
    ):
        upstream.publish("bridge", DAY)
        calls = len(upstream.calls)
        with trouble(path):
            answer = race.client.get("/events/bridge.ics")
            assert answer.status_code == 503
            assert answer.headers["Cache-Control"] == "no-store"
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.text == "The database is unavailable.\n"
            assert len(upstream.calls) == calls
            assert path.exists() != (trouble in AWAY.values()), "no empty one has taken its place"
        assert race.client.get("/events/bridge.ics").status_code == 200

    def test_a_file_that_is_damaged_while_it_is_used_is_put_aside_when_a_process_starts(
        self, race, path, start, caplog
    ):
        path.with_name(f"{path.name}-wal").unlink()
        damaged = path.with_name("damaged")
        damaged.write_bytes(NOISE * 10)
        damaged.rename(path)
        race.edit(eventStatus="cancelled")
        assert race.later() == []
        assert race.client.get("/events/bridge.ics").status_code == 503

        start()
        assert len(told_as_damaged(caplog)) == 1
        assert race.later() == ["Cancelled: Harbor: 10K, Sat 13 Jun 2026, 12:00"]
        assert race.client.get("/events/bridge.ics").status_code == 404
        race.restart()
        assert race.poll() == []
        assert race.status == "CANCELLED"


class TestTroubleAtTheStart:
    """``serve`` tells it and does not start; a worker that takes another one's place waits."""

    @any_trouble
    def test_a_worker_waits_for_the_database_and_goes_on_by_itself(
        self, race, path, upstream, clock, trouble
    ):
        settings = settings_for(upstream.url, path.parent)
        with trouble(path):
            worker = create_app(settings, clock.timestamp, made=True).test_client()
            assert worker.get("/events/harbor.ics").status_code in (200, 503)
            calls = len(upstream.calls)
            assert worker.get("/events/bridge.ics").status_code == 503
            assert worker.get("/").status_code == 200
            assert len(upstream.calls) == calls
        race.clock.advance(hours=1)
        assert worker.get("/events/harbor.ics").status_code == 200
        assert race.later() == []

    def test_a_locked_database_is_told_in_one_line_and_left_alone(
        self, filled, path, upstream, start, impatient, caplog
    ):
        filled()
        with locked(path), pytest.raises(SettingsError) as refusal:
            assemble(settings_for(upstream.url, path.parent)).since()
        assert refusal.value.faults == ("FEEDS_DATABASE_URL cannot be used: database is locked.",)
        assert told_as_damaged(caplog) == []
        assert start().get("/").status_code == 200
        assert Database(f"sqlite:///{path}").read("event-1") is not None

    def test_a_full_disk_is_told_in_one_line_and_left_alone(
        self, filled, path, upstream, start, caplog
    ):
        filled()
        with full_disk(path), pytest.raises(SettingsError) as refusal:
            assemble(settings_for(upstream.url, path.parent)).since()
        (line,) = refusal.value.faults
        assert line.startswith("FEEDS_DATABASE_URL cannot be used: ")
        assert told_as_damaged(caplog) == []
        start()
        assert Database(f"sqlite:///{path}").read("event-1") is not None

    def test_what_a_full_disk_holds_is_served(self, race, path):
        with full_disk(path):
            race.restart()
            assert race.poll() == []
            race.edit(eventStatus="cancelled")
            assert race.later() == []
        assert race.later() == ["Cancelled: Harbor: 10K, Sat 13 Jun 2026, 12:00"]

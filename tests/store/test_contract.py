"""The contract of ``Database``: what it keeps, whoever writes, reads or is killed at the same time.

Every engine has to pass it, see ``tests.support.databases``.
"""

import itertools
import os
import random
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_clock
from functools import partial
from multiprocessing import get_context
from signal import SIGKILL
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.model import Change, Edition, Event, Kind, PendingRemoval, Revision, Run, State
from feeds.errors import SettingsError
from feeds.store.tables import metadata
from tests.support.databases import API, another, opened
from tests.support.factories import HOME, NOW, a_run, an_edition, an_event
from tests.support.processes import PATIENCE, until

SPAN = (NOW, NOW + timedelta(hours=1))
SECOND = timedelta(seconds=1)

# Forked from a server that has one thread: as fast as fork, and no lock is inherited.
processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])

USUAL = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def contents(database):
    """All rows of all tables."""
    with database._engine.read() as connection:
        return {
            name: sorted(map(repr, connection.execute(sa.select(table))))
            for name, table in metadata.tables.items()
        }


def numbered(number, version=None):
    """An edition every part of which tells its number, which is its version too."""
    then = NOW + number * SECOND
    state = State(start=str(number), zone=HOME)
    runs = [a_run(id=f"r{each}", distance_label=str(number)) for each in range(number % 4)]
    event = an_event(*runs, name=f"Harbor Run {number}")
    changes = [
        Change(run=f"r{each}", kind=Kind.MOVED, was=state, now=state, noticed=then, nth=number)
        for each in range(1 + number % 3)
    ]
    return Edition(
        event=event,
        fetched=then,
        revisions={
            id_: Revision(NOW, then, number, str(number), str(number))
            for id_ in [event.id, *(run.id for run in runs)]
        },
        changes=tuple(changes),
        pending=PendingRemoval(str(number), then),
        deployment=str(number),
        version=number if version is None else version,
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
WORD = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=12
)
NUMBER = st.integers(0, 2**31 - 1)
DAY = st.dates(date(1970, 1, 1))
INSTANT = st.integers(0, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def maybe(strategy):
    return st.none() | strategy


RUN = st.builds(
    Run,
    id=WORD,
    distance_meters=st.floats(0, 10_000_000),
    distance_standard=TEXT,
    distance_label=TEXT,
    date=DAY,
    start_time=maybe(st.times()),
    status=TEXT,
    registration_url=maybe(TEXT),
    registration_opens=maybe(INSTANT),
    registration_closes=maybe(INSTANT),
    registration_override=maybe(TEXT),
    sold_out=st.booleans(),
    virtual=st.booleans(),
    relay=st.booleans(),
    walking=st.booleans(),
    unlisted=maybe(INSTANT),
    withdrawn=st.booleans(),
)
EVENT = st.builds(
    Event,
    id=WORD,
    organization_id=TEXT,
    name=TEXT,
    slug=TEXT,
    type=TEXT,
    date=DAY,
    start_time=maybe(st.times()),
    end_date=maybe(DAY),
    end_time=maybe(st.times()),
    location=maybe(TEXT),
    point=maybe(st.tuples(st.floats(-90, 90), st.floats(-180, 180))),
    description=maybe(TEXT),
    website_url=maybe(TEXT),
    registration_url=maybe(TEXT),
    runs=st.lists(RUN, max_size=3).map(tuple),
)
STAMP = st.builds(
    Revision, created=INSTANT, last_modified=INSTANT, sequence=NUMBER, content=WORD, schedule=WORD
)
STATE = st.builds(
    State,
    start=TEXT,
    zone=TEXT,
    place=maybe(TEXT),
    status=TEXT,
    sold_out=st.booleans(),
    override=maybe(TEXT),
    distance=TEXT,
)
CHANGE = st.builds(
    Change,
    run=WORD,
    kind=st.sampled_from(Kind),
    was=STATE,
    now=STATE,
    noticed=INSTANT,
    nth=NUMBER,
    group_nth=NUMBER,
)
EDITION = st.builds(
    Edition,
    event=EVENT,
    fetched=INSTANT,
    revisions=st.dictionaries(WORD, STAMP, max_size=4),
    changes=st.lists(CHANGE, max_size=4).map(tuple),
    gone=maybe(INSTANT),
    pending=maybe(st.builds(PendingRemoval, reason=WORD, since=INSTANT)),
    deployment=TEXT,
)


numbers = itertools.count()


def of_another_event(edition):
    """The edition with an id that no event had before: examples share a database."""
    return structs.replace(
        edition, event=structs.replace(edition.event, id=f"event-{next(numbers)}")
    )


class TestSavingAndReading:
    @USUAL
    @given(edition=EDITION)
    def test_what_is_read_is_what_was_saved(self, database, edition):
        edition = of_another_event(edition)
        saved = database.save(None, edition, SPAN, NOW)
        assert saved == structs.replace(edition, version=1)
        assert database.read(edition.event.id) == saved

    @USUAL
    @given(first=EDITION, second=EDITION)
    def test_an_edition_takes_the_place_of_the_one_that_it_is_saved_over(
        self, database, first, second
    ):
        second = of_another_event(second)
        first = structs.replace(first, event=structs.replace(first.event, id=second.event.id))
        known = database.save(None, first, SPAN, NOW)
        saved = database.save(known, second, SPAN, NOW)
        assert saved == structs.replace(second, version=2)
        assert database.read(second.event.id) == saved

    def test_every_field_that_may_be_left_out_comes_back(self, database):
        at = datetime(2025, 5, 1, 8, 30, tzinfo=UTC)
        run = a_run(
            start_time=wall_clock(7, 30),
            registration_url="https://club.example/10k",
            registration_opens=at,
            registration_closes=at,
            registration_override="paused",
            sold_out=True,
            unlisted=at,
            withdrawn=True,
        )
        event = an_event(
            run,
            start_time=wall_clock(8),
            end_date=date(2025, 6, 15),
            end_time=wall_clock(18),
            location="Navy Pier, Chicago",
            point=(41.9, -87.6),
            description="Läufe am See",
            website_url="https://club.example",
            registration_url="https://club.example/all",
        )
        edition = an_edition(event, gone=at, pending=PendingRemoval("gone", at), deployment="here")
        database.save(None, edition, SPAN, NOW)
        read = database.read("harbor")
        assert read is not None
        assert (read.event, read.gone, read.pending) == (event, at, PendingRemoval("gone", at))

    def test_changes_come_back_in_the_order_in_which_they_were_saved(self, database):
        changes = tuple(
            structs.replace(numbered(1).changes[0], run=f"r{number}", noticed=NOW - number * SECOND)
            for number in range(30)
        )
        database.save(None, structs.replace(numbered(1), changes=changes), SPAN, NOW)
        assert database.read("harbor").changes == changes

    def test_what_an_edition_no_longer_has_is_forgotten(self, database):
        known = database.save(None, numbered(7), SPAN, NOW)
        bare = structs.replace(numbered(8), revisions={}, changes=(), pending=None)
        database.save(known, bare, SPAN, NOW)
        assert database.read("harbor") == structs.replace(bare, version=2)

    def test_events_do_not_touch_each_other(self, database):
        ids = ["harbor", "Harbor", "harbor-", "harbor_"]
        for number, id_ in enumerate(ids, 1):
            edition = numbered(number)
            edition = structs.replace(edition, event=structs.replace(edition.event, id=id_))
            database.save(None, edition, SPAN, NOW)
        for number, id_ in enumerate(ids, 1):
            read = database.read(id_)
            assert read.event.name == f"Harbor Run {number}"
            assert read.changes == numbered(number).changes
            assert read.revisions == numbered(number).revisions

    def test_what_was_never_saved_is_not_there(self, database):
        database.save(None, numbered(1), SPAN, NOW)
        assert database.read("another") is None

    def test_another_process_reads_what_one_saved(self, url, database):
        saved = database.save(None, numbered(1), SPAN, NOW)
        assert another(url).read("harbor") == saved

    def test_whether_any_event_was_ever_read_is_known(self, database):
        assert not database.has_events()
        database.save(None, structs.replace(numbered(1), gone=NOW), SPAN, NOW)
        assert database.has_events()


class TestCompareAndSwap:
    def outdated(self, database):
        first = database.save(None, numbered(1), SPAN, NOW)
        assert database.save(first, numbered(2), SPAN, NOW) is not None
        return SimpleNamespace(first=first, before=contents(database))

    def test_an_edition_is_not_saved_over_a_version_that_is_not_the_last(self, database):
        known = self.outdated(database)
        assert database.save(known.first, numbered(3), SPAN, NOW) is None
        assert contents(database) == known.before

    def test_an_edition_is_not_saved_over_a_version_that_is_yet_to_come(self, database):
        known = self.outdated(database)
        assert database.save(numbered(3), numbered(4), SPAN, NOW) is None
        assert contents(database) == known.before

    def test_the_first_edition_of_an_event_is_not_saved_twice(self, database):
        known = self.outdated(database)
        assert database.save(None, numbered(3), SPAN, NOW) is None
        assert contents(database) == known.before

    def test_an_edition_is_not_saved_over_one_that_the_database_does_not_have(self, database):
        known = self.outdated(database)
        other = structs.replace(numbered(3), event=an_event(id="another"))
        assert database.save(structs.replace(other, version=2), other, SPAN, NOW) is None
        assert contents(database) == known.before


def the_last(database):
    """The edition last saved of the one event that there is."""
    known = database.read("harbor")
    assert known is not None
    return known


def add_changes(url, writer, times, start):
    """Add that many changes to the event's history, one at a time, against another writer."""
    database = another(url)
    start.wait(PATIENCE)
    for number in range(1, times + 1):
        saved = None
        while saved is None:
            known = the_last(database)
            change = structs.replace(numbered(1).changes[0], run=writer, nth=number)
            revision = Revision(NOW, NOW, number, writer, "")
            edition = structs.replace(
                known,
                changes=(*known.changes, change),
                revisions={**known.revisions, f"{writer}-{number}": revision},
            )
            saved = database.save(known, edition, SPAN, NOW)


def save_first(url, ids, start, won):
    """Save the first edition of each event at the same time as another process."""
    database = another(url)
    for id_ in ids:
        edition = structs.replace(numbered(0), event=an_event(id=id_, name=str(os.getpid())))
        start.wait(PATIENCE)
        if database.save(None, edition, SPAN, NOW):
            won.put(id_)


def open_at(url, now, start, answers):
    start.wait(PATIENCE)
    try:
        answers.put(another(url).open(API, "first", now))
    except SettingsError as error:
        answers.put(error)


def save_numbered(url, last=None):
    """Save one numbered edition after the other, for ever if no last one is given."""
    database = another(url)
    known = database.read("harbor")
    for number in itertools.count(known.version + 1 if known else 1):
        known = database.save(known, numbered(number), SPAN, NOW)
        if number == last:
            break


def save_and_die(url, when):
    """Save the next numbered edition, killed at the ``when``-th point on the way."""
    database = another(url)
    known = the_last(database)
    points = itertools.count(1)

    def die(*_):
        if next(points) == when:
            os.kill(os.getpid(), SIGKILL)

    for point in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, point, die)
    database.save(known, numbered(known.version + 1), SPAN, NOW)


def later_version(database, before):
    version = the_last(database).version
    return version if version > before else None


def run_all(*started):
    """Have these processes run to their ends."""
    for each in started:
        each.start()
    for each in started:
        each.join(PATIENCE)
        assert each.exitcode == 0


class TestManyProcesses:
    def test_two_that_save_at_once_lose_nothing_and_double_nothing(self, url, database):
        times = 60
        database.save(None, structs.replace(numbered(1), changes=(), revisions={}), SPAN, NOW)
        start = processes.Barrier(2)
        run_all(
            *(
                processes.Process(target=add_changes, args=(url, writer, times, start))
                for writer in ("a", "b")
            )
        )
        read = database.read("harbor")
        assert read.version == 1 + 2 * times
        for writer in ("a", "b"):
            made = [change.nth for change in read.changes if change.run == writer]
            assert made == list(range(1, times + 1))
        assert len(read.changes) == len(read.revisions) == 2 * times

    def test_of_two_that_save_a_first_edition_at_once_one_does(self, url, database):
        ids = [f"event-{number}" for number in range(40)]
        start, won = processes.Barrier(2), processes.Queue()
        run_all(
            *(processes.Process(target=save_first, args=(url, ids, start, won)) for _ in range(2))
        )
        assert sorted(won.get(timeout=PATIENCE) for _ in ids) == sorted(ids)
        assert won.empty()
        for id_ in ids:
            read = database.read(id_)
            assert (read.version, read.revisions) == (1, numbered(0).revisions)

    def test_a_reader_never_sees_parts_of_two_versions(self, url, database):
        last = 400
        writer = processes.Process(target=save_numbered, args=(url, last))
        writer.start()
        seen: set[int] = set()
        deadline = time.monotonic() + PATIENCE
        while not seen or max(seen) < last:
            assert time.monotonic() < deadline
            if read := database.read("harbor"):
                assert read == numbered(read.version)
                seen.add(read.version)
        writer.join(PATIENCE)
        assert len(seen) > 10, "the reader was never there while the writer was"

    def test_a_writer_killed_at_any_point_of_a_save_leaves_one_version_or_the_other(
        self, url, database
    ):
        database.save(None, numbered(1), SPAN, NOW)
        died = saved = 0
        for when in itertools.count(1):
            before = database.read("harbor").version
            writer = processes.Process(target=save_and_die, args=(url, when))
            writer.start()
            writer.join(PATIENCE)
            read = opened(url).read("harbor")
            assert read == numbered(read.version)
            assert read.version in (before, before + 1)
            saved += read.version - before
            if writer.exitcode == 0:
                break
            assert writer.exitcode == -SIGKILL
            died += 1
        assert died > 10
        assert saved == 1, "only that which was not killed is saved"

    def test_a_writer_killed_at_a_random_moment_leaves_a_whole_version(self, url, database):
        database.save(None, numbered(1), SPAN, NOW)
        moments = random.Random(3)
        for _ in range(8 if "postgresql" in url else 20):
            before = database.read("harbor").version
            writer = processes.Process(target=save_numbered, args=(url,))
            writer.start()
            seen = until(partial(later_version, database, before), "a save")
            time.sleep(moments.uniform(0, 0.005))  # to hit it anywhere, not to wait for anything
            writer.kill()
            writer.join(PATIENCE)
            database = opened(url)
            read = database.read("harbor")
            assert read == numbered(read.version)
            assert read.version >= seen, "what another process has read is not lost"

    def test_all_that_open_a_new_database_at_once_get_the_same_answer(self, url, request):
        for number in range(3):
            start, answers = processes.Barrier(4), processes.Queue()
            new = url.replace("feeds.sqlite3", f"feeds-{number}.sqlite3")
            if "postgresql" in url:
                new = request.getfixturevalue("postgres").new_database()
            nows = [NOW + minute * timedelta(minutes=1) for minute in range(4)]
            run_all(
                *(
                    processes.Process(target=open_at, args=(new, now, start, answers))
                    for now in nows
                )
            )
            got = {answers.get(timeout=PATIENCE) for _ in nows}
            assert len(got) == 1
            assert got < set(nows)


class TestOpening:
    def test_what_was_saved_is_there_when_it_is_opened_again(self, url, database):
        database.save(None, numbered(1), SPAN, NOW)
        before = contents(database)
        assert contents(opened(url, now=NOW + timedelta(days=1))) == before

    def test_it_is_bound_to_the_first_upstream(self, url, database):
        before = contents(database)
        with pytest.raises(SettingsError, match=f"holds events of {API}, FEEDS_API_URL is http://"):
            opened(url, api="http://127.0.0.1:8001", fingerprint="second")
        assert contents(database) == before
        opened(url)

    def test_it_is_bound_to_the_first_organization(self, url, database):
        database.bind_organization("club", NOW)
        database.bind_organization("club", NOW + SECOND)
        with pytest.raises(SettingsError, match=r"of the organization club, INTERVALS_\w+ belongs"):
            another(url).bind_organization("another", NOW)
        another(url).bind_organization("club", NOW)

    @pytest.mark.parametrize(
        "start",
        [
            pytest.param(lambda url: opened(url, api="http://127.0.0.1:8001"), id="upstream"),
            pytest.param(
                lambda url: opened(url).bind_organization("another", NOW), id="organization"
            ),
        ],
    )
    def test_a_refusal_is_one_line(self, url, database, start):
        database.bind_organization("club", NOW)
        with pytest.raises(SettingsError) as refusal:
            start(url)
        (line,) = refusal.value.faults
        assert "\n" not in line
        assert line.startswith("FEEDS_DATABASE_URL ")

    def test_an_upstream_that_is_refused_does_not_count_as_a_deploy(self, url, database):
        with pytest.raises(SettingsError):
            opened(url, api="http://127.0.0.1:8001", fingerprint="second", now=NOW + SECOND)
        assert another(url).open(API, "first", NOW + 2 * SECOND) == NOW


class TestSinceWhenAFingerprintIsUnchanged:
    def since(self, url, fingerprint, now):
        return another(url).open(API, fingerprint, now)

    def test_the_first_is_there_since_now(self, url):
        assert self.since(url, "first", NOW) == NOW

    def test_the_same_moves_nothing(self, url):
        self.since(url, "first", NOW)
        assert self.since(url, "first", NOW + timedelta(days=9)) == NOW
        assert self.since(url, "first", NOW - timedelta(days=9)) == NOW

    def test_another_is_there_since_it_came(self, url):
        self.since(url, "first", NOW)
        later = NOW + timedelta(days=1)
        assert self.since(url, "second", later) == later
        assert self.since(url, "second", later + SECOND) == later

    def test_the_one_before_is_another_when_it_comes_back(self, url):
        self.since(url, "first", NOW)
        self.since(url, "second", NOW + timedelta(days=1))
        later = NOW + timedelta(days=2)
        assert self.since(url, "first", later) == later

    def test_it_rises_in_the_same_second(self, url):
        assert self.since(url, "first", NOW) < self.since(url, "second", NOW)

    @given(days=st.lists(st.integers(-400, 400), min_size=1, max_size=8))
    @USUAL
    def test_it_rises_with_each_deploy_whatever_the_clock_does(self, database, days):
        last = database.open(API, "first", NOW)
        for day in days:
            since = database.open(API, f"deploy {last}", NOW + timedelta(days=day))
            assert since > last
            last = since


class TestNearest:
    def saved(self, database, events):
        """Events by id with (days until it starts, days that it lasts, whether it is gone)."""
        for id_, (start, length, gone) in events.items():
            edition = structs.replace(
                numbered(0), event=an_event(id=id_), gone=NOW if gone else None
            )
            starts = NOW + timedelta(days=start)
            assert database.save(None, edition, (starts, starts + timedelta(days=length)), NOW)

    def listed(self, database, most):
        return [event.id for event in database.list_events(NOW, most)]

    def test_what_comes_next_is_first_and_what_was_last_comes_after_all_that_comes(self, database):
        self.saved(
            database,
            {
                "last-year": (-365, 1, False),
                "next-month": (30, 1, False),
                "last-week": (-7, 1, False),
                "on": (-1, 2, False),
                "tomorrow": (1, 1, False),
            },
        )
        assert self.listed(database, 10) == [
            "on",
            "tomorrow",
            "next-month",
            "last-week",
            "last-year",
        ]

    def test_there_are_no_more_than_asked_for(self, database):
        self.saved(database, {"a": (1, 1, False), "b": (2, 1, False), "c": (-9, 1, False)})
        assert [self.listed(database, most) for most in range(5)] == [
            [],
            ["a"],
            ["a", "b"],
            ["a", "b", "c"],
            ["a", "b", "c"],
        ]

    def test_what_is_gone_is_left_out(self, database):
        self.saved(database, {"a": (1, 1, True), "b": (2, 1, False), "c": (-9, 1, True)})
        assert self.listed(database, 10) == ["b"]

    def test_what_ends_now_is_not_over(self, database):
        self.saved(database, {"ends-now": (-1, 1, False), "over": (-2, 1, False)})
        assert self.listed(database, 10) == ["ends-now", "over"]
        assert self.listed(database, 1) == ["ends-now"]

    def test_what_starts_at_once_comes_by_id(self, database):
        self.saved(database, dict.fromkeys("cab", (1, 1, False)))
        assert self.listed(database, 10) == ["a", "b", "c"]

    def test_events_come_as_they_were_last_saved(self, database):
        known = database.save(None, numbered(1), SPAN, NOW)
        database.save(known, numbered(2), SPAN, NOW)
        assert database.list_events(NOW, 10) == [numbered(2).event]


class TestAFile:
    """What holds for SQLite alone."""

    def test_the_folder_of_the_database_is_made(self, tmp_path):
        opened(f"sqlite:///{tmp_path}/a/b/feeds.sqlite3")
        assert (tmp_path / "a/b/feeds.sqlite3").is_file()

    def test_a_folder_that_cannot_be_made_is_told_in_one_line(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(SettingsError) as refusal:
            opened(f"sqlite:///{tmp_path}/file/feeds.sqlite3")
        (line,) = refusal.value.faults
        assert line.startswith("FEEDS_DATABASE_URL cannot be used: ")
        assert "\n" not in line

    @pytest.mark.parametrize("name", ["a b.db", "läufe.db", "a#b.db", "a&b=c;d+e.db"])
    def test_the_file_may_have_any_name(self, tmp_path, name):
        database = opened(f"sqlite:///{tmp_path}/{name}")
        database.save(None, numbered(1), SPAN, NOW)
        assert (tmp_path / name).is_file()
        assert opened(f"sqlite:///{tmp_path}/{name}").read("harbor") == numbered(1)

"""What a database keeps, whichever process writes, reads or is killed at the same time."""

import itertools
import os
import sys
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_clock
from signal import SIGKILL
from types import NoneType, UnionType
from typing import get_args, get_origin

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.model import Change, Edition, History, Kind, PendingRemoval, Revision, State
from feeds.errors import DatabaseUnusable, SettingsError, StorageUnavailable
from feeds.store import rows
from feeds.store.tables import changes, events, revisions
from tests.support.databases import (
    API,
    connect,
    execute,
    open_database,
    processes,
    read_tables,
    run_processes,
)
from tests.support.factories import HOME, NOW, a_run, an_event
from tests.support.waiting import PATIENCE

SPAN = (NOW, NOW + timedelta(hours=1))
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
OTHER_API = "http://127.0.0.1:8001"

numbers = itertools.count()
examples = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
instants = st.integers(0, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
strategies = {
    str: texts,
    int: st.integers(0, 2**31 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    date: st.dates(date(1970, 1, 1)),
    wall_clock: st.times(),
    datetime: instants,
    Kind: st.sampled_from(Kind),
}


def values_of(type_):
    """Any value of a type of the model; of a struct with all its fields."""
    if type_ in strategies:
        return strategies[type_]
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is UnionType:
        return st.none() | values_of(next(each for each in arguments if each is not NoneType))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if origin:
        return st.dictionaries(*map(values_of, arguments), max_size=4)
    return st.builds(type_, **{each.name: values_of(each.type) for each in structs.fields(type_)})


def new_event(edition):
    """The edition with an id that no event had before: examples share a database."""
    return with_id(edition, f"event-{next(numbers)}")


def with_id(edition, event_id):
    return structs.replace(edition, event=structs.replace(edition.event, id=event_id))


def numbered(number):
    """An edition whose every part shows its number."""
    then = NOW + number * SECOND
    state = State(start=str(number), zone=HOME)
    runs = [a_run(id=f"r{each}", distance_label=str(number)) for each in range(number % 4)]
    event = an_event(*runs, name=f"Harbor Run {number}")
    return Edition(
        event=event,
        fetched=then,
        revisions={
            id_: Revision(NOW, then, number, str(number), str(number))
            for id_ in [event.id, *(run.id for run in runs)]
        },
        changes=tuple(
            Change(run=f"r{each}", kind=Kind.MOVED, was=state, now=state, noticed=then, nth=number)
            for each in range(1 + number % 3)
        ),
        numbers={"r0/moved/": number},
        modified=then,
        pending={str(number): PendingRemoval(then, number)},
        deployment=str(number),
    )


def get_number(edition):
    """The number of an edition, all of whose parts must show it."""
    number = int(edition.deployment)
    assert edition == structs.replace(numbered(number), token=edition.token)
    return number


@examples
@given(first=values_of(Edition), second=values_of(Edition))
def test_an_edition_is_read_as_it_was_saved_and_replaces_all_of_the_one_before(
    database, first, second
):
    known = None
    for edition in (new_event(first), with_id(second, f"event-{next(numbers) - 1}")):
        saved = database.save(known, edition, SPAN, NOW)
        assert saved == structs.replace(edition, token=saved.token)
        assert database.read(edition.event.id) == saved
        assert saved.token not in ("", known and known.token)
        known = saved


def test_rows_have_all_columns_of_their_tables_and_no_others():
    """SQLAlchemy ignores a parameter that is no column, and inserts NULL where one is missing."""
    edition = numbered(3)
    row = rows.build_event_row(edition, SPAN, NOW)
    assert row.keys() == set(events.c.keys()) - {"polled", "save_number"}
    for table, build in ((revisions, rows.build_revision_rows), (changes, rows.build_change_rows)):
        assert {tuple(sorted(each)) for each in build(edition)} == {tuple(sorted(table.c.keys()))}


def test_changes_keep_their_order(database):
    history = tuple(
        structs.replace(numbered(1).changes[0], run=f"r{number}", noticed=NOW - number * SECOND)
        for number in range(30)
    )
    database.save(None, structs.replace(numbered(1), changes=history), SPAN, NOW)
    assert database.read("harbor").changes == history


def test_events_with_similar_ids_are_kept_apart(database):
    ids = ["harbor", "Harbor", "harbor-", "harbor_"]
    saved = [
        database.save(None, with_id(numbered(number), id_), SPAN, NOW)
        for number, id_ in enumerate(ids)
    ]
    assert [database.read(id_) for id_ in ids] == saved


UNREADABLE = {
    "text that is no JSON": {"document": b'{"id": "har'},
    "a document of another shape": {"document": b'{"id": "harbor"}'},
    "fetched out of range": {"fetched": 2**60},
    "modified out of range": {"modified": -(2**60)},
    "numbers of another shape": {"numbers": b"[]"},
    "pending of another shape": {"pending": b'{"r1": {"answers": 2}}'},
}


@pytest.mark.parametrize("values", UNREADABLE.values(), ids=UNREADABLE)
def test_the_history_of_a_row_that_cannot_be_read_is_kept_and_other_events_are_listed(
    url, database, values
):
    known = database.save(None, numbered(1), SPAN, NOW)
    other = database.save(None, with_id(numbered(2), "bridge"), SPAN, NOW)
    execute(url, sa.update(events).where(events.c.id == "harbor").values(**values))
    history = database.read("harbor")
    assert type(history) is History
    assert (history.token, history.revisions) == (known.token, known.revisions)
    assert history.changes == known.changes
    assert other.event in database.list_events(NOW, 10)
    saved = database.save(history, numbered(3), SPAN, NOW)
    assert database.read("harbor") == saved


def test_a_change_or_a_revision_that_cannot_be_read_is_skipped(url, database):
    known = database.save(None, numbered(2), SPAN, NOW)
    execute(url, sa.update(changes).where(changes.c.number == 1).values(kind="a later kind"))
    first, _, last = known.changes
    assert database.read("harbor") == structs.replace(known, changes=(first, last))
    execute(url, sa.update(revisions).where(revisions.c.id == "r1").values(created=2**60))
    history = database.read("harbor")
    assert type(history) is History
    assert history.revisions.keys() == known.revisions.keys() - {"r1"}


def test_other_events_are_known_by_since_when_they_miss_something(database):
    hour, later = timedelta(hours=1), NOW + 2 * DAY

    def save(id_, *hours, span=(NOW, later), gone=None):
        pending = {f"r{each}": PendingRemoval(NOW + each * hour, 1) for each in hours}
        edition = structs.replace(with_id(numbered(1), id_), pending=pending, gone=gone)
        assert database.save(None, edition, span, NOW)

    save("own", 5)
    save("nothing")
    save("one in between", 1, 3)
    save("one before a later one", 4, 8)
    save("too early", 2)
    save("too late", 7)
    save("gone", 6, gone=NOW)
    save("over", 5, span=(NOW - DAY, NOW + 8 * hour))
    between = (NOW + 3 * hour, NOW + 6 * hour)
    found = database.list_missing_since("own", between, NOW + 8 * hour)
    assert sorted(found) == [NOW + each * hour for each in (3, 4, 6)]
    assert NOW + 5 * hour in database.list_missing_since("gone", between, NOW)


def test_what_an_event_has_missed_counts_also_when_it_is_listed_again(database):
    known, hour = with_id(numbered(1), "other"), timedelta(hours=1)
    saved = None
    for hours in ((1,), (1, 3), (1,), ()):
        pending = {f"r{each}": PendingRemoval(NOW + each * hour, 1) for each in hours}
        saved = database.save(saved, structs.replace(known, pending=pending), SPAN, NOW)
        assert saved
    between = (NOW, NOW + 9 * hour)
    assert database.list_missing_since("own", between, NOW) == [NOW + 3 * hour]


def test_the_witness_is_the_other_listed_event_that_is_ahead_and_was_fetched_last(database):
    hour = timedelta(hours=1)

    def save(id_, hours, span=SPAN, **fields):
        edition = structs.replace(with_id(numbered(1), id_), fetched=NOW + hours * hour, **fields)
        assert database.save(None, edition, span, NOW)

    save("own", 9)
    assert database.find_witness("own", NOW) is None
    save("missing", 8, pending={"missing": PendingRemoval(NOW, 1)})
    witness = database.find_witness("own", NOW)
    assert witness == ("missing", NOW + 8 * hour, False)
    save("gone", 7, gone=NOW)
    save("over", 6, span=(NOW - DAY, NOW))
    save("earlier", 1)
    save("other", 5, pending={"r10k": PendingRemoval(NOW, 1)})  # a run of it is missing
    assert database.find_witness("own", NOW) == ("other", NOW + 5 * hour, True)


@pytest.mark.parametrize("known", ["none", "an older one", "one that is lost"])
def test_an_edition_is_saved_only_over_the_one_from_which_it_was_made(url, database, known):
    first = database.save(None, numbered(1), SPAN, NOW)
    database.save(first, numbered(2), SPAN, NOW)
    if known == "one that is lost":
        execute(url, sa.delete(events))
    before = read_tables(url)
    assert database.save(None if known == "none" else first, numbered(1), SPAN, NOW) is None
    assert read_tables(url) == before


def append_changes(url, writer, times, start):
    """Append so many changes to the event's history, one with each save."""
    database = connect(url)
    start.wait(PATIENCE)
    for number in range(1, times + 1):
        saved = None
        while saved is None:
            known = database.read("harbor")
            assert isinstance(known, Edition)
            change = structs.replace(numbered(1).changes[0], run=writer, nth=number)
            revision = Revision(NOW, NOW, number, writer, "")
            edition = structs.replace(
                known,
                changes=(*known.changes, change),
                revisions={**known.revisions, f"{writer}-{number}": revision},
            )
            saved = database.save(known, edition, SPAN, NOW)


def test_two_processes_that_save_at_once_lose_and_double_nothing(url, database):
    times = 30
    database.save(None, structs.replace(numbered(1), changes=(), revisions={}), SPAN, NOW)
    start = processes.Barrier(2)
    run_processes(append_changes, *((url, writer, times, start) for writer in "ab"))
    read = database.read("harbor")
    assert len(read.revisions) == 2 * times
    for writer in "ab":
        written = [change.nth for change in read.changes if change.run == writer]
        assert written == list(range(1, times + 1))


def save_first(url, ids, start, winners):
    """Save the first edition of each event at the same time as another process."""
    database = connect(url)
    for id_ in ids:
        start.wait(PATIENCE)
        if database.save(None, with_id(numbered(0), id_), SPAN, NOW):
            winners.put(id_)


def test_one_of_two_processes_saves_the_first_edition(url, database):
    ids = [f"event-{number}" for number in range(40)]
    start, winners = processes.Barrier(2), processes.Queue()
    run_processes(save_first, *[(url, ids, start, winners)] * 2)
    assert sorted(winners.get(timeout=PATIENCE) for _ in ids) == sorted(ids)
    assert winners.empty()
    for id_ in ids:
        assert database.read(id_).event == with_id(numbered(0), id_).event


def save_numbered(url, last):
    """Save one numbered edition after the other."""
    database, known = connect(url), None
    for number in range(1, last + 1):
        known = database.save(known, numbered(number), SPAN, NOW)


def test_a_reader_never_sees_parts_of_two_editions(url, database):
    last = 200
    writer = processes.Process(target=save_numbered, args=(url, last))
    writer.start()
    seen: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while not seen or max(seen) < last:
        assert time.monotonic() < deadline
        if read := database.read("harbor"):
            seen.add(get_number(read))
    writer.join(PATIENCE)
    assert len(seen) > 10, "the reader hardly read while the writer wrote"


def save_and_die(url, when):
    """Save the second edition, killed at the ``when``-th statement, result or commit."""
    database = connect(url)
    known = database.read("harbor")
    assert known is not None
    points = itertools.count(1)

    def die(*_):
        if next(points) == when:
            os.kill(os.getpid(), SIGKILL)

    for point in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, point, die)
    database.save(known, numbered(2), SPAN, NOW)


def test_a_writer_killed_at_any_statement_leaves_the_edition_before(url, database):
    database.save(None, numbered(1), SPAN, NOW)
    for killed in itertools.count():
        writer = processes.Process(target=save_and_die, args=(url, killed + 1))
        writer.start()
        writer.join(PATIENCE)
        if writer.exitcode == 0:
            break
        assert writer.exitcode == -SIGKILL
        assert get_number(open_database(url).read("harbor")) == 1
    assert killed > 10
    assert get_number(open_database(url).read("harbor")) == 2


def open_at(url, api, start, refusals):
    start.wait(PATIENCE)
    try:
        connect(url).open(api, NOW)
    except SettingsError as error:
        refusals.put(error)


def test_one_of_many_processes_that_open_a_new_database_at_once_binds_it(url):
    start, refusals = processes.Barrier(4), processes.Queue()
    run_processes(open_at, *((url, api, start, refusals) for api in [API, OTHER_API] * 2))
    messages = {str(refusals.get(timeout=PATIENCE)) for _ in range(2)}
    assert len(messages) == 1
    assert refusals.empty()


def test_a_database_belongs_to_its_first_upstream_and_its_first_organization(url, database):
    assert database.read_organization() is None
    database.bind_organization("club", NOW)
    connect(url).bind_organization("club", NOW + SECOND)
    assert connect(url).read_organization() == "club"
    before = read_tables(url)
    with pytest.raises(SettingsError) as upstream:
        open_database(url, api=OTHER_API, now=NOW + SECOND)
    with pytest.raises(SettingsError) as organization:
        connect(url).bind_organization("another", NOW)
    assert [*upstream.value.faults, *organization.value.faults] == [
        (
            f"FEEDS_DATABASE_URL holds events of {API}, FEEDS_API_URL is {OTHER_API}; use another "
            "database for another upstream."
        ),
        (
            "FEEDS_DATABASE_URL holds events of the organization club, INTERVALS_PARTNER_API_KEY "
            "belongs to another; use another database for another organization."
        ),
    ]
    assert read_tables(url) == before


def test_events_are_listed_from_the_next_to_the_last_then_back_into_the_past(database):
    days = {"last_year": -365, "next_month": 30, "last_week": -7, "tomorrow": 1}
    days |= {"also_tomorrow": 1, "also_last_week": -7, "running": -1, "ends_now": -2}
    for id_, start in days.items():
        length = 2 if id_ in ("running", "ends_now") else 1
        span = (NOW + start * DAY, NOW + (start + length) * DAY)
        assert database.save(None, with_id(numbered(0), id_), span, NOW)
    ids = ["ends_now", "running", "also_tomorrow", "tomorrow", "next_month"]
    ids += ["also_last_week", "last_week", "last_year"]
    for most in range(10):
        assert [event.id for event in database.list_events(NOW, most)] == ids[:most]


def test_events_are_listed_as_last_saved_until_they_are_gone(database):
    assert not database.has_events()
    known = database.save(None, numbered(1), SPAN, NOW)
    known = database.save(known, numbered(2), SPAN, NOW)
    assert database.list_events(NOW, 10) == [numbered(2).event]
    database.save(known, structs.replace(numbered(3), gone=NOW), SPAN, NOW)
    assert database.list_events(NOW, 10) == []
    assert database.has_events()


def test_a_database_that_must_exist_is_not_created(tmp_path):
    database = connect(f"sqlite:///{tmp_path}/feeds.sqlite3")
    with pytest.raises(DatabaseUnusable):
        database.open(API, NOW, must_exist=True)
    with pytest.raises(StorageUnavailable):
        database.read("harbor")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_file_is_created(tmp_path):
    open_database(f"sqlite:///{tmp_path}/a/b/feeds.sqlite3")
    assert (tmp_path / "a/b/feeds.sqlite3").is_file()


def test_a_folder_that_cannot_be_created_is_reported_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as refusal:
        open_database(f"sqlite:///{tmp_path}/file/feeds.sqlite3")
    (line,) = refusal.value.faults
    assert line.startswith("FEEDS_DATABASE_URL cannot be used: ")
    assert "\n" not in line


@pytest.mark.parametrize("name", ["a b.db", "läufe.db", "a#b.db", "a&b=c;d+e.db"])
def test_a_file_may_have_any_name(tmp_path, name):
    database = open_database(f"sqlite:///{tmp_path}/{name}")
    saved = database.save(None, numbered(0), SPAN, NOW)
    assert (tmp_path / name).is_file()
    assert open_database(f"sqlite:///{tmp_path}/{name}").read("harbor") == saved


def test_each_host_of_a_url_is_tried():
    url = "postgresql+psycopg://feeds@/feeds?host=127.0.0.1:1&host=127.0.0.1:2"
    with pytest.raises(DatabaseUnusable, match="port 2"):
        open_database(url)


def test_a_missing_driver_is_reported_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'intervals-feeds\[postgres\]'"):
        connect("postgresql+psycopg://feeds@127.0.0.1/feeds")

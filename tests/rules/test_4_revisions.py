"""Section 4 of docs/rules.md: revisions."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.clock import START
from tests.support.service import EVENT, a_5k, a_run

FORMS = (".ics", ".rss", ".json", ".ics?run=ten&cancelled=keep")
NOWHERE = {"address": None, "lat": None, "lng": None}
NEW_YORK = {"lat": 40.7033, "lng": -74.0170}


def revision(entry):
    """CREATED, LAST-MODIFIED and SEQUENCE of a VEVENT."""
    return entry["CREATED"].dt, entry["LAST-MODIFIED"].dt, int(entry["SEQUENCE"])


def revisions(service):
    return {id_: revision(entry) for id_, entry in service.entries().items()}


def sequence_at(instant):
    return int((instant - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds())


@pytest.mark.parametrize("runs", [(a_run(), a_5k()), ()], ids=["runs", "no runs"])
def test_the_times_and_the_sequence_of_an_entry_survive_a_restart(service, runs):
    """Rules 4.1."""
    service.announce(*runs)
    service.edit(address="Grant Park, Chicago")
    service.advance(hours=2)
    before = revisions(service)
    assert {row[0] for row in before.values()} == {START}
    assert {row[1] for row in before.values()} == {START + timedelta(hours=2)}
    service.advance(hours=2)
    service.restart()
    assert revisions(service) == before


# The run or the event that changes; whether LAST-MODIFIED moves; whether SEQUENCE rises.
DIGESTS: list[tuple[list[str], dict[str, Any], bool, bool]] = [
    ([], {"name": "Pier Run"}, True, False),
    ([], {"description": "Bring water."}, True, False),
    ([], {"websiteUrl": "https://harbor.example.org"}, True, False),
    ([], {"registrationUrl": "https://harbor.example.org/enter"}, True, False),
    ([], {"type": "runClub"}, True, False),
    (["ten"], {"distanceLabel": "Ten"}, True, False),
    (["ten"], {"distanceMeters": 10001}, True, False),
    (["ten"], {"distanceMeters": 13000}, True, True),
    (["ten"], {"registrationOpensAt": "2026-06-01T15:00:00Z"}, True, False),
    (["ten"], {"registrationClosesAt": "2026-08-01T15:00:00Z"}, True, False),
    (["ten"], {"registrationClosesAt": "2026-08-01T15:00:10Z"}, True, False),
    (["ten"], {"registrationOverride": "paused"}, True, False),
    (["ten"], {"soldOut": True}, True, False),
    (["ten"], {"startTime": "09:00"}, True, True),
    (["ten"], {"date": "2026-08-16"}, True, True),
    (["ten"], {"eventStatus": "cancelled"}, True, True),
    (["ten"], {"eventStatus": "postponed"}, True, True),
    ([], {"endDate": "2026-08-16", "endTime": "13:00"}, True, True),
    ([], {"address": "Grant Park, Chicago"}, True, True),
    ([], NEW_YORK, True, True),
    ([], {"lat": 40.7034}, True, False),
    ([], {"slug": "pier-run"}, False, False),
    ([], {"updatedAt": "2026-05-20T13:00:00Z"}, False, False),
    (["ten"], {"maxParticipants": 500}, False, False),
    (["ten"], {"startTime": None}, True, True),
    ([], {"lat": 41.8917, "lng": -87.6043}, True, True),
]


def test_content_moves_last_modified_and_start_end_place_and_status_also_raise_sequence(service):
    """Rules 4.2, 4.3, 4.5 and 4.6."""
    service.announce(a_run())
    observed = []
    for runs, fields, *_ in DIGESTS:
        _, modified, sequence = revision(service.entry())
        service.edit(*runs, **fields)
        service.advance(hours=2)
        created, then, sequence_then = revision(service.entry())
        observed.append((runs, fields, then > modified, sequence_then > sequence))
        now = service.clock.now
        assert (created, then) == (START, now if then > modified else modified)
        assert sequence_then == (sequence_at(now) if sequence_then > sequence else sequence)
    assert observed == DIGESTS


def test_a_change_of_one_run_leaves_the_revisions_of_the_others(service):
    """Rules 4.2."""
    service.announce(a_run(), a_5k())
    before = revisions(service)
    service.edit("five", startTime="09:00", soldOut=True)
    service.advance(hours=2)
    assert revisions(service)["ten"] == before["ten"]
    assert revisions(service)["five"] != before["five"]


def test_a_deploy_that_changes_the_zone_moves_last_modified_once(service):
    """Rules 4.4."""
    service.announce(a_run(), **NOWHERE)
    service.advance(minutes=10)
    service.restart(timezone="Europe/Paris")
    now = START + timedelta(minutes=10)
    assert revision(service.entry()) == (START, now, sequence_at(now))
    assert service.upstream.asked == [EVENT]
    service.advance(hours=2)
    service.restart(timezone="Europe/Paris")
    assert revision(service.entry()) == (START, now, sequence_at(now))


def test_a_deploy_that_changes_no_byte_of_an_entry_moves_nothing(service):
    """Rules 4.4."""
    service.announce(a_run())
    before = revision(service.entry())
    service.advance(minutes=10)
    service.restart(timezone="Europe/Paris")
    assert revision(service.entry()) == before


def test_last_modified_equals_dtstamp_and_is_never_the_time_of_a_request(service):
    """Rules 4.5."""
    service.announce(a_run(), a_5k())
    for hours in (0, 1, 24):
        service.advance(hours=hours)
        for entry in service.entries().values():
            assert entry["DTSTAMP"].dt == entry["LAST-MODIFIED"].dt == START


def test_last_modified_rises_above_all_of_the_event_when_the_clock_was_set_back(service):
    """Rules 4.5."""
    service.announce(a_run(), a_5k())
    service.edit("five", soldOut=True)
    service.advance(days=2)
    newest = revisions(service)["five"][1]
    service.set_back(days=1)
    service.edit("ten", soldOut=True)
    service.poll()
    service.advance(hours=2)
    assert revisions(service)["ten"][1] > newest


def test_created_is_when_a_run_was_first_seen_whatever_changes(service):
    """Rules 4.5."""
    service.announce(a_run())
    service.advance(days=3)
    service.add(a_5k())
    service.edit("ten", date="2026-08-16", eventStatus="rescheduled", distanceLabel="Ten")
    service.advance(days=4)
    created = {id_: row[0] for id_, row in revisions(service).items()}
    assert created == {"ten": START, "five": START + timedelta(days=7)}


def test_sequence_rises_by_one_when_the_clock_was_set_back(service):
    """Rules 4.6."""
    service.announce(a_run())
    before = revision(service.entry())[2]
    service.set_back(days=30)
    for rise in (1, 2, 3):
        service.edit("ten", startTime=f"09:0{rise}")
        service.advance(hours=2)
        assert revision(service.entry())[2] == before + rise


def test_sequence_still_rises_after_a_lost_database(service):
    """Rules 4.6."""
    service.announce(a_run())
    service.edit("ten", startTime="09:00")
    service.advance(hours=2)
    before = revision(service.entry())[2]
    service.lose_database()
    service.advance(minutes=1)
    assert revision(service.entry())[2] > before


def test_a_refetch_of_the_same_document_moves_nothing(service):
    """Rules 4.7."""
    service.announce(a_run(), a_5k())
    first = [service.get(form) for form in FORMS]
    for _ in range(3):
        service.advance(hours=2)
        service.publish()
        for form, before in zip(FORMS, first, strict=True):
            answer = service.get(form)
            assert answer.data == before.data
            for name in ("ETag", "Last-Modified"):
                assert answer.headers[name] == before.headers[name]
    assert service.upstream.asked == [EVENT] * 4


def live(service):
    """A life with all that a history holds; the service is asked at its end."""
    service.announce(a_run(), a_5k(), a_run("walk", distanceLabel="Walk"))
    service.edit("ten", startTime="09:00", soldOut=True)
    service.advance(hours=2)
    service.poll()
    service.edit("five", eventStatus="cancelled")
    service.delist("walk")
    service.advance(hours=2)
    service.believe_removal()


def test_the_bytes_of_a_feed_are_the_same_on_any_other_day_and_in_any_process(service):
    """Rules 4.8."""
    live(service)
    first = {form: service.poll(form) for form in FORMS}
    for days in (1, 10, 18):
        service.advance(days=days)
        assert {form: service.poll(form) for form in FORMS} == first
        service.restart()
        assert {form: service.poll(form) for form in FORMS} == first


def test_the_same_history_gives_the_same_bytes_in_another_database(service):
    """Rules 4.8."""
    bodies = []
    for _ in range(2):
        service.lose_database()
        live(service)
        bodies.append({form: service.poll(form) for form in FORMS})
        service.set_back(hours=4, minutes=30)
    assert bodies[0] == bodies[1]


def test_a_vevent_gives_the_registration_window_and_not_whether_it_is_open_now(service):
    """Rules 4.9."""
    opens, closes = "2026-06-01T15:00:00Z", "2026-08-01T15:00:00Z"
    service.announce(a_run(registrationOpensAt=opens, registrationClosesAt=closes))
    before = service.entry()
    assert (
        "Registration opens Mon, Jun 1, 2026, 10:00 AM CDT"
        " and closes Sat, Aug 1, 2026, 10:00 AM CDT"
    ) in before["DESCRIPTION"]
    for days in (20, 60, 7, 60):
        service.advance(days=days)
        assert service.entry().to_ical() == before.to_ical()


MOVES: list[tuple[list[str], dict[str, Any], list[str]]] = [
    # The run or the event that changes; what the 10K's description then says of a move.
    (["ten"], {"soldOut": True}, []),
    (["five"], {"startTime": "09:30"}, []),
    ([], {"endTime": "13:00"}, []),
    (["ten"], {"startTime": "09:00"}, ["Moved from Sat, Aug 15, 2026, 8:00 AM."]),
    (["ten"], {"soldOut": False}, ["Moved from Sat, Aug 15, 2026, 8:00 AM."]),
    (["ten"], {"date": "2026-08-16"}, ["Moved from Sat, Aug 15, 2026, 9:00 AM."]),
    ([], {"address": "Grant Park, Chicago"}, ["Moved from Navy Pier, Chicago."]),
    (
        [],
        NEW_YORK,
        [
            "Moved from Sun, Aug 16, 2026, 9:00 AM CDT.",
            "Moved from Grant Park, Chicago (41.89170, -87.60430).",
        ],
    ),
    (["ten"], {"startTime": None}, ["Moved from Sun, Aug 16, 2026, 9:00 AM."]),
    (["ten"], {"startTime": "08:00"}, []),  # the start time was announced
    ([], NOWHERE, ["Moved from Sun, Aug 16, 2026, 8:00 AM EDT."]),
    ([], {"address": "Navy Pier, Chicago"}, []),  # the place was announced
]


def test_the_description_names_the_last_move_of_a_run_and_what_was_published_before(service):
    """Rules 4.10."""
    service.announce(a_run(), a_5k())
    observed = []
    for runs, fields, _ in MOVES:
        service.edit(*runs, **fields)
        service.advance(hours=2)
        lines = service.entries()["ten"]["DESCRIPTION"].splitlines()
        observed.append((runs, fields, [line for line in lines if line.startswith("Moved")]))
    assert observed == MOVES


FAR = {"date": "2028-08-12"}
MOVED = "ten/moved/2028-08-12T09:00:00"


def live_long(service, **duration):
    """Two runs more than two years ahead; one of them moves, and then so much time passes."""
    service.announce(a_run(**FAR), a_5k(**FAR), **FAR)
    service.edit("ten", startTime="09:00")
    service.advance(hours=2)
    service.poll()
    service.advance(**duration)


@pytest.mark.parametrize("run", ["ten", "five"])
@pytest.mark.parametrize(("days", "kept"), [(364, [MOVED]), (365, [])])
def test_changes_older_than_a_year_are_dropped_when_any_run_changes(service, run, days, kept):
    """Rules 4.11."""
    live_long(service, days=days)
    service.edit(run, soldOut=True)
    assert [guid for guid in service.items() if "/" in guid] == [f"{run}/sold-out", *kept]


def test_the_second_change_of_a_kind_has_a_guid_of_its_own_after_the_first_was_dropped(service):
    """Rules 1.5 and 4.11."""
    service.announce(a_run(**FAR), **FAR)
    for status in ("postponed", "rescheduled", "postponed"):
        service.edit("ten", eventStatus=status)
        service.advance(days=366)
        newest = next(iter(service.items()))
    assert newest == "ten/postponed/2"


def test_created_last_modified_and_sequence_are_kept_when_old_changes_are_dropped(service):
    """Rules 4.11."""
    live_long(service, days=400)
    before = revision(service.entries()["ten"])
    service.edit("ten", registrationOverride="paused")
    service.advance(days=1)
    assert MOVED not in service.items()
    created, modified, sequence = revision(service.entries()["ten"])
    assert (created, sequence) == (START, before[2])
    assert modified > before[1]


@pytest.fixture
def database(service):
    """The file of the database, and a function that runs a statement of SQL in it."""
    (path,) = service.folder.glob("*.sqlite3")

    def execute(statement):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return path, execute


@pytest.mark.parametrize("undone", [True, False], ids=["undone meanwhile", "still so"])
def test_a_restored_backup_undercuts_no_stamp_and_tells_what_it_lacks(announced, database, undone):
    """Rules 4.12: the process that goes on has served more than the backup knows."""
    path, _ = database
    backup = path.with_name("backup")
    copy_database(path, backup)
    announced.edit("ten", startTime="07:00")
    announced.advance(hours=2)
    before, told = revisions(announced), set(announced.items())
    modified = announced.get().last_modified
    copy_database(backup, path)
    if undone:
        announced.edit("ten", startTime="08:00")
    announced.advance(hours=2)
    after = revisions(announced)
    announced.advance(seconds=2)  # saved twice, and so stamped a second ahead
    assert announced.get().last_modified > modified
    assert after["ten"][1] > before["ten"][1]
    assert after["ten"][2] > before["ten"][2] if undone else after["ten"][2] >= before["ten"][2]
    assert announced.entries()["ten"]["DTSTART"].dt.hour == (8 if undone else 7)
    assert len(set(announced.items()) - told) == undone
    assert told <= set(announced.items())


def copy_database(source, target):
    """Copy a database that is in use, as ``.backup`` and ``.restore`` of sqlite3 do."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def test_a_document_that_cannot_be_read_is_fetched_again_under_its_stamps(announced, database):
    """Rules 4.13."""
    before = revisions(announced)
    announced.advance(minutes=1)
    database[1]("UPDATE events SET document = '{}'")
    announced.restart()
    assert revisions(announced) == before
    assert len(announced.upstream.asked) == 2


def test_a_change_of_an_unknown_kind_is_skipped(announced, database):
    """Rules 4.13."""
    announced.edit("ten", startTime="09:00")
    announced.edit("five", soldOut=True)
    announced.advance(hours=2)
    announced.poll()
    database[1]("UPDATE changes SET kind = 'later' WHERE kind = 'moved'")
    announced.restart()
    assert [guid for guid in announced.items() if "/" in guid] == ["five/sold-out"]

"""Section 1 of docs/rules.md: identity."""

import re
from itertools import product

import pytest

from tests.support.service import EVENT, a_5k, a_run

GRANT_PARK = {"address": "Grant Park, Chicago"}
PARIS = {"address": "Port de Javel, Paris", "lat": 48.8461, "lng": 2.2769}
ANOTHER_RUN = {
    "distanceMeters": 21097.5,
    "distanceStandard": "Half Marathon",
    "distanceLabel": "Half",
    "date": "2026-09-06",
    "startTime": "10:30",
    "eventStatus": "postponed",
    "isWalking": True,
}


def test_a_run_keeps_its_uid_when_everything_else_about_it_changes(service):
    """Rules 1.1."""
    service.announce(a_run())
    service.edit(name="Pier Race", slug="pier-race", date="2026-09-06", **PARIS)
    service.edit("ten", **ANOTHER_RUN)
    service.advance(hours=2)
    assert service.entry()["SUMMARY"] == "Postponed: Pier Race – Half"
    assert service.entry()["UID"] == "ten@intervals.run"


def test_a_run_has_the_same_uid_on_every_deployment(service):
    """Rules 1.1."""
    service.announce(a_run())
    service.restart(public_url="https://races.example.org", timezone="Europe/Paris")
    assert service.entry()["UID"] == "ten@intervals.run"
    service.lose_database()
    assert service.entry()["UID"] == "ten@intervals.run"


def test_a_run_has_the_same_identifier_in_every_format_and_in_every_filtered_feed(service):
    """Rules 1.1 and 1.4."""
    service.announce(a_run(), a_5k())
    for query in ("", "?run=ten", "?distance=10K"):
        assert "ten@intervals.run" in [each["UID"] for each in service.calendar(query).events]
        assert "ten@intervals.run" in [each.id for each in service.channel(query).entries]
        assert "ten@intervals.run" in [each["id"] for each in service.json_feed(query)["items"]]


def test_an_event_without_runs_is_one_vevent_and_one_item_with_the_uid_of_the_event(service):
    """Rules 1.2, 1.4 and 5.3."""
    service.announce()
    assert service.entry()["UID"] == f"{EVENT}@intervals.run"
    assert [each.id for each in service.channel().entries] == [f"{EVENT}@intervals.run"]


def test_a_run_with_the_id_of_its_event_has_a_uid_and_a_history_of_its_own(service):
    """Rules 1.2: a move raises SEQUENCE, and three answers without the run withdraw it."""
    service.announce(a_run(EVENT), a_5k())
    before = service.entries()
    service.edit(EVENT, startTime="10:00")
    service.advance(hours=2)
    moved = service.entries()
    service.delist(EVENT)
    service.advance(hours=2)
    service.believe_removal()
    gone = service.entries()

    own = f"{EVENT}-run"
    assert list(before) == ["five", own]
    assert moved["five"] == before["five"]
    assert moved[own]["SEQUENCE"] > before[own]["SEQUENCE"]
    assert gone["five"]["STATUS"] == "CONFIRMED"
    assert gone[own]["STATUS"] == "CANCELLED"


def test_the_uid_of_a_registration_entry_is_the_id_of_its_run_with_opens_or_closes(service):
    """Rules 1.3."""
    opens, closes = "2026-06-01T15:00:00Z", "2026-08-01T15:00:00Z"
    service.announce(a_run(registrationOpensAt=opens, registrationClosesAt=closes))
    uids = {str(each["UID"]) for each in service.calendar("?registration=1").events}
    names = ("ten", "ten/opens", "ten/closes")
    assert uids == {f"{name}@intervals.run" for name in names}


def test_no_guid_of_the_rss_feed_is_a_permalink(service):
    """Rules 1.4."""
    service.announce(a_run())
    service.edit("ten", soldOut=True)
    service.advance(hours=2)
    assert service.poll(".rss").count(b'<guid isPermaLink="false">') == 2
    assert [each.guidislink for each in service.channel().entries] == [False, False]


RESCHEDULED = {"eventStatus": "rescheduled"}
GUIDS = [
    ({}, {"startTime": "09:30"}, "moved/2026-08-15T09:30:00"),
    ({}, {"startTime": None}, "moved/2026-08-15"),
    (GRANT_PARK, {}, "moved/Grant%20Park%2C%20Chicago"),
    (GRANT_PARK, {"date": "2026-08-16"}, "moved/2026-08-16T08:00:00/Grant%20Park%2C%20Chicago"),
    (PARIS, {}, "moved/2026-08-15T08:00:00/Europe%2FParis/Port%20de%20Javel%2C%20Paris"),
    ({}, RESCHEDULED, "rescheduled/2026-08-15T08:00:00"),
    (GRANT_PARK, RESCHEDULED, "rescheduled/2026-08-15T08:00:00/Grant%20Park%2C%20Chicago"),
    ({}, {"eventStatus": "cancelled"}, "cancelled"),
]


@pytest.mark.parametrize(("event", "run", "guid"), GUIDS, ids=[row[2] for row in GUIDS])
def test_the_guid_of_a_change_is_the_id_of_the_run_the_kind_and_the_new_value(
    service, event, run, guid
):
    """Rules 1.5."""
    service.announce(a_run())
    service.edit(**event)
    service.edit("ten", **run)
    service.advance(hours=2)
    own = [] if guid == "cancelled" else ["ten@intervals.run"]  # rules 5.2
    assert [each.id for each in service.channel().entries] == [f"ten@intervals.run/{guid}", *own]


def test_the_value_of_an_opening_or_closing_is_its_instant_in_utc(service):
    """Rules 1.5."""
    opens, closes = "2026-06-01T10:00:00-05:00", "2026-08-01T15:00:00Z"
    service.announce(a_run(registrationOpensAt=opens, registrationClosesAt=closes))
    service.advance(days=80)
    assert list(service.items())[:2] == [
        "ten/registration-closes/20260801T150000Z",
        "ten/registration-opens/20260601T150000Z",
    ]


def test_the_second_change_to_the_same_value_has_a_2_at_the_end_of_its_guid(service):
    """Rules 1.5."""
    service.announce(a_run())
    for start in ("09:00", "08:00", "09:00", "08:00", "09:00"):
        service.edit("ten", startTime=start)
        service.advance(hours=2)
        service.poll()
    values = ("09:00:00/3", "08:00:00/2", "09:00:00/2", "08:00:00", "09:00:00")
    assert list(service.items())[:5] == [f"ten/moved/2026-08-15T{value}" for value in values]


def test_an_item_that_names_several_runs_has_the_id_of_the_event_in_its_guid(service):
    """Rules 1.5."""
    service.announce(a_run(), a_5k())
    service.edit("ten", "five", startTime="09:00", soldOut=True)
    service.advance(hours=2)
    guids = {guid for guid in service.items() if "/" in guid}
    assert guids == {f"{EVENT}/moved/2026-08-15T09:00:00", f"{EVENT}/sold-out"}


def test_runs_that_changed_to_different_values_have_a_digest_of_them_in_their_guid(service):
    """Rules 1.5."""
    service.announce(a_run(), a_5k())
    service.edit("ten", startTime="09:00")
    service.edit("five", startTime="10:00")
    service.advance(hours=2)
    (guid, *_) = service.items()
    assert re.fullmatch(rf"{EVENT}/moved/[0-9a-f]{{16}}", guid)
    service.edit("five", startTime="10:30")
    service.edit("ten", startTime="09:30")
    service.advance(hours=2)
    assert next(iter(service.items())) != guid


def test_an_id_of_up_to_64_letters_digits_underscores_and_hyphens_is_asked_for(service):
    """Rules 1.6."""
    ids = ["k97abc123", "Harbor_Run-2026", "7", "x" * 64]
    assert {service.client.get(f"/events/{id_}.ics").status_code for id_ in ids} == {404}
    assert service.upstream.asked == ids


def test_any_other_id_is_404_without_a_call_of_the_upstream(service):
    """Rules 1.6."""
    ids = ["x" * 65, "x" * 5000, "", "k97.abc", "k97%20abc", "caf%C3%A9", "k97+abc", "a%2Fb", "a/b"]
    ids += ["..", ".", "%2E%2E", "a%0A", "%0Aa", "a%0D%0AX-Evil:%201", "a%00", "a~b", "a%25b"]
    ids += ["a:b", "a@b", "全城跑", "%D9%A1", "%FF%FE", "%E2%80%AE", "a%3Fb", "a%23b", "%3Cb%3E"]
    for id_, form in product(ids, (".ics", ".rss", ".json", "")):
        assert service.client.get(f"/events/{id_}{form}").status_code == 404
    assert service.upstream.calls == []

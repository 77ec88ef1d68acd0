"""Section 1 of docs/rules.md: identity."""

import re

import pytest

from tests.support.service import EVENT, a_5k, a_run

PARIS = {"address": "Port de Javel, Paris", "lat": 48.8461, "lng": 2.2769}
TEN_TO_SOMEWHERE_ELSE = {"name": "Pier Race", "slug": "pier-race", "date": "2026-09-06", **PARIS}
TEN_AS_ANOTHER_RUN = {
    "distanceMeters": 21097.5,
    "distanceStandard": "Half Marathon",
    "distanceLabel": "Half",
    "date": "2026-09-06",
    "startTime": "10:30",
    "eventStatus": "postponed",
    "isWalking": True,
}


def test_the_uid_of_a_run_is_its_id_at_intervals_run(service):
    """Rules 1.1."""
    service.announce(a_run("k97ten"), a_5k("k97five"))
    uids = [str(each["UID"]) for each in service.calendar().events]
    assert sorted(uids) == ["k97five@intervals.run", "k97ten@intervals.run"]


def test_a_run_keeps_its_uid_when_everything_else_about_it_changes(service):
    """Rules 1.1."""
    service.announce(a_run())
    service.edit(**TEN_TO_SOMEWHERE_ELSE)
    service.edit("ten", **TEN_AS_ANOTHER_RUN)
    service.advance(hours=2)
    entry = service.entry()
    assert entry["SUMMARY"] == "Postponed: Pier Race: Half"
    assert entry["UID"] == "ten@intervals.run"


@pytest.mark.parametrize(
    "settings", [{"public_url": "https://races.example.org"}, {"timezone": "Europe/Paris"}]
)
def test_a_run_has_the_same_uid_on_every_deployment(service, settings):
    """Rules 1.1."""
    service.announce(a_run())
    service.restart(**settings)
    assert list(service.entries()) == ["ten"]
    service.lose_database()
    assert list(service.entries()) == ["ten"]


@pytest.mark.parametrize("query", ["", "?run=ten", "?distance=10K"])
def test_a_run_has_the_same_identifier_in_every_format_and_in_every_filtered_feed(service, query):
    """Rules 1.1 and 1.4."""
    service.announce(a_run())
    assert service.entry(query)["UID"] == "ten@intervals.run"
    assert [each.id for each in service.channel(query).entries] == ["ten@intervals.run"]
    assert [each["id"] for each in service.json_feed(query)["items"]] == ["ten@intervals.run"]


def test_an_event_without_runs_is_one_vevent_with_the_uid_of_the_event(service):
    """Rules 1.2."""
    service.announce()
    assert service.entry()["UID"] == f"{EVENT}@intervals.run"


def test_registration_entries_have_the_id_of_their_run_and_opens_or_closes_as_uid(service):
    """Rules 1.3."""
    window = {
        "registrationOpensAt": "2026-06-01T15:00:00Z",
        "registrationClosesAt": "2026-08-01T15:00:00Z",
    }
    service.announce(a_run(**window))
    uids = {str(each["UID"]) for each in service.calendar("?registration=1").events}
    run = "ten@intervals.run"
    assert uids == {run, "ten/opens@intervals.run", "ten/closes@intervals.run"}


def test_no_guid_of_the_rss_feed_is_a_permalink(service):
    """Rules 1.4."""
    service.announce(a_run())
    service.edit("ten", soldOut=True)
    service.advance(hours=2)
    assert [each.guidislink for each in service.channel().entries] == [False, False]
    assert service.poll(".rss").count(b'<guid isPermaLink="false">') == 2


def test_the_item_of_an_event_without_runs_has_the_uid_of_the_event_as_guid(service):
    """Rules 1.4."""
    service.announce()
    assert [each.id for each in service.channel().entries] == [f"{EVENT}@intervals.run"]


GRANT_PARK = "Grant Park, Chicago"
GUIDS = [
    ({}, {"startTime": "09:30"}, "moved/2026-08-15T09:30:00"),
    ({}, {"startTime": None}, "moved/2026-08-15"),
    ({"address": GRANT_PARK}, {}, "moved/Grant%20Park%2C%20Chicago"),
    (PARIS, {}, "moved/2026-08-15T08:00:00/Europe%2FParis/Port%20de%20Javel%2C%20Paris"),
    (
        {"address": GRANT_PARK},
        {"date": "2026-08-16"},
        "moved/2026-08-16T08:00:00/Grant%20Park%2C%20Chicago",
    ),
    ({}, {"eventStatus": "rescheduled"}, "rescheduled/2026-08-15T08:00:00"),
    (
        {"address": GRANT_PARK},
        {"eventStatus": "rescheduled"},
        "rescheduled/2026-08-15T08:00:00/Grant%20Park%2C%20Chicago",
    ),
    ({}, {"eventStatus": "cancelled"}, "cancelled"),
    ({}, {"eventStatus": "postponed"}, "postponed"),
    ({}, {"soldOut": True}, "sold-out"),
    ({}, {"registrationOverride": "paused"}, "registration-paused"),
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
    assert [each for each in service.items() if each != "ten"] == [f"ten/{guid}"]
    assert f"ten@intervals.run/{guid}" in [each.id for each in service.channel().entries]


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
    assert [each for each in service.items() if each != "ten"] == [
        "ten/moved/2026-08-15T09:00:00/3",
        "ten/moved/2026-08-15T08:00:00/2",
        "ten/moved/2026-08-15T09:00:00/2",
        "ten/moved/2026-08-15T08:00:00",
        "ten/moved/2026-08-15T09:00:00",
    ]


@pytest.mark.parametrize(
    ("changes", "guid"),
    [
        ({"eventStatus": "cancelled"}, "cancelled"),
        ({"startTime": "09:00"}, "moved/2026-08-15T09:00:00"),
    ],
)
def test_an_item_that_names_several_runs_has_the_id_of_the_event_in_its_guid(
    service, changes, guid
):
    """Rules 1.5."""
    service.announce(a_run(), a_5k())
    service.edit("ten", "five", **changes)
    service.advance(hours=2)
    assert next(iter(service.items())) == f"{EVENT}/{guid}"


def test_runs_that_changed_to_different_values_share_a_digest_of_them_as_value(service):
    """Rules 1.5."""
    service.announce(a_run(), a_5k())
    service.edit("ten", startTime="09:00")
    service.edit("five", startTime="10:00")
    service.advance(hours=2)
    guid = next(iter(service.items()))
    assert re.fullmatch(rf"{EVENT}/moved/[0-9a-f]{{16}}", guid)
    service.edit("ten", startTime="11:00")
    service.edit("five", startTime="12:00")
    service.advance(hours=2)
    assert next(iter(service.items())) != guid


@pytest.mark.parametrize("starts", [("09:00", "09:00"), ("09:00", "10:00")])
def test_a_change_has_the_same_guid_in_a_service_that_has_lost_its_database(service, starts):
    """Rules 1.5."""
    guids = []
    for _ in range(2):
        service.lose_database()
        service.announce(a_run(), a_5k())
        for id_, start in zip(("ten", "five"), starts, strict=True):
            service.edit(id_, startTime=start)
        service.advance(days=1)
        guids.append(next(iter(service.items())))
    assert guids[0] == guids[1]
    assert "moved" in guids[0]


@pytest.mark.parametrize("id_", ["k97abc123", "Harbor_Run-2026", "7", "x" * 64])
def test_an_id_of_up_to_64_letters_digits_underscores_and_hyphens_is_asked_for(service, id_):
    """Rules 1.6."""
    assert service.client.get(f"/events/{id_}.ics").status_code == 404
    assert service.upstream.asked == [id_]


@pytest.mark.parametrize("id_", ["x" * 65, "k97.abc", "k97%20abc", "caf%C3%A9", "k97+abc", "a%2Fb"])
@pytest.mark.parametrize("form", [".ics", ".rss", ".json", ""])
def test_an_id_with_other_characters_is_404_without_a_call_of_the_upstream(service, id_, form):
    """Rules 1.6."""
    assert service.client.get(f"/events/{id_}{form}").status_code == 404
    assert service.upstream.calls == []

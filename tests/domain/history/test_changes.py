"""Changes between two versions of an event: edits, and what the clock brings (rules 5.4 to 5.7)."""

from datetime import time, timedelta
from typing import Any

import pytest
from msgspec import structs

from feeds.domain.history.changes import (
    build_group_guid_value,
    build_guid_value,
    find_changes,
    find_turns,
)
from feeds.domain.model import Kind
from tests.support.factories import NOW, a_run, an_edition, an_event, entries_of

EIGHT, HALF_PAST = time(8), time(8, 30)
CHICAGO, NEAR_BY, NEW_YORK = (41.88, -87.63), (41.881, -87.63), (40.71, -74.01)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
PIER, PARK = "Navy Pier, Chicago", "Grant Park, Chicago"
WITHDRAWN = {"unlisted": NOW, "withdrawn": True}
TIDIED_AWAY = {"unlisted": NOW, "withdrawn": False}  # removed after it had ended
DAY_ONLY = {"start_time": None}
EVENT_FIELDS = {"location", "point", "end_time", "end_date", "name", "description", "slug"}


def harbor(**fields):
    """Harbor Run at the pier with a 10K at 8:00; the fields are the event's or its run's."""
    of_event = {name: fields.pop(name) for name in EVENT_FIELDS & fields.keys()}
    of_event = {"location": PIER, "point": CHICAGO} | of_event
    return an_event(a_run(**{"start_time": EIGHT} | fields), **of_event)


def changes_between(before, after):
    """The changes that are noticed when ``after`` follows ``before``."""
    return find_changes(entries_of(an_edition(before)), entries_of(an_edition(after)), NOW)


def kinds_between(before, after):
    return [change.kind for change in changes_between(before, after)]


def differences(change):
    """Old and new values, by the names of the fields that differ."""
    before, after = structs.asdict(change.was), structs.asdict(change.now)
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


START, PARK_VALUE = "2025-06-14T08:00:00", "Grant%20Park%2C%20Chicago"


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ({}, {"point": NEW_YORK}, f"{START}/America%2FNew_York/40.71000%2C%20-74.01000"),
        (DAY_ONLY, DAY_ONLY | {"point": NEW_YORK, "location": PARK}, PARK_VALUE),
        (
            {"location": None},
            {"location": None, "point": (41.9, -87.63)},
            "41.90000%2C%20-87.63000",
        ),
    ],
    ids=str,
)
def test_another_start_zone_or_place_is_a_move_to_that_value(before, after, value):
    (change,) = changes_between(harbor(**before), harbor(**after))
    assert (change.kind, build_guid_value(change)) == (Kind.MOVED, value)


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ("scheduled", "on hold", None),
        ("cancelled", "postponed", Kind.POSTPONED),
        ("cancelled", "rescheduled", Kind.RESCHEDULED),
        ("cancelled", "on hold", Kind.REINSTATED),
        ("postponed", "on hold", Kind.REINSTATED),
        ("rescheduled", "postponed", Kind.POSTPONED),
        ("rescheduled", "on hold", None),
        ("on hold", "scheduled", None),
        ("on hold", "cancelled", Kind.CANCELLED),
        ("on hold", "rescheduled", Kind.RESCHEDULED),
        ("on hold", "called in", None),
    ],
)
def test_a_new_status_is_a_change_of_its_kind(was, now, kind):
    found = changes_between(harbor(status=was), harbor(status=now))
    assert [change.kind for change in found] == ([kind] if kind else [])
    for change in found:
        assert differences(change) == {"status": (was, now)}
        assert build_guid_value(change) == (START if kind == Kind.RESCHEDULED else "")


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ("closed", "paused", Kind.REGISTRATION_PAUSED),
        ("closed", None, Kind.REGISTRATION_REOPENED),
        ("members only", "closed", Kind.REGISTRATION_CLOSED),
        ("members only", None, None),
        (None, "members only", None),
        ("paused", "members only", None),
    ],
)
def test_another_override_of_registration_is_a_change_of_its_kind(was, now, kind):
    before, after = harbor(registration_override=was), harbor(registration_override=now)
    found = changes_between(before, after)
    assert [(each.kind, build_guid_value(each)) for each in found] == ([(kind, "")] if kind else [])


LAST_DAY: dict[str, Any] = {"registration_closes": NOW + DAY}
PAUSED: dict[str, Any] = {"registration_override": "paused"}
INVITATIONS: dict[Kind, tuple[dict[str, Any], dict[str, Any]]] = {
    Kind.PLACES_AGAIN: ({"sold_out": True}, {}),
    Kind.REGISTRATION_REOPENED: (PAUSED, {}),
    Kind.REGISTRATION_EXTENDED: ({"registration_closes": NOW}, LAST_DAY),
}


@pytest.mark.parametrize("kind", INVITATIONS)
def test_an_invitation_is_news_only_if_one_can_register_now(kind):
    was, now = INVITATIONS[kind]
    assert kinds_between(harbor(**was), harbor(**now)) == [kind]
    opened = {"registration_opens": NOW}
    assert kinds_between(harbor(**was, **opened), harbor(**now, **opened)) == [kind]
    for fields in (
        {"status": "cancelled"},
        {"registration_opens": NOW + SECOND},
        {"registration_closes": NOW},
        {"sold_out": True},
        PAUSED,
    ):
        assert kind not in kinds_between(harbor(**was | fields), harbor(**now | fields))


@pytest.mark.parametrize(
    ("was", "now"),
    [(NOW + DAY, NOW + HOUR), (NOW + DAY, None), (None, NOW + DAY), (NOW - DAY, NOW - HOUR)],
    ids=["earlier", "removed", "added", "still in the past"],
)
def test_only_a_later_end_of_registration_extends_it(was, now):
    assert Kind.REGISTRATION_EXTENDED not in kinds_between(
        harbor(registration_closes=was), harbor(registration_closes=now)
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("scheduled", Kind.REINSTATED),
        ("on hold", Kind.REINSTATED),
        ("rescheduled", Kind.RESCHEDULED),
        ("cancelled", Kind.CANCELLED),
    ],
)
def test_a_run_that_is_listed_again_has_changed_to_its_status(status, kind):
    assert kinds_between(harbor(**WITHDRAWN), harbor(status=status)) == [kind]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WITHDRAWN, WITHDRAWN | {"location": PARK, "status": "cancelled"}),
        (TIDIED_AWAY, TIDIED_AWAY | {"location": PARK, "status": "cancelled"}),
        ({}, TIDIED_AWAY | {"location": PARK}),
        (TIDIED_AWAY, {}),
    ],
    ids=["withdrawn", "tidied away", "is tidied away", "returns"],
)
def test_a_run_has_no_changes_while_it_is_not_listed_or_if_it_had_ended(before, after):
    assert changes_between(harbor(**before), harbor(**after)) == ()


def test_a_run_that_leaves_the_list_has_no_other_change():
    after = WITHDRAWN | {"location": PARK, "sold_out": True, "registration_override": "paused"}
    assert kinds_between(harbor(), harbor(**after)) == [Kind.NO_LONGER_LISTED]


def test_new_and_forgotten_runs_and_their_order_are_no_changes():
    one, two = a_run(), a_run(id="r5k")
    for before, after in (((one,), (one, two)), ((), (one,)), ((one, two), (two, one))):
        assert changes_between(an_event(*before), an_event(*after)) == ()
        assert changes_between(an_event(*after), an_event(*before)) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"slug": "another", "name": "River Run", "description": "Bring a friend."}),
        ({}, {"distance_meters": 9_000, "distance_label": "Ten", "relay": True, "walking": True}),
        ({}, {"registration_opens": NOW, "registration_closes": NOW + DAY}),
        (DAY_ONLY, DAY_ONLY | {"virtual": True}),
        (DAY_ONLY, DAY_ONLY | {"point": NEAR_BY}),
        ({}, {"point": NEAR_BY, "location": "navy pier; Chicago, USA"}),
    ],
    ids=str,
)
def test_an_edit_that_is_no_news_makes_no_change(before, after):
    assert changes_between(harbor(**before), harbor(**after)) == ()


def test_the_guid_value_of_a_group_is_the_shared_one_or_a_digest_of_all():
    def moved(*starts):
        runs = [a_run(id=str(number)) for number in range(len(starts))]
        after = [
            structs.replace(run, start_time=start) for run, start in zip(runs, starts, strict=True)
        ]
        return changes_between(an_event(*runs), an_event(*after))

    assert build_group_guid_value(moved(EIGHT, EIGHT)) == START
    one, other = moved(EIGHT, HALF_PAST), moved(HALF_PAST, EIGHT)
    assert build_group_guid_value(one) == build_group_guid_value(one[::-1])
    assert build_group_guid_value(one) != build_group_guid_value(other)
    assert len(build_group_guid_value(one)) == 16


# What the clock brings: instants are hours after NOW, and an edit is noticed at EDIT.

OPENS, CLOSES, EDIT = Kind.REGISTRATION_OPENS, Kind.REGISTRATION_CLOSES, 99


def window(opens, closes, **fields):
    """A 10K whose registration opens and closes then."""
    opens, closes = (at if at is None else NOW + at * HOUR for at in (opens, closes))
    return harbor(registration_opens=opens, registration_closes=closes, **fields)


def turns(before, after, since, until):
    """The turns between two versions that were fetched then; ``before`` may be None."""
    was, now = (entries_of(an_edition(each)) if each else () for each in (before, after))
    since, until, noticed = (NOW + at * HOUR for at in (since, until, EDIT))
    found = find_turns(was, now, since=since, until=until, noticed=noticed)
    return [(each.kind, (each.noticed - NOW) / HOUR) for each in found]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (0, 0.9, []),
        (0, 1, [(OPENS, 1)]),
        (1, 3, [(CLOSES, 3)]),
        (0, 4, [(OPENS, 1), (CLOSES, 3)]),
        (3, 4, []),
        (4, 0, []),  # the clock was set back
    ],
)
def test_registration_turns_between_two_versions_at_its_own_instants(since, until, found):
    assert turns(window(1, 3), window(1, 3), since, until) == found


@pytest.mark.parametrize(
    ("was", "now", "found"),
    [
        ((5, 9), (1, 9), [(OPENS, EDIT)]),
        ((5, 9), (2.5, 9), [(OPENS, 2.5)]),
        ((1, 9), (1, 2), [(CLOSES, EDIT)]),
        ((1, 9), (1, 2.5), [(CLOSES, 2.5)]),
        ((1, None), (1, 2), [(CLOSES, EDIT)]),
        ((5, 9), (1, 2), [(CLOSES, EDIT)]),
        ((None, 9), (1, 9), []),  # it was open before
        ((1, 2), (1.5, 1.7), []),  # it had closed before
        ((1, 2.5), (1, 9), []),  # extended before anybody was told that it has closed
        ((1, 2), (5, 9), []),
    ],
    ids=str,
)
def test_an_edit_between_the_versions_turns_registration_when_it_is_noticed(was, now, found):
    assert turns(window(*was), window(*now), 2, 3) == found


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status": "cancelled"}, False),
        ({"sold_out": True}, False),
        (PAUSED, False),
        ({"registration_override": "members only"}, False),
        (WITHDRAWN, False),
        ({"status": "postponed"}, True),
    ],
    ids=str,
)
def test_a_turn_is_no_news_if_the_run_is_off_sold_out_or_overridden_before_or_after(fields, told):
    plain, changed = window(1, 3), window(1, 3, **fields)
    for was, now in ((plain, changed), (changed, plain), (changed, changed), (None, changed)):
        assert bool(turns(was, now, 0, 4)) is told


def test_a_registration_that_ends_before_it_begins_is_never_told_to_be_open():
    for since in range(5):
        assert turns(window(3, 2), window(3, 2), since, 5) == [(CLOSES, 2)][: since < 2]
    assert turns(None, window(3, 3), 0, 5) == [(CLOSES, 3)]


def test_a_run_that_had_ended_when_it_left_the_list_has_no_turns():
    assert turns(window(1, 3), window(1, 3, **TIDIED_AWAY), 0, 4) == []


def test_a_run_that_is_first_seen_has_the_turns_of_the_last_year():
    year = 365 * 24
    assert turns(None, window(1 - year, 1), 0, 1) == [(CLOSES, 1)]
    assert turns(None, window(2 - year, 2), 0, 1) == [(OPENS, 2 - year)]
    assert turns(harbor(), None, 0, 1) == []

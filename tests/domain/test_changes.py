"""What is told of two versions of an event, row by row, and on walks that nobody would think of."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain import changes
from feeds.domain.changes import (
    append_changes,
    build_group_guid_value,
    build_guid_value,
    capture_state,
    find_state_at,
    group_changes,
)
from feeds.domain.model import Change, Kind, State
from feeds.domain.status import NO_LONGER_LISTED
from feeds.upstream.schema import decode
from tests.support.factories import HOME, NOW, a_run, an_edition, an_event, entries_of

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, HALF_PAST = time(8), time(8, 30)
CHICAGO, NEW_YORK = (41.88, -87.63), (40.71, -74.01)
PIER, PARK = "Navy Pier, Chicago", "Grant Park, Chicago"
GONE = {"unlisted": NOW, "withdrawn": True}
UNLISTED = NO_LONGER_LISTED.stored
TIDIED = {"unlisted": NOW, "withdrawn": False}
EVENT_FIELDS = {"location", "point", "end_time", "end_date", "name", "description", "slug"}


def harbor(**fields):
    """Harbor Run at the pier with a 10K at 8; fields of the event, and of its run."""
    of_event = {name: fields.pop(name) for name in EVENT_FIELDS & fields.keys()}
    of_event = {"location": PIER, "point": CHICAGO} | of_event
    return an_event(a_run(**{"start_time": EIGHT} | fields), **of_event)


def entries_in(event, home=HOME, **fields):
    return entries_of(an_edition(event, **fields), home)


def told(before, after):
    return changes.find_changes(entries_in(before), entries_in(after), NOW)


def differences(was, now):
    """From and to, by the names of what differs."""
    before, after = structs.asdict(was), structs.asdict(now)
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


START = ("2025-06-14T08:00:00", "2025-06-14T08:30:00")
DAYS = ("2025-06-14T08:00:00", "2025-06-15T08:00:00")
ZONES = ("America/Chicago", "America/New_York")

MOVES = [
    ("in time", {}, {"start_time": HALF_PAST}, {"start": START}, START[1]),
    ("to another day", {}, {"date": SUN}, {"start": DAYS}, DAYS[1]),
    (
        "in place",
        {},
        {"location": PARK},
        {"place": (PIER, PARK)},
        "Grant%20Park%2C%20Chicago",
    ),
    (
        "in time and place",
        {},
        {"start_time": HALF_PAST, "location": PARK},
        {"start": START, "place": (PIER, PARK)},
        f"{START[1]}/Grant%20Park%2C%20Chicago",
    ),
    (
        "to another zone at the same wall time",
        {},
        {"point": NEW_YORK},
        {"zone": ZONES},
        f"{START[0]}/America%2FNew_York",
    ),
    (
        "to another zone, time and place",
        {},
        {"point": NEW_YORK, "start_time": HALF_PAST, "location": "Battery Park"},
        {"start": START, "zone": ZONES, "place": (PIER, "Battery Park")},
        f"{START[1]}/America%2FNew_York/Battery%20Park",
    ),
    (
        "to another place and zone while only the day is known",
        {"start_time": None},
        {"start_time": None, "point": NEW_YORK, "location": "Battery Park"},
        {"zone": ZONES, "place": (PIER, "Battery Park")},
        "Battery%20Park",
    ),
    (
        "from the day to a time on it",
        {"start_time": None},
        {},
        {"start": ("2025-06-14", START[0])},
        START[0],
    ),
    (
        "from a time to the day alone",
        {},
        {"start_time": None},
        {"start": (START[0], "2025-06-14")},
        "2025-06-14",
    ),
    (
        "to a place that is told for the first time",
        {"location": None, "point": None},
        {"point": None},
        {"place": (None, PIER)},
        "Navy%20Pier%2C%20Chicago",
    ),
    (
        "to other coordinates where there is no address",
        {"location": None},
        {"location": None, "point": (41.9, -87.63)},
        {"place": ("41.88000, -87.63000", "41.90000, -87.63000")},
        "41.90000%2C%20-87.63000",
    ),
    (
        "once more although rescheduled before",
        {"status": "rescheduled"},
        {"status": "rescheduled", "start_time": HALF_PAST},
        {"start": START},
        START[1],
    ),
]


class TestMoves:
    @pytest.mark.parametrize(
        ("before", "after", "differs", "to"),
        [pytest.param(*row[1:], id=row[0]) for row in MOVES],
    )
    def test_a_run_is_told_to_have_moved(self, before, after, differs, to):
        (change,) = told(harbor(**before), harbor(**after))
        assert change.kind == Kind.MOVED
        assert differences(change.was, change.now) == differs
        assert build_guid_value(change) == to

    def test_all_that_a_change_carries_is_from_and_to(self):
        assert told(harbor(), harbor(start_time=HALF_PAST)) == (
            Change(
                run="r10k",
                kind=Kind.MOVED,
                was=State(start=START[0], zone=HOME, place=PIER, distance="10K"),
                now=State(start=START[1], zone=HOME, place=PIER, distance="10K"),
                noticed=NOW,
            ),
        )

    def test_an_event_without_runs_moves_under_its_own_id(self):
        before, after = an_event(start_time=EIGHT), an_event(start_time=HALF_PAST)
        (change,) = told(before, after)
        assert (change.run, change.kind, build_guid_value(change)) == (
            "harbor",
            Kind.MOVED,
            START[1],
        )

    def test_a_place_moves_every_run_but_virtual_ones(self):
        runs = (a_run(), a_run(id="r5k"), a_run(id="home", virtual=True))
        moved = told(an_event(*runs, location=PIER), an_event(*runs, location=PARK))
        assert [(each.run, each.kind) for each in moved] == [
            ("r10k", Kind.MOVED),
            ("r5k", Kind.MOVED),
        ]

    @pytest.mark.parametrize(
        ("change", "new_start", "new_place"),
        [
            ({"start_time": HALF_PAST}, True, False),
            ({"location": PARK}, False, True),
            ({"point": NEW_YORK}, True, False),
            ({"start_time": None, "location": PARK}, True, True),
        ],
        ids=str,
    )
    def test_it_is_told_what_is_new_about_it(self, change, new_start, new_place):
        (moved,) = told(harbor(), harbor(**change))
        assert (moved.new_start, moved.new_place) == (new_start, new_place)


STATUSES = [
    ("scheduled", "cancelled", Kind.CANCELLED),
    ("scheduled", "postponed", Kind.POSTPONED),
    ("scheduled", "rescheduled", Kind.RESCHEDULED),
    ("scheduled", "on hold", None),
    ("cancelled", "scheduled", Kind.REINSTATED),
    ("cancelled", "postponed", Kind.POSTPONED),
    ("cancelled", "rescheduled", Kind.RESCHEDULED),
    ("cancelled", "on hold", Kind.REINSTATED),
    ("postponed", "scheduled", Kind.REINSTATED),
    ("postponed", "cancelled", Kind.CANCELLED),
    ("postponed", "rescheduled", Kind.RESCHEDULED),
    ("postponed", "on hold", Kind.REINSTATED),
    ("rescheduled", "scheduled", None),
    ("rescheduled", "cancelled", Kind.CANCELLED),
    ("rescheduled", "postponed", Kind.POSTPONED),
    ("rescheduled", "on hold", None),
    ("on hold", "scheduled", None),
    ("on hold", "cancelled", Kind.CANCELLED),
    ("on hold", "postponed", Kind.POSTPONED),
    ("on hold", "rescheduled", Kind.RESCHEDULED),
    ("on hold", "called in", None),
]


class TestStatus:
    @pytest.mark.parametrize(("was", "now", "kind"), STATUSES)
    def test_each_word_that_means_something_is_told_when_it_comes(self, was, now, kind):
        found = told(harbor(status=was), harbor(status=now))
        assert [each.kind for each in found] == ([kind] if kind else [])
        for each in found:
            assert differences(each.was, each.now) == {"status": (was, now)}
            assert build_guid_value(each) == (START[0] if kind == Kind.RESCHEDULED else "")

    @pytest.mark.parametrize(
        ("after", "to"),
        [
            ({"date": SUN}, DAYS[1]),
            ({"location": PARK}, f"{START[0]}/Grant%20Park%2C%20Chicago"),
            ({"point": NEW_YORK}, f"{START[0]}/America%2FNew_York"),
            ({"start_time": None}, "2025-06-14"),
            ({"start_time": None, "point": NEW_YORK}, "2025-06-14/America%2FNew_York"),
        ],
        ids=str,
    )
    def test_rescheduled_tells_the_new_time_and_place_and_is_not_also_a_move(self, after, to):
        (change,) = told(harbor(status="postponed"), harbor(status="rescheduled", **after))
        assert (change.kind, build_guid_value(change)) == (Kind.RESCHEDULED, to)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("cancelled", Kind.CANCELLED),
            ("postponed", Kind.POSTPONED),
            ("scheduled", Kind.REINSTATED),
        ],
    )
    def test_any_other_status_that_comes_with_a_move_is_told_besides_it(self, status, kind):
        was = "cancelled" if status == "scheduled" else "scheduled"
        found = told(harbor(status=was), harbor(status=status, date=SUN))
        assert [each.kind for each in found] == [kind, Kind.MOVED]

    def test_what_happens_together_is_told_together(self):
        after = harbor(
            status="cancelled",
            date=SUN,
            location=PARK,
            sold_out=True,
            registration_override="closed",
            distance_standard="5K",
        )
        found = told(harbor(), after)
        assert [each.kind for each in found] == [
            Kind.CANCELLED,
            Kind.MOVED,
            Kind.SOLD_OUT,
            Kind.REGISTRATION_CLOSED,
            Kind.OTHER_DISTANCE,
        ]
        assert len({(each.was, each.now, each.noticed, each.run) for each in found}) == 1


class TestRegistration:
    @pytest.mark.parametrize(
        ("was", "now", "kind"),
        [
            (None, "paused", Kind.REGISTRATION_PAUSED),
            (None, "closed", Kind.REGISTRATION_CLOSED),
            ("paused", "closed", Kind.REGISTRATION_CLOSED),
            ("closed", "paused", Kind.REGISTRATION_PAUSED),
            ("paused", None, Kind.REGISTRATION_REOPENED),
            ("closed", None, Kind.REGISTRATION_REOPENED),
            ("members only", None, Kind.SILENT),
            ("members only", "closed", Kind.REGISTRATION_CLOSED),
            (None, "members only", Kind.SILENT),
            ("paused", "members only", Kind.SILENT),
            ("members only", "by mail", Kind.SILENT),
        ],
    )
    def test_an_override_is_told_when_it_comes_and_when_it_goes(self, was, now, kind):
        found = told(harbor(registration_override=was), harbor(registration_override=now))
        assert [each.kind for each in found] == [kind]
        for each in found:
            assert differences(each.was, each.now) == {"override": (was, now)}
            assert build_guid_value(each) == ""

    @pytest.mark.parametrize(
        ("was", "kind"), [(False, Kind.SOLD_OUT), (True, Kind.PLACES_AGAIN)], ids=str
    )
    def test_places_are_told_when_they_run_out_and_when_there_are_some_again(self, was, kind):
        (change,) = told(harbor(sold_out=was), harbor(sold_out=not was))
        assert (change.kind, build_guid_value(change)) == (kind, "")
        assert differences(change.was, change.now) == {"sold_out": (was, not was)}

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "cancelled"},
            {"registration_opens": NOW + timedelta(seconds=1)},
            {"registration_closes": NOW},
        ],
        ids=["cancelled", "not-open-yet", "closed-by-now"],
    )
    @pytest.mark.parametrize(
        "lifted", [{"sold_out": True}, {"registration_override": "paused"}], ids=["full", "paused"]
    )
    def test_nobody_is_invited_to_what_cannot_be_had(self, fields, lifted):
        (change,) = told(harbor(**fields | lifted), harbor(**fields))
        assert change.kind == Kind.SILENT


class TestListing:
    @pytest.mark.parametrize("status", ["scheduled", "cancelled", "rescheduled", "on hold"])
    def test_a_run_that_is_withdrawn_is_told_to_be_no_longer_listed(self, status):
        (change,) = told(harbor(status=status), harbor(status=status, **GONE))
        assert (change.kind, build_guid_value(change)) == (Kind.NO_LONGER_LISTED, "")
        assert differences(change.was, change.now) == {"status": (status, UNLISTED)}

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("scheduled", Kind.REINSTATED),
            ("on hold", Kind.REINSTATED),
            ("rescheduled", Kind.RESCHEDULED),
            ("cancelled", Kind.CANCELLED),
            ("postponed", Kind.POSTPONED),
        ],
    )
    def test_a_run_that_comes_back_is_told_to_be_what_it_is_then(self, status, kind):
        (change,) = told(harbor(**GONE), harbor(status=status))
        assert change.kind == kind

    def test_an_event_without_runs_that_is_gone_is_told_to_be_no_longer_listed(self):
        before, after = entries_in(an_event()), entries_in(an_event(), gone=NOW)
        (change,) = changes.find_changes(before, after, NOW)
        assert (change.run, change.kind) == ("harbor", Kind.NO_LONGER_LISTED)

    def test_a_document_that_has_our_own_word_for_a_status_withdraws_nothing(self):
        document = (
            b'{"data": {"event": {"_id": "harbor", "name": "Harbor Run", "slug": "harbor", "type":'
            b'"race", "date": "2025-06-14", "organizationId": "club"}, "runs": [{"_id": "r10k",'
            b'"eventId": "harbor", "distanceMeters": 10000, "distanceStandard": "10K",'
            b'"distanceLabel": "10K", "date": "2025-06-14", "eventStatus": "%s"}]}}'
        )
        ours = {UNLISTED, UNLISTED.strip(), UNLISTED.upper(), f"{UNLISTED} "}
        for word in ours:
            before = decode(document % b"scheduled", "harbor").event
            after = decode(document % word.encode(), "harbor").event
            assert after.runs[0].status.casefold() == "unlisted"
            assert told(before, after) == ()

    @pytest.mark.parametrize(
        "after",
        [
            {},
            {"location": PARK},
            {"point": NEW_YORK},
            {"status": "cancelled"},
            {"start_time": HALF_PAST, "sold_out": True},
        ],
        ids=str,
    )
    def test_nothing_is_told_of_a_run_while_it_is_not_listed(self, after):
        for absent in (GONE, TIDIED):
            assert told(harbor(**absent), harbor(**after, **absent)) == ()

    @pytest.mark.parametrize(
        "after", [{}, {"location": PARK}, {"point": NEW_YORK}, {"name": "River Run"}], ids=str
    )
    def test_nothing_is_told_of_a_run_that_is_tidied_away_whatever_else_changes(self, after):
        assert told(harbor(), harbor(**after, **TIDIED)) == ()

    def test_nothing_is_told_of_a_run_that_comes_back_as_it_was_tidied_away(self):
        assert told(harbor(**TIDIED), harbor()) == ()

    def test_nothing_is_told_of_a_new_run_or_of_one_that_is_forgotten(self):
        one, two = a_run(), a_run(id="r5k")
        assert told(an_event(one), an_event(one, two)) == ()
        assert told(an_event(one, two), an_event(one)) == ()
        assert told(an_event(), an_event(one)) == ()
        assert told(an_event(one), an_event()) == ()

    def test_another_distance_is_kept_for_the_feeds_that_lost_the_run(self):
        (change,) = told(harbor(), harbor(distance_standard="Other"))
        assert (change.kind, build_guid_value(change)) == (Kind.OTHER_DISTANCE, "")
        assert differences(change.was, change.now) == {"distance": ("10K", "Other")}


# What no item of a change is about. The run's own item and its VEVENT may well tell it.
NO_NEWS = [
    {"slug": "harbor"},
    {"name": "River Run"},
    {"description": "Bring a friend."},
    {"end_time": time(15)},
    {"end_time": time(15), "end_date": SUN},
    {"distance_meters": 9_000},
    {"distance_label": "Ten"},
    {"registration_url": "https://club.example/join"},
    {"registration_opens": NOW, "registration_closes": NOW + timedelta(days=1)},
    {"relay": True},
    {"walking": True},
    {"start_time": time(8, 0, 0)},
]


class TestNoNews:
    @pytest.mark.parametrize("fields", [{}, *NO_NEWS], ids=str)
    def test_nothing_is_told_between_equal_versions(self, fields):
        assert told(harbor(**fields), harbor(**fields)) == ()

    @pytest.mark.parametrize("fields", NO_NEWS, ids=str)
    def test_nothing_is_told_of_what_is_no_kind_of_news(self, fields):
        assert told(harbor(), harbor(**fields)) == ()

    def test_nothing_is_told_of_another_organization(self):
        mine = harbor()
        assert told(mine, structs.replace(mine, organization_id="another")) == ()

    def test_nothing_is_told_of_another_way_to_tell_the_place(self):
        address, coordinates = harbor(point=CHICAGO), harbor(point=CHICAGO, location=None)
        assert told(address, coordinates) == ()
        assert told(coordinates, address) == ()

    def test_nothing_is_told_of_a_place_that_nobody_tells_any_more(self):
        assert told(harbor(point=None), harbor(location=None, point=None)) == ()

    def test_nothing_is_told_of_a_place_that_is_left_for_home(self):
        day = {"start_time": None}
        assert told(harbor(**day), harbor(**day, virtual=True)) == ()

    def test_nothing_is_told_of_another_zone_while_only_the_day_is_known(self):
        day = {"start_time": None}
        assert told(harbor(**day), harbor(**day, point=NEW_YORK)) == ()

    def test_nothing_is_told_of_another_home_zone(self):
        runs = [a_run(start_time=EIGHT)]
        for home in (HOME, "America/New_York"):
            both = entries_in(an_event(*runs), home), entries_in(an_event(*runs), home)
            assert changes.find_changes(*both, NOW) == ()

    def test_the_order_of_the_runs_is_nothing_to_tell(self):
        one, two = a_run(), a_run(id="r5k")
        assert told(an_event(one, two), an_event(two, one)) == ()


SOME_DAY = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def some_state(**fields):
    return State(**{"start": "2025-06-14", "zone": HOME} | fields)


def a_change(run="r10k", kind=Kind.CANCELLED, days=0, to="2025-06-14", **fields):
    return Change(
        run=run,
        kind=kind,
        was=some_state(start="2025-06-13"),
        now=some_state(start=to),
        noticed=SOME_DAY + timedelta(days=days),
        **fields,
    )


def history(*steps):
    """The history after steps, each of which is noticed at once."""
    known: tuple[Change, ...] = ()
    for step in steps:
        known = append_changes(known, step)
    return known


class TestRecorded:
    def test_without_news_a_history_stays_as_it_is_however_old(self):
        known = history([a_change()], [a_change(kind=Kind.REINSTATED, days=400)])
        assert append_changes(known, ()) == known
        assert append_changes((), ()) == ()

    def test_news_come_last(self):
        known = history([a_change()], [a_change(kind=Kind.REINSTATED, days=1)], [a_change(days=2)])
        assert [each.kind for each in known] == [Kind.CANCELLED, Kind.REINSTATED, Kind.CANCELLED]
        assert [each.noticed for each in known] == sorted(each.noticed for each in known)

    def test_what_happens_again_to_a_run_is_counted(self):
        known = history(*([a_change(days=day)] for day in range(3)))
        assert [each.nth for each in known] == [1, 2, 3]

    def test_each_kind_each_value_and_each_run_is_counted_for_itself(self):
        known = history(
            [a_change(kind=Kind.MOVED, to="2025-06-15")],
            [a_change(kind=Kind.MOVED, to="2025-06-16", days=1)],
            [a_change(kind=Kind.RESCHEDULED, to="2025-06-15", days=2)],
            [a_change(run="r5k", kind=Kind.MOVED, to="2025-06-15", days=3)],
            [a_change(kind=Kind.MOVED, to="2025-06-15", days=4)],
        )
        assert [each.nth for each in known] == [1, 1, 1, 1, 2]

    def test_a_group_that_happens_again_is_counted(self):
        def both(days):
            return [a_change(days=days), a_change(run="r5k", days=days)]

        known = history(both(0), both(1), both(2))
        assert [each.group_nth for each in known] == [1, 1, 2, 2, 3, 3]

    def test_groups_of_other_runs_count_too_since_they_have_the_guid_of_the_event_as_well(self):
        known = history(
            [a_change(), a_change(run="r5k")],
            [a_change(run="a", days=1), a_change(run="b", days=1)],
        )
        assert [each.group_nth for each in known] == [1, 1, 2, 2]
        assert [each.nth for each in known] == [1, 1, 1, 1]

    def test_changes_of_single_runs_do_not_count_for_groups(self):
        known = history(
            [a_change()], [a_change(days=1)], [a_change(days=2), a_change(run="r5k", days=2)]
        )
        assert [each.group_nth for each in known[2:]] == [1, 1]

    def test_groups_of_another_kind_or_value_are_counted_for_themselves(self):
        known = history(
            [a_change(), a_change(run="r5k")],
            [a_change(kind=Kind.POSTPONED, days=1), a_change("r5k", Kind.POSTPONED, 1)],
            [a_change("r10k", Kind.MOVED, 2), a_change("r5k", Kind.MOVED, 2)],
            [a_change("r10k", Kind.MOVED, 3, "2025-06-20"), a_change("r5k", Kind.MOVED, 3)],
            [a_change("r10k", Kind.MOVED, 4), a_change("r5k", Kind.MOVED, 4)],
        )
        assert [each.group_nth for each in known] == [1, 1, 1, 1, 1, 1, 1, 1, 2, 2]

    @pytest.mark.parametrize(
        ("age", "kept"),
        [
            (YEAR - timedelta(seconds=1), True),
            (YEAR, False),
            (YEAR + timedelta(seconds=1), False),
            (-timedelta(days=3), True),  # a clock that was put back
        ],
        ids=str,
    )
    def test_a_change_is_dropped_after_a_year_when_something_new_happens_to_the_run(
        self, age, kept
    ):
        old, new = a_change(), structs.replace(a_change(kind=Kind.MOVED), noticed=SOME_DAY + age)
        assert append_changes([old], [new]) == ((old, new) if kept else (new,))

    def test_what_happens_to_another_run_drops_nothing(self):
        old = a_change()
        assert append_changes([old], [a_change(run="r5k", days=400)])[0] == old

    def test_a_group_is_dropped_as_a_whole_so_that_its_item_keeps_its_guid(self):
        group = history([a_change(), a_change(run="r5k")])
        alone = a_change(kind=Kind.MOVED, days=400)
        other = a_change(run="r5k", kind=Kind.SOLD_OUT, days=400)
        assert append_changes(group, [alone]) == (*group, alone)
        assert append_changes(group, [alone, other]) == (alone, other)

    def test_what_is_dropped_still_counts_for_what_drops_it(self):
        known = history([a_change(), a_change(run="r5k")])
        again = append_changes(known, [a_change(days=400), a_change(run="r5k", days=400)])
        assert [(each.nth, each.group_nth) for each in again] == [(2, 2), (2, 2)]


class TestGroups:
    def test_changes_of_one_kind_that_were_noticed_together_are_a_group(self):
        a, b = a_change("a"), a_change("b")
        a_moved, b_later = a_change("a", Kind.MOVED), a_change("b", days=1)
        assert group_changes([a, a_moved, b, b_later]) == [(a, b), (a_moved,), (b_later,)]
        assert group_changes([]) == []

    def test_a_group_has_the_value_that_its_changes_share(self):
        assert build_group_guid_value([a_change("a"), a_change("b")]) == ""
        moved = [a_change("a", Kind.MOVED), a_change("b", Kind.MOVED)]
        assert build_group_guid_value(moved) == "2025-06-14"

    def test_a_group_of_several_values_has_one_of_its_own_in_whatever_order(self):
        a, b = a_change("a", Kind.MOVED), a_change("b", Kind.MOVED, to="2025-06-20")
        assert build_group_guid_value([a, b]) == build_group_guid_value([b, a])
        assert len(build_group_guid_value([a, b])) == 16
        swapped = [a_change("a", Kind.MOVED, to="2025-06-20"), a_change("b", Kind.MOVED)]
        assert build_group_guid_value(swapped) != build_group_guid_value([a, b])


class TestAt:
    CURRENT = some_state(start="2025-06-16")
    FIRST = structs.replace(a_change(days=1), was=some_state(start="2025-06-14"))
    SECOND = structs.replace(a_change(days=2), was=some_state(start="2025-06-15"))

    @pytest.mark.parametrize(
        ("hours", "day"),
        [(0, 14), (23, 14), (24, 15), (25, 15), (47, 15), (48, 16), (4800, 16)],
    )
    def test_a_state_is_told_from_the_moment_on_in_which_it_was_noticed(self, hours, day):
        found = find_state_at(
            self.CURRENT, (self.FIRST, self.SECOND), SOME_DAY + timedelta(hours=hours)
        )
        assert found.start == f"2025-06-{day}"

    def test_without_changes_it_was_always_as_it_is(self):
        assert find_state_at(self.CURRENT, (), SOME_DAY) is self.CURRENT


# A walk: an organizer edits an event with some runs, several things at a time.

RUNS = ("a", "b", "c")
RUN_EDITS = {
    "date": [SAT, SUN],
    "start_time": [None, EIGHT, HALF_PAST],
    "status": ["scheduled", "cancelled", "postponed", "rescheduled", "on hold", "unlisted"],
    "sold_out": [False, True],
    "registration_override": [None, "paused", "closed", "members only"],
    "distance_standard": ["10K", "5K", "Own"],
    "distance_meters": [5_000.0, 10_000.0],
    "distance_label": ["10K", "Ten"],
    "virtual": [False, True],
}
EVENT_EDITS = {
    "location": [PIER, PARK],  # coordinates in its place have a test of their own
    "point": [None, CHICAGO, NEW_YORK],
    "end_time": [None, time(15)],
    "start_time": [None, EIGHT],
    "description": [None, "Bring a friend."],
}


def edits_of(table, *more):
    return st.one_of(
        *(
            st.tuples(*more, st.just(name), st.sampled_from(values))
            for name, values in table.items()
        )
    )


run_edits = edits_of(RUN_EDITS, st.just("run"), st.sampled_from(RUNS))
event_edits = edits_of(EVENT_EDITS, st.just("event"), st.just(""))
listings = st.tuples(
    st.just("list"),
    st.sampled_from(RUNS),
    st.sampled_from(["add", "withdraw", "tidy", "return"]),
    st.none(),
)
walks = st.lists(
    st.lists(st.one_of(run_edits, event_edits, listings), min_size=1, max_size=4), max_size=8
)


def edited(event, edit):
    """The event after one edit; one that makes no sense changes nothing."""
    what, id_, name, to = edit
    if what == "event":
        return structs.replace(event, **{name: to})
    runs = {run.id: run for run in event.runs}
    run = runs.get(id_)
    if run is None:
        runs |= {id_: a_run(id=id_)} if name == "add" else {}
    elif what == "run" and run.unlisted is None:
        runs[id_] = structs.replace(run, **{name: to})
    elif name in ("withdraw", "tidy") and run.unlisted is None:
        runs[id_] = structs.replace(run, **(GONE if name == "withdraw" else TIDIED))
    elif name == "return" and run.withdrawn:
        runs[id_] = structs.replace(run, unlisted=None, withdrawn=False)
    return structs.replace(event, runs=tuple(runs[each] for each in RUNS if each in runs))


def walked(steps):
    """The versions of an event on a walk, and the history that they make."""
    versions = [an_event(a_run(id="a", start_time=EIGHT), a_run(id="b"), location=PIER)]
    known: tuple[Change, ...] = ()
    for day, step in enumerate(steps):
        event = versions[-1]
        for edit in step:
            event = edited(event, edit)
        before, after = entries_in(versions[-1]), entries_in(event)
        assert changes.find_changes(after, entries_in(event), NOW) == (), (
            "nothing between equal ones"
        )
        known = append_changes(
            known, changes.find_changes(before, after, SOME_DAY + timedelta(days=day))
        )
        versions.append(event)
    return versions, known


STATUS_KINDS = {
    Kind.CANCELLED: "cancelled",
    Kind.POSTPONED: "postponed",
    Kind.RESCHEDULED: "rescheduled",
    Kind.NO_LONGER_LISTED: UNLISTED,
    Kind.REINSTATED: "on",
}
OVERRIDES = {
    Kind.REGISTRATION_PAUSED: "paused",
    Kind.REGISTRATION_CLOSED: "closed",
    Kind.REGISTRATION_REOPENED: None,
}
TAKES_PLACE = {"on", "rescheduled"}


class Reader:
    """What somebody knows of a run who has read its announcement and then every change."""

    def __init__(self, told):
        self.start, self.zone, self.place = told.start, told.zone, told.place
        self.sold_out, self.override, self.distance = told.sold_out, told.override, told.distance
        words = STATUS_KINDS.values()
        self.status = told.status if told.status in words else "on"

    def read(self, change):
        """Learn a change, after making sure that it starts from what was known."""
        was, now, kind = change.was, change.now, change.kind
        back = was.status == UNLISTED
        if kind in STATUS_KINDS:
            assert was.status == self.status or {was.status, self.status}.isdisjoint(
                {"cancelled", "postponed", UNLISTED}
            )
            self.status = STATUS_KINDS[kind]
        if kind in (Kind.MOVED, Kind.RESCHEDULED):
            assert back or was.start == self.start
            assert back or "T" not in was.start or was.zone == self.zone
            assert back or was.place in (self.place, None)
        if kind in (Kind.MOVED, Kind.RESCHEDULED) or back:
            self.start, self.zone = now.start, now.zone
            self.place = now.place or self.place
        if kind in (Kind.SOLD_OUT, Kind.PLACES_AGAIN):
            assert was.sold_out == self.sold_out
            self.sold_out = kind == Kind.SOLD_OUT
        if kind == Kind.SILENT:  # one cannot register all the same: no news, but so it is
            self.sold_out = self.sold_out and now.sold_out
            if now.override not in ("paused", "closed"):
                self.override = now.override
        if kind in OVERRIDES:
            assert was.override in (self.override, "members only")
            self.override = OVERRIDES[kind]
        if kind == Kind.OTHER_DISTANCE:
            assert was.distance == self.distance
            self.distance = now.distance

    def agrees_with(self, final):
        assert final.start == self.start
        assert "T" not in final.start or final.zone == self.zone
        assert final.place in (self.place, None)
        assert final.sold_out == self.sold_out
        assert final.override in (self.override, "members only")
        assert final.distance == self.distance
        if final.status in ("cancelled", "postponed", "rescheduled", UNLISTED):
            assert self.status == final.status
        else:
            assert self.status in TAKES_PLACE


class TestWalks:
    @given(walks)
    @settings(max_examples=120, deadline=None)
    def test_a_walk_of_edits_is_explained_by_its_changes_in_order(self, steps):
        versions, known = walked(steps)
        first = {
            entry.run.id: entry for version in reversed(versions) for entry in entries_in(version)
        }
        for final in entries_in(versions[-1]):
            id_ = final.run.id
            if final.run.unlisted and not final.run.withdrawn:
                continue
            reader = Reader(capture_state(first[id_]))
            for change in known:
                if change.run == id_:
                    reader.read(change)
            if final.run.unlisted is None:
                reader.agrees_with(capture_state(final))
            assert (reader.status == UNLISTED) == final.run.withdrawn

    @given(walks)
    @settings(max_examples=60, deadline=None)
    def test_nothing_is_told_twice_and_no_two_items_would_share_a_guid(self, steps):
        _, known = walked(steps)
        once = Counter((each.noticed, each.run, each.kind) for each in known)
        guids = Counter((each.run, each.kind, build_guid_value(each), each.nth) for each in known)
        of_event = Counter(
            (group[0].kind, build_group_guid_value(group), group[0].group_nth)
            for group in group_changes(known)
            if len(group) > 1
        )
        assert set((once + guids + of_event).values()) <= {1}

    @given(walks)
    @settings(max_examples=60, deadline=None)
    def test_what_was_told_at_any_time_can_be_told_again_later(self, steps):
        versions, known = walked(steps)
        final = {entry.run.id: entry for entry in entries_in(versions[-1])}
        for day, version in enumerate(versions):
            then = SOME_DAY + timedelta(days=day, hours=-1)
            for entry in entries_in(version):
                last = final[entry.run.id]
                if last.run.unlisted and not last.run.withdrawn:
                    continue
                of_run = [each for each in known if each.run == entry.run.id]
                found, truth = (
                    find_state_at(capture_state(last), of_run, then),
                    capture_state(entry),
                )
                assert found.sold_out == truth.sold_out
                assert found.distance == truth.distance
                for word in ("cancelled", "postponed", UNLISTED):
                    assert (found.status == word) == (truth.status == word)
                if "members only" not in (found.override, truth.override):
                    assert found.override == truth.override

"""Changes between two versions of an event: by tables, and over random edits (rules 5.4 to 5.6)."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.changes import (
    append_changes,
    build_group_guid_value,
    build_guid_value,
    capture_state,
    find_changes,
    find_state_at,
    group_changes,
)
from feeds.domain.model import Change, Kind, State
from feeds.domain.status import NO_LONGER_LISTED
from tests.support.factories import HOME, NOW, a_run, an_edition, an_event, entries_of

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, HALF_PAST = time(8), time(8, 30)
CHICAGO, NEW_YORK = (41.88, -87.63), (40.71, -74.01)
PIER, PARK = "Navy Pier, Chicago", "Grant Park, Chicago"
UNLISTED = NO_LONGER_LISTED.stored
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


START, HALF_PAST_START = "2025-06-14T08:00:00", "2025-06-14T08:30:00"
DAY, PARK_VALUE = "2025-06-14", "Grant%20Park%2C%20Chicago"


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ({}, {"start_time": HALF_PAST}, HALF_PAST_START),
        ({}, {"location": PARK}, PARK_VALUE),
        ({}, {"start_time": HALF_PAST, "location": PARK}, f"{HALF_PAST_START}/{PARK_VALUE}"),
        ({}, {"point": NEW_YORK}, f"{START}/America%2FNew_York"),
        (
            {},
            {"point": NEW_YORK, "start_time": HALF_PAST, "location": PARK},
            f"{HALF_PAST_START}/America%2FNew_York/{PARK_VALUE}",
        ),
        (DAY_ONLY, DAY_ONLY | {"point": NEW_YORK, "location": PARK}, PARK_VALUE),
        (DAY_ONLY, {}, START),
        ({}, DAY_ONLY, DAY),
        (
            {"location": None},
            {"location": None, "point": (41.9, -87.63)},
            "41.90000%2C%20-87.63000",
        ),
        (
            {"status": "rescheduled"},
            {"status": "rescheduled", "start_time": HALF_PAST},
            HALF_PAST_START,
        ),
    ],
    ids=str,
)
def test_another_start_zone_or_place_is_a_move_to_that_value(before, after, value):
    (change,) = changes_between(harbor(**before), harbor(**after))
    assert (change.kind, build_guid_value(change)) == (Kind.MOVED, value)


def test_another_place_moves_all_runs_but_virtual_ones():
    runs = (a_run(), a_run(id="r5k"), a_run(id="home", virtual=True))
    moved = changes_between(an_event(*runs, location=PIER), an_event(*runs, location=PARK))
    assert [change.run for change in moved] == ["r10k", "r5k"]


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
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
        ("postponed", "on hold", Kind.REINSTATED),
        ("rescheduled", "scheduled", None),
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


def test_changes_of_all_kinds_may_come_together_and_share_their_states():
    after = harbor(
        status="cancelled",
        date=SUN,
        location=PARK,
        sold_out=True,
        registration_override="closed",
        distance_standard="5K",
    )
    found = changes_between(harbor(), after)
    assert [change.kind for change in found] == [
        Kind.CANCELLED,
        Kind.MOVED,
        Kind.SOLD_OUT,
        Kind.REGISTRATION_CLOSED,
        Kind.OTHER_DISTANCE,
    ]
    assert len({(each.was, each.now, each.noticed, each.run) for each in found}) == 1


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
    ],
)
def test_another_override_of_registration_is_a_change_of_its_kind(was, now, kind):
    before, after = harbor(registration_override=was), harbor(registration_override=now)
    (change,) = changes_between(before, after)
    assert (change.kind, build_guid_value(change)) == (kind, "")
    assert differences(change) == {"override": (was, now)}


@pytest.mark.parametrize(
    ("after", "value"),
    [
        ({"location": PARK}, f"{START}/{PARK_VALUE}"),
        ({"point": NEW_YORK}, f"{START}/America%2FNew_York"),
        (DAY_ONLY | {"point": NEW_YORK}, f"{DAY}/America%2FNew_York"),
    ],
    ids=str,
)
def test_rescheduled_has_the_new_time_and_place_and_is_not_also_a_move(after, value):
    (change,) = changes_between(harbor(status="postponed"), harbor(status="rescheduled", **after))
    assert (change.kind, build_guid_value(change)) == (Kind.RESCHEDULED, value)


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
def test_places_are_no_news_while_one_cannot_register(fields, lifted):
    assert kinds_between(harbor(**fields | lifted), harbor(**fields)) == [Kind.SILENT]


def test_places_are_news_in_the_instant_in_which_registration_opens():
    opened = {"registration_opens": NOW, "registration_closes": NOW + timedelta(seconds=1)}
    full = harbor(**opened, sold_out=True)
    assert kinds_between(full, harbor(**opened)) == [Kind.PLACES_AGAIN]
    still_paused = harbor(**opened, registration_override="paused")
    assert Kind.PLACES_AGAIN not in kinds_between(full, still_paused)


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


def test_an_event_without_runs_that_is_gone_is_no_longer_listed():
    before, after = (entries_of(an_edition(an_event(), gone=gone)) for gone in (None, NOW))
    (change,) = find_changes(before, after, NOW)
    assert (change.run, change.kind) == ("harbor", Kind.NO_LONGER_LISTED)


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


def test_new_and_forgotten_runs_and_their_order_are_no_changes():
    one, two = a_run(), a_run(id="r5k")
    for before, after in (((one,), (one, two)), ((), (one,)), ((one, two), (two, one))):
        assert changes_between(an_event(*before), an_event(*after)) == ()
        assert changes_between(an_event(*after), an_event(*before)) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"slug": "another", "name": "River Run", "description": "Bring a friend."}),
        ({}, {"end_time": time(15), "end_date": SUN}),
        ({}, {"distance_meters": 9_000, "distance_label": "Ten", "relay": True, "walking": True}),
        ({}, {"registration_opens": NOW, "registration_closes": NOW + timedelta(days=1)}),
        ({}, {"location": None}),  # coordinates of the same place
        ({"location": None}, {}),
        ({"point": None}, {"point": None, "location": None}),  # the place is removed
        (DAY_ONLY, DAY_ONLY | {"virtual": True}),
        (DAY_ONLY, DAY_ONLY | {"point": NEW_YORK}),  # another zone
    ],
    ids=str,
)
def test_what_is_no_news_is_no_change(before, after):
    assert changes_between(harbor(**before), harbor(**after)) == ()


FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def a_state(**fields):
    return State(**{"start": "2025-06-14", "zone": HOME} | fields)


def a_change(run="r10k", kind=Kind.CANCELLED, days=0, to="2025-06-14"):
    """A change that was noticed so many days after the first day."""
    was, now = a_state(start="2025-06-13"), a_state(start=to)
    return Change(run=run, kind=kind, was=was, now=now, noticed=FIRST_DAY + timedelta(days=days))


def both(days, kind=Kind.CANCELLED):
    """The same change of two runs."""
    return [a_change("r10k", kind, days), a_change("r5k", kind, days)]


def history(*steps):
    """The history after steps; the changes of each step are noticed together."""
    known: tuple[Change, ...] = ()
    for step in steps:
        known = append_changes(known, step)
    return known


def test_a_history_without_new_changes_stays_however_old_it_is():
    known = history([a_change()], [a_change(kind=Kind.REINSTATED, days=400)])
    assert append_changes(known, ()) == known


def test_changes_of_another_kind_value_or_run_have_numbers_of_their_own():
    known = history(
        [a_change(kind=Kind.MOVED, to="2025-06-15")],
        [a_change(kind=Kind.MOVED, to="2025-06-16", days=1)],
        [a_change(kind=Kind.RESCHEDULED, to="2025-06-15", days=2)],
        [a_change("r5k", kind=Kind.MOVED, to="2025-06-15", days=3)],
        [a_change(kind=Kind.MOVED, to="2025-06-15", days=4)],
    )
    assert [each.nth for each in known] == [1, 1, 1, 1, 2]


def test_groups_of_other_runs_are_numbered_together_because_all_have_the_events_guid():
    known = history(both(0), [a_change("a", days=1), a_change("b", days=1)])
    assert [(each.group_nth, each.nth) for each in known] == [(1, 1), (1, 1), (2, 1), (2, 1)]


def test_changes_of_single_runs_do_not_count_for_groups():
    known = history([a_change()], [a_change(days=1)], both(2))
    assert [each.group_nth for each in known[2:]] == [1, 1]


def test_groups_of_another_kind_or_value_have_numbers_of_their_own():
    known = history(
        both(0),
        both(1, Kind.POSTPONED),
        both(2, Kind.MOVED),
        [a_change("r10k", Kind.MOVED, 3, "2025-06-20"), a_change("r5k", Kind.MOVED, 3)],
        both(4, Kind.MOVED),
    )
    assert [each.group_nth for each in known[::2]] == [1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (YEAR - timedelta(seconds=1), True),
        (YEAR, False),
        (-timedelta(days=3), True),  # the clock was set back
    ],
    ids=str,
)
def test_a_change_is_dropped_after_a_year_when_the_same_run_changes_again(age, kept):
    old, new = a_change(), structs.replace(a_change(kind=Kind.MOVED), noticed=FIRST_DAY + age)
    assert append_changes([old], [new]) == ((old, new) if kept else (new,))


def test_a_change_of_another_run_drops_nothing():
    old = a_change()
    assert append_changes([old], [a_change("r5k", days=400)])[0] == old


def test_a_group_is_dropped_as_a_whole_so_that_its_item_keeps_its_guid():
    group = history(both(0))
    one, other = a_change(kind=Kind.MOVED, days=400), a_change("r5k", Kind.SOLD_OUT, days=400)
    assert append_changes(group, [one]) == (*group, one)
    assert append_changes(group, [one, other]) == (one, other)


def test_dropped_changes_still_count_for_the_numbers_of_the_changes_that_drop_them():
    again = append_changes(history(both(0)), both(400))
    assert [(each.nth, each.group_nth) for each in again] == [(2, 2), (2, 2)]


def test_the_guid_value_of_a_group_is_the_shared_one_or_a_digest_of_all():
    assert build_group_guid_value([a_change("a"), a_change("b")]) == ""
    a, b = a_change("a", Kind.MOVED), a_change("b", Kind.MOVED)
    assert build_group_guid_value([a, b]) == "2025-06-14"
    later_a, later_b = (a_change(run, Kind.MOVED, to="2025-06-20") for run in "ab")
    assert build_group_guid_value([a, later_b]) == build_group_guid_value([later_b, a])
    assert build_group_guid_value([a, later_b]) != build_group_guid_value([later_a, b])
    assert len(build_group_guid_value([a, later_b])) == 16


@pytest.mark.parametrize(("hours", "day"), [(0, 14), (23, 14), (24, 15), (47, 15), (48, 16)])
def test_a_state_holds_from_the_instant_in_which_it_was_noticed(hours, day):
    known = [
        structs.replace(a_change(days=1), was=a_state(start="2025-06-14")),
        structs.replace(a_change(days=2), was=a_state(start="2025-06-15")),
    ]
    instant = FIRST_DAY + timedelta(hours=hours)
    assert find_state_at(a_state(start="2025-06-16"), known, instant).start == f"2025-06-{day}"
    assert find_state_at(a_state(), (), instant) == a_state()


# Random edits: an organizer edits an event with up to three runs, several fields at a time.

RUNS = ("a", "b", "c")
RUN_EDITS = {
    "date": [SAT, SUN],
    "start_time": [None, EIGHT, HALF_PAST],
    "status": ["scheduled", "cancelled", "postponed", "rescheduled", "on hold", "unlisted"],
    "sold_out": [False, True],
    "registration_override": [None, "paused", "closed", "members only"],
    "distance_standard": ["10K", "5K", "Own"],
    "distance_meters": [5_000.0, 10_000.0],
    "virtual": [False, True],
}
EVENT_EDITS = {
    "location": [PIER, PARK],  # coordinates instead of an address have a test of their own
    "point": [None, CHICAGO, NEW_YORK],
    "start_time": [None, EIGHT],
    "description": [None, "Bring a friend."],
}


def edits_of(table, *who):
    return st.one_of(
        *(st.tuples(*who, st.just(name), st.sampled_from(each)) for name, each in table.items())
    )


listings = st.tuples(
    st.just("list"),
    st.sampled_from(RUNS),
    st.sampled_from(["add", "withdraw", "tidy", "return"]),
    st.none(),
)
edits = st.one_of(
    edits_of(RUN_EDITS, st.just("run"), st.sampled_from(RUNS)),
    edits_of(EVENT_EDITS, st.just("event"), st.just("")),
    listings,
)
lives = st.lists(st.lists(edits, min_size=1, max_size=4), max_size=8)


def apply_edit(event, edit):
    """The event after one edit; an impossible edit changes nothing."""
    what, id_, name, value = edit
    if what == "event":
        return structs.replace(event, **{name: value})
    runs = {run.id: run for run in event.runs}
    run = runs.get(id_)
    if run is None:
        runs |= {id_: a_run(id=id_)} if name == "add" else {}
    elif what == "run" and run.unlisted is None:
        runs[id_] = structs.replace(run, **{name: value})
    elif name in ("withdraw", "tidy") and run.unlisted is None:
        runs[id_] = structs.replace(run, **(WITHDRAWN if name == "withdraw" else TIDIED_AWAY))
    elif name == "return" and run.withdrawn:
        runs[id_] = structs.replace(run, unlisted=None, withdrawn=False)
    return structs.replace(event, runs=tuple(runs[each] for each in RUNS if each in runs))


def live(steps):
    """The entries of each version of an event, and the history of its changes."""
    event = an_event(a_run(id="a", start_time=EIGHT), a_run(id="b"), location=PIER)
    versions, known = [entries_of(an_edition(event))], history()
    for day, step in enumerate(steps):
        for edit in step:
            event = apply_edit(event, edit)
        versions.append(entries_of(an_edition(event)))
        noticed = FIRST_DAY + timedelta(days=day)
        known = append_changes(known, find_changes(versions[-2], versions[-1], noticed))
        assert find_changes(versions[-1], versions[-1], noticed) == ()
    return versions, known


STATUS_BY_KIND = {
    Kind.CANCELLED: "cancelled",
    Kind.POSTPONED: "postponed",
    Kind.RESCHEDULED: "rescheduled",
    Kind.NO_LONGER_LISTED: UNLISTED,
    Kind.REINSTATED: "on",
}
OVERRIDE_BY_KIND = {
    Kind.REGISTRATION_PAUSED: "paused",
    Kind.REGISTRATION_CLOSED: "closed",
    Kind.REGISTRATION_REOPENED: None,
}
SUSPENDED = {"cancelled", "postponed", UNLISTED}


class Reader:
    """A reader of the announcement of a run and of each of its changes."""

    def __init__(self, state):
        self.start, self.zone, self.place = state.start, state.zone, state.place
        self.sold_out, self.override = state.sold_out, state.override
        self.distance = state.distance
        self.status = state.status if state.status in STATUS_BY_KIND.values() else "on"

    def read(self, change):
        """Apply a change, which starts from what the reader knows."""
        was, now, kind = change.was, change.now, change.kind
        returned = was.status == UNLISTED
        if kind in STATUS_BY_KIND:
            assert was.status == self.status or SUSPENDED.isdisjoint({was.status, self.status})
            self.status = STATUS_BY_KIND[kind]
        if kind in (Kind.MOVED, Kind.RESCHEDULED):
            assert returned or was.start == self.start
            assert returned or "T" not in was.start or was.zone == self.zone
            assert returned or was.place in (self.place, None)
        if kind in (Kind.MOVED, Kind.RESCHEDULED) or returned:
            self.start, self.zone = now.start, now.zone
            self.place = now.place or self.place
        if kind in (Kind.SOLD_OUT, Kind.PLACES_AGAIN):
            assert was.sold_out == self.sold_out
            self.sold_out = kind == Kind.SOLD_OUT
        if kind == Kind.SILENT:
            self.sold_out = self.sold_out and now.sold_out
            if now.override not in ("paused", "closed"):
                self.override = now.override
        if kind in OVERRIDE_BY_KIND:
            assert was.override in (self.override, "members only")
            self.override = OVERRIDE_BY_KIND[kind]
        if kind == Kind.OTHER_DISTANCE:
            assert was.distance == self.distance
            self.distance = now.distance

    def assert_knows(self, state):
        assert self.start == state.start
        assert "T" not in state.start or self.zone == state.zone
        assert state.place in (self.place, None)
        assert (self.sold_out, self.distance) == (state.sold_out, state.distance)
        assert state.override in (self.override, "members only")
        if state.status in STATUS_BY_KIND.values():
            assert self.status == state.status
        else:
            assert self.status in {"on", "rescheduled"}


def was_tidied_away(entry):
    return entry.run.unlisted is not None and not entry.run.withdrawn


@given(lives)
@settings(max_examples=120, deadline=None)
def test_a_reader_of_all_changes_knows_the_last_state_of_each_run(steps):
    versions, known = live(steps)
    first = {entry.run.id: entry for version in reversed(versions) for entry in version}
    for final in versions[-1]:
        if was_tidied_away(final):
            continue
        reader = Reader(capture_state(first[final.run.id]))
        for change in known:
            if change.run == final.run.id:
                reader.read(change)
        if final.run.unlisted is None:
            reader.assert_knows(capture_state(final))
        assert (reader.status == UNLISTED) == final.run.withdrawn


@given(lives)
@settings(max_examples=60, deadline=None)
def test_each_change_is_noticed_once_and_no_two_items_have_the_same_guid(steps):
    _, known = live(steps)
    noticed = Counter((each.noticed, each.run, each.kind) for each in known)
    guids = Counter((each.run, each.kind, build_guid_value(each), each.nth) for each in known)
    of_event = Counter(
        (group[0].kind, build_group_guid_value(group), group[0].group_nth)
        for group in group_changes(known)
        if len(group) > 1
    )
    assert set((noticed + guids + of_event).values()) <= {1}


@given(lives)
@settings(max_examples=60, deadline=None)
def test_the_state_at_any_earlier_time_is_found_again(steps):
    versions, known = live(steps)
    final = {entry.run.id: entry for entry in versions[-1]}
    for day, version in enumerate(versions):
        instant = FIRST_DAY + timedelta(days=day, hours=-1)
        for entry in version:
            last = final[entry.run.id]
            if was_tidied_away(last):
                continue
            of_run = [each for each in known if each.run == entry.run.id]
            found = find_state_at(capture_state(last), of_run, instant)
            truth = capture_state(entry)
            assert (found.sold_out, found.distance) == (truth.sold_out, truth.distance)
            for word in SUSPENDED:
                assert (found.status == word) == (truth.status == word)
            if "members only" not in (found.override, truth.override):
                assert found.override == truth.override

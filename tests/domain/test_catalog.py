"""Who is a member of a collection, and when a list is asked for again."""

from datetime import date, datetime, timedelta

import pytest

from feeds.domain.catalog import (
    MAX_MEMBERS,
    EventList,
    Group,
    GroupList,
    ListedEvent,
    Nothing,
    Organization,
    RecurrenceList,
    compute_due,
    list_group_members,
    list_groups,
    list_members,
    list_recurrences,
)
from feeds.domain.model import PendingRemoval, Recurrence
from feeds.domain.quota import Rate
from tests.support.factories import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RATE = Rate(100, MINUTE, 20)
ENDS: dict[str, datetime | None] = {}


def listed(id_: str, days: int | None = 0, **fields: str) -> ListedEvent:
    """An event so many days from now; None for a day that cannot be read."""
    day = None if days is None else NOW.date() + days * DAY
    return ListedEvent(id_, day=day, **fields)


def ids(members: EventList) -> list[str]:
    return [each.id for each in members.items]


def test_events_ahead_come_first_the_next_one_first_then_past_events_the_last_one_first():
    events = [listed("b", 3), listed("past", -4), listed("a", 3), listed("later", 90)]
    events += [listed("older", -40), listed("club", -900, type="runClub"), listed("dayless", None)]
    order = ["club", "dayless", "a", "b", "later", "past", "older"]
    assert ids(list_members(None, events, (), ENDS, NOW)) == order


@pytest.mark.parametrize(("days", "is_member"), [(-60, True), (-61, True), (-62, False)])
def test_an_event_that_was_never_fetched_is_a_member_until_60_days_after_its_day(days, is_member):
    midnight = NOW.replace(hour=0)
    members = list_members(None, [listed("one", days)], (), ENDS, midnight)
    assert bool(members.items) == is_member


def test_a_stored_event_is_a_member_until_60_days_after_its_end():
    event, later = [listed("one", -70)], NOW - 60 * DAY
    assert ids(list_members(None, event, (), {"one": later}, NOW)) == ["one"]
    assert ids(list_members(None, event, (), {"one": later}, NOW + HOUR)) == []


@pytest.mark.parametrize("list_", [list_members, list_group_members])
def test_an_event_that_has_ended_as_gone_is_a_member_only_while_the_list_has_it(list_):
    ends = {"one": None, "over": None}
    events = [listed("one", 9), listed("over", -70)]
    known = list_(None, events, (), ends, NOW)
    assert ids(known) == ["one"]
    known = list_(known, [], (), ends, NOW + HOUR)
    assert known == EventList()
    assert ids(list_(known, events, (), ends, NOW + 2 * HOUR)) == ["one"]


@pytest.mark.parametrize(
    ("event", "series"), [(listed("one", -900, type="runClub"), ()), (listed("one", -900), {"one"})]
)
def test_an_event_that_repeats_is_a_member_however_old_it_is(event, series):
    assert ids(list_members(None, [event], series, ENDS, NOW)) == ["one"]


def test_a_collection_has_1000_members_the_next_ones():
    events = [listed(f"e{number}", number) for number in range(MAX_MEMBERS + 5)]
    members = list_members(None, events[::-1], (), ENDS, NOW)
    assert ids(members) == [f"e{number}" for number in range(MAX_MEMBERS)]


def test_an_event_of_the_club_that_a_list_lacks_stays_if_it_is_stored():
    known = list_members(None, [listed("one", 9), listed("two", 9)], (), ENDS, NOW)
    ends: dict[str, datetime | None] = {"one": NOW + 9 * DAY}
    for answers in range(1, 9):
        at = NOW + answers * HOUR
        known = list_members(known, [], (), ends, at)
        assert ids(known) == ["one"]
        assert known.missing == {"one": PendingRemoval(NOW + HOUR, answers)}
    assert list_members(known, [listed("one", 9)], (), ends, NOW + DAY).missing == {}


@pytest.mark.parametrize(
    ("minutes", "stays"),
    [((0, 10, 20), True), ((0, 30), True), ((0, 10, 29), True), ((0, 10, 30), False)],
)
def test_an_event_leaves_a_group_after_three_answers_over_30_minutes(minutes, stays):
    known = list_group_members(None, [listed("one", 9)], (), ENDS, NOW)
    for minute in minutes:
        known = list_group_members(known, [], (), ENDS, NOW + minute * MINUTE)
    assert bool(known.items) == stays
    assert bool(known.missing) == stays


def test_a_group_that_returns_is_missing_no_more():
    north, south = Group("north", "North"), Group("south", "South")
    known = list_groups(None, [north, south], NOW)
    known = list_groups(known, [south], NOW + MINUTE)
    assert known.items == (south, north)
    assert list_groups(known, [north, south], NOW + HOUR) == GroupList((north, south))


def test_the_newest_answer_about_a_group_counts():
    known = list_groups(None, [Group("north", "North")], NOW)
    paused = Group("north", "North", status="paused")
    assert list_groups(known, [paused], NOW + HOUR).items == (paused,)


def test_recurrences_that_an_answer_lacks_stay_until_three_answers_over_30_minutes_lack_them():
    weekly, none = (Recurrence(days=(2,)),), (Recurrence(),)
    known = list_recurrences(None, {"one": weekly, "two": weekly}, NOW)
    for minute in (1, 11, 21):
        known = list_recurrences(known, {"two": none}, NOW + minute * MINUTE)
        assert known.items == {"one": weekly, "two": none}
    assert list_recurrences(known, {"one": none}, NOW + HOUR).items == {"one": none, "two": none}
    assert list_recurrences(known, {}, NOW + HOUR).items == {"two": none}


@pytest.mark.parametrize(
    ("days", "age"), [(-2, HOUR), (-1, HOUR / 4), (0, HOUR / 4), (14, HOUR / 4), (15, HOUR)]
)
def test_a_list_is_asked_for_each_15_minutes_while_an_event_is_near(days, age):
    events = EventList((listed("far", 200), listed("dayless", None), listed("one", days)))
    assert compute_due(events, NOW, 3, RATE) == NOW + age


def test_lists_spend_a_quarter_of_the_rate_at_most():
    events = EventList((listed("one", 1),))
    assert compute_due(events, NOW, 500, RATE) == NOW + 20 * MINUTE
    assert compute_due(events, NOW, 2, Rate(100, DAY, 20)) == NOW + DAY * 8 / 100
    assert compute_due(GroupList(), NOW, 1, RATE) == NOW + HOUR


def test_recurrences_are_asked_for_each_hour_while_some_are_missing():
    missing = RecurrenceList({"one": ()}, {"one": PendingRemoval(NOW, 1)})
    assert compute_due(missing, NOW, 2, RATE) == NOW + HOUR
    assert compute_due(missing, NOW, 2, Rate(100, DAY, 20)) == NOW + DAY * 8 / 100


@pytest.mark.parametrize("value", [Organization("club", "Club"), RecurrenceList(), Nothing()])
def test_the_organization_and_the_recurrences_are_asked_for_once_a_day(value):
    assert compute_due(value, NOW, 900, RATE) == NOW + DAY


def test_a_day_at_the_end_of_time_is_far_ahead():
    event = ListedEvent("one", day=date.max)
    assert ids(list_members(None, [event], (), ENDS, NOW)) == ["one"]

"""The catalog in both engines: parts with their leases, tokens and numbers of saves."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from msgspec import structs

from feeds.domain.catalog import (
    EVENTS,
    GROUPS,
    ORGANIZATION,
    EventList,
    GroupList,
    ListedEvent,
    Nothing,
    Organization,
    RecurrenceList,
    build_group_part,
)
from feeds.domain.model import Recurrence
from feeds.domain.quota import Priority, Rate
from feeds.errors import QuotaExhausted, UpstreamTimeout
from feeds.store.catalog import Part
from feeds.store.leases import HeldByOther, Lease
from feeds.store.tables import catalog
from tests.store.test_contract import SPAN, examples, numbered, values_of
from tests.support.databases import connect, execute
from tests.support.factories import NOW

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
QUOTA = Rate(1000, timedelta(minutes=1), 500).quota_for(Priority.ORDINARY)
NORTH = build_group_part("north")


def a_part(name: str = EVENTS, **fields: Any) -> Part:
    """A list with one event, fetched now."""
    value = EventList((ListedEvent("one", "One"),))
    ordinary: dict[str, Any] = {"value": value, "fetched": NOW, "changed": NOW, "due": NOW + HOUR}
    return Part(name=name, token="", **ordinary | fields)


def lease(database, name=EVENTS, now=NOW, quota=QUOTA):
    """The lease of a part."""
    part = database.read_part(name)
    acquired = database.acquire(name, part.token if part else "", quota, now)
    assert isinstance(acquired, Lease)
    return acquired


def save(database, part=None):
    """Save a part as a refresh does."""
    part = part or a_part()
    saved = database.save_part(part, lease(database, part.name))
    assert saved is not None
    return saved


@examples
@given(
    value=values_of(EventList)
    | values_of(GroupList)
    | values_of(RecurrenceList)
    | values_of(Organization)
    | values_of(Nothing)
)
def test_a_part_is_read_as_it_was_saved_and_replaces_the_one_before(database, value):
    part = save(database, a_part(value=value, pages=3))
    assert database.read_part(EVENTS) == part
    again = save(database, a_part(value=value, fetched=NOW + HOUR, due=NOW + 2 * HOUR))
    assert database.read_part(EVENTS) == again
    assert again.token != part.token


def test_a_part_that_was_never_saved_is_not_known(database):
    assert database.read_part(EVENTS) is None
    save(database)
    assert database.read_part(GROUPS) is None


def test_one_process_at_a_time_has_the_lease_and_a_save_releases_it(database):
    first = lease(database)
    assert database.acquire(EVENTS, "", QUOTA, NOW) == HeldByOther(NOW)
    assert isinstance(database.acquire(GROUPS, "", QUOTA, NOW), Lease)
    part = database.save_part(a_part(), first)
    assert database.acquire(EVENTS, "", QUOTA, NOW) is None  # another list is stored
    assert isinstance(database.acquire(EVENTS, part.token, QUOTA, NOW), Lease)


def test_a_failure_is_remembered_for_all_processes(database, url):
    database.fail(lease(database), UpstreamTimeout(), NOW + 60 * SECOND)
    other = connect(url)
    assert isinstance(other.acquire(EVENTS, "", QUOTA, NOW + 59 * SECOND), UpstreamTimeout)
    assert isinstance(other.acquire(EVENTS, "", QUOTA, NOW + 61 * SECOND), Lease)


def test_the_lease_of_a_process_that_died_ends_after_ten_seconds(database):
    lease(database)
    assert database.acquire(EVENTS, "", QUOTA, NOW + 9 * SECOND) == HeldByOther(NOW)
    assert isinstance(database.acquire(EVENTS, "", QUOTA, NOW + 11 * SECOND), Lease)


def test_a_late_save_does_not_replace_what_another_process_has_saved(database):
    late = lease(database)
    newer = database.save_part(a_part(pages=2), lease(database, now=NOW + 11 * SECOND))
    assert newer is not None
    assert database.save_part(a_part(), late) is None
    assert database.read_part(EVENTS) == newer


def test_a_late_save_does_not_end_the_lease_of_another_process(database):
    late = lease(database)
    other = lease(database, now=NOW + 11 * SECOND)
    assert database.save_part(a_part(), late) is None
    assert database.read_part(EVENTS) is None
    assert database.save_part(a_part(), other) is not None


def test_a_renewed_lease_begins_anew_and_costs_a_call(database):
    few = Rate(4, timedelta(hours=1), 4).quota_for(Priority.URGENT)
    held = lease(database, quota=few)
    for seconds in (8, 16, 24):
        held = database.renew(held, few, NOW + seconds * SECOND)
        assert isinstance(held, Lease)
    assert database.acquire(EVENTS, "", QUOTA, NOW + 33 * SECOND) == HeldByOther(NOW + 24 * SECOND)
    assert isinstance(database.renew(held, few, NOW + 33 * SECOND), QuotaExhausted)


def test_a_lease_that_waits_for_a_call_does_not_end(database):
    one = Rate(1, timedelta(hours=1), 1).quota_for(Priority.URGENT)
    held = lease(database, quota=one)
    for seconds in (8, 16, 24):
        assert isinstance(database.renew(held, one, NOW + seconds * SECOND), QuotaExhausted)
    assert isinstance(database.acquire(EVENTS, "", QUOTA, NOW + 33 * SECOND), HeldByOther)


def test_a_lease_that_was_lost_or_released_cannot_be_renewed(database):
    first = lease(database)
    other = lease(database, now=NOW + 11 * SECOND)
    assert database.renew(first, QUOTA, NOW + 12 * SECOND) is None
    database.release(other)
    assert database.renew(other, QUOTA, NOW + 13 * SECOND) is None


def test_the_pages_of_the_other_parts_are_counted(database):
    assert database.count_pages(EVENTS) == 0
    save(database, a_part(pages=5))
    save(database, a_part(GROUPS, value=GroupList(), pages=2))
    assert database.count_pages(EVENTS) == 2
    assert database.count_pages(NORTH) == 7


def test_polled_parts_are_listed_and_unknown_ones_ignored(database):
    save(database)
    save(database, a_part(NORTH))
    save(database, a_part(ORGANIZATION, value=Organization("club", "Club")))
    assert database.list_polled_parts(NOW - HOUR) == []
    database.mark_polled([EVENTS, "/groups/other/events", "an-event"], NOW)
    database.mark_polled([NORTH], NOW - 2 * HOUR)
    assert database.list_polled_parts(NOW - HOUR) == [EVENTS]
    assert database.list_polled_parts(NOW - 2 * HOUR) == [EVENTS, NORTH]


def test_a_save_keeps_that_a_part_was_polled_and_served(database):
    save(database)
    assert not database.read_part(EVENTS).served
    database.mark_polled([EVENTS], NOW)
    database.mark_served(EVENTS)
    database.mark_served("/groups/other/events")
    save(database, a_part(pages=2))
    assert database.read_part(EVENTS).served
    assert database.list_polled_parts(NOW) == [EVENTS]


def test_parts_and_events_share_the_numbers_of_saves(database, url):
    part = save(database)
    first = database.read_saves(None, NOW)
    assert (first.saved, first.newest, first.complete) == (
        {EVENTS: part.token},
        (EVENTS, part.token),
        True,
    )
    edition = database.save(None, numbered(1), SPAN, NOW)
    groups = save(database, a_part(GROUPS, value=GroupList()))
    second = database.read_saves(first, NOW)
    assert (second.saved, second.complete) == (
        {edition.event.id: edition.token, GROUPS: groups.token},
        False,
    )
    assert second.number == first.number + 2
    execute(url, sa.delete(catalog).where(catalog.c.name == GROUPS))  # a lost commit
    assert database.read_saves(second, NOW).complete


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"type": "Another"}', b"\xff"])
def test_a_value_that_cannot_be_read_counts_as_never_fetched(database, url, value):
    save(database)
    execute(url, sa.update(catalog).values(value=value))
    assert database.read_part(EVENTS) is None
    part = save(database)
    assert database.read_part(EVENTS) == part


def test_recurrences_that_were_saved_before_answers_were_counted_can_be_read(database, url):
    save(database)
    value = b'{"type":"RecurrenceList","items":{"club":[{"days":[2]}]}}'
    execute(url, sa.update(catalog).values(value=value))
    assert database.read_part(EVENTS).value == RecurrenceList({"club": (Recurrence(days=(2,)),)})


def test_the_ends_of_stored_events_are_listed_those_that_are_gone_without(database):
    for number, gone in enumerate((None, NOW, NOW - HOUR)):
        edition = structs.replace(numbered(number), gone=gone)
        event = structs.replace(edition.event, id=f"e{number}")
        database.save(None, structs.replace(edition, event=event), SPAN, NOW)
    assert database.list_ends(NOW) == {"e0": SPAN[1], "e1": SPAN[1], "e2": None}


def test_events_that_are_gone_and_due_are_listed_with_the_time_of_their_last_call(database):
    for number, (gone, due) in enumerate(((None, NOW), (NOW - HOUR, NOW), (NOW, NOW + HOUR))):
        edition = structs.replace(numbered(number), gone=gone)
        event = structs.replace(edition.event, id=f"e{number}")
        database.save(None, structs.replace(edition, event=event), SPAN, due)
    assert database.list_gone(NOW) == {"e1": numbered(1).fetched}
    assert database.list_gone(NOW + HOUR).keys() == {"e1", "e2"}

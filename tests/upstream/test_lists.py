"""Lists of the upstream: what is read of an item, and where a list ends."""

import pytest

from feeds.domain.catalog import Group, ListedEvent
from feeds.upstream.lists import decode_events, decode_groups, decode_name, read_page

EVENT = {"_id": "e1", "name": "Harbor Run", "type": "race", "date": "2026-06-14"}


@pytest.mark.parametrize("item", [None, "e1", 7, [], {}, {"_id": 7}, {"_id": ""}])
def test_an_item_that_names_no_event_or_group_is_left_out(item):
    assert not decode_events([item])
    assert not decode_groups([item])


@pytest.mark.parametrize("id_", ["a/b", "a b", "é", "e" * 65, "a\n", "..", "%41", "\ud800"])
def test_an_event_that_no_address_can_hold_is_left_out(id_):
    assert [each.id for each in decode_events([EVENT | {"_id": id_}, EVENT])] == ["e1"]


@pytest.mark.parametrize(
    "slug", ["a/b", "a b", "é", "s" * 101, "a\n", "a?b", "..", "a.", "a.ics", "\ud800"]
)
def test_a_group_that_no_address_can_hold_is_left_out(slug):
    assert decode_groups([{"slug": slug}, {"slug": "north"}]) == (Group("north", "north"),)


def test_an_id_that_is_repeated_counts_once_in_the_order_of_the_list():
    items = [EVENT, {"_id": "e2"}, EVENT | {"name": "Again"}]
    assert [(each.id, each.name) for each in decode_events(items)] == [
        ("e1", "Harbor Run"),
        ("e2", "e2"),
    ]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"date": "2026-06-14T00:00:00Z"}, "2026-06-14"),
        ({"date": "soon"}, "None"),
        ({"date": 20260614}, "None"),
        ({"date": None}, "None"),
    ],
)
def test_a_day_that_cannot_be_read_is_not_known(fields, found):
    (event,) = decode_events([EVENT | fields])
    assert str(event.day) == found


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("runClub", "runClub"),
        ("run-club", "runClub"),
        ("RunClub", "runClub"),
        (" RUN CLUB ", "runClub"),
        ("time_trial", "timeTrial"),
        ("Race", "race"),
        ("Fun Run", "Fun Run"),
        ("", ""),
        (None, ""),
        (["runClub"], ""),
    ],
)
def test_a_type_of_the_list_is_a_documented_word_however_it_is_spelled(sent, found):
    assert decode_events([EVENT | {"type": sent}])[0].type == found


@pytest.mark.parametrize(
    ("sent", "found"),
    [("Active", "active"), ("PAUSED", "paused"), (" archived ", "archived"), ("On Ice", "On Ice")],
)
def test_the_status_of_a_group_is_a_documented_word_however_it_is_spelled(sent, found):
    assert decode_groups([{"slug": "north", "status": sent}])[0].status == found


@pytest.mark.parametrize("name", [None, 7, "", " \u200b ", "\u202e"])
def test_an_item_without_a_visible_name_has_its_id_as_name(name):
    assert decode_events([{"_id": "e1", "name": name}]) == (ListedEvent("e1", "e1"),)
    assert decode_groups([{"slug": "north", "name": name}]) == (Group("north", "north"),)


def test_texts_are_bounded():
    group = {"slug": "north", "name": "N" * 5_000, "description": "D" * 50_000, "status": "S" * 500}
    (found,) = decode_groups([group])
    assert (len(found.name), len(found.description), len(found.status)) == (300, 20_000, 100)
    assert len(decode_name("N" * 5_000)) == 300
    (event,) = decode_events([EVENT | {"type": "T" * 500}])
    assert len(event.type) == 100


@pytest.mark.parametrize("status", [None, 7, ""])
def test_a_group_without_a_readable_status_is_active(status):
    assert decode_groups([{"slug": "north", "status": status}])[0].status == "active"


@pytest.mark.parametrize("items", [[], ["e1"], [{"_id": None}], [{"_id": "c" * 201}]])
def test_more_pages_without_a_cursor_are_not_understood(items):
    assert read_page(items, has_more=True) is None
    page = read_page(items, has_more=False)
    assert page is not None
    assert (page.items, page.after) == (items, None)


def test_half_a_character_is_removed_from_texts():
    half = {"name": "Nor\ud800th", "description": "All\ud800 paces.", "status": "pau\ud800sed"}
    assert decode_groups([{"slug": "north"} | half]) == (
        Group("north", "North", "All paces.", "paused"),
    )
    (event,) = decode_events([EVENT | {"name": "Har\ud800bor", "type": "ra\ud800ce"}])
    assert (event.name, event.type) == ("Harbor", "race")

"""Section 5 of docs/rules.md: what counts as moved, and moves that follow each other."""

import math
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.domain import places
from tests.support.service import Service, a_5k, a_run

LAT, LNG = 41.8917, -87.6043
PLACE: dict[str, Any] = {"lat": LAT, "lng": LNG, "address": "Café am Pier, 12 Main St, Chicago"}
METRE = 1 / 111_195
"""Degrees of latitude."""
DETROIT = {"lat": 42.3314, "lng": -83.0458}


def sequence_of(entry):
    return int(entry["SEQUENCE"])


def north(metres):
    return {"lat": LAT + metres * METRE}


def spelled(text):
    return {"address": text}


NO_MOVE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "NFD after NFC": (PLACE, spelled(unicodedata.normalize("NFD", PLACE["address"]))),
    "a full stop": (PLACE, spelled("Café am Pier, 12 Main St., Chicago")),
    "other blanks and case": (PLACE, spelled("CAFÉ AM PIER - 12  main st; chicago")),
    "full width": (PLACE, spelled("Café am Pier, １２ Main St, Chicago")),  # noqa: RUF001
    "a country": (PLACE, spelled("Café am Pier, 12 Main St, Chicago, USA")),
    "without the city": (PLACE, spelled("Café am Pier, 12 Main St")),
    "a pin 1 m further": (PLACE, north(1)),
    "a pin 150 m further": (PLACE, north(150)),
    "a pin 150 m further, and another text": (PLACE, north(150) | spelled("Ferry stop")),
    "a pin 150 m further without an address": (PLACE | spelled(None), north(-150)),
    "a point that is added": (PLACE | {"lat": None, "lng": None}, {"lat": LAT, "lng": LNG}),
}


@pytest.mark.parametrize(("before", "after"), NO_MOVE.values(), ids=NO_MOVE)
def test_a_corrected_pin_or_spelling_is_no_move(service, before, after):
    """Rules 5.14: new bytes at most, and SEQUENCE as before."""
    service.announce(a_run(), **before)
    old, items = service.entry(), list(service.items())
    service.edit(**after)
    service.advance(hours=2)
    new = service.entry()
    assert list(service.items()) == items
    assert "Moved" not in new["DESCRIPTION"]
    assert sequence_of(new) == sequence_of(old)
    service.edit("ten", soldOut=True)
    service.advance(hours=2)
    assert sequence_of(service.entry()) == sequence_of(old)


def test_another_name_of_the_zone_for_the_same_instant_is_no_move(service):
    """Rules 5.14: LAST-MODIFIED alone rises."""
    service.announce(a_run(), lat=40.7033, lng=-74.0170, address=None)
    old = service.entry()
    service.edit(address="Belle Isle, Detroit")
    service.advance(hours=2)
    service.poll()
    service.edit(**DETROIT, address="Belle Isle, Detroit")
    service.advance(hours=2)
    new = service.entry()
    assert (old["DTSTART"].params["TZID"], new["DTSTART"].params["TZID"]) == (
        "America/New_York",
        "America/Detroit",
    )
    assert new["LAST-MODIFIED"].dt > old["LAST-MODIFIED"].dt
    lines = [line for line in new["DESCRIPTION"].splitlines() if line.startswith("Moved")]
    assert lines == ["Moved from Belle Isle, Detroit (40.70330, -74.01700)."]


def test_the_same_hour_under_another_name_of_the_zone_at_the_home_zone_is_no_move(service):
    """Rules 5.14."""
    service.restart(timezone="America/New_York")
    nowhere = {"lat": None, "lng": None, "address": "Belle Isle, Detroit"}
    service.announce(a_run(), **nowhere)
    old = service.entry()
    service.edit(**DETROIT)
    service.advance(hours=2)
    new = service.entry()
    assert new["DTSTART"].params["TZID"] == "America/Detroit"
    assert list(service.items()) == ["ten"]
    assert "Moved" not in new["DESCRIPTION"]
    assert sequence_of(new) == sequence_of(old)
    assert new["LAST-MODIFIED"].dt > old["LAST-MODIFIED"].dt


MOVE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a pin 400 m further": (
        PLACE,
        north(400),
        "Moved from Café am Pier, 12 Main St, Chicago (41.89170, -87.60430).",
    ),
    "a pin 400 m further without an address": (
        PLACE | spelled(None),
        north(400),
        "Moved from 41.89170, -87.60430.",
    ),
    "another street": (
        PLACE,
        spelled("Café am Pier, 12 Elm St, Chicago"),
        "Moved from Café am Pier, 12 Main St, Chicago.",
    ),
    "another street and the last digits of the pin": (
        PLACE,
        north(0.1) | spelled("Café am Pier, 12 Elm St, Chicago"),
        "Moved from Café am Pier, 12 Main St, Chicago.",
    ),
    "another number": (
        PLACE | spelled("12 Main St"),
        spelled("112 Main St, Chicago"),
        "Moved from 12 Main St.",
    ),
    "another zone": (PLACE, {"lng": -77.0}, "Moved from Sat, Aug 15, 2026, 8:00 AM CDT."),
}


@pytest.mark.parametrize(("before", "after", "line"), MOVE.values(), ids=MOVE)
def test_another_place_is_a_move(service, before, after, line):
    """Rules 5.14."""
    service.announce(a_run(), **before)
    old = service.entry()
    service.edit(**after)
    service.advance(hours=2)
    new = service.entry()
    assert [guid.split("/")[1] for guid in service.items() if "/" in guid] == ["moved"]
    assert line in new["DESCRIPTION"].splitlines()
    assert sequence_of(new) > sequence_of(old)


def test_a_pin_that_moves_again_under_the_same_address_is_told_again(service):
    """Rules 1.5 and 5.14."""
    service.announce(a_run(), **PLACE)
    guids = set()
    for metres in (400, 800, 400):
        service.edit(**north(metres))
        service.advance(hours=2)
        guids |= {guid for guid in service.items() if "/" in guid}
    assert len(guids) == 3


STEPS = st.lists(
    st.tuples(
        st.floats(0, 1000),
        st.floats(0, 360),
        st.sampled_from(["NFC", "NFD", "NFKD"]),
        st.sampled_from([str.upper, str.lower, str.title, str]),
        st.sampled_from(["", ", USA", ".", "  "]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(STEPS)
def test_a_random_pin_is_a_move_if_it_is_more_than_200_m_away_whatever_the_spelling(
    tmp_path_factory, upstream, clock, steps
):
    """Rules 5.14."""
    service = Service(upstream, clock, tmp_path_factory.mktemp("walk"))
    service.announce(a_run(), **PLACE)
    told, lat, lng, sequence = 0, LAT, LNG, sequence_of(service.entry())
    for metres, bearing, form, case, end in steps:
        if 195 < metres < 205:
            continue
        turn = math.radians(bearing)
        lat += metres * math.cos(turn) * METRE
        lng += metres * math.sin(turn) * METRE / math.cos(math.radians(lat))
        address = unicodedata.normalize(form, case(PLACE["address"]) + end)
        service.edit(lat=lat, lng=lng, address=address)
        service.advance(hours=2)
        told += metres > 200
        moves = [guid for guid in service.items() if "/moved" in guid]
        assert len(moves) == told
        assert (sequence_of(service.entry()) > sequence) == (metres > 200)
        sequence = sequence_of(service.entry())


EIGHT, NINE, TEN = (f"Sat, Aug 15, 2026, {hour}:00 AM" for hour in (8, 9, 10))


def move(service, *starts, minutes):
    """Move the 10K to these starts one after the other, polled with so many minutes between."""
    for start in starts:
        service.edit("ten", startTime=start)
        service.advance(minutes=minutes)
        service.poll()


def told(service):
    """The titles of the items about changes, and what the 10K's description says of a move."""
    titles = [item["title"] for guid, item in service.items().items() if "/" in guid]
    lines = service.entries()["ten"]["DESCRIPTION"].splitlines()
    return titles, [line for line in lines if line.startswith("Moved")]


@pytest.fixture
def urgent(service):
    """The service with an event of tomorrow: editions live for 5 minutes."""
    service.advance(days=86, hours=12)
    service.announce(a_run(), a_5k())
    return service


def test_a_start_that_was_moved_and_moved_back_within_15_minutes_is_told_once(urgent):
    """Rules 5.15."""
    move(urgent, "09:00", minutes=6)
    assert told(urgent) == ([f"Moved: Harbor Run – 10K, now {NINE}"], [f"Moved from {EIGHT}."])
    move(urgent, "08:00", minutes=15)
    assert told(urgent) == ([f"As before: Harbor Run – 10K, {EIGHT}"], [])
    assert "before: " not in urgent.items()["ten/moved/2026-08-15T08:00:00"]["content_html"]


def test_a_start_that_was_moved_back_later_is_told_twice(urgent):
    """Rules 5.15."""
    move(urgent, "09:00", "08:00", minutes=16)
    titles = [f"Moved: Harbor Run – 10K, now {at}" for at in (EIGHT, NINE)]
    assert told(urgent) == (titles, [f"Moved from {NINE}."])


def test_a_start_that_is_corrected_within_15_minutes_is_told_once_from_what_was_read(urgent):
    """Rules 5.15."""
    move(urgent, "09:00", "10:00", minutes=6)
    assert told(urgent) == ([f"Moved: Harbor Run – 10K, now {TEN}"], [f"Moved from {EIGHT}."])


def test_a_run_of_several_that_is_moved_back_is_told_and_the_others_stay_told(urgent):
    """Rules 5.15: the guid of the item of several runs stays."""
    urgent.edit("ten", "five", startTime="09:00")
    urgent.advance(minutes=6)
    (guid,) = (each for each in urgent.items() if "/" in each)
    move(urgent, "08:00", minutes=6)
    titles, lines = told(urgent)
    assert titles == [
        f"As before: Harbor Run – 10K, {EIGHT}",
        f"Moved: Harbor Run – 5K, now {NINE}",
    ]
    assert lines == []
    assert guid in urgent.items()


def test_an_item_names_no_run_as_moved_that_is_back_while_another_one_moves_on(urgent):
    """Rules 5.15."""
    urgent.edit("ten", "five", startTime="09:00")
    urgent.advance(minutes=6)
    urgent.poll()
    urgent.edit("five", startTime="10:00")
    move(urgent, "08:00", minutes=6)
    titles, _ = told(urgent)
    assert titles == [f"Moved: Harbor Run – 5K, now {TEN}"]
    (html,) = (item["content_html"] for guid, item in urgent.items().items() if "/" in guid)
    ten, five = html.removeprefix("<p>").partition("</p>")[0].split("<br>")
    assert ten.startswith(f"10K: {EIGHT} CDT")
    assert ten.endswith(", as before")
    assert five.endswith(f"; before: {EIGHT}")


def test_a_cancellation_that_is_taken_back_within_15_minutes_is_told_as_ever(urgent):
    """Rules 5.4 and 5.15."""
    for status in ("cancelled", "scheduled"):
        urgent.edit("ten", eventStatus=status)
        urgent.advance(minutes=6)
        urgent.poll()
    titles, _ = told(urgent)
    assert [title.partition(":")[0] for title in titles] == ["Reinstated", "Cancelled"]


def test_a_run_that_was_rescheduled_and_is_back_within_15_minutes_was_not_moved(urgent):
    """Rules 5.15."""
    for start, status in (("09:00", "rescheduled"), ("08:00", "scheduled")):
        urgent.edit("ten", startTime=start, eventStatus=status)
        urgent.advance(minutes=6)
        urgent.poll()
    assert "Moved from" not in str(urgent.entries()["ten"]["DESCRIPTION"])


SAME = [
    ("Navy Pier, Chicago", "Navy Pier, 600 E Grand Ave, Chicago"),
    ("Main St, Chicago", "Main Street, Chicago, USA"),
]
OTHER = [("Park", "Sparkassen Arena"), ("Pier A", "Pier B"), ("Gate 1", "Gate 12")]


@pytest.mark.parametrize(
    ("was", "now", "moved"), [(*each, False) for each in SAME] + [(*each, True) for each in OTHER]
)
def test_an_address_that_holds_the_words_of_the_other_is_the_same_place(service, was, now, moved):
    """Rules 5.14."""
    service.announce(a_run(), address=was)
    service.edit(address=now)
    service.advance(hours=2)
    assert (len(service.items()) > 1) is moved


def test_a_start_that_is_moved_to_another_zone_alone_is_told_with_both_zones(service):
    """Rules 5.14: the wall time is the same, so that only the zones tell what has changed."""
    service.announce(a_run(), lat=None, lng=None)
    service.edit(lat=52.52, lng=13.405)
    service.advance(hours=2)
    old, new = "Sat, Aug 15, 2026, 8:00 AM CDT", "Sat, Aug 15, 2026, 8:00 AM Berlin time"
    assert f"Moved from {old}." in service.entry()["DESCRIPTION"]
    (item, _) = service.items().values()
    assert f"10K: {new}, Navy Pier, Chicago; before: {old}</p>" in item["content_html"]
    page = service.poll("").decode()
    assert f"From {old} to {new}." in page
    assert f"moved from {old}" in page


def test_two_addresses_are_compared_once_for_all_runs(service):
    """Rules 5.14 and 8.6: 1,000 runs with long addresses took seconds for each representation."""
    service.announce(*(a_run(f"r{number}") for number in range(50)))
    before = places.is_same_text.cache_info().misses
    service.edit(address="Under the old oak behind the boathouse")
    service.advance(hours=2)
    for form in (".ics", ".rss", ".json", ""):
        service.poll(form)
    assert places.is_same_text.cache_info().misses - before <= 2

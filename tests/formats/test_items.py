"""The items of a channel, for readers that remember items by guid (rules 1.4, 1.5 and 5)."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.entries import find_ended
from feeds.domain.feed import Feed, select_entries
from feeds.domain.history.changes import capture_state, group_changes
from feeds.domain.history.delisting import run_sort_key
from feeds.domain.history.recovery import merge
from feeds.domain.model import Edition, Kind
from feeds.domain.options import Options
from feeds.domain.status import NO_LONGER_LISTED
from feeds.formats.channel import build_channel
from feeds.service.revisions import revise
from feeds.text.summaries import build_feed_title
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    PUBLIC_URL,
    a_run,
    an_event,
    delist,
    entries_of,
    timetable_of,
)

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, NINE = time(8), time(9)
CHICAGO, NEW_YORK = (41.88, -87.63), (40.71, -74.01)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOW + HOUR
HOST = "@intervals.run"


def a_distance(id_, label, standard, meters):
    return a_run(
        id=id_,
        start_time=EIGHT,
        distance_label=label,
        distance_standard=standard,
        distance_meters=meters,
    )


TEN = a_distance("ten", "10K", "10K", 10_000)
FIVE = a_distance("five", "5K", "5K", 5_000)
HALF = a_distance("half", "Half", "Half Marathon", 21_098)


def race(*runs, **fields):
    """Harbor Run with its runs in the order of the decoder."""
    return an_event(*sorted(runs, key=run_sort_key), **fields)


def with_(run, **fields):
    return structs.replace(run, **fields)


def cancelled(*runs):
    return tuple(with_(run, status="cancelled") for run in runs)


def first(event, now=NOW):
    """The first edition of an event."""
    return revise(
        None, Edition(event=event, fetched=now, revisions={}), now, HOME, PUBLIC_URL, locale="en_US"
    ).edition


def then(known, event, now=LATER):
    """The edition that follows when the event is exactly this."""
    edition = structs.replace(known, event=event, fetched=now)
    return revise(timetable_of(known), edition, now, HOME, PUBLIC_URL, locale="en_US").edition


def published(known, event, now=LATER):
    """The edition that follows a complete document with these runs."""
    ended = find_ended(entries_of(known), now)
    return then(known, delist(known, event, ended, now), now)


def story(*events, every=HOUR):
    """The last edition of an event after one document every hour."""
    edition = first(events[0])
    for number, event in enumerate(events[1:], 1):
        edition = published(edition, event, NOW + number * every)
    return edition


def feed_of(edition, **options):
    """The channel of an edition."""
    chosen = Options(**options)
    return Feed(
        title=build_feed_title(edition.event, chosen),
        page=PAGE,
        source=f"{PAGE}.rss",
        public_url=PUBLIC_URL,
        timezone=HOME,
        locale="en_US",
        timetables=(timetable_of(edition),),
        options=chosen,
    )


def items_of(edition, **options):
    return build_channel(feed_of(edition, **options)).items


def news(edition, **options):
    """Titles by guid (without the host) of all items but those of the runs, newest first."""
    own = {run.id for run in edition.event.runs} | {edition.event.id}
    return {
        each.guid.replace(HOST, ""): each.title
        for each in items_of(edition, **options)
        if each.guid.removesuffix(HOST) not in own
    }


# Items of runs


def test_an_item_has_a_point_unless_all_of_its_runs_are_virtual():
    home = with_(TEN, virtual=True)
    full = [with_(each, sold_out=True) for each in (home, FIVE)]
    edition = story(race(home, FIVE, point=CHICAGO), race(*full, HALF, point=CHICAGO))
    points = {each.guid.replace(HOST, ""): each.point for each in items_of(edition)}
    assert (points["ten"], points["five"], points["harbor/sold-out"]) == (None, CHICAGO, CHICAGO)
    assert {each.point for each in items_of(edition, run=("ten",))} == {None}


# Changes that were noticed together


ALL_CANCELLED = story(race(TEN, FIVE, HALF), race(*cancelled(TEN, FIVE, HALF)))


@pytest.mark.parametrize(
    ("options", "guid", "names"),
    [
        ({}, "harbor/cancelled", "5K, 10K, Half"),
        ({"run": ("ten", "five")}, "harbor/cancelled", "5K, 10K"),
        ({"run": ("ten",)}, "ten/cancelled", "10K"),
        ({"distance": ("5K",)}, "five/cancelled", "5K"),
        ({"distance": ("5K", "Half Marathon")}, "harbor/cancelled", "5K, Half"),
        ({"run": ("ten", "five"), "distance": ("5K",)}, "five/cancelled", "5K"),
    ],
    ids=str,
)
def test_an_item_has_the_events_guid_if_the_feed_has_several_of_its_runs(options, guid, names):
    title = f"Cancelled: Harbor Run – {names}, Sat, Jun 14, 2025, 8:00 AM"
    assert news(ALL_CANCELLED, **options) == {guid: title}


def test_an_item_has_one_guid_in_all_feeds_with_several_of_its_runs():
    runs = [with_(run, start_time=NINE) for run in (TEN, FIVE)]
    edition = story(race(TEN, FIVE, HALF), race(*runs, with_(HALF, date=SUN)))
    assert news(edition).keys() == news(edition, run=("ten", "five")).keys()


def test_the_guid_of_an_item_stays_when_one_of_its_runs_gets_another_distance():
    again = with_(TEN, id="again")
    edition = story(
        race(TEN, again),
        race(*cancelled(TEN, again)),
        race(*cancelled(with_(TEN, distance_standard="Other"), again)),
    )
    assert news(edition, distance=("10K",)).keys() == {"harbor/cancelled"}
    assert news(edition).keys() == {"harbor/cancelled"}


def test_a_run_brings_no_earlier_changes_to_the_feed_of_its_new_distance():
    other = with_(TEN, distance_standard="Other")
    edition = story(
        race(other, FIVE),
        race(*cancelled(other, FIVE)),
        race(*cancelled(with_(TEN, distance_standard="5K"), FIVE)),
    )
    shown = [each.guid.replace(HOST, "") for each in items_of(edition, distance=("5K",))]
    assert sorted(shown) == ["five/cancelled", "ten"]


# Number and order of items


def test_a_channel_has_each_guid_once_after_two_histories_of_the_event_were_merged():
    served = then(first(race(TEN, FIVE)), race(TEN, *cancelled(FIVE)))
    stored = then(first(race(TEN, FIVE)), race(*cancelled(TEN, FIVE)), LATER + HOUR)
    last = merge(timetable_of(served), timetable_of(stored), LATER + 2 * HOUR, HOME).edition
    assert set(news(last)) == {"five/cancelled", "harbor/cancelled"}
    guids = [item.guid.removesuffix(HOST) for item in items_of(last, run=("five",))]
    assert guids == ["five@intervals.run/cancelled"]


def test_a_filtered_channel_counts_its_own_changes():
    ten, five = (with_(each, date=date(2025, 9, 6)) for each in (TEN, FIVE))
    days = [race(with_(ten, sold_out=bool(day % 2)), five) for day in range(60)]
    edition = story(*days, race(ten, with_(five, sold_out=True)), every=DAY)
    assert news(edition, run=("five",)).keys() == {"five/sold-out"}
    assert len(news(edition, run=("ten",))) == 50


def test_items_are_newest_first_and_then_by_guid_whatever_the_order_of_the_runs():
    b, c, a = (with_(TEN, id=each) for each in "bca")
    edition = story(race(b), race(b, c, a), race(*cancelled(b), c, a), every=DAY)
    found = [(each.guid.replace(HOST, ""), each.published) for each in items_of(edition)]
    assert found == [
        ("b/cancelled", NOW + 2 * DAY),
        ("a", NOW + DAY),
        ("c", NOW + DAY),
    ]
    runs = tuple(reversed(edition.event.runs))
    reordered = structs.replace(edition, event=structs.replace(edition.event, runs=runs))
    assert items_of(edition) == items_of(reordered)


# Random lives of an event

OPENS, CLOSES = NOW + 2 * DAY, NOW + 5 * DAY
WINDOW = {"registration_opens": OPENS, "registration_closes": CLOSES}
PARTS = {
    "ten": with_(TEN, **WINDOW),
    "five": with_(FIVE, **WINDOW),
    "again": with_(TEN, id="again", registration_opens=OPENS),
}
EDITS: dict[str, list[Any]] = {
    "start_time": [EIGHT, NINE, None],
    "date": [SAT, SUN],
    "status": ["scheduled", "cancelled", "postponed", "rescheduled", "on hold"],
    "sold_out": [False, True],
    "registration_override": [None, "closed", "paused", "members only"],
    "registration_closes": [CLOSES, CLOSES + 3 * DAY],
    "distance_standard": ["5K", "10K"],
    "distance_label": ["Short", "Long"],
    "virtual": [False, True],
}
EVENT_EDITS: dict[str, list[Any]] = {
    "location": ["Pier", "Park"],
    "point": [None, CHICAGO, NEW_YORK],
    "description": [None, "News"],
}
ids = st.sampled_from(sorted(PARTS))
edits = st.one_of(
    *(st.tuples(ids, st.just(name), st.sampled_from(values)) for name, values in EDITS.items()),
    *(st.tuples(ids, st.just(what), st.none()) for what in ("remove", "restore")),
    *(
        st.tuples(st.just("event"), st.just(name), st.sampled_from(values))
        for name, values in EVENT_EDITS.items()
    ),
)
lives = st.lists(
    st.tuples(st.sampled_from([HOUR, DAY, 6 * DAY, 31 * DAY]), st.lists(edits, max_size=4)),
    min_size=1,
    max_size=8,
)
CHANNELS: tuple[dict[str, Any], ...] = (
    {},
    {"run": ("again", "ten")},
    {"distance": ("10K",)},
    {"run": ("five",), "distance": ("5K",)},
)


def live(steps):
    """The editions of a life."""
    runs, of_event = {each: PARTS[each] for each in ("ten", "five")}, {"location": "Pier"}
    now, edition = NOW, first(race(*runs.values(), **of_event))
    yield edition
    for duration, step in steps:
        now += duration
        for who, name, value in step:
            if who == "event":
                of_event[name] = value
            elif name == "remove" and len(runs) > 1:
                runs.pop(who, None)
            elif name == "restore":
                runs.setdefault(who, PARTS[who])
            elif who in runs and name in EDITS:
                runs[who] = with_(runs[who], **{name: value})
        edition = published(edition, race(*runs.values(), **of_event), now)
        yield edition


@given(lives)
@settings(max_examples=60, deadline=None)
def test_in_any_life_a_reader_that_remembers_guids_sees_each_change_once(steps):
    seen: list[set[str]] = [set() for _ in CHANNELS]
    last: list[set[str]] = [set() for _ in CHANNELS]
    before = None
    for edition in live(steps):
        known = before.changes if before else ()
        for number, options in enumerate(CHANNELS):
            feed = feed_of(edition, **options)
            shown = {entry.run.id for entry in select_entries(feed)}
            found = build_channel(feed).items
            guids = {each.guid for each in found}
            assert len(guids) == len(found)
            times = [each.published for each in found]
            assert times == sorted(times, reverse=True)
            new = [each for each in found if each.guid not in seen[number]]
            for each in new:
                assert each.published <= edition.fetched
                came = each.guid.partition("@")[0] in shown - last[number]
                assert before is None or each.published > before.fetched or came
            for group in group_changes(edition.changes[len(known) :]):
                kind, runs = group[0].kind, {each.run for each in group} & shown
                if runs:
                    at = group[0].noticed
                    assert any(e.published == at and f"/{kind}" in e.guid for e in new)
            seen[number] |= guids
            last[number] = shown
        before = edition


UNLISTED = NO_LONGER_LISTED.stored
STATUS_BY_KIND = {
    Kind.CANCELLED: "cancelled",
    Kind.POSTPONED: "postponed",
    Kind.RESCHEDULED: "rescheduled",
    Kind.NO_LONGER_LISTED: UNLISTED,
    Kind.REINSTATED: "on",
}


@given(lives)
@settings(max_examples=60, deadline=None)
def test_in_any_life_a_reader_of_all_changes_knows_the_last_state_of_each_run(steps):
    editions = list(live(steps))
    first_seen = {e.run.id: e for each in reversed(editions) for e in timetable_of(each).entries}
    runs = [run for each in editions for run in each.event.runs]
    tidied_away = {run.id for run in runs if run.unlisted and not run.withdrawn}
    for final in timetable_of(editions[-1]).entries:
        if final.run.id in tidied_away:  # no news while it is not listed
            continue
        state = capture_state(first_seen[final.run.id])
        start, place, status = state.start, state.place, state.status
        for change in final.changes:
            status = STATUS_BY_KIND.get(change.kind, status)
            if change.kind in (Kind.MOVED, Kind.RESCHEDULED) or change.was.status == UNLISTED:
                start, place = change.now.start, change.now.place or place
        assert (status == UNLISTED) == final.run.withdrawn
        if final.run.unlisted is None:
            now = capture_state(final)
            assert (start, now.place in (place, None)) == (now.start, True)
            on = {"on", "scheduled", "rescheduled", "on hold"}
            assert status == now.status or {status, now.status} <= on

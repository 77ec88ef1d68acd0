"""The items of a channel, for readers that remember items by guid (rules 1.4, 1.5 and 5)."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.changes import capture_state, group_changes
from feeds.domain.delisting import run_sort_key
from feeds.domain.entries import find_ended
from feeds.domain.feed import Feed, select_entries
from feeds.domain.history import append_changes, merge
from feeds.domain.model import Change, Edition, History, Kind, Options, State
from feeds.domain.status import NO_LONGER_LISTED
from feeds.formats import rss
from feeds.formats.items import build_items
from feeds.service.revisions import revise
from feeds.text.summaries import build_feed_title
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_run,
    an_edition,
    an_event,
    delist,
    entries_of,
    timetable_of,
)

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, NINE = time(8), time(9)
CHICAGO, NEW_YORK = (41.88, -87.63), (40.71, -74.01)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
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
    return revise(None, Edition(event=event, fetched=now, revisions={}), now, HOME, PAGE).edition


def then(known, event, now=LATER):
    """The edition that follows when the event is exactly this."""
    edition = structs.replace(known, event=event, fetched=now)
    return revise(timetable_of(known), edition, now, HOME, PAGE).edition


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
        timezone=HOME,
        timetables=(timetable_of(edition),),
        options=chosen,
    )


def items_of(edition, **options):
    return build_items(feed_of(edition, **options))


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
    edition = story(
        race(home, FIVE, point=CHICAGO), race(*cancelled(home, FIVE), HALF, point=CHICAGO)
    )
    points = {each.guid.replace(HOST, ""): each.point for each in items_of(edition)}
    assert (points["ten"], points["five"], points["harbor/cancelled"]) == (None, CHICAGO, CHICAGO)
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
    title = f"Cancelled: Harbor Run: {names}, Sat 14 Jun 2025, 08:00"
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
    assert sorted(shown) == ["five", "five/cancelled", "ten"]


# Changes that happen again


def test_the_same_change_of_several_runs_again_is_another_item_also_of_other_runs():
    runs = [with_(TEN, id=each) for each in "abcd"]
    off = [*cancelled(*runs[:2]), *runs[2:]]
    edition = story(race(*runs), race(*off), race(*cancelled(*runs)))
    assert list(news(edition)) == ["harbor/cancelled/2", "harbor/cancelled"]
    assert news(edition, run=("c",)).keys() == {"c/cancelled"}


# Number and order of items


def a_history(ages):
    """An edition whose 10K sold out and had places again, in turn, so long before NOW."""
    known = History(revisions={})
    state = State(start="2025-06-14T08:00:00", zone=HOME, distance="10K")
    for number, age in enumerate(sorted(ages, reverse=True)):
        kind = (Kind.SOLD_OUT, Kind.PLACES_AGAIN)[number % 2]
        change = Change(run="ten", kind=kind, was=state, now=state, noticed=NOW - age)
        known = structs.replace(known, changes=append_changes(known, [change], "harbor"))
    return an_edition(race(TEN), seen=NOW - timedelta(days=300), changes=known.changes)


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([day * DAY for day in range(60)], 50),
        ([number * 12 * HOUR for number in range(70)], 60),
        ([*(number * SECOND for number in range(50)), 30 * DAY - SECOND], 51),
        ([*(number * SECOND for number in range(50)), 30 * DAY], 50),
    ],
    ids=["60 in 60 days", "70 in 35 days", "short of 30 days", "30 days"],
)
def test_a_channel_keeps_50_changes_and_all_of_the_30_days_before_the_newest(ages, kept):
    edition = a_history(ages)
    found = [each for each in items_of(edition) if "/" in each.guid]
    assert [NOW - each.published for each in found] == sorted(ages)[:kept]


def test_a_channel_has_each_guid_once_after_two_histories_of_the_event_were_merged():
    served = then(first(race(TEN, FIVE)), race(TEN, *cancelled(FIVE)))
    stored = then(first(race(TEN, FIVE)), race(*cancelled(TEN, FIVE)), LATER + HOUR)
    last = merge(timetable_of(served), timetable_of(stored), LATER + 2 * HOUR)
    assert set(news(last)) == {"five/cancelled", "harbor/cancelled"}
    guids = [item.guid.removesuffix(HOST) for item in items_of(last, run=("five",))]
    assert guids == ["five@intervals.run/cancelled", "five"]


def test_a_filtered_channel_counts_its_own_changes():
    known = structs.replace(a_history([day * DAY for day in range(60)]), event=race(TEN, FIVE))
    edition = then(known, race(TEN, with_(FIVE, sold_out=True)))
    assert news(edition, run=("five",)).keys() == {"five/sold-out"}
    assert len(news(edition, run=("ten",))) == 50


def test_the_same_change_more_than_a_year_after_the_first_has_a_guid_of_its_own():
    postponed, rescheduled = (
        race(with_(TEN, status=each)) for each in ("postponed", "rescheduled")
    )
    edition = story(race(TEN), postponed, rescheduled, postponed, every=380 * DAY)
    assert list(news(edition)) == ["ten/postponed/2"]


def test_items_are_newest_first_and_then_by_guid_whatever_the_order_of_the_runs():
    b, c, a = (with_(TEN, id=each) for each in "bca")
    edition = story(race(b), race(b, c, a), race(*cancelled(b), c, a), every=DAY)
    found = [(each.guid.replace(HOST, ""), each.published) for each in items_of(edition)]
    assert found == [
        ("b/cancelled", NOW + 2 * DAY),
        ("a", NOW + DAY),
        ("c", NOW + DAY),
        ("b", NOW),
    ]
    runs = tuple(reversed(edition.event.runs))
    reordered = structs.replace(edition, event=structs.replace(edition.event, runs=runs))
    assert items_of(edition) == items_of(reordered)


# Registration

OPENS, CLOSES = NOW + 2 * DAY, NOW + 5 * DAY
WINDOW = {"registration_opens": OPENS, "registration_closes": CLOSES}
OPEN_TEN, OPEN_FIVE = with_(TEN, **WINDOW), with_(FIVE, **WINDOW)


def test_registration_that_opens_or_closes_is_an_item_of_each_run_dated_at_the_instant():
    known = first(race(OPEN_TEN, OPEN_FIVE))
    assert news(then(known, known.event, OPENS - SECOND)) == {}
    opened = then(known, known.event, OPENS + DAY)
    assert news(opened) == {
        "five/registration-opens/20250603T120000Z": "Registration is open: Harbor Run: 5K",
        "ten/registration-opens/20250603T120000Z": "Registration is open: Harbor Run: 10K",
    }
    assert {each.published for each in items_of(opened)} == {NOW, OPENS}
    closed = then(opened, known.event, CLOSES)
    title = "Registration has closed: Harbor Run: 10K"
    assert news(closed, run=("ten",))["ten/registration-closes/20250606T120000Z"] == title
    assert closed.modified == CLOSES


def test_the_items_about_registration_stay_whatever_happens_to_their_run_later():
    edition = then(first(race(OPEN_TEN, FIVE)), race(OPEN_TEN, FIVE), OPENS)
    before = news(edition)
    later = with_(OPEN_TEN, registration_opens=CLOSES, sold_out=True, status="cancelled")
    edition = then(edition, race(later, FIVE), OPENS + HOUR)
    assert before.items() <= news(edition).items()
    assert before.items() <= news(published(edition, race(FIVE), CLOSES)).items()


def test_registration_opens_once_when_the_clock_is_set_back():
    edition = first(race(OPEN_TEN))
    for now in (OPENS, OPENS - HOUR, OPENS + HOUR):
        edition = then(edition, race(OPEN_TEN), now)
    assert list(news(edition)) == ["ten/registration-opens/20250603T120000Z"]


def test_registration_that_was_extended_is_an_item_and_closes_once_more():
    edition = then(first(race(OPEN_TEN)), race(OPEN_TEN), CLOSES)
    extended = race(with_(OPEN_TEN, registration_closes=CLOSES + DAY))
    edition = then(edition, extended, CLOSES + HOUR)
    edition = then(edition, extended, CLOSES + DAY)
    assert list(news(edition).items())[:3] == [
        ("ten/registration-closes/20250607T120000Z", "Registration has closed: Harbor Run: 10K"),
        (
            "ten/registration-extended/20250607T120000Z",
            "Registration extended: Harbor Run: 10K, until Sat 7 Jun 2025, 07:00",
        ),
        ("ten/registration-closes/20250606T120000Z", "Registration has closed: Harbor Run: 10K"),
    ]


def test_a_filtered_channel_changes_with_its_own_items_alone_and_the_newest_dates_it():
    known = first(race(TEN, FIVE))
    edition = then(known, race(TEN, *cancelled(FIVE)))
    ten, five = (
        [rss.render(feed_of(each, run=(run,))) for each in (known, edition)]
        for run in ("ten", "five")
    )
    assert ten[0] == ten[1]
    assert b"<lastBuildDate>Sun, 01 Jun 2025 12:00:00" in ten[1]
    assert b"<lastBuildDate>Sun, 01 Jun 2025 13:00:00" in five[1]
    assert b"<lastBuildDate>Sun, 01 Jun 2025 13:00:00" in rss.render(feed_of(edition))


# Random lives of an event

PARTS = {
    "ten": OPEN_TEN,
    "five": OPEN_FIVE,
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
            found = build_items(feed)
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

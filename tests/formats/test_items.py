"""The items of a channel, for readers that remember items by guid (rules 1.4, 1.5 and 5)."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.changes import KINDS_WITHOUT_ITEM, append_changes, group_changes
from feeds.domain.delisting import run_sort_key
from feeds.domain.entries import find_ended
from feeds.domain.feed import (
    Feed,
    compute_last_modified,
    find_removal_times,
    select_entries,
)
from feeds.domain.model import Change, Edition, Kind, Options, State
from feeds.formats import FORMATS
from feeds.formats.items import build_items, find_publication_times, find_registration_times
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
CHICAGO = (41.88, -87.63)
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


def feed_of(edition, now=None, extension="rss", **options):
    """The feed of an edition at a time, by default when it was fetched."""
    chosen = Options(**options)
    feed = Feed(
        title=build_feed_title(edition.event, chosen),
        page=PAGE,
        source=f"{PAGE}.{extension}",
        timezone=HOME,
        timetables=(timetable_of(edition),),
        options=chosen,
    )
    times = FORMATS[extension].find_changing_times(feed)
    passed = [each for each in times if each <= (now or edition.fetched)]
    return structs.replace(feed, as_of=max(passed, default=None))


def items_of(edition, now=None, **options):
    return build_items(feed_of(edition, now, **options))


def news(edition, now=None, **options):
    """Titles by guid (without the host) of all items but those of the runs, newest first."""
    own = {run.id for run in edition.event.runs} | {edition.event.id}
    return {
        each.guid.replace(HOST, ""): each.title
        for each in items_of(edition, now, **options)
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
    known: tuple[Change, ...] = ()
    state = State(start="2025-06-14T08:00:00", zone=HOME, distance="10K")
    for number, age in enumerate(sorted(ages, reverse=True)):
        kind = (Kind.SOLD_OUT, Kind.PLACES_AGAIN)[number % 2]
        change = Change(run="ten", kind=kind, was=state, now=state, noticed=NOW - age)
        known = append_changes(known, [change])
    return an_edition(race(TEN), seen=NOW - timedelta(days=300), changes=known)


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([day * DAY for day in range(50)], 50),
        ([day * DAY for day in range(60)], 50),
        ([number * 12 * HOUR for number in range(70)], 60),
        ([number * HOUR for number in range(200)], 200),
        ([*(number * SECOND for number in range(50)), 30 * DAY - SECOND], 51),
        ([*(number * SECOND for number in range(50)), 30 * DAY], 50),
    ],
    ids=["50", "60 in 60 days", "70 in 35 days", "200 in a week", "short of 30 days", "30 days"],
)
def test_a_channel_keeps_50_changes_and_all_of_the_30_days_before_the_newest(ages, kept):
    edition = a_history(ages)
    found = [each for each in items_of(edition) if "/" in each.guid]
    assert [NOW - each.published for each in found] == sorted(ages)[:kept]
    assert items_of(edition, NOW) == items_of(edition, NOW + 300 * DAY)


def test_a_filtered_channel_counts_its_own_changes():
    known = structs.replace(a_history([day * DAY for day in range(60)]), event=race(TEN, FIVE))
    edition = then(known, race(TEN, with_(FIVE, sold_out=True)))
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
        ("b", NOW),
    ]
    runs = tuple(reversed(edition.event.runs))
    reordered = structs.replace(edition, event=structs.replace(edition.event, runs=runs))
    assert items_of(edition) == items_of(reordered)


def test_no_item_is_ahead_of_the_present():
    edition = story(race(TEN), race(*cancelled(TEN)))
    assert set(find_publication_times(edition)) == {NOW, LATER}
    for now, guids in ((NOW, {"ten"}), (LATER, {"ten", "ten/cancelled"}), (NOW - SECOND, set())):
        feed = structs.replace(feed_of(edition), now=now)
        assert {each.guid.replace(HOST, "") for each in build_items(feed)} == guids


# Registration

OPENS, CLOSES = NOW + 2 * DAY, NOW + 5 * DAY
WINDOW = {"registration_opens": OPENS, "registration_closes": CLOSES}
OPEN_GUID = f"registration-opens/{OPENS:%Y%m%dT%H%M%SZ}"
CLOSED_GUID = f"registration-closes/{CLOSES:%Y%m%dT%H%M%SZ}"
AFTER = CLOSES + DAY
OPEN_TEN, OPEN_FIVE = with_(TEN, **WINDOW), with_(FIVE, registration_opens=OPENS)


def edited(*steps):
    """An edition of the 10K with a window, which got these fields at these times."""
    edition, run = first(race(OPEN_TEN)), OPEN_TEN
    for now, fields in steps:
        run = with_(run, **fields)
        edition = then(edition, race(run), now)
    return edition


def opening_is_news(edition, now=AFTER):
    return f"ten/{OPEN_GUID}" in news(edition, now)


SUSPENDED: tuple[dict[str, Any], ...] = (
    {"status": "cancelled"},
    {"sold_out": True},
    {"registration_override": "paused"},
    {"registration_override": "members only"},
)


@pytest.mark.parametrize("fields", SUSPENDED, ids=str)
def test_registration_is_no_news_if_the_run_was_off_sold_out_or_overridden_then(fields):
    as_before = {name: getattr(OPEN_TEN, name) for name in fields}
    assert not opening_is_news(first(race(with_(OPEN_TEN, **fields))))
    assert not opening_is_news(edited((OPENS, fields)))
    assert not opening_is_news(edited((NOW + DAY, fields), (OPENS + SECOND, as_before)))
    assert opening_is_news(edited((NOW + HOUR, fields), (NOW + DAY, as_before)))


@pytest.mark.parametrize("day", [SAT, date(2025, 6, 2)], ids=["withdrawn", "had ended"])
@pytest.mark.parametrize(
    ("left", "is_news"), [(OPENS, False), (OPENS + SECOND, True)], ids=["before", "after"]
)
def test_registration_is_no_news_if_the_run_was_not_listed_then(day, left, is_news):
    run = with_(OPEN_TEN, date=day)
    edition = published(first(race(run, FIVE)), race(FIVE), left)
    assert opening_is_news(edition) is is_news
    assert f"ten/{CLOSED_GUID}" not in news(edition, AFTER)


def test_the_guid_about_registration_stays_when_a_run_leaves_or_gets_another_distance():
    edition = published(first(race(OPEN_TEN, OPEN_FIVE)), race(OPEN_TEN), AFTER)
    assert f"harbor/{OPEN_GUID}" in news(edition, AFTER + 29 * DAY)
    title = "Registration is open: Harbor Run: 10K"
    assert news(edition, AFTER + 31 * DAY)[f"harbor/{OPEN_GUID}"] == title
    again = with_(OPEN_TEN, id="again")
    other = with_(again, distance_standard="Other")
    edition = published(first(race(OPEN_TEN, again)), race(OPEN_TEN, other), AFTER)
    assert f"harbor/{OPEN_GUID}" in news(edition, AFTER, distance=("10K",))
    assert news(edition, AFTER, distance=("Other",)) == {}


def test_runs_that_are_added_after_registration_opened_have_an_item_of_their_own():
    x, y = (with_(HALF, id=each, registration_opens=OPENS) for each in "xy")
    ten = with_(TEN, registration_opens=OPENS)
    one = published(first(race(ten)), race(ten, x), AFTER)
    assert news(one, AFTER).keys() == {f"x/{OPEN_GUID}", f"ten/{OPEN_GUID}"}
    two = published(first(race(ten)), race(ten, x, y), AFTER)
    assert news(two, AFTER).keys() == {f"ten/{OPEN_GUID}", f"harbor/{OPEN_GUID}"}
    in_time = published(first(race(ten)), race(ten, OPEN_FIVE))
    assert f"harbor/{OPEN_GUID}" in news(in_time, AFTER)


def test_two_items_about_one_instant_have_two_guids_in_every_feed():
    both = race(OPEN_TEN, OPEN_FIVE)
    x, y = (with_(OPEN_FIVE, id=each, distance_meters=1) for each in "xy")
    edition = published(first(both), race(*both.runs, x, y), AFTER)
    guids = {f"harbor/{OPEN_GUID}", f"harbor/{OPEN_GUID}/2", f"ten/{CLOSED_GUID}"}
    assert news(edition, AFTER).keys() == guids
    assert news(edition, AFTER, run=("x", "y")).keys() == {f"harbor/{OPEN_GUID}/2"}
    assert news(edition, AFTER, run=("x",)).keys() == {f"x/{OPEN_GUID}"}
    assert f"harbor/{OPEN_GUID}" in news(edition, AFTER, run=("ten", "five"))


# Last-Modified moves if and only if the bytes do, and never back.


def rendered(edition, now, extension="rss", **options):
    """The bytes of a feed and its Last-Modified; None if the feed has no entry."""
    feed = feed_of(edition, now, extension, **options)
    if not select_entries(feed):
        return None
    return FORMATS[extension].render(feed), compute_last_modified(feed)


@pytest.mark.parametrize("withdrawn", [True, False])
def test_the_end_of_a_run_does_not_change_when_another_run_leaves(withdrawn):
    event = race(TEN, HALF, end_time=time(15))
    left = with_(HALF, unlisted=LATER, withdrawn=withdrawn)
    edition = then(first(event), structs.replace(event, runs=(TEN, left)))
    before, after = (
        [entry for entry in select_entries(feed_of(edition, now, "ics")) if entry.run == TEN]
        for now in (LATER, LATER + 31 * DAY)
    )
    assert before == after
    assert before


RUNS = (OPEN_TEN, with_(TEN, id="again"), FIVE)
FEEDS: dict[str, dict[str, Any]] = {
    "all": {},
    "ten": {"run": ("ten",)},
    "again": {"run": ("again",)},
    "five": {"run": ("five",)},
    "10K": {"distance": ("10K",)},
    "5K": {"distance": ("5K",)},
    "5K 10K": {"distance": ("5K", "10K")},
    "again, not ten": {"run": ("again", "five"), "distance": ("10K",)},
    "five, not ten": {"run": ("ten", "five"), "distance": ("5K",)},
}
WITH_TEN = {"all", "ten", "10K", "5K 10K"}


def changed_feeds(known, edition, before, after, extension):
    """The feeds whose Last-Modified moved; it moved back in none, and nowhere without the bytes."""
    found = set()
    for name, options in FEEDS.items():
        was = rendered(known, before, extension, **options)
        now = rendered(edition, after, extension, **options)
        if was is None or now is None:
            continue
        assert (was[0] != now[0]) == (was[1] != now[1]), name
        assert now[1] >= was[1], name
        if was[1] != now[1]:
            found.add(name)
    return found


@pytest.mark.parametrize("extension", ["ics", "rss"])
@pytest.mark.parametrize(
    ("event", "moved"),
    [
        (race(with_(OPEN_TEN, start_time=NINE), *RUNS[1:]), WITH_TEN),
        (race(*RUNS, location="Pier"), set(FEEDS)),
        (race(*RUNS, slug="another"), set()),
        (race(with_(OPEN_TEN, distance_standard="Other"), *RUNS[1:]), WITH_TEN),
        (
            race(with_(OPEN_TEN, distance_standard="5K"), *RUNS[1:]),
            WITH_TEN | {"5K", "five, not ten"},
        ),
        (race(*RUNS[1:]), WITH_TEN),
        (race(*RUNS, with_(FIVE, id="new")), {"all", "5K", "5K 10K"}),
    ],
    ids=["start", "place", "slug", "leaves 10K", "10K to 5K", "withdrawn", "added"],
)
def test_a_change_moves_last_modified_of_the_feeds_that_show_it(event, moved, extension):
    known = first(race(*RUNS))
    assert changed_feeds(known, published(known, event), NOW, LATER, extension) == moved


@pytest.mark.parametrize("extension", FORMATS)
def test_a_past_run_moves_last_modified_when_it_comes_back_to_feeds_but_not_when_it_is_removed(
    extension,
):
    removed, returned = NOW + 20 * DAY, NOW + 60 * DAY
    known = first(race(*RUNS))
    gone = published(known, race(*RUNS[1:]), removed)
    assert changed_feeds(known, gone, removed, removed, extension) == set()
    back = published(gone, race(*RUNS), returned)
    assert changed_feeds(gone, back, returned, returned, extension) == {"all", "10K", "5K 10K"}


# Random lives of an event

PARTS = {
    "ten": OPEN_TEN,
    "five": with_(FIVE, **WINDOW),
    "again": with_(TEN, id="again", registration_opens=OPENS),
}
EDITS: dict[str, list[Any]] = {
    "start_time": [EIGHT, NINE],
    "date": [SAT, SUN],
    "status": ["scheduled", "cancelled", "postponed", "rescheduled"],
    "sold_out": [False, True],
    "registration_override": [None, "closed"],
    "distance_standard": ["5K", "10K"],
    "distance_label": ["Short", "Long"],
}
EVENT_EDITS = {"location": [None, "Pier", "Park"], "description": [None, "News"]}
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
    st.tuples(st.sampled_from([HOUR, DAY, 6 * DAY, 31 * DAY]), st.lists(edits, max_size=3)),
    min_size=1,
    max_size=5,
)
CHANNELS: tuple[dict[str, Any], ...] = (
    {},
    {"run": ("again", "ten")},
    {"distance": ("10K",)},
    {"run": ("five",), "distance": ("5K",)},
)


def live(steps):
    """The editions of a life, with the times when they were fetched."""
    runs, of_event = {each: PARTS[each] for each in ("ten", "five")}, {}
    now, edition = NOW, first(race(*runs.values()))
    yield now, edition
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
        yield now, edition


@given(lives)
@settings(max_examples=50, deadline=None)
def test_in_any_life_last_modified_moves_with_the_bytes_and_never_back(steps):
    last: dict[tuple[str, int], Any] = {}
    for now, edition in live(steps):
        for extension, number in [("rss", 0), ("rss", 1), ("rss", 2), ("rss", 3), ("ics", 2)]:
            found = rendered(edition, now, extension, **CHANNELS[number])
            was = last.get((extension, number))
            if found:
                last[extension, number] = found
            if found and was:
                assert (found[0] != was[0]) == (found[1] != was[1])
                assert found[1] >= was[1]


@given(lives)
@settings(max_examples=60, deadline=None)
def test_in_any_life_a_reader_that_remembers_guids_sees_each_change_once(steps):
    seen: list[set[str]] = [set() for _ in CHANNELS]
    last: list[set[str]] = [set() for _ in CHANNELS]
    before = None
    for now, edition in live(steps):
        for number, options in enumerate(CHANNELS):
            feed = feed_of(edition, now, **options)
            shown = {entry.run.id for entry in select_entries(feed)}
            found = build_items(feed)
            guids = {each.guid for each in found}
            assert len(guids) == len(found)
            times = [each.published for each in found]
            assert times == sorted(times, reverse=True)
            new = [each for each in found if each.guid not in seen[number]]
            for each in new:
                assert each.published <= now
                came = each.guid.partition("@")[0] in shown - last[number]
                assert before is None or each.published > before or came
            noticed = (each for each in edition.changes if each.noticed == now)
            for group in group_changes(noticed):
                kind, runs = group[0].kind, {each.run for each in group} & shown
                if runs and kind not in KINDS_WITHOUT_ITEM:
                    assert any(e.published == now and f"/{kind}" in e.guid for e in new)
            seen[number] |= guids
            last[number] = shown
        before = now


@given(lives)
@settings(max_examples=50, deadline=None)
def test_in_any_life_items_change_at_the_instants_of_the_clock_and_at_no_other(steps):
    *_, (_, edition) = live(steps)
    for options in CHANNELS:
        feed = structs.replace(feed_of(edition, **options), as_of=None)
        turns = {*find_registration_times(feed), *find_removal_times(feed)}
        for at in turns:
            before, after = (
                build_items(feed_of(edition, each, **options)) for each in (at - SECOND, at)
            )
            assert before != after
        for at in {OPENS, CLOSES, *turns, *(turn + DAY for turn in turns)}:
            exactly = structs.replace(feed, as_of=at)
            assert build_items(feed_of(edition, at, **options)) == build_items(exactly)

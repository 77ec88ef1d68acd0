"""The items of a channel, for readers that remember items by guid (rules 1.4, 1.5 and 5)."""

from datetime import date, time, timedelta
from typing import Any

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.changes import KINDS_WITHOUT_ITEM, append_changes, group_changes
from feeds.domain.delisting import mark_unlisted, run_sort_key
from feeds.domain.entries import find_ended
from feeds.domain.feed import (
    Feed,
    compute_last_modified,
    find_removal_times,
    select_entries,
)
from feeds.domain.model import Change, Edition, Kind, Options, State
from feeds.formats import FORMATS
from feeds.formats.items import build_items, find_publication_times, find_turn_times
from feeds.service.revisions import revise
from feeds.text.summaries import build_feed_title
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_feed,
    a_run,
    an_edition,
    an_event,
    entries_of,
    timetable_of,
)

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
EIGHT, NINE = time(8), time(9)
CHICAGO = (41.88, -87.63)
PIER, PARK = "Navy Pier", "Grant Park"
JOIN = "https://club.example/join"
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
    return then(known, mark_unlisted(event, known.event, ended, now), now)


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


def item(edition, guid, now=None, **options):
    """The item with a guid, which is given without the host."""
    (found,) = (e for e in items_of(edition, now, **options) if e.guid.replace(HOST, "") == guid)
    return found


def tree_of(found):
    return lxml.html.fromstring(f"<div>{found.html}</div>")


def text_of(found):
    """The text of an item as a reader shows it."""
    return "".join(str(each) for each in tree_of(found).itertext())


# Items of runs


def test_a_run_is_an_item_with_its_uid_that_was_published_when_the_run_was_first_seen():
    (found,) = items_of(first(race(TEN, point=CHICAGO)))
    assert (found.guid, found.published) == ("ten@intervals.run", NOW)
    assert found.title == "Harbor Run: 10K, Sat 14 Jun 2025, 08:00"
    assert (found.categories, found.point) == (("10K", "Race"), CHICAGO)


def test_the_item_of_a_run_shows_its_present_state_and_keeps_its_date():
    edition = story(race(TEN), race(with_(TEN, status="cancelled", start_time=NINE)))
    found = item(edition, "ten")
    assert found.title == "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 09:00"
    assert found.published == NOW


def test_a_run_that_is_no_longer_listed_keeps_its_items_for_30_days():
    edition = story(race(TEN, FIVE), race(TEN, with_(FIVE, sold_out=True)))
    edition = published(edition, race(TEN))
    left = LATER + 30 * DAY
    assert {each.guid.replace(HOST, "") for each in items_of(edition, left - SECOND)} == {
        "ten",
        "five",
        "five/sold-out",
        "five/no-longer-listed",
    }
    assert [each.guid for each in items_of(edition, left)] == ["ten@intervals.run"]


def test_the_item_of_a_run_shows_the_last_move_although_it_was_rescheduled_to_the_same_since():
    moved = with_(TEN, start_time=NINE)
    edition = story(race(TEN), race(moved), race(with_(moved, status="rescheduled")))
    assert "Moved from Sat 14 Jun 2025, 08:00" in text_of(item(edition, "ten"))


def test_an_item_has_a_point_unless_all_of_its_runs_are_virtual():
    home = with_(TEN, virtual=True)
    edition = story(
        race(home, FIVE, point=CHICAGO), race(*cancelled(home, FIVE), HALF, point=CHICAGO)
    )
    assert item(edition, "ten").point is None
    assert item(edition, "five").point == CHICAGO
    assert item(edition, "harbor/cancelled").point == CHICAGO
    assert item(edition, "ten/cancelled", run=("ten",)).point is None


# Items of changes


@pytest.mark.parametrize(
    ("before", "after", "guid"),
    [
        (race(TEN, FIVE), race(with_(TEN, start_time=NINE), FIVE), "moved/2025-06-14T09:00:00"),
        (race(TEN, location=PIER), race(TEN, location=PARK), "moved/Grant%20Park"),
        (race(TEN, FIVE), race(*cancelled(TEN), FIVE), "cancelled"),
        (race(*cancelled(TEN)), race(TEN), "reinstated"),
        (
            race(with_(TEN, status="postponed")),
            race(with_(TEN, status="rescheduled", date=SUN)),
            "rescheduled/2025-06-15T08:00:00",
        ),
    ],
    ids=["start", "place", "cancelled", "reinstated", "rescheduled"],
)
def test_each_change_is_an_item_with_a_guid_of_its_kind_and_value(before, after, guid):
    edition = story(before, after)
    assert news(edition).keys() == {f"ten/{guid}"}
    found = item(edition, f"ten/{guid}")
    assert (found.published, found.categories) == (LATER, ("10K", "Race"))


def test_a_run_that_is_withdrawn_is_an_item_and_one_that_had_ended_is_none():
    withdrawn = story(race(TEN, FIVE), race(TEN))
    assert news(withdrawn) == {
        "five/no-longer-listed": "No longer listed: Harbor Run: 5K, Sat 14 Jun 2025, 08:00"
    }
    assert news(published(first(race(TEN, FIVE)), race(TEN), NOW + 20 * DAY)) == {}


def test_another_standard_distance_is_no_item_alone_or_with_other_changes():
    edition = story(race(TEN), race(with_(TEN, distance_standard="Other")))
    assert edition.changes
    assert news(edition) == {}
    after = with_(TEN, distance_standard="Other", sold_out=True)
    assert news(story(race(TEN), race(after))).keys() == {"ten/sold-out"}


def test_the_item_of_a_change_stays_whatever_changes_later():
    moved = story(race(TEN), race(with_(TEN, start_time=NINE)))
    later = published(moved, race(with_(TEN, start_time=time(7))), NOW + 2 * HOUR)
    guid = "ten/moved/2025-06-14T09:00:00"
    assert item(moved, guid) == item(later, guid)


def test_an_event_without_runs_has_its_item_and_its_changes_under_its_own_id():
    found = items_of(story(race(), race(date=SUN)))
    guids = ["harbor@intervals.run/moved/2025-06-15", "harbor@intervals.run"]
    assert [each.guid for each in found] == guids


# Changes that were noticed together


def test_changes_of_one_kind_that_were_noticed_together_are_one_item_of_the_event():
    edition = story(race(TEN, FIVE, HALF), race(*cancelled(TEN, FIVE), HALF))
    title = "Cancelled: Harbor Run: 5K, 10K, Sat 14 Jun 2025, 08:00"
    assert news(edition) == {"harbor/cancelled": title}
    found = item(edition, "harbor/cancelled")
    assert found.categories == ("5K", "Race", "10K")
    for label in ("10K", "5K"):
        assert f"{label}: Sat 14 Jun 2025, 08:00 local time" in text_of(found)


def test_changes_of_different_kinds_or_times_are_items_of_their_runs():
    edition = story(race(TEN, FIVE), race(with_(TEN, sold_out=True), *cancelled(FIVE)))
    assert news(edition).keys() == {"ten/sold-out", "five/cancelled"}
    edition = story(race(TEN, FIVE), race(*cancelled(TEN), FIVE), race(*cancelled(TEN, FIVE)))
    assert list(news(edition)) == ["five/cancelled", "ten/cancelled"]


def test_the_guid_of_several_runs_has_the_value_that_they_share_or_a_digest():
    shared = story(race(TEN, FIVE), race(*(with_(run, start_time=NINE) for run in (TEN, FIVE))))
    assert news(shared).keys() == {"harbor/moved/2025-06-14T09:00:00"}
    apart = story(race(TEN, FIVE), race(with_(TEN, start_time=NINE), with_(FIVE, date=SUN)))
    ((guid, title),) = news(apart).items()
    assert title == "Moved: Harbor Run: 10K, 5K"
    assert guid.startswith("harbor/moved/")
    assert len(guid.removeprefix("harbor/moved/")) == 16


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


def test_a_filtered_feed_has_no_items_about_other_runs():
    edition = story(race(TEN, FIVE), race(TEN, *cancelled(FIVE)))
    assert [each.guid for each in items_of(edition, run=("ten",))] == ["ten@intervals.run"]


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


def test_the_guid_of_an_item_stays_when_some_of_its_runs_leave():
    edition = story(race(TEN, FIVE), race(*cancelled(TEN, FIVE)))
    edition = published(edition, race(*cancelled(TEN)), NOW + 2 * HOUR)
    before, after = (news(edition, NOW + 2 * HOUR + days * DAY) for days in (29, 31))
    assert before.keys() == {"harbor/cancelled", "five/no-longer-listed"}
    assert after == {"harbor/cancelled": "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 08:00"}


# Changes that happen again


def test_the_same_change_again_is_another_item():
    on, off = race(TEN), race(*cancelled(TEN))
    assert list(news(story(on, off, on, off))) == [
        "ten/cancelled/2",
        "ten/reinstated",
        "ten/cancelled",
    ]
    eight, nine = race(TEN), race(with_(TEN, start_time=NINE))
    assert list(news(story(eight, nine, eight, nine))) == [
        "ten/moved/2025-06-14T09:00:00/2",
        "ten/moved/2025-06-14T08:00:00",
        "ten/moved/2025-06-14T09:00:00",
    ]


def test_the_same_change_of_several_runs_again_is_another_item_also_of_other_runs():
    runs = [with_(TEN, id=each) for each in "abcd"]
    off = [*cancelled(*runs[:2]), *runs[2:]]
    edition = story(race(*runs), race(*off), race(*cancelled(*runs)))
    assert list(news(edition)) == ["harbor/cancelled/2", "harbor/cancelled"]
    assert news(edition, run=("c",)).keys() == {"c/cancelled"}


def test_changes_of_single_runs_do_not_count_for_the_events_guid():
    on = race(TEN, FIVE)
    edition = story(on, race(*cancelled(TEN), FIVE), on, race(*cancelled(TEN, FIVE)))
    assert [guid for guid in news(edition) if "cancelled" in guid] == [
        "harbor/cancelled",
        "ten/cancelled",
    ]


@pytest.mark.parametrize(
    "after",
    [
        race(*cancelled(TEN, FIVE)),
        race(with_(TEN, start_time=NINE), FIVE),
        race(with_(TEN, start_time=NINE), with_(FIVE, date=SUN)),
        race(TEN, FIVE, location=PARK),
        race(TEN),
    ],
    ids=["cancelled", "moved", "moved apart", "another place", "withdrawn"],
)
def test_guids_are_the_same_after_a_lost_database(after):
    before = race(TEN, FIVE)
    kept = story(before, race(TEN, FIVE, HALF, description="News"), before)
    lost = first(before, NOW + 3 * HOUR)
    kept, lost = (published(each, after, NOW + 4 * HOUR) for each in (kept, lost))
    assert news(kept).keys() - {"half/no-longer-listed"} == news(lost).keys()
    assert {each.guid for each in items_of(lost)} <= {each.guid for each in items_of(kept)}


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


def test_items_of_several_events_are_mixed_by_their_dates():
    other = structs.replace(race(with_(TEN, id="x")), id="river")
    late, early = an_edition(race(TEN), seen=LATER), an_edition(other)
    feed = a_feed(race(TEN), other)
    feed = structs.replace(feed, timetables=(timetable_of(early), timetable_of(late)))
    assert [each.guid for each in build_items(feed)] == ["ten@intervals.run", "x@intervals.run"]


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


@pytest.mark.parametrize(
    ("now", "guids"),
    [
        (OPENS - SECOND, []),
        (OPENS, [OPEN_GUID]),
        (CLOSES - SECOND, [OPEN_GUID]),
        (CLOSES, [CLOSED_GUID, OPEN_GUID]),
    ],
    ids=str,
)
def test_registration_is_news_from_its_instant_on(now, guids):
    assert list(news(edited(), now)) == [f"ten/{each}" for each in guids]


def test_an_item_about_registration_has_its_instant_the_link_and_the_window():
    edition = first(race(with_(OPEN_TEN, registration_url=JOIN)))
    found = item(edition, f"ten/{OPEN_GUID}", AFTER)
    assert (found.title, found.published) == ("Registration is open: Harbor Run: 10K", OPENS)
    assert f'href="{JOIN}"' in found.html
    assert "Registration opens Tue 3 Jun 2025, 07:00 and closes Fri 6 Jun 2025" in text_of(found)


def test_a_window_that_only_closes_is_one_item():
    only = with_(TEN, registration_closes=CLOSES)
    assert news(first(race(only)), AFTER).keys() == {f"ten/{CLOSED_GUID}"}


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


def test_registration_stays_news_if_the_run_is_cancelled_or_sold_out_later():
    for fields in SUSPENDED[:2]:
        assert opening_is_news(edited((OPENS + SECOND, fields)))


@pytest.mark.parametrize("status", ["postponed", "rescheduled", "on hold"])
def test_registration_for_a_run_that_is_not_off_is_news(status):
    assert opening_is_news(first(race(with_(OPEN_TEN, status=status))))


@pytest.mark.parametrize("day", [SAT, date(2025, 6, 2)], ids=["withdrawn", "had ended"])
@pytest.mark.parametrize(
    ("left", "is_news"), [(OPENS, False), (OPENS + SECOND, True)], ids=["before", "after"]
)
def test_registration_is_no_news_if_the_run_was_not_listed_then(day, left, is_news):
    run = with_(OPEN_TEN, date=day)
    edition = published(first(race(run, FIVE)), race(FIVE), left)
    assert opening_is_news(edition) is is_news
    assert f"ten/{CLOSED_GUID}" not in news(edition, AFTER)


@pytest.mark.parametrize(
    ("left", "is_news"), [(OPENS, False), (OPENS + SECOND, True)], ids=["before", "after"]
)
def test_a_withdrawn_run_that_returns_changes_no_news_about_registration(left, is_news):
    edition = published(first(race(OPEN_TEN, FIVE)), race(FIVE), left)
    assert opening_is_news(published(edition, race(OPEN_TEN, FIVE), OPENS + HOUR)) is is_news


def test_an_opening_that_is_put_off_is_news_at_its_new_instant():
    edition = edited((OPENS + HOUR, {"registration_opens": OPENS + 2 * DAY}))
    assert news(edition, OPENS + DAY) == {}
    assert "ten/registration-opens/20250605T120000Z" in news(edition, AFTER)


def test_runs_that_open_at_one_instant_are_one_item_of_the_event():
    edition = first(race(OPEN_TEN, with_(OPEN_FIVE, start_time=NINE)))
    assert news(edition, AFTER) == {
        f"ten/{CLOSED_GUID}": "Registration has closed: Harbor Run: 10K",
        f"harbor/{OPEN_GUID}": "Registration is open: Harbor Run: 10K, 5K",
    }
    assert "5K: Start: Sat 14 Jun 2025, 09:00" in text_of(
        item(edition, f"harbor/{OPEN_GUID}", AFTER)
    )
    assert f"five/{OPEN_GUID}" in news(edition, AFTER, run=("five",))
    assert f"ten/{OPEN_GUID}" in news(edition, AFTER, distance=("10K",))


def test_a_run_that_was_off_when_registration_opened_is_not_in_the_item():
    edition = story(race(OPEN_TEN, OPEN_FIVE), race(OPEN_TEN, *cancelled(OPEN_FIVE)))
    assert f"ten/{OPEN_GUID}" in news(edition, AFTER)


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


def test_items_about_registration_are_the_same_after_a_lost_database():
    both = race(OPEN_TEN, OPEN_FIVE)
    assert news(first(both), AFTER) == news(first(both, AFTER), AFTER)


# HTML

HOSTILE = """<script>alert('x')</script><img src=x onerror="alert(1)"> & </p> &lt;b&gt; ]]>"""


def hostile_items():
    """Items of all sorts in which every text of the upstream is hostile."""
    run = with_(TEN, distance_label=HOSTILE, status=HOSTILE, registration_override=HOSTILE)
    before = race(run, FIVE, name=HOSTILE, location=HOSTILE)
    moved = race(
        *(with_(each, start_time=NINE, registration_opens=OPENS) for each in before.runs),
        name=HOSTILE,
        location=HOSTILE.upper(),
        description=f"{HOSTILE}\n\n<b>{HOSTILE}</b>",
    )
    found = {e.guid.replace(HOST, ""): e for e in items_of(published(first(before), moved), AFTER)}
    assert {guid.partition("/")[2][:9] for guid in found} == {"", "moved/202", "registrat"}
    return found


def test_texts_of_the_upstream_are_escaped_in_the_html_and_shown_as_they_are():
    found = hostile_items()
    for each in found.values():
        tree = tree_of(each)
        assert {element.tag for element in tree.iterdescendants()} <= {"p", "br", "a"}
        assert {name for element in tree.iter() for name in element.attrib} <= {"href"}
        assert "<" not in each.title
    (moved,) = (text_of(each) for guid, each in found.items() if "/moved" in guid)
    assert f"{HOSTILE}: Sat 14 Jun 2025, 09:00" in moved
    assert HOSTILE.upper() in moved
    assert f"before: Sat 14 Jun 2025, 08:00, {HOSTILE}" in moved
    assert f"Status given by the organizer: {HOSTILE}" in text_of(found["ten"])
    assert f"<b>{HOSTILE}</b>" in text_of(found["ten"])


def test_a_url_with_quotes_stays_in_its_attribute():
    # The decoder gives URIs, which have no quotes: this is the second defence.
    url = 'https://club.example/"onclick="alert(1)'
    (found,) = items_of(first(race(with_(TEN, registration_url=url))))
    links = tree_of(found).iter("a")
    assert [dict(link.attrib) for link in links] == [{"href": url}, {"href": PAGE}]


# The instants at which a feed changes by the clock alone, and Last-Modified


def rendered(edition, now, extension="rss", **options):
    """The bytes of a feed and its Last-Modified; None if the feed has no entry."""
    feed = feed_of(edition, now, extension, **options)
    if not select_entries(feed):
        return None
    return FORMATS[extension].render(feed), compute_last_modified(feed)


CLOSING_HALF = with_(HALF, registration_closes=OPENS + HOUR)
(OFF,) = cancelled(with_(TEN, id="off", registration_opens=OPENS + 2 * HOUR))
TURNING = published(
    first(race(OPEN_TEN, with_(FIVE, **WINDOW), CLOSING_HALF, OFF)),
    race(OPEN_TEN, CLOSING_HALF, OFF),
    OPENS + DAY,
)
LEFT = OPENS + 31 * DAY


@pytest.mark.parametrize(
    ("options", "turns", "removals"),
    [
        ({}, {OPENS, OPENS + HOUR, CLOSES}, {LEFT}),
        ({"run": ("half",)}, {OPENS + HOUR}, set()),
        ({"run": ("five",)}, {OPENS}, {LEFT}),
        ({"distance": ("10K",)}, {OPENS, CLOSES}, set()),
        ({"run": ("off",)}, set(), set()),
    ],
    ids=str,
)
def test_a_feed_changes_by_the_clock_when_registration_turns_or_a_run_leaves(
    options, turns, removals
):
    feed = feed_of(TURNING, NOW, **options)
    assert set(find_turn_times(feed)) == turns
    assert set(find_removal_times(feed)) == removals


def test_registration_that_turned_before_a_run_came_to_a_feed_does_not_change_the_feed():
    other = with_(OPEN_TEN, distance_standard="5K")
    edition = published(first(race(OPEN_TEN)), race(other), OPENS + HOUR)
    assert set(find_turn_times(feed_of(edition, distance=("5K",)))) == {CLOSES}
    assert set(find_turn_times(feed_of(edition))) == {OPENS, CLOSES}


def test_the_bytes_of_a_channel_change_at_each_of_these_instants_and_at_no_other_time():
    turns = sorted({OPENS, OPENS + HOUR, CLOSES, LEFT})
    before = [rendered(TURNING, at - SECOND) for at in turns]
    after = [rendered(TURNING, at) for at in turns]
    late = rendered(TURNING, LEFT + 1000 * DAY)
    assert len({each[0] for each in (*before, late) if each}) == len(turns) + 1
    assert [*before[1:], late] == after


def test_the_bytes_of_a_calendar_change_when_a_run_leaves_and_at_no_other_time():
    times = NOW, CLOSES, LEFT - SECOND, LEFT, LEFT + 1000 * DAY
    start, closed, before, after, late = (rendered(TURNING, at, "ics") for at in times)
    assert start == closed == before != after == late


def test_an_event_whose_runs_have_all_left_is_an_entry_itself():
    withdrawn = (with_(run, unlisted=LATER, withdrawn=True) for run in (TEN, FIVE))
    gone = then(first(race(TEN, FIVE)), race(*withdrawn))
    assert [each.guid for each in items_of(gone, LATER + 30 * DAY)] == ["harbor@intervals.run"]
    body, changed = rendered(gone, LATER + 30 * DAY, "ics") or (b"", None)
    assert b"UID:harbor@intervals.run" in body
    assert changed == LATER + 30 * DAY


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


# Last-Modified moves if and only if the bytes do, and never back.

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
        (race(*cancelled(OPEN_TEN), *RUNS[1:]), WITH_TEN),
        (race(with_(OPEN_TEN, sold_out=True), *RUNS[1:]), WITH_TEN),
        (race(with_(OPEN_TEN, distance_label="Ten"), *RUNS[1:]), WITH_TEN),
        (race(with_(OPEN_TEN, registration_override="closed"), *RUNS[1:]), WITH_TEN),
        (race(with_(OPEN_TEN, registration_url=JOIN), *RUNS[1:]), WITH_TEN),
        (race(*RUNS, location=PIER), set(FEEDS)),
        (race(*RUNS, slug="another"), set()),
        (race(with_(OPEN_TEN, distance_standard="Other"), *RUNS[1:]), WITH_TEN),
        (
            race(with_(OPEN_TEN, distance_standard="5K"), *RUNS[1:]),
            WITH_TEN | {"5K", "five, not ten"},
        ),
        (race(*RUNS[1:]), WITH_TEN),  # withdrawn
        (race(*RUNS, with_(FIVE, id="new")), {"all", "5K", "5K 10K"}),
    ],
    ids=[
        *("start", "cancelled", "sold out", "label", "override", "link", "place", "slug"),
        *("leaves 10K", "10K to 5K", "withdrawn", "added"),
    ],
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


@pytest.mark.parametrize("at", [OPENS, CLOSES], ids=["opens", "closes"])
def test_registration_that_turns_moves_last_modified_of_the_channels_with_the_run(at):
    edition = first(race(*RUNS))
    assert changed_feeds(edition, edition, at - SECOND, at, "ics") == set()
    assert changed_feeds(edition, edition, at - SECOND, at, "rss") == WITH_TEN
    assert compute_last_modified(feed_of(edition, at + HOUR)) == at


@pytest.mark.parametrize("extension", FORMATS)
def test_a_run_that_leaves_moves_last_modified_of_the_feeds_that_had_it(extension):
    edition = published(first(race(*RUNS)), race(*RUNS[1:]), AFTER)
    left = AFTER + 30 * DAY
    moved = changed_feeds(edition, edition, left - SECOND, left, extension)
    assert moved == {"all", "10K", "5K 10K"}
    assert compute_last_modified(feed_of(edition, left + DAY, extension)) == left


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
        turns = {*find_turn_times(feed), *find_removal_times(feed)}
        for at in turns:
            before, after = (
                build_items(feed_of(edition, each, **options)) for each in (at - SECOND, at)
            )
            assert before != after
        for at in {OPENS, CLOSES, *turns, *(turn + DAY for turn in turns)}:
            exactly = structs.replace(feed, as_of=at)
            assert build_items(feed_of(edition, at, **options)) == build_items(exactly)

"""The items of a channel, as readers see them who keep what they have seen by guid."""

from datetime import date, time, timedelta
from typing import Any

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.changes import KINDS_WITHOUT_ITEM, append_changes, group_changes
from feeds.domain.delisting import mark_unlisted
from feeds.domain.entries import find_ended
from feeds.domain.feed import (
    MAX_RUNS,
    Feed,
    compute_last_modified,
    find_removal_times,
    select_entries,
)
from feeds.domain.model import Change, Kind, Options, State
from feeds.domain.options import selects
from feeds.formats import FORMATS
from feeds.formats.items import MAX_CHANGE_ITEMS, build_items, find_turn_times
from feeds.text import summaries
from tests.service.test_revisions import first, then
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
JOIN = "https://club.example/join"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
LATER = NOW + HOUR
TEN = a_run(id="ten", start_time=EIGHT)
FIVE = a_run(
    id="five",
    start_time=EIGHT,
    distance_standard="5K",
    distance_label="5K",
    distance_meters=5_000,
)
HALF = a_run(
    id="half",
    start_time=EIGHT,
    distance_standard="Half Marathon",
    distance_label="Half",
    distance_meters=21_098,
)
HOST = "@intervals.run"


def race(*runs, **fields):
    """Harbor Run as decoding has it: its runs in the order of a schedule."""

    def order(run):
        return (run.date, run.start_time or time.min, run.distance_meters, run.id)

    return an_event(*sorted(runs, key=order), **fields)


def with_(run, **fields):
    return structs.replace(run, **fields)


def published(known, event, now=LATER):
    """The next edition, of a complete document with these runs."""
    return then(
        known, mark_unlisted(event, known.event, find_ended(entries_of(known), now), now), now
    )


def story(*events, every=HOUR):
    """The last edition of an event whose documents come at such intervals."""
    edition = first(events[0])
    for number, event in enumerate(events[1:], 1):
        edition = published(edition, event, NOW + number * every)
    return edition


def feed_of(edition, now=None, extension="rss", **options):
    """The feed of an edition as it is at a time: by the last mark that has passed."""
    chosen = Options(**options)
    feed = Feed(
        title=summaries.build_feed_title(edition.event, chosen),
        page=PAGE,
        source=f"{PAGE}.{extension}",
        timezone=HOME,
        timetables=(timetable_of(edition),),
        options=chosen,
    )
    passed = [
        mark
        for mark in FORMATS[extension].find_changing_times(feed)
        if mark <= (now or edition.fetched)
    ]
    return structs.replace(feed, as_of=max(passed, default=None))


def items_of(edition, now=None, **options):
    return build_items(feed_of(edition, now, **options))


def told(edition, now=None, **options):
    """Titles by guids, without those of the runs' own items, newest first."""
    own = {run.id for run in edition.event.runs} | {edition.event.id}
    found = {each.guid: each.title for each in items_of(edition, now, **options)}
    return {
        guid.replace(HOST, ""): title
        for guid, title in found.items()
        if guid.removesuffix(HOST) not in own
    }


def item(edition, guid, now=None, **options):
    (found,) = (each for each in items_of(edition, now, **options) if each.guid == guid)
    return found


def tree_of(found):
    return lxml.html.fromstring(f"<div>{found.html}</div>")


def text_of(found):
    """What a reader shows of an item."""
    return "".join(str(each) for each in tree_of(found).itertext())


class TestRunItems:
    def test_a_run_is_announced_by_an_item_with_its_uid_when_it_was_first_seen(self):
        (found,) = items_of(first(race(TEN, point=CHICAGO, name="Harbor Run")))
        assert found.guid == "ten@intervals.run"
        assert found.title == "Harbor Run: 10K, Sat 14 Jun 2025, 08:00"
        assert found.published == NOW
        assert found.categories == ("10K", "Race")
        assert found.point == CHICAGO

    def test_a_new_run_is_announced_by_its_own_item_and_no_other(self):
        edition = story(race(TEN), race(TEN, FIVE))
        assert told(edition) == {}
        assert item(edition, "five@intervals.run").published == LATER

    def test_it_tells_what_a_run_is_now_and_stays_as_old_as_it_is(self):
        edition = story(race(TEN), race(with_(TEN, status="cancelled", start_time=NINE)))
        found = item(edition, "ten@intervals.run")
        assert found.title == "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 09:00"
        assert found.published == NOW

    def test_an_event_without_runs_is_one_item(self):
        (found,) = items_of(first(race(date=SUN)))
        assert (found.guid, found.title) == ("harbor@intervals.run", "Harbor Run, Sun 15 Jun 2025")

    def test_a_run_that_is_no_longer_listed_has_its_item_for_30_days(self):
        edition = story(race(TEN, FIVE), race(TEN))
        assert "five@intervals.run" in {each.guid for each in items_of(edition)}
        left = LATER + 30 * DAY
        assert [each.guid for each in items_of(edition, left)] == ["ten@intervals.run"]
        assert len(items_of(edition, left - SECOND)) == 3

    def test_it_tells_what_moved_last_although_the_run_was_rescheduled_to_the_same_since(self):
        moved = with_(TEN, start_time=NINE)
        edition = story(race(TEN), race(moved), race(with_(moved, status="rescheduled")))
        shown = text_of(item(edition, "ten@intervals.run"))
        assert "Moved from Sat 14 Jun 2025, 08:00" in shown

    def test_a_virtual_run_has_no_point(self):
        runs = with_(TEN, virtual=True), FIVE
        edition = first(race(*runs, point=CHICAGO))
        assert item(edition, "ten@intervals.run").point is None
        assert item(edition, "five@intervals.run").point == CHICAGO


CHANGES = [
    ({}, {"start_time": NINE}, "moved/2025-06-14T09:00:00", "Moved: {}, now {sat}, 09:00"),
    ({}, {"date": SUN}, "moved/2025-06-15T08:00:00", "Moved: {}, now Sun 15 Jun 2025, 08:00"),
    ({}, {"start_time": None}, "moved/2025-06-14", "Moved: {}, now {sat}"),
    ({"start_time": None}, {}, "moved/2025-06-14T08:00:00", "Start time: {}, now {sat}, 08:00"),
    ({}, {"status": "cancelled"}, "cancelled", "Cancelled: {}, {sat}, 08:00"),
    ({}, {"status": "postponed"}, "postponed", "Postponed: {}, {sat}, 08:00"),
    (
        {"status": "postponed"},
        {"status": "rescheduled", "date": SUN},
        "rescheduled/2025-06-15T08:00:00",
        "Rescheduled: {}, now Sun 15 Jun 2025, 08:00",
    ),
    ({"status": "cancelled"}, {}, "reinstated", "Reinstated: {}, {sat}, 08:00"),
    ({}, {"sold_out": True}, "sold-out", "Sold out: {}, {sat}, 08:00"),
    ({"sold_out": True}, {}, "places-again", "Places again: {}, {sat}, 08:00"),
    (
        {},
        {"registration_override": "paused"},
        "registration-paused",
        "Registration paused: {}, {sat}, 08:00",
    ),
    (
        {},
        {"registration_override": "closed"},
        "registration-closed",
        "Registration closed: {}, {sat}, 08:00",
    ),
    (
        {"registration_override": "closed"},
        {},
        "registration-reopened",
        "Registration reopened: {}, {sat}, 08:00",
    ),
]
PLACES = [
    ("Navy Pier", "Grant Park", "Moved: {}, now Grant Park"),
    (None, "Grant Park", "Place: {}, now Grant Park"),
]


class TestChangeItems:
    @pytest.mark.parametrize(("before", "after", "guid", "title"), CHANGES)
    def test_each_kind_is_an_item_of_its_own(self, before, after, guid, title):
        edition = story(race(with_(TEN, **before), FIVE), race(with_(TEN, **after), FIVE))
        title = title.format("Harbor Run: 10K", sat="Sat 14 Jun 2025")
        assert told(edition) == {f"ten/{guid}": title}
        found = item(edition, f"ten@intervals.run/{guid}")
        assert found.published == LATER
        assert found.categories == ("10K", "Race")

    @pytest.mark.parametrize(("before", "after", "title"), PLACES)
    def test_a_place_is_told_by_its_name(self, before, after, title):
        edition = story(race(TEN, location=before), race(TEN, location=after))
        title = title.format("Harbor Run: 10K")
        assert told(edition) == {"ten/moved/Grant%20Park": title}

    def test_a_run_that_is_withdrawn_is_an_item(self):
        edition = story(race(TEN, FIVE), race(TEN))
        assert told(edition) == {
            "five/no-longer-listed": "No longer listed: Harbor Run: 5K, Sat 14 Jun 2025, 08:00"
        }

    def test_a_run_that_is_tidied_away_is_none(self):
        past = first(race(TEN, FIVE))
        edition = published(past, race(TEN, location="Grant Park"), NOW + 20 * DAY)
        assert told(edition) == {"ten/moved/Grant%20Park": "Place: Harbor Run: 10K, now Grant Park"}

    def test_another_distance_is_none(self):
        edition = story(race(TEN), race(with_(TEN, distance_standard="Other")))
        assert edition.changes
        assert told(edition) == {}

    def test_another_distance_is_no_item_besides_others_either(self):
        after = with_(TEN, distance_standard="Other", sold_out=True)
        assert told(story(race(TEN), race(after))).keys() == {"ten/sold-out"}

    def test_a_start_that_is_told_for_the_first_time_hides_no_other_news(self):
        day = with_(TEN, start_time=None)
        edition = story(
            race(day, location="Navy Pier"),
            race(with_(TEN, status="cancelled"), location="Grant Park"),
        )
        assert list(told(edition).values()) == [
            "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 08:00",
            "Moved: Harbor Run: 10K, now Sat 14 Jun 2025, 08:00",
        ]

    def test_it_tells_how_a_run_was_before_and_how_it_is_since(self):
        edition = story(
            race(TEN, location="Navy Pier"),
            race(with_(TEN, date=SUN), location="Grant Park"),
        )
        found = text_of(items_of(edition)[0])
        assert "10K: Sun 15 Jun 2025, 08:00 local time (America/Chicago), Grant Park; " in found
        assert "before: Sat 14 Jun 2025, 08:00, Navy Pier" in found

    def test_it_stays_as_it_was_told_whatever_happens_later(self):
        moved = story(race(TEN), race(with_(TEN, start_time=NINE)))
        later = published(moved, race(with_(TEN, start_time=time(7))), NOW + 2 * HOUR)
        guid = "ten@intervals.run/moved/2025-06-14T09:00:00"
        assert item(moved, guid) == item(later, guid)

    def test_an_event_without_runs_has_its_changes_under_its_own_id(self):
        edition = story(race(), race(date=SUN))
        assert told(edition) == {
            "harbor/moved/2025-06-15": "Moved: Harbor Run, now Sun 15 Jun 2025"
        }

    def test_those_of_a_run_that_has_left_leave_with_it(self):
        edition = story(race(TEN, FIVE), race(TEN, with_(FIVE, sold_out=True)))
        edition = published(edition, race(TEN), NOW + 2 * HOUR)
        left = NOW + 2 * HOUR + 30 * DAY
        assert told(edition, left - SECOND).keys() == {"five/no-longer-listed", "five/sold-out"}
        assert told(edition, left) == {}


def cancelled(*runs):
    return tuple(with_(run, status="cancelled") for run in runs)


class TestGroups:
    def test_changes_of_one_kind_that_were_noticed_together_are_one_item_of_the_event(self):
        edition = story(race(TEN, FIVE, HALF), race(*cancelled(TEN, FIVE), HALF))
        title = "Cancelled: Harbor Run: 5K, 10K, Sat 14 Jun 2025, 08:00"
        assert told(edition) == {"harbor/cancelled": title}
        found = item(edition, "harbor@intervals.run/cancelled")
        assert found.categories == ("5K", "Race", "10K")
        for label in ("10K", "5K"):
            assert f"{label}: Sat 14 Jun 2025, 08:00 local time" in text_of(found)

    def test_of_different_kinds_are_items_for_each(self):
        edition = story(race(TEN, FIVE), race(with_(TEN, sold_out=True), *cancelled(FIVE)))
        assert told(edition).keys() == {"ten/sold-out", "five/cancelled"}

    def test_noticed_one_after_the_other_are_items_for_each(self):
        edition = story(race(TEN, FIVE), race(*cancelled(TEN), FIVE), race(*cancelled(TEN, FIVE)))
        assert list(told(edition)) == ["five/cancelled", "ten/cancelled"]

    def test_a_start_that_they_share_is_in_the_title_and_in_the_guid(self):
        after = [with_(run, start_time=NINE) for run in (TEN, FIVE)]
        assert told(story(race(TEN, FIVE), race(*after))) == {
            "harbor/moved/2025-06-14T09:00:00": (
                "Moved: Harbor Run: 5K, 10K, now Sat 14 Jun 2025, 09:00"
            )
        }

    def test_starts_that_they_do_not_share_are_in_the_text_alone(self):
        after = race(with_(TEN, start_time=NINE), with_(FIVE, start_time=time(7)))
        edition = story(race(TEN, FIVE), after)
        ((guid, title),) = told(edition).items()
        assert title == "Moved: Harbor Run: 5K, 10K"
        assert guid.startswith("harbor/moved/")
        shown = text_of(item(edition, guid.replace("harbor", "harbor@intervals.run")))
        assert "10K: Sat 14 Jun 2025, 09:00" in shown
        assert "5K: Sat 14 Jun 2025, 07:00" in shown

    def test_a_start_and_a_place_told_for_the_first_time_are_named_by_what_all_share(self):
        before = race(with_(TEN, start_time=None), FIVE)
        after = race(TEN, FIVE, location="Grant Park")
        ((_, title),) = told(story(before, after)).items()
        assert title == "Place: Harbor Run: 5K, 10K, now Grant Park"

    def test_runs_with_one_label_are_named_once(self):
        again = with_(TEN, id="again")
        edition = story(race(TEN, again), race(*cancelled(TEN, again)))
        assert told(edition) == {
            "harbor/cancelled": "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 08:00"
        }

    @pytest.mark.parametrize(
        ("virtual", "point"), [(False, CHICAGO), (True, None)], ids=["some", "all"]
    )
    def test_a_group_has_a_point_unless_all_of_its_runs_are_virtual(self, virtual, point):
        runs = [with_(TEN, virtual=virtual), with_(FIVE, virtual=True)]
        edition = story(race(*runs, point=CHICAGO), race(*cancelled(*runs), point=CHICAGO))
        assert item(edition, "harbor@intervals.run/cancelled").point == point


class TestFilteredFeeds:
    EDITION = story(race(TEN, FIVE, HALF), race(*cancelled(TEN, FIVE, HALF)))

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
    def test_a_group_is_of_the_event_if_the_feed_has_several_of_its_runs(
        self, options, guid, names
    ):
        title = f"Cancelled: Harbor Run: {names}, Sat 14 Jun 2025, 08:00"
        assert told(self.EDITION, **options) == {guid: title}

    def test_a_group_has_one_guid_in_all_feeds_that_have_several_of_its_runs(self):
        runs = [with_(run, start_time=NINE) for run in (TEN, FIVE)]
        edition = story(race(TEN, FIVE, HALF), race(*runs, with_(HALF, date=SUN)))
        assert told(edition).keys() == told(edition, run=("ten", "five")).keys()

    def test_changes_of_other_runs_are_not_told(self):
        edition = story(race(TEN, FIVE), race(TEN, *cancelled(FIVE)))
        assert told(edition, run=("ten",)) == {}
        assert [each.guid for each in items_of(edition, run=("ten",))] == ["ten@intervals.run"]

    def test_a_run_that_becomes_another_distance_does_not_change_the_guid_of_a_group(self):
        again = with_(TEN, id="again")
        edition = story(
            race(TEN, again),
            race(*cancelled(TEN, again)),
            race(*cancelled(with_(TEN, distance_standard="Other"), again)),
        )
        assert told(edition, distance=("10K",)).keys() == {"harbor/cancelled"}
        assert told(edition).keys() == {"harbor/cancelled"}

    def test_a_run_brings_no_old_changes_to_the_feed_of_its_new_distance(self):
        other = with_(TEN, distance_standard="Other")
        edition = story(
            race(other, FIVE),
            race(*cancelled(other, FIVE)),
            race(*cancelled(with_(TEN, distance_standard="5K"), FIVE)),
        )
        shown = [each.guid.replace(HOST, "") for each in items_of(edition, distance=("5K",))]
        assert sorted(shown) == ["five", "five/cancelled", "ten"]


class TestGuids:
    def test_what_happens_again_is_another_item(self):
        on, off = race(TEN), race(*cancelled(TEN))
        edition = story(on, off, on, off, on)
        assert list(told(edition)) == [
            "ten/reinstated/2",
            "ten/cancelled/2",
            "ten/reinstated",
            "ten/cancelled",
        ]

    def test_a_move_to_where_it_was_before_is_counted_by_where_it_goes(self):
        eight, nine = race(TEN), race(with_(TEN, start_time=NINE))
        assert list(told(story(eight, nine, eight, nine))) == [
            "ten/moved/2025-06-14T09:00:00/2",
            "ten/moved/2025-06-14T08:00:00",
            "ten/moved/2025-06-14T09:00:00",
        ]

    def test_a_group_that_happens_again_is_another_item(self):
        on, off = race(TEN, FIVE), race(*cancelled(TEN, FIVE))
        assert [guid for guid in told(story(on, off, on, off)) if "cancelled" in guid] == [
            "harbor/cancelled/2",
            "harbor/cancelled",
        ]

    def test_a_group_of_other_runs_is_another_item(self):
        runs = [with_(TEN, id=each) for each in "abcd"]
        off = [*cancelled(*runs[:2]), *runs[2:]]
        edition = story(race(*runs), race(*off), race(*cancelled(*runs)))
        assert list(told(edition)) == ["harbor/cancelled/2", "harbor/cancelled"]
        assert told(edition, run=("c",)).keys() == {"c/cancelled"}

    def test_a_group_is_not_counted_by_what_happened_to_single_runs(self):
        on = race(TEN, FIVE)
        edition = story(on, race(*cancelled(TEN), FIVE), on, race(*cancelled(TEN, FIVE)))
        assert [guid for guid in told(edition) if "cancelled" in guid] == [
            "harbor/cancelled",
            "ten/cancelled",
        ]

    def test_the_guid_of_a_group_stays_when_some_of_its_runs_leave(self):
        edition = story(race(TEN, FIVE), race(*cancelled(TEN, FIVE)))
        edition = published(edition, race(*cancelled(TEN)), NOW + 2 * HOUR)
        before, after = (told(edition, NOW + 2 * HOUR + days * DAY) for days in (29, 31))
        assert before.keys() == {"harbor/cancelled", "five/no-longer-listed"}
        assert after == {"harbor/cancelled": "Cancelled: Harbor Run: 10K, Sat 14 Jun 2025, 08:00"}

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(race(TEN, FIVE), after, id=name)
            for name, after in {
                "cancelled": race(*cancelled(TEN, FIVE)),
                "moved": race(with_(TEN, start_time=NINE), FIVE),
                "moved apart": race(with_(TEN, start_time=NINE), with_(FIVE, date=SUN)),
                "another place": race(TEN, FIVE, location="Grant Park"),
                "withdrawn": race(TEN),
                "sold out": race(with_(TEN, sold_out=True), FIVE),
            }.items()
        ],
    )
    def test_a_database_that_lost_its_history_gives_the_same(self, before, after):
        kept = story(before, race(TEN, FIVE, HALF, description="News"), before)
        lost = first(before, NOW + 3 * HOUR)
        kept, lost = (published(each, after, NOW + 4 * HOUR) for each in (kept, lost))
        assert told(kept).keys() - {"half/no-longer-listed"} == told(lost).keys()
        assert {each.guid for each in items_of(lost)} <= {each.guid for each in items_of(kept)}


def a_history(ages):
    """An event whose 10K went from sold out to places again and back, so long before NOW."""
    known: tuple[Change, ...] = ()
    state = State(start="2025-06-14T08:00:00", zone=HOME, distance="10K")
    for number, age in enumerate(sorted(ages, reverse=True)):
        kind = (Kind.SOLD_OUT, Kind.PLACES_AGAIN)[number % 2]
        change = Change(run="ten", kind=kind, was=state, now=state, noticed=NOW - age)
        known = append_changes(known, [change])
    return an_edition(race(TEN), seen=NOW - timedelta(days=300), changes=known)


class TestMost:
    @pytest.mark.parametrize(
        ("ages", "kept"),
        [
            ([day * DAY for day in range(40)], 40),
            ([day * DAY for day in range(50)], 50),
            ([day * DAY for day in range(60)], 50),
            ([number * 12 * HOUR for number in range(70)], 60),
            ([number * HOUR for number in range(200)], 200),
            ([*(number * SECOND for number in range(50)), 30 * DAY - SECOND], 51),
            ([*(number * SECOND for number in range(50)), 30 * DAY], 50),
        ],
        ids=["40", "50", "60 in as many days", "70 in 35 days", "200 in a week", "short of", "at"],
    )
    def test_fifty_changes_are_kept_and_all_of_the_last_thirty_days(self, ages, kept):
        found = [each for each in items_of(a_history(ages)) if "/" in each.guid]
        assert len(found) == kept
        assert [NOW - each.published for each in found] == sorted(ages)[:kept]

    def test_days_are_counted_from_the_newest_of_them_so_that_the_clock_drops_none(self):
        edition = a_history([number * 12 * HOUR for number in range(70)])
        assert items_of(edition, NOW) == items_of(edition, NOW + 300 * DAY)

    def test_there_are_fifty(self):
        assert MAX_CHANGE_ITEMS == 50

    def test_a_filtered_feed_counts_its_own(self):
        history = a_history([day * DAY for day in range(60)])
        known = structs.replace(history, event=race(TEN, FIVE))
        edition = then(known, race(TEN, with_(FIVE, sold_out=True)))
        assert told(edition, run=("five",)).keys() == {"five/sold-out"}
        assert len(told(edition, run=("ten",))) == 50


OPENS, CLOSES = NOW + 2 * DAY, NOW + 5 * DAY
WINDOW = {"registration_opens": OPENS, "registration_closes": CLOSES}
OPEN_GUID, CLOSED_GUID = (
    f"registration-{word}/{at:%Y%m%dT%H%M%SZ}"
    for word, at in (("opens", OPENS), ("closes", CLOSES))
)
AFTER = CLOSES + DAY


class TestRegistrationItems:
    OPEN = with_(TEN, **WINDOW)

    def changed(self, *steps):
        """An edition whose 10K got these fields at these times, and had that window before."""
        edition = first(race(self.OPEN))
        run = self.OPEN
        for now, fields in steps:
            run = with_(run, **fields)
            edition = then(edition, race(run), now)
        return edition

    def opens(self, edition, now=AFTER, **options):
        """Whether the opening has an item."""
        return f"ten/{OPEN_GUID}" in told(edition, now, **options)

    @pytest.mark.parametrize(
        ("now", "guids"),
        [
            (NOW, []),
            (OPENS - SECOND, []),
            (OPENS, [OPEN_GUID]),
            (OPENS + SECOND, [OPEN_GUID]),
            (CLOSES - SECOND, [OPEN_GUID]),
            (CLOSES, [CLOSED_GUID, OPEN_GUID]),
        ],
        ids=str,
    )
    def test_registration_is_news_once_its_instant_has_passed(self, now, guids):
        assert list(told(self.changed(), now)) == [f"ten/{each}" for each in guids]

    def test_it_is_published_at_its_instant(self):
        found = items_of(self.changed(), AFTER)
        assert [(each.title, each.published) for each in found] == [
            ("Registration has closed: Harbor Run: 10K", CLOSES),
            ("Registration is open: Harbor Run: 10K", OPENS),
            ("Harbor Run: 10K, Sat 14 Jun 2025, 08:00", NOW),
        ]

    def test_it_has_the_link_and_tells_the_window(self):
        edition = first(race(with_(self.OPEN, registration_url=JOIN)))
        found = item(edition, f"ten@intervals.run/{OPEN_GUID}", AFTER)
        assert f'href="{JOIN}"' in found.html
        assert "Registration opens Tue 3 Jun 2025, 07:00 and closes Fri 6 Jun 2025" in text_of(
            found
        )

    OFF: tuple[dict[str, Any], ...] = (
        {"status": "cancelled"},
        {"sold_out": True},
        {"registration_override": "paused"},
        {"registration_override": "closed"},
        {"registration_override": "members only"},
    )

    @pytest.mark.parametrize("off", OFF, ids=str)
    def test_it_is_no_news_if_the_run_was_off_then(self, off):
        assert not self.opens(self.changed((NOW + DAY, off)))
        assert not self.opens(first(race(with_(self.OPEN, **off))))
        assert not self.opens(self.changed((OPENS, off))), "noticed at that instant"

    @pytest.mark.parametrize("off", [each for each in OFF if "members only" not in each.values()])
    def test_it_stays_news_if_the_run_was_off_later(self, off):
        assert self.opens(self.changed((OPENS + SECOND, off)))

    @pytest.mark.parametrize("off", OFF, ids=str)
    def test_it_stays_no_news_when_the_run_is_on_again_later(self, off):
        on = {name: getattr(self.OPEN, name) for name in off}
        assert not self.opens(self.changed((NOW + DAY, off), (OPENS + SECOND, on)))
        assert self.opens(self.changed((NOW + HOUR, off), (NOW + DAY, on)))

    @pytest.mark.parametrize("status", ["postponed", "rescheduled", "on hold"])
    def test_it_is_news_of_a_run_that_is_to_take_place(self, status):
        assert self.opens(first(race(with_(self.OPEN, status=status))))

    @pytest.mark.parametrize(
        ("left", "news"), [(OPENS - SECOND, False), (OPENS, False), (OPENS + SECOND, True)], ids=str
    )
    def test_it_is_no_news_of_a_run_that_was_no_longer_listed_then(self, left, news):
        edition = published(first(race(self.OPEN, FIVE)), race(FIVE), left)
        assert self.opens(edition) is news
        back = published(edition, race(self.OPEN, FIVE), OPENS + HOUR)
        assert self.opens(back) is news

    @pytest.mark.parametrize(
        ("left", "news"), [(OPENS - SECOND, False), (OPENS, False), (OPENS + SECOND, True)], ids=str
    )
    def test_nor_of_a_past_run_that_had_been_tidied_away(self, left, news):
        past = first(race(with_(self.OPEN, date=date(2025, 6, 2)), FIVE))
        edition = published(past, race(FIVE), left)
        assert self.opens(edition) is news
        assert len(told(edition, AFTER)) == news, "which closed after that in any case"

    def test_it_leaves_with_its_run(self):
        edition = published(first(race(self.OPEN, FIVE)), race(FIVE), AFTER)
        assert self.opens(edition, AFTER + 30 * DAY - SECOND)
        assert told(edition, AFTER + 30 * DAY) == {}

    def test_a_window_without_an_opening_or_a_closing_is_half_the_news(self):
        only = with_(TEN, registration_closes=CLOSES)
        assert told(first(race(only)), AFTER).keys() == {f"ten/{CLOSED_GUID}"}

    def test_a_window_that_is_put_off_is_news_when_it_comes(self):
        later = {"registration_opens": OPENS + 2 * DAY}
        edition = self.changed((OPENS + HOUR, later))
        assert told(edition, OPENS + DAY) == {}
        assert "ten/registration-opens/20250605T120000Z" in told(edition, AFTER)


class TestRegistrationGroups:
    OPEN_TEN, OPEN_FIVE = with_(TEN, **WINDOW), with_(FIVE, registration_opens=OPENS)
    BOTH = race(OPEN_TEN, OPEN_FIVE)

    def test_what_opens_at_one_instant_is_one_item_of_the_event(self):
        assert told(first(self.BOTH), AFTER) == {
            f"ten/{CLOSED_GUID}": "Registration has closed: Harbor Run: 10K",
            f"harbor/{OPEN_GUID}": "Registration is open: Harbor Run: 5K, 10K",
        }

    def test_what_does_not_hold_for_all_of_them_names_its_run(self):
        runs = self.OPEN_TEN, with_(self.OPEN_FIVE, start_time=NINE)
        edition = first(race(*runs))
        shown = item(edition, f"harbor@intervals.run/{OPEN_GUID}", AFTER).html
        assert "10K: Start: Sat 14 Jun 2025, 08:00 local time" in shown
        assert "5K: Start: Sat 14 Jun 2025, 09:00 local time" in shown
        same = item(first(self.BOTH), f"harbor@intervals.run/{OPEN_GUID}", AFTER).html
        assert same.count("Start: Sat 14 Jun 2025, 08:00") == 1

    def test_in_a_filtered_feed_it_is_of_the_run(self):
        edition = first(self.BOTH)
        assert f"five/{OPEN_GUID}" in told(edition, AFTER, run=("five",))
        assert f"ten/{OPEN_GUID}" in told(edition, AFTER, distance=("10K",))

    def test_a_run_that_was_off_then_is_not_named(self):
        edition = story(self.BOTH, race(self.OPEN_TEN, *cancelled(self.OPEN_FIVE)))
        assert f"ten/{OPEN_GUID}" in told(edition, AFTER)

    def test_its_guid_stays_when_one_of_its_runs_leaves(self):
        edition = published(first(self.BOTH), race(self.OPEN_TEN), AFTER)
        for days in (29, 31):
            assert f"harbor/{OPEN_GUID}" in told(edition, AFTER + days * DAY)
        assert told(edition, AFTER + 31 * DAY)[f"harbor/{OPEN_GUID}"] == (
            "Registration is open: Harbor Run: 10K"
        )

    def test_its_guid_stays_when_one_of_its_runs_becomes_another_distance(self):
        runs = with_(TEN, **WINDOW), with_(TEN, id="again", **WINDOW)
        after = runs[0], with_(runs[1], distance_standard="Other")
        edition = published(first(race(*runs)), race(*after), AFTER)
        assert f"harbor/{OPEN_GUID}" in told(edition, AFTER, distance=("10K",))
        assert told(edition, AFTER, distance=("Other",)) == {}

    def test_its_guid_stays_when_a_run_is_added_that_had_been_open(self):
        new = [with_(HALF, id=each, registration_opens=OPENS) for each in ("x", "y")]
        known = first(race(with_(TEN, registration_opens=OPENS)))
        one = published(known, race(*known.event.runs, new[0]), AFTER)
        assert told(one, AFTER).keys() == {f"x/{OPEN_GUID}", f"ten/{OPEN_GUID}"}
        two = published(known, race(*known.event.runs, *new), AFTER)
        assert told(two, AFTER).keys() == {f"ten/{OPEN_GUID}", f"harbor/{OPEN_GUID}"}

    def test_a_run_that_is_added_in_time_is_named_with_the_others(self):
        edition = published(first(race(self.OPEN_TEN)), self.BOTH)
        assert f"harbor/{OPEN_GUID}" in told(edition, AFTER)

    def test_two_groups_of_one_instant_have_two_guids_in_every_feed(self):
        new = [with_(self.OPEN_FIVE, id=each, distance_meters=1) for each in ("x", "y")]
        edition = published(first(self.BOTH), race(*self.BOTH.runs, *new), AFTER)
        guids = {f"harbor/{OPEN_GUID}", f"harbor/{OPEN_GUID}/2", f"ten/{CLOSED_GUID}"}
        assert told(edition, AFTER).keys() == guids
        assert told(edition, AFTER, run=("x", "y")).keys() == {f"harbor/{OPEN_GUID}/2"}
        assert told(edition, AFTER, run=("x",)).keys() == {f"x/{OPEN_GUID}"}
        assert f"harbor/{OPEN_GUID}" in told(edition, AFTER, run=("ten", "five"))

    def test_a_lost_database_tells_nothing_of_it_again(self):
        kept, lost = first(self.BOTH), first(self.BOTH, AFTER)
        assert told(kept, AFTER) == told(lost, AFTER)


class TestOrder:
    def test_newest_first(self):
        off = race(*cancelled(TEN), FIVE)
        edition = story(race(TEN), race(TEN, FIVE), off, every=DAY)
        assert [each.published for each in items_of(edition)] == [NOW + 2 * DAY, NOW + DAY, NOW]

    def test_what_was_published_together_has_the_order_of_guids(self):
        runs = [with_(TEN, id=each) for each in ("b", "c", "a")]
        found = items_of(first(race(*runs)))
        assert [each.guid[0] for each in found] == ["a", "b", "c"]

    def test_the_order_of_the_runs_does_not_matter(self):
        one = story(race(TEN, FIVE), race(*cancelled(TEN), FIVE))
        two = structs.replace(
            one, event=structs.replace(one.event, runs=tuple(reversed(one.event.runs)))
        )
        assert items_of(one) == items_of(two)

    def test_of_several_events_they_are_mixed(self):
        other = structs.replace(race(with_(TEN, id="x")), id="river")
        feed = a_feed(race(TEN), other)
        late, early = an_edition(race(TEN), seen=LATER), an_edition(other)
        feed = structs.replace(feed, timetables=(timetable_of(early), timetable_of(late)))
        assert [each.guid for each in build_items(feed)] == ["ten@intervals.run", "x@intervals.run"]


HOSTILE = """<script>alert('x')</script><img src=x onerror="alert(1)"> & </p> &lt;b&gt; ]]>"""


class TestHtml:
    RUN = with_(TEN, distance_label=HOSTILE, status=HOSTILE, registration_override=HOSTILE)
    EVENT = race(RUN, FIVE, name=HOSTILE, location=HOSTILE)

    def hostile_items(self):
        moved = race(
            *(with_(run, start_time=NINE, registration_opens=OPENS) for run in self.EVENT.runs),
            name=HOSTILE,
            location=HOSTILE.upper(),
            description=f"{HOSTILE}\n\n<b>{HOSTILE}</b>",
        )
        edition = published(first(self.EVENT), moved)
        found = items_of(edition, AFTER)
        assert {each.guid.partition("/")[2][:9] for each in found} == {"", "moved/202", "registrat"}
        return found

    def test_all_that_comes_from_outside_is_escaped(self):
        for each in self.hostile_items():
            tree = tree_of(each)
            elements = {element.tag for element in tree.iterdescendants()}
            assert elements <= {"p", "br", "a"}
            assert {name for element in tree.iter() for name in element.attrib} <= {"href"}

    def test_and_is_told_as_it_is(self):
        moved = next(each for each in self.hostile_items() if "/moved" in each.guid)
        assert HOSTILE.upper() in text_of(moved)
        assert f"before: Sat 14 Jun 2025, 08:00, {HOSTILE}" in text_of(moved)
        assert f"{HOSTILE}: Sat 14 Jun 2025, 09:00" in text_of(moved)
        own = next(each for each in self.hostile_items() if each.guid == "ten@intervals.run")
        assert f"Status given by the organizer: {HOSTILE}" in text_of(own)
        assert f"<b>{HOSTILE}</b>" in text_of(own)

    def test_titles_are_plain(self):
        for each in self.hostile_items():
            assert "<" not in each.title
            assert "&lt;" not in each.title

    def test_an_address_cannot_leave_its_attribute(self):
        # Sources give URIs, which have no quotes; the page's address is the deployment's.
        evil = 'https://club.example/"onclick="alert(1)'
        (found,) = items_of(first(race(with_(TEN, registration_url=evil))))
        assert evil not in found.html
        links = tree_of(found).iter("a")
        assert [dict(link.attrib) for link in links] == [{"href": evil}, {"href": PAGE}]


# Marks and Last-Modified: a feed's bytes at any time, from what is known of it.


def rendered(edition, now, extension="rss", **options):
    """The bytes of a feed and its Last-Modified, None if it has no entry."""
    feed = feed_of(edition, now, extension, **options)
    return (
        (FORMATS[extension].render(feed), compute_last_modified(feed))
        if select_entries(feed)
        else None
    )


class TestMarks:
    EDITION = published(
        first(
            race(
                with_(TEN, **WINDOW),
                with_(FIVE, **WINDOW),
                with_(HALF, registration_closes=OPENS + HOUR),
                *cancelled(with_(TEN, id="off", registration_opens=OPENS + 2 * HOUR)),
            )
        ),
        race(
            with_(TEN, **WINDOW),
            with_(HALF, registration_closes=OPENS + HOUR),
            *cancelled(with_(TEN, id="off", registration_opens=OPENS + 2 * HOUR)),
        ),
        OPENS + DAY,
    )
    LEFT = OPENS + 31 * DAY

    @pytest.mark.parametrize(
        ("options", "expected", "left"),
        [
            ({}, {OPENS, OPENS + HOUR, CLOSES}, {LEFT}),
            ({"run": ("half",)}, {OPENS + HOUR}, set()),
            ({"run": ("five",)}, {OPENS}, {LEFT}),
            ({"distance": ("10K",)}, {OPENS, CLOSES}, set()),
            ({"run": ("off",)}, set(), set()),
        ],
        ids=str,
    )
    def test_they_are_those_of_the_runs_that_a_feed_has(self, options, expected, left):
        feed = feed_of(self.EDITION, NOW, **options)
        assert set(find_turn_times(feed)) == expected
        assert set(find_removal_times(feed)) == left

    def test_they_are_not_those_of_the_time_before_a_run_came_to_a_feed(self):
        edition = published(
            first(race(with_(TEN, **WINDOW))),
            race(with_(TEN, distance_standard="5K", **WINDOW)),
            OPENS + HOUR,
        )
        assert set(find_turn_times(feed_of(edition, distance=("5K",)))) == {CLOSES}
        assert set(find_turn_times(feed_of(edition))) == {OPENS, CLOSES}

    def test_the_bytes_change_at_each_of_them_and_at_no_other_time(self):
        turns = sorted({OPENS, OPENS + HOUR, CLOSES, self.LEFT})
        before = [rendered(self.EDITION, at - SECOND) for at in turns]
        after = [rendered(self.EDITION, at) for at in turns]
        late = rendered(self.EDITION, self.LEFT + 1000 * DAY)
        assert len({each[0] for each in (*before, late) if each}) == len(turns) + 1
        assert [*before[1:], late] == after

    def test_a_calendar_changes_when_a_run_leaves_and_at_no_other_time(self):
        at = [rendered(self.EDITION, when, "ics") for when in (NOW, CLOSES, self.LEFT - SECOND)]
        assert at[0] == at[1] == at[2]
        assert rendered(self.EDITION, self.LEFT, "ics") != at[0]
        assert rendered(self.EDITION, self.LEFT + 1000 * DAY, "ics") == rendered(
            self.EDITION, self.LEFT, "ics"
        )

    def test_an_event_whose_runs_have_all_left_is_shown_itself(self):
        gone = then(
            first(race(TEN, FIVE, point=CHICAGO)),
            race(
                *(with_(run, unlisted=LATER, withdrawn=True) for run in (TEN, FIVE)), point=CHICAGO
            ),
        )
        (found,) = items_of(gone, LATER + 30 * DAY)
        assert found.guid == "harbor@intervals.run"
        body, changed = rendered(gone, LATER + 30 * DAY, "ics") or (b"", None)
        assert b"UID:harbor@intervals.run" in body
        assert changed == LATER + 30 * DAY

    def test_the_end_of_a_run_does_not_change_when_another_leaves(self):
        event = race(TEN, HALF, end_time=time(15))
        for ended in (True, False):
            left = with_(HALF, unlisted=LATER, withdrawn=not ended)
            edition = then(first(event), structs.replace(event, runs=(TEN, left)))
            before, after = (
                next(
                    each for each in select_entries(feed_of(edition, now, "ics")) if each.run == TEN
                )
                for now in (LATER, LATER + 31 * DAY)
            )
            assert before == after


class TestLastModified:
    """It moves if and only if the bytes do, and never back."""

    RUNS = (with_(TEN, **WINDOW), with_(TEN, id="again"), FIVE)
    FEEDS: tuple[dict[str, Any], ...] = (
        {},
        {"run": ("ten",)},
        {"run": ("again",)},
        {"run": ("five",)},
        {"distance": ("10K",)},
        {"distance": ("5K",)},
        {"distance": ("5K", "10K")},
        {"run": ("again", "five"), "distance": ("10K",)},
        {"run": ("ten", "five"), "distance": ("5K",)},
    )
    ALL, TEN_ONLY, AGAIN_ONLY, FIVE_ONLY, TENS, FIVES, BOTH, NOT_TEN, JUST_FIVE = range(9)

    def event(self, **fields):
        """The event with other fields of its 10K."""
        return race(with_(self.RUNS[0], **fields), *self.RUNS[1:])

    def moved(self, known, edition, before, after, extension):
        """Which feeds' Last-Modified moved, after making sure of their bytes."""
        found = set()
        for number, options in enumerate(self.FEEDS):
            was = rendered(known, before, extension, **options)
            now = rendered(edition, after, extension, **options)
            if was is None or now is None:
                continue
            assert (was[0] != now[0]) == (was[1] != now[1]), options
            assert now[1] >= was[1], options
            if was[1] != now[1]:
                found.add(number)
        return found

    def moved_by(self, event, now=LATER):
        known = first(self.event())
        edition = published(known, event, now)
        calendar = self.moved(known, edition, NOW, now, "ics")
        assert self.moved(known, edition, NOW, now, "rss") == calendar
        return calendar

    @pytest.mark.parametrize(
        "fields",
        [
            {"start_time": NINE},
            {"date": SUN},
            {"sold_out": True},
            {"status": "cancelled"},
            {"distance_label": "Ten"},
            {"registration_closes": CLOSES + DAY},
            {"registration_override": "closed"},
            {"registration_url": JOIN},
        ],
        ids=str,
    )
    def test_an_edit_of_a_run_moves_that_of_the_feeds_that_have_it(self, fields):
        assert self.moved_by(self.event(**fields)) == {
            self.ALL,
            self.TEN_ONLY,
            self.TENS,
            self.BOTH,
        }

    def test_an_edit_of_the_event_moves_that_of_all_feeds(self):
        event = structs.replace(self.event(), location="Navy Pier")
        assert self.moved_by(event) == set(range(len(self.FEEDS)))

    def test_what_shows_nowhere_moves_none(self):
        assert self.moved_by(structs.replace(self.event(), slug="other")) == set()

    def test_a_run_that_becomes_another_distance_moves_that_of_the_feeds_it_leaves(self):
        moved = self.moved_by(self.event(distance_standard="Other"))
        assert moved == {self.ALL, self.TEN_ONLY, self.TENS, self.BOTH}

    def test_and_of_those_that_it_comes_to(self):
        moved = self.moved_by(self.event(distance_standard="5K"))
        assert moved == {self.ALL, self.TEN_ONLY, self.TENS, self.FIVES, self.BOTH, self.JUST_FIVE}

    def test_a_run_that_is_withdrawn_moves_that_of_the_feeds_that_have_it(self):
        moved = self.moved_by(race(*self.RUNS[1:]))
        assert moved == {self.ALL, self.TEN_ONLY, self.TENS, self.BOTH}

    def test_a_past_run_that_is_tidied_away_moves_none(self):
        known, now = first(self.event()), NOW + 20 * DAY
        edition = published(known, race(*self.RUNS[1:]), now)
        for extension in FORMATS:
            assert self.moved(known, edition, now, now, extension) == set()

    def test_a_past_run_that_comes_back_after_it_had_left_moves_that_of_its_feeds(self):
        gone, back = NOW + 20 * DAY, NOW + 60 * DAY
        left = published(first(self.event()), race(*self.RUNS[1:]), gone)
        edition = published(left, self.event(), back)
        for extension in FORMATS:
            moved = self.moved(left, edition, back, back, extension)
            assert moved == {self.ALL, self.TENS, self.BOTH}

    def test_a_run_that_is_added_moves_that_of_the_feeds_that_have_it(self):
        known = first(self.event())
        edition = published(known, race(*self.RUNS, with_(FIVE, id="new")))
        for extension in FORMATS:
            moved = self.moved(known, edition, NOW, LATER, extension)
            assert moved == {self.ALL, self.FIVES, self.BOTH}

    @pytest.mark.parametrize("at", [OPENS, CLOSES], ids=["opens", "closes"])
    def test_registration_that_turns_moves_that_of_the_channels_that_have_the_run(self, at):
        edition = first(self.event())
        assert self.moved(edition, edition, at - SECOND, at, "ics") == set()
        moved = self.moved(edition, edition, at - SECOND, at, "rss")
        assert moved == {self.ALL, self.TEN_ONLY, self.TENS, self.BOTH}
        assert compute_last_modified(feed_of(edition, at + HOUR)) == at

    def test_a_run_that_leaves_moves_that_of_the_feeds_that_had_it(self):
        edition = published(first(self.event()), race(*self.RUNS[1:]), AFTER)
        left = AFTER + 30 * DAY
        for extension in FORMATS:
            moved = self.moved(edition, edition, left - SECOND, left, extension)
            assert moved == {self.ALL, self.TENS, self.BOTH}
            assert compute_last_modified(feed_of(edition, left + DAY, extension)) == left


PARTS = {
    "ten": with_(TEN, **WINDOW),
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
edits = st.one_of(
    *(
        st.tuples(st.sampled_from(sorted(PARTS)), st.just(name), st.sampled_from(values))
        for name, values in EDITS.items()
    ),
    *(
        st.tuples(st.sampled_from(sorted(PARTS)), st.just(what), st.none())
        for what in ("remove", "restore")
    ),
    st.tuples(st.just("event"), st.just("location"), st.sampled_from([None, "Pier", "Park"])),
    st.tuples(st.just("event"), st.just("description"), st.sampled_from([None, "News"])),
)
lives = st.lists(
    st.tuples(
        st.sampled_from([HOUR, DAY, 6 * DAY, 31 * DAY]), st.lists(edits, min_size=0, max_size=3)
    ),
    min_size=1,
    max_size=5,
)


def lived(steps):
    """The editions of an event's life and when each was fetched; the third run is added to it."""
    runs, of_event = {each: PARTS[each] for each in ("ten", "five")}, {}
    now, edition = NOW, first(race(*runs.values()))
    yield now, edition
    for duration, step in steps:
        now += duration
        for who, name, to in step:
            if who == "event":
                of_event[name] = to
            elif name == "remove" and len(runs) > 1:
                runs.pop(who, None)
            elif name == "restore":
                runs.setdefault(who, PARTS[who])
            elif who in runs and name in EDITS:
                runs[who] = with_(runs[who], **{name: to})
        edition = published(edition, race(*runs.values(), **of_event), now)
        yield now, edition


CHANNELS: tuple[dict[str, Any], ...] = (
    {},
    {"run": ("again", "ten")},
    {"distance": ("10K",)},
    {"run": ("five",), "distance": ("5K",)},
)


class TestLives:
    @given(lives)
    @settings(max_examples=50, deadline=None)
    def test_last_modified_moves_with_the_bytes_and_never_back(self, steps):
        last: dict[tuple[str, int], Any] = {}
        for now, edition in lived(steps):
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
    def test_a_reader_that_keeps_guids_sees_each_change_once(self, steps):
        seen: list[set[str]] = [set() for _ in CHANNELS]
        last: list[set[str]] = [set() for _ in CHANNELS]
        before = None
        for now, edition in lived(steps):
            for number, options in enumerate(CHANNELS):
                feed = feed_of(edition, now, **options)
                shown = {entry.run.id for entry in select_entries(feed)}
                found = build_items(feed)
                guids = {each.guid for each in found}
                assert len(guids) == len(found)
                assert [each.published for each in found] == sorted(
                    (each.published for each in found), reverse=True
                )
                new = [each for each in found if each.guid not in seen[number]]
                for each in new:
                    assert each.published <= now
                    came = each.guid.partition("@")[0] in shown - last[number]
                    assert before is None or each.published > before or came
                for group in group_changes(each for each in edition.changes if each.noticed == now):
                    told = {each.run for each in group} & shown
                    if told and group[0].kind not in KINDS_WITHOUT_ITEM:
                        assert [
                            each
                            for each in new
                            if each.published == now and f"/{group[0].kind}" in each.guid
                        ]
                seen[number] |= guids
                last[number] = shown
            before = now

    @given(lives)
    @settings(max_examples=50, deadline=None)
    def test_the_items_change_at_each_mark_and_at_no_other_instant(self, steps):
        *_, (_, edition) = lived(steps)
        for options in CHANNELS:
            unread = structs.replace(feed_of(edition, **options), as_of=None)
            turns = {*find_turn_times(unread), *find_removal_times(unread)}
            for at in turns:
                before, after = (
                    build_items(feed_of(edition, each, **options)) for each in (at - SECOND, at)
                )
                assert before != after
            windows = {OPENS, CLOSES, *(turn + DAY for turn in turns)}
            for at in sorted(windows | turns):
                exactly = structs.replace(unread, as_of=at)
                assert build_items(feed_of(edition, at, **options)) == build_items(exactly)

    @given(lives)
    @settings(max_examples=25, deadline=None)
    def test_an_item_of_a_feed_tells_only_of_its_runs(self, steps):
        *_, (now, edition) = lived(steps)
        for options in CHANNELS:
            kept = {run.id for run in edition.event.runs if selects(Options(**options), run)}
            for each in items_of(edition, now, **options):
                assert each.guid.partition("@")[0] in kept | {"harbor"}


class TestMany:
    def test_runs_past_the_most_have_neither_items_of_their_own_nor_marks(self):
        runs = [with_(TEN, id=f"r{number:04}", **WINDOW) for number in range(MAX_RUNS + 1)]
        feed = structs.replace(a_feed(race(*runs)), as_of=None)
        assert len(build_items(feed)) == MAX_RUNS
        assert len(list(find_turn_times(feed))) == 2 * MAX_RUNS

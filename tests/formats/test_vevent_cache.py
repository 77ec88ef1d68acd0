"""Cached VEVENTs: a feed is never out of date, whatever changed since the cache was filled."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import (
    Change,
    Edition,
    Event,
    Kind,
    PendingRemoval,
    Recurrence,
    Revision,
    Run,
    State,
)
from feeds.domain.options import Options
from feeds.formats import ical
from feeds.service.revisions import revise
from tests.support.factories import (
    HOME,
    NOW,
    PUBLIC_URL,
    a_feed,
    a_run,
    an_edition,
    an_event,
    timetable_of,
)

SUMMER = datetime(2025, 6, 1, 5, tzinfo=UTC)
AUTUMN = datetime(2025, 11, 2, 7, 30, tzinfo=UTC)  # 01:30 for the second time in Chicago
PIER, ROCKS = (43.0389, -87.9065), (40.0150, -105.2705)
TEN = a_run(
    distance_meters=10_000.0,
    start_time=time(7),
    registration_url="https://register.example.org/1",
    registration_opens=SUMMER - timedelta(days=9),
    registration_closes=SUMMER,
)
FIVE = a_run(id="r5k", distance_label="5K", distance_standard="5K", distance_meters=5_000.0)

RUNS: dict[str, list[Any]] = {
    "id": ["another"],
    "distance_meters": [0.0, 5_000.0, 160_934.4],
    "distance_standard": ["", "5K", "6h, day"],
    "distance_label": ["", "Run", "5K; kids"],
    "date": [date(2025, 6, 15), date(2025, 11, 2)],
    "start_time": [None, time(1, 30), time(9, 0, 30)],
    "status": ["cancelled", "postponed", "rescheduled", "On Hold"],
    "registration_url": [None, "https://register.example.org/2"],
    "registration_opens": [None, SUMMER, AUTUMN],
    "registration_closes": [None, AUTUMN],
    "registration_override": ["paused", "closed", "Hold"],
    "sold_out": [True],
    "virtual": [True],
    "relay": [True],
    "walking": [True],
    "unlisted": [NOW],
    "withdrawn": [True],
    "left": [True],
    "unread": [("status",), ("virtual", "sold_out")],
}
EVENTS: dict[str, list[Any]] = {
    "id": ["pier"],
    "organization_id": ["another"],
    "name": ["Harbor Run", "Pier <b>Run</b>"],
    "slug": ["pier"],
    "type": ["runClub", "parade"],
    "date": [date(2025, 6, 15)],
    "start_time": [None, time(8)],
    "end_date": [None, date(2025, 6, 16)],
    "end_time": [None, time(17)],
    "location": [None, "Pier 2"],
    "point": [None, ROCKS, (0.0, 0.5)],
    "description": [None, "Bring water."],
    "website_url": [None, "https://pier.example.org"],
    "registration_url": ["https://register.example.org/all"],
    "recurrences": [(Recurrence(days=(2,)),)],
    "runs": [(), (TEN,), (TEN, structs.replace(FIVE, id="late"))],
    "unread": [("start_time",), ("end_date",), ("point",)],
}
REVISIONS: dict[str, list[Any]] = {
    "created": [NOW - timedelta(days=1)],
    "last_modified": [NOW + timedelta(hours=1)],
    "sequence": [170_000_001],
    "content": ["other"],
    "schedule": ["other"],
}
OPTIONS: dict[str, list[Any]] = {
    "run": [("r10k",), ("r5k",)],
    "event": [("harbor",), ("another",)],
    "type": ["race", "runClub"],
    "distance": [("10K",)],
    "virtual": ["yes", "no"],
    "first": [date(2025, 6, 14), date(2025, 6, 15)],
    "last": [date(2025, 6, 13), date(2025, 6, 14)],
    "limit": [1],
    "days": [1, 999],
    "cancelled": ["keep", "drop"],
    "busy": [True],
    "registration": [True],
    "download": [True],
}
MOVE = Change(
    run="r10k",
    kind=Kind.MOVED,
    was=State(start="2025-06-14T07:00:00", zone=HOME, place="The old pier"),
    now=State(start="2025-06-14T08:00:00", zone=HOME, place="The pier"),
    noticed=NOW,
)
EDITIONS: dict[str, list[Any]] = {
    "revisions": [{}],
    "changes": [
        (MOVE,),
        (structs.replace(MOVE, was=structs.replace(MOVE.was, start="2025-06-13")),),
        (structs.replace(MOVE, kind=Kind.SOLD_OUT, nth=2),),
    ],
    "numbers": [{"r10k/cancelled/": 1}],
    "modified": [NOW + timedelta(hours=1)],
    "token": ["another"],
    "event": [],  # its fields are above
    "fetched": [NOW + timedelta(hours=1)],
    "gone": [NOW],
    "pending": [{"r10k": PendingRemoval(NOW, 1)}],
    "deployment": ["next"],
    "etag": ['"2"'],
}
FEEDS: dict[str, list[Any]] = {
    "title": ["Pier Run"],
    "page": ["https://other.example.org/events/harbor"],
    "source": ["https://other.example.org/events/harbor.ics"],
    "public_url": ["https://other.example.org"],
    "timezone": ["America/Denver", "Africa/Cairo"],  # Cairo's is written in UTC
    "locale": ["en_GB"],
    "timetables": [],  # their fields are above
    "options": [],
    "listed": [NOW],
    "about": ["This group is paused."],
}
FIELDS: dict[type, dict[str, list[Any]]] = {
    Run: RUNS,
    Event: EVENTS,
    Revision: REVISIONS,
    Options: OPTIONS,
    Edition: EDITIONS,
    Feed: FEEDS,
}
"""For each field of what a feed is made of, what else it may be."""

ALTERNATIVES = [
    pytest.param({(of, field): value}, id=f"{of.__name__}.{field}={value!r:.40}")
    for of, fields in FIELDS.items()
    for field, values in fields.items()
    for value in values
]


def a_feed_with(changed: Mapping[tuple[type, str], Any] = MappingProxyType({})) -> Feed:
    """A feed of which every part tells something, but for what is changed.

    Its objects are others at each call. A change of a run is one of the first run.
    """

    def pick(of: type) -> dict[str, Any]:
        return {field: value for (each, field), value in changed.items() if each is of}

    event = an_event(
        TEN,
        FIVE,
        name="Harbor 10K",
        location='The "old" pier',
        point=PIER,
        description="Flat.\n\nFast.",
        website_url="https://harbor.example.org",
        start_time=time(7, 30),
        end_time=time(11),
        end_date=date(2025, 6, 14),
    )
    event = structs.replace(event, **pick(Event))
    if event.runs:
        first = structs.replace(event.runs[0], **pick(Run))
        event = structs.replace(event, runs=(first, *event.runs[1:]))
    edition = an_edition(event)
    revisions = {
        id_: structs.replace(revision, **pick(Revision))
        for id_, revision in edition.revisions.items()
    }
    edition = structs.replace(edition, **{"revisions": revisions} | pick(Edition))
    feed = a_feed(event, **pick(Options))
    feed = structs.replace(feed, **pick(Feed))
    return structs.replace(feed, timetables=(timetable_of(edition, feed.timezone),))


def rendered(feed: Feed) -> tuple[bytes, list[bytes]]:
    """The calendar, and the contents that decide whether a revision rises."""
    calendar = ical.render(feed) if select_entries(feed) else b""
    return calendar, [content for _, content in ical.render_contents(feed)]


PASTS: tuple[dict[tuple[type, str], Any], ...] = (
    {(Options, "registration"): True},
    {(Run, "status"): "cancelled"},
    {(Run, "left"): True},
    {(Event, "runs"): ()},
    {(Event, "point"): None},
)


@pytest.mark.parametrize("of", FIELDS)
def test_every_field_of_the_model_is_changed_by_these_tests(of):
    assert {field.name for field in structs.fields(of)} == FIELDS[of].keys()


@pytest.mark.parametrize("change", ALTERNATIVES)
def test_after_any_change_a_feed_is_as_with_an_empty_cache(change):
    for past in PASTS:
        ical.vevent_cache.clear()
        expected = rendered(a_feed_with(past | change))
        ical.vevent_cache.clear()
        rendered(a_feed_with(past))
        assert rendered(a_feed_with(past | change)) == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ALTERNATIVES), min_size=2, max_size=8))
def test_after_many_changes_and_their_undoing_feeds_are_as_with_an_empty_cache(history):
    changed: dict[tuple[type, str], Any] = {}
    feeds = [a_feed_with()]
    for each in history:
        changed |= each.values[0]
        feeds.append(a_feed_with(changed))
    ical.vevent_cache.clear()
    there_and_back = [rendered(feed) for feed in feeds + feeds[::-1]]
    assert there_and_back == there_and_back[::-1]
    for feed, was in zip(feeds, there_and_back, strict=False):
        ical.vevent_cache.clear()
        assert rendered(feed) == was


def publish(known: Edition | None, event: Event) -> Feed:
    """The feed of the edition that follows ``known``."""
    now = NOW + timedelta(hours=bool(known))
    edition = Edition(event=event, fetched=now, revisions=known.revisions if known else {})
    timetable = revise(
        timetable_of(known) if known else None, edition, now, HOME, PUBLIC_URL, locale="en_US"
    )
    return structs.replace(a_feed(event), timetables=(timetable,))


def test_a_refresh_renders_the_run_that_changed_and_no_other():
    ical.vevent_cache.clear()
    runs = [a_run(id=f"r{number}", start_time=time(8)) for number in range(20)]
    first = publish(None, an_event(*runs))
    ical.render(first)
    before = set(ical.vevent_cache)
    runs[7] = structs.replace(runs[7], sold_out=True)

    again = an_event(*(structs.replace(run) for run in runs))
    ical.render(publish(first.timetables[0].edition, again))

    # One VEVENT was rendered to compare its content, the other one with the new revision.
    added: list[Any] = [key for key in ical.vevent_cache if key not in before]
    assert {entry.run.id for entry, *_ in added} - {"harbor"} == {"r7"}


def test_a_filter_renders_no_run_again():
    ical.vevent_cache.clear()
    ical.render(a_feed_with())
    before = set(ical.vevent_cache)

    ical.render(a_feed_with({(Options, "run"): ("r5k",), (Options, "download"): True}))
    ical.render(a_feed_with({(Options, "distance"): ("10K",)}))

    assert set(ical.vevent_cache) == before


def test_the_cache_is_bounded_in_bytes():
    ical.vevent_cache.clear()
    runs = [a_run(id=f"r{number}") for number in range(500)]
    ical.render(a_feed(an_event(*runs, description=2_000 * "\N{RUNNER}")))

    assert 0 < ical.vevent_cache.currsize <= ical.MAX_CACHE_BYTES
    assert 0 < len(ical.vevent_cache) < 500 + 500  # with the text, and without


def test_the_keys_of_the_cache_hold_one_change_of_each_run():
    moves = [
        Change(
            run="r10k",
            kind=Kind.MOVED,
            was=State(start=f"2025-06-{day}", zone=HOME),
            now=State(start=f"2025-06-{day + 1}", zone=HOME),
            noticed=NOW,
        )
        for day in range(10, 14)
    ]
    ical.vevent_cache.clear()
    edition = an_edition(an_event(a_run()), changes=tuple(moves))
    ical.render(structs.replace(a_feed(edition.event), timetables=(timetable_of(edition),)))

    added: list[Any] = list(ical.vevent_cache)
    told = structs.replace(moves[-1], was=moves[0].was)  # rules 5.15
    assert [entry.changes for entry, *_ in added] == [(told,)]

"""Cached VEVENTs: a feed is never out of date, whatever changed since the cache was filled."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
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
    Options,
    PendingRemoval,
    Revision,
    Run,
    State,
)
from feeds.formats import ical
from feeds.service.revisions import revise
from tests.support.factories import (
    HOME,
    NOW,
    PAGE,
    a_feed,
    a_run,
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
    "runs": [(), (TEN,), (TEN, structs.replace(FIVE, id="late"))],
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
    "distance": [("10K",)],
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
    "event": [],  # its fields are above
    "fetched": [NOW + timedelta(hours=1)],
    "revisions": [{}],
    "changes": [
        (MOVE,),
        (structs.replace(MOVE, was=structs.replace(MOVE.was, start="2025-06-13")),),
        (structs.replace(MOVE, kind=Kind.SOLD_OUT, nth=2),),
    ],
    "gone": [NOW],
    "pending": [{"r10k": PendingRemoval(NOW, 1)}],
    "deployment": ["next"],
    "etag": ['"2"'],
    "version": [2],
}
FEEDS: dict[str, list[Any]] = {
    "title": ["Pier Run"],
    "page": ["https://other.example.org/events/harbor"],
    "source": ["https://other.example.org/events/harbor.ics"],
    "timezone": ["America/Denver", "Africa/Cairo"],  # Cairo's is written in UTC
    "timetables": [],  # their fields are above
    "options": [],
    "as_of": [SUMMER, AUTUMN, NOW + timedelta(days=31)],
    "deployed_at": [NOW + timedelta(days=1)],
    "now": [NOW - timedelta(seconds=1), NOW + timedelta(days=365)],
}
"""For each field of what a feed is made of, what else it may be."""


def the_feed() -> Feed:
    """A feed of which every part tells something; its event is another object at each call."""
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
    return a_feed(event)


def edition_of(feed: Feed) -> Edition:
    return feed.timetables[0].edition


def with_timetable(feed: Feed, edition: Edition) -> Feed:
    return structs.replace(feed, timetables=(timetable_of(edition, feed.timezone),))


def with_feed(feed: Feed, **fields: Any) -> Feed:
    return with_timetable(structs.replace(feed, **fields), edition_of(feed))


def with_run(feed: Feed, **fields: Any) -> Feed:
    """The feed when something of its first run is different."""
    runs = edition_of(feed).event.runs
    return with_event(feed, runs=(structs.replace(runs[0], **fields), *runs[1:]) if runs else ())


def with_event(feed: Feed, **fields: Any) -> Feed:
    return with_edition(feed, event=structs.replace(edition_of(feed).event, **fields))


def with_edition(feed: Feed, **fields: Any) -> Feed:
    return with_timetable(feed, structs.replace(edition_of(feed), **fields))


def with_revision(feed: Feed, **fields: Any) -> Feed:
    revisions = edition_of(feed).revisions
    return with_edition(
        feed,
        revisions={id_: structs.replace(revision, **fields) for id_, revision in revisions.items()},
    )


def with_options(feed: Feed, **fields: Any) -> Feed:
    return structs.replace(feed, options=structs.replace(feed.options, **fields))


KINDS: tuple[tuple[type, dict[str, list[Any]], Callable[..., Feed]], ...] = (
    (Run, RUNS, with_run),
    (Event, EVENTS, with_event),
    (Revision, REVISIONS, with_revision),
    (Options, OPTIONS, with_options),
    (Edition, EDITIONS, with_edition),
    (Feed, FEEDS, with_feed),
)
CHANGES = [
    pytest.param(change, {field: value}, id=f"{of.__name__}.{field}={value!r:.40}")
    for of, fields, change in KINDS
    for field, values in fields.items()
    for value in values
]


def rendered(feed: Feed) -> tuple[bytes, list[bytes]]:
    """The calendar, and the contents that decide whether a revision rises."""
    calendar = ical.render(feed) if select_entries(feed) else b""
    return calendar, [content for _, content in ical.render_contents(feed)]


def publish(known: Edition | None, event: Event) -> Edition:
    edition = Edition(event=event, fetched=NOW, revisions=known.revisions if known else {})
    before = timetable_of(known) if known else None
    return revise(before, edition, NOW + timedelta(hours=bool(known)), HOME, PAGE).edition


PASTS = (
    with_options(the_feed(), registration=True),
    with_run(the_feed(), status="cancelled"),
    structs.replace(the_feed(), as_of=NOW + timedelta(days=31)),
    with_event(the_feed(), runs=()),
    with_event(the_feed(), point=None),
)


@pytest.mark.parametrize(("of", "fields"), [(of, fields) for of, fields, _ in KINDS])
def test_every_field_of_the_model_is_changed_by_these_tests(of, fields):
    assert [field.name for field in structs.fields(of)] == list(fields)


@pytest.mark.parametrize(("change", "fields"), CHANGES)
def test_after_any_change_a_feed_is_as_with_an_empty_cache(change, fields):
    for before in PASTS:
        changed = change(before, **fields)
        ical.vevent_cache.clear()
        expected = rendered(changed)
        ical.vevent_cache.clear()
        rendered(before)
        assert rendered(changed) == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(CHANGES), min_size=2, max_size=8))
def test_after_many_changes_and_their_undoing_feeds_are_as_with_an_empty_cache(history):
    feeds = [the_feed()]
    for each in history:
        change, fields = each.values
        feeds.append(change(feeds[-1], **fields))
    ical.vevent_cache.clear()
    there_and_back = [(feed, rendered(feed)) for feed in feeds + feeds[::-1]]
    for feed, was in there_and_back[: len(feeds)]:
        ical.vevent_cache.clear()
        assert rendered(feed) == was
    assert [was for _, was in there_and_back] == [was for _, was in there_and_back[::-1]]


def test_a_refresh_renders_the_run_that_changed_and_no_other():
    ical.vevent_cache.clear()
    runs = [a_run(id=f"r{number}", start_time=time(8)) for number in range(20)]
    first = publish(None, an_event(*runs))
    ical.render(with_timetable(the_feed(), first))
    before = set(ical.vevent_cache)
    runs[7] = structs.replace(runs[7], sold_out=True)

    second = publish(first, an_event(*(structs.replace(run) for run in runs)))
    ical.render(with_timetable(the_feed(), second))

    # One VEVENT was rendered to compare its content, the other one with the new revision.
    added: list[Any] = [key for key in ical.vevent_cache if key not in before]
    assert {entry.run.id for entry, *_ in added} - {"harbor"} == {"r7"}


def test_a_filter_renders_no_run_again():
    ical.vevent_cache.clear()
    whole = the_feed()
    ical.render(whole)
    before = set(ical.vevent_cache)

    ical.render(with_options(whole, run=("r5k",), download=True))
    ical.render(with_options(whole, distance=("10K",)))

    assert set(ical.vevent_cache) == before


def test_the_cache_is_bounded_in_bytes():
    ical.vevent_cache.clear()
    text = "Bring water. " * 20_000
    for number in range(20):
        ical.render(a_feed(an_event(a_run(id=f"r{number}"), description=text)))

    assert 0 < ical.vevent_cache.currsize <= ical.MAX_CACHE_BYTES
    assert len(ical.vevent_cache) < 20

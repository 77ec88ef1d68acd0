"""What is remembered, and above all that nothing is told that is out of date."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain import schedule
from feeds.domain.memo import BESIDES, Memo, memo
from feeds.domain.model import (
    Change,
    Edition,
    Event,
    Feed,
    Kind,
    Options,
    PendingRemoval,
    Revision,
    Run,
    State,
)
from feeds.formats import FORMATS, ical, jsonld
from feeds.service.revisions import revise
from feeds.text import wording
from tests.support.factories import HOME, NOW, PAGE, a_feed, a_run, an_edition, an_event

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
STAMPS: dict[str, list[Any]] = {
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
    "pending": [PendingRemoval("gone", NOW)],
    "deployment": ["next"],
    "etag": ['"2"'],
    "version": [2],
}
FEEDS: dict[str, list[Any]] = {
    "title": ["Pier Run"],
    "page": ["https://other.example.org/events/harbor"],
    "source": ["https://other.example.org/events/harbor.ics"],
    "timezone": [
        "America/Denver",
        "Africa/Cairo",
        "America/Menominee",
    ],  # Cairo's is written in UTC
    "editions": [],  # their fields are above
    "options": [],
    "at": [SUMMER, AUTUMN, NOW + timedelta(days=31)],
    "since": [NOW + timedelta(days=1)],
    "upto": [NOW - timedelta(seconds=1), NOW + timedelta(days=365)],
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
    source = f"{PAGE}.ics"
    return Feed(
        title=event.name, page=PAGE, source=source, timezone=HOME, editions=(an_edition(event),)
    )


def with_run(feed: Feed, **fields: Any) -> Feed:
    """The feed when something of its first run is different."""
    runs = feed.editions[0].event.runs
    return with_event(feed, runs=(structs.replace(runs[0], **fields), *runs[1:]) if runs else ())


def with_event(feed: Feed, **fields: Any) -> Feed:
    return with_edition(feed, event=structs.replace(feed.editions[0].event, **fields))


def with_edition(feed: Feed, **fields: Any) -> Feed:
    return structs.replace(feed, editions=(structs.replace(feed.editions[0], **fields),))


def with_revision(feed: Feed, **fields: Any) -> Feed:
    revisions = feed.editions[0].revisions
    return with_edition(
        feed,
        revisions={id_: structs.replace(revision, **fields) for id_, revision in revisions.items()},
    )


def with_options(feed: Feed, **fields: Any) -> Feed:
    return structs.replace(feed, options=structs.replace(feed.options, **fields))


KINDS: tuple[tuple[type, dict[str, list[Any]], Callable[..., Feed]], ...] = (
    (Run, RUNS, with_run),
    (Event, EVENTS, with_event),
    (Revision, STAMPS, with_revision),
    (Options, OPTIONS, with_options),
    (Edition, EDITIONS, with_edition),
    (Feed, FEEDS, structs.replace),
)
CHANGES = [
    pytest.param(change, {field: value}, id=f"{of.__name__}.{field}={value!r:.40}")
    for of, fields, change in KINDS
    for field, values in fields.items()
    for value in values
]


def forget() -> None:
    memo.forget()
    schedule._entries.cache_clear()


def in_formats(feed: Feed) -> dict[str, object]:
    """What it is in all formats, and since when; a feed without entries is none."""
    if not schedule.select_entries(feed):
        return {}
    told = {extension: format_.render(feed) for extension, format_ in FORMATS.items()}
    return told | {
        "page": jsonld.render_script(feed),
        "changed": schedule.compute_last_modified(feed),
    }


def rendered(feed: Feed) -> tuple[object, ...]:
    """The feed in all formats, when they change by themselves, and the revisions that it gets."""
    edition, now = feed.editions[0], NOW + timedelta(days=1)
    known = structs.replace(edition, deployment="before")
    return (
        in_formats(feed),
        [list(format_.marks(feed)) for format_ in FORMATS.values()],
        revise(None, edition, now, feed.timezone, feed.page),
        revise(known, edition, now, feed.timezone, feed.page),
    )


def publish(known: Edition | None, event: Event) -> Edition:
    edition = Edition(event=event, fetched=NOW, revisions=known.revisions if known else {})
    return revise(known, edition, NOW + timedelta(hours=bool(known)), HOME, PAGE)


def a_feed_of(edition: Edition, extension: str) -> Feed:
    feed = a_feed(edition.event, extension=extension)
    return structs.replace(feed, editions=(edition,))


PASTS = {
    "as announced": with_options(the_feed(), registration=True),
    "cancelled": with_run(the_feed(), status="cancelled"),
    "a month later": structs.replace(the_feed(), at=NOW + timedelta(days=31)),
    "without runs": with_event(the_feed(), runs=()),
    "nowhere": with_event(the_feed(), point=None),
}
SILENT = {
    "Event.organization_id",
    "Event.slug",
    "Revision.content",
    "Revision.schedule",
    "Options.download",
    "Edition.fetched",
    "Edition.pending",
    "Edition.deployment",
    "Edition.etag",
    "Edition.version",
}
"""What is in no feed."""


class TestNothingIsToldThatIsOutOfDate:
    @pytest.mark.parametrize(("of", "fields"), [(of, fields) for of, fields, _ in KINDS])
    def test_every_field_of_what_a_feed_is_made_of_is_changed(self, of, fields):
        assert [field.name for field in structs.fields(of)] == list(fields)

    @pytest.mark.parametrize("before", PASTS.values(), ids=PASTS)
    @pytest.mark.parametrize(("change", "fields"), CHANGES)
    def test_after_any_change_a_feed_is_as_if_nothing_had_been_before(self, change, fields, before):
        changed = change(before, **fields)
        forget()
        anew = rendered(changed)
        forget()
        rendered(before)
        assert rendered(changed) == anew

    def test_a_run_is_written_in_utc_once_another_one_is_older_than_the_rules_of_their_zone(self):
        older = structs.replace(FIVE, registration_opens=datetime(2006, 6, 1, tzinfo=UTC))
        forget()
        local, in_utc = (ical.render(a_feed(an_event(TEN, other))) for other in (FIVE, older))
        assert b"DTSTART;TZID=America/Chicago:20250614T070000" in local
        assert b"DTSTART:20250614T120000Z" in in_utc

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.sampled_from(CHANGES), min_size=2, max_size=8))
    def test_so_it_is_after_many_and_when_they_are_undone(self, history):
        feeds = [the_feed()]
        for each in history:
            change, fields = each.values
            feeds.append(change(feeds[-1], **fields))
        forget()
        there_and_back = [(feed, rendered(feed)) for feed in feeds + feeds[::-1]]
        for feed, was in there_and_back[: len(feeds)]:
            forget()
            assert rendered(feed) == was
        assert [was for _, was in there_and_back] == [was for _, was in there_and_back[::-1]]

    def test_those_changes_can_be_seen(self):
        shown = {
            f"{of.__name__}.{field}"
            for of, fields, change in KINDS
            for field, values in fields.items()
            for value, feed in product(values, PASTS.values())
            if in_formats(change(feed, **{field: value})) != in_formats(feed)
        }
        nested = {"Edition.event", "Feed.editions", "Feed.options"}
        every = {f"{of.__name__}.{field}" for of, fields, _ in KINDS for field in fields}
        assert every - shown == SILENT | nested


class TestARefresh:
    @pytest.mark.parametrize("extension", FORMATS)
    def test_of_a_run_that_changed_makes_that_run_anew_and_no_other(self, extension, monkeypatch):
        forget()
        runs = [a_run(id=f"r{number}", start_time=time(8)) for number in range(20)]
        first = publish(None, an_event(*runs))
        for each in {"ics", extension}:
            FORMATS[each].render(a_feed_of(first, each))
        told = told_of(monkeypatch)
        runs[7] = structs.replace(runs[7], sold_out=True)
        second = publish(first, an_event(*(structs.replace(run) for run in runs)))
        FORMATS[extension].render(a_feed_of(second, extension))
        assert set(told) - {"harbor"} == {"r7"}  # that is for when it has no runs

    @pytest.mark.parametrize("extension", FORMATS)
    def test_what_is_shown_of_an_event_makes_no_run_anew(self, extension, monkeypatch):
        forget()
        whole = the_feed()
        FORMATS[extension].render(whole)
        told = told_of(monkeypatch)
        FORMATS[extension].render(with_options(whole, run=("r5k",), download=True))
        FORMATS[extension].render(with_options(whole, distance=("10K",)))
        assert told == []


def told_of(monkeypatch):
    """The ids of those that a text is made of from now on."""
    told, facts = [], wording.list_facts

    def noted(entry):
        told.append(entry.run.id)
        return facts(entry)

    monkeypatch.setattr(wording, "list_facts", noted)
    return told


class TestMemo:
    def test_what_was_made_once_is_not_made_again(self):
        made = []

        @Memo().remembers(weigh=len)
        def double(text: str) -> str:
            made.append(text)
            return 2 * text

        assert [double("a"), double("b"), double("a"), double("a")] == ["aa", "bb", "aa", "aa"]
        assert made == ["a", "b"]

    def test_functions_with_the_same_arguments_are_told_apart(self):
        both = Memo()
        lower, upper = both.remembers(weigh=len)(str.lower), both.remembers(weigh=len)(str.upper)
        assert [lower("aB"), upper("aB"), lower("aB"), upper("aB")] == ["ab", "AB"] * 2

    def test_nothing_is_a_value_too(self):
        made = []

        @Memo().remembers(weigh=len)
        def nothing(text: str) -> str:
            made.append(text)
            return ""

        assert [nothing("a"), nothing("a")] == ["", ""]
        assert made == ["a"]

    def test_what_is_remembered_has_a_bound_in_bytes(self):
        made = []

        @Memo(20 * (2 * 1_000 + BESIDES)).remembers(weigh=len)
        def long(number: int) -> str:
            made.append(number)
            return "x" * 1_000

        for number in range(100):
            long(number)
        made.clear()
        for number in reversed(range(100)):
            long(number)
        assert 10 <= 100 - len(made) <= 20

    def test_what_is_asked_for_again_and_again_stays(self):
        made = []

        @Memo(20 * (2 * 1_000 + BESIDES)).remembers(weigh=len)
        def long(number: int) -> str:
            made.append(number)
            return "x" * 1_000

        for number in range(100):
            long(number)
            long(0)
        assert made.count(0) == 1

    def test_what_is_too_long_is_not_kept_and_takes_no_place(self):
        made = []

        @Memo(100_000).remembers(weigh=len)
        def long(length: int) -> str:
            made.append(length)
            return "x" * length

        for length in (10, 50_000, 50_000, 10):
            assert len(long(length)) == length
        assert made == [10, 50_000, 50_000]

    def test_threads_may_share_it(self):
        @Memo(50 * (2 * 100 + BESIDES)).remembers(weigh=len)
        def text(number: int) -> str:
            return f"{number:100}"

        wrong = []

        def ask(step: int) -> None:
            for each in range(20_000):
                number = each * step % 97
                if text(number) != f"{number:100}":
                    wrong.append(number)

        threads = [threading.Thread(target=ask, args=(step,)) for step in (1, 3, 5, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

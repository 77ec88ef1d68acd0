"""Renders: a refresh in which one of 100 runs changed, and what a first one costs.

The calendar after a refresh, and the revisions of the new edition, are compared with those of a
process whose VEVENT cache is empty. A first calendar is compared with icalendar alone, which has
every value and the VTIMEZONE computed and builds the same bytes; a first channel likewise with
feedgen alone. The table has ratios of CPU time, round by round; a round is the least of some turns
of each side, since other work on the machine only adds.
"""

import gc
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from time import process_time
from typing import Any, Generic, NamedTuple, TypeVar

from feedgen.feed import FeedGenerator
from icalendar import Calendar, Component
from icalendar import Event as Vevent

from bench.tables import show, spread
from feeds.domain.entries import Entry, build_timetable, compute_span
from feeds.domain.feed import Feed, compute_last_modified, select_entries
from feeds.domain.model import Edition, Event, Run
from feeds.formats import FORMATS, ical, items, rss
from feeds.formats.vtimezone import build_vtimezone
from feeds.service.revisions import revise
from feeds.text import descriptions, summaries

ROUNDS = 9
TURNS = 5
RUNS = 100
HOME = "America/Chicago"
PAGE = "https://feeds.example.org/events/festival"
SEEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = SEEN + timedelta(hours=1)

T = TypeVar("T")
Property = tuple[str, Any, Mapping[str, str] | None]


class Side(NamedTuple, Generic[T]):
    """What is measured, of what, which is prepared for each turn."""

    what: str
    prepare: Callable[[int], T]
    do: Callable[[T], object]


def main() -> None:
    first = _published(None, _event(), SEEN)
    calendar, channel = (_feed(first, extension) for extension in ("ics", "rss"))
    rows = [
        _refreshed(first),
        _stamped(first),
        _cold("first .ics", calendar, ical.render, "icalendar alone", _by_icalendar(calendar)),
        _cold("first .rss", channel, rss.render, "feedgen alone", _by_feedgen(channel)),
    ]
    show(
        f"renders: an event of {RUNS} runs, {ROUNDS} rounds, milliseconds of CPU",
        ("what", "milliseconds", "beside", "milliseconds", "ratio"),
        rows,
    )


def _refreshed(first: Edition) -> tuple[str, ...]:
    """The calendar after a refresh that changed one run."""
    extension = "ics"

    def prepare(turn: int) -> Feed:
        _forget()
        _rendering(_feed(first, extension), extension)
        return _feed(_published(first, _event(changed=turn), LATER), extension)

    def prepare_anew(turn: int) -> Feed:
        feed = prepare(turn)
        _forget()
        return feed

    def render(feed: Feed) -> bytes:
        return _rendering(feed, extension)

    return _row(
        Side(f".{extension} when one run changed", prepare, render),
        Side("with an empty cache", prepare_anew, render),
    )


def _rendering(feed: Feed, extension: str) -> bytes:
    """As ``web.feeds`` does it."""
    format_ = FORMATS[extension]
    list(format_.find_changing_times(feed))
    select_entries(feed)
    compute_last_modified(feed)
    return format_.render(feed)


def _stamped(first: Edition) -> tuple[str, ...]:
    """The revisions of an edition in which one run changed, once there was a calendar."""

    def prepare(turn: int) -> Event:
        _forget()
        ical.render(_feed(first, "ics"))
        return _event(changed=turn)

    def prepare_anew(turn: int) -> Event:
        _forget()
        return _event(changed=turn)

    def revision(event: Event) -> Edition:
        return _published(first, event, LATER)

    return _row(
        Side("revisions when one run changed", prepare, revision),
        Side("with an empty cache", prepare_anew, revision),
    )


def _cold(
    what: str,
    feed: Feed,
    render: Callable[[Feed], bytes],
    beside: str,
    other: Callable[[], bytes],
) -> tuple[str, ...]:
    def prepare(_: int) -> Feed:
        _forget()
        return feed

    return _row(Side(what, prepare, render), Side(beside, prepare, lambda _: other()))


def _row(ours: Side[T], its: Side[T]) -> tuple[str, ...]:
    """Both sides by turns; both give the same."""
    rounds = []
    for number in range(ROUNDS):
        turns = []
        for turn in range(number * TURNS, (number + 1) * TURNS):
            our_time, made = _timed(ours, turn)
            its_time, expected = _timed(its, turn)
            assert made == expected
            turns.append((our_time, its_time))
        rounds.append([min(times) for times in zip(*turns, strict=True)])
    return (
        ours.what,
        f"{median(one for one, _ in rounds):.1f}",
        its.what,
        f"{median(other for _, other in rounds):.1f}",
        spread([one / other for one, other in rounds]),
    )


def _timed(side: Side[T], turn: int) -> tuple[float, object]:
    """Milliseconds of CPU, and what came of it."""
    given = side.prepare(turn)
    gc.collect()
    began = process_time()
    done = side.do(given)
    return (process_time() - began) * 1000, done


def _forget() -> None:
    """Empty the cache, as in a process that has just started; rules of zones stay."""
    ical.vevent_cache.clear()


def _by_icalendar(feed: Feed) -> Callable[[], bytes]:
    """The calendar of a feed by icalendar alone, of values that are computed before."""
    entries = select_entries(feed)
    head: list[Property] = [
        ("version", "2.0", None),
        ("prodid", ical.PRODID, None),
        ("calscale", "GREGORIAN", None),
        ("name", feed.title, None),
        ("x-wr-calname", feed.title, None),
        ("x-wr-caldesc", f"{feed.title}: {feed.page}", None),
        ("x-wr-timezone", HOME, None),
        ("refresh-interval", ical.REFRESH, {"VALUE": "DURATION"}),
        ("x-published-ttl", "PT1H", None),
        ("source", feed.source, {"VALUE": "URI"}),
        ("url", feed.page, None),
    ]
    zone = build_vtimezone(HOME, *compute_span(entries))
    assert zone
    vevents = [_properties(entry, feed.page) for entry in entries]

    def render() -> bytes:
        calendar = Calendar()
        _add(calendar, head)
        calendar.add_component(zone)
        for properties in vevents:
            vevent = Vevent()
            _add(vevent, properties)
            calendar.add_component(vevent)
        return bytes(calendar.to_ical())

    return render


def _add(component: Component, properties: list[Property]) -> None:
    for name, value, parameters in properties:
        component.add(name, value, dict(parameters or {}))


def _properties(entry: Entry, page: str) -> list[Property]:
    place, (latitude, longitude) = entry.place or "", entry.event.point or (0, 0)
    return [
        ("uid", entry.uid, None),
        ("summary", summaries.build_summary(entry), None),
        ("dtstart", entry.period.start, None),
        ("dtend", entry.period.end, None),
        ("status", "CONFIRMED", None),
        ("transp", "TRANSPARENT", None),
        ("description", descriptions.build_description(entry, page), None),
        ("url", entry.event.website_url, None),
        ("categories", list(descriptions.list_categories(entry)), None),
        ("location", place, None),
        ("geo", (latitude, longitude), None),
        (
            "x-apple-structured-location",
            f"geo:{latitude},{longitude}",
            {"VALUE": "URI", "X-APPLE-RADIUS": "100", "X-TITLE": place},
        ),
        ("dtstamp", entry.revision.last_modified, None),
        ("created", entry.revision.created, None),
        ("last-modified", entry.revision.last_modified, None),
        ("sequence", entry.revision.sequence, None),
    ]


def _by_feedgen(feed: Feed) -> Callable[[], bytes]:
    """The channel of a feed by feedgen alone, of items that are made before."""
    told, modified = items.build_items(feed), compute_last_modified(feed)

    def render() -> bytes:
        channel = FeedGenerator()
        channel.load_extension("geo", atom=False, rss=True)
        channel.title(feed.title)
        channel.description(summaries.describe_feed(feed.title))
        channel.link(href=feed.source, rel="self", type="application/rss+xml")
        channel.link(href=feed.page, rel="alternate")
        channel.language("en")
        channel.ttl(rss.TTL)
        channel.generator("intervals-feeds")
        channel.lastBuildDate(modified)
        for each in told:
            item = channel.add_entry(order="append")
            item.guid(each.guid, permalink=False)
            item.title(each.title)
            item.link(href=feed.page)
            item.description(each.html)
            item.pubDate(each.published)
            item.category([{"term": term} for term in each.categories])
            if each.point:
                item.geo.point("{:.6f} {:.6f}".format(*each.point))
        return bytes(channel.rss_str(pretty=True))

    return render


def _published(known: Edition | None, event: Event, now: datetime) -> Edition:
    edition = Edition(event=event, fetched=now, revisions=known.revisions if known else {})
    before = build_timetable(known, HOME) if known else None
    return revise(before, edition, now, HOME, PAGE).edition


def _feed(edition: Edition, extension: str) -> Feed:
    return Feed(
        title=edition.event.name,
        page=PAGE,
        source=f"{PAGE}.{extension}",
        timezone=HOME,
        timetables=(build_timetable(edition, HOME),),
        deployed_at=SEEN,
        now=edition.fetched,
    )


def _event(changed: int | None = None) -> Event:
    """A festival of three days, decoded anew; one of its runs starts later than before."""
    return Event(
        id="festival",
        organization_id="club",
        name="Harbor Festival of Running",
        slug="harbor-festival",
        type="race",
        date=date(2027, 6, 11),
        end_date=date(2027, 6, 13),
        end_time=time(20),
        location="Veterans Park, 1010 N Lincoln Memorial Dr, Milwaukee, WI, 53202, US",
        point=(43.0466, -87.8871),
        description=(
            "Three days along the lake, one party on the lawn.\n"
            "Packet pick-up from 05:30 at the pavilion; the shuttle runs every ten minutes."
        ),
        website_url="https://harbor-festival.example.org",
        runs=tuple(_run(number, late=number == changed) for number in range(RUNS)),
    )


def _run(number: int, *, late: bool) -> Run:
    meters, distance = ((5_000.0, "5K"), (10_000.0, "10K"), (42_195.0, "Marathon"))[number % 3]
    return Run(
        id=f"festival-{number}",
        distance_meters=meters,
        distance_standard=distance,
        distance_label=f"{distance}, wave {number // 3 + 1}",
        date=date(2027, 6, 11) + timedelta(days=number % 3),
        start_time=time(6 + number // 10, 45 if late else number % 10 * 4),
        registration_url=f"https://harbor-festival.example.org/register/{number}",
        registration_opens=datetime(2027, 1, 1, 15, tzinfo=UTC),
        registration_closes=datetime(2027, 6, 1, 4, 59, tzinfo=UTC),
    )

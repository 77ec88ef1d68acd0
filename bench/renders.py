"""The CPU time of renders: after a refresh in which one of 100 runs changed, and of a first one.

The calendar after a refresh, and the revisions of the new edition, are compared with those of a
process whose VEVENT cache is empty. A first calendar is compared with icalendar alone, which gets
all values and the VTIMEZONE computed and builds the same bytes; a first channel likewise with
feedgen alone. The ratio is that of the CPU times of the same round. A round is the least of some
turns of each side, since other work on the machine only adds time.
"""

import gc
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from time import process_time
from typing import Generic, NamedTuple, TypeVar

from bench.baselines.libraries import prepare_feedgen, prepare_icalendar
from bench.support.festival import (
    FIRST_FETCHED,
    RUNS,
    build_event,
    build_feed,
    publish_event,
)
from bench.support.tables import format_spread, print_table
from feeds.domain.feed import Feed, select_entries
from feeds.domain.model import Edition, Event
from feeds.formats import FORMATS, ical, rss

ROUNDS = 9
TURNS = 5
SECOND_FETCHED = FIRST_FETCHED + timedelta(hours=1)

T = TypeVar("T")


class Case(NamedTuple, Generic[T]):
    """``run`` is measured; ``prepare`` makes its argument before each turn, from its number."""

    name: str
    prepare: Callable[[int], T]
    run: Callable[[T], object]


def main() -> None:
    first = publish_event(None, build_event(), FIRST_FETCHED)
    calendar, channel = (build_feed(first, extension) for extension in ("ics", "rss"))
    icalendar, feedgen = prepare_icalendar(calendar), prepare_feedgen(channel)
    rows = [
        _measure_calendar(first),
        _measure_revisions(first),
        _measure_first("first .ics", calendar, ical.render, "icalendar alone", icalendar),
        _measure_first("first .rss", channel, rss.render, "feedgen alone", feedgen),
    ]
    print_table(
        f"renders: an event of {RUNS} runs, {ROUNDS} rounds, milliseconds of CPU",
        ("measured", "milliseconds", "compared with", "milliseconds", "ratio"),
        rows,
    )


def _measure_calendar(first: Edition) -> tuple[str, ...]:
    """The calendar after a refresh in which one run changed."""

    def prepare(turn: int) -> Feed:
        _clear_cache()
        _render_calendar(build_feed(first, "ics"))
        return build_feed(publish_event(first, build_event(turn), SECOND_FETCHED), "ics")

    def prepare_without_cache(turn: int) -> Feed:
        feed = prepare(turn)
        _clear_cache()
        return feed

    return _measure(
        Case(".ics after one run changed", prepare, _render_calendar),
        Case("with an empty cache", prepare_without_cache, _render_calendar),
    )


def _render_calendar(feed: Feed) -> bytes:
    """The steps of ``web.feeds``."""
    select_entries(feed)
    return FORMATS["ics"].render(feed)


def _measure_revisions(first: Edition) -> tuple[str, ...]:
    """The revisions of an edition in which one run changed, after a calendar was rendered."""

    def prepare(turn: int) -> Event:
        _clear_cache()
        ical.render(build_feed(first, "ics"))
        return build_event(turn)

    def prepare_without_cache(turn: int) -> Event:
        _clear_cache()
        return build_event(turn)

    def revise(event: Event) -> Edition:
        return publish_event(first, event, SECOND_FETCHED)

    return _measure(
        Case("revisions after one run changed", prepare, revise),
        Case("with an empty cache", prepare_without_cache, revise),
    )


def _measure_first(
    name: str,
    feed: Feed,
    render: Callable[[Feed], bytes],
    baseline: str,
    render_baseline: Callable[[], bytes],
) -> tuple[str, ...]:
    def prepare(_: int) -> Feed:
        _clear_cache()
        return feed

    return _measure(
        Case(name, prepare, render), Case(baseline, prepare, lambda _: render_baseline())
    )


def _measure(case: Case[T], baseline: Case[T]) -> tuple[str, ...]:
    """A row of the table: both cases by turns; both must return the same."""
    rounds = []
    for number in range(ROUNDS):
        turns = []
        for turn in range(number * TURNS, (number + 1) * TURNS):
            milliseconds, result = _time(case, turn)
            baseline_milliseconds, expected = _time(baseline, turn)
            assert result == expected
            turns.append((milliseconds, baseline_milliseconds))
        rounds.append([min(times) for times in zip(*turns, strict=True)])
    return (
        case.name,
        f"{median(one for one, _ in rounds):.1f}",
        baseline.name,
        f"{median(other for _, other in rounds):.1f}",
        format_spread([one / other for one, other in rounds]),
    )


def _time(case: Case[T], turn: int) -> tuple[float, object]:
    """Milliseconds of CPU, and the result."""
    argument = case.prepare(turn)
    gc.collect()
    began = process_time()
    result = case.run(argument)
    return (process_time() - began) * 1000, result


def _clear_cache() -> None:
    """Empty the VEVENT cache, as in a process that has just started; the zones' rules stay."""
    ical.vevent_cache.clear()

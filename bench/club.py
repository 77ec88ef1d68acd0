"""The feeds of a club: filling an empty database, hits, a refresh, and memory.

The club has 500 events with three runs each, but for the hits, whose ``.ics`` has 300 KB. Its list
has pages of 100 events. Hits are measured as in ``bench.hits``.
"""

import json
import tempfile
import time
from contextlib import ExitStack, closing
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from msgspec import structs

from bench.baselines import bare
from bench.hits import CONNECTIONS, SECONDS, build_row, measure, record
from bench.support.festival import FIRST_FETCHED, HOME, PUBLIC_URL
from bench.support.load import poll_without_pause
from bench.support.services import (
    GUNICORN,
    SERVICE,
    Memory,
    find_worker,
    read_memory,
    start_service,
)
from bench.support.tables import format_spread, print_table
from bench.support.upstream import Upstream, build_document, start_upstream
from feeds.domain.entries import Timetable
from feeds.domain.feed import Feed
from feeds.domain.model import Edition
from feeds.formats import ical
from feeds.service.revisions import revise
from feeds.upstream import schema

ROUNDS = 5
EVENTS, SMALL = 500, 120
"""Events of the club, and of the one whose calendar has 300 KB."""

PATHS = ("/events.ics", "/events.rss", "/events.json")
PATIENCE = 120.0
"""Seconds within which the feed of the club has to be there."""


def main() -> None:
    with start_upstream() as upstream:
        _measure_filling(upstream)
        _measure_hits(upstream)
    _measure_refresh()


def _measure_filling(upstream: Upstream) -> None:
    """Poll a club of which nothing is stored until its feed is there."""
    upstream.configure(listed=EVENTS)
    upstream.take_calls()
    with start_service(SERVICE, upstream, 1) as address:
        before, began = read_memory(find_worker(address)), time.monotonic()
        _wait_for_feed(address)
        seconds = time.monotonic() - began
        poll_without_pause(address, PATHS, len(PATHS))
        after = read_memory(find_worker(address))
    calls = upstream.take_calls()
    lists = calls.pop("the list")
    print_table(
        f"club: {EVENTS} events, an empty database",
        ("calls for the list", "calls for events", "seconds", "memory of the worker, MiB more"),
        [(str(lists), str(calls.total()), f"{seconds:.1f}", _format_difference(before, after))],
    )


def _format_difference(before: Memory, after: Memory) -> str:
    return f"{after.rss - before.rss:.1f}"


def _wait_for_feed(address: str) -> None:
    end = time.monotonic() + PATIENCE
    while _poll(address) != HTTPStatus.OK:
        if time.monotonic() > end:
            raise SystemExit("The feed of the club is not there.")
        time.sleep(0.2)


def _poll(address: str) -> int:
    connection = HTTPConnection(address, timeout=30)
    connection.request("GET", PATHS[0])
    with closing(connection):
        return connection.getresponse().status


def _measure_hits(upstream: Upstream) -> None:
    upstream.configure(listed=SMALL)
    with ExitStack() as stack:
        recording = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "recording.json"
        service = stack.enter_context(start_service(SERVICE, upstream, 1))
        _wait_for_feed(service)
        etag = record(service, recording, PATHS[0])
        command = [*GUNICORN, "bench.baselines.bare:create_bare()"]
        settings = {bare.RECORDING: str(recording)}
        baseline = stack.enter_context(start_service(command, upstream, 1, **settings))
        requests = {"200": [], "304": ["-H", f"If-None-Match: {etag}"]}
        rounds = [
            {
                (request, name): measure(address, options, PATHS[0])
                for request, options in requests.items()
                for name, address in (("service", service), ("bare", baseline))
            }
            for _ in range(ROUNDS)
        ]
    print_table(
        f"club: hits of .ics, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s",
        ("response", "sent by", "requests/s", "ratio to bare", "CPU/request, ratio to bare"),
        [build_row(request, name, rounds) for request, name in rounds[0]],
    )


def _measure_refresh() -> None:
    """Render the calendar of all events, and again after one of 1,500 runs has changed."""
    timetables = [_revise(None, number) for number in range(EVENTS)]
    changed = [*timetables]
    changed[7] = _revise(timetables[7], 7, soldOut=True)
    full, partial = [], []
    for _ in range(ROUNDS):
        ical.vevent_cache.clear()
        full.append(_time(timetables))
        partial.append(_time(changed))
        _time(timetables)
    ratios = [each / whole for each, whole in zip(partial, full, strict=True)]
    print_table(
        f"club: .ics of {3 * EVENTS} runs, {ROUNDS} rounds",
        ("full render, ms", "after one run has changed, ms", "ratio"),
        [
            (
                f"{1000 * median(full):.0f}",
                f"{1000 * median(partial):.0f}",
                format_spread(ratios),
            )
        ],
    )


def _time(timetables: list[Timetable]) -> float:
    feed = Feed(
        title="Club",
        page=f"{PUBLIC_URL}/",
        source=f"{PUBLIC_URL}/events.ics",
        public_url=PUBLIC_URL,
        timezone=HOME,
        locale="en_US",
        timetables=tuple(timetables),
        listed=timetables[0].edition.fetched,
    )
    began = time.perf_counter()
    ical.render(feed)
    return time.perf_counter() - began


def _revise(last: Timetable | None, number: int, **fields: object) -> Timetable:
    """The next edition of an event of the club; ``fields`` are those of its first run."""
    id_ = f"club-{number}"
    document = build_document(id_, {})
    document["data"]["runs"][0] |= fields
    event = schema.decode(
        json.dumps(document).encode(), id_, last.edition.event if last else None
    ).event
    now = FIRST_FETCHED + timedelta(hours=1 if last else 0)
    edition = Edition(event=event, fetched=now, revisions={})
    if last:
        edition = structs.replace(last.edition, event=event, fetched=now)
    return revise(last, edition, now, HOME, PUBLIC_URL, locale="en_US")

"""A simulated day: subscribers as ``population`` has them, an organizer who changes events.

1,000 events with 5 subscribers each under ``100/minute;burst=20``, and 10 events with 20 each under
``100/day;burst=20``, with the refresher and without. Nothing waits: newsrooms, refresher, budget
and database are those of the service, on a clock that jumps from one thing to do to the next; the
upstream answers at once. Four newsrooms on one database stand for two machines with two processes;
each poll goes to any of them. The database was filled before the day begins, as ``feeds warm`` does
it. Changes happen for 24 hours; the refresher runs on until all of them must have been noticed, and
each client until its next poll after that. What a client sees is parsed from the bytes.

Beside it stands an ideal service, which asks the upstream for each poll: of it a client sees a
change with its own next poll.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from threading import Event as Flag
from typing import NamedTuple

from msgspec import Struct, field, structs

from bench.organizer import DAY, HOME, Line, Organizer
from bench.population import WEIGHTS, Client, Delays, subscribers
from bench.tables import percentile, show
from feeds.domain import freshness
from feeds.domain.entries import build_timetable
from feeds.domain.feed import Feed
from feeds.domain.model import Edition
from feeds.domain.quota import Rate
from feeds.errors import FeedsError
from feeds.formats import FORMATS
from feeds.service.background import BackgroundRefresher
from feeds.service.editions import Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.refresh import Refresh
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease
from feeds.web.conditional import Representation, build_representation, make_response

SEED = 1
START = datetime(2026, 11, 2, tzinfo=UTC)
PUBLIC_URL = "https://feeds.example.org"
WEB_PROCESSES = 4

Act = Callable[[datetime], datetime | None]
"""What is done at an instant, and when it is to be done again."""


class Scenario(NamedTuple):
    name: str
    rate: Rate
    events: int
    counts: dict[str, int]
    """To how many events each thing happens."""
    rounds: timedelta
    """How often the refresher looks what is due: each 2 s in truth, here as often as matters."""
    subscribers: int
    """Of each event."""

    @property
    def stretch(self) -> timedelta:
        return self.rate.stretch(self.events)


MANY = Scenario(
    "1,000 events, 100/minute",
    Rate(100, timedelta(minutes=1), 20),
    1_000,
    {
        "moved": 120,
        "cancelled": 60,
        "reinstated": 40,
        "run_removed": 20,
        "restored": 10,
        "missing_once": 10,
        "emptied_once": 10,
    },
    timedelta(seconds=10),
    5,
)
FEW = Scenario(
    "10 events, 100/day",
    Rate(100, timedelta(days=1), 20),
    10,
    {
        "moved": 2,
        "cancelled": 1,
        "reinstated": 1,
        "run_removed": 1,
        "restored": 1,
        "missing_once": 1,
        "emptied_once": 1,
    },
    timedelta(minutes=1),
    20,
)


class Result(Struct):
    """What was counted."""

    calls: list[tuple[datetime, str]]
    polls: int = 0
    within: int = 0
    failed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    twice: int = 0
    false: int = 0
    delays: dict[str, Delays] = field(
        default_factory=lambda: {kind: Delays([], [], [], []) for kind in WEIGHTS}
    )


class Clock:
    """The simulated time."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Process:
    """The parts of one process, and the name under which it asks the organizer."""

    def __init__(self, url: str, organizer: Organizer, clock: Clock, rate: Rate, who: str) -> None:
        self.database = Database(url)
        self.database.open("https://api.intervals.run", "bench", clock())
        self.invalidation = Invalidation(self.database, clock)
        updater = Updater(
            Line(organizer, clock, who),
            self.database,
            clock,
            timezone=HOME,
            public_url=PUBLIC_URL,
            rate=rate,
            count_polled=self.invalidation.count_polled,
            fingerprint="bench",
        )
        self.refresh = Refresh(updater, self.database, clock, rate)
        self._clock = clock

    def editions(self) -> Editions:
        return Editions(self.refresh, self.database, self.invalidation, self._clock)

    def refresher(self) -> BackgroundRefresher:
        return BackgroundRefresher(self.refresh, self.database, self.invalidation, self._clock)


class Press:
    """Renders editions; what differs in its time or its number alone has the same bytes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Edition, Edition, Representation]] = {}

    def print(self, edition: Edition, extension: str, now: datetime) -> Representation:
        key = (edition.event.id, extension)
        kept = self._kept.get(key)
        if kept and kept[0] is edition:
            return kept[2]
        content = structs.replace(edition, fetched=START, version=0, etag=None, pending=None)
        if kept and kept[1] == content:
            representation = kept[2]
        else:
            representation = _rendered(edition, extension, now)
        self._kept[key] = (edition, content, representation)
        return representation


def _rendered(edition: Edition, extension: str, now: datetime) -> Representation:
    page = f"{PUBLIC_URL}/events/{edition.event.id}"
    feed = Feed(
        title=edition.event.name,
        page=page,
        source=f"{page}.{extension}",
        timezone=HOME,
        timetables=(build_timetable(edition, HOME),),
        now=now,
    )
    return build_representation(
        FORMATS[extension].render(feed),
        media_type=FORMATS[extension].media_type,
        last_modified=max(revision.last_modified for revision in edition.revisions.values()),
        filename="feed",
    )


class Day:
    """A day of a scenario, with its database in a folder; the same at each run."""

    def __init__(self, scenario: Scenario, folder: str) -> None:
        random = Random(SEED)
        self.scenario = scenario
        self.random = random
        self.clock = Clock(START - DAY / 2)
        self.organizer = Organizer(START, scenario.events, scenario.counts, random)
        self.url = f"sqlite:///{folder}/feeds.sqlite3"
        _warm(self.process("filling"), self.organizer.ids, self.clock)
        self.web = [self.process("polls").editions() for _ in range(WEB_PROCESSES)]
        self.clients = subscribers(self.organizer, scenario.subscribers, random)
        self.noticed = START + DAY + 2 * max(scenario.stretch, timedelta(hours=1))
        self.press = Press()
        self.result = Result(self.organizer.calls)

    def process(self, who: str) -> Process:
        return Process(self.url, self.organizer, self.clock, self.scenario.rate, who)

    def run(self, *, refreshes: bool) -> Result:
        """What happened once all is done, in the order of time."""
        number = count()
        agenda = [(at, next(number), _once(act)) for at, act in self.organizer.plan]
        agenda += [
            (
                START + timedelta(seconds=self.random.random() * client.interval()),
                next(number),
                partial(self._poll, client),
            )
            for client in self.clients
        ]
        with ThreadPoolExecutor(1) as thread:
            if refreshes:
                refresher = self.process("refresher").refresher()
                agenda.append((START, next(number), partial(self._round, refresher, thread)))
            heapify(agenda)
            while agenda:
                now, _, act = heappop(agenda)
                self.clock.now = now
                if again := act(now):
                    heappush(agenda, (again, next(number), act))
        self._judge()
        return self.result

    def _round(
        self, refresher: BackgroundRefresher, thread: ThreadPoolExecutor, now: datetime
    ) -> datetime | None:
        refresher.run_round(thread, Flag())  # what ``run`` does, without waiting
        return now + self.scenario.rounds if now < self.noticed else None

    def _poll(self, client: Client, now: datetime) -> datetime | None:
        result, changes = self.result, self.organizer.changes[client.event_id]
        result.polls += 1
        try:
            entry = self.random.choice(self.web).get(client.event_id)
        except FeedsError as error:
            result.refused[type(error).__name__] += 1
        else:
            edition = entry.get_edition()
            max_age = freshness.compute_max_age(entry.expires, now.timestamp())
            result.failed += entry.failed
            result.within += not entry.failed and now <= edition.fetched + self._promise(edition)
            printed = self.press.print(edition, client.extension, now)
            answered = make_response(printed, client.request, now=now.timestamp(), max_age=max_age)
            client.take(answered, self.organizer.ever)
        if changes:
            client.note(changes, now, result.delays[client.kind])
        return now + timedelta(seconds=client.interval()) if now < self.noticed else None

    def _promise(self, edition: Edition) -> timedelta:
        """How old an edition may get, by the table of phases and the budget."""
        span = self.organizer.span(edition.event.id)
        phase = freshness.choose_max_age(span, edition.fetched)
        return max(freshness.GONE_MAX_AGE if edition.gone else phase, self.scenario.stretch)

    def _judge(self) -> None:
        for client in self.clients:
            id_ = client.event_id
            wrongs = client.wrongs(self.organizer.shown[id_], self.organizer.changes[id_])
            self.result.missed += wrongs.missed
            self.result.twice += wrongs.twice
            self.result.false += wrongs.false


def simulated(scenario: Scenario, *, refreshes: bool) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return Day(scenario, folder).run(refreshes=refreshes)


def _once(act: Callable[[], None]) -> Act:
    return lambda _: act()


def _warm(process: Process, ids: list[str], clock: Clock) -> None:
    """Fetch each event once, as fast as ids that were never seen may be asked for."""
    for id_ in ids:
        known = process.refresh.read(id_)
        while not isinstance(lease := process.refresh.acquire(id_, known), Lease):
            assert isinstance(lease, CacheEntry)
            clock.now = lease.until
        process.refresh.fetch(lease, known, polled=False)
    if clock.now >= START:
        raise SystemExit("The day begins before all events are there.")
    process.database.mark_polled(ids, START)


def most_in_a_window(calls: list[datetime], window: timedelta) -> int:
    """The largest number of calls in any window, wherever it begins."""
    most = first = 0
    for number, at in enumerate(calls):
        while calls[first] <= at - window:
            first += 1
        most = max(most, number + 1 - first)
    return most


def main() -> None:
    logging.disable(logging.WARNING)
    variants = [(scenario, on) for scenario in (MANY, FEW) for on in (True, False)]
    with ProcessPoolExecutor(2) as processes:
        running = [processes.submit(simulated, each, refreshes=on) for each, on in variants]
        results = [each.result() for each in running]
    heads = [f"{each.name}, {'with' if on else 'without'} refresher" for each, on in variants]
    _show_counts(variants, heads, results)
    for head, result in zip(heads, results, strict=True):
        _show_delays(head, result)


def _show_counts(
    variants: list[tuple[Scenario, bool]], heads: list[str], results: list[Result]
) -> None:
    rows: list[list[object]] = [[""], ["polls"], ["answered within max-age"]]
    rows += [["answered after a failed refresh"], ["not answered (5xx)"], ["upstream calls"]]
    rows += [["most calls in any window"]]
    shares = sorted({who for result in results for _, who in result.calls})
    rows += [[f"of the calls: {share}"] for share in shares]
    rows += [["changes missed"], ["changes told twice"], ["false cancellations"]]
    for (scenario, _), head, result in zip(variants, heads, results, strict=True):
        by_share = Counter(who for _, who in result.calls)
        most = most_in_a_window([at for at, _ in result.calls], scenario.rate.window)
        column: list[object] = [
            head,
            result.polls,
            f"{result.within / result.polls:.2%}",
            f"{result.failed / result.polls:.2%}",
            result.refused.total(),
            len(result.calls),
            f"{most} of {scenario.rate.limit}",
            *(by_share[share] for share in shares),
            result.missed,
            result.twice,
            result.false,
        ]
        for row, cell in zip(rows, column, strict=True):
            row.append(cell)
    show(f"day: counts, seed {SEED}", [str(cell) for cell in rows[0]], rows[1:])


def _show_delays(head: str, result: Result) -> None:
    show(
        f"day: minutes from a change to its being seen; {head}",
        (
            "client",
            "changes seen",
            "p50",
            "p95",
            "p50, ideal",
            "p95, ideal",
            "undone before the next poll",
            "the same, ideal",
        ),
        [
            (
                kind,
                len(delays.ours),
                *(
                    f"{percentile(each, percent) / 60:.1f}" if each else ""
                    for each in (delays.ours, delays.ideal)
                    for percent in (50, 95)
                ),
                len(delays.undone),
                len(delays.ideal_undone),
            )
            for kind, delays in result.delays.items()
        ],
    )

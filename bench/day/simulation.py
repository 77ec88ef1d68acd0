"""The simulation of a day: the service's classes, clients and the organizer, on one clock.

Four ``Editions`` on one database stand for two machines with two processes each; a poll goes to any
of them.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from threading import Event as Flag

from msgspec import Struct, field, structs

from bench.day.clients import SHARES, Client, Delays, create_clients
from bench.day.organizer import DAY, HOME, ORGANIZATION, Organizer, OrganizerSource
from bench.day.scenarios import Scenario
from feeds.domain import freshness
from feeds.domain.entries import build_timetable
from feeds.domain.feed import Feed, build_page_url
from feeds.domain.model import Edition
from feeds.domain.quota import Rate
from feeds.errors import FeedsError
from feeds.formats import FORMATS
from feeds.service.admission import Bulkhead
from feeds.service.calls import Calls
from feeds.service.collections.catalog import Catalog
from feeds.service.collections.refresh import CatalogRefresh
from feeds.service.editions import Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.operations.background import BackgroundRefresher
from feeds.service.refresh import Refresh
from feeds.service.repository import EditionRepository
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease
from feeds.web.conditional import Representation, build_representation, make_response

SEED = 1
START = datetime(2026, 11, 2, tzinfo=UTC)
PUBLIC_URL = "https://feeds.example.org"
WEB_PROCESSES = 4

Action = Callable[[datetime], datetime | None]
"""Runs at an instant; returns the instant at which it runs again, or None."""


class Result(Struct):
    """Counts of a day; ``calls`` are the upstream calls, each with its purpose.

    Of ``polls``, ``fresh`` got an edition within its max-age, ``failed`` an edition after a failed
    refresh, ``errors`` no edition. ``missed`` and ``repeated`` count changes, by client.
    """

    calls: list[tuple[datetime, str]]
    polls: int = 0
    fresh: int = 0
    failed: int = 0
    errors: int = 0
    missed: int = 0
    repeated: int = 0
    false_cancellations: int = 0
    delays: dict[str, Delays] = field(
        default_factory=lambda: {kind: Delays([], [], [], []) for kind in SHARES}
    )


class Clock:
    """The simulated time."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Process:
    """The objects of one process of the service; ``purpose`` is what its calls are counted as."""

    def __init__(
        self, url: str, organizer: Organizer, clock: Clock, rate: Rate, purpose: str
    ) -> None:
        self.database = Database(url)
        self.database.open("https://api.intervals.run", clock())
        self.database.bind_organization(ORGANIZATION, clock())
        self.invalidation = Invalidation(self.database, clock)
        repository = EditionRepository(
            self.database,
            clock,
            open_database=lambda: None,
            timezone=HOME,
            locale="en_US",
            public_url=PUBLIC_URL,
            rate=rate,
            count_polled=self.invalidation.count_polled,
            fingerprint="bench",
        )
        source = OrganizerSource(organizer, clock, purpose)
        calls, self._bulkhead = Calls(self.database, clock, rate), Bulkhead()
        self._catalog_refresh = CatalogRefresh(source, calls, self.database, clock)
        self._catalog = Catalog(self._catalog_refresh, clock, self._bulkhead)
        updater = Updater(
            source,
            repository,
            self.database,
            clock,
            rate,
            find_recurrences=self._catalog.find_recurrences,
        )
        self.refresh = Refresh(updater, repository, self.database, calls, clock)
        self._clock = clock

    def create_editions(self) -> Editions:
        return Editions(
            self.refresh,
            self.database,
            self.invalidation,
            self._clock,
            bulkhead=self._bulkhead,
            note_saves=self._catalog.note_saves,
        )

    def create_refresher(self) -> BackgroundRefresher:
        return BackgroundRefresher(
            self.refresh, self._catalog_refresh, self.database, self.invalidation, self._clock
        )


class Renderer:
    """Renders editions; does not render again when only the time or the token is another."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[Edition, Edition, Representation]] = {}

    def render(self, edition: Edition, extension: str) -> Representation:
        key = (edition.event.id, extension)
        last = self._last.get(key)
        if last and last[0] is edition:
            return last[2]
        content = structs.replace(edition, fetched=START, token="", etag=None, pending={})
        representation = last[2] if last and last[1] == content else _render(edition, extension)
        self._last[key] = (edition, content, representation)
        return representation


class Simulation:
    """A day of a scenario, with its database in ``folder``; each run has the same result."""

    def __init__(self, scenario: Scenario, folder: str) -> None:
        random = Random(SEED)
        self._scenario = scenario
        self._random = random
        self._clock = Clock(START - DAY / 2)
        self._organizer = Organizer(
            START, scenario.events, scenario.changes, random, scenario.weeks
        )
        self._url = f"sqlite:///{folder}/feeds.sqlite3"
        _warm_up(self._create_process("warming up"), self._organizer.ids, self._clock)
        self._web = [self._create_process("polls").create_editions() for _ in range(WEB_PROCESSES)]
        self._clients = create_clients(self._organizer, scenario.subscribers, random)
        self._end = START + DAY + 2 * max(scenario.stretch, timedelta(hours=1))
        self._renderer = Renderer()
        self.result = Result(self._organizer.calls)

    def run(self, *, refresher: bool) -> Result:
        """Run all actions in the order of time."""
        number = count()
        agenda = [(at, next(number), _run_once(act)) for at, act in self._organizer.plan]
        agenda += [
            (
                START + timedelta(seconds=self._random.random() * client.choose_interval()),
                next(number),
                partial(self._poll, client),
            )
            for client in self._clients
        ]
        with ThreadPoolExecutor(1) as thread:
            if refresher:
                background = self._create_process("the refresher").create_refresher()
                agenda.append((START, next(number), partial(self._refresh, background, thread)))
            heapify(agenda)
            while agenda:
                now, _, action = heappop(agenda)
                self._clock.now = now
                if again := action(now):
                    heappush(agenda, (again, next(number), action))
        self._count_mistakes()
        return self.result

    def _create_process(self, purpose: str) -> Process:
        return Process(self._url, self._organizer, self._clock, self._scenario.rate, purpose)

    def _refresh(
        self, background: BackgroundRefresher, thread: ThreadPoolExecutor, now: datetime
    ) -> datetime | None:
        background.run_round(thread, Flag())  # as ``run`` does, without waiting
        return now + self._scenario.round_interval if now < self._end else None

    def _poll(self, client: Client, now: datetime) -> datetime | None:
        result, changes = self.result, self._organizer.changes[client.event_id]
        result.polls += 1
        try:
            entry = self._random.choice(self._web).get(client.event_id)
        except FeedsError:
            result.errors += 1
        else:
            edition = entry.get_timetable().edition
            max_age = freshness.compute_max_age(entry.expires, now.timestamp())
            result.failed += entry.failed
            oldest = now - self._compute_max_age(edition)
            result.fresh += not entry.failed and oldest <= edition.fetched
            representation = self._renderer.render(edition, client.extension)
            response = make_response(
                representation, client.build_request(), now=now.timestamp(), max_age=max_age
            )
            client.take_response(response, self._organizer.ever_true)
        if changes:
            client.record_seen(changes, now, result.delays[client.kind])
        return now + timedelta(seconds=client.choose_interval()) if now < self._end else None

    def _compute_max_age(self, edition: Edition) -> timedelta:
        """How old an edition may get, by the phase of its event and the rate limit."""
        spans = self._organizer.list_spans(edition.event.id)
        phase = freshness.choose_max_age(spans, edition.fetched)
        return max(freshness.GONE_MAX_AGE if edition.gone else phase, self._scenario.stretch)

    def _count_mistakes(self) -> None:
        for client in self._clients:
            id_ = client.event_id
            mistakes = client.find_mistakes(self._organizer.true[id_], self._organizer.changes[id_])
            self.result.missed += mistakes.missed
            self.result.repeated += mistakes.repeated
            self.result.false_cancellations += mistakes.false_cancellations


def simulate(scenario: Scenario, *, refresher: bool) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return Simulation(scenario, folder).run(refresher=refresher)


def _render(edition: Edition, extension: str) -> Representation:
    page = build_page_url(PUBLIC_URL, edition.event.id)
    feed = Feed(
        title=edition.event.name,
        page=page,
        public_url=PUBLIC_URL,
        source=f"{page}.{extension}",
        timezone=HOME,
        locale="en_US",
        timetables=(build_timetable(edition, HOME),),
    )
    return build_representation(
        FORMATS[extension].render(feed),
        media_type=FORMATS[extension].media_type,
        last_modified=edition.modified,
        filename="feed",
    )


def _run_once(act: Callable[[], None]) -> Action:
    return lambda _: act()


def _warm_up(process: Process, ids: list[str], clock: Clock) -> None:
    """Fetch each event once, as fast as the quota of ids never seen allows."""
    for id_ in ids:
        known = process.refresh.read(id_)
        while not isinstance(acquired := process.refresh.acquire(id_, known), Lease):
            assert isinstance(acquired, CacheEntry)
            clock.now = acquired.until
        process.refresh.fetch(acquired, known, polled=False)
    if clock.now >= START:
        raise SystemExit("The day begins before all events are stored.")
    process.database.mark_polled(ids, START)

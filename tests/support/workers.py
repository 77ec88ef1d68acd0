"""Processes of the service for tests, without HTTP to clients, and an upstream that waits."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from werkzeug import Response

from feeds.domain.freshness import compute_max_age
from feeds.domain.model import Edition, Kind
from feeds.domain.quota import Rate
from feeds.sandbox import SANDBOX_KEY
from feeds.service.admission import Bulkhead
from feeds.service.calls import Calls
from feeds.service.collections.catalog import Catalog
from feeds.service.collections.refresh import CatalogRefresh
from feeds.service.editions import Editions
from feeds.service.entry import CacheEntry
from feeds.service.invalidation import Invalidation
from feeds.service.refresh import Refresh
from feeds.service.repository import EditionRepository
from feeds.service.update import Source, Updater
from feeds.store.leases import Lease
from feeds.upstream.client import IntervalsClient
from tests.support.clock import Clock
from tests.support.databases import connect
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

DATABASE = "feeds.sqlite3"


class Gate:
    """Holds back answers of an upstream, and releases each by its number, from 0."""

    def __init__(self) -> None:
        self._arrivals = threading.Semaphore(0)
        self._released: list[threading.Event] = []

    def wait(self) -> None:
        """Hold back the answer of this thread until it is released."""
        released = threading.Event()
        self._released.append(released)
        self._arrivals.release()
        assert released.wait(PATIENCE)

    def await_one(self) -> None:
        """Wait until one more answer is held back."""
        assert self._arrivals.acquire(timeout=PATIENCE)

    def release(self, number: int) -> None:
        """Send the answer that was held back as number ``number``."""
        self._released[number].set()

    def release_all(self) -> None:
        """Send all answers."""
        for released in self._released:
            released.set()


class HeldUpstream(Upstream):
    """An upstream with etags, whose answers about events can be held back.

    An answer says what was true when the request arrived. ``statuses`` has the statuses of answers
    about events and the organization; recurrences are asked for once a day besides (rules 9.8).
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.statuses: list[int] = []
        self._gate: Gate | None = None

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        response = Response.from_app(super()._answer, environ, buffered=True)
        if response.status_code == 200:
            response.add_etag()
            response.make_conditional(environ)
        if environ["PATH_INFO"] != "/recurrences":
            self.statuses.append(response.status_code)
        if self._gate and environ["PATH_INFO"].startswith("/events/"):
            self._gate.wait()
        return response(environ, start_response)

    @contextmanager
    def held(self) -> Iterator[Gate]:
        """Hold answers back until the end of the block."""
        self._gate = gate = Gate()
        try:
            yield gate
        finally:
            self._gate = None
            gate.release_all()

    def edit_run(self, event_id: str = "harbor", **fields: Any) -> None:
        """Change these fields of the first run of an event."""
        document = self.document(event_id)
        document["runs"][0] |= fields
        self.put(event_id, document)


class Worker:
    """One process of the service, on the database that processes share.

    ``fingerprint`` is that of the deployment. ``source`` replaces the client of the upstream.
    """

    def __init__(
        self,
        api_url: str,
        database_url: str,
        clock: Clock,
        *,
        fingerprint: str = "one",
        source: Source | None = None,
        rate: Rate | None = None,
        **changes: Any,
    ) -> None:
        self.clock = clock
        self.database = connect(database_url)
        self.database.open(api_url, clock())
        self.invalidation = Invalidation(self.database, clock)
        rate = rate or Rate(1000, timedelta(minutes=1), 500)
        settings = {
            "timezone": "America/Chicago",
            "locale": "en_US",
            "public_url": "https://feeds.example.org",
        }
        repository = EditionRepository(
            self.database,
            clock,
            rate=rate,
            count_polled=self.invalidation.count_polled,
            open_database=lambda: None,
            fingerprint=fingerprint,
            **settings | changes,
        )
        client = source or IntervalsClient(api_url, SANDBOX_KEY)
        calls = Calls(self.database, clock, rate)
        self.bulkhead = Bulkhead()
        self.catalog_refresh = CatalogRefresh(client, calls, self.database, clock)
        self.catalog = Catalog(self.catalog_refresh, clock, self.bulkhead)
        updater = Updater(
            client,
            repository,
            self.database,
            clock,
            rate,
            find_recurrences=self.catalog.find_recurrences,
        )
        self.refresh = Refresh(updater, repository, self.database, calls, clock)
        self.editions = Editions(
            self.refresh,
            self.database,
            self.invalidation,
            clock,
            bulkhead=self.bulkhead,
            note_saves=self.catalog.note_saves,
        )

    def poll(self, event_id: str = "harbor", client: str = "") -> CacheEntry:
        """The entry with which the process answers a request of the client at an address."""
        return self.editions.get(event_id, client)

    def get_edition(self, event_id: str = "harbor", client: str = "") -> Edition:
        """The edition with which the process answers a request."""
        return self.poll(event_id, client).get_timetable().edition

    def get_max_age(self, event_id: str = "harbor") -> int:
        """The seconds of max-age with which the process answers a request."""
        return compute_max_age(self.poll(event_id).expires, self.clock.timestamp())

    def refresh_in_background(self, event_id: str = "harbor") -> CacheEntry:
        """The result of a call that no request has asked for."""
        known = self.refresh.read(event_id)
        lease = self.refresh.acquire(event_id, known, polled=False)
        assert isinstance(lease, Lease)
        return self.refresh.fetch(lease, known, polled=False)

    def read_stored(self, event_id: str = "harbor") -> Edition:
        """The edition in the database."""
        edition = self.database.read(event_id)
        assert isinstance(edition, Edition)
        return edition


class Pair:
    """Two processes, each with a clock, that have both read the event ``harbor``."""

    def __init__(self, one: Worker, other: Worker, threads: ThreadPoolExecutor) -> None:
        self.one, self.other = one, other
        self._threads = threads
        one.poll()
        other.poll()

    def advance(self, *, ahead: float = 0, **duration: float) -> None:
        """Let time pass, two hours by default; the other clock is ``ahead`` seconds ahead then.

        From ten seconds on, a lease of the first process has ended for the other one.
        """
        self.one.clock.advance(**duration or {"hours": 2})
        self.other.clock.now = self.one.clock() + ahead * SECOND

    def start_poll(self, worker: Worker, gate: Gate) -> Future[CacheEntry]:
        """Poll in a thread, and wait until the upstream holds the answer back."""
        polling = self._threads.submit(worker.poll)
        gate.await_one()
        return polling


def wait_for(polling: Future[CacheEntry]) -> Edition:
    """The edition with which a request in a thread is answered."""
    return polling.result(PATIENCE).get_timetable().edition


def list_changes(edition: Edition) -> list[tuple[Kind, datetime]]:
    """The kind of each change of an edition, and when the change was noticed."""
    return [(change.kind, change.noticed) for change in edition.changes]


def get_hour(edition: Edition) -> int | None:
    """The hour at which the first run starts."""
    start = edition.event.runs[0].start_time
    return start.hour if start else None


@contextmanager
def missing_database(folder: Path) -> Iterator[None]:
    """The database is elsewhere until the end of the block."""
    path, elsewhere = folder / DATABASE, folder / "elsewhere"
    path.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(path)


def change_database(folder: Path, *statements: str) -> None:
    """Change the database from outside the service."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for statement in statements:
            connection.execute(statement)

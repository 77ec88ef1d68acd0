"""The real service in front of a hostile upstream, with its workers and its database.

The service really calls the upstream. Only time is simulated: ``Deployment.age`` moves all instants
in the database into the past.
"""

import http.client
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from signal import Signals
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa

from feeds.store.tables import events, leases, service
from tests.support.hostile_upstream import HostileUpstream
from tests.support.processes import Process, environment_for, serving
from tests.support.waiting import PATIENCE, wait_until

UNLIMITED = "1000000/minute;burst=500000"
"""``FEEDS_UPSTREAM_RATE`` where the rate limit is not the subject."""

BOOTED = r"Booting worker with pid: (\d+)"


class Answer(NamedTuple):
    """A response as received."""

    status: int
    headers: Message
    body: bytes

    @property
    def max_age(self) -> int:
        """The max-age of a 200, in seconds."""
        pattern = r"max-age=(\d+), stale-if-error=604800"
        found = re.fullmatch(pattern, self.headers["Cache-Control"])
        assert found, self.headers["Cache-Control"]
        return int(found[1])


class PendingRequest:
    """A GET that has been sent over a connection of its own."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=PATIENCE
        )
        try:
            self._connection.request("GET", path, headers=dict(headers or {}))
        except OSError:
            self._connection.close()
            raise

    def read(self) -> Answer:
        """Wait for the response."""
        with closing(self._connection):
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def abandon(self) -> None:
        """Close the connection before the response comes."""
        self._connection.close()


class RunningService:
    """``feeds serve``; ``workers`` holds the process ids of its workers."""

    def __init__(self, process: Process, url: str, workers: int) -> None:
        self.process = process
        self.url = url
        self.workers = [int(pid) for pid in process.wait_for(BOOTED, workers)]

    def send(self, event_id: str) -> PendingRequest:
        """Send a request for the calendar of an event."""
        return PendingRequest(self.url, f"/events/{event_id}.ics")

    def send_evenly(self, ids: list[str]) -> list[PendingRequest]:
        """Send requests for these ids, the same number to each worker.

        When this returns, the workers have read all requests. The event "hit" must be known.
        """
        sent = []
        for number, worker in enumerate(self.workers):
            with self.only(worker):
                sent += [self.send(id_) for id_ in ids[number :: len(self.workers)]]
                assert self.poll("hit").status == 200  # a worker reads requests in order
        return sent

    def poll(self, event_id: str) -> Answer:
        """Return the response for the calendar of an event."""
        return self.send(event_id).read()

    def poll_path(self, path: str) -> Answer:
        """Return the response for this path."""
        return PendingRequest(self.url, path).read()

    def poll_together(self, ids: Iterable[str]) -> list[Answer]:
        """Return the responses to requests for all these ids at the same time."""
        sent = [self.send(id_) for id_ in ids]
        return [each.read() for each in sent]

    def poll_workers(self, event_id: str) -> list[Answer]:
        """Return the response of each worker for the calendar of an event."""
        answers = []
        for worker in self.workers:
            with self.only(worker):
                answers.append(self.poll(event_id))
        return answers

    @contextmanager
    def only(self, worker: int) -> Iterator[None]:
        """Stop all other workers until the end of the block, so that this worker answers."""
        others = [each for each in self.workers if each != worker]
        for other in others:
            os.kill(other, Signals.SIGSTOP)
        try:
            wait_until(lambda: all(map(_is_stopped, others)), "the other workers to stop")
            yield
        finally:
            for other in others:
                os.kill(other, Signals.SIGCONT)


def _is_stopped(process: int) -> bool:
    """Whether all threads of the process have stopped: SIGSTOP takes a moment."""
    states = set()
    for thread in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):  # the thread has ended
            states.add(thread.read_text().rpartition(")")[2].split()[0])
    return states == {"T"}


class ServiceDatabase:
    """The database of a service, read and changed from outside."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    def read(self, table: sa.Table) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def read_events(self) -> dict[str, dict[str, Any]]:
        """Return the stored events by id."""
        return {row["id"]: row for row in self.read(events)}

    def read_leases(self) -> set[str]:
        """Return the ids of the events for which a process holds the lease."""
        return {row["event_id"] for row in self.read(leases) if row["acquired_at"]}

    def expire_lease(self, event_id: str) -> None:
        """Move a lease 10 seconds into the past: it has expired (rules 8.8)."""
        row = leases.c.event_id == event_id
        expired = leases.c.acquired_at - 10_000_000
        self._run(sa.update(leases).where(row).values(acquired_at=expired))

    def make_due(self, event_id: str) -> None:
        """Make the background refresher fetch the event in its next round."""
        self._run(sa.update(events).where(events.c.id == event_id).values(due=0))

    def open_upstream(self) -> None:
        """Forget the refusal that stops all calls of the service (rules 8.19)."""
        self._run(sa.update(service).values(closed_until=0, cause=None))

    def rewind(self, **duration: float) -> None:
        """Move all instants into the past, ``days=1`` for example.

        To the processes this looks like a restored database, so they drop their caches.
        """
        seconds = timedelta(**duration) // timedelta(seconds=1)
        micros = seconds * 1_000_000
        saves = 1_000_000
        acquired_at = leases.c.acquired_at
        self._run(
            sa.update(events).values(
                fetched=events.c.fetched - seconds,
                due=events.c.due - seconds,
                token=uuid4().hex,
                save_number=events.c.save_number - saves,
            ),
            sa.update(leases).values(
                acquired_at=sa.case((acquired_at == 0, 0), else_=acquired_at - micros),
                retry_at=leases.c.retry_at - micros,
            ),
            sa.update(service).values(
                save_number=service.c.save_number - saves,
                tat=service.c.tat - micros,
                unseen_tat=service.c.unseen_tat - micros,
                closed_until=service.c.closed_until - micros,
            ),
        )

    def _run(self, *statements: sa.Update) -> None:
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)


class Deployment(NamedTuple):
    """A service, its upstream and its database."""

    upstream: HostileUpstream
    service: RunningService
    database: ServiceDatabase

    def age(self, **duration: float) -> None:
        """Let time pass, ``days=1`` for example, and wait until all workers have noticed."""
        self.upstream.publish("canary", "Before")
        self.service.poll_workers("canary")  # cached by every worker
        self.upstream.publish("canary", name := f"Canary of {datetime.now(UTC)}")
        self.database.rewind(**duration)

        def is_noticed() -> bool:
            return all(name.encode() in each.body for each in self.service.poll_workers("canary"))

        wait_until(is_noticed, "all workers to notice the time")


def environment_of(
    upstream: HostileUpstream, database_url: str, folder: Path, **settings: str
) -> dict[str, str]:
    """Return the environment for ``feeds`` with this upstream and this database."""
    unlimited = {"FEEDS_DATABASE_URL": database_url, "FEEDS_UPSTREAM_RATE": UNLIMITED}
    return environment_for(upstream.url, folder, **unlimited | upstream.environment | settings)


@contextmanager
def start_service(
    upstream: HostileUpstream, database_url: str, folder: Path, workers: int = 2, **settings: str
) -> Iterator[RunningService]:
    """Run ``feeds serve`` with this upstream and this database; its log is in the folder."""
    folder.mkdir(exist_ok=True)
    env = environment_of(upstream, database_url, folder, **settings)
    with serving(folder / "log", env, "--workers", str(workers)) as (process, url):
        yield RunningService(process, url, workers)


@contextmanager
def deploy(database_url: str, folder: Path, workers: int = 2) -> Iterator[Deployment]:
    """Run an upstream and a service in front of it. The event "hit" is known to all workers."""
    with (
        HostileUpstream(folder).on() as upstream,
        start_service(upstream, database_url, folder, workers) as running,
    ):
        upstream.publish("hit", "In memory")
        running.poll_workers("hit")
        yield Deployment(upstream, running, ServiceDatabase(database_url))

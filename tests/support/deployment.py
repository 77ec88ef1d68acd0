"""The real service: its upstream on a socket, its workers and its database.

Only time is simulated: ``Deployment.age`` moves all instants in the database into the past.
"""

import http.client
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from signal import Signals
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa

from feeds.store.tables import catalog, events, leases, service
from tests.support.databases import read_rows
from tests.support.processes import Process, environment_for, serving
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE, wait_until

UNLIMITED = "1000000/minute;burst=500000"
"""``FEEDS_UPSTREAM_RATE`` where the rate limit is not the subject."""

BOOTED = r"Booting worker with pid: (\d+)"

FAR = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
"""A day so far ahead that an edition is fresh for an hour (rules 8.1)."""


class Answer(NamedTuple):
    """A response as received."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class PendingRequest:
    """A GET that has been sent over a connection of its own."""

    def __init__(self, url: str, path: str, **headers: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=PATIENCE
        )
        try:
            self._connection.request("GET", path, headers=headers)
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

    def poll(self, event_id: str) -> Answer:
        """Return the response for the calendar of an event."""
        return self.send(event_id).read()

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
        self._url = url
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    def read_events(self) -> dict[str, sa.Row[Any]]:
        """Return the rows of the stored events by id."""
        return {row.id: row for row in read_rows(self._url, events)}

    def read_leases(self) -> set[str]:
        """Return the ids of the events for which a process holds the lease."""
        return {row.event_id for row in read_rows(self._url, leases) if row.acquired_at}

    def expire_lease(self, event_id: str) -> None:
        """Move a lease 10 seconds into the past: it has expired (rules 8.8)."""
        row = leases.c.event_id == event_id
        expired = leases.c.acquired_at - 10_000_000
        self._run(sa.update(leases).where(row).values(acquired_at=expired))

    def make_due(self, event_id: str) -> None:
        """Make the background refresher fetch the event in its next round."""
        self._run(sa.update(events).where(events.c.id == event_id).values(due=0))

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
            # Of the catalog, the saves alone: no list is fetched again.
            sa.update(catalog).values(token=uuid4().hex, save_number=catalog.c.save_number - saves),
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
    """A service, its upstream and its database; ``environment`` is that of its processes."""

    upstream: Upstream
    service: RunningService
    database: ServiceDatabase
    environment: dict[str, str]

    def publish(self, name: str, *ids: str) -> None:
        """Serve events with this name from now on, each with a 10K on a day that is far ahead."""
        for id_ in ids:
            self.upstream.publish(id_, FAR, name=name)

    def age(self, **duration: float) -> None:
        """Let time pass, ``days=1`` for example, and wait until all workers have noticed."""
        self.publish("Before", "canary")
        self.service.poll_workers("canary")  # cached by every worker
        self.publish(name := f"Canary of {datetime.now(UTC)}", "canary")
        self.database.rewind(**duration)

        def is_noticed() -> bool:
            return all(name.encode() in each.body for each in self.service.poll_workers("canary"))

        wait_until(is_noticed, "all workers to notice the time")


def choose_worker(name: str) -> dict[str, str]:
    """The environment of a service with a class of workers of ``tests.support``."""
    return {
        "GUNICORN_CMD_ARGS": f"--worker-class tests.support.{name}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


@contextmanager
def start_service(
    env: dict[str, str], folder: Path, workers: int, prefix: Sequence[str] = ()
) -> Iterator[RunningService]:
    """Run ``feeds serve`` in this environment; its log is in the folder."""
    arguments = ("--workers", str(workers))
    with serving(folder / "log", env, *arguments, prefix=prefix) as (process, url):
        yield RunningService(process, url, workers)


@contextmanager
def deploy(
    database_url: str, folder: Path, workers: int = 2, prefix: Sequence[str] = (), **settings: str
) -> Iterator[Deployment]:
    """Run an upstream and a service in front of it."""
    with Upstream(lambda: datetime.now(UTC)).on() as upstream:
        unlimited = {"FEEDS_DATABASE_URL": database_url, "FEEDS_UPSTREAM_RATE": UNLIMITED}
        env = environment_for(upstream.url, folder, **unlimited | settings)
        with start_service(env, folder, workers, prefix) as running:
            yield Deployment(upstream, running, ServiceDatabase(database_url), env)

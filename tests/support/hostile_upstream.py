"""The real service, and an upstream that misbehaves: over TLS, on a socket, behind a name.

What the service asks is asked for real. Time is played by moving what the database remembers into
the past, as if nobody had asked for so long.
"""

import functools
import gzip
import http.client
import json
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from signal import Signals
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import sqlalchemy as sa
import trustme

from feeds.sandbox import ORGANIZATION_ID
from feeds.store.tables import events, leases, service
from tests.support.processes import HOST, PATIENCE, Process, environment_for, serving, until

NAME = "intervals.test"
"""The host of the upstream, as long as there is one of that name."""

OWN_TEXT = "the upstream's own words"
"""Stands in whatever an upstream says that is no document; no subscriber ever reads it."""

FAR = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
"""A day so far ahead that an edition is fresh for an hour."""

AMPLE = "1000000/minute;burst=500000"
"""A rate that is not what is tested."""

# The system's resolver, but for one name: it exists unless a file says that it does not.
RESOLVER = """
import os
import socket

def getaddrinfo(host, *arguments, **options):
    if host == {name!r}:
        if os.path.exists({gone!r}):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        host = {address!r}
    return resolve(host, *arguments, **options)

resolve, socket.getaddrinfo = socket.getaddrinfo, getaddrinfo
"""


class Call:
    """One call as the upstream sees it: which event is asked for, and how to answer."""

    def __init__(self, connection: socket.socket, event_id: str, over: threading.Event) -> None:
        self._connection = connection
        self._over = over
        self.event_id = event_id

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def stay_silent(self, seconds: float = PATIENCE) -> bool:
        """False once nobody wants an answer any more."""
        return not self._over.wait(seconds)

    def reset(self) -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())


Behaviour = Callable[[Call], object]


def wire(status: str, body: bytes, *fields: str) -> bytes:
    """An answer as it goes over the wire, the last one over its connection."""
    lines = (f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def answer(status: str, body: bytes, *fields: str) -> Behaviour:
    return lambda call: call.send(wire(status, body, *fields))


def html(status: str) -> Behaviour:
    page = f"<html><body><h1>{status}</h1>{OWN_TEXT}</body></html>"
    return answer(status, page.encode(), "Content-Type: text/html")


def refusal(status: str, code: str, **fields: object) -> Behaviour:
    """An error of the API's own."""
    error = {"code": code, "message": OWN_TEXT, **fields}
    return answer(status, json.dumps({"error": error}).encode(), "Content-Type: application/json")


def document(event_id: str, name: str, *dates: str, **fields: Any) -> bytes:
    """An event with a 10K on each of these days; ``fields`` are those of its first run."""
    days = dates or (FAR,)
    event = {
        "_id": event_id,
        "name": name,
        "slug": event_id,
        "type": "race",
        "date": days[0],
        "organizationId": ORGANIZATION_ID,
    }
    runs = [
        {
            "_id": f"{event_id}-{number}",
            "eventId": event_id,
            "distanceMeters": 10000,
            "distanceStandard": "10K",
            "distanceLabel": "10K",
            "date": day,
            "startTime": "12:00",
        }
        for number, day in enumerate(days, 1)
    ]
    runs[0] |= fields
    return json.dumps({"data": {"event": event, "runs": runs}}).encode()


def reset(call: Call) -> None:
    call.reset()


def silent(call: Call) -> None:
    call.stay_silent()


def stops_amid_the_body(call: Call) -> None:
    call.send(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"data": {"event": {')
    call.stay_silent()


def drips(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while call.stay_silent(0.2):
        call.send(b" ")


def half_a_document(call: Call) -> None:
    whole = document(call.event_id, OWN_TEXT)
    call.send(wire("200 OK", whole[: len(whole) // 2]))


def document_of_another(call: Call) -> None:
    call.send(wire("200 OK", document(f"{call.event_id}-other", OWN_TEXT)))


def fifty_megabytes(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
    for _ in range(50):
        call.send(b" " * 1024 * 1024)


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(bytes(50 * 1024 * 1024))


def bomb(call: Call) -> None:
    call.send(wire("200 OK", _bomb(), "Content-Encoding: gzip"))


class Upstream:
    """A partner API. ``documents`` are its events, ``moods`` what it does instead of answering.

    ``calls`` are the ids of the events that it was asked for. ``on`` runs it.
    """

    def __init__(self, folder: Path) -> None:
        self.calls: list[str] = []
        self.documents = {"canary": document("canary", "Canary")}
        self.moods: dict[str, Behaviour] = {}
        self.ages = 0
        self.over = threading.Event()
        self._gone = folder / "no such host"
        self._doors: list[socket.socket] = []
        # Held all the time, so that nobody else gets the port while nobody listens there.
        self._place = self._bound(0)
        self.port: int = self._place.getsockname()[1]
        self.url = f"https://{NAME}:{self.port}"
        trusted, unknown = trustme.CA(), trustme.CA()
        self._good, self._bad = _context(trusted), _context(unknown)
        self._tls = self._good
        trusted.cert_pem.write_to_path(str(folder / "trusted.pem"))
        (folder / "sitecustomize.py").write_text(
            RESOLVER.format(name=NAME, gone=str(self._gone), address=HOST)
        )
        self.environment = {
            "REQUESTS_CA_BUNDLE": str(folder / "trusted.pem"),
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        }

    def publish(self, event_id: str, name: str, *dates: str, **fields: Any) -> None:
        """Have an event from now on, or another document of it."""
        self.documents[event_id] = document(event_id, name, *dates, **fields)

    @contextmanager
    def on(self) -> Iterator[Self]:
        self._listen()
        try:
            yield self
        finally:
            self.over.set()
            self._close()
            self._place.close()

    @contextmanager
    def nobody_listens(self) -> Iterator[None]:
        self._close()
        yield
        self._listen()

    @contextmanager
    def nobody_accepts(self) -> Iterator[None]:
        """The queue of those who want to connect is full."""
        self._close()
        with ExitStack() as stack:
            door = stack.enter_context(closing(self._bound(self.port)))
            door.listen(0)
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)  # noqa: FBT003 - a socket's own
                with suppress(BlockingIOError):
                    waiting.connect(door.getsockname())
            yield
        self._listen()

    @contextmanager
    def no_such_host(self) -> Iterator[None]:
        self._gone.touch()
        yield
        self._gone.unlink()

    @contextmanager
    def nobody_trusts_it(self) -> Iterator[None]:
        self._tls = self._bad
        yield
        self._tls = self._good

    @staticmethod
    def _bound(port: int) -> socket.socket:
        place = socket.socket()
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place.bind((HOST, port))
        return place

    def _listen(self) -> None:
        door = self._bound(self.port)
        door.listen(100)
        self._doors.append(door)
        threading.Thread(target=self._accept, args=(door,), daemon=True).start()

    def _close(self) -> None:
        for door in self._doors:
            door.shutdown(socket.SHUT_RDWR)  # else it would go on accepting
            door.close()
        self._doors.clear()

    def _accept(self, door: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = door.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):  # whatever a client does to its connection
            plain.settimeout(PATIENCE)
            with self._tls.wrap_socket(plain, server_side=True) as connection:
                with connection.makefile("rb") as lines:
                    path = lines.readline().split(b" ")[1].decode()
                    while lines.readline().strip():
                        pass
                self._answer(connection, path)

    def _answer(self, connection: socket.socket, path: str) -> None:
        if path == "/organization":
            owner = json.dumps({"data": {"_id": ORGANIZATION_ID}}).encode()
            connection.sendall(wire("200 OK", owner))
            return
        event_id = path.removeprefix("/events/")
        self.calls.append(event_id)
        known = self.documents.get(event_id)
        well = answer("200 OK", known) if known else refusal("404 Not Found", "NOT_FOUND")
        self.moods.get(event_id, well)(Call(connection, event_id, self.over))


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    return context


class Gate:
    """A mood: answers with the document of the moment of the call, once it is opened."""

    def __init__(self, upstream: Upstream, event_id: str) -> None:
        self._upstream = upstream
        self._event_id = event_id
        self._open = threading.Event()

    def __call__(self, call: Call) -> None:
        known = self._upstream.documents[call.event_id]
        assert self._open.wait(PATIENCE)
        call.send(wire("200 OK", known))

    def open(self) -> None:
        self._open.set()

    def __enter__(self) -> Self:
        self._upstream.moods[self._event_id] = self
        return self

    def __exit__(self, *_: object) -> None:
        self._upstream.moods.pop(self._event_id)
        self._open.set()


class Answer(NamedTuple):
    """What came over the wire."""

    status: int
    headers: Message
    body: bytes


class Poll:
    """A request that is on its way, over a connection of its own."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str] | None = None) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            where.hostname or "", where.port, timeout=PATIENCE
        )
        try:
            self._connection.request("GET", path, headers=dict(headers or {}))
        except OSError:
            self._connection.close()
            raise

    def answer(self) -> Answer:
        with closing(self._connection):
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        self._connection.close()


class Service:
    """A running service, with all its workers."""

    def __init__(self, process: Process, url: str, workers: int) -> None:
        self.process = process
        self.url = url
        self.workers = [int(each) for each in process.wait_for(BOOTED, workers)]

    def ask(self, event_id: str, extension: str = "ics") -> Poll:
        return Poll(self.url, f"/events/{event_id}.{extension}")

    def poll(self, event_id: str, extension: str = "ics") -> Answer:
        return self.ask(event_id, extension).answer()

    def poll_path(self, path: str) -> Answer:
        return Poll(self.url, path).answer()

    def polls(self, ids: Iterable[str]) -> list[Answer]:
        """The answers to polls that are all on their way at the same time."""
        under_way = [self.ask(id_) for id_ in ids]
        return [each.answer() for each in under_way]

    def poll_each(self, event_id: str) -> list[Answer]:
        """An answer of each worker."""
        answers = []
        for worker in self.workers:
            with self.alone(worker):
                answers.append(self.poll(event_id))
        return answers

    @contextmanager
    def alone(self, worker: int) -> Iterator[None]:
        """While the others rest, this one answers."""
        others = [each for each in self.workers if each != worker]
        for other in others:
            os.kill(other, Signals.SIGSTOP)
        try:
            until(lambda: all(map(_rests, others)), "the rest of the others")
            yield
        finally:
            for other in others:
                os.kill(other, Signals.SIGCONT)


def within(seconds: float, condition: Callable[[], object], what: str) -> None:
    """Wait for a condition that has to be true by then."""
    began = time.monotonic()
    until(condition, what)
    assert time.monotonic() - began <= seconds, f"{what} took too long"


def _rests(process: int) -> bool:
    """Whether all of its threads have been stopped: that takes a moment."""
    states = set()
    for thread in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):  # it ended just now
            states.add(thread.read_text().rpartition(")")[2].split()[0])
    return states == {"T"}


BOOTED = r"Booting worker with pid: (\d+)"


@contextmanager
def service_of(
    upstream: Upstream, database_url: str, folder: Path, workers: int = 2, **settings: str
) -> Iterator[Service]:
    """``feeds serve`` for an upstream and a database; its log is in the folder."""
    env = environment(upstream, database_url, folder, **settings)
    log = folder / "log"
    with serving(log, env, "--workers", str(workers)) as (process, url):
        yield Service(process, url, workers)


def environment(
    upstream: Upstream, database_url: str, folder: Path, **settings: str
) -> dict[str, str]:
    ample = {"FEEDS_DATABASE_URL": database_url, "FEEDS_UPSTREAM_RATE": AMPLE}
    folder.mkdir(exist_ok=True)
    return environment_for(upstream.url, folder, **ample | upstream.environment | settings)


class Records:
    """What a service has in its database, looked at and changed from outside."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    def rows(self, table: sa.Table) -> dict[Any, dict[str, Any]]:
        """The rows of a table by their key."""
        (key,) = table.primary_key
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(table)).mappings()
            return {row[key.name]: dict(row) for row in found}

    def leases(self) -> dict[str, datetime]:
        """Since when events are refreshed, by their ids."""
        held = {
            id_: row["acquired_at"] for id_, row in self.rows(leases).items() if row["acquired_at"]
        }
        return {id_: datetime.fromtimestamp(since / 1e6, UTC) for id_, since in held.items()}

    def reopen(self) -> None:
        """Forget what closed the upstream for everybody."""
        self._run(sa.update(service).values(closed_until=0, cause=None))

    def expire(self, event_id: str) -> None:
        """Have a lease lie so far back that it has run out."""
        row = leases.c.event_id == event_id
        self._run(
            sa.update(leases).where(row).values(acquired_at=leases.c.acquired_at - 10_000_000)
        )

    def make_due(self, event_id: str) -> None:
        """Have the next edition of an event be one to fetch by now."""
        self._run(sa.update(events).where(events.c.id == event_id).values(due=0))

    def rewind(self, **ago: float) -> None:
        """All that is known was told so much longer ago, ``days=1`` say.

        Processes see that as they do a database that was put back: nothing in memory holds.
        """
        seconds = timedelta(**ago) // timedelta(seconds=1)
        micros = seconds * 1_000_000
        back = 1_000_000  # revisions
        self._run(
            sa.update(events).values(
                fetched=events.c.fetched - seconds,
                due=events.c.due - seconds,
                version=events.c.version + 1,
                save_number=events.c.save_number - back,
            ),
            sa.update(leases).values(
                acquired_at=sa.case(
                    (leases.c.acquired_at == 0, 0), else_=leases.c.acquired_at - micros
                ),
                retry_at=leases.c.retry_at - micros,
            ),
            sa.update(service).values(
                save_number=service.c.save_number - back,
                tat=service.c.tat - micros,
                unseen_tat=service.c.unseen_tat - micros,
                closed_until=service.c.closed_until - micros,
            ),
        )

    def _run(self, *statements: sa.Update) -> None:
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)


def age(upstream: Upstream, records: Records, *services: Service, **ago: float) -> None:
    """Rewind, and wait until every worker has seen it: by an event that is another one then."""
    for house in services:
        house.poll_each("canary")  # else one may read it anew without a look at what was saved
    upstream.ages += 1
    name = f"Canary of age {upstream.ages}"
    upstream.publish("canary", name)
    records.rewind(**ago)

    def seen() -> bool:
        answers = [each for house in services for each in house.poll_each("canary")]
        return all(name.encode() in each.body for each in answers)

    until(seen, "what was rewound in every process")


def herd(ids: list[str], service: Service) -> list[Poll]:
    """Polls that wait, in equal parts in all workers; all of them know the event "hit"."""
    waiting = []
    for number, worker in enumerate(service.workers):
        with service.alone(worker):
            waiting += [service.ask(id_) for id_ in ids[number :: len(service.workers)]]
            assert service.poll("hit").status == 200  # by now it has taken those before
    return waiting


class House(NamedTuple):
    """A service, its upstream and its database."""

    upstream: Upstream
    service: Service
    records: Records

    def age(self, **ago: float) -> None:
        age(self.upstream, self.records, self.service, **ago)


@contextmanager
def house(database_url: str, folder: Path, workers: int = 2, **settings: str) -> Iterator[House]:
    """An upstream, and the service in front of it."""
    with (
        Upstream(folder).on() as upstream,
        service_of(upstream, database_url, folder, workers, **settings) as service,
    ):
        yield House(upstream, service, Records(database_url))

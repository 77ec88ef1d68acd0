"""Hostile documents of the local API, and clients that attack the service, on the loopback alone.

An attack is a function of HOST:PORT and an event that ends the attack. It runs in a process of its
own, so that it takes no time from the clients that measure.
"""

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from multiprocessing.synchronize import Event
from threading import Thread
from typing import Any

from bench.support.load import build_request, connect

Document = dict[str, Any]

SUBSCRIBER = "127.0.0.9"
"""The address of the client that polls new events; attackers have another one."""

RUNS = {"text": 300, "flapping": 1_000, "unreadable": 2_000, "imported": 600}
"""Runs of a document, by the beginning of its id."""


def add_hostility(event_id: str, calls: int, event: Document, runs: list[Document]) -> None:
    """Change the document of an id that begins with the name of an attack.

    ``calls`` is how often the event was fetched.

    - ``label``: a long name, and a label that is half of the name and no part of it
    - ``text``: a description of 1 MB and 300 runs
    - ``flapping``: 1,000 runs that are cancelled and reinstated with each call
    - ``unreadable``: 2,000 runs with seven fields each that cannot be read
    - ``imported``: 600 runs with other ids at each call
    """
    kind = event_id.partition("-")[0]
    if kind == "label":
        event["name"] = "a " * 300_000
        runs[0] |= {"distanceStandard": "Other", "distanceLabel": "a " * 150_000 + "b"}
    elif kind in RUNS:
        first = runs[0]
        number = 0 if kind != "imported" else calls * RUNS[kind]
        runs[:] = [first | {"_id": f"{kind}-{number + each}"} for each in range(RUNS[kind])]
    if kind == "text":
        event["description"] = "A course along the lake. " * 40_000
    for run in runs:
        if kind == "flapping":
            run["eventStatus"] = "cancelled" if calls % 2 else "scheduled"
        if kind == "unreadable":
            wrong = ("startTime", "endDate", "eventStatus", "soldOut", "registrationUrl")
            run |= {name: ["x"] for name in (*wrong, "registrationOpensAt", "distanceMeters")}


def guess_ids(address: str, ended: Event, per_second: float = 30) -> None:
    """Poll ids that no event has."""
    _poll_each(address, ended, per_second, (f"/events/unknown-{n}.ics" for n in count()))


def guess_slowly(address: str, ended: Event) -> None:
    """Poll one id that no event has each second."""
    guess_ids(address, ended, 1)


def poll_documents(*kinds: str) -> Callable[[str, Event], None]:
    """An attack that polls hostile documents in all formats."""
    return _PollDocuments(kinds)


class _PollDocuments:  # a function in a function cannot be sent to another process
    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = kinds

    def __call__(self, address: str, ended: Event) -> None:
        paths = [f"/events/{kind}-1.{ending}" for kind in self._kinds for ending in ("ics", "rss")]
        _poll_each(address, ended, 4, (path for _ in count() for path in paths))


def hold_silent(address: str, ended: Event, connections: int = 2_100) -> None:
    """Open connections and send nothing."""
    _hold(address, ended, connections, b"")


def hold_half_requests(address: str, ended: Event, connections: int = 300) -> None:
    """Send half a request on each connection."""
    _hold(address, ended, connections, b"GET /events/hit.ics HTTP/1.1\r\n")


def never_read(address: str, ended: Event, connections: int = 160) -> None:
    """Ask 200 times on each connection and read nothing."""
    request = b"GET /events/festival-hit.ics HTTP/1.1\r\nHost: attack\r\n\r\n"
    _hold(address, ended, connections, request * 200)


def vary_accept_encoding(address: str, ended: Event) -> None:
    """Send 98 lines of 8 KB in each request, other bytes each time."""
    letters = random.Random(1)
    while not ended.is_set():
        value = "".join(letters.choices("abcdefghij", k=8_000))
        lines = "".join(f"Accept-Encoding: {n}{value}\r\n" for n in range(98))
        head = build_request(address, "/events/hit.ics", "close")[:-2]
        _exchange(address, head + lines.encode() + b"\r\n")


def search_long_ids(address: str, ended: Event) -> None:
    """Send ids of 4 KB to the search of the home page, on eight connections."""
    _repeat(address, ended, 8, lambda _: "/?event=" + "a" * 3_990 + "/!")


def poll_without_pause(address: str, ended: Event) -> None:
    """Poll a known event on 16 connections: no attack, but what the floods compare with."""
    _repeat(address, ended, 16, lambda _: "/events/hit.ics")


def open_home(address: str, ended: Event) -> None:
    """Open the home page 30 times a second, with another query each time."""
    _poll_each(address, ended, 30, (f"/?x={number}" for number in count()))


def flood_home(address: str, ended: Event) -> None:
    """Open the home page with another query each time on 16 connections, without a pause."""
    _repeat(address, ended, 16, lambda number: f"/?x={number}")


def vary_queries(address: str, ended: Event) -> None:
    """Ask for representations that nobody asked for before, on eight connections."""
    _repeat(address, ended, 8, lambda number: f"/events/hit/embed?accent={number % 0xFFFFFF:06x}")


def _repeat(address: str, ended: Event, connections: int, path: Callable[[int], str]) -> None:
    numbers = count()

    def work() -> None:
        while not ended.is_set():
            _exchange(address, build_request(address, path(next(numbers)), "close"))

    threads = [Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _poll_each(address: str, ended: Event, per_second: float, paths: Iterator[str]) -> None:
    """Send polls at a rate, whether or not earlier ones were answered."""
    while not ended.wait(1 / per_second):
        request = build_request(address, next(paths), "close")
        Thread(target=_exchange, args=(address, request), daemon=True).start()


def _exchange(address: str, request: bytes) -> None:
    with suppress(OSError), connect(address) as connection:
        connection.sendall(request)
        while connection.recv(65_536):
            pass


def _hold(address: str, ended: Event, connections: int, data: bytes) -> None:
    """Open connections, send the data as far as the service takes it, and open closed ones anew."""
    held: list[socket.socket] = []
    while not ended.wait(0.05):
        held = [each for each in held if not _is_closed(each)]
        for _ in range(min(200, connections - len(held))):
            with suppress(OSError):
                new = connect(address)
                held.append(new)
                new.settimeout(0)
                new.send(data)
    for each in held:
        each.close()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def poll_new_events(address: str, seconds: float, events: int) -> list[int]:
    """Poll events for the first time, one after the other; the statuses of the answers."""
    statuses = []
    for number in range(events):
        began = time.monotonic()
        statuses.append(_get_status(address, f"/events/new-{number}.ics"))
        time.sleep(max(0.0, seconds / events - (time.monotonic() - began)))
    return statuses


def _get_status(address: str, path: str) -> int:
    """The status of the response; 0 if there is none within ten seconds."""
    host, _, port = address.rpartition(":")
    with (
        suppress(OSError),
        socket.create_connection((host, int(port)), 10, (SUBSCRIBER, 0)) as connection,
    ):
        connection.sendall(build_request(address, path, "close"))
        received = connection.recv(65_536)
        while connection.recv(65_536):
            pass
        return int(received[9:12] or 0)
    return 0

"""What strangers can do to a service: guess ids, and hold connections.

On the loopback, each address of 127.0.0.0/8 is another client.
"""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.waiting import PATIENCE

STRANGER = "127.0.0.66"

HALF_A_REQUEST = b"GET /events/hit.ics HTTP/1.1\r\nHost: idle\r\n"


class Poll(NamedTuple):
    """The status and Cache-Control of an answer, and the seconds that it took."""

    status: int
    cache_control: str
    seconds: float


def poll(url: str, path: str, source: str = "127.0.0.1", timeout: float = PATIENCE) -> Poll:
    """GET a path over a new connection from an address of the loopback."""
    began, parts = time.monotonic(), urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=timeout, source_address=(source, 0)
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        cache_control = response.headers.get("Cache-Control", "")
        return Poll(response.status, cache_control, time.monotonic() - began)
    finally:
        connection.close()


@contextmanager
def guess(
    url: str, per_second: float, source: str = STRANGER, *, threads: int = 200
) -> Iterator[Counter[int]]:
    """Poll so many ids that do not exist per second until the end of the block.

    The counter has the statuses of the answers, and 0 for requests without an answer.
    """
    statuses: Counter[int] = Counter()
    ends = threading.Event()

    def send(number: int) -> None:
        status = 0
        with suppress(OSError, http.client.HTTPException):
            status = poll(
                url, f"/events/guess-{source}-{number}.ics".replace(".", "-", 3), source
            ).status
        statuses[status] += 1

    def run() -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(threads) as senders:
            number = 0
            while not ends.wait(max(0.0, began + number / per_second - time.monotonic())):
                senders.submit(send, number)
                number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        ends.set()
        thread.join()


@contextmanager
def connect(
    url: str, count: int, data: bytes = b"", source: str = STRANGER, *, buffer: int = 0
) -> Iterator[list[socket.socket]]:
    """Open so many connections, and send ``data`` over each.

    With a ``buffer`` of so many bytes, a client that does not read soon blocks the sender.
    """
    parts = urlsplit(url)
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            if buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            connection.settimeout(PATIENCE)
            connection.bind((source, 0))
            connection.connect((parts.hostname or "", parts.port or 0))
            connection.sendall(data)
            connections.append(connection)
        yield connections

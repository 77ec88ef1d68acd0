"""Clients that poll: on plain sockets, so that a poll costs the client less than the service."""

import re
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from typing import NamedTuple

PROCESSES = 2
CONNECTIONS = 8
"""Connections of each process; they are kept alive and send one poll at a time."""

TIMEOUT = 60
"""Seconds."""


class Response(NamedTuple):
    """The response to a poll, and the seconds from the request to its last byte."""

    status: int
    etag: str
    body: bytes
    seconds: float


class WrkResult(NamedTuple):
    """What ``wrk`` reports; ``p99`` is in milliseconds."""

    responses: int
    responses_per_second: float
    p99: float


def poll_at_once(address: str, paths: Sequence[str]) -> list[Response]:
    """Poll all paths at the same time, each on a new connection."""
    responses: list[Response] = []
    with selectors.DefaultSelector() as selector:
        for path in paths:
            new = connect(address)
            new.sendall(build_request(address, path, "close"))
            selector.register(new, selectors.EVENT_READ, (bytearray(), time.perf_counter()))
        end = time.monotonic() + TIMEOUT
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(1):
                received, began = key.data
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if more := connection.recv(65536):
                    received += more
                    continue
                selector.unregister(connection)
                connection.close()
                head, _, body = bytes(received).partition(b"\r\n\r\n")
                responses.append(_parse_response(head, body, time.perf_counter() - began))
    return responses


def poll_without_pause(address: str, paths: Sequence[str], count: int) -> list[Response]:
    """Poll ``count`` times, the paths in turn; each connection sends its next poll at once."""
    count_each = count // (PROCESSES * CONNECTIONS)
    return _run_on_all_connections(partial(_poll_in_turn, address, paths, count_each, 0.0))


def poll_at_intervals(
    address: str, paths: Sequence[str], seconds: float, interval: float
) -> list[Response]:
    """Poll for ``seconds``; each connection sends a poll every ``interval`` seconds."""
    count_each = int(seconds / interval)
    return _run_on_all_connections(partial(_poll_in_turn, address, paths, count_each, interval))


def run_wrk(
    address: str, path: str, connections: int, seconds: int, options: Sequence[str] = ()
) -> WrkResult:
    """Poll with ``wrk`` on ``connections`` as fast as possible; ends the program on any error."""
    if shutil.which("wrk") is None:
        raise SystemExit("This benchmark needs wrk (Debian: apt-get install wrk).")
    command = ["wrk", "-t1", "--latency", f"-c{connections}", f"-d{seconds}s", *options]
    output = subprocess.run(
        [*command, f"http://{address}{path}"], check=True, capture_output=True, text=True
    ).stdout
    count = re.search(r"(\d+) requests in", output)
    speed = re.search(r"Requests/sec:\s+(\S+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\n", output)
    if not count or not speed or not p99 or "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(output)
    return WrkResult(
        int(count[1]), float(speed[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]]
    )


def connect(address: str) -> socket.socket:
    """A new connection to HOST:PORT."""
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def build_request(address: str, path: str, connection: str) -> bytes:
    """A GET request; ``connection`` is ``close`` or ``keep-alive``."""
    return f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n".encode()


def _run_on_all_connections(poll: partial[list[Response]]) -> list[Response]:
    # Not forked: a child's copy of a connection would keep the connection open after its close.
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as processes:
        running = [
            processes.submit(_run_in_threads, poll, number * CONNECTIONS)
            for number in range(PROCESSES)
        ]
        return [response for each in running for response in each.result()]


def _run_in_threads(poll: partial[list[Response]], first: int) -> list[Response]:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        running = [threads.submit(poll, first + number) for number in range(CONNECTIONS)]
        return [response for each in running for response in each.result()]


def _poll_in_turn(
    address: str, paths: Sequence[str], count: int, interval: float, number: int
) -> list[Response]:
    """Poll on one connection; ``number`` decides its first path and its offset in the interval."""
    connection = connect(address)
    responses = []
    connections = PROCESSES * CONNECTIONS
    first = number * len(paths) // connections
    due = time.perf_counter() + interval * number / connections
    for path in islice(cycle(paths), first, first + count):
        if interval:
            time.sleep(max(0.0, due - time.perf_counter()))
            due += interval
        responses.append(_poll(connection, address, path))
    connection.close()
    return responses


def _poll(connection: socket.socket, address: str, path: str) -> Response:
    began = time.perf_counter()
    connection.sendall(build_request(address, path, "keep-alive"))
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += _receive(connection)
    return _parse_response(head, body, time.perf_counter() - began)


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the service has closed the connection")
    return received


def _parse_response(head: bytes, body: bytes, seconds: float) -> Response:
    etag = re.search(rb'(?i)etag: *("[^"]*")', head)
    return Response(int(head[9:12] or 0), etag[1].decode() if etag else "", body, seconds)

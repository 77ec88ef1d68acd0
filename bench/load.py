"""Who polls: plain sockets, so that the polls cost less than what they measure."""

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
"""Of each process, kept alive; one poll at a time on each."""

PATIENCE = 60


class Answer(NamedTuple):
    """What came back, and after how many seconds."""

    status: int
    etag: str
    body: bytes
    seconds: float


def herd(address: str, paths: Sequence[str]) -> list[Answer]:
    """One poll for each path, all at once: each on a connection of its own, none waits."""
    answers: list[Answer] = []
    with selectors.DefaultSelector() as selector:
        for path in paths:
            new = connect(address)
            new.sendall(request(address, path, "close"))
            selector.register(new, selectors.EVENT_READ, (bytearray(), time.perf_counter()))
        end = time.monotonic() + PATIENCE
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(1):
                received, began = key.data
                polling = key.fileobj
                assert isinstance(polling, socket.socket)
                if more := polling.recv(65536):
                    received += more
                    continue
                selector.unregister(polling)
                polling.close()
                head, _, body = bytes(received).partition(b"\r\n\r\n")
                answers.append(_answer(head, body, time.perf_counter() - began))
    return answers


def polls(address: str, paths: Sequence[str], count: int) -> list[Answer]:
    """So many polls over the paths, as fast as all connections get their answers."""
    each = count // (PROCESSES * CONNECTIONS)
    return _spread(partial(_one_after_the_other, address, paths, each, 0.0))


def hits(address: str, paths: Sequence[str], seconds: float, pause: float) -> list[Answer]:
    """Polls for so many seconds, on each connection one per ``pause`` seconds."""
    return _spread(partial(_one_after_the_other, address, paths, int(seconds / pause), pause))


class Wrk(NamedTuple):
    """What ``wrk`` tells: how many answers there were, how many a second, and the p99 in ms."""

    answers: int
    speed: float
    p99: float


def wrk(
    address: str, path: str, connections: int, seconds: int, options: Sequence[str] = ()
) -> Wrk:
    """Polls as fast as ``wrk`` can on so many connections; all of them have to be answered."""
    if shutil.which("wrk") is None:
        raise SystemExit("It needs wrk (Debian: apt-get install wrk).")
    command = ["wrk", "-t1", "--latency", f"-c{connections}", f"-d{seconds}s", *options]
    told = subprocess.run(
        [*command, f"http://{address}{path}"], check=True, capture_output=True, text=True
    ).stdout
    count, speed = re.search(r"(\d+) requests in", told), re.search(r"Requests/sec:\s+(\S+)", told)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\n", told)
    if not count or not speed or not p99 or "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(told)
    return Wrk(
        int(count[1]), float(speed[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]]
    )


def _spread(poll: partial[list[Answer]]) -> list[Answer]:
    # Not forked: a copy of an open connection would keep its end from being told.
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as processes:
        found = [
            processes.submit(_in_threads, poll, number * CONNECTIONS) for number in range(PROCESSES)
        ]
        return [answer for each in found for answer in each.result()]


def _in_threads(poll: partial[list[Answer]], first: int) -> list[Answer]:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        found = [threads.submit(poll, first + number) for number in range(CONNECTIONS)]
        return [answer for each in found for answer in each.result()]


def _one_after_the_other(
    address: str, paths: Sequence[str], count: int, pause: float, number: int
) -> list[Answer]:
    """On one connection; each starts at another path, and at another time of the pause."""
    connection = connect(address)
    answers = []
    connections = PROCESSES * CONNECTIONS
    first = number * len(paths) // connections
    due = time.perf_counter() + pause * number / connections
    for path in islice(cycle(paths), first, first + count):
        if pause:
            time.sleep(max(0.0, due - time.perf_counter()))
            due += pause
        answers.append(_poll(connection, address, path))
    connection.close()
    return answers


def _poll(connection: socket.socket, address: str, path: str) -> Answer:
    began = time.perf_counter()
    connection.sendall(request(address, path, "keep-alive"))
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += _some(connection)
    return _answer(head, body, time.perf_counter() - began)


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("it has hung up")
    return received


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(address: str, path: str, connection: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n".encode()


def _answer(head: bytes, body: bytes, seconds: float) -> Answer:
    etag = re.search(rb'(?i)etag: *("[^"]*")', head)
    return Answer(int(head[9:12] or 0), etag[1].decode() if etag else "", body, seconds)

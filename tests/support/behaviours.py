"""Ways in which a partner API answers a call, most of them wrong."""

import functools
import gzip
import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from feeds.sandbox import ORGANIZATION_ID
from tests.support.waiting import PATIENCE

UPSTREAM_TEXT = "a text of the upstream"
"""Part of every answer that is not a document. No subscriber may ever read this text."""

FAR = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
"""A day so far ahead that an edition is fresh for an hour (rules 8.1)."""


class Call:
    """A call for an event, and ways to answer. ``ended`` is set when the upstream stops."""

    def __init__(self, connection: socket.socket, event_id: str, ended: threading.Event) -> None:
        self._connection = connection
        self._ended = ended
        self.event_id = event_id

    def send(self, data: bytes) -> None:
        """Send these bytes, as they are."""
        self._connection.sendall(data)

    def stay_silent(self, seconds: float = PATIENCE) -> bool:
        """Wait; return False if the upstream has stopped."""
        return not self._ended.wait(seconds)

    def reset(self) -> None:
        """Close the connection with RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())


Behaviour = Callable[[Call], object]


def encode_response(status: str, body: bytes, *fields: str) -> bytes:
    """Return the bytes of an HTTP response after which the connection is closed."""
    lines = (f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def respond(status: str, body: bytes, *fields: str) -> Behaviour:
    """Return a behaviour: respond with this status, body and header fields."""
    return lambda call: call.send(encode_response(status, body, *fields))


def respond_html(status: str) -> Behaviour:
    """Return a behaviour: respond with a page, as proxies do."""
    page = f"<html><body><h1>{status}</h1>{UPSTREAM_TEXT}</body></html>"
    return respond(status, page.encode(), "Content-Type: text/html")


def refuse(status: str, code: str, **fields: object) -> Behaviour:
    """Return a behaviour: respond with an error of the API."""
    error = {"code": code, "message": UPSTREAM_TEXT, **fields}
    return respond(status, json.dumps({"error": error}).encode(), "Content-Type: application/json")


def encode_document(event_id: str, name: str, *dates: str, **fields: Any) -> bytes:
    """Return the document of an event with a 10K on each day; ``fields`` are of its first run."""
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


def stop_in_body(call: Call) -> None:
    """Send a part of the body, then nothing."""
    call.send(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"data": {"event": {')
    call.stay_silent()


def drip(call: Call) -> None:
    """Send the body byte by byte, five bytes a second."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while call.stay_silent(0.2):
        call.send(b" ")


def send_half_a_document(call: Call) -> None:
    """Send the first half of a document as a complete response."""
    whole = encode_document(call.event_id, UPSTREAM_TEXT)
    call.send(encode_response("200 OK", whole[: len(whole) // 2]))


def send_another_event(call: Call) -> None:
    """Send the document of an event with another id."""
    call.send(encode_response("200 OK", encode_document(f"{call.event_id}-other", UPSTREAM_TEXT)))


def send_50_megabytes(call: Call) -> None:
    """Send a body that is larger than any document."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
    for _ in range(50):
        call.send(b" " * 1024 * 1024)


def send_gzip_bomb(call: Call) -> None:
    """Send 50 kB that decompress to 50 MB."""
    call.send(encode_response("200 OK", _compress_50_megabytes(), "Content-Encoding: gzip"))


@functools.cache
def _compress_50_megabytes() -> bytes:
    return gzip.compress(bytes(50 * 1024 * 1024))

"""A partner API that misbehaves: over TLS, on a socket, under a host name of its own."""

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import trustme

from feeds.sandbox import ORGANIZATION_ID
from tests.support.behaviours import (
    Behaviour,
    Call,
    encode_document,
    encode_response,
    refuse,
    respond,
)
from tests.support.upstream import HOST
from tests.support.waiting import PATIENCE

NAME = "intervals.test"
"""The host name of the upstream."""

# Resolves as the system does, except for one name, which does not exist while a file exists.
RESOLVER = """
import os
import socket

def getaddrinfo(host, *arguments, **options):
    if host == {name!r}:
        if os.path.exists({missing!r}):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        host = {address!r}
    return resolve(host, *arguments, **options)

resolve, socket.getaddrinfo = socket.getaddrinfo, getaddrinfo
"""


class HostileUpstream:
    """A partner API on a port of its own; ``on`` runs it.

    ``documents`` holds its events by id, ``behaviours`` what it does instead of sending the
    document of an event. ``calls`` holds the ids of the requested events. ``environment`` has a
    process resolve its name and trust its certificate.
    """

    def __init__(self, folder: Path) -> None:
        self.calls: list[str] = []
        self.documents: dict[str, bytes] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self._ended = threading.Event()
        self._name_missing = folder / "name missing"
        self._listening: list[socket.socket] = []
        # Bound all the time, so that no other process gets the port while none listens there.
        self._reserved = self._bind(0)
        self.port: int = self._reserved.getsockname()[1]
        self.url = f"https://{NAME}:{self.port}"
        trusted, unknown = trustme.CA(), trustme.CA()
        self._trusted, self._untrusted = _create_context(trusted), _create_context(unknown)
        self._tls = self._trusted
        trusted.cert_pem.write_to_path(str(folder / "trusted.pem"))
        (folder / "sitecustomize.py").write_text(
            RESOLVER.format(name=NAME, missing=str(self._name_missing), address=HOST)
        )
        self.environment = {
            "REQUESTS_CA_BUNDLE": str(folder / "trusted.pem"),
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        }

    def publish(self, event_id: str, name: str, *dates: str, **fields: Any) -> None:
        """Serve an event with this name from now on, see ``encode_document``."""
        self.documents[event_id] = encode_document(event_id, name, *dates, **fields)

    @contextmanager
    def on(self) -> Iterator[Self]:
        """Accept connections until the end of the block."""
        self._listen()
        try:
            yield self
        finally:
            self._ended.set()
            self._close()
            self._reserved.close()

    @contextmanager
    def hold(self, event_id: str) -> Iterator[Callable[[], None]]:
        """Delay the responses for an event until the yielded function is called.

        Each is the document as it was when the call came in.
        """
        released = threading.Event()

        def wait(call: Call) -> None:
            document = self.documents[call.event_id]
            assert released.wait(PATIENCE)
            call.send(encode_response("200 OK", document))

        self.behaviours[event_id] = wait
        try:
            yield released.set
        finally:
            self.behaviours.pop(event_id, None)
            released.set()

    @contextmanager
    def refuse_connections(self) -> Iterator[None]:
        """Refuse connections until the end of the block."""
        self._close()
        yield
        self._listen()

    @contextmanager
    def accept_no_connection(self) -> Iterator[None]:
        """Let connections time out until the end of the block: the backlog is full."""
        self._close()
        with ExitStack() as stack:
            listening = stack.enter_context(closing(self._bind(self.port)))
            listening.listen(0)
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)  # noqa: FBT003 - a socket's own
                with suppress(BlockingIOError):
                    waiting.connect(listening.getsockname())
            yield
        self._listen()

    @contextmanager
    def remove_name(self) -> Iterator[None]:
        """Have its name not resolve until the end of the block."""
        self._name_missing.touch()
        yield
        self._name_missing.unlink()

    @contextmanager
    def present_unknown_certificate(self) -> Iterator[None]:
        """Fail TLS handshakes until the end of the block."""
        self._tls = self._untrusted
        yield
        self._tls = self._trusted

    @staticmethod
    def _bind(port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((HOST, port))
        return bound

    def _listen(self) -> None:
        listening = self._bind(self.port)
        listening.listen(100)
        self._listening.append(listening)
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _close(self) -> None:
        for listening in self._listening:
            listening.shutdown(socket.SHUT_RDWR)  # without it, accept() in the thread goes on
            listening.close()
        self._listening.clear()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):  # the client has closed the connection
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
            connection.sendall(encode_response("200 OK", owner))
            return
        event_id = path.removeprefix("/events/")
        self.calls.append(event_id)
        document = self.documents.get(event_id)
        default = respond("200 OK", document) if document else refuse("404 Not Found", "NOT_FOUND")
        self.behaviours.get(event_id, default)(Call(connection, event_id, self._ended))


def _create_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    return context

"""A server that sends what a test says, byte by byte, over connections that stay open."""

import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


class Connection(socketserver.StreamRequestHandler):
    """One connection as the server sees it; a behaviour is a function of a ``Connection``."""

    server: "RawServer"

    def setup(self) -> None:
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.server.connections.append(self.request)
        super().setup()

    def handle(self) -> None:
        self.server.behaviour(self)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.request.close()

    def read_request(self) -> str | None:
        """Return the path of the next request, or None if the client has closed."""
        head = []
        while line := self.rfile.readline().strip():
            head.append(line)
        path = head[0].split()[1].decode() if head else None
        if path:
            self.server.paths.append(path)
            self.server.heads.append(b"\n".join(head).decode())
        return path

    def send(self, data: bytes) -> None:
        self.request.sendall(data)

    def stay_silent(self) -> None:
        """Send nothing until the test is over, ten seconds at most."""
        self.server.over.wait(10)

    def drip(self, start: bytes, drop: bytes) -> None:
        """Send ``start`` and then a drop every 50 ms, until the test is over or for 10 seconds."""
        self.send(start)
        for _ in range(200):
            if self.server.over.wait(0.05):
                return
            self.send(drop)

    def close(self) -> None:
        """Close the connection with FIN."""
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)
        self.server.closed.set()

    def reset(self) -> None:
        """Close the connection with RST."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.request.detach())


Behaviour = Callable[[Connection], object]


class RawServer(socketserver.ThreadingTCPServer):
    """``paths`` and ``heads`` are those of the requests, ``connections`` the clients' sockets."""

    request_queue_size = 50

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        super().__init__((HOST, 0), Connection)
        self.behaviour = behaviour
        self.tls = tls
        self.connections: list[socket.socket] = []
        self.paths: list[str] = []
        self.heads: list[str] = []
        self.closed = threading.Event()
        self.over = threading.Event()
        self.port: int = self.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore what a client does to its connection, but not a mistake in a test."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            raise error


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Run a server that treats each connection as ``behaviour`` says."""
    with RawServer(behaviour, tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
            for each in server.connections:
                with suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)


def wire(status: str, body: bytes, *fields: str) -> bytes:
    """Return an answer as sent, with a Content-Length unless the fields frame the body."""
    if not any(field.startswith(("Content-Length", "Transfer-Encoding")) for field in fields):
        fields = (*fields, f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields))
    return f"{head}\r\n".encode("latin-1") + body


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def always(data: bytes) -> Behaviour:
    """Answer every request of a connection."""

    def behave(connection: Connection) -> None:
        while connection.read_request():
            connection.send(data)

    return behave


def once(data: bytes) -> Behaviour:
    """Answer the first request of a connection, then close."""

    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)

    return behave


def reset_when_asked(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def silent_when_asked(connection: Connection) -> None:
    connection.read_request()
    connection.stay_silent()


def closed_when_asked(connection: Connection) -> None:
    connection.read_request()
    connection.close()

"""gunicorn's threaded worker, with bounds on what clients can hold.

In gunicorn 27, a thread waits for the first request of a new connection, for the rest of a request,
and for a client that does not read: as many such clients as there are threads keep all others from
being answered. Idle connections count until there are ``worker_connections``; then no client can
connect. And the thread that accepts connections lingers up to two seconds until a client has closed
its end (RFC 9112 9.6).
"""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END
from math import inf
from threading import Semaphore
from time import monotonic
from typing import Any, ClassVar

from gunicorn.workers.gthread import _DEFER, ThreadWorker

MAX_HEAD = 8192
"""Bytes of the head of a request that are collected without a thread."""

MAX_BODY = 64 * 1024
"""Bytes of a body that are read to use the connection again. No request here needs a body."""

_AT_ONCE = int(socket.MSG_DONTWAIT)  # the operators of the enumeration are slow
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(socket.socket):
    """A connection that is reset when its client is too slow, or when too many clients are slow.

    ``slow`` has a place for each thread that may wait for a client. Reads fail after ``deadline``
    (monotonic time), writes after ``send_timeout`` seconds. The head of a request must have arrived
    by ``head_deadline``.
    """

    deadline = head_deadline = inf

    def __init__(
        self,
        accepted: socket.socket,
        slow: Semaphore,
        receive_timeout: float,
        send_timeout: float,
    ) -> None:
        kind = accepted.family, accepted.type, accepted.proto
        super().__init__(*kind, fileno=accepted.detach())
        self._slow = slow
        self._send_timeout = send_timeout
        # Python's own time-outs would cost system calls with each read and write.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _to_timeval(receive_timeout))
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _to_timeval(send_timeout))

    def recv_at_once(self, size: int) -> bytes | None:
        """Receive what has arrived; None if nothing has."""
        try:
            return super().recv(size, _AT_ONCE)
        except BlockingIOError:
            return None

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, until the deadline."""
        if monotonic() > self.deadline:
            raise self._give_up()
        if self.gettimeout() is not None:  # gunicorn waits for no longer than that
            return super().recv(size, flags)
        data = self.recv_at_once(size)
        if data is None:
            with self._wait():
                data = super().recv(size, flags)
        return data

    def sendall(self, data: Any, flags: int = 0, /) -> None:  # noqa: ANN401 - any buffer
        """Send all, unless that takes too long."""
        try:
            sent = self.send(data, flags | _AT_ONCE)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            with self._wait():
                self._send_slowly(memoryview(data)[sent:], flags)

    def _send_slowly(self, left: memoryview, flags: int) -> None:
        end = monotonic() + self._send_timeout
        while left:
            left = left[self.send(left, flags) :]
            if left and monotonic() > end:
                raise self._give_up()

    @contextmanager
    def _wait(self) -> Iterator[None]:
        """Let this thread wait for the client in a block, if not too many threads do."""
        if not self._slow.acquire(blocking=False):
            raise self._give_up()
        try:
            yield
        except BlockingIOError:  # a time-out of the system
            raise self._give_up() from None
        finally:
            self._slow.release()

    def _give_up(self) -> ConnectionResetError:
        """Have the connection reset when it is closed; gunicorn does not log this error."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.deadline = -inf
        return ConnectionResetError(errno.ECONNRESET, "the client is too slow")


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Has no thread wait for a client before the head of a request is complete.

    ``receive_timeout`` is how many seconds a client may take for the head of a request, from the
    time of the connection or of its first byte, and for the body. ``send_timeout`` is how many
    seconds it may take to read an answer beyond what the system has room for. At most half of the
    threads wait for a client that sends or reads slowly, and at most a quarter for a client that
    does not close its end. The oldest idle connection makes room for a new one. A worker that stops
    waits for no connection on which no byte of a request has arrived.
    """

    receive_timeout: ClassVar = 10.0
    send_timeout: ClassVar = 30.0

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        super().__init__(*args, **more)
        self._slow = Semaphore(max(1, self.cfg.threads // 2))
        self._lingering = Semaphore(max(1, self.cfg.threads // 4))
        self._out_of_files = False

    def accept(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _TOO_MANY_FILES:
                raise
            self._out_of_files = True

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        super().wait_for_and_dispatch_events(timeout)
        # Only now: no event of a connection that is closed here is left to be dispatched.
        while self._out_of_files or self.nr_conns >= self.worker_connections:
            self._out_of_files = False
            if not self._close_oldest():
                break
        if not self.alive:
            self._dispatch_silent()

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - gunicorn has no types
        if not conn.initialized:
            conn.sock = Connection(conn.sock, self._slow, self.receive_timeout, self.send_timeout)
            conn.sock.head_deadline = monotonic() + self.receive_timeout
            conn.init()
        try:
            ready = self._read_head(conn)
        except OSError:
            ready = None
        if ready is False and self.alive:
            return _DEFER  # until there is more to read
        kept = bool(ready) and super().handle(conn)
        if not kept:
            # Places of its own: a client that does not close must not have another one reset.
            lingers = self._lingering.acquire(blocking=False)
            try:
                conn.close(graceful=lingers)
            finally:
                if lingers:
                    self._lingering.release()
            conn.close = lambda **_: None  # the main thread only counts the connection
        return kept

    def finish_request(self, conn: Any, fs: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        super().finish_request(conn, fs)
        if self.pending_conns and self.pending_conns[-1] is conn:
            conn.timeout = conn.sock.head_deadline

    def _read_head(self, conn: Any) -> bool | None:  # noqa: ANN401 - gunicorn has no types
        """Whether the head of a request has arrived; None if it never will."""
        buffer, now = conn.parser.unreader.buf, monotonic()
        head = buffer.getvalue()
        if b"\r\n\r\n" not in head:
            data = conn.sock.recv_at_once(MAX_HEAD)
            if data == b"" or now > conn.sock.head_deadline:
                return None
            buffer.seek(0, SEEK_END)
            buffer.write(data or b"")
            head += data or b""
        if b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
            conn.sock.head_deadline = min(conn.sock.head_deadline, now + self.receive_timeout)
            return False
        conn.sock.deadline = now + self.receive_timeout
        return True

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:  # noqa: ANN401 - gunicorn has no types
        """Whether the connection is kept after a request, whose body is read to its end.

        The connection is closed after a longer body, or one of unknown length (chunked).
        """
        conn.sock.deadline = conn.sock.head_deadline = inf
        length = getattr(conn.parser.mesg.body.reader, "length", None)
        if length == 0:
            return bool(keepalive)
        if length is None or length > MAX_BODY or not self._slow.acquire(blocking=False):
            return False
        conn.sock.deadline = monotonic() + self.receive_timeout
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        finally:
            self._slow.release()

    def _close_oldest(self) -> bool:
        """Close the connection that has been without a request for longest; False if none is."""
        queues = (
            (self.pending_conns, self.receive_timeout),
            (self.keepalived_conns, self.cfg.keepalive),
        )
        idle = [(queue[0].timeout - allowed, queue) for queue, allowed in queues if queue]
        if not idle:
            return False
        conn = min(idle, key=lambda each: each[0])[1].popleft()
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()
        return True

    def _dispatch_silent(self) -> None:
        """Have a stopping worker close the connections on which no byte of a request has arrived.

        ``handle`` answers a request that arrives just now.
        """
        for conn in list(self.pending_conns):
            if not conn.parser.unreader.buf.tell():
                self.on_pending_socket_readable(conn, conn.sock)


def _to_timeval(seconds: float) -> bytes:
    """A time-out as the system takes it: whole seconds, and microseconds."""
    whole = int(seconds)
    return struct.pack("ll", whole, int((seconds - whole) * 1_000_000))

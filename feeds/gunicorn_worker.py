"""gunicorn's threaded worker, with two waits removed that let one client delay all others.

gunicorn 27 lingers up to two seconds until a client has closed its end of a connection (RFC 9112
9.6), in the thread that accepts connections and sends the heartbeat. And a thread waits up to five
seconds for the first request of a new connection: as many silent connections as there are threads
would delay all other clients.
"""

from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Does not wait for silent connections, and closes each in the thread that has served it."""

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - gunicorn has no types
        if not (conn.initialized or conn.data_ready or conn.wait_for_data(0)):
            return _DEFER  # until there is something to read
        kept = super().handle(conn)
        if kept is False:
            conn.close(graceful=True)
            conn.close = lambda **_: None  # the main thread only counts the connection
        return kept

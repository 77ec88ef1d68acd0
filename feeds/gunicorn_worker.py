"""gunicorn's threaded worker, but that nobody is held up by who is silent or does not close.

gunicorn 27 lingers for up to two seconds until a client has closed its end (RFC 9112 9.6), in the
thread that accepts connections and tells that the worker lives. Clients that do not close, or are
far away, would have all others wait. And it has a thread wait for five seconds for the first
request of a connection, before it looks after it without one: as many silent connections as there
are threads would have all others wait as well.
"""

from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn tells no types
    """Waits for no new connection, and closes one in the thread that has served it."""

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - as above
        if not (conn.initialized or conn.data_ready or conn.wait_for_data(0)):
            return _DEFER  # until there is something to read
        kept = super().handle(conn)
        if kept is False:
            conn.close(graceful=True)
            conn.close = lambda **_: None  # the main thread only counts it
        return kept

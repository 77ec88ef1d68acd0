"""gunicorn's threaded worker, but for one thing: closing a connection holds up nobody else.

gunicorn 27 lingers for up to two seconds until a client has closed its end (RFC 9112 9.6), in the
thread that accepts connections and tells that the worker lives. Clients that do not close, or are
far away, would have all others wait.
"""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn tells no types
    """Closes a connection in the thread that has served it."""

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - as above
        kept = super().handle(conn)
        if kept is False:
            conn.close(graceful=True)
            conn.close = lambda **_: None  # the main thread only counts it
        return kept

"""Serves the metrics on an address of its own, from a process of its own.

That process answers however busy the workers are. At each request, it reads the counts of the
workers from files (prometheus-client's multiprocess mode), and the state of the budget and the
editions from the database.
"""

import atexit
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from feeds import metrics
from feeds.clock import utc_now
from feeds.config import Settings
from feeds.errors import SettingsError
from feeds.store.engines import create_engine

CLIENT_TIMEOUT = 10.0
"""Seconds that a client of the metrics may take to send its request."""

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of this service's own is made there


class Exporter:
    """The listener and the folder of the metrics, and the process that serves them.

    Raises ``SettingsError`` if the address of FEEDS_METRICS_BIND cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        host, port = settings.metrics_bind or ("", 0)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise SettingsError(
                f"FEEDS_METRICS_BIND cannot be used: {host}:{port}: {reason}. "
                "The service and each refresher of a machine need an address of their own."
            ) from None
        self._settings = settings
        in_memory = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="feeds-metrics-", dir=in_memory))
        self._owner, self._server = os.getpid(), 0
        atexit.register(self.stop)
        metrics.start(self._folder)

    def start(self) -> None:
        """Start the process that serves; the caller has no other threads, since it forks."""
        self._server = os.fork()
        if not self._server:
            self._serve()
        self._listener.close()  # else connections would wait for ever once that process is gone

    def stop(self) -> None:
        """End the process and remove the folder; does nothing in processes forked from this one."""
        if os.getpid() != self._owner:
            return
        if self._server:
            with suppress(ProcessLookupError):
                os.kill(self._server, signal.SIGTERM)
            with suppress(ChildProcessError):  # gunicorn has waited for it
                os.waitpid(self._server, 0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> NoReturn:
        """Serve until the service ends, however it ends."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the service stops this process
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            server = _Server(self._listener)
            server.set_app(_build_application(self._folder, self._settings))
            while os.getppid() == self._owner:  # else the service was killed
                server.handle_request()
            shutil.rmtree(self._folder, ignore_errors=True)
        finally:
            os._exit(0)  # the caller's own code must not run twice


_exporter: Exporter | None = None


def prepare(settings: Settings, public_bind: str = "") -> None:
    """Listen on the address of FEEDS_METRICS_BIND and count from now on, if it is set.

    ``public_bind`` is where the service listens. Raises ``SettingsError``.
    """
    global _exporter  # noqa: PLW0603 - gunicorn's hooks get no arguments of ours
    if settings.metrics_bind is None:
        return
    if public_bind.rpartition(":")[2] == str(settings.metrics_bind[1]):
        raise SettingsError("FEEDS_METRICS_BIND needs another port than the service itself.")
    _exporter = Exporter(settings)


def start() -> None:
    """Start the process that serves the metrics, if they were prepared."""
    if _exporter:
        _exporter.start()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    timeout = 1.0
    """Seconds after which ``handle_request`` gives up waiting for a request."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's
        """Log errors, but not that a client was too slow or has gone."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_TIMEOUT

    def log_message(self, *_: object) -> None:
        """Log no requests."""


def _build_application(folder: Path, settings: Settings) -> WSGIApplication:
    # prometheus-client decides at its import whether processes share a folder.
    from prometheus_client import CollectorRegistry, make_wsgi_app  # noqa: PLC0415 - see above
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - see above

    from feeds.exporter.database import DatabaseCollector  # noqa: PLC0415 - imports it, too

    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # of the library
    engine = create_engine(settings.database_url)
    registry.register(DatabaseCollector(engine, settings.rate, utc_now))
    serve_metrics = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/metrics":
            found: Iterable[bytes] = serve_metrics(environ, start_response)
            return found
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"The metrics are at /metrics.\n"]

    return answer

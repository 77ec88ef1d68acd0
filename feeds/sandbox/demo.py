"""The demo: a local Intervals API and the service, in one process, with all samples fetched."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from tempfile import TemporaryDirectory

import click
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from feeds import config
from feeds.clock import utc_now
from feeds.sandbox.api import create_sandbox
from feeds.sandbox.keys import SANDBOX_KEY
from feeds.sandbox.samples import SAMPLES, load_samples

HOST = "127.0.0.1"
ADDRESSES = """\
The club's page:         {service}/
A calendar:              {service}/events/e72tuv901wxy234.ics
A channel:               {service}/events/e72tuv901wxy234.rss
The local Intervals API: {api}/events (key: {key})
Press Ctrl-C to stop."""

RATE = "1000/minute"
"""The rate limit of the enterprise plan."""

MAX_AGE = timedelta(seconds=5)
"""The time after which an edit of a sample is visible."""

CONFIRM_AFTER = timedelta(seconds=20)
"""The time after which the demo shows that a run or an event is no longer listed."""

MAX_WAIT = 10
"""Seconds to wait for a request or a refresh in flight at the end."""


def run(port: int, create_app: Callable[[config.Settings], Flask]) -> None:
    """Serve until SIGINT (Ctrl-C), SIGTERM or SIGHUP; then stop all threads and delete all files.

    The service, made by ``create_app``, listens on ``port``; the API listens on the next port.
    Raises ``click.ClickException`` with one line if a port is in use or a sample is not served.
    """
    # The signals stay pending until sigwait(). A signal handler that raises could interrupt
    # the start of a thread.
    stop_signals = {signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores SIGHUP
        stop_signals.add(signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    logging.disable(logging.WARNING)
    os.environ["no_proxy"] = HOST  # a proxy cannot reach this machine

    service_url, api_url = f"http://{HOST}:{port}", f"http://{HOST}:{port + 1}"
    with ExitStack() as stack:
        service_socket, api_socket = (stack.enter_context(_listen(p)) for p in (port, port + 1))
        folder = stack.enter_context(TemporaryDirectory(prefix="intervals-feeds-"))
        settings = {
            "INTERVALS_PARTNER_API_KEY": SANDBOX_KEY,
            "FEEDS_API_URL": api_url,
            "FEEDS_PUBLIC_URL": service_url,
            "FEEDS_TIMEZONE": "America/Chicago",
            "FEEDS_DATABASE_URL": f"sqlite:///{folder}/feeds.sqlite3",
            "FEEDS_MAX_AGE": f"{MAX_AGE.total_seconds():.0f}",
            "FEEDS_UPSTREAM_RATE": RATE,
        }
        service = create_app(replace(config.read(settings), confirm_after=CONFIRM_AFTER))
        stack.enter_context(_serving(create_sandbox(), api_socket))
        stack.enter_context(_serving(service, service_socket))
        # Fetch all samples, so that the home page lists them.
        for event_id in load_samples(SAMPLES, utc_now().date()).documents:
            if signal.sigpending() & stop_signals:
                break
            response = service.test_client().get(f"/events/{event_id}.ics")
            if response.status_code != HTTPStatus.OK:
                raise click.ClickException(f"{event_id} is not served: {response.text.strip()}")
        else:
            click.echo(ADDRESSES.format(service=service_url, api=api_url, key=SANDBOX_KEY))
        signal.sigwait(stop_signals)
    click.echo("\nStopped; nothing is left behind.")


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError:
        raise click.ClickException(
            f"Port {port} is in use; PORT=8123 make demo takes 8123 and 8124 instead."
        ) from None


@contextmanager
def _serving(application: Flask, listener: socket.socket) -> Iterator[None]:
    """Serve an application in threads; at the end, wait for all threads started meanwhile."""
    fd = listener.fileno()
    server = make_server(HOST, 0, application, threaded=True, request_handler=_Handler, fd=fd)
    earlier = set(threading.enumerate())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}).start()
    try:
        yield
    finally:
        server.shutdown()
        # A request or a refresh in flight still writes to the folder of the database.
        for thread in set(threading.enumerate()) - earlier:
            thread.join(MAX_WAIT)


class _Handler(WSGIRequestHandler):
    """Log no requests; close a connection on which the client is silent."""

    timeout = 2  # seconds

    def log(self, *_: object) -> None:
        pass

"""The demo: a local Intervals API and the service beside it, with all samples fetched."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import click
import requests

from feeds.sandbox import SAMPLES, SANDBOX_KEY

HOST = "127.0.0.1"
EXAMPLE = "e72tuv901wxy234"
"""The event of the API's own documentation."""

MAX_AGE = 5
"""Seconds: whoever edits an event in the sandbox wants to see it in the feed."""

RATE = "1000/minute"
"""That of the plan whose limits the local API keeps."""

PATIENCE = 30

Ends = SimpleQueue[int]
"""Signals to end that have come: Ctrl-C, kill, or a terminal that was closed."""


def run(port: int) -> None:
    """Run until interrupted; nothing is left behind.

    Raises ``click.ClickException`` with one line if a port is taken or a part does not start.
    """
    api, service = f"http://{HOST}:{port + 1}", f"http://{HOST}:{port}"
    for each in (port, port + 1):
        _check_free(each)
    # Asked for instead of raised: an exception could come between a start and its record.
    ends: Ends = SimpleQueue()  # which a handler may put to while it is read
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A shell starts what runs in the background with SIGINT ignored, and nohup means SIGHUP.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: ends.put(number))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intervals-feeds-")))
        settings = {
            "INTERVALS_PARTNER_API_KEY": SANDBOX_KEY,
            "FEEDS_API_URL": api,
            "FEEDS_PUBLIC_URL": service,
            "FEEDS_TIMEZONE": "America/Chicago",
            "FEEDS_DATABASE_URL": f"sqlite:///{folder / 'feeds.sqlite3'}",
            "FEEDS_MAX_AGE": str(MAX_AGE),
            "FEEDS_UPSTREAM_RATE": RATE,
        }
        try:
            stack.enter_context(_part(folder / "api.log", "sandbox", "--port", str(port + 1)))
            _wait_for(f"{api}/sandbox/calls", folder / "api.log", ends)
            stack.enter_context(
                _part(folder / "service.log", "serve", "--bind", f"{HOST}:{port}", env=settings)
            )
            _wait_for(f"{service}/robots.txt", folder / "service.log", ends)
            _fetch_all(service, ends)
            _tell(api, service)
            ends.get()
        except _Ended:
            pass
    click.echo("\nStopped; nothing is left behind.")


class _Ended(Exception):
    """A signal to end came before all was there."""


@contextmanager
def _part(
    log: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of this package as a process of its own, ended with the block."""
    clean = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "feeds", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean | dict(env or {}),
            start_new_session=True,  # Ctrl-C is for this process, which then ends its parts
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_setting(name: str) -> bool:
    """Whether a name of the environment would have a say; a proxy does not reach this machine."""
    return (
        name.startswith(("FEEDS_", "INTERVALS_", "GUNICORN_"))
        or name.lower().endswith("_proxy")
        or name == "PORT"
    )


def _wait_for(url: str, log: Path, ends: Ends) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            _get(url, timeout=2)
        except requests.RequestException:
            with suppress(Empty):
                ends.get(timeout=0.05)
                raise _Ended from None
        else:
            return
    lines = log.read_text("utf-8", "replace").strip().splitlines() or ["nothing was logged"]
    raise click.ClickException(f"{url} does not answer: {lines[-1]}")


def _fetch_all(service: str, ends: Ends) -> None:
    """Poll each sample once, so that the first page lists them."""
    for path in sorted(SAMPLES.glob("*.json")):
        if not ends.empty():
            raise _Ended
        event = json.loads(path.read_text("utf-8")).get("event")
        if event:
            url = f"{service}/events/{event['_id']}.ics"
            try:
                _get(url, timeout=PATIENCE)
            except requests.RequestException as error:
                raise click.ClickException(f"{url} is not served: {error}") from None


def _get(url: str, *, timeout: float) -> None:
    with requests.Session() as session:
        session.trust_env = False  # as for the parts: no proxy
        session.get(url, timeout=timeout).raise_for_status()


def _tell(api: str, service: str) -> None:
    event = f"{service}/events/{EXAMPLE}"
    for what, where in (
        ("Sample events", f"{service}/"),
        ("A calendar", f"{event}.ics"),
        ("A channel", f"{event}.rss"),
        ("The local Intervals API", f"{api}/events (key: {SANDBOX_KEY})"),
    ):
        click.echo(f"{what + ':':<25}{where}")
    click.echo("Ctrl-C ends both.")


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise click.ClickException(
                f"Port {port} is in use; PORT=8123 make demo takes 8123 and 8124 instead."
            ) from None

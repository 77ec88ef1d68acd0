"""Things that run, for tests: a clock to move, an upstream on a socket, commands as processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import Signals
from typing import Any, TypeVar, cast

from werkzeug import Response
from werkzeug.serving import WSGIRequestHandler, make_server

from feeds import config
from feeds.config import Settings
from feeds.sandbox import ORGANIZATION_ID, SAMPLES, SANDBOX_KEY, SCOPES, Key, create_sandbox

T = TypeVar("T")

HOST = "127.0.0.1"
START = datetime(2026, 5, 20, 12, tzinfo=UTC)
EXAMPLE = "e72tuv901wxy234"
"""The event of the API's own documentation: one run, long over at START."""

PATIENCE = 30
"""Seconds that a process may take for anything."""

SAMPLE_IDS = sorted(
    document["event"]["_id"]
    for path in SAMPLES.glob("*.json")
    if "event" in (document := json.loads(path.read_text("utf-8")))
)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def timestamp(self) -> float:
        """In POSIX time."""
        return self.now.timestamp()

    def advance(self, **duration: float) -> None:
        """Move it by ``seconds=``, ``hours=`` and so on; backwards if negative."""
        self.now += timedelta(**duration)


class Upstream:
    """The sandbox behind a socket.

    ``calls`` are the paths that it was asked for. ``instead`` is what it answers to all of them
    while that is set, ``scopes`` what its key may read. ``on`` runs it. ``hold`` holds answers
    back.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.calls: list[str] = []
        self.instead: Callable[[Any, Any], Iterable[bytes]] | None = None
        self.failing: dict[str, Response] = {}
        self.scopes = set(SCOPES)
        self._released = threading.Event()
        self._released.set()
        self._keys: dict[str, Key] = {}
        self.give_key_to(ORGANIZATION_ID)
        self._sandbox = create_sandbox(keys=self._keys, clock=clock)
        self._listen(0)
        self.url = f"http://{HOST}:{self._server.port}"

    def _listen(self, port: int) -> None:
        self._server = make_server(
            HOST, port, self._answer, threaded=True, request_handler=_QuietHandler
        )

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.calls.append(environ["PATH_INFO"])
        assert self._released.wait(PATIENCE)
        failing = self.failing.get(environ["PATH_INFO"])
        return (self.instead or failing or self._sandbox)(environ, start_response)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Answer no call before the end of the block; a call is then answered with what is so."""
        self._released.clear()
        try:
            yield
        finally:
            self._released.set()

    @contextmanager
    def on(self) -> Iterator["Upstream"]:
        self._serve()
        try:
            yield self
        finally:
            self.stop()

    def _serve(self) -> None:
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether it refuses connections."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def restart(self) -> None:
        """Accept connections again, on the same port."""
        self._listen(self._server.port)
        self._serve()

    @property
    def asked(self) -> list[str]:
        """The ids of the events that it was asked for, in order."""
        return [path.removeprefix("/events/") for path in self.calls if "/events/" in path]

    def give_key_to(self, organization: str) -> None:
        """Have the key belong to this organization from now on."""
        key = Key(organization, scopes=cast("frozenset[str]", self.scopes))
        self._keys[SANDBOX_KEY] = key

    def put(self, event_id: str, document: Any) -> None:
        """Have a document served as it is."""
        answer = self._sandbox.test_client().put(f"/sandbox/events/{event_id}", json=document)
        assert answer.status_code in (200, 201)

    def delete(self, event_id: str) -> None:
        """Have no such event from now on."""
        answer = self._sandbox.test_client().delete(f"/sandbox/events/{event_id}")
        assert answer.status_code in (200, 204)

    def refuse_path(self, path: str, status: int, code: str) -> None:
        """Answer one path with an error of the API's own from now on."""
        body = json.dumps({"error": {"code": code, "message": "Upstream's own text."}})
        self.failing[path] = Response(body, status, mimetype="application/json")

    def answer(self, status: int, media_type: str, body: str) -> None:
        """Answer everything with this from now on."""
        self.instead = Response(body, status, mimetype=media_type)

    def refuse(self, status: int, code: str, **more: Any) -> None:
        """Answer everything with an error of the API's own from now on."""
        body = json.dumps({"error": {"code": code, "message": "Upstream's own text."} | more})
        self.instead = Response(body, status, mimetype="application/json")

    def document(self, event_id: str) -> Any:
        """``{"event": ..., "runs": ...}`` as it is now."""
        return self._sandbox.test_client().get(f"/sandbox/events/{event_id}").json

    def publish(self, event_id: str, *dates: str, **fields: Any) -> None:
        """Have an event with a 10K on each of these dates, at noon; the first is its own date."""
        event = {
            "_id": event_id,
            "name": event_id.capitalize(),
            "slug": event_id,
            "type": "race",
            "date": dates[0],
            "organizationId": ORGANIZATION_ID,
        }
        runs = [
            {
                "_id": f"{event_id}-{number}",
                "eventId": event_id,
                "distanceMeters": 10000,
                "distanceStandard": "10K",
                "distanceLabel": "10K",
                "date": date,
                "startTime": "12:00",
            }
            for number, date in enumerate(dates, 1)
        ]
        self.put(event_id, {"event": event | fields, "runs": runs})


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"  # no connection outlives its request

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


def settings_for(api_url: str, folder: Path, **changes: Any) -> Settings:
    """Settings for an upstream there, with a database in this folder."""
    return Settings(
        **{
            "api_key": SANDBOX_KEY,
            "timezone": "America/Chicago",
            "api_url": api_url,
            "public_url": "https://feeds.example.org",
            "database_url": f"sqlite:///{folder / 'feeds.sqlite3'}",
        }
        | changes
    )


def rate(text: str) -> Any:
    """The value of ``rate`` in settings that stands for a FEEDS_UPSTREAM_RATE."""
    given = {"INTERVALS_PARTNER_API_KEY": SANDBOX_KEY, "FEEDS_TIMEZONE": "America/Chicago"}
    return config.read(given | {"FEEDS_UPSTREAM_RATE": text}).rate


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process, with these settings and no others."""
    foreign = ("FEEDS_", "INTERVALS_", "GUNICORN_", "FLASK_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and name != "PORT" and "proxy" not in name.lower()
    } | settings


def environment_for(api_url: str, folder: Path, **changes: str) -> dict[str, str]:
    """What ``serve`` needs for an upstream there, with a database in this folder."""
    return environment(
        **{
            "INTERVALS_PARTNER_API_KEY": SANDBOX_KEY,
            "FEEDS_TIMEZONE": "America/Chicago",
            "FEEDS_API_URL": api_url,
            "FEEDS_PUBLIC_URL": "https://feeds.example.org",
            "FEEDS_DATABASE_URL": f"sqlite:///{folder / 'feeds.sqlite3'}",
        }
        | changes
    )


def run(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """``feeds`` with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "feeds", *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Process:
    """``feeds`` with these arguments, running; what it writes is ``output``."""

    def __init__(self, log: Path, *arguments: str, env: Mapping[str, str]) -> None:
        self._log = log
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(Signals.SIGINT) == signal.SIG_IGN:
            # As a shell's background has it; only this thread may put it right.
            signal.signal(Signals.SIGINT, signal.default_int_handler)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "feeds", *arguments],
                env=env,
                cwd=log.parent,
                # Who inherits it holds it open: ``is_gone`` sees children of any session by it.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8")

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """What the pattern, or its group, matches in the output, as soon as it does so often."""

        def found() -> list[str]:
            ended = self._process.poll() is not None
            matches = re.findall(pattern, self.output)
            assert matches or not ended, f"ended without {pattern}: {self.output}"
            return matches if len(matches) >= times else []

        return until(found, f"{pattern} in the output")

    def send(self, number: Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(PATIENCE)

    def is_gone(self) -> bool:
        """Whether neither it nor any process that descends from it is left."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"?")
            self._process.stdin.flush()
        except BrokenPipeError:
            return True
        return False

    def kill(self) -> None:
        """Whatever is left of it; nothing if it ended as it should."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, Signals.SIGKILL)
                self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what is_gone() wrote was never read
            self._process.stdin.close()


@contextmanager
def running(log: Path, *arguments: str, env: Mapping[str, str]) -> Iterator[Process]:
    """``feeds`` with these arguments until the end of the block."""
    process = Process(log, *arguments, env=env)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def serving(log: Path, env: Mapping[str, str], *arguments: str) -> Iterator[tuple[Process, str]]:
    """``feeds serve`` on a port of its own, and its address, once both workers are there."""
    with running(log, "serve", "--bind", f"{HOST}:0", *arguments, env=env) as process:
        (url,) = process.wait_for(r"Listening at: (http://\S+)")
        yield process, url


def until(condition: Callable[[], T], what: str) -> T:
    """What the condition answers as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return answer


def two_free_ports() -> int:
    """The first of two neighbouring ports that nobody listens on."""
    # Below those that systems hand out, and another stretch for each process that tests.
    first = 20_000 + os.getpid() % 500 * 20
    for port in range(first, first + 20, 2):
        try:
            for each in (port, port + 1):
                socket.create_server((HOST, each)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no free ports")

"""The commands of ``feeds`` as processes, and the settings for them."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals
from typing import Any

from feeds import config
from feeds.config import Settings
from feeds.sandbox import SANDBOX_KEY
from tests.support.upstream import HOST
from tests.support.waiting import PATIENCE, wait_until


def settings_for(api_url: str, folder: Path, **changes: Any) -> Settings:
    """Return settings for the upstream at this URL, with a database in this folder."""
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
    """Return the ``rate`` of the settings for a value of FEEDS_UPSTREAM_RATE."""
    given = {"INTERVALS_PARTNER_API_KEY": SANDBOX_KEY, "FEEDS_TIMEZONE": "America/Chicago"}
    return config.read(given | {"FEEDS_UPSTREAM_RATE": text}).rate


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of this process, with these settings and no others."""
    foreign = ("FEEDS_", "INTERVALS_", "GUNICORN_", "FLASK_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and name != "PORT" and "proxy" not in name.lower()
    } | settings


def environment_for(api_url: str, folder: Path, **changes: str) -> dict[str, str]:
    """Return the environment of ``feeds serve``: an upstream's URL, a database in the folder."""
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
    """Run ``feeds`` with these arguments and wait for its end."""
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
    """``feeds`` with these arguments in the background; ``output`` is what it has written."""

    def __init__(
        self,
        log: Path,
        *arguments: str,
        env: Mapping[str, str],
        prefix: Sequence[str] = (),
        module: str = "feeds",
    ) -> None:
        self._log = log
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(Signals.SIGINT) == signal.SIG_IGN:
            # A shell starts background processes so. Only the main thread may set a handler.
            signal.signal(Signals.SIGINT, signal.default_int_handler)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", module, *arguments],
                env=env,
                cwd=log.parent,
                # All descendants inherit it, in any session: ``is_gone`` finds them by it.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the first process."""
        return self._process.pid

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8")

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """Wait for so many matches in the output; return all matches, or those of the group."""

        def find() -> list[str]:
            ended = self._process.poll() is not None
            matches = re.findall(pattern, self.output)
            assert matches or not ended, f"ended without {pattern}: {self.output}"
            return matches if len(matches) >= times else []

        return wait_until(find, f"{pattern} in the output")

    def send(self, number: Signals) -> None:
        """Send a signal to the first process."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self._process.wait(PATIENCE)

    def is_gone(self) -> bool:
        """Whether the process and all its descendants have ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"?")
            self._process.stdin.flush()
        except BrokenPipeError:
            return True
        return False

    def kill(self) -> None:
        """End what is left of the process."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, Signals.SIGKILL)
                self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # no process has read what is_gone() wrote
            self._process.stdin.close()


@contextmanager
def running(
    log: Path,
    *arguments: str,
    env: Mapping[str, str],
    prefix: Sequence[str] = (),
    module: str = "feeds",
) -> Iterator[Process]:
    """Run ``feeds`` with these arguments until the end of the block.

    ``prefix`` is a command that runs the command it is followed by; ``module`` is run instead of
    ``feeds``.
    """
    process = Process(log, *arguments, env=env, prefix=prefix, module=module)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def serving(
    log: Path, env: Mapping[str, str], *arguments: str, prefix: Sequence[str] = ()
) -> Iterator[tuple[Process, str]]:
    """Run ``feeds serve`` on a free port; yield the process and its URL."""
    bind = ("--bind", f"{HOST}:0")
    with running(log, "serve", *bind, *arguments, env=env, prefix=prefix) as process:
        (url,) = process.wait_for(r"Listening at: (http://\S+)")
        yield process, url


def find_two_free_ports() -> int:
    """Return the first of two neighbouring ports on which no process listens."""
    # Below the ports that systems assign, and another range for each process that runs tests.
    first = 20_000 + os.getpid() % 500 * 20
    for port in range(first, first + 20, 2):
        try:
            for each in (port, port + 1):
                socket.create_server((HOST, each)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no free ports")

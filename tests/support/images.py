"""The image of deploy/Containerfile, built with Debian's buildah and run without a registry.

The base is made by mmdebstrap and imported under the name of Debian's slim image. The build uses
the caller's configuration of pip, by a mount.
"""

import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.waiting import PATIENCE, wait_until

CHECKOUT = Path(__file__).parents[2]
CONTAINERFILE = CHECKOUT / "deploy" / "Containerfile"
SUITE = "bookworm"
BASE = f"debian:{SUITE}-slim"
NAME = "intervals-feeds"
USER = 12345
"""A user that the image does not know."""

# Makes the root file system read-only and its shells unusable, and becomes the process in it.
_ENTER = """
set -e
root=$1 data=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir -m 1777 "$root/dev/shm"
for name in null zero random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mount -t proc proc "$root/proc"
mount --bind "$data" "$root/data"
for shell in dash bash; do mount --bind /dev/null "$root/usr/bin/$shell"; done
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user:$user" "$root" "$@"
"""


class Image(NamedTuple):
    """A built image: its root file system, its configuration, the MB that it adds to the base."""

    root: Path
    config: dict[str, Any]
    added: float

    @property
    def environment(self) -> dict[str, str]:
        return dict(each.partition("=")[::2] for each in self.config["Env"])


def check_builder() -> None:
    """Skip the test where an image cannot be built."""
    missing = [each for each in ("buildah", "mmdebstrap", "unshare") if not shutil.which(each)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine: apt-get install buildah mmdebstrap")
    isolated = ["unshare", "--mount", "--pid", "--fork", "true"]
    if os.geteuid() or subprocess.run(isolated, check=False).returncode:
        pytest.skip("only root with namespaces of its own can build and run an image here")


@contextmanager
def build_image(folder: Path) -> Iterator[Image]:
    """Build the image; everything is in the folder, which is emptied at the end."""
    buildah = ["buildah", "--root", str(folder / "store"), "--runroot", str(folder / "run")]
    try:
        container = _run(*buildah, "from", "--pull-never", "scratch").strip()
        base = _run(*buildah, "mount", container).strip()
        _run("mmdebstrap", "--quiet", "--variant=minbase", SUITE, base)
        _run(*buildah, "commit", "--quiet", "--rm", container, BASE)
        mounts = [part for each in _list_mounts(folder / "pip") for part in ("--volume", each)]
        options = ["--pull=never", "--format", "docker", "--quiet", *mounts]
        paths = ["--file", str(CONTAINERFILE), "--tag", NAME, str(CHECKOUT)]
        _run(*buildah, "build", *options, *paths)
        container = _run(*buildah, "from", "--pull-never", NAME).strip()
        inspected = json.loads(_run(*buildah, "inspect", "--type", "image", NAME))
        yield Image(
            Path(_run(*buildah, "mount", container).strip()),
            inspected["Docker"]["config"],
            _read_size(buildah, NAME) - _read_size(buildah, BASE),
        )
    finally:
        subprocess.run([*buildah, "rm", "--all"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


class Container:
    """A running image; the process is number 1 of its own process namespace."""

    def __init__(self, unshare: "subprocess.Popen[bytes]", image: Image, log: Path) -> None:
        self._unshare = unshare
        self._image = image
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8")

    def wait_for(self, pattern: str) -> None:
        """Wait for a match in the output."""

        def find() -> bool:
            assert self._unshare.poll() is None, self.output
            return re.search(pattern, self.output) is not None

        wait_until(find, f"{pattern} in the output")

    def execute(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the container, as its user."""
        inside = ["nsenter", "--target", str(self._find_first()), "--mount", "--pid", "--root"]
        return subprocess.run(
            [*inside, "--setuid", str(USER), "--setgid", str(USER), *command],
            env=self._image.environment | env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def terminate(self) -> tuple[int, float]:
        """Send SIGTERM to the first process; its exit code, and after how many seconds it ended."""
        began = time.monotonic()
        os.kill(self._find_first(), signal.SIGTERM)
        return self._unshare.wait(PATIENCE), time.monotonic() - began

    def kill(self) -> None:
        """End what is left: all processes of a namespace end with its first one."""
        if self._unshare.poll() is None:
            # unshare's own --kill-child has no effect after a change of the user.
            with suppress(OSError, ValueError):  # it has just ended
                os.kill(self._find_first(), signal.SIGKILL)
        self._unshare.wait(PATIENCE)

    def _find_first(self) -> int:
        pid = self._unshare.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)


@contextmanager
def run_image(
    image: Image, folder: Path, env: Mapping[str, str], command: Sequence[str] | None = None
) -> Iterator[Container]:
    """Run the image read-only, as a user that it does not know; ``folder`` has the volume."""
    data, log = folder / "data", folder / "log"
    data.mkdir(exist_ok=True)
    os.chown(data, USER, USER)
    arguments = [*image.config["Entrypoint"], *(command or image.config["Cmd"])]
    isolated = ["unshare", "--mount", "--pid", "--fork"]
    entered = ["sh", "-c", _ENTER, "sh", str(image.root), str(data), str(USER), *arguments]
    path = {"PATH": f"{image.environment['PATH']}:/usr/sbin:/sbin"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*isolated, *entered],
            env={**image.environment, **path, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    container = Container(process, image, log)
    try:
        yield container
    finally:
        container.kill()


def _run(*command: str) -> str:
    env = os.environ | {"BUILDAH_ISOLATION": "chroot"}
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout[-3000:]}{result.stderr[-3000:]}"
    return result.stdout


def _read_size(buildah: Sequence[str], name: str) -> float:
    """The size of an image in MB (10^6 bytes)."""
    (found,) = re.findall(
        r"([0-9.]+) ([kMG])B", _run(*buildah, "images", "--format={{.Size}}", name)
    )
    return float(found[0]) * {"k": 1e-3, "M": 1.0, "G": 1e3}[found[1]]


def _list_mounts(folder: Path) -> list[str]:
    """Volumes with the settings of pip on this machine, and the files that they name."""
    folder.mkdir()
    listed = _run("python3", "-m", "pip", "config", "list")
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    mounts, kept = [f"{folder}:{folder}:ro", f"{folder}/pip.conf:/etc/pip.conf:ro"], {}
    for name, value in settings.items():
        values = value.replace("\\n", " ").split()
        for each in values:
            path = Path(each.removeprefix("file://"))
            if path.is_file():
                shutil.copy(path, folder / path.name)
                values = [str(folder / path.name) if one == each else one for one in values]
            elif path.is_absolute() and path.is_dir():
                # A folder with links to packages (PEP 503) has them beside itself.
                folder_of_all = path.parent if path.name == "simple" else path
                mounts.append(f"{folder_of_all}:{folder_of_all}:ro")
        kept[name] = "\n".join(values)
    config = configparser.RawConfigParser()
    config["global"] = kept
    with (folder / "pip.conf").open("w") as file:
        config.write(file)
    return mounts

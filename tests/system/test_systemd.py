"""The units in deploy/: hardened, alike, and told when the service listens."""

import re
import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feeds import gunicorn_conf
from feeds.config import KEY_FILE
from tests.support.processes import environment_for, serving
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICE, REFRESHER = (
    DEPLOY / f"{name}.service" for name in ("intervals-feeds", "intervals-feeds-refresher")
)
MAX_EXPOSURE = 2.0


def read_unit(path: Path) -> set[str]:
    """The assignments of a unit."""
    lines = path.read_text("utf-8").splitlines()
    return {line for line in lines if "=" in line and not line.startswith("#")}


@pytest.mark.optional
@pytest.mark.parametrize("unit", [SERVICE, REFRESHER], ids=lambda path: path.stem)
def test_the_exposure_of_a_unit_is_small(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine: apt-get install systemd")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    found = re.search(r"exposure level for \S+: ([0-9.]+)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= MAX_EXPOSURE


def test_both_units_differ_in_what_they_run_alone():
    differing = {line.partition("=")[0] for line in read_unit(SERVICE) ^ read_unit(REFRESHER)}

    assert differing == {"Description", "After", "Type", "NotifyAccess", "ExecStart"}


def test_the_key_is_a_credential_and_in_no_variable():
    unit = read_unit(SERVICE)

    assert f"Environment={KEY_FILE}=%d/intervals" in unit
    assert "LoadCredential=intervals:/etc/intervals-feeds/intervals.key" in unit
    assert not [line for line in unit if "INTERVALS_PARTNER_API_KEY=" in line]


def test_the_service_has_longer_to_stop_than_its_requests():
    (stop,) = (line for line in read_unit(SERVICE) if line.startswith("TimeoutStopSec="))

    assert int(stop.partition("=")[2]) > gunicorn_conf.graceful_timeout


def test_systemd_is_told_when_the_service_listens(tmp_path):
    address = tmp_path / "notify"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
        Upstream(lambda: datetime.now(UTC)).on() as upstream,
    ):
        notified.bind(str(address))
        notified.settimeout(PATIENCE)
        env = environment_for(upstream.url, tmp_path, NOTIFY_SOCKET=str(address))
        with serving(tmp_path / "log", env):
            assert notified.recv(1000).startswith(b"READY=1")


def test_no_memory_of_the_service_is_writable_and_executable(tmp_path):
    """MemoryDenyWriteExecute=yes would end it."""
    assert "MemoryDenyWriteExecute=yes" in read_unit(SERVICE)
    with (
        Upstream(lambda: datetime.now(UTC)).on() as upstream,
        serving(tmp_path / "log", environment_for(upstream.url, tmp_path)) as (process, _),
    ):
        for pid in process.wait_for(r"pid: (\d+)", 2):
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert not re.findall(r"^\S+ .wx. .*$", maps, re.MULTILINE)

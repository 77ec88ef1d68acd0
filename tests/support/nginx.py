"""Debian's nginx with deploy/nginx.conf, on ports of its own."""

import http.client
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.processes import find_two_free_ports
from tests.support.upstream import HOST
from tests.support.waiting import PATIENCE, wait_until

CHECKOUT = Path(__file__).parents[2]
CONFIG = (CHECKOUT / "deploy" / "nginx.conf").read_text("utf-8")
UNPACKED = CHECKOUT / ".venv/nginx/usr/sbin"  # by make
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{UNPACKED}")

# The parts of Debian's /etc/nginx/nginx.conf that matter for a site. As root, nginx would change to
# a user who may not enter the folders of tests.
FRAME = """
{user}
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 768; }}
http {{
    default_type application/octet-stream;
    access_log off;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""

CONNECTION_FIELDS = {"date", "server", "connection", "keep-alive", "transfer-encoding"}
"""The header fields that differ between two servers with the same answer."""


class Received(NamedTuple):
    """A response; the names of its header ``fields`` are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def max_age(self) -> int:
        """The max-age in seconds, or 0."""
        found = re.search(r"max-age=(\d+)", self.fields.get("cache-control", ""))
        return int(found[1]) if found else 0

    @property
    def is_gzipped(self) -> bool:
        """Whether its ETag is that of the gzip coding."""
        return self.fields.get("etag", "").endswith('-gzip"')

    @property
    def lasting(self) -> dict[str, str]:
        """The header fields that depend neither on the second, the request nor the server."""
        control = re.sub(r"max-age=\d+", "max-age=", self.fields.get("cache-control", ""))
        changing = {*CONNECTION_FIELDS, "x-request-id"}
        kept = {name: value for name, value in self.fields.items() if name not in changing}
        return kept | {"cache-control": control}


class Request:
    """A request that has been sent with only Host and these header fields (``_`` for ``-``)."""

    def __init__(self, port: int, path: str, method: str = "GET", **fields: str) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        self._connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in fields.items():
            self._connection.putheader(name.replace("_", "-"), value.encode("latin-1"))
        self._connection.endheaders()

    def read(self) -> Received:
        """Wait for the response."""
        with closing(self._connection):
            response = self._connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            assert len(received) == len(response.getheaders()), "a field is there twice"
            return Received(response.status, received, response.read())


def request(port: int, path: str, method: str = "GET", **fields: str) -> Received:
    """Send a request, see ``Request``, and return the response."""
    return Request(port, path, method, **fields).read()


@contextmanager
def run_nginx(port: int, folder: Path) -> Iterator[int]:
    """Run nginx in front of the server on a port; yield the port of nginx."""
    if not NGINX:
        pytest.skip("no nginx on this machine: apt-get install nginx")
    own, site = find_two_free_ports(), CONFIG
    for original, replacement in {
        "server 127.0.0.1:8000;": f"server {HOST}:{port};",
        "/var/cache/nginx-feeds ": f"{folder}/cache ",
        "listen 80;": f"listen {HOST}:{own};",
        "listen [::]:80;": "",
    }.items():
        assert site.count(original) == 1, original
        site = site.replace(original, replacement)
    (folder / "site.conf").write_text(site)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder, user=user))
    command = [NGINX, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=log)

    def is_listening() -> bool:
        assert process.poll() is None, (folder / "nginx.log").read_text()
        with suppress(ConnectionRefusedError):
            socket.create_connection((HOST, own), PATIENCE).close()
            return True
        return False

    try:
        wait_until(is_listening, "nginx")
        yield own
    finally:
        process.terminate()
        process.wait(PATIENCE)

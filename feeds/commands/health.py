"""``feeds health``: ask a running service how it is, for container health checks and scripts.

Imports little, since it may run every few seconds.
"""

import json
import os
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import click

TIMEOUT = 5.0
"""Seconds to connect, and between two reads."""

MAX_BODY = 64 * 1024
OK, UNAVAILABLE = 200, 503


@click.command()
@click.option("--ready", is_flag=True, help="Also ask for the database, the key and the upstream.")
@click.option(
    "--url",
    metavar="URL",
    help="Where the service listens.  [default: http://127.0.0.1:$PORT, or port 8000]",
)
def health(*, ready: bool, url: str | None) -> None:
    """Ask a running service how it is.

    Prints one line; the exit code is 0 if all is well, and 1 if not.
    """
    url = url or f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
    address = f"{url.rstrip('/')}/{'readyz' if ready else 'healthz'}"
    try:
        status, body = _get(address)
    except (OSError, HTTPException, ValueError) as error:
        raise click.ClickException(f"{address} does not answer: {_shorten(error)}") from None
    if status != OK:
        reasons = _read_reasons(body) if status == UNAVAILABLE else ""
        raise click.ClickException(reasons or f"{address} answers {status}.")
    click.echo("ready" if ready else "ok")


def _get(address: str) -> tuple[int, bytes]:
    """The status and the body of an answer; raises ``ValueError`` for what is no HTTP URL."""
    parts = urlsplit(address)
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise ValueError("that is no http or https URL")
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT)
    with closing(connection):
        connection.request("GET", parts.path)
        response = connection.getresponse()
        return response.status, response.read(MAX_BODY)


def _read_reasons(body: bytes) -> str:
    """The reasons of a report; empty if the body is no report."""
    try:
        return " ".join(json.loads(body)["reasons"])
    except (ValueError, KeyError, TypeError):
        return ""


def _shorten(error: Exception) -> str:
    return str(error) or type(error).__name__

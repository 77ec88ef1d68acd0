"""``feeds sandbox`` and ``feeds demo``: a local Intervals API, and the service in front of it."""

import socket
from pathlib import Path

import click
from werkzeug.serving import make_server

from feeds.app import create_app
from feeds.config import MAX_PORT
from feeds.sandbox import ORGANIZATION_ID, SAMPLES, SANDBOX_KEY, Key, create_sandbox, demo
from feeds.sandbox.keys import Plan


@click.command()
@click.option("--port", type=click.IntRange(0, MAX_PORT), default=8001, show_default=True)
@click.option(
    "--plan",
    type=click.Choice(["free", "premium", "enterprise"]),
    default="enterprise",
    show_default=True,
    help="The plan whose rate limits the API applies.",
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="JSON files of events to serve instead of the samples.",
)
def sandbox(port: int, plan: Plan, folder: Path | None) -> None:
    """Serve a local Intervals API with sample events.

    The key of the API is sandbox-key.
    """
    keys = {SANDBOX_KEY: Key(ORGANIZATION_ID, plan=plan)}
    try:
        api = create_sandbox(folder or SAMPLES, keys=keys)
        # If the port is in use, make_server would print a message of its own and exit.
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    with listener:
        server = make_server("127.0.0.1", port, api, threaded=True, fd=listener.fileno())
        click.echo(f"Intervals API with sample events on http://127.0.0.1:{server.port}")
        server.serve_forever()


@click.command(name="demo")
@click.option(
    "--port", type=click.IntRange(1, MAX_PORT - 1), envvar="PORT", default=8000, show_default=True
)
def run_demo(port: int) -> None:
    """Start a local Intervals API and the service, with sample races.

    The service listens on the port, the API on the next port.
    """
    demo.run(port, create_app)

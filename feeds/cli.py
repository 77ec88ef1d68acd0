"""The command line: ``feeds serve``, ``refresh``, ``warm``, ``sandbox``, ``demo``."""

import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag

import click
from werkzeug.serving import make_server

from feeds import __version__, config
from feeds.app import assemble, check, create_app, utc_now
from feeds.config import Settings
from feeds.errors import FeedsError, Forbidden, SettingsError, UpstreamError
from feeds.sandbox import ORGANIZATION_ID, SAMPLES, SANDBOX_KEY, Key, create_sandbox, demo
from feeds.sandbox.keys import Plan
from feeds.service.background import BackgroundRefresher
from feeds.service.collections.warmup import Warmup
from feeds.service.refresh import ADVICE

MAX_PORT = 65535


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="intervals-feeds", message="%(prog)s %(version)s")
def main() -> None:
    """Calendar and RSS feeds for races on Intervals."""


@main.command()
@click.option(
    "--bind",
    metavar="HOST:PORT",
    help="Where to listen.  [default: 127.0.0.1:8000, or 0.0.0.0:$PORT]",
)
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: 2]")
@click.option("--threads", type=click.IntRange(1), help="Threads in each.  [default: 64]")
def serve(bind: str | None, workers: int | None, threads: int | None) -> None:
    """Serve pages and feeds with gunicorn.

    The environment has the settings. INTERVALS_PARTNER_API_KEY and FEEDS_TIMEZONE are required;
    docs/settings.md lists all settings.
    """
    port = os.environ.get("PORT")
    bind = bind or (f"0.0.0.0:{port}" if port else "127.0.0.1:8000")
    number = bind.rpartition(":")[2]
    if number.isdecimal() and int(number) > MAX_PORT:  # gunicorn reports other mistakes
        raise click.ClickException(f"There is no port {number}; the last one is {MAX_PORT}.")
    settings = _read_settings()
    if not os.environ.get("FEEDS_PUBLIC_URL", "").strip():
        click.echo(
            f"Warning: FEEDS_PUBLIC_URL is not set; links say {settings.public_url}.", err=True
        )
    options: list[object] = ["-c", "python:feeds.gunicorn_conf", "--bind", bind]
    options += ["--workers", workers] if workers else []
    options += ["--threads", threads] if threads else []
    _run_gunicorn([*options, "feeds.app:create_app(must_exist=True)"])


@main.command()
def refresh() -> None:
    """Refresh recently polled events before they expire.

    Run the command beside the web processes, with the same settings: changes are found between
    polls, and most polls need not wait. One process is enough.
    """
    parts, ends = assemble(_read_settings(), must_exist=True), _handle_signals()
    click.echo("Refreshing polled events; press Ctrl-C to stop.")
    refresher = BackgroundRefresher(
        parts.refresh, parts.catalog_refresh, parts.database, parts.invalidation, utc_now
    )
    refresher.run(ends)


@main.command(name="warm")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All events of the organization.")
def run_warm(ids: tuple[str, ...], *, everything: bool) -> None:
    """Fetch events before anybody polls them.

    Stored events cost no call, so the command can be repeated.
    """
    if bool(ids) == everything:
        raise click.UsageError("Give the ids of events, or --all.")
    settings = _read_settings()
    parts = assemble(settings, must_exist=True)
    warmup = Warmup(
        parts.refresh,
        parts.catalog_refresh,
        clock=utc_now,
        ends=_handle_signals(),
    )
    failure = None
    try:
        _fetch_all(warmup, ids or warmup.list_ids())
    except FeedsError as error:
        failure = error
    tally = warmup.tally
    click.echo(
        f"{len(tally.fetched)} fetched with {tally.calls} calls,"
        f" {len(tally.stored)} already stored."
    )
    for outcome, these in (("unknown", tally.unknown), ("unreadable", tally.unreadable)):
        if these:
            click.echo(f"{len(these)} {outcome}: {', '.join(these)}")
    if failure:
        raise click.ClickException(f"{failure} The same command continues where this one stopped.")
    if tally.unknown or tally.unreadable:
        raise click.exceptions.Exit(1)


@main.command()
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


@main.command(name="demo")
@click.option(
    "--port", type=click.IntRange(1, MAX_PORT - 1), envvar="PORT", default=8000, show_default=True
)
def run_demo(port: int) -> None:
    """Start a local Intervals API and the service, with sample races.

    The service listens on the port, the API on the next port.
    """
    demo.run(port, create_app)


def _fetch_all(warmup: Warmup, ids: Sequence[str]) -> None:
    """Fetch events with a progress bar."""
    with click.progressbar(
        length=len(ids),
        label="Fetching events",
        show_pos=True,
        item_show_func=lambda text: text,
    ) as bar:
        for event_id in ids:
            warmup.fetch(event_id, lambda at: bar.update(0, f"no call before {at:%H:%M:%S} UTC"))
            bar.update(1, event_id)


def _read_settings() -> Settings:
    """Read and check the settings, before anything starts; print warnings.

    Raises ``ClickException`` with a line for each invalid setting.
    """
    # Before the check: a misspelt name may be the reason why a required setting is missing.
    for name in config.find_unknown(os.environ):
        click.echo(f"Warning: {name} is no setting of this service.", err=True)
    try:
        settings = config.read(os.environ)
        if config.sends_key_in_clear(settings.api_url):
            click.echo("Warning: FEEDS_API_URL is not https: the key is sent in clear.", err=True)
        check(settings)
    except SettingsError as error:
        raise click.ClickException("\n".join(error.faults)) from None
    except Forbidden:
        pass  # the key lacks read:series, so its organization is unknown (rules 3.10)
    except UpstreamError as error:
        advice = ADVICE.get(type(error), "")
        click.echo(f"Warning: {error}{advice} The service starts all the same.", err=True)
    return settings


def _handle_signals() -> Flag:
    """Return a flag that SIGTERM and Ctrl-C set, so that a refresh in progress can finish."""
    ends = Flag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ends.set())
    return ends


def _run_gunicorn(options: Sequence[object]) -> None:
    """Run ``python -m gunicorn`` with these options, in this process with its loaded modules."""
    sys.argv[1:] = [str(option) for option in options]
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)

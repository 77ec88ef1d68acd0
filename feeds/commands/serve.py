"""``feeds serve`` and ``feeds refresh``: the two kinds of processes of a deployment."""

import logging
import os
import runpy
import sys
from collections.abc import Sequence

import click

from feeds import exporter
from feeds.app import assemble
from feeds.clock import utc_now
from feeds.commands.startup import handle_signals, prepare, warn
from feeds.config import MAX_PORT, Settings
from feeds.errors import SettingsError
from feeds.service.operations.background import BackgroundRefresher

log = logging.getLogger(__name__)

STARTS = " The {} starts all the same."


@click.command()
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
    settings = prepare(STARTS.format("service"))
    if not os.environ.get("FEEDS_PUBLIC_URL", "").strip():
        warn(f"FEEDS_PUBLIC_URL is not set; links say {settings.public_url}.")
    _listen_for_metrics(settings, bind)
    options: list[object] = ["-c", "python:feeds.gunicorn_conf", "--bind", bind]
    options += ["--workers", workers] if workers else []
    options += ["--threads", threads] if threads else []
    _run_gunicorn([*options, "feeds.app:create_app(must_exist=True)"])


@click.command()
def refresh() -> None:
    """Refresh recently polled events before they expire.

    Run the command beside the web processes, with the same settings: changes are found between
    polls, and most polls need not wait. One process is enough.
    """
    settings = prepare(STARTS.format("refresher"))
    _listen_for_metrics(settings)
    exporter.start()
    parts, ends = assemble(settings, must_exist=True), handle_signals()
    log.info("Refreshing polled events; press Ctrl-C to stop.")
    refresher = BackgroundRefresher(
        parts.refresh, parts.catalog_refresh, parts.database, parts.invalidation, utc_now
    )
    refresher.run(ends)


def _listen_for_metrics(settings: Settings, bind: str = "") -> None:
    try:
        exporter.prepare(settings, bind)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _run_gunicorn(options: Sequence[object]) -> None:
    """Run ``python -m gunicorn`` with these options, in this process with its loaded modules."""
    sys.argv[1:] = [str(option) for option in options]
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)

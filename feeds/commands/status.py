"""``feeds status``: the state of a deployment, as tables or as JSON."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime, timedelta

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from feeds.clock import utc_now
from feeds.commands.startup import read_settings
from feeds.domain.quota import Priority
from feeds.errors import FeedsError
from feeds.service.operations.status import (
    BudgetStatus,
    DeploymentStatus,
    EventHealth,
    EventStatus,
    summarize,
)
from feeds.store.database import Database

MAX_CHANGES = 10
MAX_EVENTS = 20
WIDTH = 140
"""Characters of a line where there is no terminal."""

STYLES = {EventHealth.FAILING: "bold red", EventHealth.STALE: "yellow", EventHealth.GONE: "dim"}


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="All events, as JSON.")
@click.option("--all", "everything", is_flag=True, help="Also the events further ahead.")
def show_status(*, as_json: bool, everything: bool) -> None:
    """Show how the stored events, the budget and the catalog are doing.

    The command reads the database; it makes no call of the API, and asks no running process.
    """
    settings, now = read_settings(), utc_now()
    quota = settings.rate.quota_for(Priority.URGENT)
    try:
        with closing(Database(settings.database_url)) as database:
            state = database.overview.read_state(quota, now, MAX_CHANGES)
    except FeedsError as error:
        raise click.ClickException(
            f"{error} Check FEEDS_DATABASE_URL; feeds serve creates it."
        ) from None
    status = summarize(state, now, settings.rate.burst)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(status), indent=2))
    else:
        _print(status, now, None if everything else MAX_EVENTS)


def _print(status: DeploymentStatus, now: datetime, most: int | None) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    counts = [f"{number} {name}" for name, number in status.counts.items()]
    console.print(Text("Events: " + ", ".join(counts)))
    shown = _choose_events(status.events, most)
    if shown:
        console.print(_build_events(shown, now))
    if len(shown) < len(status.events):
        console.print(Text(f"{len(status.events) - len(shown)} more events; --all shows them."))
    console.print(Text(f"Budget: {_describe_budget(status.budget)}"))
    if status.changes:
        rows = [
            (_format_age(now - each.noticed), each.event, each.run, each.kind)
            for each in status.changes
        ]
        console.print(_build_table("Latest changes", ("ago", "event", "run", "kind"), rows))
    if status.catalog:
        rows = [
            (each.name, str(each.items), _format_age(timedelta(seconds=each.age)), each.why or "")
            for each in status.catalog
        ]
        console.print(_build_table("Catalog", ("part", "items", "age", "why it is old"), rows))


def _choose_events(events: Sequence[EventStatus], most: int | None) -> Sequence[EventStatus]:
    """The next ``most`` events, then at most ``most`` failing events after them."""
    if most is None:
        return events
    failing = [each for each in events[most:] if each.health is EventHealth.FAILING]
    return [*events[:most], *failing[:most]]


def _build_events(events: Iterable[EventStatus], now: datetime) -> Table:
    table = Table("event", "name", "starts", "state", "age", "why", title="Next events")
    for each in events:
        ahead = each.starts - now
        starts = f"in {_format_age(ahead)}" if ahead > timedelta(0) else "on"
        retry = f" Again in {each.retry_in} s." if each.retry_in else ""
        table.add_row(
            Text(each.id),
            Text(_clean(each.name)),
            "over" if each.over else starts,
            Text(each.health, STYLES.get(each.health, "green")),
            _format_age(timedelta(seconds=each.age)),
            Text(f"{each.why}{retry}" if each.why else ""),
        )
    return table


def _build_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(Text(_clean(cell)) for cell in row))
    return table


def _describe_budget(budget: BudgetStatus) -> str:
    if budget.closed_until:
        return f"no calls before {budget.closed_until:%H:%M:%S} UTC. {budget.why or ''}"
    return f"{budget.calls_left} of {budget.burst} calls at once are left."


def _format_age(duration: timedelta) -> str:
    """A duration in its largest unit: ``45 s``, ``12 min``, ``3 h``, ``9 d``."""
    seconds = max(0, round(duration.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _clean(text: str) -> str:
    """A text without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)

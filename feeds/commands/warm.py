"""``feeds warm``: fetch events before anybody polls them."""

import re
from collections.abc import Sequence

import click

from feeds.app import assemble
from feeds.clock import utc_now
from feeds.commands.startup import describe, handle_signals, prepare
from feeds.domain.model import ID_PATTERN
from feeds.errors import FeedsError, Unauthorized
from feeds.service.operations.warmup import Warmup

CONTINUES = " The same command continues where this one stopped."


@click.command(name="warm")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All events of the organization.")
def run_warm(ids: tuple[str, ...], *, everything: bool) -> None:
    """Fetch events before anybody polls them.

    Stored events cost no call, so the command can be repeated.
    """
    if bool(ids) == everything:
        raise click.UsageError("Give the ids of events, or --all.")
    for each in ids:
        if not re.fullmatch(ID_PATTERN, each):
            raise click.UsageError(f"{each!a:.80} is no id of an event.")
    settings = prepare(needs_key=True)
    parts = assemble(settings, must_exist=True)
    warmup = Warmup(
        parts.refresh,
        parts.catalog_refresh,
        clock=utc_now,
        ends=handle_signals(),
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
        goes_on = "" if isinstance(failure, Unauthorized) else CONTINUES
        raise click.ClickException(f"{describe(failure)}{goes_on}")
    if tally.unknown or tally.unreadable:
        raise click.exceptions.Exit(1)


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

"""``feeds backup`` and ``feeds restore``: copies of a SQLite database, while the service runs."""

from pathlib import Path

import click

from feeds import config
from feeds.clock import utc_now
from feeds.commands.startup import read_settings
from feeds.config import Settings
from feeds.errors import BackupError
from feeds.store.operations import backup as copies


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the database to a new FILE, and check the copy. The service may run meanwhile."""
    database = _find_database(read_settings(), "pg_dump --format=custom --file=FILE NAME")
    try:
        events = copies.back_up(database, file)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{file} has {events} events in {file.stat().st_size:,} bytes.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put a backup back. What the database holds is kept in a file beside it.

    Let the service run meanwhile: it makes sure that no subscriber gets stamps that are older than
    those of the last poll.
    """
    settings = read_settings()
    database = _find_database(
        settings, "pg_restore --clean --if-exists --single-transaction --dbname=NAME FILE"
    )
    try:
        events, aside = copies.restore(file, database, settings.api_url, utc_now())
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"The database has the {events} events of {file}.")
    if aside:
        click.echo(f"What it held before is in {aside}.")


def _find_database(settings: Settings, instead: str) -> Path:
    """The file of the database; raises ``ClickException`` for a server."""
    path = config.find_sqlite_path(settings.database_url)
    if path is None:
        raise click.ClickException(f"The database is PostgreSQL. Use: {instead}")
    return path

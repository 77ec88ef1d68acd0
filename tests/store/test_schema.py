"""The tables are created at the first start, and their version is checked at each start."""

import pytest
import sqlalchemy as sa

from feeds.errors import SettingsError
from feeds.store.schema import VERSION
from feeds.store.tables import deployment, metadata
from tests.support.databases import execute, open_database, read_rows, read_tables

is_version = deployment.c.name == "tables"


def test_the_first_start_creates_the_tables_and_the_next_start_keeps_them(url, caplog):
    open_database(url)
    (message,) = caplog.messages
    assert "new and empty" in message
    assert "feeds warm --all" in message
    first = read_tables(url)
    open_database(url)
    assert caplog.messages == [message]

    assert read_tables(url) == first
    assert first.keys() == metadata.tables.keys()
    assert {row.name: row.value for row in read_rows(url, deployment)}["tables"] == str(VERSION)


@pytest.mark.parametrize("version", ["0", "1", f"{VERSION}0", "other"])
def test_tables_of_another_version_are_refused_in_one_line_and_left_as_they_are(url, version):
    open_database(url)
    execute(url, sa.update(deployment).where(is_version).values(value=version))
    before = read_tables(url)

    with pytest.raises(SettingsError) as refusal:
        open_database(url)

    (line,) = refusal.value.faults
    assert line == (
        f"FEEDS_DATABASE_URL has tables of version {version}, this release uses {VERSION}; "
        "use another database."
    )
    assert read_tables(url) == before


def test_tables_without_a_version_are_refused(url):
    open_database(url)
    execute(url, sa.delete(deployment).where(is_version))

    with pytest.raises(SettingsError, match="tables of version unknown"):
        open_database(url)

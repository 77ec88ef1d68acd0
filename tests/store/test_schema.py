"""The tables are created at the first start, and their version is checked at each start."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from feeds.domain.model import Edition
from feeds.errors import SettingsError
from feeds.store.schema import VERSION
from feeds.store.tables import deployment, metadata
from tests.support.databases import close_all, execute, open_database, read_rows, read_tables
from tests.support.factories import NOW, a_run, an_edition, an_event

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


@pytest.mark.parametrize("version", ["0", "2", f"{VERSION}0", "other"])
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


TO_VERSION_1 = """
DROP TABLE catalog
DROP INDEX ix_events_missing_since
ALTER TABLE events DROP COLUMN missing_since
ALTER TABLE events DROP COLUMN token
ALTER TABLE events DROP COLUMN modified
ALTER TABLE events DROP COLUMN numbers
ALTER TABLE events DROP COLUMN pending
ALTER TABLE events ADD COLUMN pending VARCHAR(16)
ALTER TABLE events ADD COLUMN pending_since BIGINT
ALTER TABLE events ADD COLUMN version INTEGER
ALTER TABLE leases DROP COLUMN refusals
ALTER TABLE service DROP COLUMN forbidden_event
UPDATE events SET version = 3, pending = 'gone', pending_since = 1
UPDATE deployment SET value = '1' WHERE name = 'tables'
"""
"""What turns the tables of version 3 into those of release 0.1.0."""


def test_tables_of_version_1_are_upgraded_with_every_event_and_its_history(url):
    database = open_database(url)
    saved = database.save(
        None, an_edition(an_event(a_run())), (NOW, NOW + timedelta(days=1)), NOW, polled=NOW
    )
    before = read_tables(url)
    for statement in TO_VERSION_1.strip().splitlines():
        execute(url, sa.text(statement))

    read = open_database(url).read("harbor")

    assert saved
    assert isinstance(read, Edition)
    assert read.token not in ("", saved.token)
    assert (read.event, read.revisions, read.pending) == (saved.event, saved.revisions, {})
    after = read_tables(url)
    assert after.keys() == before.keys()
    assert [name for name in sorted(after) if after[name] != before[name]] == ["events"]
    assert open_database(url).read("harbor") == read


def test_a_postgresql_database_without_an_encoding_is_used_as_utf_8(postgres):
    url = postgres.new_database(
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    saved = open_database(url).save(
        None, an_edition(an_event(a_run(), name="Prešov – 10K")), (NOW, NOW), NOW, polled=NOW
    )

    assert open_database(url).read("harbor") == saved
    close_all()
    postgres.drop_database(url)


def test_a_database_of_another_program_is_refused_in_one_line_and_left_as_it_is(url):
    open_database(url)
    execute(url, sa.text("DROP TABLE deployment"))
    before = list_tables(url)

    with pytest.raises(SettingsError) as refusal:
        open_database(url)

    (line,) = refusal.value.faults
    assert line == "FEEDS_DATABASE_URL has tables of another program; use a database of its own."
    assert list_tables(url) == before


def list_tables(url):
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return sa.inspect(connection).get_table_names()


def test_a_new_file_and_its_folder_are_for_the_user_of_the_service_alone(tmp_path):
    path = tmp_path / "var" / "feeds.sqlite3"
    database = open_database(f"sqlite:///{path}")
    database.save(None, an_edition(an_event()), (NOW, NOW), NOW)
    modes = {
        each.name: each.stat().st_mode & 0o777 for each in (path.parent, *path.parent.iterdir())
    }
    assert modes == {
        "var": 0o700,
        **{f"feeds.sqlite3{suffix}": 0o600 for suffix in ("", "-wal", "-shm")},
    }

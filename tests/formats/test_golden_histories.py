"""Golden histories: what the service serves after an event has changed, compared with files.

``python -m tests.formats.test_golden_histories`` writes the files again after an intended change;
read what ``git diff`` shows as a subscriber would.
"""

from functools import cache
from pathlib import Path

import pytest

from tests.support.club_history import live_club
from tests.support.histories import live_all

FOLDER = Path(__file__).parent / "data" / "histories"


@cache
def served() -> dict[str, bytes]:
    """The bodies by file."""
    return live_all() | live_club()


def rewrite() -> None:
    """Write all files as the service serves them now."""
    for path in FOLDER.iterdir():
        path.unlink()
    for name, body in served().items():
        (FOLDER / name).write_bytes(body)


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_the_service_serves_the_bytes_of_the_golden_file_after_its_history(path):
    assert served()[path.name].decode() == path.read_bytes().decode()


def test_every_golden_file_belongs_to_a_history_and_every_kept_state_has_its_files():
    assert {path.name for path in FOLDER.iterdir()} == set(served())


if __name__ == "__main__":
    rewrite()

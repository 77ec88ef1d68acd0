"""Feeds of sample events, compared with files that were read line by line.

``python -m tests.formats.test_golden`` writes the files again after an intended change; read what
``git diff`` shows as a subscriber would.
"""

import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec
import pytest

from feeds.domain.feed import Feed
from feeds.domain.model import Event
from feeds.formats import FORMATS
from feeds.sandbox import SAMPLES, SANDBOX_KEY, create_sandbox
from feeds.upstream import schema as documents
from tests.support.factories import a_feed

DATA = Path(__file__).parent / "data"
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)

GOLDEN = (
    "e72tuv901wxy234",  # the event of the API page
    "fall-back-10k",
    "glacial-ridge-100",
    "harbor-festival",
    "marrakech-palm-grove-half",
    "new-year-run",
    "night-owl-run",
    "river-city-10-miler",
    "run-for-all",
    "spring-forward-5k",
    "virtual-miles-challenge",
)
EVERY = tuple(sorted(path.stem for path in SAMPLES.glob("*.json") if path.stem != "organization"))
"""The ids of all sample events."""


@cache
def event_of(id_: str) -> Event:
    """A sample event as the service knows it on the same day for ever."""
    response = _sandbox().get(f"/events/{id_}", headers={"Authorization": f"Bearer {SANDBOX_KEY}"})
    assert response.status_code == 200, id_
    return documents.decode(response.data, id_).event


@cache
def _sandbox():
    return create_sandbox(clock=lambda: TODAY).test_client()


def feed_of(id_: str, extension: str) -> Feed:
    """The feed of a sample event at its own address."""
    page = f"https://feeds.example.org/events/{id_}"
    feed = a_feed(event_of(id_), extension=extension)
    return msgspec.structs.replace(feed, page=page, source=f"{page}.{extension}")


def all_in_one(extension: str) -> bytes:
    """One feed of all samples, with all that can be asked for."""
    feed = a_feed(*map(event_of, EVERY), extension=extension, busy=True, registration=True)
    return FORMATS[extension].render(feed)


def rewrite() -> None:
    """Write all files as the feeds are now."""
    for path, id_ in _files().items():
        path.write_bytes(_rendered(id_, path))


def _files() -> dict[Path, str]:
    return {DATA / f"{id_}.{extension}": id_ for id_ in GOLDEN for extension in FORMATS}


def _rendered(id_: str, path: Path) -> bytes:
    extension = path.suffix.lstrip(".")
    return FORMATS[extension].render(feed_of(id_, extension))


class TestGoldenFiles:
    @pytest.mark.parametrize(
        ("path", "id_"), _files().items(), ids=[path.name for path in _files()]
    )
    def test_the_bytes_of_a_feed_are_those_of_its_file(self, path, id_):
        assert _rendered(id_, path).decode() == path.read_bytes().decode()

    def test_every_file_is_the_feed_of_a_sample(self):
        found = {path for extension in FORMATS for path in DATA.glob(f"*.{extension}")}
        assert found == set(_files())


class TestTheSameBytes:
    @pytest.mark.parametrize("extension", FORMATS)
    def test_another_process_with_its_sets_in_another_order_gives_them(self, extension):
        script = (
            "import sys; from tests.formats.test_golden import all_in_one;"
            "sys.stdout.buffer.write(all_in_one(sys.argv[1]))"
        )
        outputs = [
            subprocess.run(
                [sys.executable, "-c", script, extension],
                cwd=DATA.parents[2],
                env={"PYTHONHASHSEED": seed},
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
            for seed in ("1", "2")
        ]
        assert outputs == [all_in_one(extension)] * 2


if __name__ == "__main__":
    rewrite()

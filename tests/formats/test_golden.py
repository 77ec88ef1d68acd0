"""Feeds of sample events, compared with files that were read line by line.

``python -m tests.formats.test_golden`` writes the files again after an intended change; read what
``git diff`` shows as a subscriber would.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from feeds.formats import FORMATS
from tests.support.factories import a_feed
from tests.support.samples import event_of, feed_of
from tests.support.upstream import SAMPLE_IDS

DATA = Path(__file__).parent / "data"

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


def render_all() -> bytes:
    """A feed of all samples, with all that can be asked for, in each format."""
    events = list(map(event_of, SAMPLE_IDS))
    return b"".join(
        each.render(a_feed(*events, extension=extension, busy=True, registration=True))
        for extension, each in FORMATS.items()
    )


def rewrite() -> None:
    """Write all files as the feeds are now."""
    for path, id_ in _files().items():
        path.write_bytes(_rendered(id_, path))


def _files() -> dict[Path, str]:
    return {DATA / f"{id_}.{extension}": id_ for id_ in GOLDEN for extension in FORMATS}


def _rendered(id_: str, path: Path) -> bytes:
    extension = path.suffix.lstrip(".")
    return FORMATS[extension].render(feed_of(id_, extension))


@pytest.mark.parametrize(("path", "id_"), _files().items(), ids=[path.name for path in _files()])
def test_the_bytes_of_a_feed_are_those_of_its_file(path, id_):
    assert _rendered(id_, path).decode() == path.read_bytes().decode()


def test_every_file_is_the_feed_of_a_sample():
    found = {path for extension in FORMATS for path in DATA.glob(f"*.{extension}")}
    assert found == set(_files())


def test_another_process_with_its_sets_in_another_order_renders_the_same_bytes():
    script = (
        "import sys; from tests.formats.test_golden import render_all;"
        "sys.stdout.buffer.write(render_all())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=DATA.parents[2],
            env={"PYTHONHASHSEED": seed},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs == [render_all()] * 2


if __name__ == "__main__":
    rewrite()

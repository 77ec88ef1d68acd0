"""The distributions: their contents, and a wheel that serves a page without a checkout."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import click
import pytest

from tests.support.processes import environment
from tests.support.upstream import EXAMPLE, SAMPLE_IDS

CHECKOUT = Path(__file__).parents[2]

SERVE = f"""
import sys
sys.path[:0] = [{{target!r}}]
sys.path.append({str(Path(click.__file__).parents[1])!r})

import feeds
from feeds.app import create_app
from feeds.sandbox import SAMPLES

assert feeds.__file__.startswith({{target!r}}), feeds.__file__
print(len(list(SAMPLES.glob("*.json"))), "samples")
app = create_app()
for path in ("/events/{EXAMPLE}", "/events/{EXAMPLE}.ics", "/"):
    answer = app.test_client().get(path)
    print(answer.status, answer.text)
"""


def run_python(*arguments, cwd, **settings):
    """Run this interpreter without failure; return its standard output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(kind, source, folder):
    """Build the wheel or the sdist of a source; return its path."""
    run_python("-m", "hatchling", "build", "-t", kind, "-d", str(folder), cwd=source)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", CHECKOUT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", CHECKOUT, tmp_path_factory.mktemp("sdist"))


def list_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_the_installed_wheel_serves_pages_and_feeds_without_a_checkout(wheel, tmp_path, upstream):
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target"]
    run_python("-m", "pip", *install, str(target), str(wheel), cwd=elsewhere)

    # -I and -S: the folder, the environment and an editable installation add no checkout.
    output = run_python(
        *("-I", "-S", "-c", SERVE.format(target=str(target))),
        cwd=elsewhere,
        INTERVALS_PARTNER_API_KEY="sandbox-key",
        FEEDS_TIMEZONE="America/Chicago",
        FEEDS_API_URL=upstream.url,
    )

    page, calendar, home = output.partition(" samples\n")[2].split("200 OK ")[1:]
    assert "<h1><bdi>Lakefront 5K - June 14</bdi></h1>" in page
    assert "SUMMARY:Lakefront 5K - June 14" in calendar
    assert "<bdi>Lakefront 5K - June 14</bdi></a>" in home
    assert int(output.split()[0]) >= len(SAMPLE_IDS)


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    files = list_files(wheel)
    folders = {PurePosixPath(name).parts[0] for name in files}

    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"feeds"}
    assert not [name for name in files if "test" in name or ".venv" in name]
    assert not [name for name in files if name.endswith((".pyc", ".sqlite3"))]


def test_the_wheel_holds_every_template_and_every_sample(wheel):
    for folder in ("templates", "feeds/sandbox/samples"):
        files = [path.name for path in (CHECKOUT / folder).iterdir()]
        assert files
        packed = "feeds/templates" if folder == "templates" else folder
        assert {f"{packed}/{name}" for name in files} <= set(list_files(wheel))


def test_a_wheel_built_from_the_sdist_holds_the_same_files(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()

    assert list_files(build("wheel", source, tmp_path / "again")) == list_files(wheel)


def test_the_sdist_holds_no_environment_and_no_database(sdist):
    with tarfile.open(sdist) as archive:
        entries = {PurePosixPath(name).parts[1] for name in archive.getnames()}

    assert entries <= {
        *("bench", "deploy", "docs", "feeds", "templates", "tests"),
        *("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
        *("SECURITY.md", "PKG-INFO", ".gitignore"),
    }

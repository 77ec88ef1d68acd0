"""The distributions: their contents, and a wheel that serves a page without a checkout."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import click
import pytest

from tests.support.processes import environment
from tests.support.upstream import EXAMPLE

CHECKOUT = Path(__file__).parents[2]

SERVE = f"""
import sys
sys.path[:0] = [{{target!r}}]
sys.path.append({str(Path(click.__file__).parents[1])!r})

import feeds
from feeds.app import create_app

assert feeds.__file__.startswith({{target!r}}), feeds.__file__
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


def list_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.usefixtures("unlisted")
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

    page, calendar, home = output.split("200 OK ")[1:]
    assert "<h1><bdi>Lakefront 5K - June 14</bdi></h1>" in page
    assert "SUMMARY:Lakefront 5K - June 14" in calendar
    assert "<bdi>Lakefront 5K - June 14</bdi></a>" in home


def test_the_wheel_holds_every_module_template_and_sample_and_nothing_else(wheel):
    packed = {
        str(folder / path.relative_to(CHECKOUT / source))
        for source, folder in (("feeds", Path("feeds")), ("templates", Path("feeds/templates")))
        for path in (CHECKOUT / source).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"feeds/cli.py", "feeds/templates/base.html"} < packed
    assert list_files(wheel) == packed


def test_the_sdist_holds_no_environment_and_builds_the_same_wheel(wheel, tmp_path):
    archive, unpacked = build("sdist", CHECKOUT, tmp_path / "sdist"), tmp_path / "unpacked"
    with tarfile.open(archive) as file:
        entries = {PurePosixPath(name).parts[1] for name in file.getnames()}
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", unpacked], check=True)
    (source,) = unpacked.iterdir()

    assert list_files(build("wheel", source, tmp_path / "again")) == list_files(wheel)
    assert entries <= {
        *("bench", "deploy", "docs", "feeds", "templates", "tests"),
        *("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
        *("SECURITY.md", "PKG-INFO", ".gitignore"),
    }

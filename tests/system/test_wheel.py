"""The wheel on its own: what is in it, and that it serves a page far from any checkout."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import click
import pytest

from tests.support.processes import EXAMPLE, SAMPLE_IDS, environment

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


def python(*arguments, cwd, **settings):
    """What this interpreter prints; it must not fail."""
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
    """The one distribution of this kind that hatchling makes of a source."""
    python("-m", "hatchling", "build", "-t", kind, "-d", str(folder), cwd=source)
    (built,) = folder.iterdir()
    return built


@pytest.fixture
def wheel(tmp_path):
    return build("wheel", CHECKOUT, tmp_path / "dist")


@pytest.fixture
def sdist(tmp_path):
    return build("sdist", CHECKOUT, tmp_path / "sdist")


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_installed_without_a_checkout_it_serves_the_page(wheel, tmp_path, upstream):
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target"]
    python("-m", "pip", *install, str(target), str(wheel), cwd=elsewhere)

    # -I and -S: no checkout by way of the folder, the environment or an editable installation.
    told = python(
        *("-I", "-S", "-c", SERVE.format(target=str(target))),
        cwd=elsewhere,
        INTERVALS_PARTNER_API_KEY="sandbox-key",
        FEEDS_TIMEZONE="America/Chicago",
        FEEDS_API_URL=upstream.url,
    )

    page, calendar, home = told.partition(" samples\n")[2].split("200 OK ")[1:]
    assert "<h1><bdi>Lakefront 5K - June 14</bdi></h1>" in page
    assert "SUMMARY:Lakefront 5K - June 14" in calendar
    assert "<bdi>Lakefront 5K - June 14</bdi></a>" in home
    assert int(told.split()[0]) >= len(SAMPLE_IDS)


def test_it_holds_the_package_and_nothing_else(wheel):
    tops = {PurePosixPath(name).parts[0] for name in names(wheel)}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"feeds"}
    assert not [name for name in names(wheel) if "test" in name or ".venv" in name]
    assert not [name for name in names(wheel) if name.endswith((".pyc", ".sqlite3"))]


def test_it_holds_every_template_and_every_sample(wheel):
    for folder in ("templates", "feeds/sandbox/samples"):
        files = [path.name for path in (CHECKOUT / folder).iterdir()]
        assert files
        packed = "feeds/templates" if folder == "templates" else folder
        assert {f"{packed}/{name}" for name in files} <= set(names(wheel))


def test_made_from_the_source_distribution_it_is_the_same(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()

    assert names(build("wheel", source, tmp_path / "again")) == names(wheel)


def test_the_source_distribution_holds_no_environment_and_no_database(sdist):
    with tarfile.open(sdist) as archive:
        tops = {PurePosixPath(name).parts[1] for name in archive.getnames()}

    assert tops <= {
        *("bench", "deploy", "docs", "feeds", "templates", "tests"),
        *("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
        *("SECURITY.md", "PKG-INFO", ".gitignore"),
    }

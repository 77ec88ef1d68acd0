"""SECURITY.md names tests that are there, and installations take packages with known hashes."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
INSTALLATIONS = {
    "docs/operations.md": "\n".join(re.findall(r"```sh\n(.*?)```", OPERATIONS, re.DOTALL)),
    "deploy/Containerfile": (ROOT / "deploy/Containerfile").read_text("utf-8"),
    "Makefile": (ROOT / "Makefile").read_text("utf-8"),
}
LOCKS = sorted(ROOT.glob("requirements*.txt"))


def test_each_test_that_the_threat_model_names_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "SECURITY.md").read_text())

    assert len(named) > 15
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"


@pytest.mark.parametrize("place", INSTALLATIONS)
def test_the_documented_installation_takes_packages_with_known_hashes_alone(place):
    text = re.sub(r"\\\n\s*", "", INSTALLATIONS[place])
    commands = re.findall(r"(?:pip|\$\(PIP\))(?: --python \S+)? (?:install|wheel) [^\n`&]*", text)

    assert len(commands) >= 3
    for command in commands:
        local = "--no-deps" in command and "--no-build-isolation" in command
        wheels = "--no-deps" in command and "--no-index" in command
        assert "--require-hashes" in command or local or wheels, command
        builds = "requirements-build.txt" not in command and not wheels
        assert not builds or "--no-build-isolation" in command, command


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_hash(lock):
    text = re.sub(r"\\\n\s*", "", lock.read_text("utf-8"))
    packages = re.findall(r"^[a-z0-9][^\n]*", text, re.MULTILINE)

    assert packages
    assert not [each for each in packages if "--hash=sha256:" not in each]


def test_the_packages_that_build_this_package_are_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = (ROOT / "requirements-build.txt").read_text()

    assert {re.split("[>=]", each)[0] for each in project["build-system"]["requires"]} == {
        "hatchling"
    }
    assert re.search(r"^hatchling==", locked, re.MULTILINE)

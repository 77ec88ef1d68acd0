"""The fingerprint of a deployment changes with all that can change the bytes of a feed."""

import pytest

from feeds import fingerprint
from feeds.fingerprint import compute_fingerprint


@pytest.fixture
def templates(tmp_path):
    (tmp_path / "event.html").write_text("<h1>Harbor Run</h1>")
    return tmp_path


def test_the_same_code_templates_and_settings_have_the_same_fingerprint(templates):
    assert compute_fingerprint(templates, "UTC") == compute_fingerprint(templates, "UTC")


def test_another_setting_changes_the_fingerprint(templates):
    settings = [("UTC",), ("UTC", ""), ("U", "TC"), ("Europe/Paris",)]
    assert len({compute_fingerprint(templates, *each) for each in settings}) == 4


@pytest.mark.parametrize("name", ["event.html", "other.html"])
def test_another_template_changes_the_fingerprint(templates, name):
    before = compute_fingerprint(templates)
    (templates / name).write_text("<h1>Lake Run</h1>")
    assert compute_fingerprint(templates) != before


def test_another_version_of_a_library_changes_the_fingerprint(templates, monkeypatch):
    before = compute_fingerprint(templates)
    monkeypatch.setattr(fingerprint, "version", lambda _: "0")
    assert compute_fingerprint(templates) != before

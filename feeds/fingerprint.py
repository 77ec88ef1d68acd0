"""The fingerprint of a deployment: a digest of all that can change the bytes of a feed."""

import hashlib
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("babel", "feedgen", "icalendar", "jinja2", "lxml", "segno", "tzdata", "tzfpy")


def compute_fingerprint(templates: Path, *settings: str) -> str:
    """A digest of the code, of the libraries that write bytes, and of settings that reach them.

    The code itself counts, not its version: a fixed bug has to reach the subscribers who have seen
    the bug, even if the version stayed the same.
    """
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in (*sorted(package.rglob("*.py")), *sorted(templates.iterdir())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for each in (*(f"{name} {version(name)}" for name in _LIBRARIES), *settings):
        digest.update(each.encode() + b"\0")
    return digest.hexdigest()

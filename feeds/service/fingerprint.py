"""What tells this deployment from others: whatever may reach the bytes of a feed."""

import hashlib
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("feedgen", "icalendar", "jinja2", "lxml", "segno", "tzdata", "tzfpy")


def compute_fingerprint(templates: Path, *settings: str) -> str:
    """A digest of the code, of the libraries that write bytes, and of settings that reach them.

    The code itself, not its version: a deploy of a mended fault has to reach those who have seen
    the fault, whether or not somebody thought of a new number.
    """
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in (*sorted(package.rglob("*.py")), *sorted(templates.iterdir())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for each in (*(f"{name} {version(name)}" for name in _LIBRARIES), *settings):
        digest.update(each.encode() + b"\0")
    return digest.hexdigest()

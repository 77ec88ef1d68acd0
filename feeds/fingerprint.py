"""The fingerprint of a deployment: a digest of all that can change the bytes of a feed."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

_LIBRARIES = (
    "babel",
    "feedgen",
    "icalendar",
    "jinja2",
    "lxml",
    "markupsafe",
    "msgspec",
    "segno",
    "tzdata",
    "tzfpy",
)

version = cache(metadata.version)


def compute_fingerprint(templates: Path, *settings: str) -> str:
    """A digest of the code, of the libraries that write bytes, and of settings that reach them.

    The code itself counts, not its version: a fixed bug has to reach the subscribers who have seen
    the bug, even if the version stayed the same.
    """
    digest = hashlib.sha256(_digest_code())
    for path in sorted(templates.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for each in (*(f"{name} {version(name)}" for name in _LIBRARIES), *settings):
        digest.update(each.encode() + b"\0")
    return digest.hexdigest()


@cache
def _digest_code() -> bytes:
    """A digest of the code, which a process has loaded once."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()

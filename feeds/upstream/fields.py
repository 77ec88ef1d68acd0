"""The values of single fields: a text of the upstream to a day, an address, a line of clean text.

Each reader raises ``ValueError`` for what it cannot read; what that costs is for ``documents``.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urlsplit

from werkzeug.urls import iri_to_uri

YEARS = range(1971, 2200)
"""Years in which a race can take place: zone rules hold and no arithmetic overflows."""

MAX_URL = 2000

_URI = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?([/?#][!-~]*)?")


def parse_date(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("not YYYY-MM-DD")
    read = date.fromisoformat(text)
    if read.year not in YEARS:
        raise ValueError("not a year of races")
    return read


def parse_time(text: str) -> time:
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", text):
        raise ValueError("not HH:MM or HH:MM:SS")
    return time.fromisoformat(text.zfill(len("HH:MM:SS" if text.count(":") > 1 else "HH:MM")))


def parse_instant(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    if read.tzinfo is None or read.year not in YEARS:
        raise ValueError("no offset, or not a year of races")
    return read.astimezone(UTC).replace(microsecond=0)


def parse_url(text: str) -> str:
    """An absolute http or https address, as a URI: what is not ASCII is percent-encoded.

    One that names a user is refused: ``https://club.example@evil.example/`` only looks like a club.
    """
    host = urlsplit(text).hostname or ""
    # Marks that cannot be seen, and the letters that IDNA 2003 spells differently from browsers
    # (UTS 46 section 7): another host than the one meant is worse than none.
    if not host.isprintable() or re.search("[ßς]", host):
        raise ValueError("not a host that all clients read alike")
    if re.search(r"[\t\r\n]", text):  # which the next line would leave out
        raise ValueError("not on one line")
    uri = iri_to_uri(text)
    if len(uri) > MAX_URL or not _URI.fullmatch(uri):
        raise ValueError("not an address of the web")
    return uri


def parse_point(lat: float | None, lng: float | None) -> tuple[float, float] | None:
    """(latitude, longitude); 0,0 is what a form without a map sends."""
    if lat is None or lng is None or (lat == 0 and lng == 0):
        return None
    # Without the sign of zero: places that are equal are written alike.
    here = (lat + 0.0, lng + 0.0)
    return here if abs(lat) <= 90 and abs(lng) <= 180 else None  # noqa: PLR2004 - degrees


_POSTAL = (
    ("venue", "name"),
    ("street", "line1", "address1"),
    ("line2", "address2"),
    ("city", "locality"),
    ("state", "region", "province"),
    ("postalCode", "zip"),
    ("country",),
)


def read_location(address: str | dict[str, Any] | None) -> str | None:
    """An address on one line. Its shape is not documented: what is known of such objects."""
    if not isinstance(address, dict):
        return clean_line(address or "") or None
    parts = [
        next((part for key in keys if (part := _part(address.get(key)))), "") for keys in _POSTAL
    ]
    if not any(parts):
        parts = [_part(address.get("formatted"))]
    if not any(parts):
        parts = [_part(value) for value in address.values() if isinstance(value, str)]
    return ", ".join(_unique(part for part in parts if part)) or None


def _part(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):  # a postal code
        value = str(value)
    return clean_line(value) if isinstance(value, str) else ""


def _unique(parts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(parts))


# What some client's parser takes for the end of a line, and what XML 1.0 2.2 does not allow:
# control characters, halves of surrogate pairs, two code points that are none.
_BREAKS = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean_text(text: str) -> str:
    r"""Text whose lines end in ``\n`` and that holds no control characters but the tab."""
    return _NOT_TEXT.sub("", _BREAKS.sub("\n", text)).strip()


def clean_line(text: str) -> str:
    return " ".join(clean_text(text).split())

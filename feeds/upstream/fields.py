"""Values of single fields of the upstream: dates, times, URLs, places, clean text.

Each parser raises ``ValueError`` for a value that it cannot read; ``schema`` decides what follows.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urlsplit

from werkzeug.urls import iri_to_uri

YEARS = range(1971, 2200)
"""Years in which a race can take place: time zone rules exist and no arithmetic overflows."""

MAX_URL = 2000
"""Characters of a URI."""

MAX_NAME, MAX_LABEL, MAX_PLACE, MAX_WORD, MAX_DESCRIPTION = 300, 100, 500, 60, 20_000
"""Characters of a text; the rest of a longer one is cut off. No organizer writes more."""

_URI = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?([/?#][!-~]*)?")


def parse_date(text: str) -> date:
    """Parse YYYY-MM-DD."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("not YYYY-MM-DD")
    day = date.fromisoformat(text)
    if day.year not in YEARS:
        raise ValueError("not a year of races")
    return day


def parse_time(text: str) -> time:
    """Parse HH:MM or HH:MM:SS; the hour may have one digit."""
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", text):
        raise ValueError("not HH:MM or HH:MM:SS")
    return time.fromisoformat(text.zfill(len("HH:MM:SS" if text.count(":") > 1 else "HH:MM")))


def parse_instant(text: str) -> datetime:
    """Parse an ISO 8601 time with an offset, to UTC in whole seconds."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or instant.year not in YEARS:
        raise ValueError("no offset, or not a year of races")
    return instant.astimezone(UTC).replace(microsecond=0)


def parse_url(text: str) -> str:
    """Parse an absolute http or https URL, to a URI: other characters are percent-encoded.

    A URL with a user is refused: ``https://club.example@evil.example/`` only looks like the club's.
    """
    if len(text) > MAX_URL:
        raise ValueError("too long")
    host = urlsplit(text).hostname or ""
    # Refuse invisible characters, and the letters that IDNA 2003 maps differently from browsers
    # (UTS 46 section 7): a wrong host is worse than no URL.
    if not host.isprintable() or re.search("[ßς]", host):
        raise ValueError("not a host that all clients read alike")
    if re.search(r"[\t\r\n]", text):  # iri_to_uri would remove them
        raise ValueError("not on one line")
    uri = iri_to_uri(text)
    if len(uri) > MAX_URL or not _URI.fullmatch(uri):
        raise ValueError("not a URL of a website")
    return uri


def parse_point(lat: float | None, lng: float | None) -> tuple[float, float] | None:
    """Return (latitude, longitude), or ``None`` for no place; a form without a map sends 0,0."""
    if lat is None or lng is None or (lat == 0 and lng == 0):
        return None
    # Adding 0.0 turns -0.0 into 0.0, so that equal places have equal bytes.
    point = (lat + 0.0, lng + 0.0)
    return point if abs(lat) <= 90 and abs(lng) <= 180 else None  # noqa: PLR2004 - degrees


_POSTAL_KEYS = (
    ("venue", "name"),
    ("street", "line1", "address1"),
    ("line2", "address2"),
    ("city", "locality"),
    ("state", "region", "province"),
    ("postalCode", "zip"),
    ("country",),
)
"""Keys of an address in postal order; the keys of one row mean the same (rules 6.9)."""


def format_address(address: str | dict[str, Any] | None) -> str | None:
    """Return an address on one line, or ``None`` if the address has no text.

    The API's reference does not document the shape of the object, see rules 6.9.
    """
    if not isinstance(address, dict):
        return clean_line(address or "") or None
    parts = [
        next((part for key in keys if (part := _clean_part(address.get(key)))), "")
        for keys in _POSTAL_KEYS
    ]
    if not any(parts):
        parts = [_clean_part(address.get("formatted"))]
    if not any(parts):
        parts = [_clean_part(value) for value in address.values() if isinstance(value, str)]
    return ", ".join(_unique(part for part in parts if part)) or None


def _clean_part(value: object) -> str:
    """Return a part of an address as a clean line; "" if the part is neither text nor integer."""
    if isinstance(value, int) and not isinstance(value, bool):  # a postal code
        value = str(value)
    return clean_line(value) if isinstance(value, str) else ""


def _unique(parts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(parts))


# Characters that some client's parser takes for the end of a line, and characters that XML 1.0 2.2
# does not allow: control characters, surrogates, U+FFFE and U+FFFF.
_LINE_ENDS = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean_text(text: str) -> str:
    r"""Return text whose lines end in ``\n``, without control characters other than tab."""
    return _NOT_TEXT.sub("", _LINE_ENDS.sub("\n", text)).strip()


def clean_line(text: str) -> str:
    """Return clean text on one line, with single spaces."""
    return " ".join(clean_text(text).split())


def shorten(text: str, limit: int) -> str:
    """Return the first characters of a text that is too long, with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"

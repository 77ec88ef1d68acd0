"""Values of single fields of the upstream: dates, times, numbers, URLs, places.

Each parser takes any JSON value and reads it liberally. It raises ``ValueError`` or
``OverflowError`` for a value that it does not understand; ``optional`` and ``schema`` decide what
follows.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from urllib.parse import urlsplit

from werkzeug.urls import iri_to_uri

from feeds.domain.schedule import END_OF_DAY
from feeds.text.cleaning import clean_line

YEARS = range(1971, 2200)
"""Years in which a race can take place: time zone rules exist and no arithmetic overflows."""

MAX_URL = 2000
"""Characters of a URI."""

TYPES = {"race": "race", "runclub": "runClub", "timetrial": "timeTrial", "other": "other"}
"""The documented types of events, for ``find_word``."""

MAX_NAME, MAX_LABEL, MAX_PLACE, MAX_WORD, MAX_DESCRIPTION = 300, 100, 500, 60, 20_000
"""Characters of a text; the rest of a longer one is cut off. No organizer writes more."""

_URI = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?([/?#][!-~]*)?")


_BARE_HOST = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}(?::[0-9]+)?(?:[/?#]|\Z)")
"""A host with a dot, such as ``www.club.example``, that begins a URL without a scheme."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]00:00(:00(\.0+)?)?([Zz]|[+-]..:..)?)?")

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,30})?")

_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])(:(?P<second>[0-5][0-9])(\.0+)?)?"
    r"([ \xa0\u202f]?(?P<half>[ap])\.?m\.?)?"
    r"|(?P<hour4>[0-9]{2})(?P<minute4>[0-5][0-9])",
    re.IGNORECASE | re.ASCII,
)


class PartlyReadError(ValueError):
    """A value of which only a part was understood: ``part``."""

    def __init__(self, part: object) -> None:
        super().__init__("only a part was understood")
        self.part = part


def parse_text(value: object) -> str:
    """Return a text without white space around it."""
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - one error for all that is not understood
    return value.strip()


def find_word(text: str, words: Mapping[str, str]) -> str | None:
    """Find the documented word that a text means, in any case and with any blanks or hyphens.

    ``words`` are by their letters in lower case. Returns ``None`` for any other text.
    """
    return words.get(re.sub(r"[\s_-]", "", text).casefold())


def parse_date(value: object) -> date:
    """Parse YYYY-MM-DD, or a timestamp at midnight.

    A timestamp at another time may be of another day at the place: JavaScript's ``toISOString``
    gives 22:00 of the day before for a midnight in Berlin.
    """
    text = parse_text(value)
    if not _DATE.fullmatch(text):
        raise ValueError("not YYYY-MM-DD")
    day = (date if len(text) == len("YYYY-MM-DD") else datetime).fromisoformat(text)
    day = date(day.year, day.month, day.day)
    if day.year not in YEARS:
        raise ValueError("not a year of races")
    return day


def parse_time(value: object) -> time:
    """Parse a wall time: H:MM, HH:MM, HH:MM:SS, HHMM, or with AM or PM.

    24:00 is ``END_OF_DAY``. A fraction of a second must be zero. An offset is not understood: the
    wall time of the place is not known then.
    """
    found = _TIME.fullmatch(parse_text(value))
    if not found:
        raise ValueError("not a wall time")
    hour, minute = int(found["hour"] or found["hour4"]), int(found["minute"] or found["minute4"])
    second = int(found["second"] or 0)
    if found["half"]:
        if hour not in range(1, 13):
            raise ValueError("not an hour before or after noon")
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    return END_OF_DAY if (hour, minute, second) == (24, 0, 0) else time(hour, minute, second)


def parse_instant(value: object) -> datetime:
    """Parse an ISO 8601 time with an offset, to UTC in whole seconds."""
    instant = datetime.fromisoformat(parse_text(value))
    if instant.tzinfo is None or instant.year not in YEARS:
        raise ValueError("no offset, or not a year of races")
    return instant.astimezone(UTC).replace(microsecond=0)


def is_zero(members: Mapping[str, object]) -> bool:
    """Whether coordinates are 0,0: a form that was not filled in."""
    try:
        return parse_number(members.get("lat")) == 0 == parse_number(members.get("lng"))
    except ValueError:
        return False


def parse_number(value: object) -> float:
    """Parse a number, or a decimal number in a text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")  # noqa: TRY004 - see parse_text
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        raise ValueError("too large") from None


def parse_flag(value: object) -> bool:
    """Parse true or false, also as a text in any case, or as 1 or 0."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    if not isinstance(value, int | float) or value not in (0, 1):
        raise ValueError("neither true nor false")
    return bool(value)


def parse_url(value: object) -> str | None:
    """Parse an http or https URL, to a URI: other characters are percent-encoded.

    A URL that begins with a host, without a scheme, gets ``https://``. ``None`` for a blank text. A
    URL with a user is refused: ``https://club.example@evil.example/`` only looks like the club's.
    """
    text = parse_text(value)
    if not text:
        return None
    if len(text) > MAX_URL:
        raise ValueError("too long")
    if _BARE_HOST.match(text):
        text = f"https://{text}"
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


def parse_point(lat: object, lng: object) -> tuple[float, float] | None:
    """Return (latitude, longitude), or ``None`` for no place; a form without a map sends 0,0."""
    # Adding 0.0 turns -0.0 into 0.0, so that equal places have equal bytes.
    latitude, longitude = parse_number(lat) + 0.0, parse_number(lng) + 0.0
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # noqa: PLR2004 - degrees
        raise ValueError("not on the globe")
    return (latitude, longitude) if latitude or longitude else None


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


_CODE_AFTER_STATE = (
    *("us", "usa", "united states", "united states of america"),
    *("ca", "canada", "au", "australia"),
)
"""Countries that write the postal code behind the state: ``Milwaukee, WI 53202``."""


def format_address(address: object) -> str | None:
    """Return an address on one line, or ``None`` if the address is blank.

    The API's reference does not document the shape of the object, see rules 6.9. Raises
    ``PartlyReadError`` if a well-known key has a value that is neither text nor integer, or if the
    text is that of other keys: they may mean anything.
    """
    if isinstance(address, str):
        return clean_line(address) or None
    if not isinstance(address, dict):
        raise ValueError("neither a text nor an object")  # noqa: TRY004 - see parse_text
    parts = [
        next((part for key in keys if (part := _clean_part(address.get(key)))), "")
        for keys in _POSTAL_KEYS
    ]
    if not any(parts):
        parts = [_clean_part(address.get("formatted"))]
    elif parts[-1].casefold() in _CODE_AFTER_STATE:
        parts[4:6] = [" ".join(filter(None, parts[4:6]))]
    understood = any(parts)
    if not understood:
        parts = [_clean_part(value) for value in address.values() if isinstance(value, str)]
    line = ", ".join(dict.fromkeys(part for part in parts if part)) or None
    known = [address.get(key) for keys in (*_POSTAL_KEYS, ("formatted",)) for key in keys]
    unread = any(
        not _is_part(value) if understood else not isinstance(value, str)
        for value in (known if understood else address.values())
        if value is not None
    )
    if unread or (line and not understood):
        raise PartlyReadError(line)
    return line


def _is_part(value: object) -> bool:
    """Whether a value is a part of an address: a text or an integer, such as a postal code."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _clean_part(value: object) -> str:
    """Return a part of an address as a clean line; "" if the value is none."""
    return clean_line(str(value)) if _is_part(value) else ""


def shorten(text: str, limit: int) -> str:
    """Return the first characters of a text that is too long, with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"

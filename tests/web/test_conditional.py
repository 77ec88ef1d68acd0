"""The table of conditional requests and content codings: RFC 9110 and 9111."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.web.conditional import accepts_gzip, build_representation, make_response

NOW = datetime(2025, 6, 14, 12, 0, tzinfo=UTC)
CHANGED = datetime(2025, 6, 1, 8, 30, 15, tzinfo=UTC)
LAST_MODIFIED = "Sun, 01 Jun 2025 08:30:15 GMT"
BODY = b"BEGIN:VCALENDAR\r\n" + b"X-FILLER:abc\r\n" * 50 + b"END:VCALENDAR\r\n"
DIGEST = hashlib.sha256(BODY).hexdigest()
CALENDAR = build_representation(
    BODY,
    media_type="text/calendar; charset=utf-8",
    last_modified=CHANGED,
    filename="harbor-run.ics",
)


def get(**fields):
    """The response to a request with these header fields, named as in Python."""
    request = {f"HTTP_{name.upper()}": value for name, value in fields.items()}
    request["REQUEST_METHOD"] = "GET"
    return make_response(CALENDAR, request, now=NOW.timestamp(), max_age=900)


def is_not_modified(**fields):
    """Whether the response is a 304; else it is a 200."""
    status = get(**fields).status
    assert status in ("200 OK", "304 NOT MODIFIED")
    return status == "304 NOT MODIFIED"


FIELD = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))


@given(FIELD, FIELD, FIELD)
def test_any_header_fields_get_a_200_or_a_304(tags, date, accepted):
    is_not_modified(if_none_match=tags, if_modified_since=date, accept_encoding=accepted)
    is_not_modified(if_modified_since=date)


# tests/rules has the ordinary forms of these three header fields.


@pytest.mark.parametrize(
    ("tags", "matches"),
    [
        *((f'"other","{DIGEST}","third"', True), (f'  "other"  ,  W/"{DIGEST}"  ', True)),
        (DIGEST, True),  # some proxies remove the quotes
        *(('W/"other"', False), ('"other", "third"', False), (f'"{DIGEST[:-1]}"', False)),
        *((f'"{DIGEST.upper()}"', False), (f'"x{DIGEST}"', False), ('""', False)),
        *((" ", False), (",", False), ("W/", False), ('"', False), ('"""', False)),
        *((f'"{DIGEST}', False), ("garbage", False), ("\x00\x7f\xff", False)),
        *((", " * 4000, False), ('"' * 8000, False), (" " * 8000 + "x", False)),
    ],
)
def test_if_none_match_decides_alone(tags, matches):
    """RFC 9110 13.1.3: If-Modified-Since is ignored, even if no tag can be read."""
    assert is_not_modified(if_none_match=tags, if_modified_since=LAST_MODIFIED) == matches


@pytest.mark.parametrize(
    "date",
    [
        *("*", "0", "garbage", "Sat, 14 Jun 2025", "2025-06-14T12:00:00Z", "1749902400"),
        *("Sat, 14 Jun 2025 12:00:00", "Sat, 14 Jun 2025 12:00:00 CET", "9" * 8000),
        *("Sat, 14 Jun 2025 12:00:00 +0000", "sat, 14 jun 2025 12:00:00 gmt"),
        *("Sat, 14 Jun 2025 25:61:61 GMT", "Sat, 44 Jun 2025 12:00:00 GMT"),
        *("Sat, 14 Foo 2025 12:00:00 GMT", f"{LAST_MODIFIED}, {LAST_MODIFIED}"),
        *("Sat, 14 Jun 99999 12:00:00 GMT", "Sat, 14 Jun 2025 12:00:00 +99999999999999"),
        *("Sat, ١٤ Jun 2025 12:00:00 GMT", "Sun, 01 Jun 2025 08:30:15 +0000"),
    ],
)
def test_a_date_in_another_form_does_not_count(date):
    assert not is_not_modified(if_modified_since=date)


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        *(("x-gzip", True), ("X-GZip", True), ("gzip, deflate, br, zstd", True)),
        *(("br;q=1.0, gzip;q=0.8, *;q=0.1", True), ("gzip;q=1.000", True), ("gzip;Q=0.5", True)),
        *(("gzip;q=0.001", True), ("gzip;q=0.5, identity;q=0.5", True), (",,gzip,,", True)),
        *(("gzip, identity;q=0", True), ("gzip, *;q=0", True), ("*;q=0.5, identity;q=0", True)),
        *(("  gzip  ;  q=0.5  ,  br  ", True), ("br, " * 2000 + "gzip", True)),
        *((" ", False), ("deflate, br;q=0.9, zstd", False), ("gzipped", False)),
        *(("not-gzip", False), ("gzip;q=0.000", False), ("x-gzip;q=0", False), ("*;q=0", False)),
        *(("*, gzip;q=0", False), ("identity;q=0", False), ("gzip;q=0.5, identity", False)),
        *(("gzip;q=0.5, *", False), ("gzip;q=0.5, *;q=0.1", True)),  # the asterisk is identity, too
        *(("identity;q=0.2, gzip;q=0.5, *", True), ("*", True), ("*;q=0.1", True)),
        *(("gzip;q=nonsense", False), ("gzip;q=", False), ("gzip;q=-1", False)),
        *(("gzip;q=nan", False), ("gzip;q=0x1", False), (";q=1", False), ("\x00\xff", False)),
        *(("x" * 8000, False), ("br, " * 2000, False)),
    ],
)
def test_gzip_is_sent_if_it_is_accepted_and_identity_is_not_preferred(accepted, sent):
    assert accepts_gzip(accepted) == sent
    assert (("Content-Encoding", "gzip") in get(accept_encoding=accepted).headers) == sent

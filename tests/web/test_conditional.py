"""The table of conditional requests and content codings: RFC 9110 and 9111."""

import gzip
import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

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


class Got(NamedTuple):
    """A response as tests read it."""

    status: str
    headers: dict[str, str]
    body: bytes


def get(fields=None, *, method="GET", now=NOW, max_age=900, download=False):
    """The response to a request with these header fields."""
    request = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (fields or {}).items()
    }
    request["REQUEST_METHOD"] = method
    response = make_response(
        CALENDAR, request, now=now.timestamp(), max_age=max_age, download=download
    )
    headers = dict(response.headers)
    assert len(headers) == len(response.headers), "a field is repeated"
    return Got(response.status, headers, response.body)


def is_not_modified(fields, now=NOW):
    """Whether the response is a 304; else it is a 200."""
    status = get(fields, now=now).status
    assert status in ("200 OK", "304 NOT MODIFIED")
    return status == "304 NOT MODIFIED"


FIELD = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))


@given(FIELD, FIELD, FIELD)
def test_any_header_fields_get_a_200_or_a_304(tags, date, accepted):
    is_not_modified({"If-None-Match": tags, "If-Modified-Since": date, "Accept-Encoding": accepted})
    is_not_modified({"If-Modified-Since": date})


def test_a_200_has_these_header_fields_and_no_others():
    assert get(max_age=60) == (
        "200 OK",
        {
            "ETag": f'"{DIGEST}"',
            "Cache-Control": "max-age=60, stale-if-error=604800",
            "Vary": "Accept-Encoding",
            "Content-Type": "text/calendar; charset=utf-8",
            "Content-Length": str(len(BODY)),
            "Content-Disposition": 'inline; filename="harbor-run.ics"',
            "Access-Control-Allow-Origin": "*",
            "X-Content-Type-Options": "nosniff",
            "Last-Modified": LAST_MODIFIED,
        },
        BODY,
    )


def test_a_gzipped_200_has_a_coding_a_length_and_an_etag_of_its_own():
    plain, gzipped = get(), get({"Accept-Encoding": "gzip"})
    assert gzipped.headers == plain.headers | {
        "ETag": f'"{DIGEST}-gzip"',
        "Content-Length": str(len(gzipped.body)),
        "Content-Encoding": "gzip",
    }
    assert len(gzipped.body) < len(BODY)
    assert gzip.decompress(gzipped.body) == BODY


@pytest.mark.parametrize(("coding", "suffix"), [("identity", ""), ("gzip", "-gzip")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_304_has_three_header_fields_and_no_body(method, coding, suffix):
    """RFC 9110 15.4.5: no other metadata, and Last-Modified only if there is no ETag."""
    etag = f'"{DIGEST}{suffix}"'
    response = get({"If-None-Match": etag, "Accept-Encoding": coding}, method=method)
    cache_control = "max-age=900, stale-if-error=604800"
    headers = {"ETag": etag, "Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    assert response == ("304 NOT MODIFIED", headers, b"")


def test_a_download_differs_in_its_disposition_only():
    disposition = {"Content-Disposition": 'attachment; filename="harbor-run.ics"'}
    assert get(download=True) == ("200 OK", get().headers | disposition, BODY)


def test_etags_and_gzipped_bytes_are_the_same_in_any_process():
    script = f"""
import datetime
from feeds.web.conditional import build_representation
now = datetime.datetime.now()
r = build_representation({BODY!r}, media_type="x", last_modified=now, filename="x")
print(r.gzip.etag, r.gzip.body.hex())
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert printed == {f"{CALENDAR.gzip.etag} {CALENDAR.gzip.body.hex()}"}


@pytest.mark.parametrize(
    ("tags", "matches"),
    [
        *((f'"{DIGEST}"', True), (f'W/"{DIGEST}"', True), (f'"other", "{DIGEST}"', True)),
        *((f'"other","{DIGEST}","third"', True), (f'  "other"  ,  W/"{DIGEST}"  ', True)),
        *((f'W/"other", W/"{DIGEST}"', True), ("*", True)),
        (DIGEST, True),  # some proxies remove the quotes
        *(('"other"', False), ('W/"other"', False), ('"other", "third"', False)),
        *((f'"{DIGEST}-gzip"', False), (f'"{DIGEST[:-1]}"', False)),
        *((f'"{DIGEST.upper()}"', False), (f'"x{DIGEST}"', False), ('"*"', False), ('""', False)),
        *(("", False), (" ", False), (",", False), ("W/", False), ('"', False), ('"""', False)),
        *((f'"{DIGEST}', False), ("garbage", False), ("\x00\x7f\xff", False)),
        *((", " * 4000, False), ('"' * 8000, False), (" " * 8000 + "x", False)),
    ],
)
@pytest.mark.parametrize("since", [None, LAST_MODIFIED, "Sat, 31 May 2025 00:00:00 GMT"])
def test_if_none_match_decides_alone(tags, since, matches):
    """RFC 9110 13.1.3: If-Modified-Since is ignored, even if no tag can be read."""
    fields = {"If-None-Match": tags} | ({"If-Modified-Since": since} if since else {})
    assert is_not_modified(fields) == matches


def test_the_etag_of_one_coding_does_not_match_the_other_coding():
    for coding, etag in (("gzip", f'"{DIGEST}"'), ("identity", f'"{DIGEST}-gzip"')):
        assert not is_not_modified({"Accept-Encoding": coding, "If-None-Match": etag})


@pytest.mark.parametrize(
    ("date", "not_modified"),
    [
        (LAST_MODIFIED, True),
        # RFC 9110 5.6.7: every recipient accepts the two obsolete forms.
        *(("Sunday, 01-Jun-25 08:30:15 GMT", True), ("Sun Jun  1 08:30:15 2025", True)),
        # Only the same time counts.
        *(("Sun, 01 Jun 2025 08:30:14 GMT", False), ("Sun, 01 Jun 2025 08:30:16 GMT", False)),
        *(("Sat, 14 Jun 2042 12:00:00 GMT", False), ("Sat May 31 08:30:15 2025", False)),
        # The others are no HTTP dates.
        *(("", False), ("*", False), ("0", False), ("garbage", False)),
        *(("Sat, 14 Jun 2025", False), ("2025-06-14T12:00:00Z", False), ("1749902400", False)),
        *(("Sat, 14 Jun 2025 12:00:00", False), ("Sat, 14 Jun 2025 12:00:00 CET", False)),
        *(("Sat, 14 Jun 2025 12:00:00 +0000", False), ("sat, 14 jun 2025 12:00:00 gmt", False)),
        *(("Sat, 14 Jun 2025 25:61:61 GMT", False), ("Sat, 44 Jun 2025 12:00:00 GMT", False)),
        ("Sat, 14 Foo 2025 12:00:00 GMT", False),
        ("Sat, 14 Jun 2025 12:00:00 GMT, Sat, 14 Jun 2025 12:00:00 GMT", False),
        ("Sat, 14 Jun 99999 12:00:00 GMT", False),
        ("Sat, 14 Jun 2025 12:00:00 +99999999999999", False),
        ("Sat, ١٤ Jun 2025 12:00:00 GMT", False),
        ("9" * 8000, False),
    ],
)
def test_without_if_none_match_the_date_of_if_modified_since_decides(date, not_modified):
    assert is_not_modified({"If-Modified-Since": date}) == not_modified


@pytest.mark.parametrize(
    ("now", "sent"), [(CHANGED - timedelta(seconds=1), False), (CHANGED, True)]
)
def test_a_last_modified_in_the_future_is_neither_sent_nor_compared(now, sent):
    """RFC 9110 8.8.2.1: the clock was set back. If-None-Match still matches."""
    assert ("Last-Modified" in get(now=now).headers) == sent
    assert is_not_modified({"If-Modified-Since": LAST_MODIFIED}, now) == sent
    assert is_not_modified({"If-None-Match": f'"{DIGEST}"'}, now)


@pytest.mark.parametrize(
    "accepted",
    [
        *("gzip", "GZIP", "x-gzip", "X-GZip", "*", "gzip, deflate, br, zstd"),
        *("br;q=1.0, gzip;q=0.8, *;q=0.1", "deflate,gzip", "gzip;q=1", "gzip;q=1.000"),
        *("gzip;Q=0.5", "gzip;q=0.001", "gzip;q=0.5, identity;q=0.5"),
        *("gzip;q=0.5, identity;q=0.1", "gzip, identity;q=0", "gzip, *;q=0"),
        *("*;q=0.5, identity;q=0", "  gzip  ;  q=0.5  ,  br  ", "identity;q=0.2,gzip;q=0.7"),
        *(",,gzip,,", "br, " * 2000 + "gzip"),
    ],
)
def test_gzip_is_sent_if_accept_encoding_prefers_gzip_or_has_no_preference(accepted):
    assert accepts_gzip(accepted)
    assert get({"Accept-Encoding": accepted}).headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "accepted",
    [
        *("", " ", "identity", "br", "deflate, br;q=0.9, zstd", "gzipped", "not-gzip", "gzip;q=0"),
        *("gzip;q=0.0", "gzip;q=0.000", "x-gzip;q=0", "*;q=0", "gzip;q=0, *", "*, gzip;q=0"),
        *("identity;q=0", "gzip;q=0.5, identity", "gzip;q=0.5, identity;q=0.6", "gzip;q=nonsense"),
        *("gzip;q=", "gzip;q=-1", "gzip;q=nan", "gzip;q=0x1", ";q=1", "\x00\xff", "x" * 8000),
        "br, " * 2000,
    ],
)
def test_gzip_is_not_sent_if_accept_encoding_does_not_accept_gzip_or_prefers_identity(accepted):
    assert not accepts_gzip(accepted)
    assert get({"Accept-Encoding": accepted}) == get()

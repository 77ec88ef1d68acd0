"""Answers: RFC 9110 and 9111, from a representation and the fields of a request."""

import gzip
import hashlib
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.web.conditional import (
    Representation,
    WsgiResponse,
    accepts_gzip,
    build_representation,
    make_response,
)

NOW = datetime(2025, 6, 14, 12, 0, tzinfo=UTC)
CHANGED = datetime(2025, 6, 1, 8, 30, 15, tzinfo=UTC)
BODY = b"BEGIN:VCALENDAR\r\n" + b"X-FILLER:abc\r\n" * 50 + b"END:VCALENDAR\r\n"
DIGEST = hashlib.sha256(BODY).hexdigest()
CALENDAR = build_representation(
    BODY,
    media_type="text/calendar; charset=utf-8",
    last_modified=CHANGED,
    filename="harbor-run.ics",
)


class Got(NamedTuple):
    """An answer as tests read it."""

    status: int
    headers: dict[str, str]
    body: bytes


def got(answer: WsgiResponse) -> Got:
    assert answer.status in ("200 OK", "304 NOT MODIFIED")
    headers = dict(answer.headers)
    assert len(headers) == len(answer.headers)
    return Got(int(answer.status[:3]), headers, answer.body)


def get(
    fields: dict[str, str] | None = None,
    *,
    method: str = "GET",
    now: datetime = NOW,
    max_age: int = 900,
    download: bool = False,
) -> Got:
    request = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (fields or {}).items()
    }
    request["REQUEST_METHOD"] = method
    return got(
        make_response(CALENDAR, request, now=now.timestamp(), max_age=max_age, download=download)
    )


def etag_of(representation: Representation) -> str:
    return got(make_response(representation, {"REQUEST_METHOD": "GET"}, now=0, max_age=1)).headers[
        "ETag"
    ]


FIELD = st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n\0"))


@given(FIELD, FIELD, FIELD)
def test_whatever_a_client_sends_it_gets_an_answer(tags, date, accepted):
    fields = {"If-None-Match": tags, "If-Modified-Since": date, "Accept-Encoding": accepted}

    assert get(fields).status in (200, 304)
    assert get({"If-Modified-Since": date}).status in (200, 304)


class TestFields:
    def test_all_of_them_stand_in_a_200(self):
        assert get() == Got(
            200,
            {
                "ETag": f'"{DIGEST}"',
                "Cache-Control": "max-age=900, stale-if-error=604800",
                "Vary": "Accept-Encoding",
                "Content-Type": "text/calendar; charset=utf-8",
                "Content-Length": str(len(BODY)),
                "Content-Disposition": 'inline; filename="harbor-run.ics"',
                "Access-Control-Allow-Origin": "*",
                "X-Content-Type-Options": "nosniff",
                "Last-Modified": "Sun, 01 Jun 2025 08:30:15 GMT",
            },
            BODY,
        )

    def test_a_gzipped_200_tells_so_and_has_a_length_and_an_etag_of_its_own(self):
        plain, gzipped = get(), get({"Accept-Encoding": "gzip"})

        assert gzipped.headers == plain.headers | {
            "ETag": f'"{DIGEST}-gzip"',
            "Content-Length": str(len(gzipped.body)),
            "Content-Encoding": "gzip",
        }
        assert len(gzipped.body) < len(BODY)
        assert gzip.decompress(gzipped.body) == BODY

    def test_a_304_has_three_and_no_body(self):
        """RFC 9110 15.4.5: no metadata besides, Last-Modified only without an ETag."""
        assert get({"If-None-Match": f'"{DIGEST}"'}) == Got(
            304,
            {
                "ETag": f'"{DIGEST}"',
                "Cache-Control": "max-age=900, stale-if-error=604800",
                "Vary": "Accept-Encoding",
            },
            b"",
        )

    @pytest.mark.parametrize("coding", ["gzip", "identity"])
    def test_head_has_those_of_get_and_no_body(self, coding):
        fields = {"Accept-Encoding": coding}
        there = get(fields)

        assert get(fields, method="HEAD") == Got(200, there.headers, b"")
        assert there.body

    def test_head_is_conditional_as_well(self):
        assert get({"If-None-Match": f'"{DIGEST}"'}, method="HEAD").status == 304

    def test_a_download_is_an_attachment(self):
        disposition = get(download=True).headers["Content-Disposition"]

        assert disposition == 'attachment; filename="harbor-run.ics"'

    def test_a_download_has_the_same_etag(self):
        assert get(download=True).headers["ETag"] == get().headers["ETag"]

    def test_max_age_is_as_given(self):
        cache_control = get(max_age=60).headers["Cache-Control"]

        assert cache_control == "max-age=60, stale-if-error=604800"

    def test_there_is_no_age_and_no_cookie(self):
        assert not {"Age", "Set-Cookie", "Expires"} & get().headers.keys()


class TestEtag:
    @pytest.mark.parametrize("coding", ["gzip", "identity"])
    def test_it_is_strong_and_holds_what_rfc_9110_8_8_3_allows(self, coding):
        assert re.fullmatch('"[!#-~]+"', get({"Accept-Encoding": coding}).headers["ETag"])

    def test_another_body_has_another_one(self):
        def etag(body: bytes) -> str:
            other = build_representation(
                body, media_type="text/plain", last_modified=CHANGED, filename="x"
            )
            return etag_of(other)

        assert etag(b"one") != etag(b"two")

    def test_another_day_another_type_and_another_name_have_the_same(self):
        other = build_representation(
            BODY, media_type="text/plain", last_modified=NOW - timedelta(1), filename="x"
        )

        assert etag_of(other) == f'"{DIGEST}"'

    def test_it_and_the_gzipped_bytes_are_the_same_in_any_process(self):
        script = f"""
import datetime
from feeds.web.conditional import build_representation
now = datetime.datetime.now()
r = build_representation({BODY!r}, media_type="x", last_modified=now, filename="x")
print(r.gzip.etag, r.gzip.body.hex())
"""
        told = {
            subprocess.run(
                [sys.executable, "-c", script],
                env={"PYTHONHASHSEED": seed, "TZ": zone},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
        }

        assert told == {f"{CALENDAR.gzip.etag} {CALENDAR.gzip.body.hex()}"}

    def test_gzip_tells_neither_the_time_nor_a_name(self):
        """RFC 1952 2.3.1: no flags, MTIME 0."""
        assert CALENDAR.gzip.body[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


class TestIfNoneMatch:
    @pytest.mark.parametrize(
        "tags",
        [
            f'"{DIGEST}"',
            f'W/"{DIGEST}"',
            f'"other", "{DIGEST}"',
            f'"other","{DIGEST}","third"',
            f'  "other"  ,  W/"{DIGEST}"  ',
            f'W/"other", W/"{DIGEST}"',
            "*",
        ],
    )
    def test_it_matches(self, tags):
        assert get({"If-None-Match": tags}).status == 304

    @pytest.mark.parametrize(
        "tags",
        [
            '"other"',
            'W/"other"',
            '"other", "third"',
            f'"{DIGEST}-gzip"',
            f'"{DIGEST[:-1]}"',
            f'"{DIGEST.upper()}"',
            f'"x{DIGEST}"',
            '"*"',
            '""',
            "",
            " ",
            ",",
            "W/",
            '"',
            '"""',
            f'"{DIGEST}',
            "garbage",
            "\x00\x7f\xff",
            ", " * 4000,
            '"' * 8000,
            " " * 8000 + "x",
        ],
    )
    def test_it_does_not_match(self, tags):
        assert get({"If-None-Match": tags}).status == 200

    def test_a_tag_without_its_quotes_is_taken_as_meant(self):
        assert get({"If-None-Match": DIGEST}).status == 304

    def test_each_coding_has_a_tag_of_its_own(self):
        gzipped, plain = f'"{DIGEST}-gzip"', f'"{DIGEST}"'
        accepted = {"Accept-Encoding": "gzip"}

        assert get(accepted | {"If-None-Match": gzipped}).status == 304
        assert get(accepted | {"If-None-Match": gzipped}).headers["ETag"] == gzipped
        assert get(accepted | {"If-None-Match": plain}).status == 200
        assert get({"If-None-Match": gzipped}).status == 200

    @pytest.mark.parametrize("tags", ['"other"', "", "garbage"])
    def test_present_it_makes_if_modified_since_void(self, tags):
        """RFC 9110 13.1.3: ignored, whether the tags are understood or not."""
        since = {"If-Modified-Since": "Sun, 01 Jun 2025 08:30:15 GMT"}

        assert get(since).status == 304
        assert get(since | {"If-None-Match": tags}).status == 200

    def test_matching_it_wins_over_an_old_date(self):
        fields = {
            "If-None-Match": f'"{DIGEST}"',
            "If-Modified-Since": "Sat, 31 May 2025 00:00:00 GMT",
        }

        assert get(fields).status == 304


class TestIfModifiedSince:
    @pytest.mark.parametrize(
        "date",
        [
            "Sun, 01 Jun 2025 08:30:15 GMT",
            "Sun, 01 Jun 2025 08:30:16 GMT",
            "Sat, 14 Jun 2025 12:00:00 GMT",
            # The two obsolete forms that RFC 9110 5.6.7 has every recipient take.
            "Sunday, 01-Jun-25 08:30:15 GMT",
            "Wednesday, 11-Jun-25 08:30:15 GMT",
            "Sun Jun  1 08:30:15 2025",
            "Wed Jun 11 08:30:15 2025",
            # RFC 9110 13.1.3 makes no exception for a date that is still to come.
            "Sat, 14 Jun 2042 12:00:00 GMT",
        ],
    )
    def test_nothing_changed_since(self, date):
        assert get({"If-Modified-Since": date}).status == 304

    @pytest.mark.parametrize(
        "date",
        [
            "Sun, 01 Jun 2025 08:30:14 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Saturday, 31-May-25 08:30:15 GMT",
            "Sat May 31 08:30:15 2025",
        ],
    )
    def test_something_changed_since(self, date):
        assert get({"If-Modified-Since": date}).status == 200

    @pytest.mark.parametrize(
        "date",
        [
            "",
            "*",
            "0",
            "garbage",
            "Sat, 14 Jun 2025",
            "2025-06-14T12:00:00Z",
            "1749902400",
            "Sat, 14 Jun 2025 12:00:00",
            "Sat, 14 Jun 2025 12:00:00 CET",
            "Sat, 14 Jun 2025 12:00:00 +0000",
            "sat, 14 jun 2025 12:00:00 gmt",
            "Sat, 14 Jun 2025 25:61:61 GMT",
            "Sat, 44 Jun 2025 12:00:00 GMT",
            "Sat, 14 Foo 2025 12:00:00 GMT",
            "Sat, 14 Jun 2025 12:00:00 GMT, Sat, 14 Jun 2025 12:00:00 GMT",
            "Sat, 14 Jun 99999 12:00:00 GMT",
            "Sat, 14 Jun 2025 12:00:00 +99999999999999",
            "Sat, ١٤ Jun 2025 12:00:00 GMT",
            "9" * 8000,
        ],
    )
    def test_what_is_no_http_date_is_ignored(self, date):
        assert get({"If-Modified-Since": date}).status == 200

    def test_the_last_modified_that_was_sent_comes_back_as_304(self):
        sent = get().headers["Last-Modified"]

        assert parsedate_to_datetime(sent) == CHANGED
        assert get({"If-Modified-Since": sent}).status == 304


class TestAClockThatJumpedBack:
    """RFC 9110 8.8.2.1: an origin server must not send a Last-Modified later than its own time."""

    BEFORE = CHANGED - timedelta(seconds=1)

    def test_last_modified_in_the_future_is_left_out(self):
        assert "Last-Modified" not in get(now=self.BEFORE).headers
        assert "Last-Modified" in get(now=CHANGED).headers

    def test_if_modified_since_is_ignored_then(self):
        since = {"If-Modified-Since": "Sun, 01 Jun 2025 08:30:15 GMT"}

        assert get(since, now=self.BEFORE).status == 200
        assert get(since, now=CHANGED).status == 304

    def test_if_none_match_is_not(self):
        assert get({"If-None-Match": f'"{DIGEST}"'}, now=self.BEFORE).status == 304


class TestAcceptEncoding:
    @pytest.mark.parametrize(
        "accepted",
        [
            "gzip",
            "GZIP",
            "x-gzip",
            "X-GZip",
            "*",
            "gzip, deflate, br, zstd",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "deflate,gzip",
            "gzip;q=1",
            "gzip;q=1.000",
            "gzip;Q=0.5",
            "gzip;q=0.001",
            "gzip;q=0.5, identity;q=0.5",
            "gzip;q=0.5, identity;q=0.1",
            "gzip, identity;q=0",
            "gzip, *;q=0",
            "*;q=0.5, identity;q=0",
            "  gzip  ;  q=0.5  ,  br  ",
            "identity;q=0.2,gzip;q=0.7",
            ",,gzip,,",
            "br, " * 2000 + "gzip",
        ],
    )
    def test_gzip_is_wanted(self, accepted):
        assert accepts_gzip(accepted)
        assert get({"Accept-Encoding": accepted}).headers["Content-Encoding"] == "gzip"

    @pytest.mark.parametrize(
        "accepted",
        [
            "",
            " ",
            "identity",
            "br",
            "deflate, br;q=0.9, zstd",
            "gzipped",
            "not-gzip",
            "gzip;q=0",
            "gzip;q=0.0",
            "gzip;q=0.000",
            "x-gzip;q=0",
            "*;q=0",
            "gzip;q=0, *",
            "*, gzip;q=0",
            "identity;q=0",
            "gzip;q=0.5, identity",
            "gzip;q=0.5, identity;q=0.6",
            "gzip;q=nonsense",
            "gzip;q=",
            "gzip;q=-1",
            "gzip;q=nan",
            "gzip;q=0x1",
            ";q=1",
            "\x00\xff",
            "x" * 8000,
            "br, " * 2000,
        ],
    )
    def test_gzip_is_not_wanted(self, accepted):
        assert not accepts_gzip(accepted)
        plain = get({"Accept-Encoding": accepted})
        assert "Content-Encoding" not in plain.headers
        assert plain.body == BODY

    def test_without_the_field_there_is_no_coding(self):
        """RFC 9110 12.5.3 would allow any: who does not ask may well not decompress."""
        assert "Content-Encoding" not in get().headers

    @pytest.mark.parametrize("accepted", ["gzip", "identity"])
    def test_caches_are_told_that_it_matters(self, accepted):
        assert get({"Accept-Encoding": accepted}).headers["Vary"] == "Accept-Encoding"

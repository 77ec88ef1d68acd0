"""From a representation and a request to an answer: RFC 9110 and 9111, and nothing else.

Every 200 and every 304 is made here, for the views and for whatever stands in front of them.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from math import inf
from wsgiref.types import WSGIEnvironment

from msgspec import Struct
from werkzeug.http import http_date, parse_date, parse_etags

STALE_IF_ERROR = 604_800
"""Seconds for which a cache may serve what it has while this service is in error (RFC 5861)."""

OK = "200 OK"
NOT_MODIFIED = "304 NOT MODIFIED"

# RFC 9110 5.6.7, newest first. Mail's parser, behind parse_date, takes far more, and overflows.
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{5,8}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}"
)


_VARY = ("Vary", "Accept-Encoding")


class Encoded(Struct, frozen=True):
    """A representation in one coding: its tag, its bytes, and what a 200 says whenever it is."""

    etag: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


class Representation(Struct, frozen=True):
    """Bytes of one media type in both codings, and when they last changed (POSIX time)."""

    identity: Encoded
    gzip: Encoded
    last_modified: float

    def another(self, now: float) -> float:
        """When the clock makes another answer of it: what is to come is not told before it has."""
        return self.last_modified if self.last_modified > now else inf


class WsgiResponse(Struct, frozen=True):
    """A status line, header fields, and a body, empty for HEAD and 304."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def build_representation(
    body: bytes,
    *,
    media_type: str,
    last_modified: datetime,
    filename: str,
    more: Mapping[str, str] | None = None,
) -> Representation:
    """A representation, compressed once, the same bytes on any day.

    ``more`` are header fields besides those that all answers have.
    """
    digest = hashlib.sha256(body).hexdigest()
    every = (
        ("Content-Type", media_type),
        _VARY,
        ("Access-Control-Allow-Origin", "*"),
        ("X-Content-Type-Options", "nosniff"),
        ("Last-Modified", http_date(last_modified)),
        ("Content-Disposition", f'inline; filename="{filename}"'),
        *(more or {}).items(),
    )
    gzipped = gzip.compress(body, mtime=0)
    return Representation(
        _coded(body, f'"{digest}"', every),
        _coded(gzipped, f'"{digest}-gzip"', (*every, ("Content-Encoding", "gzip"))),
        last_modified.timestamp(),
    )


def _coded(body: bytes, etag: str, every: tuple[tuple[str, str], ...]) -> Encoded:
    return Encoded(etag, body, (("ETag", etag), ("Content-Length", str(len(body))), *every))


def make_response(
    representation: Representation,
    request: WSGIEnvironment,
    *,
    now: float,
    max_age: int,
    download: bool = False,
) -> WsgiResponse:
    """The answer to a request (named as in PEP 3333) that is GET or HEAD; ``now`` is POSIX time."""
    codings = request.get("HTTP_ACCEPT_ENCODING")
    coded = representation.gzip if codings and accepts_gzip(codings) else representation.identity
    # RFC 9110 8.8.2.1: none in the future, as after a clock that jumped back.
    last_modified = representation.last_modified if representation.last_modified <= now else None
    fresh = ("Cache-Control", f"max-age={max_age}, stale-if-error={STALE_IF_ERROR}")
    if _not_modified(request, coded.etag, last_modified):
        # RFC 9110 15.4.5: no other metadata than that; Last-Modified only without an ETag.
        return WsgiResponse(NOT_MODIFIED, [("ETag", coded.etag), fresh, _VARY], b"")
    headers = [fresh, *coded.headers]
    if last_modified is None:
        headers = [each for each in headers if each[0] != "Last-Modified"]
    if download:
        headers = [(name, value.replace("inline;", "attachment;")) for name, value in headers]
    return WsgiResponse(OK, headers, b"" if request["REQUEST_METHOD"] == "HEAD" else coded.body)


def _not_modified(request: WSGIEnvironment, etag: str, last_modified: float | None) -> bool:
    """RFC 9110 13.2.2: If-Modified-Since counts only without If-None-Match."""
    tags = request.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return tags == etag or parse_etags(tags).contains_weak(etag[1:-1])
    date = request.get("HTTP_IF_MODIFIED_SINCE")
    if date is None or last_modified is None or not _HTTP_DATE.fullmatch(date):
        return False
    since = parse_date(date)
    return since is not None and last_modified <= since.timestamp()


@lru_cache(1024)  # of so many programs that poll
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is at least as welcome as no coding (RFC 9110 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (each.strip() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weights[coding] = float(weight)
        except ValueError:
            weights[coding] = 0
    gzipped = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0)))
    return gzipped > 0 and gzipped >= weights.get("identity", 0)

"""From a representation and a request to an answer: RFC 9110 and 9111, and nothing else.

Every 200 and every 304 is made here, for the views and for whatever stands in front of them.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from msgspec import Struct
from werkzeug.http import http_date, parse_date, parse_etags

MAX_STALE = 604_800
"""Seconds for which a cache may serve what it has while this service is in error (RFC 5861)."""

NOT_MODIFIED = 304
OK = 200

# RFC 9110 5.6.7, newest first. Mail's parser, behind parse_date, takes far more, and overflows.
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{5,8}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}"
)


class Fields(Protocol):
    """Header fields of a request, looked up regardless of case."""

    def get(self, name: str, /) -> str | None:
        """The value of a field, or None without one."""


class Representation(Struct, frozen=True):
    """Bytes of one media type in both codings, and what is known of them."""

    body: bytes
    gzipped: bytes
    digest: str
    media_type: str
    last_modified: datetime
    filename: str
    more: Mapping[str, str] = {}
    """Header fields besides those that all answers have."""


class Answer(Struct, frozen=True):
    """A status, header fields, and a body, empty for HEAD and 304."""

    status: int
    headers: dict[str, str]
    body: bytes


def represent(
    body: bytes,
    *,
    media_type: str,
    last_modified: datetime,
    filename: str,
    more: Mapping[str, str] | None = None,
) -> Representation:
    """A representation, compressed once, the same bytes on any day."""
    return Representation(
        body=body,
        gzipped=gzip.compress(body, mtime=0),
        digest=hashlib.sha256(body).hexdigest(),
        media_type=media_type,
        last_modified=last_modified,
        filename=filename,
        more=more or {},
    )


def answer(
    representation: Representation,
    method: str,
    request: Fields,
    *,
    now: datetime,
    max_age: int,
    download: bool = False,
) -> Answer:
    """The answer to GET or HEAD with these header fields."""
    gzipped = accepts_gzip(request.get("Accept-Encoding") or "")
    etag = f"{representation.digest}-gzip" if gzipped else representation.digest
    headers = {
        "ETag": f'"{etag}"',
        "Cache-Control": f"max-age={max_age}, stale-if-error={MAX_STALE}",
        "Vary": "Accept-Encoding",
    }
    if _not_modified(request, etag, representation.last_modified, now):
        # RFC 9110 15.4.5: no other metadata than that; Last-Modified only without an ETag.
        return Answer(NOT_MODIFIED, headers, b"")
    body = representation.gzipped if gzipped else representation.body
    disposition = "attachment" if download else "inline"
    headers |= {
        "Content-Type": representation.media_type,
        "Content-Length": str(len(body)),
        "Content-Disposition": f'{disposition}; filename="{representation.filename}"',
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
        **representation.more,
    }
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    if representation.last_modified <= now:
        # RFC 9110 8.8.2.1: never in the future, as after a clock that jumped back.
        headers["Last-Modified"] = _date(representation.last_modified)
    return Answer(OK, headers, b"" if method == "HEAD" else body)


def _not_modified(request: Fields, etag: str, last_modified: datetime, now: datetime) -> bool:
    """RFC 9110 13.2.2: If-Modified-Since counts only without If-None-Match."""
    if (tags := request.get("If-None-Match")) is not None:
        return tags == f'"{etag}"' or parse_etags(tags).contains_weak(etag)
    date = request.get("If-Modified-Since") or ""
    since = parse_date(date) if _HTTP_DATE.fullmatch(date) else None
    return since is not None and last_modified <= now and last_modified <= since


_date = lru_cache(1024)(http_date)


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

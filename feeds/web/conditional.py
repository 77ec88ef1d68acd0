"""Conditional requests: from a representation and a request to a response (RFC 9110, RFC 9111).

Every 200 and 304 of events, collections and assets is made here, for the views and for the cache in
front of them; rules 7.3 has the exceptions.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from wsgiref.types import WSGIEnvironment

from msgspec import Struct
from werkzeug.http import http_date, parse_date

STALE_IF_ERROR = 604_800
"""Seconds for which a cache may serve a stale response while this service fails (RFC 5861)."""

_END_OF_CACHE_CONTROL = f", stale-if-error={STALE_IF_ERROR}"

OK = "200 OK"
NOT_MODIFIED = "304 NOT MODIFIED"

# The three forms of RFC 9110 5.6.7, newest first. parse_date alone would use the mail parser, which
# accepts far more forms and raises OverflowError for some.
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{5,8}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}"
)

_ETAG = re.compile(r'(?:^|,)[ \t]*(?:W/)?(?:"([^"]*)"|([^" \t,]+))[ \t]*(?=,|$)', re.IGNORECASE)
_COMMON = (
    ("Vary", "Accept-Encoding"),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Cache-Control, ETag, Last-Modified"),
)
"""The header fields of every 200 and 304. Browsers show a 304 to scripts only with the last two."""

# Most clients send one of these. Parsing it each time would take half of the time of a cache hit.
_COMMON_ACCEPT_ENCODINGS = {"gzip", "gzip, deflate", "gzip, deflate, br", "gzip, deflate, br, zstd"}


class Encoded(Struct, frozen=True):
    """A representation in one content coding: etag, bytes, and the header fields of a 200.

    ``headers`` lacks Cache-Control, which depends on the time.
    """

    etag: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


class Representation(Struct, frozen=True):
    """Bytes of one media type in both codings; ``last_modified`` is POSIX time, if it is known."""

    identity: Encoded
    gzip: Encoded
    last_modified: float | None


class WsgiResponse(Struct, frozen=True):
    """A status line, header fields, and a body, which is empty for HEAD and 304."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def build_filename(text: str) -> str:
    """A text reduced to ``[a-z0-9-]``, 64 characters at most; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64]


def build_representation(
    body: bytes,
    *,
    media_type: str,
    last_modified: datetime | None,
    filename: str,
    extra_headers: Mapping[str, str] | None = None,
) -> Representation:
    """Compress a body once, and make its etags and header fields; equal bytes have equal etags.

    ``extra_headers`` are header fields besides those that every representation has.
    """
    digest = hashlib.sha256(body).hexdigest()
    common = (
        ("Content-Type", media_type),
        *_COMMON,
        ("X-Content-Type-Options", "nosniff"),
        *([("Last-Modified", http_date(last_modified))] if last_modified else []),
        ("Content-Disposition", f'inline; filename="{filename}"'),
        *(extra_headers or {}).items(),
    )
    gzipped = gzip.compress(body, mtime=0)
    return Representation(
        _encode(body, f'"{digest}"', common),
        _encode(gzipped, f'"{digest}-gzip"', (*common, ("Content-Encoding", "gzip"))),
        last_modified.timestamp() if last_modified else None,
    )


def _encode(body: bytes, etag: str, common: tuple[tuple[str, str], ...]) -> Encoded:
    return Encoded(etag, body, (("ETag", etag), ("Content-Length", str(len(body))), *common))


def make_response(
    representation: Representation,
    request: WSGIEnvironment,
    *,
    now: float,
    max_age: int,
    download: bool = False,
) -> WsgiResponse:
    """Make a 200 or a 304 for a GET or HEAD request, a WSGI environment (PEP 3333).

    ``now`` is POSIX time; ``max_age`` is in seconds; ``download`` asks browsers to save the body.
    """
    accepted = request.get("HTTP_ACCEPT_ENCODING")
    use_gzip = accepted is not None and accepts_gzip(accepted)
    encoded = representation.gzip if use_gzip else representation.identity
    # RFC 9110 8.8.2.1: no Last-Modified in the future, as it is after the clock was set back.
    last_modified = representation.last_modified
    if last_modified is not None and last_modified > now:
        last_modified = None
    cache_control = ("Cache-Control", f"max-age={max_age}{_END_OF_CACHE_CONTROL}")
    if _is_not_modified(request, encoded.etag, last_modified):
        # RFC 9110 15.4.5: no other metadata, and Last-Modified only if there is no ETag.
        return WsgiResponse(NOT_MODIFIED, [("ETag", encoded.etag), cache_control, *_COMMON], b"")
    headers = [cache_control, *encoded.headers]
    if last_modified is None:
        headers = [field for field in headers if field[0] != "Last-Modified"]
    if download:
        headers = [(name, value.replace("inline;", "attachment;")) for name, value in headers]
    return WsgiResponse(OK, headers, b"" if request["REQUEST_METHOD"] == "HEAD" else encoded.body)


def _is_not_modified(request: WSGIEnvironment, etag: str, last_modified: float | None) -> bool:
    """Whether the client has the current bytes; If-None-Match comes first (RFC 9110 13.2.2).

    If-Modified-Since counts only if it is this Last-Modified: RFC 9110 13.1.3 also lets clients
    send the time of their last request, at which they may have got older bytes.
    """
    tags = request.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return tags == etag or _matches(tags, etag[1:-1])
    date = request.get("HTTP_IF_MODIFIED_SINCE")
    if date is None or last_modified is None or not _HTTP_DATE.fullmatch(date):
        return False
    since = parse_date(date)
    return since is not None and last_modified == since.timestamp()


def _matches(tags: str, opaque: str) -> bool:
    """Whether If-None-Match is ``*`` or contains a tag, weak or strong (RFC 9110 13.1.2).

    ``opaque`` is the tag without its quotes. A tag that came without quotes matches too, because
    some proxies remove the quotes.
    """
    return tags == "*" or any(opaque in (quoted, bare) for quoted, bare in _ETAG.findall(tags))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether Accept-Encoding accepts gzip at least as much as identity (RFC 9110 12.5.3)."""
    if accept_encoding in _COMMON_ACCEPT_ENCODINGS:
        return True
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (text.strip() for text in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            weights[coding] = float(weight)
        except ValueError:
            weights[coding] = 0
    others = weights.get("*", 0)
    gzipped = weights.get("gzip", weights.get("x-gzip", others))
    return gzipped > 0 and gzipped >= weights.get("identity", others)

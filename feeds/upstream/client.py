"""The Intervals partner API: its paths, and the meaning of each answer.

``schema`` decodes documents. The service decides when to call, and counts the calls.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from feeds import errors
from feeds.domain.catalog import Organization
from feeds.logs import Outage
from feeds.upstream import lists
from feeds.upstream.http import DEADLINE, HttpClient, Response
from feeds.upstream.lists import Page

PAGE_SIZE = 100
"""Items on one page of a list, the most that the API allows."""


PLANS = ("free", "local", "elite", "enterprise")
"""The plans as ``/organization`` names them; the page of rate limits of the API has other names."""


OUTAGE_ADVICE = " Stored editions are served. If this lasts, check FEEDS_API_URL and the network."

log = logging.getLogger(__name__)


class FetchResult(Struct, frozen=True):
    """The body of a document, or ``None`` for 304, and the ETag for the next request."""

    body: bytes | None
    etag: str | None


class IntervalsClient:
    """The partner API with one key; threads may share a client.

    Each ``fetch`` method is one call. It raises a leaf of ``UpstreamError``, one for each kind of
    refusal in the API's reference. ``clock`` is that of ``HttpClient``.
    """

    def __init__(self, url: str, key: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._http = HttpClient(url, key, clock=clock)
        self._outage = Outage(log, "the Intervals API", clock)

    def fetch(self, event_id: str, etag: str | None = None) -> FetchResult:
        """Fetch the document of an event; with an ETag, only if the document has changed."""
        headers = {"If-None-Match": etag} if etag else {}
        response = self._get(f"/events/{event_id}", headers)
        if response.status == HTTPStatus.NOT_MODIFIED:
            return FetchResult(body=None, etag=etag)
        validator = response.headers.get("ETag", "")
        # An ETag that no header can carry would make every later call fail.
        usable = re.fullmatch("[ -~]{1,256}", validator)
        return FetchResult(response.body, etag=validator if usable else None)

    def fetch_organization(self, seconds: float = DEADLINE) -> Organization:
        """Fetch the organization that the key belongs to, within so many seconds.

        Raises ``Forbidden`` if the key lacks the scope read:series.
        """
        response = self._get_existing("/organization", seconds=seconds)
        data = _get_member(response, "data", dict)
        id_, name, plan = data.get("_id"), lists.decode_name(data.get("name")), data.get("plan")
        # Half a character, such as "\ud800", is not printable, and no database can store it. To a
        # blank id, a database would be bound for ever.
        if not (isinstance(id_, str) and id_.isprintable() and id_.strip()):
            raise errors.InvalidResponse
        return Organization(id_, name, plan if plan in PLANS else "")

    def fetch_page(self, path: str, after: str | None = None) -> Page:
        """Fetch the page of a list that comes after a cursor, or the first page."""
        cursor = f"&after={quote(after, safe='', errors='replace')}" if after else ""
        response = self._get_existing(f"{path}?limit={PAGE_SIZE}{cursor}")
        items = _get_member(response, "data", list)
        page = lists.read_page(items, has_more=_get_member(response, "hasMore", bool))
        if page is None:
            raise errors.InvalidResponse
        return page

    def _get_existing(self, path: str, *, seconds: float = DEADLINE) -> Response:
        """The answer about what exists whatever the events are: a 404 cannot be used."""
        try:
            return self._get(path, seconds=seconds)
        except errors.EventNotFound:
            raise errors.InvalidResponse from None

    def _get(
        self, path: str, headers: Mapping[str, str] | None = None, *, seconds: float = DEADLINE
    ) -> Response:
        """The answer, if it is 200, or 304 to a request with ``headers``; else raises its error.

        Logs the beginning and the end of an outage.
        """
        try:
            response = self._http.get(path, headers, seconds=seconds)
        except (errors.UpstreamTimeout, errors.UpstreamUnavailable) as error:
            self._outage.begin("%s%s", error, OUTAGE_ADVICE)
            raise
        good = (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED) if headers else (HTTPStatus.OK,)
        if response.status in good:
            self._outage.end()
            return response
        refusal = _translate_status(response.status, response.body)
        if isinstance(refusal, errors.UpstreamUnavailable):
            self._outage.begin("%s%s", refusal, OUTAGE_ADVICE)
        else:
            self._outage.end()
        raise refusal


def _get_member(response: Response, name: str, type_: type) -> Any:  # noqa: ANN401 - any JSON
    """Return a member of the JSON object; raise ``InvalidResponse`` if it has another type."""
    value = _load_member(response.body, name)
    if not isinstance(value, type_):
        raise errors.InvalidResponse
    return value


def _load_member(body: bytes, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a member of a JSON object, None if there is none."""
    try:
        return json.loads(body)[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _translate_status(status: int, body: bytes) -> errors.UpstreamError:
    """Return the error for a status other than 200.

    Only the API itself sends an error code in JSON. A 401, 403 or 404 without a code comes from
    something in between (a proxy, a gateway) and says nothing about the key or the event.
    """
    error = _load_member(body, "error")
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    match status:
        case 429:
            return errors.RateLimited(retry_at=_parse_milliseconds(error.get("retryAfter")))
        case 401 if code:
            return errors.Unauthorized()
        case 403 if code:
            return errors.Forbidden()
        case 404 if code == "NOT_FOUND":
            return errors.EventNotFound()
        case 400 | 409 | 422 if code:
            return errors.Rejected()
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return errors.UpstreamUnavailable("The Intervals API is out of order.")
    return errors.InvalidResponse()


def _parse_milliseconds(milliseconds: object) -> datetime | None:
    """Convert POSIX time in milliseconds; ``None`` if it is no such time."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None

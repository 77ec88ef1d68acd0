"""The Intervals partner API: its paths, and the meaning of each answer.

``schema`` decodes documents. The service decides when to call, and counts the calls.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from http import HTTPStatus
from time import monotonic
from typing import Any

from msgspec import Struct

from feeds import errors
from feeds.domain.model import Event, Recurrence
from feeds.upstream import fields, schema
from feeds.upstream.http import DEADLINE, HttpClient, Response
from feeds.upstream.recurrences import decode_recurrences
from feeds.upstream.schema import Document

PAGE_SIZE = 100
"""Items on one page of a list, the most that the API allows."""


class FetchResult(Struct, frozen=True):
    """The body of a document, or ``None`` for 304, and the ETag for the next request."""

    body: bytes | None
    etag: str | None


class ListedEvent(Struct, frozen=True):
    """An event of the list: its id, and its day if the day is readable."""

    id: str
    day: date | None


class EventPage(Struct, frozen=True):
    """Events in the API's order; ``after`` is the cursor of the next page, ``None`` at the end."""

    events: tuple[ListedEvent, ...]
    after: str | None


class IntervalsClient:
    """The partner API with one key; threads may share a client.

    Each ``fetch`` method is one call. It raises a leaf of ``UpstreamError``, one for each kind of
    refusal in the API's reference. ``deadline`` and ``clock`` are those of ``HttpClient``.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._http = HttpClient(url, key, deadline=deadline, clock=clock)

    def fetch(self, event_id: str, etag: str | None = None) -> FetchResult:
        """Fetch the document of an event; with an ETag, only if the document has changed."""
        headers = {"If-None-Match": etag} if etag else {}
        response = self._http.get(f"/events/{event_id}", headers)
        if response.status == HTTPStatus.NOT_MODIFIED and etag:
            return FetchResult(body=None, etag=etag)
        validator = _check_status(response).headers.get("ETag", "")
        # An ETag that no header can carry would make every later call fail.
        usable = re.fullmatch("[ -~]{1,256}", validator)
        return FetchResult(response.body, etag=validator if usable else None)

    def fetch_organization(self, seconds: float = DEADLINE) -> str:
        """Fetch the id of the organization that the key belongs to, within so many seconds.

        Raises ``Forbidden`` if the key lacks the scope read:series.
        """
        response = _check_status(self._http.get("/organization", seconds=seconds))
        id_ = _get_member(response, "data", dict).get("_id")
        if not isinstance(id_, str):
            raise errors.InvalidResponse
        return id_

    def fetch_recurrences(self, seconds: float = DEADLINE) -> dict[str, tuple[Recurrence, ...]]:
        """Fetch the organization's recurrences by the ids of their events, within so many seconds.

        One call, so 100 recurrences at most. Raises ``Forbidden`` if the key lacks the scope
        read:recurrences.
        """
        path = f"/recurrences?limit={PAGE_SIZE}"
        response = _check_status(self._http.get(path, seconds=seconds))
        return decode_recurrences(_get_member(response, "data", list))

    def fetch_page(self, after: str | None = None) -> EventPage:
        """Fetch the page of the list that comes after a cursor, or the first page."""
        cursor = f"&after={after}" if after else ""
        response = _check_status(self._http.get(f"/events?limit={PAGE_SIZE}{cursor}"))
        listed = [_read_listed_event(item) for item in _get_member(response, "data", list)]
        events = tuple(event for event in listed if event)
        has_next = _get_member(response, "hasMore", bool) and events
        return EventPage(events, events[-1].id if has_next else None)

    def decode(self, body: bytes, event_id: str, known: Event | None = None) -> Document:
        """Decode a document that ``fetch`` returned, see ``schema.decode``."""
        return schema.decode(body, event_id, known)


def _check_status(response: Response) -> Response:
    """Return the response if its status is 200; else raise the error of its status."""
    if response.status != HTTPStatus.OK:
        raise _translate_status(response.status, response.body)
    return response


def _get_member(response: Response, name: str, type_: type) -> Any:  # noqa: ANN401 - any JSON
    """Return a member of the JSON object; raise ``InvalidResponse`` if it has another type."""
    try:
        value = json.loads(response.body)[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        value = None
    if not isinstance(value, type_):
        raise errors.InvalidResponse
    return value


def _read_listed_event(item: object) -> ListedEvent | None:
    """Read an item of the list; ``None`` without an id that a URL can hold."""
    members = item if isinstance(item, dict) else {}
    id_ = members.get("_id")
    if not isinstance(id_, str) or not re.fullmatch("[A-Za-z0-9_-]{1,64}", id_):
        return None
    try:
        return ListedEvent(id_, fields.parse_date(str(members.get("date"))))
    except ValueError:
        return ListedEvent(id_, None)


def _translate_status(status: int, body: bytes) -> errors.UpstreamError:
    """Return the error for a status other than 200.

    Only the API itself sends an error code in JSON. A 401, 403 or 404 without a code comes from
    something in between (a proxy, a gateway) and says nothing about the key or the event.
    """
    error = _parse_error(body)
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


def _parse_error(body: bytes) -> dict[str, Any]:
    """Return the ``error`` object of a body; an empty dict without such an object."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _parse_milliseconds(milliseconds: object) -> datetime | None:
    """Convert POSIX time in milliseconds; ``None`` if it is no such time."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None

"""The Intervals partner API: its paths, what each answer means, and one document at a time.

What a document says is for ``documents``; how often one may be asked for is decided above.
"""

import json
import re
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from feeds import errors
from feeds.domain.model import Event
from feeds.upstream import fields as values
from feeds.upstream import schema as documents
from feeds.upstream.http import DEADLINE, HttpClient, Response
from feeds.upstream.schema import Document

PAGE = 100
"""Events on one page of the list, the most that the API gives."""


class FetchResult(Struct, frozen=True):
    """A document as sent, or ``None`` for 304, and the validator to ask with next time."""

    body: bytes | None
    etag: str | None


class ListedEvent(Struct, frozen=True):
    """An event of the list: its id, and its day if that can be read."""

    id: str
    day: date | None


class EventPage(Struct, frozen=True):
    """Events in the order of the API, and the id after which there are more, if there are."""

    events: tuple[ListedEvent, ...]
    after: str | None


class IntervalsClient:
    """One partner API with one key; threads may share it.

    Each method is one call. It raises a leaf of ``UpstreamError``, one for each way that the API
    page knows to refuse, when ``deadline`` seconds are over at the latest.
    """

    def __init__(self, url: str, key: str, *, deadline: float = DEADLINE) -> None:
        self._exchange = HttpClient(url, key, deadline)

    def fetch(self, event_id: str, etag: str | None = None) -> FetchResult:
        """The document of an event."""
        headers = {"If-None-Match": etag} if etag else {}
        response = self._exchange.get(f"/events/{event_id}", headers)
        if response.status == HTTPStatus.NOT_MODIFIED and etag:
            return FetchResult(body=None, etag=etag)
        validator = _ok(response).headers.get("ETag", "")
        # One that is no header value would fail every later call.
        usable = re.fullmatch("[ -~]{1,256}", validator)
        return FetchResult(response.body, etag=validator if usable else None)

    def fetch_organization(self) -> str:
        """The id of the organization that the key belongs to.

        Raises ``Forbidden`` if the key lacks the scope read:series.
        """
        found = _parsed(_ok(self._exchange.get("/organization")), "data", dict).get("_id")
        if not isinstance(found, str):
            raise errors.InvalidResponse
        return found

    def fetch_page(self, after: str | None = None) -> EventPage:
        """The events that come after one, or the first ones."""
        cursor = f"&after={after}" if after else ""
        response = _ok(self._exchange.get(f"/events?limit={PAGE}{cursor}"))
        found = [_listed(each) for each in _parsed(response, "data", list)]
        events = tuple(each for each in found if each)
        more = _parsed(response, "hasMore", bool) and events
        return EventPage(events, events[-1].id if more else None)

    def decode(self, body: bytes, event_id: str, known: Event | None = None) -> Document:
        """What a fetched document says, see ``documents.decode``."""
        return documents.decode(body, event_id, known)


def _ok(response: Response) -> Response:
    if response.status != HTTPStatus.OK:
        raise _refusal(response.status, response.body)
    return response


def _parsed(response: Response, name: str, type_: type) -> Any:  # noqa: ANN401 - any JSON
    try:
        value = json.loads(response.body)[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        value = None
    if not isinstance(value, type_):
        raise errors.InvalidResponse
    return value


def _listed(item: object) -> ListedEvent | None:
    """An event of the list; None without an id that an address can hold."""
    fields = item if isinstance(item, dict) else {}
    id_ = fields.get("_id")
    if not isinstance(id_, str) or not re.fullmatch("[A-Za-z0-9_-]{1,64}", id_):
        return None
    try:
        return ListedEvent(id_, values.parse_date(str(fields.get("date"))))
    except ValueError:
        return ListedEvent(id_, None)


def _refusal(status: int, body: bytes) -> errors.UpstreamError:
    """The error that a status other than 200 stands for.

    Only the API itself writes the documented body: without one a 401, 403 or 404 was sent by
    something in between and says nothing about the key or the event.
    """
    error = _error_of(body)
    code = error.get("code")
    match status:
        case 429:
            return errors.RateLimited(retry_at=_instant(error.get("retryAfter")))
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


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _instant(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None

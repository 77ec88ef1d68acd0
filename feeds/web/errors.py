"""Errors as responses: a status, and one line of text or a page (rules 7.12).

A page says to a person what happened and what to do; a line of text names the cause.
"""

from datetime import datetime
from http import HTTPStatus
from math import ceil

from flask import Blueprint, Response, request
from msgspec import Struct
from werkzeug.exceptions import HTTPException

from feeds.domain.freshness import FAILURE_CACHED_FOR
from feeds.errors import (
    BadOption,
    CollectionIncomplete,
    EventGone,
    EventNotFound,
    FeedsError,
    GroupNotFound,
    InvalidResponse,
    NoSuchRun,
    Overloaded,
    Rejected,
    StorageUnavailable,
    UpstreamTimeout,
)
from feeds.web import addresses, templates
from feeds.web.site import get_site

blueprint = Blueprint("errors", __name__)

_WIDGETS = {
    "embed.show_widget",
    "collection_widget.club_embed",
    "collection_widget.group_embed",
}
_PAGES = _WIDGETS | {
    "home.show_home",
    "pages.show_event",
    "embed.show_embed_kit",
    "collection_pages.show_group",
    "collection_widget.club_embed-kit",
    "collection_widget.group_embed-kit",
}
_STATUS = {
    BadOption: HTTPStatus.BAD_REQUEST,
    NoSuchRun: HTTPStatus.NOT_FOUND,
    EventNotFound: HTTPStatus.NOT_FOUND,
    GroupNotFound: HTTPStatus.NOT_FOUND,
    EventGone: HTTPStatus.GONE,
    InvalidResponse: HTTPStatus.BAD_GATEWAY,
    Rejected: HTTPStatus.BAD_GATEWAY,
    UpstreamTimeout: HTTPStatus.GATEWAY_TIMEOUT,
}
_TEXTS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address takes GET and HEAD only.",
    HTTPStatus.NOT_IMPLEMENTED: "This address answers in JSON only.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here. Please try again later.",
}


class _Words(Struct, frozen=True):
    """The headline of an error page, and what a visitor can do."""

    headline: str
    advice: str


_UNKNOWN_PAGE = _Words("There is no such page.", "The address may be mistyped.")
_UNREACHABLE = _Words(
    "We can’t reach Intervals right now.",
    "Try again in a minute. Calendars that are subscribed keep what they have.",
)
_BROKEN = _Words("Something went wrong here.", "Try again in a minute.")
_WORDS_BY_ERROR: dict[type[Exception], _Words] = {
    BadOption: _Words(
        "This address asks for something we don’t have.",
        "Copy the address again from the event’s page.",
    ),
    EventNotFound: _Words(
        "We don’t know this race.",
        "It may have been removed, or the address is mistyped.",
    ),
    GroupNotFound: _Words(
        "We don’t know this group.",
        "It may have been removed, or the address is mistyped.",
    ),
    EventGone: _Words(
        "This race is no longer listed.",
        "The organizer removed it from Intervals more than 30 days ago.",
    ),
    StorageUnavailable: _Words(
        "We can’t look this up right now.",
        "Try again in a minute. Calendars that are subscribed keep what they have.",
    ),
    Overloaded: _Words(
        "Many people are asking right now.",
        "Try again in a minute. Calendars that are subscribed keep what they have.",
    ),
}
_WORDS_BY_STATUS = {
    HTTPStatus.NOT_FOUND: _UNKNOWN_PAGE,
    HTTPStatus.METHOD_NOT_ALLOWED: _UNKNOWN_PAGE,
}


@blueprint.app_errorhandler(FeedsError)
def handle_feeds_error(error: FeedsError) -> Response:
    """Respond with the message of an error, and 503 unless ``_STATUS`` has another status."""
    status = _STATUS.get(type(error), HTTPStatus.SERVICE_UNAVAILABLE)
    words = _find_words(error)
    return _make_response(status, str(error), words, error.retry_at)


def _find_words(error: FeedsError) -> _Words:
    if isinstance(error, CollectionIncomplete):
        return _Words("We are reading these races for the first time.", str(error))
    return _WORDS_BY_ERROR.get(type(error), _UNREACHABLE)


@blueprint.app_errorhandler(HTTPException)
def handle_http_exception(error: HTTPException) -> Response:
    """Respond to an error of routing, or to an unexpected exception, which Flask has logged."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    words = _WORDS_BY_STATUS.get(status, _BROKEN)
    response = _make_response(status, _TEXTS.get(status, f"{status.phrase}."), words)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = addresses.METHODS
    return response


@blueprint.after_app_request
def forbid_sniffing(response: Response) -> Response:
    """Keep browsers from guessing the type of a body; a 304 has none (RFC 9110 15.4.5)."""
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _make_response(
    status: HTTPStatus, text: str, words: _Words, retry_at: datetime | None = None
) -> Response:
    """Make a page with ``words`` if the request asked for a page, else one line of text.

    ``retry_at`` is when to try again, for Retry-After.
    """
    if _wants_page():
        framed = _is_framed()
        response = templates.respond_with_page(
            "error.html",
            status,
            framed=framed,
            headline=words.headline,
            words=words.advice,
            again=not framed and status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    else:
        response = Response(f"{text}\n", status, mimetype="text/plain")
        response.headers["Access-Control-Allow-Origin"] = "*"
    if status == HTTPStatus.NOT_IMPLEMENTED:  # a new request for the same URL would fail as well
        response.headers["Cache-Control"] = "max-age=60"
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        response.headers["Cache-Control"] = "no-store"
        wait = retry_at - get_site().clock() if retry_at else FAILURE_CACHED_FOR
        response.headers["Retry-After"] = str(max(1, ceil(wait.total_seconds())))
    else:
        response.headers["Cache-Control"] = f"max-age={3600 if status == HTTPStatus.GONE else 60}"
    return response


def _wants_page() -> bool:
    """Whether the request asked for a page; a URL without a route does if it has no extension."""
    if request.method not in ("GET", "HEAD"):
        return False
    if request.endpoint is None:
        return "." not in request.path.rpartition("/")[2]
    return request.endpoint in _PAGES


def _is_framed() -> bool:
    """Whether the request asked for a widget, also for one of an id that no address can hold."""
    if request.endpoint is None:
        return request.path.endswith("/embed")
    return request.endpoint in _WIDGETS

"""Errors as responses: a status, and one line of text or a page (rules 7.12)."""

from datetime import datetime
from http import HTTPStatus
from math import ceil

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from feeds.domain.freshness import FAILURE_CACHED_FOR
from feeds.errors import (
    BadOption,
    EventGone,
    EventNotFound,
    FeedsError,
    InvalidResponse,
    NoSuchRun,
    Rejected,
    UpstreamTimeout,
)
from feeds.web import addresses, templates
from feeds.web.site import get_site

blueprint = Blueprint("errors", __name__)

_WIDGET = "embed.show_widget"
_PAGES = {"pages.show_home", "pages.show_event", _WIDGET, "embed.show_embed_kit"}
_STATUS = {
    BadOption: HTTPStatus.BAD_REQUEST,
    NoSuchRun: HTTPStatus.NOT_FOUND,
    EventNotFound: HTTPStatus.NOT_FOUND,
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


@blueprint.app_errorhandler(FeedsError)
def handle_feeds_error(error: FeedsError) -> Response:
    """Respond with the message of an error, and 503 unless ``_STATUS`` has another status."""
    status = _STATUS.get(type(error), HTTPStatus.SERVICE_UNAVAILABLE)
    return _make_response(status, str(error), error.retry_at)


@blueprint.app_errorhandler(HTTPException)
def handle_http_exception(error: HTTPException) -> Response:
    """Respond to an error of routing, or to an unexpected exception, which Flask has logged."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _make_response(status, _TEXTS.get(status, f"{status.phrase}."))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = addresses.METHODS
    return response


@blueprint.after_app_request
def forbid_sniffing(response: Response) -> Response:
    """Keep browsers from guessing the type of a body; a 304 has none (RFC 9110 15.4.5)."""
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _make_response(status: HTTPStatus, text: str, retry_at: datetime | None = None) -> Response:
    """Make a page if the request asked for a page, else one line of text.

    ``retry_at`` is when to try again, for Retry-After.
    """
    if _wants_page():
        framed = request.endpoint == _WIDGET
        response = templates.respond_with_page(
            "error.html", status, framed=framed, phrase=status.phrase, words=text
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

"""What goes wrong, as a status and one line of text."""

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
from feeds.web import templates as html
from feeds.web.site import get_site

blueprint = Blueprint("problems", __name__)

_PAGES = {"pages.home", "pages.event", "kit.embed", "kit.embed_kit"}
_STATUS = {
    BadOption: HTTPStatus.BAD_REQUEST,
    NoSuchRun: HTTPStatus.NOT_FOUND,
    EventNotFound: HTTPStatus.NOT_FOUND,
    EventGone: HTTPStatus.GONE,
    InvalidResponse: HTTPStatus.BAD_GATEWAY,
    Rejected: HTTPStatus.BAD_GATEWAY,
    UpstreamTimeout: HTTPStatus.GATEWAY_TIMEOUT,
}
_WORDS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address takes GET and HEAD only.",
    HTTPStatus.NOT_IMPLEMENTED: "This address answers in JSON only.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here. Please try again later.",
}


@blueprint.app_errorhandler(FeedsError)
def failed(error: FeedsError) -> Response:
    """A failure of ours or of the upstream: its own words, 503 unless it says more."""
    status = _STATUS.get(type(error), HTTPStatus.SERVICE_UNAVAILABLE)
    return _told(status, str(error), error.retry_at)


@blueprint.app_errorhandler(HTTPException)
def refused(error: HTTPException) -> Response:
    """What routing refuses, and an exception that nobody expected (logged by Flask)."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _told(status, _WORDS.get(status, f"{status.phrase}."))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, HEAD"
    return response


def _told(status: HTTPStatus, words: str, retry_at: datetime | None = None) -> Response:
    """One line of text, or a page for those who have asked for one."""
    if _for_people():
        framed = request.endpoint == "kit.embed"
        response = html.respond_with_page(
            "error.html", status, framed=framed, phrase=status.phrase, words=words
        )
    else:
        response = Response(f"{words}\n", status, mimetype="text/plain")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Access-Control-Allow-Origin"] = "*"
    if status == HTTPStatus.NOT_IMPLEMENTED:
        response.headers["Cache-Control"] = "max-age=60"
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        response.headers["Cache-Control"] = "no-store"
        wait = retry_at - get_site().clock() if retry_at else FAILURE_CACHED_FOR
        response.headers["Retry-After"] = str(max(1, ceil(wait.total_seconds())))
    else:
        response.headers["Cache-Control"] = f"max-age={3600 if status == HTTPStatus.GONE else 60}"
    return response


def _for_people() -> bool:
    """Whether a page was asked for; of an address that leads nowhere, by how it looks."""
    if request.method not in ("GET", "HEAD"):
        return False
    if request.endpoint is None:
        return "." not in request.path.rpartition("/")[2]
    return request.endpoint in _PAGES

"""What goes wrong, as a status and one line of text."""

from datetime import datetime
from http import HTTPStatus
from math import ceil

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from feeds.errors import (
    BadOption,
    EventGone,
    EventNotFound,
    FeedsError,
    Nonsense,
    NoSuchRun,
    Rejected,
    TimedOut,
)
from feeds.freshness import FAILED_FOR
from feeds.web.delivery import delivery

blueprint = Blueprint("problems", __name__)

_STATUS = {
    BadOption: HTTPStatus.BAD_REQUEST,
    NoSuchRun: HTTPStatus.NOT_FOUND,
    EventNotFound: HTTPStatus.NOT_FOUND,
    EventGone: HTTPStatus.GONE,
    Nonsense: HTTPStatus.BAD_GATEWAY,
    Rejected: HTTPStatus.BAD_GATEWAY,
    TimedOut: HTTPStatus.GATEWAY_TIMEOUT,
}
_WORDS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address takes GET and HEAD only.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here. Please try again later.",
}


@blueprint.app_errorhandler(FeedsError)
def failed(error: FeedsError) -> Response:
    """A failure of ours or of the upstream: its own words, 503 unless it says more."""
    status = _STATUS.get(type(error), HTTPStatus.SERVICE_UNAVAILABLE)
    return _response(status, str(error), error.retry_at)


@blueprint.app_errorhandler(HTTPException)
def refused(error: HTTPException) -> Response:
    """What routing refuses, and an exception that nobody expected (logged by Flask)."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _response(status, _WORDS.get(status, f"{status.phrase}."))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, HEAD"
    return response


def _response(status: HTTPStatus, words: str, retry_at: datetime | None = None) -> Response:
    response = Response(f"{words}\n", status, mimetype="text/plain")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Access-Control-Allow-Origin"] = "*"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        response.headers["Cache-Control"] = "no-store"
        wait = retry_at - delivery().clock() if retry_at else FAILED_FOR
        response.headers["Retry-After"] = str(max(1, ceil(wait.total_seconds())))
    else:
        response.headers["Cache-Control"] = f"max-age={3600 if status == HTTPStatus.GONE else 60}"
    return response

"""JSON responses of the partner API: values, and errors as ``{"error": {"code", "message"}}``."""

import json
from datetime import datetime, timedelta
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException, TooManyRequests

from feeds.sandbox.keys import EPOCH

CODES = {404: "NOT_FOUND", 422: "VALIDATION_ERROR", 429: "RATE_LIMITED"}


class TooManyCalls(TooManyRequests):
    """429 of the partner API: the body has the time to retry, no header has it."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__("Too many requests for this key.")
        self.retry_at = retry_at


def render_json(value: object, status: int = 200) -> Response:
    """The value as UTF-8 JSON. A lone surrogate, which UTF-8 cannot encode, stays escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(errors="backslashreplace"), status, mimetype="application/json")


def render_error(error: HTTPException) -> Response:
    """An HTTP error in the API's shape. 429 adds ``retryAfter``, epoch milliseconds rounded up."""
    status = error.code or 500
    code = CODES.get(status) or error.name.upper().replace(" ", "_")
    body: dict[str, Any] = {"code": code, "message": error.description or error.name}
    if isinstance(error, TooManyCalls):
        body["retryAfter"] = -((EPOCH - error.retry_at) // timedelta(milliseconds=1))
    response = render_json({"error": body}, status)
    response.headers.extend((k, v) for k, v in error.get_headers() if k == "Allow")
    return response

"""Count requests for the metrics: those that views answer (``web.cache`` notes its own)."""

import re
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from feeds.metrics.requests import Request, choose_outcome, join_address

if TYPE_CHECKING:  # the import loads prometheus-client, see ``metrics.recorder``
    from feeds.metrics.recorder import Recorder

NO_ROUTE = "none"


def count_requests(app: Flask, recorder: "Recorder") -> None:
    """Have an application count the requests that it answers."""

    def count(response: Response) -> Response:
        recorder.count_request(_describe(response))
        return response

    app.after_request(count)


def mark_stale(expires: float | None) -> None:
    """Note that the current request gets what could not be refreshed (``expires`` is None)."""
    g.stale = expires is None


def _describe(response: Response) -> Request:
    rule = request.url_rule
    route = _simplify(rule.rule) if rule else NO_ROUTE
    environ = request.environ
    return Request(
        route,
        _choose_format(route, response),
        choose_outcome(response.status_code, stale=g.get("stale", False)),
        join_address(environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")),
        environ.get("HTTP_USER_AGENT", ""),
    )


def _simplify(rule: str) -> str:
    """A rule of the router without converters.

    >>> _simplify("/events/<id:event_id>.ics")
    '/events/<id>.ics'
    """
    return re.sub(r"<(?:\w+:)?(?:event_)?(\w+)>", r"<\1>", rule)


def _choose_format(route: str, response: Response) -> str:
    """The extension of the route, else ``html`` or ``other``."""
    extension = re.search(r"\.([a-z]+)\Z", route)
    if extension:
        return extension[1]
    return "html" if response.mimetype == "text/html" else "other"

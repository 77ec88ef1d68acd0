"""Addresses with slips that people and programs make, and preflight requests (rules 7.2, 7.15)."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from flask import Blueprint, Response, current_app, request
from werkzeug.datastructures import MultiDict

blueprint = Blueprint("addresses", __name__)

METHODS = "GET, HEAD, OPTIONS"
REDIRECT_MAX_AGE = 86_400
"""Seconds that a redirect, or the answer to a preflight request, may be kept: a day."""


@blueprint.before_app_request
def answer_before_routing() -> Response | None:
    """Answer OPTIONS at any address, and redirect a request to the address that it meant."""
    if request.method == "OPTIONS":
        return _answer_preflight()
    return _redirect() if request.method in ("GET", "HEAD") else None


def _answer_preflight() -> Response:
    """The answer to OPTIONS, such as the preflight request of a script (Fetch, 4.9)."""
    response = Response(
        status=204,
        headers={
            "Allow": METHODS,
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": "*",
            "Access-Control-Max-Age": str(REDIRECT_MAX_AGE),
        },
    )
    del response.headers["Content-Type"]
    return response


def read_query() -> MultiDict[str, str]:
    """The query of the current request, with names as ``correct_names`` makes them."""
    return MultiDict(correct_names(request.args.items(multi=True)))


def correct_names(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """A query with the names of parameters in lower case and without ``amp;`` before them.

    ``amp;`` comes from an address that was copied from HTML.
    """
    return [(re.sub("^(amp;)+", "", name.lower()), value) for name, value in query]


def _redirect() -> Response | None:
    """The redirect to the address without slips; None without a slip, or without a route."""
    # As sent (PEP 3333): ``request.path`` lacks doubled slashes at the beginning.
    sent = request.environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    path = _canonicalize(sent)
    if path == sent or not current_app.url_map.bind("").test(path, "GET"):
        return None
    # Relative (RFC 9110 10.2.2): it is made from no header, and holds below any prefix.
    up = "../" * (sent.count("/") - 1) or "./"
    query = request.query_string.decode("latin-1")
    headers = {
        "Location": f"{up}{quote(path[1:])}{'?' if query else ''}{query}",
        "Cache-Control": f"max-age={REDIRECT_MAX_AGE}",
        "Access-Control-Allow-Origin": "*",
    }
    return Response(status=308, headers=headers)


def _canonicalize(path: str) -> str:
    """The path with single slashes, no slash at its end, and its extension in lower case.

    >>> _canonicalize("//events/harbor-run.ICS/")
    '/events/harbor-run.ics'
    """
    path = re.sub("/+", "/", path).rstrip("/") or "/"
    return re.sub(r"\.[A-Za-z]+\Z", lambda extension: extension[0].lower(), path)

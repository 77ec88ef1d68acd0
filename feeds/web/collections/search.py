"""The answer to a search for a race: a redirect to its page, or the page of what was found."""

import re
from http import HTTPStatus
from urllib.parse import quote

from flask import Response
from markupsafe import escape

from feeds.domain.model import SLUG_PATTERN
from feeds.domain.options import parse_event_id
from feeds.errors import BadOption
from feeds.web import templates

MAX_SEARCHED = 1_000
"""Characters of a search; names have 300, and more code points if they are decomposed."""

ASKED = "\x1a"
"""Stands for the text of the form in a rendered page; no text of an event has this character."""

ASKED_IN_URL = "\x1b"
"""Stands for the same text in a link."""

_GROUP = re.compile(rf"/groups/({SLUG_PATTERN}?)(?:\.(?:ics|rss|json))?/?(?:[?#]|\s*$)")
"""The address of a group: of its page, or of one of its feeds."""

NOT_FOUND = "No race here has this name. You can also paste its address on Intervals."


def redirect_to_page(asked: str, up: str = "") -> Response | None:
    """A redirect to the page of an event or a group, if this is an id of an event or an address.

    ``up`` leads to the root of the service.
    """
    try:
        group = _GROUP.search(asked)
        path = f"groups/{group[1]}" if group else f"events/{parse_event_id(asked)}"
    except BadOption:
        return None
    # Relative (RFC 9110 10.2.2), as are all links within the service.
    headers = {"Location": f"{up}{path}", "Cache-Control": "max-age=60"}
    return Response(status=HTTPStatus.SEE_OTHER, headers=headers)


def make_page(page: bytes, asked: str, problem: str) -> Response:
    """The response with a page that was rendered with ``ASKED`` for what was asked."""
    # The link first: the text itself may have the characters that stand for it.
    page = page.replace(ASKED_IN_URL.encode(), quote(asked, safe="").encode())
    response = templates.make_page(
        page.replace(ASKED.encode(), escape(asked).encode()),
        HTTPStatus.NOT_FOUND if problem else HTTPStatus.OK,
    )
    response.headers["Cache-Control"] = "max-age=60"
    return response

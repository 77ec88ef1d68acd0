"""The URL of a page of the club or of a group as a QR code."""

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from feeds.domain.options import to_query
from feeds.web.collections.choice import read_choice
from feeds.web.collections.responses import respond
from feeds.web.collections.scope import find_scope
from feeds.web.resources import build_qr_code

blueprint = Blueprint("collection_qr", __name__)

MAX_URL = 1_000
"""Characters of a URL that phones read from a screen: more make the dots too small."""


def serve_qr_code(kind: str, slug: str = "") -> Response:
    """The URL of the page with its filters and its choice of races."""
    choice = read_choice(slug)
    scope, query = find_scope(choice.content), to_query(choice.options)
    page = scope.build_url(query)
    if len(page) > MAX_URL:
        raise NotFound
    name = scope.group.slug if scope.group else "races"
    return respond(
        choice.entry,
        (scope.part, kind, query),
        lambda: build_qr_code(page, kind, name),
    )


for path, endpoint in (("/", "club"), ("/groups/<group:slug>/", "group")):
    blueprint.add_url_rule(
        f"{path}qr.<any(svg, png):kind>",
        endpoint=endpoint,
        view_func=serve_qr_code,
        provide_automatic_options=False,
    )

"""Pages: rendered templates, their header fields, and the assets that they load."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, current_app, render_template, request

from feeds.web.conditional import Representation, build_representation

HTML = "text/html; charset=utf-8"
ASSETS = {
    "card.png": "image/png",
    "widget.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "embed.js": "text/javascript; charset=utf-8",
}
"""The files that pages load, with their media types; pages load nothing else.

Pages of other sites load ``widget.js``, and previews of shared links ``card.png``.
"""

_POLICY = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "frame-src": "'self'",
    "img-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
}


def render_page(
    template: str,
    *,
    last_modified: datetime | None,
    links: Iterable[str] = (),
    framed: bool = False,
    style: str = "",
    **context: Any,  # noqa: ANN401 - the variables of a template
) -> Representation:
    """A page as a representation; ``links`` are values of the Link header (RFC 8288).

    ``framed`` lets other sites show the page in a frame. ``style`` is CSS that the page contains.
    """
    return build_representation(
        render(template, style=style, framed=framed, **context).encode(),
        media_type=HTML,
        last_modified=last_modified,
        filename=template,
        extra_headers=build_headers(framed=framed, style=style)
        | ({"Link": ", ".join(links)} if links else {}),
    )


def add_style(
    page: Representation, style: str, *, filename: str, framed: bool = False
) -> Representation:
    """A rendered page with CSS at the end of its head."""
    end = b"</head>"
    added = f"<style>{style}</style>\n".encode() + end
    return build_representation(
        page.identity.body.replace(end, added, 1),
        media_type=HTML,
        last_modified=None,
        filename=filename,
        extra_headers=build_headers(framed=framed, style=style),
    )


def respond_with_representation(representation: Representation, status: int) -> Response:
    """A page with another status than 200, such as a form with what is wrong with it."""
    encoded = representation.identity
    response = Response(encoded.body, status)
    response.headers.clear()
    response.headers.extend((name, value) for name, value in encoded.headers if name != "ETag")
    response.headers["Cache-Control"] = "max-age=60"
    return response


def respond_with_page(
    template: str,
    status: int = HTTPStatus.OK,
    *,
    framed: bool = False,
    **context: Any,  # noqa: ANN401 - as above
) -> Response:
    """A page that shows no edition, and so has no ETag."""
    return make_page(render(template, framed=framed, **context), status, framed=framed)


def make_page(body: str | bytes, status: int = HTTPStatus.OK, *, framed: bool = False) -> Response:
    """The response with a rendered page that has no ETag."""
    response = Response(body, status, mimetype="text/html")
    response.headers.extend(build_headers(framed=framed))
    return response


def render(template: str, **context: Any) -> str:  # noqa: ANN401 - as above
    """Render a template. Links within the service are relative: its URL may have any prefix."""
    up = "../" * (request.path.count("/") - 1) or "./"
    return render_template(template, up=up, asset=build_asset_url, **context)


def build_headers(*, framed: bool = False, style: str = "") -> dict[str, str]:
    """The header fields that restrict a page; the parameters are those of ``render_page``."""
    changes = {"frame-ancestors": "*"} if framed else {}
    if style:  # CSP3 2.3.1: a hash admits these bytes; a nonce would change the page each time
        digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
        changes["style-src"] = f"'self' 'sha256-{digest}'"
    policy = "; ".join(f"{name} {value}" for name, value in (_POLICY | changes).items())
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


def build_asset_url(name: str) -> str:
    """The URL of an asset, relative to the root; it changes with the bytes."""
    return f"assets/{name}?{get_asset_version(name)}"


def get_asset_version(name: str) -> str:
    """Twelve digits that identify the bytes of an asset among those of other deployments."""
    return load_asset(name).identity.etag[1:13]


def load_asset(name: str) -> Representation:
    """An asset as a representation; each process reads the file once."""
    return _read_asset(str(current_app.template_folder), name)


@cache
def _read_asset(folder: str, name: str) -> Representation:
    return build_representation(
        (Path(folder) / name).read_bytes(),
        media_type=ASSETS[name],
        last_modified=datetime.fromtimestamp(0, UTC),
        filename=name,
    )

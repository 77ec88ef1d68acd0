"""The resources beside feeds and pages: QR codes, assets, the script of the widget, robots.txt."""

from io import BytesIO

import segno
from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from feeds.domain.entries import Timetable
from feeds.web import templates
from feeds.web.cache import to_flask
from feeds.web.conditional import Representation, build_representation, make_response
from feeds.web.site import get_site

blueprint = Blueprint("resources", __name__)

ASSET_MAX_AGE = 31_536_000
"""Seconds: a year. The URL of an asset changes with its bytes."""

SCRIPT_MAX_AGE = 3600
"""Seconds: clubs paste the URL of the widget's script, which stays the same."""

QR_CODES = {"svg": "image/svg+xml", "png": "image/png"}
"""The formats of QR codes, with their media types. Word processors prefer PNG."""


@blueprint.get("/events/<id:event_id>/qr.<any(svg, png):kind>", provide_automatic_options=False)
def serve_qr_code(event_id: str, kind: str) -> Response:
    """The URL of an event's page as a QR code, for posters."""

    def render(timetable: Timetable) -> Representation:
        id_ = timetable.edition.event.id
        return build_qr_code(get_site().build_page_url(id_), kind, id_)

    return get_site().cache.respond(event_id, kind, "", render)


def build_qr_code(url: str, kind: str, name: str) -> Representation:
    """A URL as a QR code; ``name`` is that of the file, without its extension."""
    image = BytesIO()
    options = {"title": url, "omitsize": True} if kind == "svg" else {}
    segno.make(url, error="m", micro=False).save(
        image, kind=kind, scale=8 if kind == "svg" else 24, border=4, light="#fff", **options
    )
    return build_representation(
        image.getvalue(),
        media_type=QR_CODES[kind],
        last_modified=None,
        filename=f"{name}.{kind}",
        extra_headers={"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"},
    )


@blueprint.get("/widget.js", provide_automatic_options=False)
def serve_widget_script() -> Response:
    return _respond_with_asset("widget.js", SCRIPT_MAX_AGE)


@blueprint.get("/assets/<name>", provide_automatic_options=False)
def serve_asset(name: str) -> Response:
    if name not in templates.ASSETS:
        raise NotFound
    # Another version belongs to another deployment, which is about to end or to start.
    is_current = request.query_string.decode("latin-1") == templates.get_asset_version(name)
    return _respond_with_asset(name, ASSET_MAX_AGE if is_current else 60)


@blueprint.get("/robots.txt", provide_automatic_options=False)
def serve_robots() -> Response:
    """A robots.txt that forbids nothing, and names the sitemap.

    Google's importer once failed where there was no file:
    http://andrewbredow.com/2012/10/10/google-calendar-unable-to-access-feeds-with-no-robots/
    """
    text = f"User-agent: *\nDisallow:\n\nSitemap: {get_site().public_url}/sitemap.xml\n"
    response = Response(text, mimetype="text/plain")
    response.headers["Cache-Control"] = "max-age=86400"
    return response


def _respond_with_asset(name: str, max_age: int) -> Response:
    now = get_site().timestamp()
    return to_flask(
        make_response(templates.load_asset(name), request.environ, now=now, max_age=max_age)
    )

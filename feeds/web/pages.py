"""Pages for people, and what machines ask for besides."""

from flask import Blueprint, Response, render_template

from feeds import wording
from feeds.formats import FORMATS
from feeds.model import Edition
from feeds.schedule import entries
from feeds.web.answer import Representation, represent
from feeds.web.delivery import delivery

blueprint = Blueprint("pages", __name__)

LISTED = 100
"""Events on the first page."""


@blueprint.get("/", provide_automatic_options=False)
def home() -> Response:
    """The events that the service knows, nearest first."""
    known = [
        {
            "name": edition.event.name,
            "page": delivery().page(edition.event.id),
            "day": wording.day(min(run.date for run in edition.event.entries)),
        }
        for edition in delivery().nearest(LISTED)
    ]
    response = Response(render_template("home.html", events=known, formats=list(FORMATS)))
    response.headers["Cache-Control"] = "max-age=60"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.get("/events/<id:event_id>", provide_automatic_options=False)
def event(event_id: str) -> Response:
    """The page of an event."""
    return delivery().deliver(event_id, "html", "", _page)


@blueprint.get("/robots.txt", provide_automatic_options=False)
def robots() -> Response:
    """Nothing is forbidden: Google once took a missing file for a refusal."""
    response = Response("User-agent: *\nDisallow:\n", mimetype="text/plain")
    response.headers["Cache-Control"] = "max-age=86400"
    return response


def _page(edition: Edition) -> Representation:
    event = edition.event
    page = delivery().page(event.id)
    shown = entries(edition, delivery().timezone)
    html = render_template(
        "event.html",
        event=event,
        entries=shown,
        page=page,
        webcal=f"webcal://{page.partition('://')[2]}.ics",
        formats={extension: format_.media_type for extension, format_ in FORMATS.items()},
        wording=wording,
    )
    return represent(
        html.encode(),
        media_type="text/html; charset=utf-8",
        last_modified=edition.last_modified,
        filename=f"{event.id}.html",
    )

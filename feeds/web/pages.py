"""Pages for people, and what machines ask for besides."""

from datetime import datetime

from flask import Blueprint, Response, render_template
from msgspec import structs

from feeds import wording
from feeds.formats import FORMATS
from feeds.model import Edition, Feed
from feeds.schedule import entries_of, last_modified, leavings
from feeds.web.answer import represent
from feeds.web.delivery import Rendering, delivery, passed

blueprint = Blueprint("pages", __name__)


@blueprint.get("/", provide_automatic_options=False)
def home() -> Response:
    """The events that the service knows, nearest first."""
    known = [
        {
            "name": event.name,
            "page": delivery().newsroom.page(event.id),
            "day": wording.day(min([run.date for run in event.runs] or [event.date])),
        }
        for event in delivery().newsroom.nearest()
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


def _page(edition: Edition, now: datetime) -> Rendering:
    event = edition.event
    page = delivery().newsroom.page(event.id)
    everything = Feed(
        title=event.name,
        page=page,
        source=page,
        timezone=delivery().timezone,
        editions=(edition,),
        since=delivery().since,
    )
    at, until = passed(leavings(everything), now)
    feed = structs.replace(everything, at=at)
    html = render_template(
        "event.html",
        event=event,
        entries=entries_of(feed),
        page=page,
        webcal=f"webcal://{page.partition('://')[2]}.ics",
        formats={extension: format_.media_type for extension, format_ in FORMATS.items()},
        wording=wording,
    )
    representation = represent(
        html.encode(),
        media_type="text/html; charset=utf-8",
        last_modified=last_modified(feed),
        filename=f"{event.id}.html",
    )
    return Rendering(representation, until)

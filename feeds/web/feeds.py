"""The feeds of an event: one route for each format."""

import re

from flask import Blueprint, Response, request

from feeds import options, wording
from feeds.errors import NoSuchRun
from feeds.formats import FORMATS
from feeds.model import Edition, Feed, Options
from feeds.web.answer import Representation, represent
from feeds.web.delivery import delivery

blueprint = Blueprint("feeds", __name__)


def feed(event_id: str, extension: str) -> Response:
    """The feed of an event in the format of an extension, as the query asks for it."""
    chosen = options.parse(request.args.items(multi=True), FORMATS[extension].options)
    query = options.canonical(chosen)

    def render(edition: Edition) -> Representation:
        return _representation(edition, extension, chosen, query)

    return delivery().deliver(event_id, extension, query, render, download=chosen.download)


def _representation(
    edition: Edition, extension: str, chosen: Options, query: str
) -> Representation:
    event = edition.event
    if (chosen.run or chosen.distance) and not any(
        options.keeps(chosen, run) for run in event.runs
    ):
        # Not an empty feed: that would empty a calendar.
        raise NoSuchRun("There is no such run of this event.")
    page = delivery().page(event.id)
    feed = Feed(
        title=wording.title(event, chosen),
        page=page,
        source=f"{page}.{extension}{'?' if query else ''}{query}",
        timezone=delivery().timezone,
        editions=(edition,),
        options=chosen,
    )
    return represent(
        FORMATS[extension].render(feed),
        media_type=FORMATS[extension].media_type,
        last_modified=feed.last_modified,
        filename=f"{_filename(event.slug) or event.id}.{extension}",
    )


def _filename(slug: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:64]


for extension in FORMATS:
    blueprint.add_url_rule(
        f"/events/<id:event_id>.{extension}",
        endpoint=extension,
        view_func=feed,
        defaults={"extension": extension},
        provide_automatic_options=False,
    )

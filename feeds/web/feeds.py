"""The feeds of an event: one route for each format."""

import re
from datetime import datetime

from flask import Blueprint, Response, request
from msgspec import structs

from feeds.domain import options
from feeds.domain.model import Edition, Feed, Options
from feeds.domain.schedule import compute_last_modified, select_entries
from feeds.errors import NoSuchRun
from feeds.formats import FORMATS, items
from feeds.text import wording
from feeds.web.cache import Rendering, delivery, passed
from feeds.web.conditional import build_representation

blueprint = Blueprint("feeds", __name__)


def feed(event_id: str, extension: str) -> Response:
    """The feed of an event in the format of an extension, as the query asks for it."""
    chosen = options.parse(request.args.items(multi=True), FORMATS[extension].options)
    query = options.to_query(chosen)

    def render(edition: Edition, now: datetime) -> Rendering:
        return _rendering(edition, now, extension, chosen, query)

    return delivery().deliver(event_id, extension, query, render, download=chosen.download)


def _rendering(
    edition: Edition, now: datetime, extension: str, chosen: Options, query: str
) -> Rendering:
    event, format_ = edition.event, FORMATS[extension]
    page = delivery().newsroom.page(event.id)
    everything = Feed(
        title=wording.build_feed_title(event, chosen),
        page=page,
        source=f"{page}.{extension}{'?' if query else ''}{query}",
        timezone=delivery().timezone,
        editions=(edition,),
        since=delivery().since,
        options=chosen,
    )
    at, until = passed(format_.marks(everything), now)
    _, ahead = passed(items.find_publication_times(edition), now)
    feed = structs.replace(everything, at=at, upto=now)
    if not select_entries(feed):
        # Not an empty feed: that would empty a calendar.
        raise NoSuchRun("There is no such run of this event.")
    representation = build_representation(
        format_.render(feed),
        media_type=format_.media_type,
        last_modified=compute_last_modified(feed),
        filename=f"{_filename(event.slug) or event.id}.{extension}",
    )
    return Rendering(representation, min((each for each in (until, ahead) if each), default=None))


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

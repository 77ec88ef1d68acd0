"""The feeds of an event: one route for each format."""

from flask import Blueprint, Response

from feeds.domain import options
from feeds.domain.entries import Timetable
from feeds.domain.feed import select_entries
from feeds.domain.options import Options
from feeds.errors import NoSuchRun
from feeds.formats import FORMATS
from feeds.text import summaries
from feeds.web.addresses import read_query
from feeds.web.conditional import Representation, build_filename, build_representation
from feeds.web.site import get_site

blueprint = Blueprint("feeds", __name__)


def serve_feed(event_id: str, extension: str) -> Response:
    chosen = options.parse(read_query().items(multi=True), FORMATS[extension].options)
    query = options.to_query(chosen)

    def render(timetable: Timetable) -> Representation:
        return _render(timetable, extension, chosen, query)

    return get_site().cache.respond(event_id, extension, query, render, download=chosen.download)


def _render(timetable: Timetable, extension: str, chosen: Options, query: str) -> Representation:
    event, format_, site = timetable.edition.event, FORMATS[extension], get_site()
    source = f"{site.build_page_url(event.id)}.{extension}{'?' if query else ''}{query}"
    feed = site.build_feed(timetable, summaries.build_feed_title(event, chosen), source, chosen)
    if not select_entries(feed):
        # An empty feed would empty a subscriber's calendar.
        raise NoSuchRun
    return build_representation(
        format_.render(feed),
        media_type=format_.media_type,
        last_modified=site.get_last_modified(timetable.edition),
        filename=f"{build_filename(event.slug) or event.id}.{extension}",
    )


for extension in FORMATS:
    blueprint.add_url_rule(
        f"/events/<id:event_id>.{extension}",
        endpoint=extension,
        view_func=serve_feed,
        defaults={"extension": extension},
        provide_automatic_options=False,
    )

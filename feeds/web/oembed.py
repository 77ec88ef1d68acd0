"""How to embed a page, in JSON (https://oembed.com, version 1.0)."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Response, abort, request
from msgspec import json

from feeds.domain.freshness import compute_max_age
from feeds.domain.model import ID_PATTERN, SLUG_PATTERN
from feeds.errors import BadOption, EventNotFound
from feeds.text import summaries
from feeds.web import embed, templates
from feeds.web.addresses import correct_names, read_query
from feeds.web.collections import widget
from feeds.web.site import get_site

blueprint = Blueprint("oembed", __name__)


class Embedded(NamedTuple):
    """What is embedded: a title, the URL of its page, that of its widget, the widget's height."""

    title: str
    page: str
    widget: str
    height: int
    expires: float | None


@blueprint.get("/oembed", provide_automatic_options=False)
def serve_oembed() -> Response:
    """How to embed the page of an event, of a group or of the club."""
    query = read_query()
    if query.get("format", "json") != "json":
        abort(501)
    max_width, max_height = (_parse_pixels(query, name) for name in ("maxwidth", "maxheight"))
    found = _find(query.get("url", ""))
    max_age = compute_max_age(found.expires, get_site().timestamp())
    width, height = min(max_width, embed.WIDTH), min(max_height, found.height)
    document = {
        "version": "1.0",
        "type": "rich",
        "title": found.title,
        "provider_name": "Intervals feeds",
        "provider_url": f"{get_site().public_url}/",
        "cache_age": max_age,
        "width": width,
        "height": height,
        "html": templates.render(
            "oembed.html",
            title=found.title,
            page=found.page,
            widget=found.widget,
            width=width,
            height=height,
        ).strip(),
    }
    response = Response(json.encode(document), mimetype="application/json")
    response.headers["Cache-Control"] = f"max-age={max_age}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _parse_pixels(query: Mapping[str, str], name: str) -> int:
    """The value of a parameter of the query, or else the greatest; raises ``BadOption``."""
    given = query.get(name)
    if given is None:
        return embed.MAX_HEIGHT
    if not re.fullmatch("[1-9][0-9]{0,5}", given):
        raise BadOption(f"{name} takes a number of pixels.")
    return int(given)


def _find(url: str) -> Embedded:
    """What has a page with this URL here; raises ``EventNotFound``."""
    own = urlsplit(get_site().public_url)
    service = "(?i:https?://" + re.escape(own.netloc) + ")" + re.escape(own.path)
    end = r"/*(?:[?#].*)?"
    if event := re.fullmatch(f"{service}/+events/+({ID_PATTERN}){end}", url):
        return _find_event(event[1])
    found = re.fullmatch(rf"{service}(?:/+groups/+({SLUG_PATTERN}?))?{end}", url)
    if not found:
        raise EventNotFound("The address is not that of a page here.")
    return _find_collection(found[1] or "", urlsplit(url).query)


def _find_event(event_id: str) -> Embedded:
    entry = get_site().editions.get(event_id, request.remote_addr or "")
    timetable = entry.get_timetable()
    page = get_site().build_page_url(event_id)
    title = summaries.strip_markup(timetable.edition.event.name)
    return Embedded(title, page, f"{page}/embed", embed.compute_height(timetable), entry.expires)


def _find_collection(slug: str, query: str) -> Embedded:
    selection = widget.find_selection(slug, correct_names(parse_qsl(query)))
    return Embedded(
        selection.title, selection.page, selection.widget, selection.height, selection.entry.expires
    )

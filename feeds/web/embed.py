"""What clubs put on their own sites: a widget, snippets that embed it, and oEmbed."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, render_template, request
from msgspec import json

from feeds.domain.agenda import Agenda, build_agenda
from feeds.domain.entries import Timetable
from feeds.domain.feed import select_entries
from feeds.domain.freshness import compute_max_age
from feeds.errors import BadOption, EventNotFound
from feeds.formats import FORMATS
from feeds.text import dates, pages, summaries
from feeds.web import templates
from feeds.web.addresses import read_query
from feeds.web.conditional import Representation
from feeds.web.pages import build_page_feed
from feeds.web.site import get_site
from feeds.web.subscribe import build_subscribe_links

blueprint = Blueprint("embed", __name__)

THEMES = ("auto", "light", "dark")
WIDTH, BASE_HEIGHT, HEIGHT_PER_RUN = 600, 370, 38
"""Pixels of the widget: its width, its height with one run, and the height of each further run."""
MIN_HEIGHT, MAX_HEIGHT = 200, 1000
"""WordPress limits the height of embedded frames to these (wp-embed.js)."""


class WidgetStyle(NamedTuple):
    """The style of the widget: a theme, and an accent colour, six hexadecimal digits or empty."""

    theme: str
    accent: str

    @property
    def query(self) -> str:
        """The canonical query of this style."""
        pairs = [("theme", self.theme)] if self.theme != THEMES[0] else []
        return urlencode(pairs + ([("accent", self.accent)] if self.accent else []))

    @property
    def css(self) -> str:
        """CSS that sets the accent colour and a readable colour of text on it; may be empty."""
        if not self.accent:
            return ""
        text = _choose_text_colour(self.accent)
        return f":root{{--accent:#{self.accent};--on-accent:{text}}}"


def parse_widget_style(query: Mapping[str, str]) -> WidgetStyle:
    """The style that a query asks for; raises ``BadOption``."""
    theme, accent = query.get("theme") or THEMES[0], (query.get("accent") or "").lower()
    if theme not in THEMES:
        raise BadOption(f"theme takes one of {', '.join(THEMES)}.")
    found = re.fullmatch("#?([0-9a-f]{6}|[0-9a-f]{3})", accent)
    if accent and not found:
        raise BadOption("accent takes a colour in hexadecimal digits, such as 0a58a8.")
    digits = found[1] if found else ""
    return WidgetStyle(theme, "".join(2 * each for each in digits) if len(digits) == 3 else digits)  # noqa: PLR2004 - #rgb


def _choose_text_colour(background: str) -> str:
    """Black or white, the one with more contrast (relative luminance of WCAG 2.2)."""
    red, green, blue = (int(background[place : place + 2], 16) / 255 for place in (0, 2, 4))
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
        for each in (red, green, blue)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"


@blueprint.get("/events/<id:event_id>/embed", provide_automatic_options=False)
def show_widget(event_id: str) -> Response:
    """The widget: an event as a page for a frame on another site."""
    style = parse_widget_style(read_query())

    def render(timetable: Timetable) -> Representation:
        feed, edition = build_page_feed(timetable), timetable.edition
        title = summaries.strip_markup(edition.event.name)
        return templates.render_page(
            "embed.html",
            last_modified=None,  # the widget also shows which runs have ended
            framed=True,
            style=style.css,
            event=edition.event,
            agenda=(agenda := _build_agenda(timetable)),
            entries=agenda.shown,
            page=feed.page,
            title=title,
            theme=style.theme,
            ways={way.key: way for way in build_subscribe_links(feed.page, title)},
            dates=dates,
            pages=pages,
        )

    return get_site().cache.respond(event_id, "embed", style.query, render)


@blueprint.get("/events/<id:event_id>/embed-kit", provide_automatic_options=False)
def show_embed_kit(event_id: str) -> Response:
    """Snippets to copy, each as code and as it looks."""
    style = parse_widget_style(read_query())

    def render(timetable: Timetable) -> Representation:
        feed, edition = build_page_feed(timetable), timetable.edition
        page, title = feed.page, summaries.strip_markup(edition.event.name)
        query = f"?{style.query}" if style.query else ""
        return templates.render_page(
            "embed-kit.html",
            last_modified=None,  # the widget's height depends on which runs have ended
            style=f"\n{render_template('buttons.css')}\n",
            event=edition.event,
            page=page,
            title=title,
            widget=f"{page}/embed{query}",
            width=WIDTH,
            height=_compute_height(_build_agenda(timetable)),
            look=style,
            themes=THEMES,
            ways={way.key: way for way in build_subscribe_links(page, title)},
            formats={ext: each.media_type.partition(";")[0] for ext, each in FORMATS.items()},
        )

    return get_site().cache.respond(event_id, "embed-kit", style.query, render)


@blueprint.get("/oembed", provide_automatic_options=False)
def serve_oembed() -> Response:
    """How to embed the page of an event, in JSON (https://oembed.com, version 1.0)."""
    query = read_query()
    if query.get("format", "json") != "json":
        abort(501)
    max_width, max_height = (_parse_pixels(query, name) for name in ("maxwidth", "maxheight"))
    event_id = _parse_page_url(query.get("url", ""))
    entry = get_site().editions.get(event_id, request.remote_addr or "")
    max_age = compute_max_age(entry.expires, get_site().timestamp())
    feed = build_page_feed(entry.get_timetable())
    title = summaries.strip_markup(feed.title)
    width = min(max_width, WIDTH)
    height = min(max_height, _compute_height(_build_agenda(entry.get_timetable())))
    document = {
        "version": "1.0",
        "type": "rich",
        "title": title,
        "provider_name": "Intervals feeds",
        "provider_url": f"{get_site().public_url}/",
        "cache_age": max_age,
        "width": width,
        "height": height,
        "html": templates.render(
            "oembed.html", title=title, page=feed.page, width=width, height=height
        ).strip(),
    }
    response = Response(json.encode(document), mimetype="application/json")
    response.headers["Cache-Control"] = f"max-age={max_age}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _parse_pixels(query: Mapping[str, str], name: str) -> int:
    """The value of a parameter of the query, or else ``MAX_HEIGHT``; raises ``BadOption``."""
    given = query.get(name)
    if given is None:
        return MAX_HEIGHT
    if not re.fullmatch("[1-9][0-9]{0,5}", given):
        raise BadOption(f"{name} takes a number of pixels.")
    return int(given)


def _parse_page_url(url: str) -> str:
    """The id of the event whose page has this URL; raises ``EventNotFound``."""
    own = urlsplit(get_site().public_url)
    service = "(?i:https?://" + re.escape(own.netloc) + ")" + re.escape(own.path)
    found = re.fullmatch(service + "/+events/+([A-Za-z0-9_-]{1,64})/*(?:[?#].*)?", url)
    if not found:
        raise EventNotFound("The address is not that of an event's page here.")
    return found[1]


def _build_agenda(timetable: Timetable) -> Agenda:
    return build_agenda(select_entries(build_page_feed(timetable)), timetable.edition.fetched)


def _compute_height(agenda: Agenda) -> int:
    more = len(agenda.shown) - 1
    return min(max(BASE_HEIGHT + HEIGHT_PER_RUN * more, MIN_HEIGHT), MAX_HEIGHT)

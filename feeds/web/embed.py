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
from feeds.text import notices, pages, rows, summaries
from feeds.web import templates
from feeds.web.addresses import read_query
from feeds.web.conditional import Representation
from feeds.web.pages import build_page_feed
from feeds.web.site import get_site
from feeds.web.subscribe import build_subscribe_links

blueprint = Blueprint("embed", __name__)

THEMES = ("light", "auto", "dark")
ACCENT = "0a58a8"
"""The accent colour of the style sheet."""

MAX_ROWS = 6
"""Runs in the widget."""
WIDTH, BASE_HEIGHT, HEIGHT_PER_LINE = 600, 240, 26
"""Pixels of the widget on a phone: its width, its height without rows, and that of a line."""
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
    def text_colour(self) -> str:
        """A readable colour of text on the accent."""
        return _choose_text_colour(self.accent or ACCENT)

    @property
    def css(self) -> str:
        """CSS that sets the accent colour and the colour of text on it; may be empty."""
        if not self.accent:
            return ""
        return f":root{{--accent:#{self.accent};--on-accent:{self.text_colour}}}"


def parse_theme(theme: str) -> str:
    """A theme, light by default; raises ``BadOption``."""
    if theme and theme not in THEMES:
        raise BadOption(f"theme takes one of {', '.join(THEMES)}.")
    return theme or THEMES[0]


def parse_accent(accent: str) -> str:
    """Six hexadecimal digits, or nothing for the style sheet's own; raises ``BadOption``."""
    found = re.fullmatch("#?([0-9a-f]{6}|[0-9a-f]{3})", accent.lower())
    if accent and not found:
        raise BadOption(f"accent takes a colour in hexadecimal digits, such as {ACCENT}.")
    digits = found[1] if found else ""
    digits = "".join(2 * each for each in digits) if len(digits) == 3 else digits  # noqa: PLR2004 - #rgb
    return "" if digits == ACCENT else digits


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
    query = read_query()
    style = WidgetStyle(parse_theme(query.get("theme", "")), parse_accent(query.get("accent", "")))

    def render(timetable: Timetable) -> Representation:
        feed, edition = build_page_feed(timetable), timetable.edition
        agenda, locale = _build_agenda(timetable), get_site().locale
        return templates.render_page(
            "embed.html",
            last_modified=None,  # the widget also shows which runs have ended
            framed=True,
            event=edition.event,
            agenda=agenda,
            notices=list(notices.list_notices(agenda.shown, locale)),
            listing=rows.build_listing(agenda, edition.fetched, locale, MAX_ROWS),
            most=MAX_ROWS,
            page=feed.page,
            title=summaries.strip_markup(edition.event.name),
            theme=style.theme,
            locale=locale,
            pages=pages,
        )

    def colour(page: Representation) -> Representation:
        return templates.add_style(page, style.css, filename="embed.html", framed=True)

    # All colours share one cached representation: made-up ones would fill the memory.
    return get_site().cache.respond(
        event_id, "embed", style.theme, render, finish=colour if style.css else None
    )


@blueprint.get("/events/<id:event_id>/embed-kit", provide_automatic_options=False)
def show_embed_kit(event_id: str) -> Response:
    """Snippets to copy, each as code and as it looks, in the style of the form.

    An invalid style is 400. The page then has the rest of the form, and says what is wrong.
    """
    query = read_query()
    given = {name: query.get(name, "")[:40] for name in ("theme", "accent")}
    problems: dict[str, str] = {}
    try:
        theme = parse_theme(given["theme"])
    except BadOption:
        theme, problems["theme"] = THEMES[0], f"There is no theme “{given['theme']}”."
    try:
        accent = parse_accent(given["accent"])
    except BadOption:
        accent = ""
        problems["accent"] = f"“{given['accent']}” is no colour. Write one such as #{ACCENT}."
    style = WidgetStyle(theme, accent)

    def render(timetable: Timetable) -> Representation:
        return _render_kit(timetable, style, problems)

    if problems:
        entry = get_site().editions.get(event_id, request.remote_addr or "")
        timetable = entry.get_timetable()
        return templates.respond_with_representation(render(timetable), 400)
    return get_site().cache.respond(event_id, "embed-kit", style.query, render)


def _render_kit(
    timetable: Timetable, style: WidgetStyle, problems: dict[str, str]
) -> Representation:
    feed, edition = build_page_feed(timetable), timetable.edition
    page, title = feed.page, summaries.strip_markup(edition.event.name)
    colours = {"accent": style.accent or ACCENT, "text": style.text_colour}
    return templates.render_page(
        "embed-kit.html",
        last_modified=None,  # the height of the widget depends on which runs have ended
        style=f"\n{render_template('buttons.css', **colours)}\n",
        event=edition.event,
        page=page,
        title=title,
        widget=f"{page}/embed{'?' if style.query else ''}{style.query}",
        script=f"{get_site().public_url}/widget.js",
        height=_compute_height(timetable),
        look=style,
        accent=ACCENT,
        problems=problems,
        themes=THEMES,
        ways={way.key: way for way in build_subscribe_links(page, title)},
        formats={ext: each.media_type.partition(";")[0] for ext, each in FORMATS.items()},
    )


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
    timetable = entry.get_timetable()
    feed = build_page_feed(timetable)
    title = summaries.strip_markup(feed.title)
    width = min(max_width, WIDTH)
    height = min(max_height, _compute_height(timetable))
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


def _compute_height(timetable: Timetable) -> int:
    """About the height of the widget on a phone, in pixels, for sites without its script.

    Where it is too little, the rows scroll and the button to subscribe stays.
    """
    agenda, locale = _build_agenda(timetable), get_site().locale
    listing = rows.build_listing(agenda, timetable.edition.fetched, locale, MAX_ROWS)
    lines = sum(2 + 2 * len(day.rows) for day in listing.first)
    for each in notices.list_notices(agenda.shown, locale):
        lines += 2 + sum(1 + len(text) // 35 for text in (each.text, *each.details, each.reason))
    return min(max(BASE_HEIGHT + HEIGHT_PER_LINE * lines, MIN_HEIGHT), MAX_HEIGHT)


def _build_agenda(timetable: Timetable) -> Agenda:
    return build_agenda(select_entries(build_page_feed(timetable)), timetable.edition.fetched)

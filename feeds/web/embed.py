"""What clubs put on their own sites: the widget of an event, and snippets that embed widgets."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request
from msgspec import Struct

from feeds.domain.entries import Timetable
from feeds.domain.feed import select_entries
from feeds.domain.options import Options
from feeds.errors import BadOption
from feeds.formats import FORMATS
from feeds.text import notices, pages, places, rows, summaries
from feeds.text.agenda import Agenda, build_agenda
from feeds.web import templates
from feeds.web.addresses import read_query
from feeds.web.conditional import Representation
from feeds.web.pages import build_page_feed
from feeds.web.site import get_site
from feeds.web.subscribe import build_feed_url, build_subscribe_links

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


def read_style() -> WidgetStyle:
    """The style that the current request asks for; raises ``BadOption``."""
    query = read_query()
    return WidgetStyle(parse_theme(query.get("theme", "")), parse_accent(query.get("accent", "")))


def read_kit_style() -> tuple[WidgetStyle, dict[str, str]]:
    """The style in the form of a kit, and what is wrong with it, by the name of the field."""
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
        problems["accent"] = f"“{given['accent']}” is no color. Write one such as #{ACCENT}."
    return WidgetStyle(theme, accent), problems


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
    style = read_style()

    def render(timetable: Timetable) -> Representation:
        feed, edition = build_page_feed(timetable), timetable.edition
        agenda, locale = _build_agenda(timetable), get_site().locale
        return templates.render_page(
            "embed.html",
            last_modified=None,  # the widget also shows which runs have ended
            framed=True,
            event=edition.event,
            agenda=agenda,
            place_name=places.describe_place(agenda.next).name,
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
    (style, problems), owner = read_kit_style(), get_site().find_owner()

    def render(timetable: Timetable) -> Representation:
        edition, page = timetable.edition, get_site().build_page_url(event_id)
        return render_kit(
            Kit(
                name=edition.event.name,
                title=summaries.strip_markup(edition.event.name),
                page=page,
                back=f"events/{event_id}",
                feeds=page,
                widget=f"{page}/embed{'?' if style.query else ''}{style.query}",
                height=compute_height(timetable),
                attributes={"event": event_id},
                owner=owner,
            ),
            style,
            problems,
        )

    if problems:
        entry = get_site().editions.get(event_id, request.remote_addr or "")
        timetable = entry.get_timetable()
        return templates.respond_with_representation(render(timetable), 400)
    return get_site().cache.respond(event_id, "embed-kit", f"{style.query} {owner}", render)


class Kit(Struct, frozen=True, kw_only=True):
    """What a kit is about: an event, or a collection, which has a ``limit``.

    ``back`` is the path of its page, ``feeds`` the URL of its feeds without an extension.
    ``attributes`` are those of the element that loads ``widget.js``. ``owner`` is the name of the
    organization, ``hidden`` are fields that the form keeps.
    """

    name: str
    title: str
    page: str
    back: str
    feeds: str
    widget: str
    height: int
    attributes: Mapping[str, str]
    owner: str
    options: Options = Options()
    limit: int = 0
    days: int = 0
    hidden: tuple[tuple[str, str], ...] = ()


def render_kit(kit: Kit, style: WidgetStyle, problems: Mapping[str, str]) -> Representation:
    """The page with the snippets in a style, and with what is wrong with its form."""
    colours = {"accent": style.accent or ACCENT, "text": style.text_colour}
    formats = {
        build_feed_url(kit.feeds, extension, kit.options): format_.media_type.partition(";")[0]
        for extension, format_ in FORMATS.items()
    }
    return templates.render_page(
        "embed-kit.html",
        last_modified=None,  # the height of the widget depends on which runs have ended
        style=f"\n{render_template('buttons.css', **colours)}\n",
        kit=kit,
        owner=kit.owner,
        script=f"{get_site().public_url}/widget.js",
        look=style,
        accent=ACCENT,
        problems=problems,
        themes=THEMES,
        ways={w.key: w for w in build_subscribe_links(kit.feeds, kit.title, kit.options)},
        calendar=build_feed_url(kit.feeds, "ics", kit.options),
        data=build_feed_url(kit.feeds, "json", kit.options),
        formats=formats,
    )


def compute_height(timetable: Timetable) -> int:
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

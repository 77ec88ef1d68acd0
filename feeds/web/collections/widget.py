"""The widget of the club and of its groups: the next runs, for a frame on another site."""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl

from flask import Blueprint, Response
from msgspec import structs

from feeds.domain.entries import Entry
from feeds.domain.feed import select_entries
from feeds.domain.options import Options, parse, select_understood, to_query
from feeds.formats import COLLECTION_OPTIONS
from feeds.service.collections.entry import CollectionEntry, Content
from feeds.text import collections as texts
from feeds.text import rows
from feeds.text.summaries import build_name, strip_markup
from feeds.web import embed, templates
from feeds.web.addresses import read_query
from feeds.web.collections.responses import respond
from feeds.web.collections.scope import Scope, find_scope
from feeds.web.conditional import Representation
from feeds.web.site import get_site

blueprint = Blueprint("collection_widget", __name__)

OPTIONS = COLLECTION_OPTIONS | {"days", "distance", "limit", "run"}
"""The options of the widget, besides its style."""

DEFAULT_LIMIT, DEFAULT_DAYS = 10, 90
"""How many runs the widget shows, and of how many days, unless its options say otherwise."""

MAX_LIMIT = 50
"""The most runs of a widget."""

BASE_HEIGHT, HEIGHT_PER_LINE = 170, 26
"""Pixels of the widget on a phone: its height without rows, and that of a line."""


class Selection(NamedTuple):
    """What a widget shows: ``options`` with limit and days, ``chosen`` without the default ones."""

    entry: CollectionEntry
    scope: Scope
    options: Options
    chosen: Options

    @property
    def content(self) -> Content:
        return self.entry.content

    @property
    def title(self) -> str:
        return strip_markup(texts.build_title(self.scope.name, self.options))

    @property
    def page(self) -> str:
        """The URL of the page with the filters of the widget."""
        return self.scope.build_url(self.filter)

    @property
    def filter(self) -> str:
        """The canonical query without limit and days."""
        return to_query(structs.replace(self.options, limit=0, days=0))

    @property
    def widget(self) -> str:
        """The URL of the widget, in the default style."""
        query = to_query(self.chosen)
        url = f"{get_site().public_url}/{self.scope.base}embed"
        return f"{url}{'?' if query else ''}{query}"

    @property
    def height(self) -> int:
        """About the height of the widget on a phone, in pixels."""
        entries = self.list_entries()
        days = {entry.period.start.toordinal() for entry in entries}
        lines = 2 * len(entries) + 2 * len(days)
        height = BASE_HEIGHT + HEIGHT_PER_LINE * lines
        return min(max(height, embed.MIN_HEIGHT), embed.MAX_HEIGHT)

    def list_entries(self) -> tuple[Entry, ...]:
        """The runs to show, the next one first."""
        return select_entries(self.scope.build_feed(self.content, self.options))


def find_selection(slug: str, query: Iterable[tuple[str, str]]) -> Selection:
    """The selection for a query; raises ``BadOption``, and as ``Collections.get`` does."""
    options = parse([(name, value) for name, value in query if value], OPTIONS)
    limit = min(options.limit or DEFAULT_LIMIT, MAX_LIMIT)
    options = structs.replace(options, limit=limit, days=options.days or DEFAULT_DAYS)
    chosen = structs.replace(
        options,
        limit=0 if limit == DEFAULT_LIMIT else limit,
        days=0 if options.days == DEFAULT_DAYS else options.days,
    )
    entry = get_site().collections.get(slug or None, options)
    entry = get_site().collections.add_named(entry, options)
    return Selection(entry, find_scope(entry.content), options, chosen)


def show_widget(slug: str = "") -> Response:
    """The widget: the next runs by day, and one button that leads to the page."""
    style = embed.read_style()
    selection = find_selection(slug, read_query().items(multi=True))

    def render() -> Representation:
        site = get_site()
        at = max(
            (each.edition.fetched for each in selection.content.timetables),
            default=selection.content.listed,
        )
        scope = selection.scope
        return templates.render_page(
            "embed-list.html",
            last_modified=None,
            framed=True,
            scope=scope,
            status=texts.describe_group_status(scope.group) if scope.group else "",
            filters=texts.describe_filters(selection.options, site.locale),
            chosen=bool(selection.options.event or selection.options.run),
            days=list(rows.list_days(selection.list_entries(), at, site.locale, build_name)),
            most_days=selection.options.days,
            page=selection.page,
            events=f"{site.public_url}/events/",
            title=selection.title,
            theme=style.theme,
        )

    def colour(page: Representation) -> Representation:
        return templates.add_style(page, style.css, filename="embed-list.html", framed=True)

    key = f"{style.theme} {selection.scope.owner} {to_query(selection.options)}"
    return respond(
        selection.entry,
        (selection.scope.part, "embed", key),
        render,
        finish=colour if style.css else None,
    )


def show_embed_kit(slug: str = "") -> Response:
    """Snippets to copy, each as code and as it looks, in the style of the form."""
    style, problems = embed.read_kit_style()
    selection = find_selection(slug, _read_understood())
    scope = selection.scope
    separator = "&" if "?" in selection.widget else "?"

    def render() -> Representation:
        return embed.render_kit(
            embed.Kit(
                name=scope.name,
                title=selection.title,
                page=selection.page,
                back=scope.path + (f"?{selection.filter}" if selection.filter else ""),
                feeds=scope.feeds,
                options=structs.replace(selection.options, limit=0, days=0),
                widget=selection.widget + (f"{separator}{style.query}" if style.query else ""),
                height=selection.height,
                attributes=_build_attributes(selection),
                owner=scope.owner,
                limit=selection.options.limit,
                days=selection.options.days,
                hidden=tuple(parse_qsl(selection.filter)),
            ),
            style,
            problems,
        )

    if problems:
        return templates.respond_with_representation(render(), 400)
    key = f"{style.query} {scope.owner} {to_query(selection.options)}"
    return respond(selection.entry, (scope.part, "embed-kit", key), render)


def _read_understood() -> list[tuple[str, str]]:
    """The pairs of the query that make sense: a form never fails as a whole."""
    return select_understood(read_query().items(multi=True), OPTIONS)


def _build_attributes(selection: Selection) -> dict[str, str]:
    """The data attributes of the element that loads ``widget.js``."""
    group, chosen = selection.scope.group, selection.chosen
    attributes = {
        "group": group.slug if group else "",
        "limit": str(chosen.limit or ""),
        "days": str(chosen.days or ""),
        "filter": selection.filter,
        "title": selection.title,
    }
    return {name: value for name, value in attributes.items() if value}


for path, prefix in (("/", "club"), ("/groups/<group:slug>/", "group")):
    for name, view in (("embed", show_widget), ("embed-kit", show_embed_kit)):
        blueprint.add_url_rule(
            f"{path}{name}",
            endpoint=f"{prefix}_{name}",
            view_func=view,
            provide_automatic_options=False,
        )

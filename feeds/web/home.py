"""The list of known events: as a page, which also finds an event, and as a sitemap."""

import unicodedata
from datetime import date
from http import HTTPStatus
from itertools import groupby
from typing import NamedTuple

from flask import Blueprint, Response, current_app
from markupsafe import escape

from feeds.domain.agenda import build_agenda
from feeds.domain.entries import build_timetable
from feeds.domain.model import Edition, Event
from feeds.domain.options import parse_event_id
from feeds.errors import BadOption
from feeds.text import dates, notices, pages
from feeds.web import templates
from feeds.web.addresses import read_query
from feeds.web.site import get_site

blueprint = Blueprint("home", __name__)


_ASKED = "\x1a"
"""Stands for the text of the form in a rendered page; no text of an event has this character."""

MAX_RENDERED = 64
"""Pages that are kept of one list of events: the whole list, and those of searches."""


@blueprint.get("/", provide_automatic_options=False)
def show_home() -> Response:
    """The known events by month; those whose names were searched; or a redirect to an event."""
    asked = read_query().get("event", "").strip()
    events = get_site().editions.known_events.list()
    found = tuple(n for n, each in enumerate(events) if _fold(asked) in _fold(each.name))
    problem = None
    if asked and not found:
        try:
            # Relative (RFC 9110 10.2.2), as are all links within the service.
            location = f"events/{parse_event_id(asked)}"
        except BadOption:
            problem = "No race here has this name. You can also paste its address on Intervals."
        else:
            headers = {"Location": location, "Cache-Control": "max-age=60"}
            return Response(status=303, headers=headers)
    page = _render_home(events, found or tuple(range(len(events))), problem)
    response = templates.make_page(
        page.replace(_ASKED, escape(asked)), HTTPStatus.NOT_FOUND if problem else HTTPStatus.OK
    )
    response.headers["Cache-Control"] = "max-age=60"
    return response


def _render_home(events: list[Event], found: tuple[int, ...], problem: str | None) -> str:
    """The page of some events with ``_ASKED`` for what was asked, kept for each list and minute.

    The page depends on the clock: it begins with the next run of each event.
    """
    now = int(get_site().timestamp() // 60)
    known, minute, summaries, rendered = current_app.extensions.get("home", (None, 0, [], {}))
    if known is not events or minute != now or len(rendered) >= MAX_RENDERED:
        summaries, rendered = [_summarize(event) for event in events], {}
        current_app.extensions["home"] = events, now, summaries, rendered
    if (found, problem) not in rendered:
        shown = [summaries[number] for number in found]
        locale = get_site().locale
        months = groupby(
            (each for each in shown if not each.over),
            lambda each: dates.format_month_of_year(each.first, locale),
        )
        rendered[found, problem] = templates.render(
            "home.html",
            problem=problem,
            asked=_ASKED,
            searched=len(found) < len(events),
            months=[(month, list(group)) for month, group in months],
            ended=[each for each in shown if each.over],
            known=bool(events),
            dates=dates,
            locale=locale,
        )
    page: str = rendered[found, problem]
    return page


def _fold(text: str) -> str:
    """A text as it is searched: without differences of case, width and accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each)).casefold()


class EventSummary(NamedTuple):
    """An event as the list of ``home.html`` takes it."""

    id: str
    name: str
    first: date
    when: str
    place: str | None
    distances: tuple[str, ...]
    notices: tuple[notices.Notice, ...]
    over: bool
    off: bool


def _summarize(event: Event) -> EventSummary:
    site = get_site()
    edition = Edition(event=event, fetched=site.clock(), revisions={})
    entries = build_timetable(edition, site.timezone).list_current(by_start=True)
    agenda = build_agenda(entries, edition.fetched)
    shown = agenda.shown
    return EventSummary(
        id=event.id,
        name=event.name,
        first=pages.find_days(agenda.next)[0],
        when=pages.format_dates(agenda.next, site.locale),
        place=event.location,
        distances=tuple(
            dict.fromkeys(pages.get_label(each) for each in shown if each.run.id != event.id)
        ),
        notices=tuple(notices.list_notices(shown, site.locale)),
        over=not agenda.ahead,
        off=all(each.off for each in shown),
    )


@blueprint.get("/sitemap.xml", provide_automatic_options=False)
def serve_sitemap() -> Response:
    """The pages of known events that are not over (https://www.sitemaps.org/protocol.html)."""
    site = get_site()
    urls = [
        f"{site.public_url}/",
        *map(site.build_page_url, site.editions.known_events.list_coming()),
    ]
    response = Response(
        templates.render("sitemap.xml", urls=urls), mimetype="application/xml; charset=utf-8"
    )
    response.headers["Cache-Control"] = "max-age=3600"
    return response

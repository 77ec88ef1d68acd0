"""The club's page, or the known events if the key may not list events; and the sitemap."""

from http import HTTPStatus

from flask import Blueprint, Response

from feeds.domain.entries import build_timetable
from feeds.domain.model import Edition, Event
from feeds.errors import FeedsError, Forbidden, StorageUnavailable
from feeds.text import collections as texts
from feeds.text import dates
from feeds.text.agenda import build_agenda
from feeds.text.collections import EventSummary, fold
from feeds.web import templates
from feeds.web.addresses import read_query
from feeds.web.collections import search
from feeds.web.collections.memory import KnownListing, get_memory
from feeds.web.collections.pages import show_page
from feeds.web.site import get_site

blueprint = Blueprint("home", __name__)


@blueprint.get("/", provide_automatic_options=False)
def show_home() -> Response:
    """The club's page; the known events if the key may not list those of the organization.

    While the club's page cannot be shown, a search still finds known events and addresses.
    """
    query = read_query()
    asked = (query.get("q") or query.get("event") or "").strip()
    memory = get_memory()
    try:
        response = show_page()
    except Forbidden:
        memory.note_list(allowed=False)
        return _show_known_events(asked)
    except StorageUnavailable:
        if memory.may_list:
            raise
        return _show_known_events(asked)
    except FeedsError:
        if not asked or (_names_several() and not query.get("q")):
            raise
        found = _show_known_events(asked)
        if found.status_code == HTTPStatus.NOT_FOUND:
            raise
        return found
    memory.note_list(allowed=True)
    return response


def _names_several() -> bool:
    """Whether the query names several events, or runs: chosen races, and no search."""
    query = read_query()
    events, runs = (list(filter(None, query.getlist(name))) for name in ("event", "run"))
    return len(events) > 1 or bool(runs)


def _show_known_events(asked: str) -> Response:
    """The known events by month; those whose names were searched; or a redirect to an event."""
    listing = _get_listing()
    found = _search(listing, asked)
    problem = ""
    if asked and not found:
        if response := search.redirect_to_page(asked):
            return response
        problem = search.NOT_FOUND
    shown = found or tuple(range(len(listing.names)))
    page = get_memory().known.get_or_render(
        listing, (shown, problem), lambda: _render_home(listing, shown, problem)
    )
    return search.make_page(page, asked, problem)


def _get_listing() -> KnownListing:
    """The listing of the current events and the current minute."""
    events, minute = get_site().editions.known_events.list(), int(get_site().timestamp() // 60)

    def build() -> KnownListing:
        names = tuple(fold(event.name) for event in events)
        return KnownListing(events, minute, names, tuple(map(_summarize, events)))

    return get_memory().get_listing(events, minute, build)


def _search(listing: KnownListing, asked: str) -> tuple[int, ...]:
    """The positions of the events whose names have this text."""
    folded = fold(asked) if len(asked) <= search.MAX_SEARCHED else ""
    if asked and not folded:
        return ()
    return tuple(number for number, name in enumerate(listing.names) if folded in name)


def _render_home(listing: KnownListing, found: tuple[int, ...], problem: str) -> str:
    """The page of some events with ``ASKED`` for what was asked."""
    shown = [listing.summaries[number] for number in found]
    locale = get_site().locale
    months = texts.group_by_month((each for each in shown if not each.over), locale)
    return templates.render(
        "home.html",
        problem=problem,
        asked=search.ASKED,
        searched=len(found) < len(listing.events),
        months=months,
        ended=[each for each in shown if each.over],
        known=bool(listing.events),
        dates=dates,
        locale=locale,
    )


def _summarize(event: Event) -> EventSummary:
    site = get_site()
    edition = Edition(event=event, fetched=site.clock(), revisions={})
    entries = build_timetable(edition, site.timezone).list_current(by_start=True)
    return texts.summarize(
        event, build_agenda(entries, edition.fetched), edition.fetched, site.locale
    )


@blueprint.get("/sitemap.xml", provide_automatic_options=False)
def serve_sitemap() -> Response:
    """The club's page, and the pages of groups and of known events that are not over.

    https://www.sitemaps.org/protocol.html
    """
    site = get_site()
    urls = [
        f"{site.public_url}/",
        *(f"{site.public_url}/groups/{group.slug}" for group in site.list_groups()),
        *map(site.build_page_url, site.editions.known_events.list_coming()),
    ]
    response = Response(
        templates.render("sitemap.xml", urls=urls), mimetype="application/xml; charset=utf-8"
    )
    response.headers["Cache-Control"] = "max-age=3600"
    return response

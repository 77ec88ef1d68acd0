"""The pages, and the other resources beside the feeds: QR codes, assets, robots.txt."""

from http import HTTPStatus
from io import BytesIO
from urllib.parse import quote

import segno
from flask import Blueprint, Response, current_app, request
from markupsafe import escape
from werkzeug.exceptions import NotFound

from feeds.domain import options
from feeds.domain.agenda import build_agenda
from feeds.domain.entries import Timetable, build_timetable
from feeds.domain.feed import MAX_RUNS, Feed, select_entries
from feeds.domain.history.delisting import find_unconfirmed
from feeds.domain.model import Edition, Event
from feeds.errors import BadOption
from feeds.formats import FORMATS, ical, items, jsonld
from feeds.text import dates, descriptions, pages, summaries
from feeds.text.recurrences import describe_recurrences
from feeds.web import subscribe, templates
from feeds.web.addresses import read_query
from feeds.web.cache import to_flask
from feeds.web.conditional import Representation, build_representation, make_response
from feeds.web.site import get_site

blueprint = Blueprint("pages", __name__)

ASSET_MAX_AGE = 31_536_000
"""Seconds: a year. The URL of an asset changes with its bytes."""

_ASKED = "\x1a"
"""Stands for the text of the form in a rendered page; no text of an event has this character."""


@blueprint.get("/", provide_automatic_options=False)
def show_home() -> Response:
    """The known events, the next one first; or a redirect to the event of the query."""
    problem = None
    asked = read_query().get("event")
    if asked is not None:
        try:
            # Relative (RFC 9110 10.2.2), as are all links within the service.
            location = f"events/{options.parse_event_id(asked)}"
        except BadOption as error:
            problem = str(error)
        else:
            headers = {"Location": location, "Cache-Control": "max-age=60"}
            return Response(status=303, headers=headers)
    page = _render_home(get_site().editions.known_events.list(), problem)
    response = templates.make_page(
        page.replace(_ASKED, escape(asked or "")), HTTPStatus.BAD_REQUEST if problem else 200
    )
    response.headers["Cache-Control"] = "max-age=60"
    return response


def _render_home(events: list[Event], problem: str | None) -> str:
    """The page with ``_ASKED`` for what was asked, rendered once in a minute for each list.

    The page depends on the clock: it begins with the next run of each event.
    """
    now = int(get_site().timestamp() // 60)
    known, minute, rendered = current_app.extensions.get("home", (None, 0, {}))
    if known is not events or minute != now:
        rendered = {}
        current_app.extensions["home"] = events, now, rendered
    if problem not in rendered:
        rendered[problem] = templates.render(
            "home.html",
            problem=problem,
            asked=_ASKED,
            events=[_summarize(event) for event in events],
            formats=list(FORMATS),
        )
    page: str = rendered[problem]
    return page


def _summarize(event: Event) -> dict[str, object]:
    """An event as the list of ``home.html`` takes it."""
    site = get_site()
    edition = Edition(event=event, fetched=site.clock(), revisions={})
    entries = build_timetable(edition, site.timezone).list_current(by_start=True)
    agenda = build_agenda(entries, edition.fetched)
    return {
        "id": event.id,
        "name": event.name,
        "page": site.build_page_url(event.id),
        "dates": pages.format_dates(agenda.next),
        "place": event.location,
        "notices": list(pages.list_notices(agenda.shown)),
    }


@blueprint.get("/events/<id:event_id>", provide_automatic_options=False)
def show_event(event_id: str) -> Response:
    """The page of an event."""
    entry = get_site().editions.get(event_id, request.remote_addr or "")
    age = pages.format_duration(entry.max_age)

    def render(timetable: Timetable) -> Representation:
        edition, feed = timetable.edition, build_page_feed(timetable)
        page, title = feed.page, summaries.strip_markup(edition.event.name)
        agenda = build_agenda(select_entries(feed), edition.fetched)
        alternates = {
            f"{page}.{extension}": format_.media_type.partition(";")[0]
            for extension, format_ in FORMATS.items()
        }
        alternates[build_oembed_url(page)] = "application/json+oembed"
        return templates.render_page(
            "event.html",
            last_modified=None,  # the page also shows whether the last refresh failed
            links=[
                f'<{page}>; rel="canonical"',
                *(f'<{url}>; rel="alternate"; type="{type_}"' for url, type_ in alternates.items()),
            ],
            event=edition.event,
            agenda=agenda,
            entries=agenda.shown,
            page=page,
            title=title,
            headline=pages.build_headline(agenda.shown, title),
            alternates=alternates,
            jsonld=jsonld.render_script(feed),
            ways=subscribe.build_subscribe_links(page, title),
            at=edition.fetched,
            edition=edition,
            repeats=describe_recurrences(edition.event.recurrences),
            history=items.build_history(feed),
            held=pages.describe_held(edition, select_entries(feed)),
            unconfirmed=bool(find_unconfirmed(edition)),
            left_out=len(timetable.list_current()) - len(ical.fit(feed)),
            max_runs=MAX_RUNS,
            age=age,
            failed=entry.failed,
            subscribe=subscribe,
            dates=dates,
            descriptions=descriptions,
            pages=pages,
            summaries=summaries,
        )

    # The page shows both the age and a failure, so each makes another representation.
    key = f"{age}{entry.failed}"
    return get_site().cache.respond(event_id, "html", key, render, entry=entry)


@blueprint.get("/events/<id:event_id>/qr.svg", provide_automatic_options=False)
def serve_qr_code(event_id: str) -> Response:
    """The URL of an event's page as a QR code, for posters."""

    def render(timetable: Timetable) -> Representation:
        image = BytesIO()
        page = get_site().build_page_url(timetable.edition.event.id)
        segno.make(page, error="m", micro=False).save(
            image, kind="svg", scale=8, border=4, light="#fff", title=page, omitsize=True
        )
        return build_representation(
            image.getvalue(),
            media_type="image/svg+xml",
            last_modified=None,
            filename=f"{timetable.edition.event.id}.svg",
            extra_headers={"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"},
        )

    return get_site().cache.respond(event_id, "svg", "", render)


@blueprint.get("/assets/<name>", provide_automatic_options=False)
def serve_asset(name: str) -> Response:
    """A file that pages load."""
    if name not in templates.ASSETS:
        raise NotFound
    # Another version is that of another deployment, which is about to end or begins.
    is_current = request.query_string.decode("latin-1") == templates.get_asset_version(name)
    response = make_response(
        templates.load_asset(name),
        request.environ,
        now=get_site().timestamp(),
        max_age=ASSET_MAX_AGE if is_current else 60,
    )
    return to_flask(response)


@blueprint.get("/robots.txt", provide_automatic_options=False)
def serve_robots() -> Response:
    """A robots.txt that forbids nothing.

    Google's importer once failed where there was no file:
    http://andrewbredow.com/2012/10/10/google-calendar-unable-to-access-feeds-with-no-robots/
    """
    response = Response("User-agent: *\nDisallow:\n", mimetype="text/plain")
    response.headers["Cache-Control"] = "max-age=86400"
    return response


def build_oembed_url(page: str) -> str:
    """The URL at which other sites ask how to embed a page (oEmbed 1.0, section 4)."""
    return f"{get_site().public_url}/oembed?url={quote(page, safe='')}&format=json"


def build_page_feed(timetable: Timetable) -> Feed:
    """The feed that a page shows."""
    site, event = get_site(), timetable.edition.event
    return site.build_feed(timetable, event.name, site.build_page_url(event.id))

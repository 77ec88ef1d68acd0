"""The page of an event."""

from collections.abc import Sequence
from operator import itemgetter
from urllib.parse import quote

from flask import Blueprint, Response, request

from feeds.domain.entries import Entry, Timetable
from feeds.domain.feed import Feed, select_entries
from feeds.domain.history.delisting import find_unconfirmed
from feeds.domain.options import Options, parse_understood, to_query
from feeds.domain.schedule import to_instant
from feeds.formats import FORMATS, channel, ical, jsonld
from feeds.text import dates, notices, pages, places, rows, summaries
from feeds.text.agenda import build_agenda
from feeds.text.recurrences import describe_recurrences
from feeds.web import subscribe, templates
from feeds.web.addresses import read_query
from feeds.web.conditional import Representation
from feeds.web.site import get_site

blueprint = Blueprint("pages", __name__)

OPTIONS = ("run", "registration", "busy")
"""The options of the page: its links to subscribe are those of this choice."""


@blueprint.get("/events/<id:event_id>", provide_automatic_options=False)
def show_event(event_id: str) -> Response:
    """The page of an event; with options, the page whose links are made for this choice."""
    entry = get_site().editions.get(event_id, request.remote_addr or "")
    options, understood = _parse_choice(entry.get_timetable())
    age, owner = pages.format_duration(entry.max_age), get_site().find_owner()

    def render(timetable: Timetable) -> Representation:
        edition, feed = timetable.edition, build_page_feed(timetable)
        page, title, at = feed.page, summaries.strip_markup(edition.event.name), edition.fetched
        entries, locale = select_entries(feed), get_site().locale
        agenda = build_agenda(entries, at)
        shown = agenda.shown
        place = places.describe_place(shown)
        headline = pages.build_headline(shown, title)
        found = list(notices.list_notices(shown, locale))
        choices = rows.sort_by_clock(each for each in agenda.ahead if not each.off)
        ticks = _list_ticks(choices, entries, options)
        query = to_query(options)
        chosen = f"{page}{'?' if query else ''}{query}"
        alternates = {
            f"{page}.{extension}": format_.media_type.partition(";")[0]
            for extension, format_ in FORMATS.items()
        }
        alternates[get_site().build_oembed_url(page)] = "application/json+oembed"
        ways = (
            *subscribe.build_subscribe_links(page, title, options),
            *subscribe.build_android_links(_select_one(choices or shown, options), page, chosen),
        )
        return templates.render_page(
            "event.html",
            last_modified=None,  # the page also shows whether the last refresh failed
            links=[
                f'<{page}>; rel="canonical"',
                *(f'<{url}>; rel="alternate"; type="{type_}"' for url, type_ in alternates.items()),
            ],
            event=edition.event,
            agenda=agenda,
            shown=shown,
            listing=rows.build_listing(agenda, at, locale),
            notices=found,
            about=notices.find_about(edition.event, found),
            place=place,
            place_name=places.describe_place(agenda.next).name,
            all_off=all(each.off for each in shown),
            guess="" if agenda.over else pages.describe_guess(shown, locale),
            repeats=describe_recurrences(edition.event.recurrences, locale),
            history=channel.build_history(feed),
            left_out=pages.describe_left_out(ical.count_left_out(feed), "this event’s", locale),
            ticks=ticks,
            folded=rows.MAX_SHOWN,
            several_days=len({dates.format_days(e.period, locale) for e in (*shown, *ticks)}) > 1,
            register=pages.find_register(shown, at),
            map_url=build_map_url(place.query) if place.query else "",
            next_start=_find_next_day(agenda.ahead),
            fetched=edition.fetched.isoformat(),
            card=f"{get_site().public_url}/{templates.build_asset_url('card.png')}",
            options=options,
            understood=understood,
            page=page,
            chosen=chosen,
            canonical=page,
            title=title,
            headline=headline,
            description=summaries.describe_feed(headline),
            alternates=alternates,
            jsonld=jsonld.render_script(jsonld.build_document(feed, owner)),
            owner=owner,
            ways={way.key: way for way in ways},
            edition=edition,
            held=pages.describe_held(edition, entries, locale),
            unconfirmed=bool(find_unconfirmed(edition)),
            age=age,
            failed=entry.failed,
            locale=locale,
            dates=dates,
            pages=pages,
        )

    # The page shows these, so each makes another representation.
    key = f"{age}{entry.failed}{understood}{to_query(options)} {owner}"
    return get_site().cache.respond(event_id, "html", key, render, entry=entry)


def _parse_choice(timetable: Timetable) -> tuple[Options, bool]:
    """The options of the request, with known runs only, and whether all of them make sense.

    What makes no sense is left out: a page always has links that work, and made-up queries make no
    further representations.
    """
    options, understood = parse_understood(read_query().items(multi=True), OPTIONS)
    known = {each.run.id for each in timetable.list_current()}
    runs = tuple(each for each in options.run if each in known)
    return (
        Options(run=runs, registration=options.registration, busy=options.busy),
        understood and len(runs) == len(options.run),
    )


def _find_next_day(shown: Sequence[Entry]) -> str:
    """The day of the first run that is not off or postponed, for the script; may be empty."""
    starts = [
        (to_instant(each.period.start, each.zone), each) for each in shown if each.status.confirmed
    ]
    if not starts:
        return ""
    _, first = min(starts, key=itemgetter(0))
    return f"{dates.get_day(first.period.start)}"


def _list_ticks(
    choices: Sequence[Entry], entries: Sequence[Entry], options: Options
) -> list[Entry]:
    """The runs to tick: those that one may choose, if there are several, and the chosen ones.

    A chosen run may be off or have ended meanwhile. Without its tick, the form would drop it.
    """
    usual = {each.run.id for each in choices}
    chosen = [each for each in entries if each.run.id in options.run and each.run.id not in usual]
    ticks = rows.sort_by_clock([*chosen, *choices])
    return ticks if len(ticks) > 1 or options.run else []


def _select_one(choices: Sequence[Entry], options: Options) -> Entry:
    """The first of the ticked runs, else of all."""
    return next((each for each in choices if each.run.id in options.run), choices[0])


def build_map_url(query: str) -> str:
    """A search for an address or a point on a map."""
    return f"https://www.google.com/maps/search/?api=1&query={quote(query, safe='')}"


def build_page_feed(timetable: Timetable) -> Feed:
    """The feed that a page shows."""
    site, event = get_site(), timetable.edition.event
    return site.build_feed(timetable, event.name, site.build_page_url(event.id))

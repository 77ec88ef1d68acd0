"""The pages of the club and of its groups: what is on, filters, a choice of races, subscribing."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from flask import Blueprint, Response
from msgspec import structs

from feeds.domain.catalog import Group
from feeds.domain.model import DISTANCES
from feeds.domain.options import Options, to_query
from feeds.formats import FORMATS, ical, jsonld
from feeds.service.collections.entry import Content
from feeds.text import collections as texts
from feeds.text import dates, pages
from feeds.text.collections import Member, Members
from feeds.text.summaries import strip_markup
from feeds.web import subscribe, templates
from feeds.web.collections import search
from feeds.web.collections.choice import Choice, read_choice
from feeds.web.collections.memory import get_memory
from feeds.web.collections.qr import MAX_URL
from feeds.web.collections.responses import respond
from feeds.web.collections.scope import Scope, find_scope
from feeds.web.conditional import Representation
from feeds.web.site import get_site

blueprint = Blueprint("collection_pages", __name__)

MAX_SHOWN = 40
"""Races ahead on a page; later ones are on another page."""

MAX_PAST = 20
"""Past races on a page, the last ones."""

MAX_DESCRIBED = 5
"""Races in the JSON-LD of a page."""

_STATUSES = ("active", "paused")


def show_page(slug: str = "") -> Response:
    """The page of the club or of a group, with the filters and the choice of the query.

    A search that finds no name, but is an id or an address, is redirected to the event's page.
    """
    choice = read_choice(slug, searches_events=not slug)
    scope = find_scope(choice.content)
    groups = () if slug else get_site().list_groups()
    if choice.asked:
        return _search(choice, scope, groups)
    # What the page shows besides the members of the collection.
    other = hash((scope.owner, groups, choice.understood, choice.state))
    return respond(
        choice.entry,
        (scope.part, f"html {other}", to_query(choice.options)),
        lambda: _render(
            choice, scope, groups, _list_members(scope, choice.content, choice.options)
        ),
    )


def _search(choice: Choice, scope: Scope, groups: Sequence[Group]) -> Response:
    members = _list_members(scope, choice.content, choice.options)
    if found := _find_names(members, choice.asked):
        return _respond_to_search(choice, scope, groups, found)
    if response := search.redirect_to_page(choice.asked, "../" * scope.path.count("/")):
        return response
    return _respond_to_search(choice, scope, groups, members, search.NOT_FOUND)


def _find_names(members: Members, asked: str) -> Members | None:
    """The members whose names have this text; None if there are none."""
    text = texts.fold(asked) if len(asked) <= search.MAX_SEARCHED else ""
    if not text:
        return None
    found = Members(
        tuple(each for each in members.ahead if text in texts.fold(each.event.name)),
        tuple(each for each in members.past if text in texts.fold(each.event.name)),
        members.at,
    )
    return found if found.all else None


def _respond_to_search(
    choice: Choice, scope: Scope, groups: Sequence[Group], members: Members, problem: str = ""
) -> Response:
    """The page of these members; searches that find the same are rendered once."""
    ids = tuple(each.event.id for each in members.all)
    page = get_memory().searches.get_or_render(
        choice.content,
        (ids, problem, choice.understood, choice.state, to_query(choice.options), scope, groups),
        lambda: templates.render(
            "club.html",
            **_build_context(choice._replace(asked=search.ASKED), scope, groups, members, problem),
        ),
    )
    return search.make_page(page, choice.asked, problem)


def _list_members(scope: Scope, content: Content, options: Options) -> Members:
    """The members as of the newest edition: the page does not know the time of the request.

    Those without a filter are kept, since each search begins with them.
    """

    def build() -> Members:
        at = max((each.edition.fetched for each in content.timetables), default=content.listed)
        return texts.list_members(content.timetables, options, at)

    is_whole = structs.replace(options, busy=False, registration=False) == Options()
    return get_memory().get_members(scope.part, content, build) if is_whole else build()


def _render(
    choice: Choice, scope: Scope, groups: Sequence[Group], members: Members
) -> Representation:
    context = _build_context(choice, scope, groups, members)
    links = [f'<{scope.page}>; rel="canonical"']
    # With the ids of a choice, each link has up to 4 KB: proxies refuse so long a head.
    if not context["chosen"]:
        links += [
            f'<{url}>; rel="alternate"; type="{type_}"'
            for url, type_ in context["alternates"].items()
        ]
    return templates.render_page("club.html", last_modified=None, links=links, **context)


def _build_context(
    choice: Choice,
    scope: Scope,
    groups: Sequence[Group],
    members: Members,
    problem: str = "",
) -> dict[str, Any]:
    """The variables of the template."""
    site, content, options = get_site(), choice.content, choice.options
    locale, query = site.locale, to_query(options)
    chosen = bool(options.event or options.run)
    shown, later = _cut(members.ahead, options.first)
    searched = f"q={search.ASKED_IN_URL}&" if choice.asked and not problem else ""
    added = _find_others(scope, content, members) if chosen else []
    ahead, ended, others = (
        _summarize(each, members.at, options) for each in (shown, members.past[:MAX_PAST], added)
    )
    title = strip_markup(texts.build_title(scope.name, options))
    page, feed = scope.build_url(query), scope.build_feed(content, options)
    alternates = {
        subscribe.build_feed_url(scope.feeds, extension, options): format_.media_type
        for extension, format_ in FORMATS.items()
    }
    alternates = {url: type_.partition(";")[0] for url, type_ in alternates.items()}
    alternates[site.build_oembed_url(page)] = "application/json+oembed"
    ways = (
        *subscribe.build_subscribe_links(scope.feeds, title, options),
        subscribe.build_computer_link(page),
    )
    return {
        "scope": scope,
        "status": texts.describe_group_status(scope.group) if scope.group else "",
        "groups": _order_groups(groups),
        "options": options,
        "understood": choice.understood,
        "asked": choice.asked,
        "problem": problem,
        "chosen": chosen,
        "chosen_count": len(members.all),
        "filters": texts.describe_filters(options, locale),
        "filtered": bool(query) and not chosen,
        "offered": _find_offered(content),
        "months": texts.group_by_month(ahead, locale),
        "ended": ended,
        "others": others,
        "later": f"?{searched}{to_query(structs.replace(options, first=later.first))}"
        if later
        else "",
        "later_count": len(members.ahead) - len(shown),
        "title": title,
        "headline": title,
        "description": f"Race calendar of {title}: dates, changes and cancellations, in your own"
        " calendar.",
        "owner": scope.owner,
        "canonical": scope.page,
        "page": page,
        "query": f"?{query}" if query else "",
        "hidden": parse_qsl(to_query(structs.replace(options, busy=False, registration=False))),
        # What the other forms send besides their own fields.
        "kept": parse_qsl(to_query(_select_kept(options, [*ahead, *ended, *others]))),
        "alternates": alternates,
        "ways": {way.key: way for way in ways},
        "qr": len(page) <= MAX_URL,
        "card": f"{site.public_url}/{templates.build_asset_url('card.png')}",
        "jsonld": jsonld.render_script(
            jsonld.build_list(
                feed,
                [(each.event, each.agenda) for each in shown[:MAX_DESCRIBED]],
                scope.owner,
            )
        ),
        "locale": locale,
        "dates": dates,
        "types": texts.TYPES,
        "left_out": pages.describe_left_out(ical.count_left_out(feed), "these", locale),
        "state": choice.state,
        "checked": pages.format_instant(choice.state.checked, ZoneInfo(site.timezone), locale),
    }


def _cut(ahead: tuple[Member, ...], first: date | None) -> tuple[tuple[Member, ...], Member | None]:
    """The races to show, and the first later one; a page has all races of its first day.

    ``first`` is the day from which races are asked for; some of them may have begun before.
    """
    for count, member in enumerate(ahead):
        if count >= MAX_SHOWN and member.first > max(ahead[0].first, first or ahead[0].first):
            return ahead[:count], member
    return ahead, None


def _summarize(
    members: Iterable[Member], at: datetime, options: Options
) -> list[texts.EventSummary]:
    locale = get_site().locale
    return [
        texts.summarize(each.event, each.agenda, at, locale, texts.select_ticks(each, options))
        for each in members
    ]


def _find_others(scope: Scope, content: Content, members: Members) -> Sequence[Member]:
    """Races that one may add to a choice."""
    chosen = {each.event.id for each in members.all}
    ahead = _list_members(scope, content, Options()).ahead
    return [each for each in ahead if each.event.id not in chosen][:MAX_SHOWN]


def _select_kept(options: Options, listed: Sequence[texts.EventSummary]) -> Options:
    """The options without filters, and without the events and runs that the page lists to tick."""
    events = {each.id for each in listed}
    runs = {tick.id for each in listed for tick in each.ticks}
    return Options(
        event=tuple(each for each in options.event if each not in events),
        run=tuple(each for each in options.run if each not in runs),
        busy=options.busy,
        registration=options.registration,
    )


def _find_offered(content: Content) -> dict[str, list[str]]:
    """The values of filters that tell the members apart."""
    editions = [timetable.edition for timetable in content.timetables]
    runs = [run for edition in editions for run in edition.event.runs]
    types, distances = ({each.event.type for each in editions}, {r.distance_standard for r in runs})
    return {
        "type": [each for each in texts.TYPES if each in types],
        "distance": [each for each in DISTANCES if each in distances],
        "virtual": ["no", "yes"] if {run.virtual for run in runs} == {True, False} else [],
    }


def _order_groups(groups: Sequence[Group]) -> list[tuple[Group, str]]:
    """The groups with their status, those that go on first."""
    ordered = sorted(groups, key=lambda each: each.status not in _STATUSES)
    return [(each, texts.describe_group_status(each)) for each in ordered]


blueprint.add_url_rule(
    "/groups/<group:slug>",
    endpoint="show_group",
    view_func=show_page,
    provide_automatic_options=False,
)

"""The feeds of the club and of its groups: one route for each format."""

from flask import Blueprint, Response

from feeds.domain import options
from feeds.domain.catalog import EVENTS, build_group_part
from feeds.domain.options import Options
from feeds.formats import FORMATS
from feeds.service.collections.entry import Content
from feeds.text import collections as texts
from feeds.web.addresses import read_query
from feeds.web.collections.responses import respond
from feeds.web.collections.scope import Scope
from feeds.web.conditional import Representation, build_filename, build_representation
from feeds.web.site import get_site

blueprint = Blueprint("collection_feeds", __name__)


def serve_feed(extension: str, slug: str = "") -> Response:
    """The feed of a group, or of the whole organization, with the options of the query."""
    format_, site = FORMATS[extension], get_site()
    chosen = options.parse(read_query().items(multi=True), format_.collection_options)
    query = options.to_query(chosen)
    entry = site.collections.get(slug or None, chosen)
    entry = site.collections.add_named(entry, chosen)
    return respond(
        entry,
        (build_group_part(slug) if slug else EVENTS, extension, query),
        lambda: _render(entry.content, extension, chosen, query),
        download=chosen.download,
    )


def _render(content: Content, extension: str, chosen: Options, query: str) -> Representation:
    site, format_ = get_site(), FORMATS[extension]
    scope = Scope(content.group, texts.build_name(content.organization, content.group), "")
    feed = site.build_collection_feed(
        content,
        texts.build_title(scope.name, chosen),
        scope.page,
        f"{scope.feeds}.{extension}{'?' if query else ''}{query}",
        chosen,
    )
    return build_representation(
        format_.render(feed),
        media_type=format_.media_type,
        # A list may change within the second in which a member changed: only an etag tells.
        last_modified=None,
        filename=f"{build_filename(scope.name) or 'races'}.{extension}",
    )


for extension in FORMATS:
    for path, endpoint in (
        ("/events", f"club_{extension}"),
        ("/groups/<group:slug>", f"group_{extension}"),
    ):
        blueprint.add_url_rule(
            f"{path}.{extension}",
            endpoint=endpoint,
            view_func=serve_feed,
            defaults={"extension": extension},
            provide_automatic_options=False,
        )

"""Responses with a representation of a collection, from the cache if its members are the list's."""

from collections.abc import Callable

from flask import Response, request

from feeds.domain.freshness import compute_max_age
from feeds.service.collections.entry import CollectionEntry, Content
from feeds.web.cache import Key, to_flask
from feeds.web.conditional import Representation, make_response
from feeds.web.operations.counting import mark_stale
from feeds.web.site import get_site


def respond(
    entry: CollectionEntry,
    content: Content,
    key: Key,
    render: Callable[[], Representation],
    *,
    finish: Callable[[Representation], Representation] | None = None,
    download: bool = False,
) -> Response:
    """The response with a representation of ``content``.

    It is kept in the cache if the content is that of the entry: events that a query names besides
    have no entry of their own.
    """
    site = get_site()
    if content is entry.content:
        return site.cache.respond_with(
            site.collections, key, entry, render, finish=finish, download=download
        )
    mark_stale(entry.expires)
    representation, now = render(), site.timestamp()
    return to_flask(
        make_response(
            finish(representation) if finish else representation,
            request.environ,
            now=now,
            max_age=compute_max_age(entry.expires, now, entry.least_max_age),
            download=download,
        )
    )

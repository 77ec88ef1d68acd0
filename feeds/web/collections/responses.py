"""Responses with a representation of a collection, from the cache if the list has its events."""

from collections.abc import Callable

from flask import Response, request

from feeds.domain.freshness import compute_max_age
from feeds.service.collections.entry import CollectionEntry
from feeds.web.cache import Key, to_flask
from feeds.web.conditional import Representation, make_response
from feeds.web.operations.counting import mark_stale
from feeds.web.site import get_site


def respond(
    entry: CollectionEntry,
    key: Key,
    render: Callable[[], Representation],
    *,
    finish: Callable[[Representation], Representation] | None = None,
    download: bool = False,
) -> Response:
    """The response with a representation of the content of ``entry``.

    The representation is kept in the cache, unless the content has events that the list lacks: the
    cache would not notice a change of these events.
    """
    site = get_site()
    if not entry.has_named:
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

"""Settings in, Flask application out."""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from time import time
from typing import NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from werkzeug.routing import BaseConverter

from feeds import config
from feeds.config import Settings
from feeds.domain import timezones as zones
from feeds.domain.freshness import Priority
from feeds.errors import DatabaseUnavailable, RateLimited, Unauthorized
from feeds.service import fingerprint as deployment
from feeds.service.editions import Editions
from feeds.service.refresh import Refresh
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.upstream.client import IntervalsClient
from feeds.web import embed as kit
from feeds.web import errors as problems
from feeds.web import feeds, pages
from feeds.web.cache import Delivery
from feeds.web.front import front

log = logging.getLogger(__name__)

_HERE = Path(__file__).parent
TEMPLATES = next(
    (path for path in (_HERE.parent / "templates", _HERE / "templates") if path.is_dir()),
    _HERE / "templates",
)
"""Beside the package in a checkout, within it in a wheel."""


def utc_now(timestamp: Callable[[], float] = time) -> datetime:
    """The clock: the one place that asks what time it is; in seconds, of POSIX time."""
    return datetime.fromtimestamp(timestamp(), UTC)


class _Identifier(BaseConverter):
    """Ids of events; anything else is 404 before the upstream is asked."""

    regex = "[A-Za-z0-9_-]{1,64}"


class Parts(NamedTuple):
    """What the service is made of, below what answers requests.

    ``since`` answers when it began to write bytes as it does now, and has made sure by then that
    the database can be used.
    """

    source: IntervalsClient
    database: Database
    editor: Updater
    reporter: Refresh
    since: Callable[[], datetime]


def assemble(
    settings: Settings, clock: Callable[[], datetime] = utc_now, *, made: bool = False
) -> Parts:
    """The parts that the web processes and the refresher have in common.

    A database that was ``made`` by a command is not made anew while it is away.
    """
    fingerprint = _fingerprint(settings)
    source = IntervalsClient(settings.api_url, settings.api_key)
    database = Database(settings.database_url)
    since = cache(lambda: database.open(settings.api_url, fingerprint, clock(), made=made))
    editor = Updater(
        source,
        database,
        clock,
        home=settings.timezone,
        public_url=settings.public_url,
        rate=settings.rate,
        fingerprint=fingerprint,
        cap=settings.max_age,
    )
    return Parts(source, database, editor, Refresh(editor, database, clock), since)


def create_app(
    settings: Settings | None = None,
    timestamp: Callable[[], float] = time,
    *,
    made: bool = False,
) -> Flask:
    """The service as a WSGI application; without settings, those of the environment.

    ``timestamp`` is its only clock, in POSIX time. It can be forked: what processes may share is
    loaded, and no connection is open.

    Raises ``SettingsError`` when they cannot be used. A database that is away does not count: a
    process that takes the place of another one meanwhile must not end them all, nor, if it was
    ``made`` when the service started, put an empty one in its place.
    """
    settings = settings or config.read(os.environ)
    clock = partial(utc_now, timestamp)
    parts = assemble(settings, clock, made=made)
    try:
        parts.since()
    except DatabaseUnavailable as error:
        log.warning("%s", error)
    parts.database.close()
    zones.load_boundaries()
    newsroom = Editions(parts.editor, parts.reporter, parts.database, clock)

    app = Flask("feeds", template_folder=str(TEMPLATES), static_folder=None)
    app.url_map.converters["id"] = _Identifier
    # Else a doubled slash is redirected to an address made from the Host header.
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    delivery = Delivery(newsroom, timestamp, settings.timezone, parts.since)
    app.extensions["delivery"] = delivery
    # As Flask's manual has it; the checker sees a method.
    app.wsgi_app = front(_plain(app.wsgi_app), delivery)  # type: ignore[method-assign,assignment]
    for module in (feeds, pages, kit, problems):
        app.register_blueprint(module.blueprint)
    return app


def _plain(application: WSGIApplication) -> WSGIApplication:
    """The application without what werkzeug's router makes of some requests.

    No path is the root (RFC 9110 4.2.3), not a redirect to an address made from Host; and a wish
    for another protocol is ignored (7.8), not refused.
    """

    def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        environ.pop("HTTP_UPGRADE", None)
        return application(environ, start_response)

    return plain


def check(settings: Settings) -> None:
    """What has to be right before the first worker starts; it costs one call of the upstream.

    Raises ``SettingsError`` if the database cannot be used, or holds events of another upstream or
    organization, and the ``UpstreamError`` that keeps the organization from being known.
    """
    parts = assemble(settings)
    with closing(parts.database):  # the process that checks is the one that forks
        parts.since()
        now = utc_now()
        parts.database.count_call(settings.rate.quota_for(Priority.URGENT), now)
        try:
            organization = parts.source.fetch_organization()
        except (RateLimited, Unauthorized) as error:
            parts.reporter.close(error, now)
            raise
        parts.database.bind_organization(organization, now)


def _fingerprint(settings: Settings) -> str:
    return deployment.fingerprint(TEMPLATES, settings.timezone, settings.public_url)

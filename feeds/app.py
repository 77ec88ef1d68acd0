"""Settings in, Flask application out."""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from time import time
from typing import NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from feeds import config, metrics
from feeds.clock import utc_now
from feeds.config import Settings
from feeds.domain import timezones
from feeds.domain.catalog import ORGANIZATION, Organization
from feeds.domain.model import ID_PATTERN, SLUG_PATTERN
from feeds.domain.quota import Priority
from feeds.errors import (
    DatabaseUnusable,
    RateLimited,
    SettingsError,
    StorageUnavailable,
    Unauthorized,
)
from feeds.fingerprint import compute_fingerprint
from feeds.service.admission import Bulkhead
from feeds.service.calls import Calls
from feeds.service.collections.catalog import Catalog
from feeds.service.collections.collections import Collections
from feeds.service.collections.refresh import CatalogRefresh
from feeds.service.editions import Editions
from feeds.service.invalidation import Invalidation
from feeds.service.operations.health import Health
from feeds.service.refresh import Refresh
from feeds.service.repository import EditionRepository
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.upstream.client import IntervalsClient
from feeds.web import addresses, embed, errors, feeds, oembed, pages, resources
from feeds.web.cache import RepresentationCache
from feeds.web.collections import feeds as collection_feeds
from feeds.web.collections import home, qr, widget
from feeds.web.collections import pages as collection_pages
from feeds.web.collections.memory import PageMemory
from feeds.web.operations import health, requests
from feeds.web.operations.counting import count_requests
from feeds.web.site import Site

log = logging.getLogger(__name__)

COLLECTIONS = (collection_feeds, home, collection_pages, widget, qr)
"""The modules with the views of the club and of its groups."""

_HERE = Path(__file__).parent
TEMPLATES = next(
    (path for path in (_HERE.parent / "templates", _HERE / "templates") if path.is_dir()),
    _HERE / "templates",
)
"""Beside the package in a checkout, within it in a wheel."""


class _EventId(BaseConverter):
    """Ids of events; anything else is 404 before the upstream is asked."""

    regex = ID_PATTERN


class _GroupSlug(BaseConverter):
    """Slugs of groups."""

    regex = f"{SLUG_PATTERN}?"


class Parts(NamedTuple):
    """The parts below HTTP, which web processes, the refresher and the warm-up have in common.

    ``open_database`` creates and checks the tables, once; it raises ``SettingsError`` if the
    database cannot be used. ``fingerprint`` is that of the deployment.
    """

    source: IntervalsClient
    database: Database
    invalidation: Invalidation
    refresh: Refresh
    calls: Calls
    catalog: Catalog
    catalog_refresh: CatalogRefresh
    bulkhead: Bulkhead
    open_database: Callable[[], None]
    fingerprint: str


def assemble(
    settings: Settings, clock: Callable[[], datetime] = utc_now, *, must_exist: bool = False
) -> Parts:
    """Connect the parts; nothing is opened yet.

    A database that ``must_exist`` is not created where it is missing.
    """
    digest = compute_fingerprint(TEMPLATES, settings.timezone, settings.locale, settings.public_url)
    source = IntervalsClient(settings.api_url, settings.api_key, clock=lambda: clock().timestamp())
    database = Database(settings.database_url)
    invalidation = Invalidation(database, clock)
    open_database = cache(lambda: database.open(settings.api_url, clock(), must_exist=must_exist))
    repository = EditionRepository(
        database,
        clock,
        open_database=partial(_open_late, open_database),
        timezone=settings.timezone,
        locale=settings.locale,
        public_url=settings.public_url,
        rate=settings.rate,
        count_polled=invalidation.count_polled,
        fingerprint=digest,
        cap=settings.max_age,
        confirm_after=settings.confirm_after,
    )
    calls, bulkhead = Calls(database, clock, settings.rate), Bulkhead()
    catalog_refresh = CatalogRefresh(source, calls, database, clock)
    catalog = Catalog(catalog_refresh, clock, bulkhead)
    updater = Updater(
        source,
        repository,
        database,
        clock,
        settings.rate,
        find_recurrences=catalog.find_recurrences,
        confirm_after=settings.confirm_after,
    )
    return Parts(
        source,
        database,
        invalidation,
        Refresh(updater, repository, database, calls, clock, cap=settings.max_age),
        calls,
        catalog,
        catalog_refresh,
        bulkhead,
        open_database,
        digest,
    )


def _open_late(open_database: Callable[[], None]) -> None:
    """Open the database during a request, which cannot report invalid settings to the operator."""
    try:
        open_database()
    except SettingsError:
        raise StorageUnavailable from None


def create_app(
    settings: Settings | None = None,
    timestamp: Callable[[], float] = time,
    *,
    must_exist: bool = False,
) -> Flask:
    """The service as a WSGI application; without settings, those of the environment.

    ``timestamp`` is the application's only clock, in POSIX time. The application can be forked:
    everything that processes can share is loaded, and no connection is open.

    Raises ``SettingsError`` if the settings cannot be used. An unavailable database is logged
    instead: a worker that replaces another one meanwhile must not end the whole service. If the
    database ``must_exist``, since it did when the service started, none is created in its place.
    """
    settings = settings or config.read(os.environ)
    clock = partial(utc_now, timestamp)
    parts = assemble(settings, clock, must_exist=must_exist)
    try:
        parts.open_database()
    except DatabaseUnusable as error:
        log.warning("%s", error)
    parts.database.close()
    timezones.load_boundaries()
    timezones.find_yearly_rules(settings.timezone)

    app = Flask("feeds", template_folder=str(TEMPLATES), static_folder=None)
    app.url_map.converters |= {"id": _EventId, "group": _GroupSlug}
    # With merging, a doubled slash is redirected to an address made from the Host header.
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    editions = Editions(
        parts.refresh,
        parts.database,
        parts.invalidation,
        clock,
        bulkhead=parts.bulkhead,
        note_saves=parts.catalog.note_saves,
    )
    collections = Collections(
        parts.catalog,
        editions,
        parts.database,
        parts.invalidation,
        clock,
        bulkhead=parts.bulkhead,
    )
    recorder = metrics.get()
    note_hit = recorder.hits.append if recorder else None
    representations = RepresentationCache(editions, timestamp, note_hit)
    app.extensions["site"] = Site(
        editions,
        collections,
        parts.catalog,
        representations,
        timestamp,
        settings.public_url,
        settings.timezone,
        settings.locale,
        parts.fingerprint,
    )
    app.extensions["page_memory"] = PageMemory()
    proxies = settings.trusted_proxies
    choose_id = requests.take_id if proxies else requests.make_id
    application = requests.identify(_normalize(app.wsgi_app), choose_id)
    application = representations.middleware(application, choose_id)
    if proxies:
        # Host and path stay as sent: links are made from FEEDS_PUBLIC_URL.
        application = ProxyFix(application, x_for=proxies, x_proto=proxies, x_host=0)
    if settings.access_log:
        application = requests.log_requests(application)
    # Flask's documentation replaces wsgi_app like this; mypy sees a method.
    app.wsgi_app = application  # type: ignore[method-assign,assignment]
    for module in (addresses, feeds, pages, resources, embed, oembed, errors, *COLLECTIONS):
        app.register_blueprint(module.blueprint)
    readiness = Health(parts.database.overview, clock, settings.rate)
    app.register_blueprint(health.build_blueprint(readiness))
    if recorder:
        count_requests(app, recorder)
    return app


def _normalize(application: WSGIApplication) -> WSGIApplication:
    """The application, with requests changed that werkzeug's router would answer wrongly.

    An empty path is the root (RFC 9110 4.2.3), not a redirect to an address made from Host. A
    request for another protocol is ignored (RFC 9110 7.8), not refused.
    """

    def normalize(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        environ.pop("HTTP_UPGRADE", None)
        return application(environ, start_response)

    return normalize


def check(settings: Settings) -> Organization:
    """Check the database and the key before the first worker starts, with one upstream call.

    Returns the organization of the key.

    Raises ``SettingsError`` if the database cannot be used, or holds events of another upstream or
    organization, ``StorageUnavailable`` if a refusal of the upstream cannot be stored, and the
    ``UpstreamError`` that keeps the organization from being known.
    """
    parts = assemble(settings)
    with closing(parts.database):  # the process that checks is the one that forks
        parts.open_database()
        now = utc_now()
        parts.database.count_call(settings.rate.quota_for(Priority.URGENT), now)
        try:
            organization = parts.source.fetch_organization()
        except (RateLimited, Unauthorized) as error:
            parts.calls.close_upstream(error, now)
            raise
        parts.database.bind_organization(organization.id, now)
        with suppress(StorageUnavailable):
            parts.catalog_refresh.store(ORGANIZATION, organization)
    return organization

"""The parts and settings of one application that its views share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from flask import current_app

from feeds.domain.catalog import Group
from feeds.domain.entries import Timetable
from feeds.domain.feed import Feed, build_page_url
from feeds.domain.model import Edition
from feeds.domain.options import Options
from feeds.service.collections.catalog import Catalog
from feeds.service.collections.collections import Collections
from feeds.service.collections.entry import Content
from feeds.service.editions import Editions
from feeds.text.collections import build_about
from feeds.web.cache import RepresentationCache

MAX_WAIT = 2.0
"""Seconds that a page waits for the name of the organization and for the groups."""


class Site(NamedTuple):
    """The parts and settings of one application.

    ``timestamp`` is the clock, in POSIX time; ``timezone`` and ``locale`` are as in ``Settings``.
    """

    editions: Editions
    collections: Collections
    catalog: Catalog
    cache: RepresentationCache
    timestamp: Callable[[], float]
    public_url: str
    timezone: str
    locale: str
    fingerprint: str

    def clock(self) -> datetime:
        """The current time, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def find_owner(self) -> str:
        """The name of the organization; empty if it is unknown."""
        organization = self.catalog.get_organization(MAX_WAIT)
        return organization.name if organization else ""

    def list_groups(self) -> tuple[Group, ...]:
        """All groups of the organization that are known."""
        return self.catalog.list_groups(MAX_WAIT)

    def build_page_url(self, event_id: str) -> str:
        """The URL of an event's page; with an extension added, the URL of a feed."""
        return build_page_url(self.public_url, event_id)

    def build_oembed_url(self, page: str) -> str:
        """The URL at which other sites ask how to embed a page (oEmbed 1.0, section 4)."""
        return f"{self.public_url}/oembed?url={quote(page, safe='')}&format=json"

    def build_feed(
        self, timetable: Timetable, title: str, source: str, options: Options | None = None
    ) -> Feed:
        """The feed of one event, with ``source`` as its own URL."""
        return Feed(
            title=title,
            page=self.build_page_url(timetable.edition.event.id),
            source=source,
            public_url=self.public_url,
            timezone=self.timezone,
            locale=self.locale,
            timetables=(timetable,),
            options=options or Options(),
        )

    def build_collection_feed(
        self, content: Content, title: str, page: str, source: str, options: Options
    ) -> Feed:
        """The feed of a collection, with ``source`` as its own URL."""
        return Feed(
            title=title,
            page=page,
            source=source,
            public_url=self.public_url,
            timezone=self.timezone,
            locale=self.locale,
            timetables=content.timetables,
            options=options,
            listed=content.listed,
            about=build_about(content.group),
        )

    def get_last_modified(self, edition: Edition) -> datetime | None:
        """Last-Modified of the feeds of an edition.

        None while two deployments share the database and the other one saved the edition: this one
        may render other bytes of it.
        """
        return edition.modified if edition.deployment == self.fingerprint else None


def get_site() -> Site:
    site: Site = current_app.extensions["site"]
    return site

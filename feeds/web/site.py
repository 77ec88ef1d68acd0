"""What the views of one application share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from flask import current_app

from feeds.domain.entries import build_timetable
from feeds.domain.feed import Feed, build_page_url
from feeds.domain.model import Edition, Options
from feeds.errors import SettingsError, StorageUnavailable
from feeds.service.editions import Editions
from feeds.web.cache import RepresentationCache


class Site(NamedTuple):
    """``timestamp`` is the clock, in POSIX time. ``timezone`` is that of events without a place.

    ``read_deployed_at`` answers since when the service writes bytes as it does now.
    """

    editions: Editions
    cache: RepresentationCache
    timestamp: Callable[[], float]
    public_url: str
    timezone: str
    read_deployed_at: Callable[[], datetime]

    def clock(self) -> datetime:
        """The time now, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    @property
    def deployed_at(self) -> datetime:
        """Since when the service writes bytes as it does now; raises ``StorageUnavailable``."""
        try:
            return self.read_deployed_at()
        except SettingsError:
            raise StorageUnavailable from None

    def page_url(self, event_id: str) -> str:
        """The address of an event's page; with an extension added, of its feeds."""
        return build_page_url(self.public_url, event_id)

    def build_feed(
        self, edition: Edition, title: str, source: str, options: Options | None = None
    ) -> Feed:
        """The feed of an event, at no time in particular."""
        return Feed(
            title=title,
            page=self.page_url(edition.event.id),
            source=source,
            timezone=self.timezone,
            timetables=(build_timetable(edition, self.timezone),),
            options=options or Options(),
            deployed_at=self.deployed_at,
        )


def get_site() -> Site:
    """The site of the application that handles this request."""
    site: Site = current_app.extensions["site"]
    return site

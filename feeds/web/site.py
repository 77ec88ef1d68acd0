"""The parts and settings of one application that its views share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from flask import current_app

from feeds.domain.entries import Timetable
from feeds.domain.feed import Feed, build_page_url
from feeds.domain.model import Options
from feeds.errors import SettingsError, StorageUnavailable
from feeds.service.editions import Editions
from feeds.web.cache import RepresentationCache


class Site(NamedTuple):
    """The parts and settings of one application.

    ``timestamp`` is the clock, in POSIX time. ``timezone`` is the name of the zone of events
    without a place. ``read_deployed_at`` returns since when the service has written the bytes that
    it writes now, and raises ``SettingsError`` if the database cannot be used.
    """

    editions: Editions
    cache: RepresentationCache
    timestamp: Callable[[], float]
    public_url: str
    timezone: str
    read_deployed_at: Callable[[], datetime]

    def clock(self) -> datetime:
        """The current time, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    @property
    def deployed_at(self) -> datetime:
        """What ``read_deployed_at`` returns; raises ``StorageUnavailable``."""
        try:
            return self.read_deployed_at()
        except SettingsError:
            raise StorageUnavailable from None

    def build_page_url(self, event_id: str) -> str:
        """The URL of an event's page; with an extension added, the URL of a feed."""
        return build_page_url(self.public_url, event_id)

    def build_feed(
        self, timetable: Timetable, title: str, source: str, options: Options | None = None
    ) -> Feed:
        """The feed of one event, with ``source`` as its own URL and no time set."""
        return Feed(
            title=title,
            page=self.build_page_url(timetable.edition.event.id),
            source=source,
            timezone=self.timezone,
            timetables=(timetable,),
            options=options or Options(),
            deployed_at=self.deployed_at,
        )


def get_site() -> Site:
    """The site of the application that handles the current request."""
    site: Site = current_app.extensions["site"]
    return site

"""The result of a look-up or a refresh: one value that every caller is handed."""

from datetime import datetime, timedelta

from msgspec import Struct, structs

from feeds.domain.freshness import FAILURE_CACHED_FOR, MAX_CLOCK_SKEW, Lifetime
from feeds.domain.model import Edition
from feeds.errors import EventNotFound, FeedsError


class CacheEntry(Struct, frozen=True, weakref=True):
    """What is known of an event id, valid from ``since`` until ``until`` (UTC).

    ``edition`` is the last good edition, with its ``lifetime``. ``error`` is why there is no
    edition, or no newer one.
    """

    since: datetime
    until: datetime
    edition: Edition | None = None
    lifetime: Lifetime | None = None
    error: FeedsError | None = None

    @property
    def failed(self) -> bool:
        """Whether the last attempt at a newer edition failed."""
        return self.error is not None

    def get_edition(self) -> Edition:
        """The edition; raises a copy of the error for which there is none."""
        if self.edition is None:
            raise (self.error or EventNotFound()).copy()  # other requests raise it, too
        return self.edition

    @property
    def max_age(self) -> timedelta:
        """How old the edition may get."""
        return self.lifetime.max_age if self.lifetime else FAILURE_CACHED_FOR

    @property
    def is_fresh(self) -> bool:
        """Whether the edition may be served without a refresh.

        An edition from the future is not: the clock was set back since.
        """
        edition = self.edition
        return edition is not None and edition.fetched - MAX_CLOCK_SKEW <= self.since < self.until

    @property
    def expires(self) -> float | None:
        """When clients need a newer edition, in POSIX time; None after a failed refresh."""
        return None if self.failed else self.until.timestamp()

    def invalidate(self) -> "CacheEntry":
        """The same entry, to be read from the database again before it is served."""
        return structs.replace(self, until=self.since)

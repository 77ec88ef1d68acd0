"""The result of a look-up or a refresh: one value that every caller is handed."""

from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct, structs

from feeds.domain.entries import Timetable
from feeds.domain.freshness import FAILURE_CACHED_FOR, MAX_CLOCK_SKEW, Lifetime
from feeds.domain.model import Edition
from feeds.errors import EventNotFound, FeedsError


class Snapshot(NamedTuple):
    """An edition with its entries and its lifetime, each computed once."""

    timetable: Timetable
    lifetime: Lifetime


class CacheEntry(Struct, frozen=True, weakref=True):
    """What is known of an event id, valid from ``since`` until ``until`` (UTC).

    ``snapshot`` is of the last good edition. ``error`` is why there is no newer edition, or no
    edition at all. ``token`` names what the database held (empty: nothing).
    """

    since: datetime
    until: datetime
    snapshot: Snapshot | None = None
    error: FeedsError | None = None
    token: str = ""

    @property
    def edition(self) -> Edition | None:
        return self.snapshot.timetable.edition if self.snapshot else None

    @property
    def content(self) -> Edition:
        return self.get_timetable().edition

    @property
    def failed(self) -> bool:
        """Whether the last attempt at a newer edition failed."""
        return self.error is not None

    def get_timetable(self) -> Timetable:
        """The timetable of the edition; raises a copy of the error if no edition is known."""
        if self.snapshot is None:
            raise (self.error or EventNotFound()).copy()  # other requests raise it, too
        return self.snapshot.timetable

    @property
    def max_age(self) -> timedelta:
        return self.snapshot.lifetime.max_age if self.snapshot else FAILURE_CACHED_FOR

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

    @property
    def least_max_age(self) -> int:
        """The shortest max-age, in seconds."""
        return 1

    def invalidate(self) -> "CacheEntry":
        """The same entry, to be read from the database again before it is served."""
        return structs.replace(self, until=self.since)

"""One event at a time: claims it, asks the upstream, and remembers what came of that for all.

Whatever the upstream does, the last good edition stays until there is a better one.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from feeds.domain import freshness
from feeds.domain.freshness import Priority
from feeds.domain.model import Edition
from feeds.errors import (
    EventNotFound,
    FeedsError,
    Forbidden,
    InvalidResponse,
    QuotaExhausted,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
    UpstreamError,
)
from feeds.logs import Sparing
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease, Leased

log = logging.getLogger(__name__)

ADVICE = {
    Unauthorized: " Check INTERVALS_PARTNER_API_KEY.",
    Forbidden: " It needs the scope read:events.",
}
"""What an operator can do about it."""


class CacheEntry(Struct, frozen=True, weakref=True):
    """What is known of an id from ``since`` to ``until``.

    An edition, the last good one; ``error`` is why there is none, or no newer one.
    """

    since: datetime
    until: datetime
    edition: Edition | None = None
    error: FeedsError | None = None


class Refresh:
    """Refreshes the events of one upstream; threads may share it."""

    def __init__(self, editor: Updater, database: Database, clock: Callable[[], datetime]) -> None:
        self._editor = editor
        self._database = database
        self._clock = clock
        self._sparing = Sparing(log, lambda: clock().timestamp())

    def stored(self, event_id: str, last: Edition | None = None) -> CacheEntry:
        """The edition that was saved last; ``last`` itself if that is it, or is newer."""
        edition = self._editor.stored(event_id, last)
        now = self._clock()
        until = self._editor.fresh_until(edition) if edition else now
        return CacheEntry(now, until, edition)

    def claim(
        self, event_id: str, known: Edition | None, *, polled: bool = True
    ) -> Lease | CacheEntry | Leased:
        """Claim an event, for a poll or for the refresher.

        A report says what there is instead: an edition that somebody else has saved, however old,
        or why no call can be made.
        """
        now = self._clock()
        share = freshness.choose_priority(self._editor.span(known) if known else None, now)
        allowance = self._editor.rate.quota_for(share if polled else Priority.REFRESHER)
        claimed = self._database.acquire(event_id, known, allowance, now)
        if isinstance(claimed, Edition):
            return self.stored(event_id, known)
        if isinstance(claimed, Lease) and self._clock() - now > freshness.MAX_ACQUIRE_TIME:
            self._database.release(claimed)
            return Leased(self._clock())
        if polled and isinstance(claimed, QuotaExhausted):
            self._tell(event_id, claimed)
        if isinstance(claimed, UpstreamError):
            return self._without(known, claimed, now)
        return claimed

    def report(self, claim: Lease, known: Edition | None, *, polled: bool = True) -> CacheEntry:
        """Carry out a claim; ``known`` is the edition that it was made with."""
        try:
            edition = self._editor.renewed(claim, known, polled=polled)
        except UpstreamError as error:
            return self._failed(claim, error, known)
        except StorageUnavailable as error:
            return self._without(known, error, self._clock())
        except Exception:  # a fault of ours must not leave the event claimed, nor those who wait
            log.exception("event %s cannot be refreshed", claim.event_id)
            return self._failed(claim, InvalidResponse(), known)
        return CacheEntry(self._clock(), self._editor.fresh_until(edition), edition)

    def close(self, error: UpstreamError, now: datetime) -> datetime:
        """Have no call made by anybody for as long as this refusal asks for; until when."""
        window = self._editor.rate.window
        closed = freshness.compute_reopening(now, error.retry_at, window)
        self._database.close_upstream(closed, error, now, window)
        return closed

    def _failed(self, claim: Lease, error: UpstreamError, known: Edition | None) -> CacheEntry:
        """What there was, or why there is nothing, for as long as a failure is remembered."""
        now = self._clock()
        retry = now + freshness.FAILURE_CACHED_FOR
        try:
            if not known and isinstance(error, Forbidden) and self._database.has_events():
                error = EventNotFound()  # the key reads events: this one is not there for it
            self._tell(claim.event_id, error)
            if isinstance(error, EventNotFound) and not known:
                retry = freshness.compute_unknown_expiry(now, self._editor.cap)
            elif isinstance(error, RateLimited | Unauthorized) or (
                known and isinstance(error, Forbidden)
            ):  # which would meet the next event as well
                error.retry_at = self.close(error, now)
                retry = min(retry, error.retry_at)
            error.retry_at = error.retry_at or retry
            self._database.fail(claim, error, retry)
        except StorageUnavailable as away:
            return self._without(known, away, now)
        return CacheEntry(now, retry, known, error)

    def _without(self, known: Edition | None, error: FeedsError, now: datetime) -> CacheEntry:
        """What is told for want of a newer edition, until there may be one."""
        retry = now + (
            freshness.INVALIDATION_INTERVAL
            if isinstance(error, StorageUnavailable)
            else freshness.FAILURE_CACHED_FOR
        )
        return CacheEntry(now, min(retry, error.retry_at or retry), known, error)

    def _tell(self, event_id: str, error: UpstreamError) -> None:
        advice = ADVICE.get(type(error), "")
        self._sparing.tell(type(error).__name__, "event %s: %s%s", event_id, error, advice)

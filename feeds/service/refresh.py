"""Refresh one event: take its lease and a call, fetch, store the result or the failure."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic

from msgspec import structs

from feeds import metrics
from feeds.domain import freshness
from feeds.domain.freshness import FAILURE_CACHED_FOR, INVALIDATION_INTERVAL
from feeds.domain.quota import Priority, choose_priority
from feeds.errors import (
    EventNotFound,
    FeedsError,
    Forbidden,
    InvalidResponse,
    OtherOrganization,
    QuotaExhausted,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
    UpstreamError,
)
from feeds.logs import MINUTE, REPEATED, Throttle
from feeds.service.calls import Calls
from feeds.service.entry import CacheEntry, Snapshot
from feeds.service.repository import EditionRepository
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import HeldByOther, Lease
from feeds.store.schema import REFILL

log = logging.getLogger(__name__)

MAX_CONCURRENT_REFRESHES = 4
"""Refreshes of known events in a process at a time; ids never seen have as many of their own."""

REFUSAL_PAUSES = tuple(timedelta(minutes=each) for each in (1, 2, 5, 10))
"""After how long an event that was refused once, twice, and so on is asked for again."""

ADVICE: Mapping[type[FeedsError], str] = {
    Unauthorized: " Check INTERVALS_PARTNER_API_KEY.",
    Forbidden: " It needs the scope read:events.",
    OtherOrganization: " The key belongs to another organization than the database.",
}
"""What an operator can do about an error, to be appended to its message."""

UNSEEN_ADVICE = {
    Priority.UNSEEN: f" Ids that are not stored have half of it. After a lost database: {REFILL}.",
    Priority.GUESS: " A client that asks for ids that do not exist has a quarter of it."
    f" After a lost database: {REFILL}.",
}


class Refresh:
    """Refreshes the events of one upstream; threads may share it.

    ``cap`` is the longest max-age. Whatever the upstream does, the last good edition stays until
    there is a newer one.
    """

    def __init__(
        self,
        updater: Updater,
        repository: EditionRepository,
        database: Database,
        calls: Calls,
        clock: Callable[[], datetime],
        *,
        cap: timedelta | None = None,
    ) -> None:
        self._updater = updater
        self._repository = repository
        self._database = database
        self._clock = clock
        self._calls = calls
        self._cap = cap
        self._throttle = Throttle(log, lambda: clock().timestamp())

    @property
    def window(self) -> timedelta:
        return self._calls.rate.window

    def read(self, event_id: str, last: CacheEntry | None = None) -> CacheEntry:
        """The edition saved last; that of ``last`` if the database has none.

        As ``EditionRepository.read``, which raises ``StorageUnavailable``.
        """
        snapshot, token = self._repository.read(event_id, last.snapshot if last else None)
        now = self._clock()
        until = snapshot.lifetime.expires if snapshot else now
        return CacheEntry(now, until, snapshot, token=token)

    def acquire(
        self,
        event_id: str,
        known: CacheEntry,
        *,
        polled: bool = True,
        guessed: bool = False,
        listed: bool = False,
    ) -> Lease | CacheEntry | HeldByOther:
        """Take the event's lease and a call, for a poll or for the background refresher.

        ``guessed`` is whether the client has asked for too many ids that do not exist, ``listed``
        whether the upstream lists the event.
        Otherwise returns the reason: the edition that another process has saved, however old; an
        entry with the error for which no call can be made; or ``HeldByOther``.
        Raises ``StorageUnavailable``.
        """
        spans = known.snapshot.timetable.list_spans() if known.snapshot else None
        now = self._clock()
        poll = choose_priority(spans, now, guessed=guessed, listed=listed)
        priority = poll if polled else Priority.REFRESHER
        acquired = self._calls.acquire(event_id, known.token, priority)
        match acquired:
            case Lease() | HeldByOther():
                return acquired
            case UpstreamError():
                if polled and isinstance(acquired, QuotaExhausted):
                    self._log(event_id, acquired, UNSEEN_ADVICE.get(priority, ""))
                return self._without_update(known, acquired, now)
            case None:
                return self.read(event_id, known)

    def fetch(self, lease: Lease, known: CacheEntry, *, polled: bool = True) -> CacheEntry:
        """Make the call of a lease; ``known`` is the entry with which it was acquired.

        If the event may be gone, and it is not known whether the upstream lists any other event,
        another event is refreshed as well, with its own lease and call.
        """
        entry = self._fetch(lease, known, polled=polled)
        with suppress(StorageUnavailable):
            return self._ask_witness(entry, polled=polled)
        return entry

    def _ask_witness(self, entry: CacheEntry, *, polled: bool) -> CacheEntry:
        """The entry, after another event was refreshed if that event decides (rules 3.8)."""
        if entry.snapshot is None or entry.failed:
            return entry
        witness = self._updater.find_witness(entry.snapshot.timetable.edition)
        if witness is None:
            return entry
        last = self.read(witness.event_id)
        if last.is_fresh and not witness.is_listed:  # it was missing a moment ago
            return entry
        acquired = self.acquire(witness.event_id, last, polled=polled)
        if not isinstance(acquired, Lease):
            return entry
        self._fetch(acquired, last, polled=polled)
        return self._build_entry(self._updater.confirm_gone(entry.snapshot))

    def _fetch(self, lease: Lease, known: CacheEntry, *, polled: bool) -> CacheEntry:
        began = monotonic()
        entry = self._fetch_and_save(lease, known, polled=polled)
        if recorder := metrics.get():
            outcome = type(entry.error).__name__ if entry.error else "saved"
            recorder.observe_refresh(outcome, monotonic() - began)
        return entry

    def _fetch_and_save(self, lease: Lease, known: CacheEntry, *, polled: bool) -> CacheEntry:
        try:
            snapshot = self._updater.fetch_and_save(lease, known.snapshot, polled=polled)
        except UpstreamError as error:
            return self._store_failure(lease, error, known)
        except StorageUnavailable as error:
            return self._without_update(known, error, self._clock())
        except Exception:  # a bug must not keep the event leased, nor requests waiting
            log.exception("event %s cannot be refreshed", lease.key)
            return self._store_failure(lease, InvalidResponse(), known)
        return self._build_entry(snapshot)

    def _build_entry(self, snapshot: Snapshot) -> CacheEntry:
        token = snapshot.timetable.edition.token
        return CacheEntry(self._clock(), snapshot.lifetime.expires, snapshot, token=token)

    def _store_failure(self, lease: Lease, error: UpstreamError, known: CacheEntry) -> CacheEntry:
        """Store why a call failed; all processes wait with the next one for a minute, or longer."""
        now = self._clock()
        retry = now + FAILURE_CACHED_FOR
        refused = known.edition is not None and isinstance(error, Forbidden | OtherOrganization)
        try:
            if not known.edition and isinstance(error, Forbidden) and self._database.has_events():
                error = EventNotFound()  # the key reads other events: this one does not exist
            self._log(lease.key, error, ADVICE.get(type(error), ""))
            if isinstance(error, EventNotFound) and not known.edition:
                retry = freshness.compute_unknown_expiry(now, self._cap)
            elif refused:
                retry = now + REFUSAL_PAUSES[min(lease.refusals, len(REFUSAL_PAUSES) - 1)]
            if self._concerns_all_events(error, lease, refused=refused):
                error = error.copy(retry_at=self._calls.close_upstream(error, now))
                retry = min(retry, error.retry_at or retry)
            error = error.copy(retry_at=error.retry_at or retry)
            self._database.fail(lease, error, retry, refused=refused)
        except StorageUnavailable as unavailable:
            return self._without_update(known, unavailable, now)
        return structs.replace(known, since=now, until=retry, error=error)

    def _concerns_all_events(self, error: UpstreamError, lease: Lease, *, refused: bool) -> bool:
        """Whether the next call for another event would fail as well.

        A 403 concerns all events if another event got one, and no answer was good since. An event
        that was refused the last time, too, says nothing new.
        """
        if refused and isinstance(error, Forbidden) and not lease.refusals:
            return self._database.note_forbidden(lease.key)
        return isinstance(error, RateLimited | Unauthorized)

    def _without_update(self, known: CacheEntry, error: FeedsError, now: datetime) -> CacheEntry:
        """The known edition with the error for which it is not updated."""
        unavailable = isinstance(error, StorageUnavailable)
        retry = now + (INVALIDATION_INTERVAL if unavailable else FAILURE_CACHED_FOR)
        until = min(retry, error.retry_at or retry)
        return structs.replace(known, since=now, until=until, error=error)

    def _log(self, event_id: str, error: UpstreamError, advice: str) -> None:
        cause = type(error).__name__ + advice
        interval = REPEATED if isinstance(error, InvalidResponse) else MINUTE
        self._throttle.warning(cause, "event %s: %s%s", event_id, error, advice, interval=interval)

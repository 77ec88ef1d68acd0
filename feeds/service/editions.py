"""The current edition of an event: from memory, from the database, or freshly reported.

Requests that want the same edition wait for one refresh, as long as ``freshness`` says; it goes on
in a thread of its own when they have left.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event as Flag
from threading import Lock, Semaphore, Thread
from time import monotonic, sleep

from msgspec import Struct, structs

from feeds.domain import freshness
from feeds.domain.freshness import MAX_CLOCK_SKEW, MaxAge
from feeds.domain.model import Edition, Event
from feeds.domain.schedule import UNLISTED_SHOWN_FOR
from feeds.errors import (
    EventGone,
    EventNotFound,
    Overloaded,
    StorageUnavailable,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.service.bulkhead import Bulkhead
from feeds.service.invalidation import Invalidation
from feeds.service.recent import Recent
from feeds.service.refresh import CacheEntry, Refresh
from feeds.service.singleflight import Aside
from feeds.service.update import Updater
from feeds.store.database import Database
from feeds.store.leases import Lease

log = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Events, and ids that are none, that a process keeps in memory."""

MOST_REFRESHES = 64
"""Refreshes of a process that are under way, or wait for their turn."""

LISTED = 100
"""Events of the list of those that are known."""

GLANCE = 0.05
"""Seconds between two looks at a refresh that another process makes."""


class Current(Struct, frozen=True):
    """An edition to serve, the report that says so, and its max-age."""

    edition: Edition
    report: CacheEntry
    max_age: MaxAge

    @property
    def failed(self) -> bool:
        """Whether the last attempt at a newer one failed."""
        return self.report.error is not None


class _Refresh:
    """A refresh that requests wait for.

    ``known`` is the edition that there was before, ``report`` what there is once it is ``done``;
    ``overtaken`` tells that another process has saved an edition meanwhile.
    """

    def __init__(self, known: Edition | None) -> None:
        self.began = monotonic()
        self.known = known
        self.done = Flag()
        self.report: CacheEntry | None = None
        self.overtaken = False


class Editions:
    """The editions of one upstream, for all requests of a process; threads may share it."""

    def __init__(
        self,
        editor: Updater,
        reporter: Refresh,
        database: Database,
        clock: Callable[[], datetime],
    ) -> None:
        self._editor = editor
        self._reporter = reporter
        self._database = database
        self._clock = clock
        self._memory: Recent[str, CacheEntry] = Recent(REMEMBERED)
        self._refreshes: dict[str, _Refresh] = {}
        self._lock = Lock()
        self._places = Semaphore(freshness.MAX_CONCURRENT_REFRESHES)
        self._crowd = Bulkhead()
        self._polls = Invalidation(database, clock)
        self._looking = Aside(self._look)
        self._nearest: list[Event] = []
        self._listing = Aside(self._list)

    @property
    def public_url(self) -> str:
        """Where the service is found from outside."""
        return self._editor.public_url

    def max_age(self, edition: Edition) -> timedelta:
        """How old an edition may get."""
        return self._editor.max_age(edition)

    def page(self, event_id: str) -> str:
        """The address of an event's page; with an extension added, of its feeds."""
        return self._editor.page(event_id)

    def current(self, event_id: str) -> Current:
        """The edition to serve now.

        Raises ``EventNotFound`` for an id that is none, ``EventGone`` for an event that has not
        been listed for long, and the error that keeps one from being known at all.
        """
        self._catch_up()
        report = self._remembered(event_id) or self._renewed(event_id)
        if report.edition is None:
            error = report.error or EventNotFound()
            raise error.copy()  # it is everybody's who asks meanwhile
        now = self._clock()
        self._polls.note(event_id, now)
        if report.edition.gone and report.edition.gone + UNLISTED_SHOWN_FOR <= now:
            raise EventGone
        ends = None if report.error else report.until.timestamp()
        return Current(report.edition, report, MaxAge(ends))

    def holds(self, event_id: str, report: CacheEntry | None, now: float) -> bool:
        """Whether this is still the last word on an event; ``now`` is POSIX time.

        Not when it is time to look what others have saved: somebody has to ask for ``current``.
        """
        held = self._memory.peek(event_id)
        return held is not None and held is report and self._polls.looked(now)

    def nearest(self) -> list[Event]:
        """The events that are known, the next one first; as before while the database is away."""
        self._listing.do()
        return self._nearest

    def _list(self) -> None:
        with suppress(StorageUnavailable):
            self._nearest = self._database.list_events(self._clock(), LISTED)

    def _catch_up(self) -> None:
        """Every few seconds, look what other processes have saved."""
        if self._polls.time_to_look(self._clock().timestamp()):
            self._looking.do()

    def _look(self) -> None:
        """Have what others have saved read when it is asked for next."""
        if news := self._polls.look():
            self._editor.polled = news.polled
            with self._lock:
                for id_, refresh in self._refreshes.items():
                    refresh.overtaken |= news.saved is None or id_ in news.saved
            self._memory.change(
                news.saved, lambda report: structs.replace(report, until=report.since)
            )

    def _remembered(self, event_id: str) -> CacheEntry | None:
        """What is in memory, if it still holds; a clock that was put back proves nothing."""
        report = self._memory.get(event_id)
        return report if report and report.since <= self._clock() < report.until else None

    def _renewed(self, event_id: str) -> CacheEntry:
        """What there is after a refresh, or when it was waited for long enough."""
        came = monotonic()
        with self._lock:
            if report := self._remembered(event_id):  # it came meanwhile
                return report
            refresh = self._refreshes.get(event_id)
            if refresh is None:
                last = self._memory.get(event_id)
                refresh = _Refresh(last.edition if last else None)
                if len(self._refreshes) >= MOST_REFRESHES:
                    return self._overdue(refresh.known)
                Thread(target=self._refresh, args=(event_id, refresh)).start()
                self._refreshes[event_id] = refresh
        # Those who come first do not know whether there is something to serve instead.
        patient = refresh.began + freshness.MAX_WAIT
        if not self._crowd.wait(refresh.done.wait, patient) and refresh.known is None:
            self._crowd.wait(refresh.done.wait, came + freshness.MAX_WAIT_COLD)
        return refresh.report or self._overdue(refresh.known)

    def _refresh(self, event_id: str, refresh: _Refresh) -> None:
        """Carry out a refresh, in its own thread: whatever is slow holds no request for long."""
        self._crowd.begun()
        try:
            report = self._reported(event_id, refresh)
        except StorageUnavailable as error:
            now = self._clock()
            report = CacheEntry(now, now + freshness.INVALIDATION_INTERVAL, refresh.known, error)
        except Exception:  # a fault of ours must not leave anybody waiting
            log.exception("event %s cannot be refreshed", event_id)
            report = self._overdue(refresh.known)
        self._crowd.ended(well=not isinstance(report.error, UpstreamTimeout | UpstreamUnavailable))
        self._end(event_id, refresh, report)

    def _reported(self, event_id: str, refresh: _Refresh) -> CacheEntry:
        """What others have saved, if that is fresh; else what the upstream has now."""
        report = self._reporter.stored(event_id, refresh.known)
        refresh.known = report.edition
        if _is_fresh(report):
            return report
        seconds = freshness.MAX_WAIT if refresh.known else freshness.MAX_WAIT_COLD
        patience, end = timedelta(seconds=seconds), refresh.began + freshness.MAX_WAIT_COLD
        while self._places.acquire(timeout=max(0.0, end - monotonic())):
            try:
                claimed = self._reporter.claim(event_id, refresh.known)
                if isinstance(claimed, Lease):
                    return self._reporter.report(claimed, refresh.known)
            finally:
                self._places.release()
            if isinstance(claimed, CacheEntry):
                refresh.known = claimed.edition
                if claimed.error or _is_fresh(claimed):
                    return claimed
            elif self._clock() - claimed.since >= patience or monotonic() >= end:
                break
            sleep(GLANCE)
        return self._overdue(refresh.known)

    def _end(self, event_id: str, refresh: _Refresh, report: CacheEntry) -> None:
        if report.error:
            report = structs.replace(report, error=report.error.copy())
        refresh.report = report
        with self._lock:
            if report.edition or not isinstance(report.error, StorageUnavailable):
                if refresh.overtaken:  # it may be older than what that one has saved
                    report = structs.replace(report, until=report.since)
                self._memory.put(event_id, report)
            del self._refreshes[event_id]
        refresh.done.set()

    def _overdue(self, known: Edition | None) -> CacheEntry:
        """What is told for want of an answer; shortly after one looks again."""
        now = self._clock()
        retry = now + freshness.INVALIDATION_INTERVAL
        crowded = self._crowd.too_large()
        error = Overloaded(retry_at=retry) if crowded else UpstreamTimeout(retry_at=retry)
        return CacheEntry(now, retry, known, error)


def _is_fresh(report: CacheEntry) -> bool:
    """Whether it holds an edition that has not ended, and is not from the future either."""
    edition = report.edition
    return edition is not None and edition.fetched - MAX_CLOCK_SKEW <= report.since < report.until

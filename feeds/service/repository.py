"""Read and save editions with their history, so that all processes serve the same one."""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import structs

from feeds.domain import freshness
from feeds.domain.entries import Timetable, build_timetable
from feeds.domain.freshness import Lifetime, MaxAgeBounds
from feeds.domain.history import delisting
from feeds.domain.history.recovery import carry_over, has_gone_back, merge
from feeds.domain.model import Edition, History
from feeds.domain.quota import Rate
from feeds.errors import StorageUnavailable
from feeds.service.changes import log_changes
from feeds.service.entry import Snapshot
from feeds.service.revisions import revise
from feeds.store.database import Database
from feeds.store.leases import Lease

MAX_SAVES = 5
"""Attempts to save an edition while other processes save theirs."""


class EditionRepository:
    """The editions of one upstream in the database; threads may share it.

    ``open_database`` opens the database if that could not be done at the start; it raises
    ``StorageUnavailable``. ``cap`` is the longest max-age, ``count_polled`` counts the events that
    are polled, which stretches it. The other arguments are settings of the
    deployment.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        open_database: Callable[[], object],
        timezone: str,
        locale: str,
        public_url: str,
        rate: Rate,
        count_polled: Callable[[], int],
        fingerprint: str = "",
        cap: timedelta | None = None,
        confirm_after: timedelta = delisting.CONFIRM_AFTER,
    ) -> None:
        self._database = database
        self._clock = clock
        self._open_database = open_database
        self._timezone = timezone
        self._locale = locale
        self._public_url = public_url
        self._rate = rate
        self._count_polled = count_polled
        self._fingerprint = fingerprint
        self._cap = cap
        self._confirm_after = confirm_after

    def read(self, event_id: str, last: Snapshot | None = None) -> tuple[Snapshot | None, str]:
        """The edition to serve, and the token of what the database holds (empty: nothing).

        The database is right; ``last``, the edition in memory, is served where the database has
        none that can be read. Three cases save an edition anew:

        - A database that has lost it: others must not begin its history anew.
        - The first read after a deploy: its bytes may have changed. An edition that a process of
          another deployment has saved since is taken as it is, or two deployments on one database
          would save against each other for ever.
        - A database that went back: no client may get older stamps than before.

        Raises ``StorageUnavailable``.
        """
        self._open_database()
        stored = self._database.read(event_id)
        token = stored.token if stored else ""
        known = last.timetable if last else None
        if known and stored is None:
            snapshot = self.save(event_id, None, known, _keep_edition, polled=True)
        elif not isinstance(stored, Edition):
            return (self._take_snapshot(known) if known else None), token
        elif known and known.edition.token == token:
            return self._take_snapshot(known), token
        elif (known and has_gone_back(known.edition, stored)) or (
            known is None and stored.deployment != self._fingerprint
        ):
            snapshot = self.save(event_id, stored, known, _keep_edition)
        else:
            snapshot = self._take_snapshot(build_timetable(stored, self._timezone))
        return snapshot, snapshot.timetable.edition.token

    def save(
        self,
        event_id: str,
        stored: History | None,
        known: Timetable | None,
        make_next: Callable[[Timetable | None], Edition],
        *,
        lease: Lease | None = None,
        polled: bool = False,
    ) -> Snapshot:
        """Save what ``make_next`` makes of the last edition, with its history.

        ``stored`` is what the database holds, as far as known, ``known`` the edition in memory. If
        another process was faster, ``make_next`` is applied to the edition which that one saved: no
        change is lost, and none is noticed twice.
        """
        for _ in range(MAX_SAVES):
            now = self._clock().replace(microsecond=0)
            last = self._find_last(stored, known, now)
            following = self.assign_to_deployment(make_next(last))
            if last and stored and following is last.edition and following.token == stored.token:
                self._release(lease)
                return self._take_snapshot(last)
            if last is None and stored:  # the history of a document that cannot be read
                following = carry_over(stored, following)
            timetable = revise(
                last, following, now, self._timezone, self._public_url, locale=self._locale
            )
            edition, lifetime = timetable.edition, self._compute_lifetime(timetable)
            saved = self._database.save(
                stored,
                edition,
                timetable.find_span_ahead(),
                freshness.compute_refresh_time(edition.fetched, lifetime.expires),
                lease=lease,
                polled=edition.fetched if polled else None,
            )
            if saved:
                log_changes(saved, (stored, last.edition if last else None))
                return Snapshot(structs.replace(timetable, edition=saved), lifetime)
            stored = self._database.read(event_id)
            if lease and isinstance(stored, Edition) and stored.fetched >= edition.fetched:
                self._release(lease)  # that one was fetched after this answer
                return self._take_snapshot(build_timetable(stored, self._timezone))
        raise StorageUnavailable

    def assign_to_deployment(self, edition: Edition) -> Edition:
        """An edition as one of this deployment.

        The next request for an edition of another deployment is for the whole document: a 304
        would keep what an older decoder could not read.
        """
        if edition.deployment == self._fingerprint:
            return edition
        return structs.replace(edition, deployment=self._fingerprint, etag=None)

    def _find_last(
        self, stored: History | None, known: Timetable | None, now: datetime
    ) -> Timetable | None:
        """The timetable before the save: the stored one, or ``known`` if that one cannot be read.

        Both are merged if the database went back.
        """
        if known and stored is None:
            # What other events lacked is lost with the rows: removals have to be proved anew.
            return structs.replace(known, edition=structs.replace(known.edition, pending={}))
        if not isinstance(stored, Edition) or (known and known.edition.token == stored.token):
            return known
        timetable = build_timetable(stored, self._timezone)
        if known and has_gone_back(known.edition, stored):
            return merge(known, timetable, now, self._timezone)
        return timetable

    def _take_snapshot(self, timetable: Timetable) -> Snapshot:
        return Snapshot(timetable, self._compute_lifetime(timetable))

    def _compute_lifetime(self, timetable: Timetable) -> Lifetime:
        edition = timetable.edition
        bounds = MaxAgeBounds(self._cap, self._rate.stretch(self._count_polled()))
        if edition.gone:
            return freshness.compute_gone_lifetime(edition.fetched, bounds)
        lifetime = freshness.compute_lifetime(timetable.list_spans(), edition.fetched, bounds)
        pause = delisting.compute_pause(edition, self._confirm_after)
        if pause is None:
            return lifetime
        return freshness.shorten_lifetime(lifetime, edition.fetched, pause, bounds)

    def _release(self, lease: Lease | None) -> None:
        if lease:
            self._database.release(lease)


def _keep_edition(last: Timetable | None) -> Edition:
    """The last edition itself, to be saved with new stamps."""
    if last is None:  # the row was deleted meanwhile
        raise StorageUnavailable
    return last.edition

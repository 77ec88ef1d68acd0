"""From the upstream's answer to the next edition: its runs, its history, saved.

An edition is served only after it was saved, so all processes serve the same one.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec import structs

from feeds.domain import delisting, freshness
from feeds.domain.entries import Timetable, build_timetable, find_ended
from feeds.domain.feed import build_page_url
from feeds.domain.freshness import Lifetime, MaxAgeBounds
from feeds.domain.history import carry_over, is_undercut, merge
from feeds.domain.model import Edition, Event, History
from feeds.domain.quota import Priority, Rate
from feeds.errors import EventNotFound, InvalidResponse, StorageUnavailable
from feeds.logs import Throttle
from feeds.service.entry import Snapshot
from feeds.service.revisions import revise
from feeds.store.database import Database
from feeds.store.leases import Lease
from feeds.upstream.client import FetchResult
from feeds.upstream.ownership import KeyOwner
from feeds.upstream.schema import Document

log = logging.getLogger(__name__)

MAX_SAVES = 5
"""Attempts to save an edition while other processes save theirs."""


class Source(Protocol):
    """Where events come from: the partner API, or a stand-in for it in benchmarks."""

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        """The document of an event as sent; raises a leaf of ``UpstreamError``."""

    def decode(self, body: bytes, event_id: str, known: Event | None) -> Document:
        """The event of a document; raises ``InvalidResponse``."""

    def fetch_organization(self, seconds: float) -> str:
        """The id of the organization of the key, in that time; raises as ``fetch`` does."""


class Updater:
    """Makes and saves the editions of one upstream; threads may share it.

    ``timezone`` is the zone of events without a known place, ``public_url`` the service's own
    address, ``fingerprint`` that of the deployment, ``cap`` the longest max-age, ``rate`` what the
    upstream grants. ``open_database`` opens the database if that could not be done at the start; it
    raises ``StorageUnavailable``. ``count_polled`` counts the events that are polled, which
    stretches max-age. ``confirm_after`` is the time over which answers lack a run before it is no
    longer listed.
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        clock: Callable[[], datetime],
        *,
        open_database: Callable[[], object],
        timezone: str,
        public_url: str,
        rate: Rate,
        count_polled: Callable[[], int],
        fingerprint: str = "",
        cap: timedelta | None = None,
        confirm_after: timedelta = delisting.CONFIRM_AFTER,
    ) -> None:
        self._source = source
        self._database = database
        self._clock = clock
        self._open_database = open_database
        self._timezone = timezone
        self._public_url = public_url
        self._rate = rate
        self._count_polled = count_polled
        self._fingerprint = fingerprint
        self._cap = cap
        self._confirm_after = confirm_after
        self._throttle = Throttle(log, lambda: clock().timestamp())
        self._owner = KeyOwner(
            source.fetch_organization,
            database.read_organization,
            lambda now: database.spend_call(rate.quota_for(Priority.URGENT), now),
            clock,
        )

    def read(self, event_id: str, last: Snapshot | None = None) -> tuple[Snapshot | None, str]:
        """The edition to serve, and the token of what the database holds (empty: nothing).

        The database is right; ``last``, the edition in memory, is served where the database has
        none that can be read. Three cases save an edition anew:

        - A database that has lost it: others must not begin its history anew.
        - The first read after a deploy: its bytes may have changed. An edition that a process of
          another deployment has saved since is taken as it is, or two deployments on one database
          would save against each other for ever.
        - A database that went back: no client must find older stamps than it was served.

        Raises ``StorageUnavailable``.
        """
        self._open_database()
        stored = self._database.read(event_id)
        token = stored.token if stored else ""
        known = last.timetable if last else None
        if known and stored is None:
            snapshot = self._save(event_id, None, known, _keep_edition, polled=True)
        elif not isinstance(stored, Edition):
            return (self._take_snapshot(known) if known else None), token
        elif known and known.edition.token == token:
            return self._take_snapshot(known), token
        elif (known and is_undercut(known.edition, stored)) or (
            known is None and stored.deployment != self._fingerprint
        ):
            snapshot = self._save(event_id, stored, known, _keep_edition)
        else:
            snapshot = self._take_snapshot(build_timetable(stored, self._timezone))
        return snapshot, snapshot.timetable.edition.token

    def fetch_and_save(self, lease: Lease, known: Snapshot | None, *, polled: bool) -> Snapshot:
        """The edition after one call of the upstream.

        1. Ask for the document, with the etag of ``known``, the edition before it.
        2. Decode the document; compare it with ``known``: delisted runs, an event that is gone.
        3. Find the changes, and revise the entries: LAST-MODIFIED and SEQUENCE.
        4. Save the edition over ``known``. If another process was faster, repeat from 2 with its
           edition.

        ``polled`` is whether somebody asked for the event. Raises the ``UpstreamError`` that leaves
        ``known`` as it is, and ``StorageUnavailable``.
        """
        asked = known.timetable.edition if known else None
        timetable = known.timetable if known else None
        now = lease.at.replace(microsecond=0)
        try:
            etag = self._assign_to_deployment(asked).etag if asked else None
            result = self._source.fetch(lease.event_id, etag)
            make = partial(self._apply_result, lease.event_id, result, asked, now)
        except EventNotFound as error:
            make = partial(self._apply_not_found, error, lease)
        return self._save(lease.event_id, asked, timetable, make, lease=lease, polled=polled)

    def _take_snapshot(self, timetable: Timetable) -> Snapshot:
        return Snapshot(timetable, self._compute_lifetime(timetable))

    def _compute_lifetime(self, timetable: Timetable) -> Lifetime:
        edition, span = timetable.edition, timetable.span
        bounds = MaxAgeBounds(self._cap, self._rate.stretch(self._count_polled()))
        if edition.gone:
            return freshness.compute_gone_lifetime(span, edition.fetched, bounds)
        lifetime = freshness.compute_lifetime(span, edition.fetched, bounds)
        pause = delisting.compute_pause(edition, self._confirm_after)
        if pause is None:
            return lifetime
        return freshness.shorten_lifetime(lifetime, edition.fetched, pause, bounds)

    def _apply_result(
        self,
        event_id: str,
        result: FetchResult,
        asked: Edition | None,
        now: datetime,
        known: Timetable | None,
    ) -> Edition:
        """The edition that an answer makes, still with the history of ``known``.

        304 Not Modified concerns the edition whose etag was sent, and no other one.
        """
        if result.body is None:
            if known is None:
                raise InvalidResponse
            edition = known.edition
            return structs.replace(edition, fetched=now) if edition is asked else edition
        last = known.edition.event if known else None
        document = self._source.decode(result.body, event_id, last)
        if known is None:
            edition = Edition(
                event=document.event, fetched=now, revisions={}, deployment=self._fingerprint
            )
        else:
            ended = find_ended(known.entries, now)
            edition = delisting.apply_document(
                known.edition, document.event, ended, now, complete=document.complete
            )
            if document.complete:
                edition = self._confirm_removals(edition, ended)
        # A pending removal is confirmed by whole documents: do not ask for changes alone.
        etag = None if delisting.find_unconfirmed(edition) else result.etag
        return structs.replace(self._assign_to_deployment(edition), etag=etag)

    def _assign_to_deployment(self, edition: Edition) -> Edition:
        """An edition as one of this deployment.

        The next request for an edition of another deployment is for the whole document: a 304
        would keep what an older decoder could not read.
        """
        if edition.deployment == self._fingerprint:
            return edition
        return structs.replace(edition, deployment=self._fingerprint, etag=None)

    def _apply_not_found(
        self, error: EventNotFound, lease: Lease, known: Timetable | None
    ) -> Edition:
        """The edition after a 404; raises that error for an event that was never known."""
        if known is None:
            raise error
        if known.edition.gone is None:
            self._owner.check(lease.at)
        now = lease.at.replace(microsecond=0)
        edition = delisting.apply_not_found(known.edition, now)
        edition = self._confirm_removals(edition, find_ended(known.entries, now))
        return structs.replace(edition, etag=None)

    def _confirm_removals(self, edition: Edition, ended: Collection[str]) -> Edition:
        """The edition after an answer that may lack something, with the proved removals.

        Logs the removals that are pending. Raises ``StorageUnavailable``.
        """
        event_id, now = edition.event.id, edition.fetched
        unconfirmed = delisting.find_unconfirmed(edition)
        if any(each.since == now for each in unconfirmed.values()):
            missing = "the event" if event_id in unconfirmed else "some of its runs"
            message = "event %s: the answer lacks %s; asking again"
            self._throttle.warning("missing", message, event_id, missing)
        provable = delisting.find_provable(edition, self._confirm_after)
        if not provable:
            return edition
        window = delisting.compute_doubt_window(self._confirm_after)
        instants = [each.since for each in provable.values()]
        between = (min(instants) - window, max(instants) + window)
        others = self._database.list_missing_since(event_id, between, now)
        edition = delisting.confirm_removals(edition, ended, others, self._confirm_after)
        if held := delisting.find_provable(edition, self._confirm_after):
            self._throttle.warning(
                "held",
                "event %s, or some of its runs, has been missing since %s, and so has something of"
                " other events (%d): all stay listed for a day. Check whether the Intervals API"
                " lists them, and whether INTERVALS_PARTNER_API_KEY may read them.",
                event_id,
                f"{min(each.since for each in held.values()):%Y-%m-%dT%H:%M:%SZ}",
                len(others),
            )
        return edition

    def _save(
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
            following = self._assign_to_deployment(make_next(last))
            if last and stored and following is last.edition and following.token == stored.token:
                self._release(lease)
                return self._take_snapshot(last)
            if last is None and stored:  # the history of a document that cannot be read
                following = carry_over(stored, following)
            page = build_page_url(self._public_url, event_id)
            timetable = revise(last, following, now, self._timezone, page)
            edition, lifetime = timetable.edition, self._compute_lifetime(timetable)
            saved = self._database.save(
                stored,
                edition,
                lifetime.span,
                freshness.compute_refresh_time(edition.fetched, lifetime.expires),
                lease=lease,
                polled=edition.fetched if polled else None,
            )
            if saved:
                return Snapshot(structs.replace(timetable, edition=saved), lifetime)
            stored = self._database.read(event_id)
            if lease and isinstance(stored, Edition) and stored.fetched >= edition.fetched:
                self._release(lease)  # that one was fetched after this answer
                return self._take_snapshot(build_timetable(stored, self._timezone))
        raise StorageUnavailable

    def _find_last(
        self, stored: History | None, known: Timetable | None, now: datetime
    ) -> Timetable | None:
        """The edition before the one to save: the stored one, and what was served above it."""
        if not isinstance(stored, Edition) or (known and known.edition.token == stored.token):
            return known
        timetable = build_timetable(stored, self._timezone)
        if known and is_undercut(known.edition, stored):
            return build_timetable(merge(known, timetable, now), self._timezone)
        return timetable

    def _release(self, lease: Lease | None) -> None:
        if lease:
            self._database.release(lease)


def _keep_edition(last: Timetable | None) -> Edition:
    """The last edition itself, to be saved with new stamps."""
    if last is None:  # the row was deleted meanwhile
        raise StorageUnavailable
    return last.edition

"""From the upstream's answer to the next edition: its runs, its history, saved.

An edition is served only after it was saved, so all processes serve the same one.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec import structs

from feeds.domain import delisting, freshness
from feeds.domain.entries import (
    UNLISTED_SHOWN_FOR,
    Timetable,
    build_timetable,
    find_ended,
)
from feeds.domain.feed import Feed, build_page_url, find_removal_times
from feeds.domain.freshness import Lifetime, MaxAgeBounds
from feeds.domain.model import Edition, Event
from feeds.domain.quota import Priority, Rate
from feeds.errors import EventNotFound, InvalidResponse, StorageCorrupt, StorageUnavailable
from feeds.formats.items import find_registration_times
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

    def fetch_organization(self) -> str:
        """The id of the organization of the key; raises as ``fetch`` does."""


class Updater:
    """Makes and saves the editions of one upstream; threads may share it.

    ``timezone`` is the zone of events without a known place, ``public_url`` the service's own
    address, ``fingerprint`` that of the deployment, ``cap`` the longest max-age, ``rate`` what the
    upstream grants. ``count_polled`` counts the events that are polled, which stretches max-age.
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        clock: Callable[[], datetime],
        *,
        timezone: str,
        public_url: str,
        rate: Rate,
        count_polled: Callable[[], int],
        fingerprint: str = "",
        cap: timedelta | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._clock = clock
        self._timezone = timezone
        self._public_url = public_url
        self._rate = rate
        self._count_polled = count_polled
        self._fingerprint = fingerprint
        self._cap = cap
        self._owner = KeyOwner(
            source.fetch_organization,
            lambda now: database.spend_call(rate.quota_for(Priority.URGENT), now),
            clock,
        )

    def read_or_redeploy(self, event_id: str, last: Snapshot | None = None) -> Snapshot | None:
        """The edition saved last; that of ``last`` if it is as new, or newer.

        The first read after a deploy compares the edition again and saves it: its bytes may have
        changed. An edition that a process of another deployment has saved since is taken as it is,
        or two deployments on one database would save against each other for ever.
        Raises ``StorageUnavailable``.
        """
        try:
            stored = self._database.read(event_id)
        except StorageCorrupt:
            if last is None:
                raise
            stored = None  # the next save replaces the damaged edition
        if stored is None or (last and last.timetable.edition.version >= stored.version):
            return self._take_snapshot(last.timetable) if last else None
        timetable = build_timetable(stored, self._timezone)
        if stored.deployment == self._fingerprint or last:
            return self._take_snapshot(timetable)

        def redeploy(known: Timetable | None) -> Edition:
            return self._assign_to_deployment(known.edition if known else stored)

        return self._save_with_history(timetable, self._clock().replace(microsecond=0), redeploy)

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
        now = lease.at.replace(microsecond=0)
        before = known.timetable if known else None
        save = partial(self._save_with_history, before, now, lease=lease, polled=polled)
        asked = before.edition if before else None
        try:
            etag = self._assign_to_deployment(asked).etag if asked else None
            result = self._source.fetch(lease.event_id, etag)
            return save(partial(self._apply_result, lease.event_id, result, asked, now))
        except EventNotFound as error:
            return save(partial(self._apply_not_found, error, now))

    def _take_snapshot(self, timetable: Timetable) -> Snapshot:
        return Snapshot(timetable, self._compute_lifetime(timetable))

    def _compute_lifetime(self, timetable: Timetable) -> Lifetime:
        edition, span = timetable.edition, timetable.span
        feed = Feed(title="", page="", source="", timezone=self._timezone, timetables=(timetable,))
        bounds = MaxAgeBounds(self._cap, self._rate.stretch(self._count_polled()))
        instants = [*find_removal_times(feed), *find_registration_times(feed)]
        if edition.pending:
            instants.append(edition.pending.since + delisting.CONFIRMED_AFTER)
        if edition.gone:
            instants.append(edition.gone + UNLISTED_SHOWN_FOR)
            return freshness.compute_gone_lifetime(span, edition.fetched, bounds, instants)
        return freshness.compute_lifetime(span, edition.fetched, bounds, instants)

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
        # A pending removal is confirmed by whole documents: do not ask for changes alone.
        etag = None if edition.pending else result.etag
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
        self, error: EventNotFound, now: datetime, known: Timetable | None
    ) -> Edition:
        """The edition after a 404; raises that error for an event that was never known."""
        if known is None:
            raise error
        if known.edition.gone is None:
            self._owner.check(known.edition.event)
        ended = find_ended(known.entries, now)
        return structs.replace(delisting.apply_not_found(known.edition, ended, now), etag=None)

    def _save_with_history(
        self,
        known: Timetable | None,
        now: datetime,
        make_next: Callable[[Timetable | None], Edition],
        *,
        lease: Lease | None = None,
        polled: bool = False,
    ) -> Snapshot:
        """Save what ``make_next`` makes of the last edition, with its history.

        If another process was faster, ``make_next`` is applied to the edition which that one saved:
        no change is lost, and none is noticed twice.
        """
        stored = known.edition if known else None
        for _ in range(MAX_SAVES):
            following = make_next(known)
            if known and following is known.edition:
                self._release(lease)
                return self._take_snapshot(known)
            page = build_page_url(self._public_url, following.event.id)
            timetable = revise(known, following, now, self._timezone, page)
            edition, lifetime = timetable.edition, self._compute_lifetime(timetable)
            if edition.pending:
                log.warning(
                    "event %s may be %s; asking again", edition.event.id, edition.pending.reason
                )
            saved = self._database.save(
                stored,
                edition,
                lifetime.span,
                freshness.compute_refresh_time(edition.fetched, lifetime.expires),
                lease=lease,
                polled=now if polled else None,
            )
            if saved:
                return Snapshot(structs.replace(timetable, edition=saved), lifetime)
            stored = self._database.read(edition.event.id)
            if stored and stored.fetched >= now and lease:  # fetched after this answer
                self._release(lease)
                return self._take_snapshot(build_timetable(stored, self._timezone))
            if stored and not (known and stored.version <= known.edition.version):
                known = build_timetable(stored, self._timezone)
            # If the database has lost editions, the one in memory is the last.
        raise StorageUnavailable

    def _release(self, lease: Lease | None) -> None:
        if lease:
            self._database.release(lease)

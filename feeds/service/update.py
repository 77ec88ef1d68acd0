"""From the upstream's answer to the next edition: what it proves, with its history, saved.

What cannot be saved is not told: two processes never tell two stories.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec import structs

from feeds.domain import delisting as listing
from feeds.domain import freshness
from feeds.domain.freshness import MaxAgeBounds, Priority, Rate
from feeds.domain.model import Edition, Event, Feed
from feeds.domain.schedule import (
    UNLISTED_SHOWN_FOR,
    build_entries,
    compute_span,
    find_ended,
    find_removal_times,
)
from feeds.errors import (
    EventNotFound,
    InvalidResponse,
    StorageCorrupt,
    StorageUnavailable,
)
from feeds.formats import items
from feeds.service.revisions import revise
from feeds.store.database import Database
from feeds.store.leases import Lease
from feeds.upstream.client import FetchResult
from feeds.upstream.ownership import KeyOwner
from feeds.upstream.schema import Document

log = logging.getLogger(__name__)

SAVES = 5
"""Attempts to save an edition while other processes save theirs."""


class Source(Protocol):
    """Where events come from."""

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        """The document of an event as sent; raises a leaf of ``UpstreamError``."""

    def decode(self, body: bytes, event_id: str, known: Event | None) -> Document:
        """What a document says; raises ``Nonsense`` if that is nothing."""

    def fetch_organization(self) -> str:
        """The id of the organization whose events these are; raises as ``fetch`` does."""


class Updater:
    """The editions of one upstream; threads may share it.

    ``home`` is the zone of events without a known place, ``public_url`` where the service is found,
    ``fingerprint`` what tells this deployment from others, ``cap`` the longest max-age, ``rate``
    what the upstream grants. ``polled`` is how many events are, which stretches max-age.
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        clock: Callable[[], datetime],
        *,
        home: str,
        public_url: str,
        rate: Rate,
        fingerprint: str = "",
        cap: timedelta | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._clock = clock
        self._home = home
        self.public_url = public_url
        self._fingerprint = fingerprint
        self._owner = KeyOwner(
            source.fetch_organization,
            lambda now: database.spend_call(rate.quota_for(Priority.URGENT), now),
            clock,
        )
        self.rate = rate
        self.cap = cap
        self.polled = 0

    def page(self, event_id: str) -> str:
        """The address of an event's page; with an extension added, of its feeds."""
        return f"{self.public_url}/events/{event_id}"

    def stored(self, event_id: str, last: Edition | None = None) -> Edition | None:
        """The edition that was saved last; ``last`` itself if that is it, or is newer.

        The first time after a deploy it is compared once more: its bytes may be others now. Not
        again when it was saved by a process of another deployment: they would never come to an end.
        """
        try:
            stored = self._database.read(event_id)
        except StorageCorrupt:
            if last is None:
                raise
            return last  # which is saved in its place
        if stored is None or (last and last.version >= stored.version):
            return last
        if stored.deployment == self._fingerprint or last:
            return stored

        def redeployed(known: Edition | None) -> Edition:
            return self._ours(known or stored)

        return self._published(stored, self._clock().replace(microsecond=0), redeployed)

    def renewed(self, claim: Lease, known: Edition | None, *, polled: bool) -> Edition:
        """The edition that one call of the upstream makes; ``known`` is the one before it.

        Raises the ``UpstreamError`` that leaves it as it is, and ``StorageAway``.
        """
        now = claim.at.replace(microsecond=0)
        publish = partial(self._published, known, now, claim=claim, polled=polled)
        try:
            answer = self._source.fetch(claim.event_id, self._ours(known).etag if known else None)
            return publish(partial(self._edited, claim.event_id, answer, known, now))
        except EventNotFound as error:
            return publish(partial(self._missing, error, now))

    def fresh_until(self, edition: Edition) -> datetime:
        """When an edition ends."""
        feed = Feed(title="", page="", source="", timezone=self._home, editions=(edition,))
        bounds = self._bounds
        marks = [*find_removal_times(feed), *items.find_turn_times(feed)]
        if edition.pending:
            marks.append(edition.pending.since + listing.CONFIRMED_AFTER)
        if edition.gone:
            marks.append(edition.gone + UNLISTED_SHOWN_FOR)
            return freshness.compute_gone_expiry(edition.fetched, bounds, marks)
        return freshness.compute_expiry(self.span(edition), edition.fetched, bounds, marks)

    def max_age(self, edition: Edition) -> timedelta:
        """How old an edition may get, whatever ends it sooner."""
        if edition.gone:
            return freshness.clamp_max_age(freshness.GONE_MAX_AGE, self._bounds)
        longest = freshness.choose_max_age(self.span(edition), edition.fetched)
        return freshness.clamp_max_age(longest, self._bounds)

    @property
    def _bounds(self) -> MaxAgeBounds:
        return MaxAgeBounds(self.cap, self.rate.stretch(self.polled))

    def span(self, edition: Edition) -> tuple[datetime, datetime]:
        """When its runs take place."""
        return compute_span(build_entries(edition, self._home))

    def _edited(
        self,
        event_id: str,
        answer: FetchResult,
        asked: Edition | None,
        now: datetime,
        known: Edition | None,
    ) -> Edition:
        """The edition that an answer makes; its history is still that of ``known``.

        "Not modified" tells of the edition that was asked with, and nothing of another one.
        """
        if answer.body is None and known:
            return structs.replace(known, fetched=now) if known is asked else known
        if answer.body is None:
            raise InvalidResponse
        document = self._source.decode(answer.body, event_id, known.event if known else None)
        if known is None:
            edition = Edition(
                event=document.event, fetched=now, revisions={}, deployment=self._fingerprint
            )
        else:
            gone_by = find_ended(known, self._home, now)
            edition = listing.apply_document(
                known, document.event, gone_by, now, complete=document.complete
            )
        # What is in doubt is asked for as a whole.
        etag = None if edition.pending else answer.etag
        return structs.replace(self._ours(edition), etag=etag)

    def _ours(self, edition: Edition) -> Edition:
        """An edition as one of this deployment.

        Of another one the whole document is asked for: "not modified" would keep what an older
        decoder could not read.
        """
        if edition.deployment == self._fingerprint:
            return edition
        return structs.replace(edition, deployment=self._fingerprint, etag=None)

    def _missing(self, error: EventNotFound, now: datetime, known: Edition | None) -> Edition:
        """What is left of an event that the upstream does not know."""
        if known is None:
            raise error
        if known.gone is None:
            self._owner.check(known.event)
        edition = listing.apply_not_found(known, find_ended(known, self._home, now), now)
        return structs.replace(edition, etag=None)

    def _published(
        self,
        known: Edition | None,
        now: datetime,
        edit: Callable[[Edition | None], Edition],
        *,
        claim: Lease | None = None,
        polled: bool = False,
    ) -> Edition:
        """What ``edit`` makes of the last edition, with its history, saved over it.

        If another process was faster, it is made of what that one saved: no change is lost, and
        none is noticed twice.
        """
        base = known
        for _ in range(SAVES):
            edited = edit(known)
            if edited is known:
                return self._end(claim, edited)
            edition = revise(known, edited, now, self._home, self.page(edited.event.id))
            if edition.pending:
                log.warning(
                    "event %s may be %s; asking again", edition.event.id, edition.pending.reason
                )
            saved = self._database.save(
                base,
                edition,
                self.span(edition),
                freshness.compute_refresh_time(edition.fetched, self.fresh_until(edition)),
                claim=claim,
                polled=now if polled else None,
            )
            if saved:
                return saved
            base = self._database.read(edition.event.id)
            if base and base.fetched >= now and claim:  # asked for later than what this one has
                return self._end(claim, base)
            if base and not (known and base.version <= known.version):
                known = base
            # Of a database that has lost something, what is in memory is the last.
        raise StorageUnavailable

    def _end(self, claim: Lease | None, edition: Edition) -> Edition:
        if claim:
            self._database.release(claim)
        return edition

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
from feeds.domain.freshness import Bounds, Rate, Share
from feeds.domain.model import Edition, Event, Feed
from feeds.domain.schedule import SHOWN_UNLISTED, entries, leavings, over, span
from feeds.errors import (
    EventNotFound,
    Nonsense,
    StorageAway,
    StorageDamaged,
)
from feeds.formats import items
from feeds.service.revisions import revised
from feeds.store.database import Database
from feeds.store.leases import Claim
from feeds.upstream.client import Answer
from feeds.upstream.ownership import Owner
from feeds.upstream.schema import Document

log = logging.getLogger(__name__)

SAVES = 5
"""Attempts to save an edition while other processes save theirs."""


class Source(Protocol):
    """Where events come from."""

    def fetch(self, event_id: str, etag: str | None) -> Answer:
        """The document of an event as sent; raises a leaf of ``UpstreamError``."""

    def decode(self, body: bytes, event_id: str, known: Event | None) -> Document:
        """What a document says; raises ``Nonsense`` if that is nothing."""

    def organization(self) -> str:
        """The id of the organization whose events these are; raises as ``fetch`` does."""


class Editor:
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
        self._owner = Owner(
            source.organization,
            lambda now: database.spend(rate.allowance(Share.URGENT), now),
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
        except StorageDamaged:
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

    def renewed(self, claim: Claim, known: Edition | None, *, polled: bool) -> Edition:
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
        marks = [*leavings(feed), *items.marks(feed)]
        if edition.doubt:
            marks.append(edition.doubt.since + listing.BELIEVED_AFTER)
        if edition.gone:
            marks.append(edition.gone + SHOWN_UNLISTED)
            return freshness.gone_until(edition.fetched, bounds, marks)
        return freshness.fresh_until(self.span(edition), edition.fetched, bounds, marks)

    def max_age(self, edition: Edition) -> timedelta:
        """How old an edition may get, whatever ends it sooner."""
        if edition.gone:
            return freshness.within(freshness.GONE_FOR, self._bounds)
        longest = freshness.max_age(self.span(edition), edition.fetched)
        return freshness.within(longest, self._bounds)

    @property
    def _bounds(self) -> Bounds:
        return Bounds(self.cap, self.rate.stretch(self.polled))

    def span(self, edition: Edition) -> tuple[datetime, datetime]:
        """When its runs take place."""
        return span(entries(edition, self._home))

    def _edited(
        self,
        event_id: str,
        answer: Answer,
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
            raise Nonsense
        document = self._source.decode(answer.body, event_id, known.event if known else None)
        if known is None:
            edition = Edition(
                event=document.event, fetched=now, stamps={}, deployment=self._fingerprint
            )
        else:
            gone_by = over(known, self._home, now)
            edition = listing.answered(
                known, document.event, gone_by, now, complete=document.complete
            )
        # What is in doubt is asked for as a whole.
        etag = None if edition.doubt else answer.etag
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
        edition = listing.unknown(known, over(known, self._home, now), now)
        return structs.replace(edition, etag=None)

    def _published(
        self,
        known: Edition | None,
        now: datetime,
        edit: Callable[[Edition | None], Edition],
        *,
        claim: Claim | None = None,
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
            edition = revised(known, edited, now, self._home, self.page(edited.event.id))
            if edition.doubt:
                log.warning("event %s may be %s; asking again", edition.event.id, edition.doubt.of)
            saved = self._database.save(
                base,
                edition,
                self.span(edition),
                freshness.due(edition.fetched, self.fresh_until(edition)),
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
        raise StorageAway

    def _end(self, claim: Claim | None, edition: Edition) -> Edition:
        if claim:
            self._database.release(claim)
        return edition

"""The current edition of an event: from memory, from the database, or freshly fetched.

Carries out what ``freshness`` says. The upstream is asked at most once at a time for an event, and
whatever it does, the last good edition stays until there is a better one.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Protocol

from msgspec import Struct, structs
from sqlalchemy.exc import SQLAlchemyError

from feeds import freshness, items, listing
from feeds.database import Database
from feeds.documents import Document
from feeds.errors import (
    EventGone,
    EventNotFound,
    Forbidden,
    Nonsense,
    StorageAway,
    Unauthorized,
    UpstreamError,
)
from feeds.intervals import Answer
from feeds.model import Edition, Event, Feed
from feeds.recent import Recent
from feeds.revisions import revised
from feeds.schedule import SHOWN_UNLISTED, entries, leavings, over, span

log = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Events, and ids that are none, that a process keeps in memory."""

SAVES = 5
"""Attempts to save an edition while other processes save theirs."""

ADVICE = {
    Unauthorized: " Check INTERVALS_PARTNER_API_KEY.",
    Forbidden: " It needs the scope read:events.",
}
"""What an operator can do about it."""


class Source(Protocol):
    """Where events come from."""

    def fetch(self, event_id: str, etag: str | None) -> Answer:
        """The document of an event as sent; raises a leaf of ``UpstreamError``."""

    def decode(self, body: bytes, event_id: str, known: Event | None) -> Document:
        """What a document says; raises ``Nonsense`` if that is nothing."""

    def organization(self) -> str:
        """The id of the organization whose events these are; raises as ``fetch`` does."""


class Current(Struct, frozen=True):
    """An edition, until when it is fresh, and whether the last attempt at a newer one failed."""

    edition: Edition
    until: datetime
    failed: bool = False

    def max_age(self, now: datetime) -> int:
        """Seconds that a client may keep it, at least one."""
        if self.failed:
            return int(freshness.FAILED_FOR.total_seconds())
        return max(1, int((self.until - now).total_seconds()))


class _Held(Struct, frozen=True):
    """What is in memory of an id: an edition, or why there is none, and from when to when.

    ``base`` is the edition as the database has it, ``etag`` the upstream's for it, ``retry`` when
    the upstream is asked again after a failure.
    """

    since: datetime
    until: datetime
    edition: Edition | None = None
    base: Edition | None = None
    error: UpstreamError | None = None
    etag: str | None = None
    retry: datetime | None = None


class Newsroom:
    """The editions of one upstream; threads may share it.

    ``home`` is the zone of events without a known place, ``public_url`` where the service is found,
    ``fingerprint`` what tells this deployment from others, ``cap`` the longest max-age.
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        clock: Callable[[], datetime],
        *,
        home: str,
        public_url: str,
        fingerprint: str = "",
        cap: timedelta | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._clock = clock
        self._home = home
        self._public_url = public_url
        self._fingerprint = fingerprint
        self._cap = cap
        self._memory: Recent[str, _Held] = Recent(REMEMBERED)
        self._locks = tuple(Lock() for _ in range(64))
        self._owner: tuple[datetime, str | None] | None = None

    def page(self, event_id: str) -> str:
        """The address of an event's page; with an extension added, of its feeds."""
        return f"{self._public_url}/events/{event_id}"

    def current(self, event_id: str) -> Current:
        """The edition to serve now.

        Raises ``EventNotFound`` for an id that is none, ``EventGone`` for an event that has not
        been listed for long, and the ``UpstreamError`` that keeps one from being known at all.
        """
        held = self._held(event_id)
        if held is None:
            with self._locks[hash(event_id) % len(self._locks)]:
                held = self._held(event_id)
                if held is None:
                    held = self._renewed(event_id, self._memory.get(event_id))
                    self._memory.put(event_id, held)
        if held.edition is None:
            raise held.error or EventNotFound("There is no such event.")
        gone = held.edition.gone
        if gone and gone + SHOWN_UNLISTED <= self._clock():
            raise EventGone("This event is no longer listed.")
        return Current(held.edition, held.until, failed=held.error is not None)

    def _held(self, event_id: str) -> _Held | None:
        """What is in memory, if it still holds; a clock that was put back proves nothing."""
        held = self._memory.get(event_id)
        return held if held and held.since <= self._clock() < held.until else None

    def nearest(self, most: int) -> list[Event]:
        """The events that are known, the next one first; none while the database is away."""
        try:
            return self._database.nearest(self._clock(), most)
        except SQLAlchemyError as error:
            log.warning("events cannot be listed: %s", type(error).__name__)
            return []

    def _renewed(self, event_id: str, held: _Held | None) -> _Held:
        """What another process saved, if that is fresh; else what the upstream has now."""
        now = self._clock().replace(microsecond=0)
        stored = self._stored(event_id, held)
        if stored and not (held and held.base and held.base.version >= stored.version):
            held = self._redeployed(stored, now)
            if held.edition and held.edition.fetched <= now < held.until:
                return held
        if held and held.retry and held.since <= now < held.retry:
            # Until then another process may have had more luck: two must not tell two stories.
            return structs.replace(held, since=now, until=min(now + freshness.LOOK, held.retry))
        held = held or _Held(now, now)
        try:
            answer = self._source.fetch(event_id, held.etag)
            edit = partial(self._edited, event_id, answer, held.edition, now)
            return self._published(held, event_id, now, edit, answer.etag)
        except EventNotFound as error:
            return self._missing(event_id, error, held, now)
        except UpstreamError as error:
            return self._failed(event_id, error, held, now)

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
            raise Nonsense("The Intervals API sent an answer that cannot be read.")
        document = self._source.decode(answer.body, event_id, known.event if known else None)
        event = document.event
        if known is None:
            return Edition(event=event, fetched=now, stamps={}, deployment=self._fingerprint)
        over = self._over(known, now)
        return listing.answered(known, event, over, now, complete=document.complete)

    def _missing(self, event_id: str, error: EventNotFound, held: _Held, now: datetime) -> _Held:
        """What is left of an event that the upstream does not know."""
        if held.edition is None:
            return self._failed(event_id, error, held, now)

        def edit(known: Edition | None) -> Edition:
            if known is None:
                raise error
            if known.gone is None:
                self._check_owner(known.event, now)
            return listing.unknown(known, self._over(known, now), now)

        try:
            return self._published(held, event_id, now, edit)
        except UpstreamError as refusal:
            return self._failed(event_id, refusal, held, now)

    def _published(
        self,
        held: _Held,
        event_id: str,
        now: datetime,
        edit: Callable[[Edition | None], Edition],
        etag: str | None = None,
    ) -> _Held:
        """What ``edit`` makes of the last edition, with its history, saved over it.

        If another process was faster, it is made of what that one saved: no change is lost, and
        none is noticed twice. Without the database it is kept in memory, to be saved next time.
        ``etag`` is the upstream's for what ``edit`` makes; one in doubt is asked for as a whole.
        """
        base, known = held.base, held.edition
        for _ in range(SAVES):
            edited = edit(known)
            if edited is known:
                return _Held(now, self._fresh_until(edited), edited, base)
            edition = revised(known, edited, now, self._home, self.page(event_id))
            if edition.doubt:
                log.warning("event %s may be %s; asking again", event_id, edition.doubt.of)
            validator = None if edition.doubt else etag
            try:
                if saved := self._database.save(base, edition, self._span(edition)):
                    return _Held(now, self._fresh_until(saved), saved, saved, etag=validator)
                stored = self._database.read(event_id)
            except SQLAlchemyError as error:
                log.warning("event %s cannot be saved: %s", event_id, type(error).__name__)
                return _Held(now, self._fresh_until(edition), edition, base, etag=validator)
            if stored and stored.fetched >= now:  # asked for later than what this one has
                return _Held(now, self._fresh_until(stored), stored, stored)
            if stored and not (base and stored.version <= base.version):
                known = stored
            base = stored  # of a database that has lost something, what is in memory is the last
        last = known or edition
        return _Held(now, self._fresh_until(last), last, base)

    def _check_owner(self, event: Event, now: datetime) -> None:
        """A 404 says nothing to a key that has become another organization's.

        Raises an ``UpstreamError`` if it has, or while that is not known.
        """
        if self._owner is None or not self._owner[0] <= now < self._owner[0] + freshness.OWNER_FOR:
            try:
                owner: str | None = self._source.organization()
            except Forbidden:
                owner = None  # a key without that scope: the two answers have to do
            self._owner = (now, owner)
        if self._owner[1] not in (None, event.organization_id):
            raise Unauthorized("The Intervals API does not show the event to this key.")

    def _failed(self, event_id: str, error: UpstreamError, held: _Held, now: datetime) -> _Held:
        """What there was, or why there is nothing, for as long as a failure is remembered."""
        if not held.edition and isinstance(error, Forbidden) and self._knows_any():
            # The key reads events: this one is not there for it.
            error = EventNotFound("There is no such event.")
        log.warning("event %s: %s%s", event_id, error, ADVICE.get(type(error), ""))
        if isinstance(error, EventNotFound) and not held.edition:
            return _Held(now, freshness.unknown_until(now, self._cap), error=error)
        retry = now + freshness.FAILED_FOR
        return structs.replace(
            held, since=now, until=now + freshness.LOOK, error=error, retry=retry
        )

    def _redeployed(self, stored: Edition, now: datetime) -> _Held:
        """A stored edition, compared once more after a deploy: its bytes may be others now."""
        if stored.deployment == self._fingerprint:
            return _Held(now, self._fresh_until(stored), stored, stored)
        held = _Held(now, now, stored, stored)

        def edit(known: Edition | None) -> Edition:
            return structs.replace(known or stored, deployment=self._fingerprint)

        return self._published(held, stored.event.id, now, edit)

    def _fresh_until(self, edition: Edition) -> datetime:
        feed = Feed(title="", page="", source="", timezone=self._home, editions=(edition,))
        marks = [*leavings(feed), *items.marks(feed)]
        if edition.doubt:
            marks.append(edition.doubt.since + listing.BELIEVED_AFTER)
        if edition.gone:
            marks.append(edition.gone + SHOWN_UNLISTED)
            return freshness.gone_until(edition.fetched, self._cap, marks)
        return freshness.fresh_until(self._span(edition), edition.fetched, self._cap, marks)

    def _over(self, edition: Edition, now: datetime) -> frozenset[str]:
        return over(edition, self._home, now)

    def _span(self, edition: Edition) -> tuple[datetime, datetime]:
        return span(entries(edition, self._home))

    def _stored(self, event_id: str, held: _Held | None) -> Edition | None:
        """What the database has. Without it the service goes on with what is in memory.

        Raises ``StorageAway`` if that is nothing: what was told before is not known then.
        """
        try:
            return self._database.read(event_id)
        except SQLAlchemyError as error:
            log.warning("event %s cannot be read: %s", event_id, type(error).__name__)
            if held is None or held.edition is None:
                raise StorageAway("The database is not to be had.") from None
            return None

    def _knows_any(self) -> bool:
        try:
            return self._database.knows_any()
        except SQLAlchemyError:
            return False

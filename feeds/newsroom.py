"""The current edition of an event: from memory, from the database, or freshly fetched.

Carries out what ``freshness`` says. The upstream is asked at most once at a time for an event, and
whatever it does, the last good edition stays until there is a better one.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from msgspec import Struct, structs
from sqlalchemy.exc import SQLAlchemyError

from feeds import freshness
from feeds.database import Database
from feeds.documents import Document
from feeds.errors import EventNotFound, Forbidden, Nonsense, Unauthorized, UpstreamError
from feeds.intervals import Answer
from feeds.model import Edition, Event
from feeds.recent import Recent
from feeds.schedule import entries, span

log = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Events, and ids that are none, that a process keeps in memory."""

_ADVICE = {
    Unauthorized: " Check INTERVALS_PARTNER_API_KEY.",
    Forbidden: " It needs the scope read:events.",
}


class Source(Protocol):
    """Where events come from."""

    def fetch(self, event_id: str, etag: str | None) -> Answer:
        """The document of an event as sent; raises a leaf of ``UpstreamError``."""

    def decode(self, body: bytes, event_id: str, known: Event | None) -> Document:
        """What a document says; raises ``Nonsense`` if that is nothing."""


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
    """What is in memory of an id: an edition, or why there is none; ``etag`` is the upstream's."""

    until: datetime
    edition: Edition | None = None
    error: UpstreamError | None = None
    etag: str | None = None


class Newsroom:
    """The editions of one upstream; threads may share it.

    ``home`` is the zone of events without a known place, ``cap`` the longest max-age.
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        clock: Callable[[], datetime],
        home: str,
        cap: timedelta | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._clock = clock
        self._home = home
        self._cap = cap
        self._memory: Recent[str, _Held] = Recent(REMEMBERED)
        self._locks = tuple(Lock() for _ in range(64))

    def current(self, event_id: str) -> Current:
        """The edition to serve now.

        Raises ``EventNotFound`` for an id that is none, and the ``UpstreamError`` that keeps an
        event from being known for the first time.
        """
        held = self._memory.get(event_id)
        if held is None or self._clock() >= held.until:
            with self._locks[hash(event_id) % len(self._locks)]:
                held = self._memory.get(event_id)
                if held is None or self._clock() >= held.until:
                    held = self._renewed(event_id, held)
                    self._memory.put(event_id, held)
        if held.edition is None:
            raise held.error or EventNotFound("There is no such event.")
        return Current(held.edition, held.until, failed=held.error is not None)

    def nearest(self, most: int) -> list[Edition]:
        """The events that are known, the next one first; none while the database is away."""
        try:
            return self._database.nearest(self._clock(), most)
        except SQLAlchemyError as error:
            log.warning("events cannot be listed: %s", type(error).__name__)
            return []

    def _renewed(self, event_id: str, held: _Held | None) -> _Held:
        """What another process saved, if that is fresh; else what the upstream has now."""
        now = self._clock().replace(microsecond=0)
        known = held.edition if held else None
        stored = self._stored(event_id)
        if stored and (known is None or stored.fetched > known.fetched):
            known, held = stored, None
            if now < (until := self._fresh_until(stored)):
                return _Held(until, stored)
        etag = held.etag if held else None
        try:
            answer = self._source.fetch(event_id, etag)
            edition = self._saved(self._edited(event_id, answer, known, now))
        except UpstreamError as error:
            return self._failed(event_id, error, known, now)
        return _Held(self._fresh_until(edition), edition, etag=answer.etag)

    def _edited(
        self, event_id: str, answer: Answer, known: Edition | None, now: datetime
    ) -> Edition:
        if answer.body is None and known:
            return structs.replace(known, fetched=now)
        if answer.body is None:
            raise Nonsense("The Intervals API sent an answer that cannot be read.")
        event = self._source.decode(answer.body, event_id, known.event if known else None).event
        if known is None:
            return Edition(event=event, fetched=now, first_seen=now, last_modified=now)
        changed = max(now, known.last_modified) if event != known.event else known.last_modified
        return structs.replace(known, event=event, fetched=now, last_modified=changed)

    def _failed(
        self, event_id: str, error: UpstreamError, known: Edition | None, now: datetime
    ) -> _Held:
        log.warning("event %s: %s%s", event_id, error, _ADVICE.get(type(error), ""))
        if known:
            return _Held(now + freshness.FAILED_FOR, known, error)
        if isinstance(error, Forbidden) and self._knows_any():
            # The key reads events: this one is not there for it.
            error = EventNotFound("There is no such event.")
        remembered = freshness.FAILED_FOR
        if isinstance(error, EventNotFound):
            remembered = min(freshness.UNKNOWN_FOR, self._cap or freshness.UNKNOWN_FOR)
        return _Held(now + remembered, error=error)

    def _fresh_until(self, edition: Edition) -> datetime:
        return freshness.fresh_until(self._span(edition), edition.fetched, self._cap)

    def _span(self, edition: Edition) -> tuple[datetime, datetime]:
        return span(entries(edition, self._home))

    # The database is a memory: without it the service goes on with what it has.

    def _stored(self, event_id: str) -> Edition | None:
        try:
            return self._database.read(event_id)
        except SQLAlchemyError as error:
            log.warning("event %s cannot be read: %s", event_id, type(error).__name__)
            return None

    def _saved(self, edition: Edition) -> Edition:
        """The edition as saved; the one that another process saved first, if there is one."""
        try:
            return (
                self._database.save(edition, self._span(edition))
                or self._database.read(edition.event.id)
                or edition
            )
        except SQLAlchemyError as error:
            log.warning("event %s cannot be saved: %s", edition.event.id, type(error).__name__)
            return edition

    def _knows_any(self) -> bool:
        try:
            return self._database.knows_any()
        except SQLAlchemyError:
            return False

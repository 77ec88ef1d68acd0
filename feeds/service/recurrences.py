"""The recurrences of series, asked for once a day for the whole organization (rules 9.8)."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from feeds.domain.model import Event, Recurrence
from feeds.errors import Forbidden, StorageUnavailable, UpstreamError
from feeds.store.database import Database
from feeds.upstream.http import DEADLINE

log = logging.getLogger(__name__)

ASKED_EVERY = timedelta(days=1)
ASKED_AGAIN_AFTER = timedelta(hours=1)
"""When to ask again after an answer, and after a failure."""

MIN_LEFT = 1.0
"""Seconds of a refresh that must be left for the question."""


class Recurrences:
    """The recurrences in the database; threads may share it.

    ``fetch`` asks the upstream within so many seconds, and raises ``Forbidden`` if the key lacks
    the scope. ``spend_call`` takes the call from the budget, or returns why there is no call.
    """

    def __init__(
        self,
        fetch: Callable[[float], Mapping[str, tuple[Recurrence, ...]]],
        database: Database,
        spend_call: Callable[[datetime], UpstreamError | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._fetch = fetch
        self._database = database
        self._spend_call = spend_call
        self._clock = clock
        self._is_forbidden = False

    def find(self, event: Event, since: datetime) -> tuple[Recurrence, ...]:
        """The recurrences of an event, in a refresh that began ``since``.

        Asks the upstream if the event is a run club and the last answer is a day old. Never raises:
        while nothing better is known, they are those that the event has had.
        """
        try:
            known, due = self._database.read_recurrences()
            now = self._clock()
            if event.type == "runClub" and not now < due <= now + ASKED_EVERY:
                found = self._ask(due, now, since)
                known = known if found is None else found
        except StorageUnavailable:
            return event.recurrences
        return event.recurrences if known is None else known.get(event.id, ())

    def _ask(
        self, due: datetime, now: datetime, since: datetime
    ) -> Mapping[str, tuple[Recurrence, ...]] | None:
        """The upstream's answer; None if there is none, or if another process asks."""
        left = DEADLINE - (now - since).total_seconds()
        if left < MIN_LEFT or not self._database.postpone_recurrences(due, now + ASKED_EVERY):
            return None
        try:
            if refusal := self._spend_call(now):
                raise refusal
            found = self._fetch(left)
        except Forbidden:
            if not self._is_forbidden:
                log.warning(
                    "INTERVALS_PARTNER_API_KEY lacks the scope read:recurrences: pages do not tell"
                    " how often run clubs meet"
                )
            self._is_forbidden = True
        except UpstreamError:
            self._database.postpone_recurrences(now + ASKED_EVERY, now + ASKED_AGAIN_AFTER)
        else:
            self._database.save_recurrences(found)
            return found
        return None

"""Whose the key is: a 404 says nothing to a key that has become another organization's."""

from collections.abc import Callable
from datetime import datetime, timedelta

from feeds.domain.model import Event
from feeds.errors import Forbidden, Unauthorized, UpstreamError

OWNER_CACHED_FOR = timedelta(minutes=10)
"""How long the organization of the key is remembered."""


class KeyOwner:
    """The organization of the key, asked for when it matters and remembered for a while.

    ``organization`` asks the upstream, ``spend`` takes the call for that, or tells why there is
    none. Threads may share it.
    """

    def __init__(
        self,
        organization: Callable[[], str],
        spend: Callable[[datetime], UpstreamError | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._organization = organization
        self._spend = spend
        self._clock = clock
        self._known: tuple[datetime, str | None] | None = None

    def check(self, event: Event) -> None:
        """Raise an ``UpstreamError`` if the event is another's, or while that is not known."""
        now = self._clock()
        if self._known is None or not self._known[0] <= now < self._known[0] + OWNER_CACHED_FOR:
            if refusal := self._spend(now):
                raise refusal
            try:
                owner: str | None = self._organization()
            except Forbidden:
                owner = None  # a key without that scope: the two answers have to do
            self._known = (now, owner)
        if self._known[1] not in (None, event.organization_id):
            raise Unauthorized("The Intervals API does not show the event to this key.")

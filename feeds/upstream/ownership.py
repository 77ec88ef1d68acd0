"""Check that the API key still belongs to the event's organization before trusting a 404."""

from collections.abc import Callable
from datetime import datetime, timedelta

from feeds.domain.model import Event
from feeds.errors import Forbidden, Unauthorized, UpstreamError

OWNER_CACHED_FOR = timedelta(minutes=10)
"""How long the organization of the key is cached (rules 3.10)."""


class KeyOwner:
    """The organization of the key, cached for ``OWNER_CACHED_FOR``; threads may share an owner.

    ``fetch_organization`` asks the upstream and raises ``Forbidden`` if the key lacks the scope.
    ``spend_call`` takes the call for that from the budget, or returns why there is no call.
    """

    def __init__(
        self,
        fetch_organization: Callable[[], str],
        spend_call: Callable[[datetime], UpstreamError | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._fetch_organization = fetch_organization
        self._spend_call = spend_call
        self._clock = clock
        self._cached: tuple[datetime, str | None] | None = None

    def check(self, event: Event) -> None:
        """Check that the key may see the event.

        Raises ``Unauthorized`` if the key belongs to another organization, and the
        ``UpstreamError`` for which the organization cannot be fetched.
        """
        owner = self._get_organization()
        if owner not in (None, event.organization_id):
            raise Unauthorized("The Intervals API does not show the event to this key.")

    def _get_organization(self) -> str | None:
        """Return the organization's id; ``None`` if the key lacks the scope to read it.

        Without the scope, two answers decide whether an event is gone (rules 3.10).
        """
        now = self._clock()
        if self._cached and self._cached[0] <= now < self._cached[0] + OWNER_CACHED_FOR:
            return self._cached[1]
        if refusal := self._spend_call(now):
            raise refusal
        try:
            organization: str | None = self._fetch_organization()
        except Forbidden:
            organization = None
        self._cached = (now, organization)
        return organization

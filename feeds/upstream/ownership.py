"""Check that the API key belongs to the database's organization before trusting a 404."""

from collections.abc import Callable
from datetime import datetime, timedelta

from feeds.errors import Forbidden, OtherOrganization, UpstreamError, UpstreamTimeout
from feeds.upstream.http import DEADLINE

OWNER_CACHED_FOR = timedelta(minutes=10)
"""How long the organization of the key is cached (rules 3.10)."""


class KeyOwner:
    """The organization of the key, cached for ``OWNER_CACHED_FOR``; threads may share an owner.

    ``fetch`` asks the upstream within so many seconds, and raises ``Forbidden`` if the key lacks
    the scope. ``read_bound`` reads the organization that the database is bound to, if any.
    ``spend_call`` takes the call from the budget, or returns why there is no call.
    """

    def __init__(
        self,
        fetch: Callable[[float], str],
        read_bound: Callable[[], str | None],
        spend_call: Callable[[datetime], UpstreamError | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._fetch = fetch
        self._read_bound = read_bound
        self._spend_call = spend_call
        self._clock = clock
        self._cached: tuple[datetime, str | None] | None = None

    def check(self, since: datetime) -> None:
        """Check the key, with what is left of the ``DEADLINE`` of a refresh that began ``since``.

        Without a bound organization, or without the scope, there is nothing to compare. Raises
        ``OtherOrganization``, and the ``UpstreamError`` that kept the organization of the key
        unknown.
        """
        bound = self._read_bound()
        if bound and self._get_organization(since) not in (None, bound):
            raise OtherOrganization

    def _get_organization(self, since: datetime) -> str | None:
        now = self._clock()
        if self._cached and self._cached[0] <= now < self._cached[0] + OWNER_CACHED_FOR:
            return self._cached[1]
        left = DEADLINE - (now - since).total_seconds()
        if left <= 0:
            raise UpstreamTimeout
        if refusal := self._spend_call(now):
            raise refusal
        try:
            organization: str | None = self._fetch(left)
        except Forbidden:
            organization = None
        self._cached = (now, organization)
        return organization

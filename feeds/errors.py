"""Everything that can go wrong and that somebody is told about: one base, its leaves.

A message is one line for the subscriber or the operator: it never holds the key, the upstream's
own text or a path of the machine.
"""

from datetime import datetime
from typing import Self


class FeedsError(Exception):
    """The base of all errors of this package; ``retry_at`` is when it may be over, if known."""

    message = ""
    retry_at: datetime | None = None

    def __init__(self, message: str = "", *, retry_at: datetime | None = None) -> None:
        super().__init__(message or self.message)
        self.retry_at = retry_at

    def copy(self) -> Self:
        """The same without a past: a traceback keeps whatever its frames held, for as long."""
        return type(self)(str(self), retry_at=self.retry_at)


class SettingsError(FeedsError):
    """Settings that cannot be used; ``faults`` has one line for each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class DatabaseUnavailable(SettingsError):
    """The database that is set cannot be used, at least not now."""


class BadOption(FeedsError):
    """An option in a query that is wrong; the message names it and what it takes."""


class NoSuchRun(FeedsError):
    """The options of a query leave nothing of the event."""

    message = "There is no such run of this event."


class EventGone(FeedsError):
    """The event has not been listed for so long that its feeds have ended."""

    message = "This event is no longer listed."


class StorageUnavailable(FeedsError):
    """The database is not to be had, and nothing is in memory."""

    message = "The database is not to be had."


class StorageCorrupt(StorageUnavailable):
    """What the database has of an event makes no sense any more."""


class Overloaded(FeedsError):
    """So many requests wait for the upstream that this one does not."""

    message = "Too many requests are waiting for the Intervals API."


class UpstreamError(FeedsError):
    """The partner API gave no usable answer, or is not asked for one now."""


class EventNotFound(UpstreamError):
    """404 with the code NOT_FOUND: there is no such event."""

    message = "There is no such event."


class Unauthorized(UpstreamError):
    """401: the key is wrong."""

    message = "The Intervals API does not accept the key."


class Forbidden(UpstreamError):
    """403: the key lacks the scope, or the event is not the organization's."""

    message = "The Intervals API does not let the key read this."


class RateLimited(UpstreamError):
    """429: too many requests; ``retry_at`` is when the upstream takes the next, if it said so."""

    message = "The Intervals API takes no more requests for now."


class QuotaExhausted(UpstreamError):
    """The calls that the upstream grants are spent; ``retry_at`` is when there is one more."""

    message = "The calls that the Intervals API grants are spent for now."


class Rejected(UpstreamError):
    """400, 409 or 422: the upstream did not take the request as it was."""

    message = "The Intervals API did not take the request."


class UpstreamUnavailable(UpstreamError):
    """5xx, refused, reset, no such host, no valid certificate: the upstream is not to be had."""

    message = "The Intervals API cannot be reached."


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer in time."""

    message = "The Intervals API did not answer in time."


class InvalidResponse(UpstreamError):
    """An answer that is none: not JSON, not of the documented shape, too large, a redirect."""

    message = "The Intervals API sent an answer that cannot be read."


UPSTREAM_ERRORS = {
    each.__name__: each
    for each in (
        EventNotFound,
        Unauthorized,
        Forbidden,
        RateLimited,
        QuotaExhausted,
        Rejected,
        UpstreamUnavailable,
        UpstreamTimeout,
        InvalidResponse,
    )
}
"""By name, as one is remembered for other processes."""

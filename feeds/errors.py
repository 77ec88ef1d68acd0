"""Everything that can go wrong and that somebody is told about: one base, its leaves.

A message is one line for the subscriber or the operator: it never holds the key, the upstream's
own text or a path of the machine.
"""

from datetime import datetime


class FeedsError(Exception):
    """The base of all errors of this package."""


class SettingsError(FeedsError):
    """Settings that cannot be used; ``faults`` has one line for each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class BadOption(FeedsError):
    """An option in a query that is wrong; the message names it and what it takes."""


class NoSuchRun(FeedsError):
    """The options of a query leave nothing of the event."""


class StorageAway(FeedsError):
    """The database is not to be had, and nothing is in memory."""


class UpstreamError(FeedsError):
    """The partner API gave no usable answer."""


class EventNotFound(UpstreamError):
    """404 with the code NOT_FOUND: there is no such event."""


class EventGone(FeedsError):
    """The event has not been listed for so long that its feeds have ended."""


class Unauthorized(UpstreamError):
    """401: the key is wrong."""


class Forbidden(UpstreamError):
    """403: the key lacks the scope, or the event is not the organization's."""


class RateLimited(UpstreamError):
    """429: too many requests; ``retry_at`` is when the upstream takes the next, if it said so."""

    def __init__(self, message: str, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class Rejected(UpstreamError):
    """400, 409 or 422: the upstream did not take the request as it was."""


class Unavailable(UpstreamError):
    """5xx, refused, reset, no such host, no valid certificate: the upstream is not to be had."""


class TimedOut(UpstreamError):
    """The upstream did not answer in time."""


class Nonsense(UpstreamError):
    """An answer that is none: not JSON, not of the documented shape, too large, a redirect."""

"""All errors that a subscriber or an operator sees: one base class and its leaves.

No message holds the key or the upstream's own text. A message for a client is one line without a
path of the machine; a ``SettingsError`` has a line for each fault, and a message of a command may
name files.
"""

from datetime import datetime
from typing import Self


class FeedsError(Exception):
    """The base of all errors of this package; ``retry_at`` is when to try again, if known."""

    message = ""
    retry_at: datetime | None = None

    def __init__(self, message: str = "", *, retry_at: datetime | None = None) -> None:
        super().__init__(message or self.message)
        self.retry_at = retry_at

    def copy(self, *, retry_at: datetime | None = None) -> Self:
        """The same error, or with another ``retry_at``, without its traceback.

        A traceback would keep the values of its frames in memory.
        """
        return type(self)(str(self), retry_at=retry_at or self.retry_at)


class SettingsError(FeedsError):
    """Invalid settings; ``faults`` has one line for each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class DatabaseUnusable(SettingsError):
    """The database of FEEDS_DATABASE_URL cannot be used, at least not now."""


class BackupError(FeedsError):
    """A backup cannot be made, or cannot be put back."""


class BadOption(FeedsError):
    """An invalid option in a query; the message names the option and its valid values."""


class NoSuchRun(FeedsError):
    message = "There is no such run of this event."


class EventGone(FeedsError):
    """The event has been gone for 30 days, and its feeds have ended."""

    message = "This event is no longer listed."


class StorageUnavailable(FeedsError):
    """The database of a running service cannot be used at the moment."""

    message = "The database is unavailable."


class CollectionIncomplete(FeedsError):
    message = "Not all events are read yet."


class Overloaded(FeedsError):
    """The bulkhead is full: too many requests wait for the upstream."""

    message = "Too many requests are waiting for the Intervals API."


class Stopped(FeedsError):
    message = "Stopped."


class UpstreamError(FeedsError):
    """The partner API gave no usable answer, or no call can be made now."""


class EventNotFound(UpstreamError):
    """404 with the code NOT_FOUND: there is no such event."""

    message = "There is no such event."


class GroupNotFound(EventNotFound):
    message = "There is no such group."


class Unauthorized(UpstreamError):
    """401: the key is wrong."""

    message = "The Intervals API does not accept the key."


class Forbidden(UpstreamError):
    """403: the key lacks the scope, or the event is not the organization's."""

    message = "The Intervals API does not let the key read this."


class OtherOrganization(UpstreamError):
    """404 while the key belongs to another organization than the database."""

    message = "The Intervals API does not show the event to this key."


class RateLimited(UpstreamError):
    """429: too many requests; ``retry_at`` is the time that the upstream asked for, if any."""

    message = "The Intervals API takes no more requests for now."


class QuotaExhausted(UpstreamError):
    """The rate limit leaves no call for this purpose until ``retry_at``."""

    message = "The rate limit of the Intervals API is used up for now."


class Rejected(UpstreamError):
    """400, 409 or 422: the upstream rejected the request."""

    message = "The Intervals API did not take the request."


class UpstreamUnavailable(UpstreamError):
    """5xx, connection refused or reset, no such host, or an invalid certificate."""

    message = "The Intervals API cannot be reached."


class UpstreamTimeout(UpstreamError):
    message = "The Intervals API did not answer in time."


class InvalidResponse(UpstreamError):
    """Not JSON, not of the documented shape, too large, or a redirect."""

    message = "The Intervals API sent an answer that cannot be read."


UPSTREAM_ERRORS = {each.__name__: each for each in UpstreamError.__subclasses__()}
"""By name, as the database stores them for other processes."""

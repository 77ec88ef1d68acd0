"""A clock that tests move by hand."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 5, 20, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def timestamp(self) -> float:
        """Return the time as seconds since 1970."""
        return self.now.timestamp()

    def advance(self, **duration: float) -> None:
        """Move the clock by ``seconds=``, ``hours=`` and so on; backwards if negative."""
        self.now += timedelta(**duration)

"""What proves that a run or an event is missing (rules 3.5 and 3.8)."""

from datetime import datetime, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
PROVED_AFTER = timedelta(minutes=30)
SKEW = timedelta(seconds=15)
"""How much clocks that are apart may move a limit."""


class Moment(NamedTuple):
    """A time of a process, and the seconds of the walk, which no clock changes."""

    at: datetime
    elapsed: float

    def since(self, other: "Moment") -> timedelta:
        """The time since another moment, by the clock or by the walk: the longer one."""
        return max(self.at - other.at, timedelta(seconds=self.elapsed - other.elapsed))

    def compare(self, other: "Moment") -> timedelta:
        """How differently the clocks and the walk tell the time between two moments."""
        return self.at - other.at - timedelta(seconds=self.elapsed - other.elapsed)


class Others(NamedTuple):
    """The other events: since when each has missed something, and when each was listed last.

    ``listed`` are those events alone that the service must know to be ahead.
    """

    missing: tuple[Moment, ...] = ()
    listed: tuple[Moment, ...] = ()


def find_doubt(answers: tuple[Moment, ...], now: Moment, others: Others) -> str:
    """Why these answers in a row do not prove that something is missing; nothing if they do.

    If other events are ``listed``, one has to be since the first answer: so for an event (rules
    3.8). Nothing, too, if the clock of one of them was wrong: the service goes by its clock.
    """
    seen = (*answers, *others.missing, *others.listed, now)
    if answers and any(abs(answers[0].compare(each)) > SKEW for each in seen):
        return ""
    since = max((now.since(each) for each in answers), default=timedelta(0))
    if len(answers) < 3 or since < PROVED_AFTER - SKEW:
        return f"after {len(answers)} answers in {since}"
    hour = timedelta(hours=1) - SKEW
    if since > DAY - SKEW:
        return ""
    if any(abs(answers[0].at - each.at) < hour for each in others.missing):
        return "while another event is missing"
    if others.listed and all(each.at < answers[0].at - SKEW for each in others.listed):
        return "while no other event is listed"
    return ""

"""The scenarios of a simulated day: events, subscribers, changes, and the rate limit."""

from datetime import timedelta
from typing import NamedTuple

from feeds.domain.quota import Rate


class Scenario(NamedTuple):
    """``changes`` are numbers of events by the organizer's action, one action per event.

    ``subscribers`` is the number of clients of each event. ``round_interval`` is the time between
    two rounds of the refresher: 2 s in the service, here as short as matters. ``weeks``, if any,
    are those in which each event has a session, relative to the day.
    """

    name: str
    rate: Rate
    events: int
    changes: dict[str, int]
    round_interval: timedelta
    subscribers: int
    weeks: range = range(0)

    @property
    def stretch(self) -> timedelta:
        """The least max-age that the rate limit allows."""
        return self.rate.stretch(self.events)


SCENARIOS = (
    Scenario(
        "1,000 events, 100/minute",
        Rate(100, timedelta(minutes=1), 20),
        1_000,
        {
            "move": 120,
            "cancel": 60,
            "cancel and reinstate": 40,
            # Few: removals within an hour of each other are held back for a day (rules 3.8).
            "remove run": 1,
            "delist and restore": 1,
            "answer 404 once": 10,
            "answer without runs once": 10,
        },
        timedelta(seconds=10),
        5,
    ),
    Scenario(
        "10 events, 100/day",
        Rate(100, timedelta(days=1), 20),
        10,
        {
            "move": 2,
            "cancel": 1,
            "cancel and reinstate": 1,
            "remove run": 1,
            "delist and restore": 1,
            "answer 404 once": 1,
            "answer without runs once": 1,
        },
        timedelta(minutes=1),
        20,
    ),
    Scenario(
        "10 run clubs, 100/day",
        Rate(100, timedelta(days=1), 20),
        10,
        {"move": 2, "cancel": 2, "cancel and reinstate": 1, "answer 404 once": 1},
        timedelta(minutes=1),
        20,
        range(-52, 8),
    ),
)

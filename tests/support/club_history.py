"""The history of a club of three events, with a service that is polled meanwhile."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.clock import Clock
from tests.support.club import CLUB, Club
from tests.support.histories import BEGINNING, a_run, at
from tests.support.upstream import Upstream

URLS = {
    "club.ics": "/events.ics",
    "club.rss": "/events.rss",
    "club.json": "/events.json",
    "club-10k.ics": "/events.ics?distance=10K&type=race",
    "club-nothing.ics": "/events.ics?distance=Marathon",
    "club-nothing.rss": "/events.rss?distance=Marathon",
    "club-nothing.json": "/events.json?distance=Marathon",
}
"""The addresses by the names of their files."""

MILWAUKEE = at("Veterans Park, Milwaukee, WI", 43.0466, -87.8871)
LONDON = at("Marble Hill Park, Twickenham", 51.4494, -0.3132)


def live_club() -> dict[str, bytes]:
    """One event moves, one is cancelled, one is deleted; the bodies by file at the end."""
    clock = Clock(BEGINNING)
    with TemporaryDirectory() as folder, Upstream(clock).on() as upstream:
        club = Club(upstream, clock, Path(folder))
        club.hold("e1", "2026-06-13", a_run("r1", "10K", "2026-06-13 08:00"), **MILWAUKEE)
        five, ten = a_run("r2", "5K", "2026-07-05 09:30"), a_run("r3", "10K", "2026-07-05 09:00")
        club.hold("e2", "2026-07-05", five, ten, **LONDON)
        club.hold("e3", "2026-03-14", a_run("r4", "5K", "2026-03-14 10:00"))
        club.fill()
        club.bind(CLUB)
        clock.advance(days=2)
        club.change("e1", startTime="07:30")
        club.change("e2", "r2", eventStatus="cancelled")
        club.remove("e3")

        for _ in range(3):  # it takes three answers to prove that an event is gone
            clock.advance(minutes=31)
            # The listed event comes first: before it, a 404 of another event proves nothing.
            club.read("/events/e1.ics")
            club.settle()
        return {name: club.read(address) for name, address in URLS.items()}

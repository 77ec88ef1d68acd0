"""Scenarios in which an event changes: the whole life of a race, and events that vanish."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.recording import Service
from tests.support.service import a_5k, a_run, an_event

OPENS, CLOSES = "2026-06-20T12:00:00Z", "2026-07-20T12:00:00Z"
OF_EVENT = {"eventId": "harbor"}
POLLED = (
    *(".ics", ".rss", ".json", "", "/embed"),
    *(".ics?cancelled=drop", ".ics?cancelled=keep", ".ics?registration=1&busy=1"),
    *(".rss?run=r5", ".json?distance=5K"),
)


class Race:
    """An event with two runs at the upstream, and the subscribers that poll the event."""

    def __init__(self, service: Service, forms: Iterable[str]) -> None:
        self.service = service
        self._forms = tuple(forms)
        site = "https://harbor.example.org"
        self.event = an_event(_id="harbor", registrationUrl=f"{site}/register")
        window = {"registrationOpensAt": OPENS, "registrationClosesAt": CLOSES}
        self.runs = {"r10": a_run("r10", **OF_EVENT), "r5": a_5k("r5", **OF_EVENT, **window)}

    def publish(self, **fields: Any) -> None:
        """Have the upstream serve the event, with these fields changed."""
        self.event |= fields
        document = {"event": self.event, "runs": list(self.runs.values())}
        self.service.upstream.put("harbor", document)

    def edit(self, *ids: str, **fields: Any) -> None:
        """Change these fields of these runs."""
        for id_ in ids:
            self.runs[id_] |= fields
        self.publish()

    def poll(self, step: str, **duration: float) -> None:
        """Poll all feeds and pages; 61 minutes later if no duration is given."""
        self.service.step(step, **duration or {"minutes": 61})
        self.service.ask_all(f"/events/harbor{form}" for form in self._forms)

    def poll_at(self, step: str, instant: datetime) -> None:
        """Poll at this instant."""
        self.poll(step, seconds=(instant - self.service.clock.now).total_seconds())


EDITS: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
    ("the start moved", ("r10",), {"startTime": "07:30"}),
    ("the start moved back", ("r10",), {"startTime": "08:00"}),
    ("both starts moved", ("r10", "r5"), {"startTime": "07:30"}),
    ("sold out", ("r5",), {"soldOut": True}),
    ("places again", ("r5",), {"soldOut": False}),
    ("registration paused", ("r10",), {"registrationOverride": "paused"}),
    ("registration closed", ("r10",), {"registrationOverride": "closed"}),
    ("registration reopened", ("r10",), {"registrationOverride": None}),
    ("one run cancelled", ("r5",), {"eventStatus": "cancelled"}),
    ("reinstated", ("r5",), {"eventStatus": "scheduled"}),
    ("cancelled again", ("r5",), {"eventStatus": "canceled"}),
    ("both cancelled", ("r10",), {"eventStatus": "cancelled"}),
    ("both reinstated", ("r10", "r5"), {"eventStatus": "scheduled"}),
    ("postponed", ("r10", "r5"), {"eventStatus": "postponed"}),
    ("rescheduled", ("r10", "r5"), {"eventStatus": "rescheduled", "date": "2026-08-22"}),
    ("a run is virtual", ("walk",), {"isVirtual": True}),
    (
        "the run has a start",
        ("walk",),
        {"isVirtual": False, "date": "2026-08-22", "startTime": "08:00"},
    ),
    ("a status that is not known", ("r10",), {"eventStatus": "weatherHold"}),
    ("a run that does not decode", ("r5",), {"date": "soon"}),
    ("the run decodes again", ("r5",), {"date": "2026-08-22"}),
)

START, END = datetime(2026, 8, 22, 12, 30, tzinfo=UTC), datetime(2026, 8, 22, 14, 30, tzinfo=UTC)
"""Of the race as it was rescheduled; the end is estimated from the 10K."""

PHASES = {
    "15 days before": START - timedelta(days=15),
    "a second before the last 14 days": START - timedelta(days=14, seconds=1),
    "14 days before": START - timedelta(days=14),
    "13 days before": START - timedelta(days=13),
    "a second before the last 48 hours": START - timedelta(hours=48, seconds=1),
    "48 hours before": START - timedelta(hours=48),
    "the morning of the day": START - timedelta(minutes=90),
    "it is on": START + timedelta(minutes=10),
    "it is over": END,
    "a second before it is over for two days": END + timedelta(days=2, seconds=-1),
    "over for two days": END + timedelta(days=2),
    "over for three days": END + timedelta(days=3),
    "over for nearly a year": END + timedelta(days=290),
    "over for more than a year": END + timedelta(days=380),
}


def live(service: Service) -> None:
    """One race from its announcement until a month after the upstream has deleted it."""
    race = Race(service, POLLED)
    race.publish()
    race.poll("announced")
    race.poll("nothing has changed")
    race.publish(address={"venue": "Montrose Harbor", "city": "Chicago"}, lat=41.9631, lng=-87.6388)
    race.poll("the place moved")
    race.publish(name="Harbor Run & Walk", description="Along the <b>lake</b>.\nBring water.")
    race.poll("another name and a text")
    other = {"distanceMeters": 3_200, "distanceStandard": "Other", "distanceLabel": "Other"}
    race.runs["walk"] = a_run("walk", isWalking=True, startTime=None, **OF_EVENT, **other)
    race.publish()
    race.poll("another run")
    opens, closes = datetime.fromisoformat(OPENS), datetime.fromisoformat(CLOSES)
    service.upstream.answer(500, "text/plain", "")
    race.poll_at("the upstream fails before registration opens", opens - timedelta(seconds=20))
    race.poll_at("registration opens by the clock", opens)
    service.upstream.instead = None
    for step, ids, fields in EDITS:
        race.edit(*ids, **fields)
        race.poll(step)
    delisted = race.runs.pop("r5")
    race.publish()
    race.poll("a run is missing")
    _poll_until_believed(race)
    service.start()
    race.poll("a restart")
    race.runs["r5"] = delisted
    race.publish()
    race.poll("the run has returned")
    del race.runs["walk"]
    race.publish()
    race.poll("another run is missing")
    _poll_until_believed(race)
    race.poll_at("a second before registration closes", closes - timedelta(seconds=1))
    race.poll_at("registration closes by the clock", closes)
    for step, instant in PHASES.items():
        race.poll_at(step, instant)
    service.upstream.delete("harbor")
    _leave(race, fails=True)


def vanish(service: Service, *, emptied: bool) -> None:
    """An event that is to come is deleted, or loses all of its runs; it returns in the end."""
    race = Race(service, POLLED[:6])
    race.publish()
    race.poll("announced")
    runs, race.runs = race.runs, {}
    if emptied:
        race.publish()
    else:
        service.upstream.delete("harbor")
    _leave(race)
    race.runs = runs
    race.publish(name="Harbor Run, again")
    race.poll("the event has returned")
    race.poll("an hour later")
    service.start()
    race.poll("a restart", minutes=1)


def _poll_until_believed(race: Race) -> None:
    """After a first answer without something, poll until two more have proved that."""
    race.poll("the second answer without it", minutes=1)
    race.poll("the third answer without it", minutes=29)


def _leave(race: Race, *, fails: bool = False) -> None:
    """Poll until thirty days after the answer which proves that the event or its runs are gone.

    The upstream ``fails`` while the thirty days end.
    """
    upstream = race.service.upstream
    race.poll("the first answer without it", days=1)
    race.poll("59 seconds later", seconds=59)
    _poll_until_believed(race)
    over = race.service.clock.now + timedelta(days=30)
    race.poll("half an hour later", minutes=30)
    if fails:
        upstream.answer(500, "text/plain", "")
    race.poll_at("a second before thirty days are over", over - timedelta(seconds=1))
    race.poll_at("thirty days are over", over)
    upstream.instead = None
    race.poll("an hour later", hours=1)

"""Histories: the lives of events, with a service that subscribers poll meanwhile.

A history uses the public surface alone (settings, the upstream's documents, URLs), so it does not
depend on how the package is laid out.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from feeds.app import create_app
from tests.support.clock import Clock
from tests.support.processes import settings_for
from tests.support.upstream import Upstream

BEGINNING = datetime(2026, 3, 2, 15, tzinfo=UTC)

METERS = {"5K": 5000, "10K": 10000, "15K": 15000, "Half Marathon": 21097.5}

PAGE = ".jsonld"
URLS = {".ics": ".ics", ".rss": ".rss", ".json": ".json", PAGE: ""}
"""By the end of a file's name, the end of the URL; the URL begins with ``/events/<id>``."""
JSON_LD = re.compile(r'<script type="application/ld\+json">(.*?)</script>', re.DOTALL)


class Race:
    """An event in the upstream and the service that serves it; ``files`` holds the kept states."""

    def __init__(self, history: str, upstream: Upstream, folder: Path, clock: Clock) -> None:
        self.urls = URLS
        self.files: dict[str, bytes] = {}
        self._history, self._upstream, self._clock = history, upstream, clock
        settings = settings_for(upstream.url, folder)
        self._client = create_app(settings, clock.timestamp).test_client()
        self._event: dict[str, Any] = {}
        self._runs: dict[str, dict[str, Any]] = {}

    def announce(self, id_: str, name: str, *runs: dict[str, Any], **fields: Any) -> None:
        """Publish a new event, which takes place on the day of its first run, and poll it."""
        event = {"_id": id_, "name": name, "slug": re.sub("[^a-z0-9]+", "-", name.lower())}
        event |= {"type": "race", "date": runs[0]["date"], "organizationId": "k57abc123def456"}
        self._event = event | fields
        self._runs = {run["_id"]: run | {"eventId": id_} for run in runs}
        self.publish()
        self.poll_after()

    def edit(self, *run_ids: str, **fields: Any) -> None:
        """Set fields of these runs, without ids those of the event."""
        for document in [self._runs[id_] for id_ in run_ids] or [self._event]:
            document.update(fields)
        self.publish()

    def publish(self, *, without: tuple[str, ...] = ()) -> None:
        """Publish the event with all of its runs but these."""
        runs = [run for id_, run in self._runs.items() if id_ not in without]
        self._upstream.put(self._event["_id"], {"event": self._event, "runs": runs})

    def delete(self) -> None:
        self._upstream.delete(self._event["_id"])

    def poll_after(self, **duration: float) -> None:
        """Poll every URL when so much time has passed that the edition has ended."""
        self._clock.advance(**duration)
        self._upstream.calls.clear()
        self._poll()
        assert self._upstream.asked == [self._event["_id"]], "the edition had not ended"

    def poll_until_believed(self) -> None:
        """After a first answer that lacks something, poll until two more have proved it."""
        self.poll_after(minutes=1)
        self.poll_after(minutes=29)

    def keep(self, step: str = "") -> None:
        """Keep what is served now, as a step of the history or as its end."""
        state = f"{self._history}-{step}" if step else self._history
        self.files |= {f"{state}{end}": body for end, body in self._poll().items()}

    def _poll(self) -> dict[str, bytes]:
        bodies = {}
        for end, rest in self.urls.items():
            response = self._client.get(f"/events/{self._event['_id']}{rest}")
            assert response.status_code == 200
            bodies[end] = _json_ld(response.text) if end == PAGE else response.data
        return bodies


def _json_ld(page: str) -> bytes:
    (document,) = JSON_LD.findall(page)
    return f"{json.dumps(json.loads(document), indent=2, ensure_ascii=False)}\n".encode()


def a_run(id_: str, label: str, start: str, meters: float = 0, **fields: Any) -> dict[str, Any]:
    """A run that starts at ``YYYY-MM-DD HH:MM``; ``meters`` are those of no standard distance."""
    date, time = start.split()
    standard = label if label in METERS else "Other"
    distance = {"distanceMeters": meters or METERS[standard], "distanceStandard": standard}
    told = {"distanceLabel": label, "date": date, "startTime": time, "eventStatus": "scheduled"}
    return {"_id": id_} | distance | told | fields


def at(place: str, lat: float, lng: float) -> dict[str, Any]:
    """The fields of a place, ``venue, city`` or ``venue, city, state``."""
    address = dict(zip(("venue", "city", "state"), place.split(", "), strict=False))
    return {"address": address, "lat": lat, "lng": lng}


def moved_and_reinstated(race: Race) -> None:
    """The 10K and later the event move; a storm cancels two runs, and the 10K is reinstated."""
    half, ten, five = "r63bxq208mtd591", "r17vcj945kwf362", "r88zpn301hgs724"
    race.announce(
        "e31cqk760rvb482",
        "Cream City Classic",
        a_run(half, "Half Marathon", "2026-06-13 07:00"),
        a_run(ten, "10K", "2026-06-13 07:45"),
        a_run(five, "5K", "2026-06-13 09:00"),
        endTime="11:00",
        description="Three distances along the lake.\nBibs at the pavilion from 05:30.",
        websiteUrl="https://creamcitystriders.example.org/classic",
        registrationUrl="https://creamcitystriders.example.org/classic/register",
        **at("Veterans Park, Milwaukee, WI", 43.0466, -87.8871),
    )
    race.edit(ten, startTime="08:15")
    race.poll_after(days=4)
    race.edit(**at("South Shore Park, Milwaukee, WI", 42.9966, -87.8806))
    race.poll_after(days=30, hours=3)
    race.edit(half, ten, eventStatus="cancelled")
    race.poll_after(days=66)
    race.keep("cancelled")
    race.edit(ten, eventStatus="scheduled")
    race.poll_after(days=1, hours=2)


def postponed_and_rescheduled(race: Race) -> None:
    """Snow postpones both runs; they are rescheduled to a new date, the 5K also to a new time."""
    fifteen, five = "r29gwm583xlc046", "r74dsy612fqh830"
    race.announce(
        "e56tnz129jpl374",
        "Reservoir 15K",
        a_run(fifteen, "15K", "2026-03-22 09:00"),
        a_run(five, "5K", "2026-03-22 09:30"),
        endTime="12:00",
        websiteUrl="https://quabbinharriers.example.org/15k",
        **at("Quabbin Visitor Center, Belchertown, MA", 42.2786, -72.3501),
    )
    race.edit(fifteen, five, eventStatus="postponed")
    race.poll_after(days=18)
    race.keep("postponed")
    race.edit(date="2026-04-26")
    race.edit(fifteen, five, eventStatus="rescheduled", date="2026-04-26")
    race.edit(five, startTime="10:00")
    race.poll_after(days=6)


def delisted_and_returned(race: Race) -> None:
    """Two runs are delisted; one of them returns, the other one leaves the feeds after 30 days."""
    ten, five, mile = "r92kfh437tbx185", "r05mrl716vnz293", "r48qwc850dyj617"
    race.announce(
        "e77sgd954hwc061",
        "Towpath Ten",
        a_run(ten, "10 Miles", "2026-07-05 09:00", 16093),
        a_run(five, "5K", "2026-07-05 09:30"),
        a_run(mile, "Junior Mile", "2026-07-05 11:00", 1609),
        description="Flat and fast beside the river.",
        registrationUrl="https://towpathrunners.example.org/ten/enter",
        **at("Marble Hill Park, Twickenham", 51.4494, -0.3132),
    )
    race.publish(without=(five, mile))
    race.poll_after(days=8)
    race.poll_until_believed()
    race.keep("delisted")
    race.publish(without=(mile,))
    race.poll_after(days=12, hours=5)
    race.poll_after(days=18)


def sold_out_and_paused(race: Race) -> None:
    """The half marathon sells out twice; registration for the 10K is paused and reopened."""
    half, ten = "r11jtv268cqm940", "r36yhz597gbs812"
    race.announce(
        "e14bxy683mfq597",
        "Cooks River Fun Run",
        a_run(half, "Half Marathon", "2026-05-17 06:30", maxParticipants=800),
        a_run(ten, "10K", "2026-05-17 07:30"),
        a_run("r80nkd143wlf759", "Riverside Walk", "2026-05-17 08:00", 4000, isWalking=True),
        registrationUrl="https://cooksriverjoggers.example.org/enter",
        **at("Steel Park, Marrickville, NSW", -33.9186, 151.149),
    )
    race.edit(half, soldOut=True)
    race.poll_after(days=10)
    race.edit(ten, registrationOverride="paused")
    race.poll_after(days=3)
    race.keep("paused")
    race.edit(half, soldOut=False)
    race.edit(ten, registrationOverride=None)
    race.poll_after(days=6, hours=1)
    race.edit(half, soldOut=True)
    race.poll_after(days=2)


def opened_and_closed(race: Race) -> None:
    """Registration opens and closes by the clock; the 5K is sold out before it closes."""
    race.urls = race.urls | {".registration.ics": ".ics?registration=1"}
    window: dict[str, Any] = {
        "registrationOpensAt": "2026-03-16T09:00:00+01:00",
        "registrationClosesAt": "2026-06-10T23:59:00+02:00",
    }
    five = "r67lzb390sxg428"
    race.announce(
        "e90wfj275ktd136",
        "Les Foulées de la Tête d'Or",
        a_run("r53xgp874nhv601", "10K", "2026-06-14 09:30", **window),
        a_run(five, "5K", "2026-06-14 09:00", **window),
        a_run("r21cqs069jwm385", "Course des enfants", "2026-06-14 11:00", 1200),
        description="Départ près de la porte des Enfants du Rhône ; dossards sur place.",
        registrationUrl="https://fouleeslyon.example.org/inscription",
        **at("Parc de la Tête d'Or, Lyon", 45.7772, 4.8525),
    )
    race.poll_after(days=13, hours=16, minutes=59)
    race.poll_after(hours=1)
    race.keep("opened")
    race.edit(five, soldOut=True)
    race.poll_after(days=60)
    race.poll_after(days=27)


def gone_and_back(race: Race) -> None:
    """After its first run the event is deleted, which three answers prove, and comes back."""
    race.announce(
        "e42mhv518zgn903",
        "Bridge City Tuesday Tempo",
        a_run("r97dfw135qkt640", "8K", "2026-04-07 18:30", 8000),
        a_run("r40pxn782lcy159", "8K", "2026-04-14 18:30", 8000),
        a_run("r15vjs406bhz873", "8K", "2026-04-21 18:30", 8000),
        type="runClub",
        description="Tempo intervals between the bridges, all paces.",
        websiteUrl="https://bridgecityrunners.example.org/tuesday",
        **at("Eastbank Esplanade, Portland, OR", 45.5191, -122.667),
    )
    race.poll_after(days=37)
    race.delete()
    race.poll_after(hours=1)
    race.poll_until_believed()
    race.keep("gone")
    race.publish()
    race.poll_after(days=3)


HISTORIES = (
    moved_and_reinstated,
    postponed_and_rescheduled,
    delisted_and_returned,
    sold_out_and_paused,
    opened_and_closed,
    gone_and_back,
)


def live_all() -> dict[str, bytes]:
    """Live all histories, each with a new upstream, database and application; bodies by file."""
    files: dict[str, bytes] = {}
    for live in HISTORIES:
        clock, name = Clock(BEGINNING), live.__name__.replace("_", "-")
        with TemporaryDirectory() as folder, Upstream(clock).on() as upstream:
            race = Race(name, upstream, Path(folder), clock)
            live(race)
            race.keep()
        files |= race.files
    return files

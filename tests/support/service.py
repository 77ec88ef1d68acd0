"""The service as subscribers see it: an application, its upstream on a socket, and a clock."""

import json
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import feedparser
import sqlalchemy as sa
from icalendar import Calendar
from icalendar import Event as VEvent
from werkzeug.test import Client, TestResponse

from feeds.app import create_app
from feeds.sandbox import ORGANIZATION_ID
from feeds.store.tables import changes, events, revisions
from tests.support.clock import Clock
from tests.support.databases import bind_organization, execute
from tests.support.processes import settings_for
from tests.support.upstream import Upstream

EVENT = "harbor-run"
PUBLIC_URL = "https://feeds.example.org"
PAGE = f"{PUBLIC_URL}/events/{EVENT}"


def an_event(**fields: Any) -> dict[str, Any]:
    """An event as the upstream sends it: a race in Chicago on Saturday, 15 August 2026.

    ``fields`` replace the ordinary ones; None means absent.
    """
    return {
        "_id": EVENT,
        "name": "Harbor Run",
        "slug": "harbor-run",
        "type": "race",
        "date": "2026-08-15",
        "organizationId": ORGANIZATION_ID,
        "address": "Navy Pier, Chicago",
        "lat": 41.8917,
        "lng": -87.6043,
    } | fields


def a_run(id_: str = "ten", **fields: Any) -> dict[str, Any]:
    """A run of that event as the upstream sends it: a 10K at 08:00, without other fields."""
    return {
        "_id": id_,
        "eventId": EVENT,
        "distanceMeters": 10000,
        "distanceStandard": "10K",
        "distanceLabel": "10K",
        "date": "2026-08-15",
        "startTime": "08:00",
    } | fields


def a_5k(id_: str = "five", **fields: Any) -> dict[str, Any]:
    """Another run of that event: a 5K at 08:00."""
    distance = {"distanceMeters": 5000, "distanceStandard": "5K", "distanceLabel": "5K"}
    return a_run(id_, **distance | fields)


class Service:
    """An application over ``upstream``, with a database of its own.

    ``clock`` is the time of both and stands still until ``advance`` moves it; ``set_back`` sets
    the application's time back. ``folder`` has the database. ``announce`` publishes the event that
    all methods are about.
    """

    def __init__(self, upstream: Upstream, clock: Clock, folder: Path) -> None:
        self.upstream = upstream
        self.clock = clock
        self.folder = folder
        self._databases = 1
        self._behind = timedelta(0)
        self._event: dict[str, Any] = {}
        self._runs: dict[str, dict[str, Any]] = {}

    @cached_property
    def client(self) -> Client:
        """Sends requests to the application, which the first use starts with ordinary settings."""
        return self._start()

    @property
    def _database_url(self) -> str:
        return f"sqlite:///{self.folder}/feeds-{self._databases}.sqlite3"

    def _start(self, **settings: Any) -> Client:
        changes = {"api_url": self.upstream.url, "database_url": self._database_url} | settings
        ready = settings_for(changes.pop("api_url"), self.folder, **changes)
        return Client(create_app(ready, self._timestamp), use_cookies=False)

    def _timestamp(self) -> float:
        return (self.clock.now - self._behind).timestamp()

    def restart(self, **settings: Any) -> None:
        """Start another application on the same database, with these settings changed."""
        self.client = self._start(**settings)

    def bind(self, organization: str = ORGANIZATION_ID) -> None:
        """Bind the database to an organization, as the start of ``feeds serve`` does."""
        bind_organization(self._database_url, self.clock.now, organization)

    def lose_database(self) -> None:
        """Start another application on an empty database."""
        self._databases += 1
        self.restart()

    def empty_database(self) -> None:
        """Lose all rows of events while the application goes on."""
        for table in (events, revisions, changes):
            execute(self._database_url, sa.delete(table))

    def announce(self, *runs: dict[str, Any], **fields: Any) -> None:
        """Publish a new event with these runs, and poll it; ``fields`` are those of the event."""
        self._event = an_event(**fields)
        self._runs = {run["_id"]: run for run in runs}
        self.publish()
        self.poll()

    def edit(self, *run_ids: str, **fields: Any) -> None:
        """Change fields of these runs in the upstream, without ids those of the event."""
        for document in [self._runs[id_] for id_ in run_ids] or [self._event]:
            document.update(fields)
        self.publish()

    def add(self, run: dict[str, Any]) -> None:
        """Add a run to the event in the upstream, or replace one."""
        self._runs[run["_id"]] = run
        self.publish()

    def delist(self, *run_ids: str) -> None:
        """Have the upstream list the event without these runs; ``publish`` lists all again."""
        self.publish(without=run_ids)

    def publish(self, *, without: tuple[str, ...] = ()) -> None:
        """Have the upstream serve the event with all of its runs but these."""
        runs = [run for id_, run in self._runs.items() if id_ not in without]
        self.upstream.put(EVENT, {"event": self._event, "runs": runs})

    def believe_removal(self) -> None:
        """Poll three times within 30 minutes, after which what the upstream lacks is believed."""
        for minutes in (0, 1, 29):
            self.advance(minutes=minutes)
            self.poll()

    def delete(self) -> None:
        """Have the upstream answer 404 to the event; ``publish`` makes it exist again."""
        self.upstream.delete(EVENT)

    def advance(self, **duration: float) -> None:
        """Move the clock forward by ``seconds=``, ``hours=`` and so on."""
        self.clock.advance(**duration)

    def set_back(self, **duration: float) -> None:
        """Set the application's clock back, and not that of the upstream."""
        self._behind += timedelta(**duration)

    def get(self, form: str = ".ics", **headers: str) -> TestResponse:
        """GET ``/events/<id><form>``; headers are named as in Python: ``if_none_match``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(f"/events/{EVENT}{form}", headers=named)

    def poll(self, form: str = ".ics") -> bytes:
        """The body of a feed, which must be a 200."""
        response = self.get(form)
        assert response.status_code == 200, response.text
        return bytes(response.data)

    def calendar(self, query: str = "") -> Calendar:
        """The calendar; ``query`` begins with ``?``."""
        (calendar,) = Calendar.from_ical(self.poll(f".ics{query}"), multiple=True)
        assert isinstance(calendar, Calendar)
        return calendar

    def entries(self, query: str = "") -> dict[str, VEvent]:
        """The VEVENTs of the calendar, in its order, by UID without ``@intervals.run``."""
        found = self.calendar(query).events
        by_id = {str(each["UID"]).removesuffix("@intervals.run"): each for each in found}
        assert len(by_id) == len(found), "two VEVENTs have the same UID"
        return by_id

    def entry(self, query: str = "") -> VEvent:
        """The only VEVENT of the calendar."""
        (entry,) = self.entries(query).values()
        return entry

    def channel(self, query: str = "") -> Any:
        """The RSS feed as feedparser reads it."""
        channel = feedparser.parse(self.poll(f".rss{query}"))
        assert not channel.bozo, channel.get("bozo_exception")
        return channel

    def json_feed(self, query: str = "") -> Any:
        """The JSON Feed."""
        return json.loads(self.poll(f".json{query}"))

    def run(self, id_: str) -> Any:
        """A run in the extension of the JSON Feed."""
        (found,) = (e for e in self.json_feed()["_intervals"]["runs"] if e["id"] == id_)
        return found

    def items(self, query: str = "") -> dict[str, Any]:
        """The items of the JSON Feed, newest first, by guid without ``@intervals.run``."""
        found = self.json_feed(query)["items"]
        by_guid = {each["id"].replace("@intervals.run", ""): each for each in found}
        assert len(by_guid) == len(found), "two items have the same guid"
        return by_guid

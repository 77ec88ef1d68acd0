"""A club as its subscribers see it: many events, groups, and feeds of all of them."""

import json
import threading
from datetime import date
from pathlib import Path
from typing import Any

import feedparser
from icalendar import Calendar
from icalendar import Event as VEvent
from werkzeug import Response
from werkzeug.test import Client, TestResponse

from feeds.service import singleflight
from tests.support.clock import Clock
from tests.support.processes import rate
from tests.support.service import Service, a_run, an_event
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE, wait_until

CLUB = "club"
"""The organization of the key; the sandbox lists no other events to it."""


class Club(Service):
    """A service whose key belongs to an organization that has published nothing yet.

    ``documents`` are what the upstream serves, by the ids of the events.
    """

    def __init__(self, upstream: Upstream, clock: Clock, folder: Path) -> None:
        super().__init__(upstream, clock, folder)
        upstream.give_key_to(CLUB)
        self.documents: dict[str, Any] = {}
        self._groups: dict[str, dict[str, Any]] = {}

    def _start(self, **settings: Any) -> Client:
        return super()._start(**{"rate": rate("1000/minute;burst=500")} | settings)

    def hold(self, id_: str, day: str | date, *runs: dict[str, Any], **fields: Any) -> None:
        """Publish an event on a day, with a 10K on that day if there are no ``runs``."""
        named = {"_id": id_, "slug": id_, "name": f"{id_.capitalize()} Run", "date": str(day)}
        event = an_event(**named | {"organizationId": CLUB} | fields)
        held = runs or (a_run(f"{id_}-10k", date=str(day)),)
        self.documents[id_] = {"event": event, "runs": [run | {"eventId": id_} for run in held]}
        self._serve(id_)

    def change(self, id_: str, *run_ids: str, **fields: Any) -> None:
        """Change fields of these runs of an event; of all of its runs without ids."""
        for run in self.documents[id_]["runs"]:
            if not run_ids or run["_id"] in run_ids:
                run.update(fields)
        self._serve(id_)

    def _serve(self, id_: str) -> None:
        self.upstream.put(id_, self.documents[id_])

    def cancel(self, id_: str) -> None:
        """Cancel all runs of an event."""
        self.change(id_, eventStatus="cancelled")

    def remove(self, id_: str) -> None:
        """Delete an event: the list lacks it, and its own document is 404."""
        del self.documents[id_]
        self.upstream.delete(id_)

    def list_only(self, *ids: str) -> None:
        """Have the upstream list only these events, until ``list_all``; all have documents."""
        self.answer_list([self.documents[id_]["event"] for id_ in ids])

    def answer_list(self, items: list[Any], *, more: bool = False, path: str = "/events") -> None:
        """Answer each request for a list with this page."""
        body = json.dumps({"data": items, "hasMore": more})
        self.upstream.failing[path] = Response(body, mimetype="application/json")

    def list_all(self) -> None:
        """Have the upstream list all events again."""
        self.upstream.failing.pop("/events", None)

    def group(self, slug: str, *ids: str, **fields: Any) -> None:
        """Have the upstream list a group with these events."""
        named = {"_id": f"g-{slug}", "organizationId": CLUB, "status": "active"}
        self._groups[slug] = named | {"name": slug.capitalize(), "slug": slug} | fields
        self.list_groups(*self._groups)
        events = [self.documents[id_]["event"] for id_ in ids]
        self.answer_list(events, path=f"/groups/{slug}/events")

    def list_groups(self, *slugs: str) -> None:
        """Have the upstream list only these groups."""
        self.answer_list([self._groups[slug] for slug in slugs], path="/groups")

    def fetch(self, path: str, **headers: str) -> TestResponse:
        """GET an address, with headers named as in Python."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers=named)

    def read(self, path: str = "/events.ics") -> bytes:
        """The body of a feed, which must be a 200."""
        response = self.fetch(path)
        assert response.status_code == 200, response.text
        return bytes(response.data)

    def fill(self, path: str = "/events.ics", **between: float) -> bytes:
        """Poll until the feed is served and shows all members; the body.

        Let so much time pass ``between`` polls: what has failed is tried again after a minute.
        """

        def is_full() -> bool:
            self.rest()
            self.advance(**between)
            response = self.fetch(path)
            assert response.status_code in (200, 503), response.text
            return response.status_code == 200 and not self.list_unread(path)

        wait_until(is_full, f"{path} to be full")
        return self.read(path)

    def rest(self) -> None:
        """Let the service end what it has begun: time that goes on meanwhile ends its leases."""
        for thread in threading.enumerate():
            if thread.name == singleflight.THREAD:
                thread.join(PATIENCE)

    def settle(self, path: str = "/events.ics") -> None:
        """Poll until the service asks for nothing more at this time."""

        def asks_nothing() -> bool:
            self.rest()
            before = len(self.upstream.calls)
            self.read(path)
            self.rest()
            return len(self.upstream.calls) == before

        wait_until(asks_nothing, f"{path} to ask for nothing")

    def refresh_lists(self, path: str = "/events.ics", times: int = 1) -> None:
        """Let so many lists become too old; poll until the feed is made of a newer one."""
        name = f"{path.partition('.')[0]}/events" if path.startswith("/groups/") else "/events"
        for _ in range(times):
            self.advance(minutes=61)
            self.wait_for_list(self.count_calls(name) + 1, path, name)

    def wait_for_list(self, number: int, path: str = "/events.ics", name: str = "/events") -> None:
        """Poll until the feed is made of the list of the call with this number."""

        def is_newer() -> bool:
            control = self.fetch(path).headers["Cache-Control"]
            # While the list is too old, max-age is a minute.
            return self.count_calls(name) >= number and not control.startswith("max-age=60,")

        wait_until(is_newer, "a feed of a newer list")

    def list_unread(self, path: str) -> set[str]:
        """The members of a feed that it does not show yet."""
        listed = set(self.documents)
        if path.startswith("/groups/"):
            slug = path.split("/")[2].partition(".")[0]
            answer = self.upstream.failing[f"/groups/{slug}/events"]
            listed = {item["_id"] for item in json.loads(answer.get_data())["data"]}
        shown = self.feed(path.partition(".")[0])["_intervals"]["events"]
        return listed - {each["id"] for each in shown}

    def feed(self, path: str = "/events", query: str = "") -> Any:
        """The JSON Feed of a collection."""
        return json.loads(self.read(f"{path}.json{query}"))

    def shown(self, path: str = "/events.ics") -> dict[str, VEvent]:
        """The VEVENTs of a calendar by UID without ``@intervals.run``."""
        found = parse(self.read(path)).events
        by_id = {str(each["UID"]).removesuffix("@intervals.run"): each for each in found}
        assert len(by_id) == len(found), "two VEVENTs have the same UID"
        return by_id

    def summaries(self, path: str = "/events.ics") -> list[str]:
        """The summaries of a calendar, in its order."""
        return [str(each["SUMMARY"]) for each in parse(self.read(path)).events]

    def titles(self, path: str = "/events.rss") -> list[str]:
        """The titles of a channel, newest first."""
        channel = feedparser.parse(self.read(path))
        assert not channel.bozo, channel.get("bozo_exception")
        return [entry.title for entry in channel.entries]

    def count_calls(self, path: str) -> int:
        """How often the upstream was asked for a path."""
        return self.upstream.calls.count(path)


def parse(body: bytes) -> Calendar:
    """The only calendar of a file."""
    (calendar,) = Calendar.from_ical(body, multiple=True)
    assert isinstance(calendar, Calendar)
    return calendar

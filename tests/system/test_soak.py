"""A soak: workers are killed while organizers edit and subscribers poll, and nothing is lost."""

import http.client
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from signal import Signals
from types import SimpleNamespace
from typing import Any

import feedparser

from feeds.store.tables import revisions
from tests.support.behaviours import FAR
from tests.support.deployment import (
    BOOTED,
    UNLIMITED,
    Answer,
    PendingRequest,
    RunningService,
    ServiceDatabase,
)
from tests.support.processes import environment_for, serving
from tests.support.subscribers import CalendarClient, ReaderClient
from tests.support.upstream import Upstream
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("FEEDS_KILLS", "2"))
"""The number of kills: 200 take minutes."""


class PersistentClient:
    """Repeats a request until there is a response; ``failures`` holds all but 200 and 304."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.failures: list[Answer] = []

    def get(self, address: str, headers: dict[str, str]) -> Any:
        """Return the response, as subscribers read it."""
        answer = wait_until(lambda: self._try(address, headers), "a response")
        assert answer is not None
        if answer.status not in (200, 304):
            self.failures.append(answer)
        return SimpleNamespace(status_code=answer.status, headers=answer.headers, data=answer.body)

    def read_vevent(self, event_id: str) -> str:
        """Return the calendar of an event from its first VEVENT on."""
        body = self.get(f"/events/{event_id}.ics", {}).data.decode()
        return str(body.partition("BEGIN:VEVENT")[2])

    def _try(self, address: str, headers: dict[str, str]) -> Answer | None:
        try:
            return PendingRequest(self._url, address, headers).read()
        except (OSError, http.client.HTTPException):  # the worker was killed
            return None


class Soak:
    """Organizers edit, subscribers poll, and workers are killed, all at the same time."""

    IDS = ("harbor", "river", "summit", "canyon")

    def __init__(self, service: RunningService, database: ServiceDatabase, upstream: Upstream):
        self.service = service
        self.database = database
        self.upstream = upstream
        self.client = PersistentClient(service.url)
        self.edits = dict.fromkeys(self.IDS, 0)
        self.calendars = {id_: CalendarClient(f"/events/{id_}.ics") for id_ in self.IDS}
        self.readers = {id_: ReaderClient(f"/events/{id_}.rss") for id_ in self.IDS}
        self.kills_during_refreshes = 0
        self.checks = 0
        self._ended = threading.Event()

    def run(self, kills: int) -> None:
        """Kill so many workers; return when all refreshes have ended and all edits were read."""
        for id_ in self.IDS:
            self.upstream.publish(id_, FAR)
            self._poll_as_subscribers(id_)
        with ThreadPoolExecutor(max_workers=2 * len(self.IDS) + 2) as threads:
            tasks = [threads.submit(self._edit, id_) for id_ in self.IDS]
            tasks += [threads.submit(self._load, id_) for id_ in self.IDS]
            tasks += [threads.submit(self._subscribe), threads.submit(self._check_revisions)]
            try:
                self._kill_workers(kills)
            finally:
                self._ended.set()
            for each in tasks:
                each.result()
        wait_until(self._is_quiet, "the end of all refreshes")
        for id_ in self.IDS:  # the edition of another worker may be as old as its max-age
            wait_until(partial(self._has_read_all, id_), f"all edits of {id_}")

    def _has_read_all(self, id_: str) -> bool:
        self._poll_as_subscribers(id_)
        return len(self.readers[id_].announced) == 1 + self.edits[id_]

    def _poll_as_subscribers(self, id_: str) -> None:
        self.calendars[id_].poll(self.client)
        self.readers[id_].poll(self.client, datetime.now(UTC))

    def _edit(self, id_: str) -> None:
        """Make one edit after the other, each when the service serves the one before."""
        run = self.upstream.document(id_)["runs"][0]
        while not self._ended.is_set():
            number = self.edits[id_] + 1
            if number % 4 == 3:
                run["eventStatus"] = "cancelled"
                sign = "STATUS:CANCELLED"
            elif number % 4 == 0:
                run["eventStatus"] = "scheduled"
                sign = "STATUS:CONFIRMED"
            else:
                run["startTime"] = f"{6 + number // 60:02}:{number % 60:02}"
                sign = f"T{run['startTime'].replace(':', '')}00"
            document = self.upstream.document(id_)
            self.upstream.put(id_, document | {"runs": [run]})
            self.edits[id_] = number
            # Without a limit during the kills: an event may lose one lease holder after the other.
            while sign not in self.client.read_vevent(id_) and not self._ended.wait(0.02):
                pass
            wait_until(partial(self._serves, id_, sign), f"{sign} in {id_}")

    def _serves(self, id_: str, sign: str) -> bool:
        return sign in self.client.read_vevent(id_)

    def _load(self, id_: str) -> None:
        while not self._ended.wait(0.02):
            self.client.get(f"/events/{id_}.rss", {})

    def _subscribe(self) -> None:
        """Poll every 5 seconds: a worker needs up to 2 to notice a save (rules 8.3)."""
        while not self._ended.wait(5):
            for id_ in self.IDS:
                self._poll_as_subscribers(id_)

    def _check_revisions(self) -> None:
        """Check that no stored revision falls."""
        last: dict[str, tuple[int, int]] = {}
        while not self._ended.wait(0.1):
            for row in self.database.read(revisions):
                now = row["sequence"], row["last_modified"]
                before = last.get(row["id"], now)
                assert now[0] >= before[0]
                assert now[1] >= before[1]
                last[row["id"]] = now
            self.checks += 1

    def _kill_workers(self, kills: int) -> None:
        process = self.service.process
        for number in range(1, kills + 1):
            alive = [pid for pid in process.wait_for(BOOTED) if Path(f"/proc/{pid}").exists()]
            self.kills_during_refreshes += bool(self.database.read_leases())
            os.kill(int(random.choice(alive)), Signals.SIGKILL)
            process.wait_for(BOOTED, len(self.service.workers) + number)
            calls = len(self.upstream.calls)
            wait_until(partial(self._has_calls, calls + 4), "more calls")
            time.sleep(random.uniform(0, 0.5))  # kill at any moment

    def _has_calls(self, number: int) -> bool:
        return len(self.upstream.calls) >= number

    def _is_quiet(self) -> bool:
        for id_ in self.IDS:
            self.client.read_vevent(id_)
        return not self.database.read_leases()


def delay_response() -> None:
    """Make calls so long that most kills hit a refresh."""
    time.sleep(random.uniform(0.05, 0.3))


def test_kills_of_workers_lose_no_change_announce_none_twice_and_leave_no_lease(
    database, tmp_path, record_testsuite_property
):
    with Upstream(lambda: datetime.now(UTC), delay=delay_response).on() as upstream:
        env = environment_for(
            upstream.url,
            tmp_path,
            FEEDS_DATABASE_URL=database.url,
            FEEDS_MAX_AGE="1",
            FEEDS_UPSTREAM_RATE=UNLIMITED,
        )
        log = tmp_path / "log"
        with serving(log, env, "--workers", "3") as (process, url):
            service = RunningService(process, url, 3)
            soak = Soak(service, ServiceDatabase(database.url), upstream)
            soak.run(KILLS)
            channels = {
                id_: feedparser.parse(soak.client.get(f"/events/{id_}.rss", {}).data)
                for id_ in soak.IDS
            }
            vevents = {id_: soak.client.read_vevent(id_) for id_ in soak.IDS}
            process.send(Signals.SIGTERM)
            assert process.wait() == 0

    assert soak.client.failures == []
    assert soak.checks > 0
    for id_ in soak.IDS:
        guids = [entry.id for entry in channels[id_].entries]
        assert len(set(guids)) == len(guids)
        # One item is that of the run. Each edit was served, so each has one item.
        assert len(guids) == 1 + soak.edits[id_]
        assert soak.readers[id_].seen == set(guids)
        assert len(soak.readers[id_].announced) == len(guids)
        final = upstream.document(id_)["runs"][0]
        assert f"T{final['startTime'].replace(':', '')}00" in vevents[id_]
        assert soak.edits[id_] > 0
    assert soak.database.read_leases() == set()
    assert not list(tmp_path.glob("*.damaged-*"))
    assert "Traceback" not in log.read_text()
    record_testsuite_property("edits", sum(soak.edits.values()))
    record_testsuite_property("calls", len(upstream.calls))
    record_testsuite_property("kills during a refresh", soak.kills_during_refreshes)

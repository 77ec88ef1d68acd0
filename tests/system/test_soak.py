"""A soak: workers are killed while organizers edit and subscribers poll, and nothing is lost."""

import http.client
import os
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from signal import Signals
from types import SimpleNamespace
from typing import Any

from tests.support.deployment import BOOTED, Answer, Deployment, PendingRequest, deploy
from tests.support.subscribers import CalendarClient, ReaderClient
from tests.support.upstream import Upstream
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("FEEDS_KILLS", "2"))
"""The number of kills: 200 take minutes."""

IDS = ("harbor", "river", "summit", "canyon")


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

    def _try(self, address: str, headers: dict[str, str]) -> Answer | None:
        try:
            return PendingRequest(self._url, address, **headers).read()
        except (OSError, http.client.HTTPException):  # the worker was killed
            return None


class Organizer:
    """Edits an event, each time when the service serves the last edit; subscribers poll it."""

    def __init__(self, deployment: Deployment, client: PersistentClient, id_: str) -> None:
        self._upstream, self._client, self._id = deployment.upstream, client, id_
        self.edits = 0
        self.calendar = CalendarClient(f"/events/{id_}.ics")
        self.reader = ReaderClient(f"/events/{id_}.rss")
        deployment.publish(id_, id_)
        self.poll()

    def poll(self) -> bool:
        """Whether the subscribers have seen all edits, and no revision that fell."""
        self.calendar.poll(self._client)
        self.reader.poll(self._client)
        return len(self.reader.announced) == 1 + self.edits

    def edit_until(self, ended: threading.Event) -> None:
        """Cancel and reinstate the run again and again; SEQUENCE rises each time."""
        document, sequence = self._upstream.document(self._id), 0
        while not ended.is_set():
            self.edits += 1
            status = "cancelled" if self.edits % 2 else "scheduled"
            document["runs"][0]["eventStatus"] = status
            self._upstream.put(self._id, document)
            read = partial(self._read_sequence, status, sequence)
            # Without a limit during the kills: an event may lose one lease holder after the other.
            while not read() and not ended.wait(0.02):
                pass
            sequence = wait_until(read, f"{status} in {self._id}")

    def _read_sequence(self, status: str, last: int) -> int:
        """Return SEQUENCE of the run once the service serves this status, and 0 before."""
        body = self._client.get(f"/events/{self._id}.ics", {}).data.decode()
        vevent = body.partition("BEGIN:VEVENT")[2]
        served = "STATUS:CANCELLED" in vevent if status == "cancelled" else "CONFIRMED" in vevent
        sequence = int(re.findall(r"^SEQUENCE:(\d+)", vevent, re.MULTILINE)[0])
        return sequence if served and sequence > last else 0


def has_calls(upstream: Upstream, number: int) -> bool:
    return len(upstream.calls) >= number


def kill_workers(deployment: Deployment, kills: int) -> None:
    """Kill so many workers at any moment, each when the last one was replaced and calls go on.

    Leases expire at once: those of the killed worker, and those of workers that go on.
    """
    upstream, service, database, _ = deployment
    for number in range(1, kills + 1):
        alive = [pid for pid in service.process.wait_for(BOOTED) if Path(f"/proc/{pid}").exists()]
        os.kill(int(random.choice(alive)), Signals.SIGKILL)
        service.process.wait_for(BOOTED, len(service.workers) + number)
        for id_ in database.read_leases():
            database.expire_lease(id_)
        wait_until(partial(has_calls, upstream, len(upstream.calls) + 4), "more calls")
        time.sleep(random.uniform(0, 0.5))


def test_kills_of_workers_lose_no_change_announce_none_twice_and_leave_no_lease(database, tmp_path):
    with deploy(database.url, tmp_path, workers=3, FEEDS_MAX_AGE="1") as deployment:
        client, ended = PersistentClient(deployment.service.url), threading.Event()
        # Calls are so long that most kills hit a refresh.
        deployment.upstream.delay = lambda: time.sleep(random.uniform(0.05, 0.3))
        organizers = [Organizer(deployment, client, id_) for id_ in IDS]
        with ThreadPoolExecutor(len(IDS)) as threads:
            tasks = [threads.submit(each.edit_until, ended) for each in organizers]
            try:
                kill_workers(deployment, KILLS)
            finally:
                ended.set()
            for task in tasks:
                task.result()
        for each in organizers:  # the edition of another worker may be as old as its max-age
            wait_until(each.poll, "all edits")
        wait_until(lambda: not deployment.database.read_leases(), "the end of all refreshes")

    assert client.failures == []
    for each in organizers:
        assert each.edits > 0
        # One item is that of the run. Each edit was served, so each has one item.
        assert len(each.reader.seen) == len(each.reader.announced) == 1 + each.edits
    assert not list(tmp_path.glob("*.damaged-*"))
    assert "Traceback" not in deployment.service.process.output

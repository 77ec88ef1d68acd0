"""The whole service for minutes, under load and faults: ``python -m bench soak --minutes N``.

Subscribers poll feeds in all formats and pages, and check them; some go away before the answer. An
organizer edits. The database restarts, the upstream fails, the refresher is killed; in the first
third workers are killed and replaced as well, so that the memory of those that live on tells of
leaks. Ends with 1 and a line for each finding.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPException
from itertools import cycle
from pathlib import Path
from signal import Signals
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from types import SimpleNamespace
from typing import Any

from bench.support.services import list_children, read_memory
from tests.support.deployment import BOOTED, Answer, Deployment, PendingRequest, deploy
from tests.support.postgres import Postgres, running_postgres
from tests.support.processes import Process, find_two_free_ports
from tests.support.subscribers import CalendarClient, Poller, ReaderClient
from tests.support.waiting import wait_until

IDS = tuple(f"soak-{number}" for number in range(8))
PAGES = ("/events", *(f"/events/{id_}" for id_ in IDS))
PERIOD = 0.5
"""Seconds between two polls of a subscriber."""

WORKERS = 2
MAX_GROWTH = 0.05
"""How much more memory the last third may take than the middle one."""

NOTICED_AFTER = timedelta(seconds=4)
"""For so long, a process may not have noticed a save: two seconds by rules 8.3, the second in which
it was saved, and one for a machine under load."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)

POOL = 5
"""Connections to the database that a process may keep, each of which is a descriptor."""


class Subscriber:
    """Polls one address; ``findings`` gets a line for each error that it should not have seen.

    While ``excused`` is set, the connection may break: a worker is killed. ``find_unnoticed`` tells
    since when a save may be unknown to other processes.
    """

    def __init__(
        self,
        url: str,
        address: str,
        excused: Event,
        find_unnoticed: Callable[[], datetime],
        findings: list[str],
    ) -> None:
        self._url, self._excused, self._findings = url, excused, findings
        self._find_unnoticed = find_unnoticed
        self._served = False
        self.address = address
        self.polls = 0
        kinds = {".ics": CalendarClient, ".rss": ReaderClient}
        self.client: Any = kinds.get(Path(address).suffix, Poller)(address)

    def poll(self) -> None:
        """Poll once; the client checks the response."""
        more = [self._find_unnoticed()] if isinstance(self.client, CalendarClient) else []
        try:
            self.client.poll(self, *more)
        except AssertionError as error:
            self._findings.append(f"{self.address}: {error}")

    def shows(self, status: str) -> bool:
        """Whether the next poll of a calendar finds this status."""
        self.poll()
        return {str(event["STATUS"]) for event in self.client.entries.values()} == {status}

    def get(self, address: str, headers: dict[str, str]) -> SimpleNamespace:
        """The response, as the clients of ``tests.support.subscribers`` read it."""
        answer = wait_until(lambda: self._try(address, headers), f"a response for {address}")
        assert answer
        self.polls += 1
        if answer.status in (200, 304):
            self._served = True
        elif self._served:
            self._findings.append(f"{address}: {answer.status} {answer.text.strip()[:100]}")
        return SimpleNamespace(status_code=answer.status, headers=answer.headers, data=answer.body)

    def _try(self, address: str, headers: dict[str, str]) -> Answer | None:
        try:
            if random.random() < 0.02:
                PendingRequest(self._url, address).abandon()
            return PendingRequest(self._url, address, **headers).read()
        except (OSError, HTTPException) as error:
            if not self._excused.is_set():
                self._findings.append(f"{address}: {error!r}")
            return None


class Soak:
    """A deployment under load. ``samples`` are MiB of all processes, by third."""

    def __init__(self, deployment: Deployment, postgres: Postgres | None, folder: Path) -> None:
        self.findings: list[str] = []
        self.counts: Counter[str] = Counter()
        self.samples: list[list[float]] = []
        self._deployment, self._postgres, self._folder = deployment, postgres, folder
        self._excused, self._paused, self._ended = Event(), Event(), Event()
        self._edits = dict.fromkeys(IDS, 0)
        self._away_from = self._away_until = datetime.now(UTC) - NOTICED_AFTER
        deployment.publish("Soak", *IDS)
        formats = [f"{page}.{format_}" for page in PAGES for format_ in ("ics", "rss", "json")]
        url, findings = deployment.service.url, self.findings
        self.subscribers = [
            Subscriber(url, address, self._excused, self._find_unnoticed, findings)
            for address in (*PAGES, *formats)
        ]
        self._refresher = self._start_refresher()

    def run(self, seconds: float) -> None:
        """Soak in thirds of a third of the time each, and judge."""
        descriptors = []
        with ThreadPoolExecutor(len(self.subscribers) + 2) as threads:
            tasks = [threads.submit(self._poll, each) for each in self.subscribers]
            tasks += [threads.submit(self._edit), threads.submit(self._sample)]
            try:
                for number in range(3):
                    self.samples.append([])
                    self._break_things(time.monotonic() + seconds / 3, restarts=number == 0)
                    descriptors.append(self._count_descriptors())
                self._ended.set()
                for task in tasks:
                    task.result()
                self._await_the_last_edits()
            finally:
                self._ended.set()
                self._refresher.kill()
        self.findings += judge_memory(self.samples) + judge_descriptors(*descriptors[1:])
        log = self._deployment.service.process.output.splitlines()
        errors = [line for line in log if '"level": "error"' in line]
        self.findings += [line for line in errors if "was sent SIGKILL" not in line]

    def _break_things(self, end: float, *, restarts: bool) -> None:
        faults: list[Callable[[], object]] = [
            self._restart_database,
            self._refuse_connections,
            self._kill_refresher,
            self._fail_calls,
            self._hang_calls,
        ]
        if restarts:
            faults += [self._kill_worker, self._replace_workers]
        for fault in cycle(faults):
            if time.monotonic() > end:
                return
            fault()
            self.counts[fault.__name__.strip("_").replace("_", " ")] += 1
            time.sleep(2)

    def _restart_database(self) -> None:
        server, file = self._postgres, self._folder / "feeds.sqlite3"
        away = file.with_suffix(".away")
        stop = random.choice((server.stop, server.kill)) if server else partial(file.rename, away)
        self._away_from, self._away_until = datetime.now(UTC), NEVER
        stop()
        time.sleep(3)
        start = server.start if server else partial(away.rename, file)
        start()
        self._away_until = datetime.now(UTC)

    def _find_unnoticed(self) -> datetime:
        """Since when a save may be unknown to other processes (rules 8.3)."""
        now = datetime.now(UTC)
        return (self._away_from if now < self._away_until + NOTICED_AFTER else now) - NOTICED_AFTER

    def _refuse_connections(self) -> None:
        self._deployment.upstream.stop()
        time.sleep(2)
        self._deployment.upstream.restart()

    def _fail_calls(self) -> None:
        self._deployment.upstream.refuse(500, "INTERNAL")
        time.sleep(2)
        self._deployment.upstream.instead = None

    def _hang_calls(self) -> None:
        with self._deployment.upstream.hold():
            time.sleep(10)

    def _kill_refresher(self) -> None:
        self._refresher.send(Signals.SIGKILL)
        self._refresher.wait()
        self._refresher.kill()
        time.sleep(2)  # its metrics end a second later
        self._refresher = self._start_refresher()

    def _kill_worker(self) -> None:
        self._excused.set()
        booted = len(self._boots())
        os.kill(random.choice(self._workers()), Signals.SIGKILL)
        wait_until(lambda: len(self._boots()) > booted, "another worker")
        time.sleep(3)
        self._excused.clear()

    def _replace_workers(self) -> None:
        booted = len(self._boots())
        self._deployment.service.process.send(Signals.SIGHUP)
        wait_until(lambda: len(self._boots()) > booted, "other workers")
        wait_until(lambda: len(self._workers()) == WORKERS, "the end of the workers")
        time.sleep(3)

    def _boots(self) -> list[str]:
        return self._deployment.service.process.wait_for(BOOTED)

    def _workers(self) -> list[int]:
        return [pid for pid in map(int, self._boots()) if Path(f"/proc/{pid}").exists()]

    def _start_refresher(self) -> Process:
        bind = {"FEEDS_METRICS_BIND": f"127.0.0.1:{find_two_free_ports()}"}
        env = self._deployment.environment | bind
        process = Process(self._folder / "refresher", "refresh", env=env)
        process.wait_for("Refreshing polled events")
        return process

    def _poll(self, subscriber: Subscriber) -> None:
        time.sleep(random.uniform(0, PERIOD))
        while not self._ended.wait(PERIOD):
            if not self._paused.is_set():
                subscriber.poll()

    def _edit(self) -> None:
        """Cancel and reinstate one event after the other."""
        upstream = self._deployment.upstream
        for id_ in cycle(IDS):
            if self._ended.wait(1):
                return
            self._edits[id_] += 1
            document = upstream.document(id_)
            status = "cancelled" if self._edits[id_] % 2 else "scheduled"
            document["runs"][0]["eventStatus"] = status
            upstream.put(id_, document)

    def _sample(self) -> None:
        while not self._ended.wait(1):
            try:
                self.samples[-1].append(sum(read_memory(pid).pss for pid in self._list_processes()))
            except (OSError, AssertionError):
                continue  # a process has just ended

    def _list_processes(self) -> list[int]:
        """The service, the refresher, and their children."""
        found = [self._deployment.service.process.pid, self._refresher.pid]
        return found + [child for each in list(found) for child in list_children(each)]

    def _count_descriptors(self) -> dict[int, int]:
        """The descriptors of each process while nobody polls."""
        self._paused.set()
        time.sleep(3)
        counts = {
            pid: len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self._list_processes()
        }
        self._paused.clear()
        return counts

    def _await_the_last_edits(self) -> None:
        """Wait until each calendar shows the last edit of its event; a failure lasts a minute."""
        for each in self.subscribers:
            id_ = Path(each.address).stem
            if each.address.endswith(".ics") and id_ in IDS:
                status = "CANCELLED" if self._edits[id_] % 2 else "CONFIRMED"
                try:
                    wait_until(partial(each.shows, status), f"{status} in {each.address}", 90)
                except AssertionError as error:
                    self.findings.append(str(error))


def judge_memory(samples: list[list[float]]) -> list[str]:
    """Whether the memory grew from the middle third to the last one, in MiB of all processes."""
    _, middle, last = (median(each) for each in samples)
    if last <= middle * (1 + MAX_GROWTH):
        return []
    return [f"the memory grew from {middle:.0f} MiB to {last:.0f} MiB"]


def judge_descriptors(middle: dict[int, int], last: dict[int, int]) -> list[str]:
    """Whether a process has kept descriptors since the end of the middle third."""
    grown = {pid: last[pid] - number for pid, number in middle.items() if pid in last}
    return [f"process {pid} keeps {more} descriptors" for pid, more in grown.items() if more > POOL]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench soak")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--sqlite", action="store_true", help="a SQLite file instead of PostgreSQL")
    chosen = parser.parse_args(sys.argv[2:])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        postgres = None if chosen.sqlite else stack.enter_context(running_postgres())
        # The server of the tests loses the last commits when it is killed.
        durable = "&options=-c%20synchronous_commit%3Don"
        own = f"{postgres.new_database()}{durable}" if postgres else ""
        url = own or f"sqlite:///{folder / 'feeds.sqlite3'}"
        settings = {"FEEDS_MAX_AGE": "5", "FEEDS_UPSTREAM_RATE": "900/minute;burst=50"}
        settings["FEEDS_METRICS_BIND"] = f"127.0.0.1:{find_two_free_ports() + 1}"
        deployment = stack.enter_context(deploy(url, folder, WORKERS, **settings))
        soak = Soak(deployment, postgres, folder)
        soak.run(60 * chosen.minutes)
    polls = sum(each.polls for each in soak.subscribers)
    print(f"{polls} polls; {dict(soak.counts)}")
    print(f"MiB of all processes, by third: {[round(median(each)) for each in soak.samples]}")
    print(*soak.findings, f"{len(soak.findings)} findings", sep="\n")
    sys.exit(bool(soak.findings))

"""Processes that end, asked to or not, in the middle of a refresh: nothing is lost by it."""

import http.client
import os
import random
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from signal import Signals
from types import SimpleNamespace
from typing import Any

import feedparser
import pytest

from feeds.store.tables import events, revisions
from tests.support import hostile_upstream as hostile
from tests.support import processes as running
from tests.support.hostile_upstream import BOOTED, FAR, Gate, House, Poll, Records, environment
from tests.support.processes import Process, environment_for, serving, until
from tests.support.subscribers import CalendarClient, ReaderClient

ENGINES = ("sqlite", "postgresql")
KILLS = int(os.environ.get("FEEDS_KILLS", "2"))
"""In the soak; two hundred take minutes."""


@pytest.fixture(params=ENGINES)
def database_url(request, postgres, tmp_path):
    """A database with nothing in it."""
    if request.param == "postgresql":
        return postgres.new_database()
    return f"sqlite:///{tmp_path}/feeds.sqlite3"


@pytest.fixture
def house(database_url, tmp_path) -> Iterator[House]:
    with hostile.house(database_url, tmp_path) as house:
        house.upstream.publish("harbor", "Harbor")
        yield house


def names(records: Records) -> dict[str, str]:
    """What is stored, by the ids."""
    found = records.rows(events)
    return {
        id_: re.findall(r'"name":"([^"]*)"', row["document"].decode())[0]
        for id_, row in found.items()
    }


class TestEnding:
    @pytest.mark.parametrize("stays", [True, False], ids=["client-waits", "client-left"])
    def test_the_service_ends_by_itself_and_keeps_the_answer_that_was_on_its_way(
        self, house, stays
    ):
        with Gate(house.upstream, "harbor") as gate:
            poll = house.service.ask("harbor")
            until(lambda: house.upstream.calls == ["harbor"], "a refresh")
            assert set(house.records.leases()) == {"harbor"}
            if not stays:
                poll.leave()
            house.service.process.send(Signals.SIGTERM)
            house.service.process.wait_for("Handling signal: term")
            gate.open()
            if stays:
                assert poll.answer().status == 200
            assert house.service.process.wait() == 0
        until(house.service.process.is_gone, "the workers' end")

        assert names(house.records) == {"harbor": "Harbor"}
        assert house.records.leases() == {}
        assert "Traceback" not in house.service.process.output

    @pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
    def test_so_does_the_refresher(self, house, database_url, tmp_path, number):
        house.service.poll("harbor")
        house.upstream.publish("harbor", "As it is now")
        house.records.make_due("harbor")
        env = environment(house.upstream, database_url, tmp_path)
        with (
            Gate(house.upstream, "harbor") as gate,
            running.running(tmp_path / "refresher", "refresh", env=env) as process,
        ):
            until(lambda: house.upstream.calls == ["harbor"] * 2, "a refresh")
            assert set(house.records.leases()) == {"harbor"}
            process.send(number)
            gate.open()
            assert process.wait() == 0
            assert "Traceback" not in process.output

        assert names(house.records) == {"harbor": "As it is now"}
        assert house.records.leases() == {}


class TestKilledWorker:
    def test_another_one_takes_over_when_its_lease_is_over(self, house):
        first, _ = house.service.workers
        with Gate(house.upstream, "harbor"):
            with house.service.alone(first):
                lost = house.service.ask("harbor")
                until(lambda: house.upstream.calls == ["harbor"], "a refresh")
                os.kill(first, Signals.SIGKILL)
            with pytest.raises((OSError, http.client.HTTPException)):
                lost.answer()
            waiting = house.service.ask("harbor")
            house.service.process.wait_for(BOOTED, 3)
            # While the lease lasts nobody else asks.
            assert house.upstream.calls == ["harbor"]
            assert set(house.records.leases()) == {"harbor"}
            house.upstream.moods.clear()
            house.records.expire("harbor")
            answer = waiting.answer()
            house.upstream.moods["harbor"] = hostile.silent  # for the end of the block

        assert answer.status == 200
        assert house.upstream.calls == ["harbor"] * 2
        assert house.records.leases() == {}


class SlowUpstream(running.Upstream):
    """A sandbox that takes its time, so that most kills meet a refresh."""

    def _answer(self, environ, start_response):
        answer = super()._answer(environ, start_response)
        time.sleep(random.uniform(0.05, 0.3))
        return answer


class Client:
    """What subscribers poll with: as long as it takes to get an answer.

    ``refused`` are the answers that were neither an edition nor that there is no newer one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.refused: list[hostile.Answer] = []

    def get(self, address: str, headers: dict[str, str]) -> Any:
        answer = until(lambda: self._answer(address, headers), "an answer")
        assert answer is not None
        if answer.status not in (200, 304):
            self.refused.append(answer)
        return SimpleNamespace(status_code=answer.status, headers=answer.headers, data=answer.body)

    def _answer(self, address: str, headers: dict[str, str]) -> hostile.Answer | None:
        try:
            return Poll(self._url, address, headers).answer()
        except (OSError, http.client.HTTPException):  # the worker was killed
            return None


class Soak:
    """Organizers who edit, subscribers who poll, and somebody who kills workers."""

    IDS = ("harbor", "river", "summit", "canyon")

    def __init__(self, process: Process, url: str, records: Records, upstream: running.Upstream):
        self.process = process
        self.records = records
        self.upstream = upstream
        self.client = Client(url)
        self.edits = dict.fromkeys(self.IDS, 0)
        self.calendars = {id_: CalendarClient(f"/events/{id_}.ics") for id_ in self.IDS}
        self.readers = {id_: ReaderClient(f"/events/{id_}.rss") for id_ in self.IDS}
        self.over = threading.Event()
        self.met = 0

    def run(self, kills: int) -> None:
        for id_ in self.IDS:
            self.upstream.publish(id_, FAR)
            self.subscribe(id_)
        with ThreadPoolExecutor() as threads:
            under_way = [threads.submit(self._organize, id_) for id_ in self.IDS]
            under_way += [threads.submit(self._load, id_) for id_ in self.IDS]
            under_way += [threads.submit(self._subscribe), threads.submit(self._watch)]
            try:
                self._kill(kills)
            finally:
                self.over.set()
            for each in under_way:
                each.result()
        until(self._is_quiet, "the end of all refreshes")
        for id_ in self.IDS:  # another worker's edition may be as old as its max-age
            until(partial(self._has_read_all, id_), f"all that happened to {id_}")

    def _has_read_all(self, id_: str) -> bool:
        self.subscribe(id_)
        return len(self.readers[id_].announced) == 1 + self.edits[id_]

    def subscribe(self, id_: str) -> None:
        self.calendars[id_].poll(self.client)
        self.readers[id_].poll(self.client, datetime.now(UTC))

    def _organize(self, id_: str) -> None:
        """One edit after the other, each as soon as somebody could read the one before."""
        run = self.upstream.document(id_)["runs"][0]
        while not self.over.is_set():
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
            self._see(id_, sign)

    def _see(self, id_: str, sign: str) -> None:
        """As long as there are kills: some events lose one holder after the other."""
        while sign not in self._calendar(id_) and not self.over.wait(0.02):
            pass
        until(lambda: sign in self._calendar(id_), f"{sign} in {id_}")

    def _calendar(self, id_: str) -> str:
        body = self.client.get(f"/events/{id_}.ics", {}).data.decode()
        return str(body.partition("BEGIN:VEVENT")[2])

    def _load(self, id_: str) -> None:
        while not self.over.wait(0.02):
            self.client.get(f"/events/{id_}.rss", {})

    def _subscribe(self) -> None:
        """As seldom as processes may take to hear of each other's editions."""
        while not self.over.wait(5):
            for id_ in self.IDS:
                self.subscribe(id_)

    def _watch(self) -> None:
        """What is stored of a run never falls."""
        last: dict[str, tuple[int, int]] = {}
        while not self.over.wait(0.1):
            for id_, row in self.records.rows(revisions).items():
                now = row["sequence"], row["last_modified"]
                assert now >= last.get(id_, now)
                assert now[1] >= last.get(id_, now)[1]
                last[id_] = now

    def _kill(self, kills: int) -> None:
        for number in range(1, kills + 1):
            alive = [pid for pid in self.process.wait_for(BOOTED) if Path(f"/proc/{pid}").exists()]
            held = len(self.records.leases())
            os.kill(int(random.choice(alive)), Signals.SIGKILL)
            self.met += held > 0
            self.process.wait_for(BOOTED, WORKERS + number)
            self._see_calls()
            time.sleep(random.uniform(0, 0.5))

    def _see_calls(self) -> None:
        """Life goes on."""
        calls = len(self.upstream.calls)
        until(lambda: len(self.upstream.calls) > calls + 3, "more calls")

    def _is_quiet(self) -> bool:
        for id_ in self.IDS:
            self._calendar(id_)
        return not self.records.leases()


WORKERS = 3


class TestSoak:
    def test_many_kills_lose_no_change_tell_none_twice_and_leave_no_lease(
        self, database_url, tmp_path, record_testsuite_property
    ):
        with SlowUpstream(lambda: datetime.now(UTC)).on() as upstream:
            env = environment_for(
                upstream.url,
                tmp_path,
                FEEDS_DATABASE_URL=database_url,
                FEEDS_MAX_AGE="1",
                FEEDS_UPSTREAM_RATE=hostile.AMPLE,
            )
            log = tmp_path / "log"
            with serving(log, env, "--workers", str(WORKERS)) as (process, url):
                process.wait_for(BOOTED, WORKERS)
                soak = Soak(process, url, Records(database_url), upstream)
                soak.run(KILLS)
                channels = {
                    id_: feedparser.parse(soak.client.get(f"/events/{id_}.rss", {}).data)
                    for id_ in soak.IDS
                }
                calendars = {id_: soak._calendar(id_) for id_ in soak.IDS}
                process.send(Signals.SIGTERM)
                assert process.wait() == 0

        assert soak.client.refused == []
        for id_ in soak.IDS:
            guids = [entry.id for entry in channels[id_].entries]
            assert len(set(guids)) == len(guids)
            # One item is the run's own; each edit was seen, so each is told, and told once.
            assert len(guids) == 1 + soak.edits[id_]
            assert soak.readers[id_]._seen == set(guids)
            assert len(soak.readers[id_].announced) == len(guids)
            final = upstream.document(id_)["runs"][0]
            assert f"T{final['startTime'].replace(':', '')}00" in calendars[id_]
            assert min(soak.edits.values()) > 0
        assert soak.records.leases() == {}
        assert not list(tmp_path.glob("*.damaged-*"))
        assert "Traceback" not in log.read_text()
        record_testsuite_property("edits", sum(soak.edits.values()))
        record_testsuite_property("calls", len(upstream.calls))
        record_testsuite_property("kills while something was refreshed", soak.met)

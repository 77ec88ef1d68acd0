"""Every failure of the upstream, against the real service.

For each failure there is one event with nothing stored ("cold"), one with a fresh edition, and one
whose edition is older than its max-age ("overdue"). A fixture plays all failures once, the slow
ones at the same time; each test looks at one failure.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, field

from feeds.sandbox import SANDBOX_KEY
from tests.support.behaviours import UPSTREAM_TEXT
from tests.support.deployment import BOOTED, Answer, Deployment, RunningService, deploy
from tests.system.conftest import ENGINES
from tests.system.failures import FAILURES

STATES = ("cold", "overdue", "fresh")
CLIENTS, TOGETHER = 4, 4
"""Clients of each event at the same time, and failures at the same time."""

SECRETS = [UPSTREAM_TEXT, SANDBOX_KEY, "Traceback", "intervals.test", "elsewhere.test"]
CAUSES = sorted({failure.words for failure in FAILURES.values()})


def id_of(name: str, state: str) -> str:
    return re.sub("[^A-Za-z0-9]", "-", f"{state}-{name}")


EVENTS = {(name, state): id_of(name, state) for name in FAILURES for state in STATES}


class Outage(Struct):
    """What happened while all failures were played, most of it by failure and state."""

    before: dict[tuple[str, str], Answer] = field(default_factory=dict)
    during: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    after: dict[tuple[str, str], Answer] = field(default_factory=dict)
    bystanders: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    stored_before: dict[str, Any] = field(default_factory=dict)
    stored_during: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    minutes: int = 0


def prepare(deployment: Deployment, outage: Outage) -> None:
    """Store the overdue and the fresh editions."""
    for id_ in EVENTS.values():
        deployment.upstream.publish(id_, "As it was")
    for state in ("overdue", "fresh"):
        if state == "fresh":
            deployment.age(days=1)
        keys = [key for key in EVENTS if key[1] == state]
        answers = poll_in_batches(deployment.service, [EVENTS[key] for key in keys])
        outage.before |= dict(zip(keys, answers, strict=True))
    outage.stored_before = deployment.database.read_events()
    deployment.upstream.calls.clear()


def fail(deployment: Deployment, outage: Outage) -> None:
    """Play all failures."""
    began = time.monotonic()
    upstream = deployment.upstream
    for name, failure in FAILURES.items():
        if failure.behaviour:
            upstream.behaviours |= {id_of(name, state): failure.behaviour for state in STATES}
    quick: list[str] = []
    slow: list[str] = []
    for name, failure in FAILURES.items():
        if failure.network:
            with failure.network(upstream):
                poll(deployment, outage, [name])
        elif failure.closes:
            for state in STATES:
                poll(deployment, outage, [name], [state])
                if state == "overdue":
                    bystander = deployment.service.poll(id_of(name, "bystander"))
                    outage.bystanders[name] = bystander
                deployment.database.open_upstream()
        else:
            (slow if failure.slow else quick).append(name)
    for first in range(0, len(quick), TOGETHER):
        poll(deployment, outage, quick[first : first + TOGETHER])
    poll(deployment, outage, slow)
    outage.minutes = int((time.monotonic() - began) / 60) + 1
    outage.calls = Counter(upstream.calls)
    outage.stored_during = deployment.database.read_events()
    outage.log = deployment.service.process.output


def poll(
    deployment: Deployment, outage: Outage, names: Iterable[str], states: Iterable[str] = STATES
) -> None:
    """Poll the events of these failures: many clients at the same time, then each worker."""
    keys = list(product(names, states))
    answers = deployment.service.poll_together(EVENTS[key] for key in keys * CLIENTS)
    for worker in deployment.service.workers:
        with deployment.service.only(worker):
            answers += deployment.service.poll_together(EVENTS[key] for key in keys)
    for key, each in zip(cycle(keys), answers, strict=False):
        outage.during.setdefault(key, []).append(each)


def poll_in_batches(service: RunningService, ids: list[str]) -> list[Answer]:
    """Poll as many events at the same time as one worker refreshes at a time (rules 8.7)."""
    return [
        answer
        for first in range(0, len(ids), TOGETHER)
        for answer in service.poll_together(ids[first : first + TOGETHER])
    ]


def recover(deployment: Deployment, outage: Outage) -> None:
    """End all failures and poll once more, a day later."""
    deployment.upstream.behaviours.clear()
    for id_ in EVENTS.values():
        deployment.upstream.publish(id_, "As it is now")
    deployment.age(days=1)
    answers = poll_in_batches(deployment.service, list(EVENTS.values()))
    outage.after = dict(zip(EVENTS, answers, strict=True))


def play(database_url: str, folder: Path) -> Outage:
    """Play everything with one service."""
    outage = Outage()
    with deploy(database_url, folder) as deployment:
        prepare(deployment, outage)
        fail(deployment, outage)
        recover(deployment, outage)
    return outage


@pytest.fixture(scope="module")
def outages(new_database, tmp_path_factory):
    """The outages by engine, played at the same time, since most of the time is waiting."""
    urls = [new_database(engine).url for engine in ENGINES]
    folders = [tmp_path_factory.mktemp(engine) for engine in ENGINES]
    with ThreadPoolExecutor() as threads:
        return dict(zip(ENGINES, threads.map(play, urls, folders), strict=True))


@pytest.fixture(params=ENGINES)
def outage(outages, request):
    return outages[request.param]


EACH_FAILURE = pytest.mark.parametrize("name", FAILURES)
EACH_REFUSAL = pytest.mark.parametrize(
    "name", [name for name, failure in FAILURES.items() if failure.closes]
)


@EACH_FAILURE
def test_a_fresh_edition_is_served_without_a_call(outage, name):
    answers = outage.during[name, "fresh"]

    assert {each.status for each in answers} == {200}
    assert {each.body for each in answers} == {outage.before[name, "fresh"].body}
    assert all(60 < each.max_age <= 3600 for each in answers)
    assert outage.calls[id_of(name, "fresh")] == 0


@EACH_FAILURE
def test_an_overdue_edition_is_served_unchanged_for_a_minute(outage, name):
    before, answers = outage.before[name, "overdue"], outage.during[name, "overdue"]

    assert {each.status for each in answers} == {200}
    assert {each.body for each in answers} == {before.body}
    for field_name in ("ETag", "Last-Modified"):
        assert {each.headers[field_name] for each in answers} == {before.headers[field_name]}
    assert {each.max_age for each in answers} == {60}


@EACH_FAILURE
def test_with_nothing_stored_the_answer_is_an_error_in_one_line(outage, name):
    failure, answers = FAILURES[name], outage.during[name, "cold"]

    assert {each.status for each in answers} == {failure.status}
    for each in answers:
        assert each.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert re.fullmatch(rb"[A-Z][^\n]+\.\n", each.body)
        if failure.status == 404:
            assert each.body == b"There is no such event.\n"
            assert each.headers["Cache-Control"] == "max-age=60"
        else:
            assert re.search(failure.words, each.body.decode())
            assert each.headers["Cache-Control"] == "no-store"
            least, most = failure.retry
            assert least <= int(each.headers["Retry-After"]) <= most


@EACH_FAILURE
def test_all_polls_of_an_event_make_one_call(outage, name):
    # Without a connection the upstream counts no call.
    calls = 0 if FAILURES[name].network else 1

    assert outage.calls[id_of(name, "overdue")] == calls
    assert outage.calls[id_of(name, "cold")] == calls


@EACH_FAILURE
def test_a_failure_stores_nothing(outage, name):
    for state in ("fresh", "overdue"):
        before, during = (
            stored[EVENTS[name, state]] for stored in (outage.stored_before, outage.stored_during)
        )
        assert before | {"polled": None} == during | {"polled": None}
    assert EVENTS[name, "cold"] not in outage.stored_during


@EACH_FAILURE
def test_no_answer_has_the_text_of_the_upstream_or_the_key(outage, name):
    for state in STATES:
        for each in outage.during[name, state]:
            text = f"{each.headers}{each.body!r}"
            assert not [secret for secret in SECRETS if secret in text]


@EACH_FAILURE
def test_after_the_failure_the_next_poll_gets_the_new_edition(outage, name):
    for state in STATES:
        after = outage.after[name, state]
        assert after.status == 200
        assert b"SUMMARY:As it is now" in after.body
        assert after.max_age > 60


@EACH_REFUSAL
def test_a_refusal_of_the_key_stops_the_calls_for_other_events(outage, name):
    failure, answer = FAILURES[name], outage.bystanders[name]

    assert answer.status == 503
    assert re.search(failure.words, answer.body.decode())
    least, most = failure.retry
    assert least <= int(answer.headers["Retry-After"]) <= most
    assert outage.calls[id_of(name, "bystander")] == 0


@pytest.mark.parametrize("cause", CAUSES)
def test_each_process_logs_a_cause_at_most_once_a_minute(outage, cause):
    pattern = rf"^event \S+: The Intervals API {cause}"
    lines = re.findall(pattern, outage.log, re.MULTILINE)

    assert 1 <= len(lines) <= 2 * outage.minutes


def test_each_process_logs_an_unreadable_field_at_most_once_a_minute(outage):
    lines = [line for line in outage.log.splitlines() if "does not decode" in line]
    kinds = Counter(re.sub(r"event \S+", "event", line) for line in lines)

    assert max(kinds.values(), default=0) <= 2 * outage.minutes


def test_the_log_has_no_key_no_traceback_and_no_text_of_the_upstream(outage):
    assert not [secret for secret in SECRETS[:3] if secret in outage.log]


def test_no_failure_ends_a_worker(outage):
    assert len(re.findall(BOOTED, outage.log)) == 2

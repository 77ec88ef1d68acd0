"""Every failure of the upstream, against the real service.

For each failure there is one event with nothing stored ("cold"), one with a fresh edition, and one
whose edition is older than its max-age ("overdue"). A fixture plays all failures once, the slow
ones at the same time; each test looks at one failure.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import Struct, field

from feeds.sandbox import SANDBOX_KEY
from tests.support import behaviours
from tests.support.behaviours import UPSTREAM_TEXT, Behaviour, refuse, respond, respond_html
from tests.support.deployment import BOOTED, Answer, Deployment, RunningService, deploy
from tests.support.hostile_upstream import HostileUpstream
from tests.system.conftest import ENGINES

STATES = ("cold", "overdue", "fresh")
CLIENTS, TOGETHER = 4, 4
"""Clients of each event at the same time, and failures at the same time."""


class Failure(NamedTuple):
    """A failure of the upstream, and how the service answers with nothing stored.

    ``behaviour`` is that of the upstream for one event; ``network`` makes all connections fail.
    ``status`` is that of the service; its body and its log match ``words``; Retry-After is between
    the two seconds of ``retry``. A failure that ``closes`` stops the calls for all events
    (rules 8.19).
    """

    status: int
    words: str
    behaviour: Behaviour | None = None
    network: Callable[[HostileUpstream], AbstractContextManager[object]] | None = None
    slow: bool = False
    closes: bool = False
    retry: tuple[int, int] = (1, 60)


UNREADABLE = "sent (an answer that cannot be read|more than a document can hold|another event)"
UNREACHABLE = "(cannot be reached|is out of order)"
LATE = "did not answer in time"
LIMITED = "takes no more requests for now"
REJECTED = "did not take the request"


def unreadable(behaviour: Behaviour) -> Failure:
    return Failure(502, UNREADABLE, behaviour)


def json(body: bytes) -> Failure:
    return unreadable(respond("200 OK", body, "Content-Type: application/json"))


def limited(lower: int, upper: int, **fields: object) -> Failure:
    behaviour = refuse("429 Too Many Requests", "RATE_LIMITED", **fields)
    return Failure(503, LIMITED, behaviour, closes=True, retry=(lower, upper))


def limit_for_half_a_minute(call: behaviours.Call) -> None:
    at = int((time.time() + 30) * 1000)
    refuse("429 Too Many Requests", "RATE_LIMITED", retryAfter=at)(call)


MOVED = "Location: https://elsewhere.test/"

FAILURES = {
    "refused": Failure(503, UNREACHABLE, network=HostileUpstream.refuse_connections),
    "no such host": Failure(503, UNREACHABLE, network=HostileUpstream.remove_name),
    "TLS failure": Failure(503, UNREACHABLE, network=HostileUpstream.present_unknown_certificate),
    "time-out at connect": Failure(
        504, LATE, network=HostileUpstream.accept_no_connection, slow=True
    ),
    "reset": Failure(503, UNREACHABLE, behaviours.Call.reset),
    "time-out in headers": Failure(504, LATE, behaviours.Call.stay_silent, slow=True),
    "time-out in mid-body": Failure(504, LATE, behaviours.stop_in_body, slow=True),
    "slow drip": Failure(504, LATE, behaviours.drip, slow=True),
    "HTML": unreadable(respond_html("200 OK")),
    "half a JSON": unreadable(behaviours.send_half_a_document),
    "a list": json(b'{"data": []}'),
    "no runs": json(b'{"data": {"event": {"_id": "x"}}}'),
    "a number": json(b"42"),
    "nothing": json(b""),
    "50 MB": unreadable(behaviours.send_50_megabytes),
    "gzip bomb": unreadable(behaviours.send_gzip_bomb),
    "another event": unreadable(behaviours.send_another_event),
    "301": unreadable(respond("301 Moved Permanently", b"", MOVED)),
    "302 with a body": unreadable(respond("302 Found", UPSTREAM_TEXT.encode(), MOVED)),
    "304 without a validator": unreadable(respond("304 Not Modified", b"")),
    "400": Failure(502, REJECTED, refuse("400 Bad Request", "BAD_REQUEST")),
    "400 HTML": unreadable(respond_html("400 Bad Request")),
    "401 HTML": unreadable(respond_html("401 Unauthorized")),
    "403 HTML": unreadable(respond_html("403 Forbidden")),
    "404 HTML": unreadable(respond_html("404 Not Found")),
    "404 of a route": unreadable(refuse("404 Not Found", "ROUTE_NOT_FOUND")),
    "409": Failure(502, REJECTED, refuse("409 Conflict", "CONFLICT")),
    "422": Failure(502, REJECTED, refuse("422 Unprocessable Content", "VALIDATION_ERROR")),
    "500": Failure(503, UNREACHABLE, refuse("500 Internal Server Error", "INTERNAL")),
    "502": Failure(503, UNREACHABLE, respond_html("502 Bad Gateway")),
    "503": Failure(503, UNREACHABLE, refuse("503 Service Unavailable", "UNAVAILABLE")),
    "504 HTML": Failure(503, UNREACHABLE, respond_html("504 Gateway Timeout")),
    "401": Failure(
        503, "does not accept the key", refuse("401 Unauthorized", "UNAUTHORIZED"), closes=True
    ),
    # An id that the key may not read is an unknown id (rules 8.20).
    "403": Failure(
        404, "does not let the key read", refuse("403 Forbidden", "FORBIDDEN"), closes=True
    ),
    "429": limited(50, 60),
    "429 HTML": Failure(
        503, LIMITED, respond_html("429 Too Many Requests"), closes=True, retry=(50, 60)
    ),
    "429 for half a minute": Failure(
        503, LIMITED, limit_for_half_a_minute, closes=True, retry=(20, 30)
    ),
    "429 in the past": limited(50, 60, retryAfter=946_684_800_000),
    "429 in the year 3000": limited(50, 60, retryAfter=32_503_680_000_000),
    "429 with a number of 300 digits": limited(50, 60, retryAfter=10**300),
    "429 without a number": limited(50, 60, retryAfter="soon"),
    "429 with infinity": limited(50, 60, retryAfter=float("inf")),
}
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


@pytest.fixture(scope="module")
def deployment(shared_database, tmp_path_factory):
    """A service whose upstream works."""
    with deploy(shared_database.url, tmp_path_factory.mktemp("service")) as deployment:
        yield deployment


def test_a_hundred_polls_of_a_new_id_make_one_call(deployment):
    upstream, service, _ = deployment
    upstream.publish("herd", "Herd")
    with upstream.hold("herd") as release:
        requests = service.send_evenly(["herd"] * 100)
        release()
        answers = [each.read() for each in requests]

    assert {each.status for each in answers} == {200}
    assert len({each.headers["ETag"] for each in answers}) == 1
    assert upstream.calls.count("herd") == 1


def test_polls_of_twenty_new_ids_make_twenty_calls(deployment):
    upstream, service, _ = deployment
    ids = [f"herd-{number}" for number in range(20)]
    for id_ in ids:
        upstream.publish(id_, f"Herd of {id_}")
    answers = [each.read() for each in service.send_evenly(ids * 5)]

    assert {each.status for each in answers} == {200}
    assert len({each.headers["ETag"] for each in answers}) == 20
    assert {id_: upstream.calls.count(id_) for id_ in ids} == dict.fromkeys(ids, 1)


def test_a_hundred_polls_past_max_age_make_one_call_and_get_the_new_edition(deployment):
    upstream, service, _ = deployment
    upstream.publish("old", "As it was")
    service.poll_workers("old")
    deployment.age(days=1)
    upstream.publish("old", "As it is now")
    with upstream.hold("old") as release:
        requests = service.send_evenly(["old"] * 100)
        release()
        answers = [each.read() for each in requests]

    assert {each.status for each in answers} == {200}
    assert len({each.headers["ETag"] for each in answers}) == 1
    assert b"SUMMARY:As it is now" in answers[0].body
    assert upstream.calls.count("old") == 2


def test_fresh_editions_are_served_while_six_events_hang_in_both_workers(deployment):
    upstream, service, _ = deployment
    ids = [f"hanging-{number}" for number in range(6)]
    with ExitStack() as stack:
        releases = []
        for id_ in ids:
            upstream.publish(id_, "At last")
            releases.append(stack.enter_context(upstream.hold(id_)))
        requests = service.send_evenly(ids * 6)
        hits = []
        for worker in service.workers:
            with service.only(worker):
                hits += [service.poll("hit") for _ in range(100)]
        for release in releases:
            release()
        answers = [each.read() for each in requests]

    assert [each.status for each in hits] == [200] * 200
    assert {each.status for each in answers} == {200}  # no request gave up waiting meanwhile
    assert [upstream.calls.count(id_) for id_ in ids] == [1] * 6

"""Every way in which the upstream fails, against the real service.

An event with nothing stored, one with a fresh edition, one whose edition is too old: for each
failure one event in each of these states. All failures of a service are played once, one after the
other, the slow ones together; each test looks at one of them.
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
from feeds.store.tables import events
from tests.support import hostile_upstream as hostile
from tests.support.hostile_upstream import (
    BOOTED,
    OWN_TEXT,
    Answer,
    Behaviour,
    Gate,
    House,
    Upstream,
    answer,
    herd,
    html,
    refusal,
)

ENGINES = ("sqlite", "postgresql")
STATES = ("cold", "overdue", "fresh")
POLLS, TOGETHER = 4, 4
"""Polls of each event, and failures, at the same time: not more than a worker has threads."""


class Failure(NamedTuple):
    """What an event is answered with, or what happens to all connections meanwhile.

    ``cold`` is the status where there is nothing to serve instead; what the log and the subscriber
    are told matches ``words``. ``closes`` if it is not about this event alone; ``retry`` are
    the least and the most seconds after which a cold client is told to come back.
    """

    cold: int
    words: str
    mood: Behaviour | None = None
    network: Callable[[Upstream], AbstractContextManager[object]] | None = None
    slow: bool = False
    closes: bool = False
    retry: tuple[int, int] = (1, 60)


UNREADABLE = "sent (an answer that cannot be read|more than a document can hold|another event)"
UNREACHABLE = "(cannot be reached|is out of order)"
LATE = "did not answer in time"
LIMITED = "takes no more requests for now"
REJECTED = "did not take the request"


def nonsense(mood: Behaviour) -> Failure:
    return Failure(502, UNREADABLE, mood)


def json(body: bytes) -> Failure:
    return nonsense(answer("200 OK", body, "Content-Type: application/json"))


def limited(lower: int, upper: int, **fields: object) -> Failure:
    mood = refusal("429 Too Many Requests", "RATE_LIMITED", **fields)
    return Failure(503, LIMITED, mood, closes=True, retry=(lower, upper))


def in_half_a_minute(call: hostile.Call) -> None:
    at = int((time.time() + 30) * 1000)
    refusal("429 Too Many Requests", "RATE_LIMITED", retryAfter=at)(call)


MOVED = "Location: https://elsewhere.test/"

FAILURES = {
    "refused": Failure(503, UNREACHABLE, network=Upstream.nobody_listens),
    "no such host": Failure(503, UNREACHABLE, network=Upstream.no_such_host),
    "TLS failure": Failure(503, UNREACHABLE, network=Upstream.nobody_trusts_it),
    "time-out at connect": Failure(504, LATE, network=Upstream.nobody_accepts, slow=True),
    "reset": Failure(503, UNREACHABLE, hostile.reset),
    "time-out in headers": Failure(504, LATE, hostile.silent, slow=True),
    "time-out in mid-body": Failure(504, LATE, hostile.stops_amid_the_body, slow=True),
    "slow drip": Failure(504, LATE, hostile.drips, slow=True),
    "HTML": nonsense(html("200 OK")),
    "half a JSON": nonsense(hostile.half_a_document),
    "a list": json(b'{"data": []}'),
    "no runs": json(b'{"data": {"event": {"_id": "x"}}}'),
    "a number": json(b"42"),
    "nothing": json(b""),
    "50 MB": nonsense(hostile.fifty_megabytes),
    "gzip bomb": nonsense(hostile.bomb),
    "another event": nonsense(hostile.document_of_another),
    "301": nonsense(answer("301 Moved Permanently", b"", MOVED)),
    "302 with a body": nonsense(answer("302 Found", OWN_TEXT.encode(), MOVED)),
    "304 out of the blue": nonsense(answer("304 Not Modified", b"")),
    "400": Failure(502, REJECTED, refusal("400 Bad Request", "BAD_REQUEST")),
    "400 HTML": nonsense(html("400 Bad Request")),
    "401 HTML": nonsense(html("401 Unauthorized")),
    "403 HTML": nonsense(html("403 Forbidden")),
    "404 HTML": nonsense(html("404 Not Found")),
    "404 of a route": nonsense(refusal("404 Not Found", "ROUTE_NOT_FOUND")),
    "409": Failure(502, REJECTED, refusal("409 Conflict", "CONFLICT")),
    "422": Failure(502, REJECTED, refusal("422 Unprocessable Content", "VALIDATION_ERROR")),
    "500": Failure(503, UNREACHABLE, refusal("500 Internal Server Error", "INTERNAL")),
    "502": Failure(503, UNREACHABLE, html("502 Bad Gateway")),
    "503": Failure(503, UNREACHABLE, refusal("503 Service Unavailable", "UNAVAILABLE")),
    "504 HTML": Failure(503, UNREACHABLE, html("504 Gateway Timeout")),
    "401": Failure(
        503, "does not accept the key", refusal("401 Unauthorized", "UNAUTHORIZED"), closes=True
    ),
    # An id that the key may not read is none to those who ask for it.
    "403": Failure(
        404, "does not let the key read", refusal("403 Forbidden", "FORBIDDEN"), closes=True
    ),
    "429": limited(50, 60),
    "429 HTML": Failure(503, LIMITED, html("429 Too Many Requests"), closes=True, retry=(50, 60)),
    "429 for half a minute": Failure(503, LIMITED, in_half_a_minute, closes=True, retry=(20, 30)),
    "429 in the past": limited(50, 60, retryAfter=946_684_800_000),
    "429 in the year 3000": limited(50, 60, retryAfter=32_503_680_000_000),
    "429 far beyond": limited(50, 60, retryAfter=10**300),
    "429 no number": limited(50, 60, retryAfter="soon"),
    "429 not even finite": limited(50, 60, retryAfter=float("inf")),
}


def id_of(name: str, state: str) -> str:
    return re.sub("[^A-Za-z0-9]", "-", f"{state}-{name}")


EVENTS = {(name, state): id_of(name, state) for name in FAILURES for state in STATES}


class Outage(Struct):
    """All failures as they were played, by failure and state: what was answered and asked."""

    before: dict[tuple[str, str], Answer] = field(default_factory=dict)
    during: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    after: dict[tuple[str, str], Answer] = field(default_factory=dict)
    bystanders: dict[str, Answer] = field(default_factory=dict)
    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    stored: dict[str, Any] = field(default_factory=dict)
    still_stored: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    minutes: int = 0


def prepare(house: House, outage: Outage) -> None:
    for id_ in EVENTS.values():
        house.upstream.publish(id_, "As it was")
    overdue = {key: house.service.poll(id_) for key, id_ in EVENTS.items() if key[1] == "overdue"}
    house.age(days=1)
    fresh = {key: house.service.poll(id_) for key, id_ in EVENTS.items() if key[1] == "fresh"}
    outage.before = overdue | fresh
    outage.stored = house.records.rows(events)
    house.upstream.calls.clear()


def fail(house: House, outage: Outage) -> None:
    began = time.monotonic()
    for name, failure in FAILURES.items():
        if failure.mood:
            house.upstream.moods |= {id_of(name, state): failure.mood for state in STATES}
    plain: list[str] = []
    slow: list[str] = []
    for name, failure in FAILURES.items():
        if failure.network:
            with failure.network(house.upstream):
                poll(house, outage, [name])
        elif failure.closes:
            for state in STATES:
                poll(house, outage, [name], [state])
                if state == "overdue":
                    outage.bystanders[name] = house.service.poll(id_of(name, "bystander"))
                house.records.reopen()
        else:
            (slow if failure.slow else plain).append(name)
    for first in range(0, len(plain), TOGETHER):
        poll(house, outage, plain[first : first + TOGETHER])
    poll(house, outage, slow)
    outage.minutes = int((time.monotonic() - began) / 60) + 1
    outage.calls = {key: house.upstream.calls.count(id_) for key, id_ in EVENTS.items()}
    outage.asked = set(house.upstream.calls)
    outage.still_stored = house.records.rows(events)
    outage.log = house.service.process.output


def poll(
    house: House, outage: Outage, names: Iterable[str], states: Iterable[str] = STATES
) -> None:
    """Poll the events of these failures: many clients at the same time, then each worker."""
    keys = list(product(names, states))
    answers = house.service.polls(EVENTS[key] for key in keys * POLLS)
    for worker in house.service.workers:
        with house.service.alone(worker):
            answers += [house.service.poll(EVENTS[key]) for key in keys]
    for key, each in zip(cycle(keys), answers, strict=False):
        outage.during.setdefault(key, []).append(each)


def recover(house: House, outage: Outage) -> None:
    house.upstream.moods.clear()
    for id_ in EVENTS.values():
        house.upstream.publish(id_, "As it is now")
    house.age(days=1)
    for key, id_ in EVENTS.items():
        outage.after[key] = house.service.poll(id_)


@pytest.fixture(scope="module")
def new_database(postgres, tmp_path_factory):
    """The URL of one more database of an engine, with nothing in it."""

    def make(engine: str) -> str:
        if engine == "postgresql":
            return str(postgres.new_database())
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/feeds.sqlite3"

    return make


def played(database_url: str, folder: Path) -> Outage:
    """One service through all of it."""
    outage = Outage()
    with hostile.house(database_url, folder) as house:
        prepare(house, outage)
        fail(house, outage)
        recover(house, outage)
    return outage


@pytest.fixture(scope="module")
def outages(new_database, tmp_path_factory):
    """By engine, of two services at the same time: most of it is waiting."""
    urls = [new_database(engine) for engine in ENGINES]
    folders = [tmp_path_factory.mktemp(engine) for engine in ENGINES]
    with ThreadPoolExecutor() as threads:
        return dict(zip(ENGINES, threads.map(played, urls, folders), strict=True))


@pytest.fixture(params=ENGINES)
def outage(outages, request):
    return outages[request.param]


def seconds(answer_: Answer) -> int:
    """The max-age of an answer."""
    found = re.fullmatch(r"max-age=(\d+), stale-if-error=604800", answer_.headers["Cache-Control"])
    assert found
    return int(found[1])


@pytest.mark.parametrize("name", FAILURES)
class TestFailure:
    def test_a_fresh_edition_is_served_and_nobody_asks(self, outage, name):
        answers = outage.during[name, "fresh"]

        assert {each.status for each in answers} == {200}
        assert {each.body for each in answers} == {outage.before[name, "fresh"].body}
        assert all(60 < seconds(each) <= 3600 for each in answers)
        assert outage.calls[name, "fresh"] == 0

    def test_past_max_age_the_last_good_edition_is_served(self, outage, name):
        before, answers = outage.before[name, "overdue"], outage.during[name, "overdue"]

        assert {each.status for each in answers} == {200}
        assert {each.body for each in answers} == {before.body}
        assert {each.headers["ETag"] for each in answers} == {before.headers["ETag"]}
        assert {each.headers["Last-Modified"] for each in answers} == {
            before.headers["Last-Modified"]
        }
        assert {seconds(each) for each in answers} == {60}

    def test_with_nothing_stored_one_line_says_what_is_wrong(self, outage, name):
        failure, answers = FAILURES[name], outage.during[name, "cold"]

        assert {each.status for each in answers} == {failure.cold}
        for each in answers:
            assert each.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert re.fullmatch(rb"[A-Z][^\n]+\.\n", each.body)
            if failure.cold == 404:
                assert each.body == b"There is no such event.\n"
                assert each.headers["Cache-Control"] == "max-age=60"
            else:
                assert re.search(failure.words, each.body.decode())
                assert each.headers["Cache-Control"] == "no-store"
                least, most = failure.retry
                assert least <= int(each.headers["Retry-After"]) <= most

    def test_the_upstream_is_asked_once_for_all_who_poll(self, outage, name):
        # Where no connection comes about there is nothing to count.
        asked = 0 if FAILURES[name].network else 1

        assert outage.calls[name, "overdue"] == asked
        assert outage.calls[name, "cold"] == asked

    def test_nothing_of_it_is_stored(self, outage, name):
        for state in ("fresh", "overdue"):
            id_ = EVENTS[name, state]
            then, now = outage.stored[id_], outage.still_stored[id_]
            assert then | {"polled": None} == now | {"polled": None}
        assert EVENTS[name, "cold"] not in outage.still_stored

    def test_nobody_is_told_the_upstreams_own_words_or_the_key(self, outage, name):
        for state in STATES:
            for each in outage.during[name, state]:
                told = f"{each.headers}{each.body!r}"
                assert not [word for word in SECRETS if word in told]

    def test_once_it_is_over_the_next_poll_gets_the_new_edition(self, outage, name):
        for state in STATES:
            after = outage.after[name, state]
            assert after.status == 200
            assert b"SUMMARY:As it is now" in after.body
            assert seconds(after) > 60


SECRETS = [OWN_TEXT, SANDBOX_KEY, "Traceback", "intervals.test", "elsewhere.test"]

CAUSES = sorted({failure.words for failure in FAILURES.values()})


@pytest.mark.parametrize("name", [name for name, failure in FAILURES.items() if failure.closes])
class TestRefusalThatIsNotAboutOneEvent:
    def test_nothing_else_is_asked_for_until_it_is_over(self, outage, name):
        failure, answered = FAILURES[name], outage.bystanders[name]

        assert answered.status == 503
        assert re.search(failure.words, answered.body.decode())
        least, most = failure.retry
        assert least <= int(answered.headers["Retry-After"]) <= most
        assert id_of(name, "bystander") not in outage.asked


class TestLog:
    @pytest.mark.parametrize("cause", CAUSES)
    def test_a_cause_is_told_once_a_minute_and_process(self, outage, cause):
        lines = [
            line
            for line in outage.log.splitlines()
            if re.match(rf"event \S+: The Intervals API {cause}", line)
        ]

        assert 1 <= len(lines) <= 2 * outage.minutes

    def test_what_does_not_decode_is_told_once_a_minute_and_process_too(self, outage):
        lines = [line for line in outage.log.splitlines() if "does not decode" in line]
        kinds = Counter(re.sub(r"event \S+", "event", line) for line in lines)

        assert max(kinds.values(), default=0) <= 2 * outage.minutes

    def test_neither_the_key_nor_what_the_upstream_says_is_logged(self, outage):
        assert not [word for word in SECRETS[:3] if word in outage.log]

    def test_no_worker_ended(self, outage):
        assert len(re.findall(BOOTED, outage.log)) == 2


@pytest.fixture(scope="module", params=ENGINES)
def house(new_database, request, tmp_path_factory):
    """A service whose upstream is well but for what a test does to it."""
    folder = tmp_path_factory.mktemp("house")
    with hostile.house(new_database(request.param), folder) as house:
        house.upstream.publish("hit", "In memory")
        house.service.poll_each("hit")
        yield house


class TestHerd:
    def test_a_hundred_polls_of_a_new_id_are_one_call(self, house):
        house.upstream.publish("herd", "Herd")
        with Gate(house.upstream, "herd") as gate:
            waiting = herd(["herd"] * 100, house.service)
            gate.open()
            answers = [each.answer() for each in waiting]

        assert {each.status for each in answers} == {200}
        assert len({each.headers["ETag"] for each in answers}) == 1
        assert house.upstream.calls.count("herd") == 1

    def test_polls_of_twenty_new_ids_are_twenty_calls(self, house):
        ids = [f"herd-{number}" for number in range(20)]
        for id_ in ids:
            house.upstream.publish(id_, f"Herd of {id_}")
        answers = [each.answer() for each in herd(ids * 5, house.service)]

        assert {each.status for each in answers} == {200}
        assert len({each.headers["ETag"] for each in answers}) == 20
        assert {id_: house.upstream.calls.count(id_) for id_ in ids} == dict.fromkeys(ids, 1)

    def test_a_hundred_polls_past_max_age_are_one_call_and_all_get_the_new_edition(self, house):
        house.upstream.publish("old", "As it was")
        house.service.poll_each("old")
        house.age(days=1)
        house.upstream.publish("old", "As it is now")
        with Gate(house.upstream, "old") as gate:
            waiting = herd(["old"] * 100, house.service)
            gate.open()
            answers = [each.answer() for each in waiting]

        assert {each.status for each in answers} == {200}
        assert len({each.headers["ETag"] for each in answers}) == 1
        assert b"SUMMARY:As it is now" in answers[0].body
        assert house.upstream.calls.count("old") == 2


class TestHang:
    def test_hits_are_answered_while_six_events_hang_in_both_workers(self, house):
        ids = [f"hanging-{number}" for number in range(6)]
        with ExitStack() as stack:
            gates = []
            for id_ in ids:
                house.upstream.publish(id_, "At last")
                gates.append(stack.enter_context(Gate(house.upstream, id_)))
            waiting = herd(ids * 6, house.service)
            hits = []
            for worker in house.service.workers:
                with house.service.alone(worker):
                    hits += [house.service.poll("hit") for _ in range(100)]
            for gate in gates:
                gate.open()
            answers = [each.answer() for each in waiting]

        assert [each.status for each in hits] == [200] * 200
        # None of them has given up: the upstream hung all the time.
        assert {each.status for each in answers} == {200}
        assert [house.upstream.calls.count(id_) for id_ in ids] == [1] * 6

"""Failures of the upstream, against the real service with each database.

tests/upstream has more: every status, every unreadable body, every way to break a connection.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from feeds.sandbox import SANDBOX_KEY
from tests.support.deployment import Deployment
from tests.support.upstream import Upstream

UPSTREAM_TEXT = "Upstream's own text."
SECRETS = [UPSTREAM_TEXT, SANDBOX_KEY, "Traceback", "<h1>"]


class Failure(NamedTuple):
    """A failure of the upstream, and how the service answers with nothing stored.

    ``calls`` are those of two events at an upstream that can be called: a refusal of the key stops
    the calls for all other events (rules 8.19).
    """

    begin: Callable[[Upstream], object]
    status: int
    words: str
    calls: int = 2


UNREACHABLE = "(cannot be reached|is out of order)"
"""A process that did not make the call itself knows the kind of the error only."""

FAILURES = {
    "refused connections": Failure(Upstream.stop, 503, UNREACHABLE, calls=0),
    "500": Failure(lambda up: up.refuse(500, "INTERNAL"), 503, UNREACHABLE),
    "login page": Failure(
        lambda up: up.answer(200, "text/html", "<h1>Log in</h1>"), 502, "cannot be read"
    ),
    "422": Failure(lambda up: up.refuse(422, "VALIDATION_ERROR"), 502, "did not take the request"),
    "401": Failure(lambda up: up.refuse(401, "UNAUTHORIZED"), 503, "does not accept", calls=1),
    "429": Failure(lambda up: up.refuse(429, "RATE_LIMITED"), 503, "takes no more", calls=1),
}


STATES = ("fresh", "overdue", "cold")


def id_of(state: str, name: str) -> str:
    return f"{state}-{name.replace(' ', '-')}"


IDS = {state: [id_of(state, name) for name in FAILURES] for state in STATES}


@pytest.fixture(scope="module")
def known(deployment):
    """The fresh and the overdue editions by id; nothing is stored of the cold events."""
    deployment.publish("As it was", *IDS["fresh"], *IDS["overdue"], *IDS["cold"])
    overdue = {id_: deployment.service.poll(id_) for id_ in IDS["overdue"]}
    deployment.age(days=1)
    return overdue | {id_: deployment.service.poll(id_) for id_ in IDS["fresh"]}


@contextmanager
def playing(failure: Failure, deployment: Deployment) -> Iterator[None]:
    """Have the upstream fail until the end of the block; then two minutes pass."""
    upstream = deployment.upstream
    failure.begin(upstream)
    yield
    upstream.instead = None
    if upstream.stopped:
        upstream.restart()
    deployment.database.rewind(minutes=2)


@pytest.mark.parametrize("name", FAILURES)
def test_in_an_outage_stored_feeds_stay_as_they_are_and_others_are_errors_in_one_line(
    deployment, known, name
):
    failure, upstream, service = FAILURES[name], deployment.upstream, deployment.service
    fresh, overdue, cold = (id_of(state, name) for state in STATES)
    stored = deployment.database.read_events()
    upstream.calls.clear()
    with playing(failure, deployment):
        answers = {
            id_: service.poll_together([id_] * 8) + service.poll_workers(id_)
            for id_ in (fresh, overdue, cold)
        }
        during = deployment.database.read_events()

    assert upstream.asked.count(fresh) == 0
    assert len(upstream.asked) == failure.calls
    for id_ in (fresh, overdue):
        for answer in answers[id_]:
            assert (answer.status, answer.body) == (200, known[id_].body)
            assert answer.headers["ETag"] == known[id_].headers["ETag"]
        assert during[id_].document == stored[id_].document
    assert {each.headers["Cache-Control"] for each in answers[overdue]} == {
        "max-age=60, stale-if-error=604800"
    }
    assert cold not in during
    for answer in answers[cold]:
        assert answer.status == failure.status
        assert re.fullmatch(rf"The Intervals API [^\n]*{failure.words}[^\n]*\.\n", answer.text)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert 30 <= int(answer.headers["Retry-After"]) <= 60  # of a minute (rules 8.9)
    log = service.process.output
    shown = [f"{each.headers}{each.text}" for all_ in answers.values() for each in all_]
    assert not [secret for secret in SECRETS for text in (*shown, log) if secret in text]
    # Each worker logs a cause at most once a minute, and the tests may run into another minute.
    assert 1 <= len(re.findall(rf'"message": "event \S+: .*{failure.words}', log)) <= 4


def test_after_an_outage_the_next_poll_gets_the_new_edition(deployment, known):
    ids = IDS["fresh"] + IDS["overdue"]
    with playing(FAILURES["500"], deployment):
        deployment.service.poll(ids[0])
    deployment.publish("As it is now", *ids)
    deployment.age(days=1)
    for id_ in ids:
        assert "SUMMARY:As it is now" in deployment.service.poll(id_).text

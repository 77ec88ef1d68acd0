"""Section 7 of the rules: whether the service answers, and whether it can do its work."""

import shutil
from datetime import timedelta

import pytest

from feeds.store.database import Database
from tests.support.processes import rate
from tests.support.service import a_run

READY = {
    "ready": True,
    "reasons": [],
    "database": True,
    "key_accepted": True,
    "last_answer_age": 0,
    "calls_left": 20,
    "events_missing": None,
    "refresher_age": None,
}


def read_report(service):
    """The report of ``/readyz``, whose status has to agree with it."""
    answer = service.client.get("/readyz")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.mimetype == "application/json"
    assert answer.status_code == (200 if answer.json["ready"] else 503)
    assert all("\n" not in reason for reason in answer.json["reasons"])
    return answer.json


def get_reason(service):
    """The only reason why the service is not ready."""
    (reason,) = read_report(service)["reasons"]
    return reason


@pytest.fixture
def polled(service):
    """A service that has polled one event; two seconds have passed since."""
    service.announce(a_run())
    service.advance(seconds=2)
    return service


def test_healthz_is_ok_without_the_database_and_the_upstream(service):
    """Rules 7.16."""
    service.client.get("/")
    shutil.rmtree(service.folder)
    calls = len(service.upstream.calls)
    answer = service.client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["Cache-Control"] == "no-store"
    assert service.client.head("/healthz").status_code == 200
    assert len(service.upstream.calls) == calls


def test_a_service_that_can_do_its_work_is_ready(polled):
    """Rules 7.16: two calls were made, and one was added since."""
    assert read_report(polled) == READY | {"last_answer_age": 2, "calls_left": 20}


def test_a_new_service_is_ready(service):
    """Rules 7.16."""
    assert read_report(service) == READY | {"last_answer_age": None}


def test_no_request_for_health_makes_a_call_or_counts_as_a_poll(polled):
    """Rules 7.16: after eight days without a poll, the refresher has nothing to do."""
    calls = list(polled.upstream.calls)
    for _ in range(8 * 24):
        polled.advance(hours=1)
        read_report(polled)
        polled.client.get("/healthz")
    assert polled.upstream.calls == calls


def test_the_database_is_read_every_two_seconds_at_most(polled):
    """Rules 7.16."""
    assert read_report(polled)["ready"]
    shutil.rmtree(polled.folder)
    polled.advance(seconds=1.9)
    assert read_report(polled)["ready"]
    polled.advance(seconds=0.1)
    report = read_report(polled)
    assert (report["ready"], report["database"]) == (False, False)
    assert report["reasons"][0].startswith("The database is unavailable. Check FEEDS_DATABASE_URL")


def test_a_key_that_is_not_accepted_is_a_reason_until_there_is_an_answer(polled):
    """Rules 7.16: also after the minute for which the upstream is closed."""
    polled.upstream.refuse(401, "UNAUTHORIZED")
    polled.advance(hours=2)
    polled.poll()
    for minutes in (0, 1, 60):
        polled.advance(minutes=minutes, seconds=2)
        assert not read_report(polled)["key_accepted"]
        assert get_reason(polled) == (
            "The Intervals API does not accept the key. Check INTERVALS_PARTNER_API_KEY."
        )
    polled.upstream.instead = None
    polled.poll()
    polled.advance(seconds=2)
    assert read_report(polled)["ready"]


def test_a_429_is_a_reason_until_the_upstream_takes_calls_again(polled):
    """Rules 7.16."""
    polled.upstream.refuse(429, "RATE_LIMITED")
    polled.advance(hours=2)
    polled.poll()
    polled.advance(seconds=2)
    assert get_reason(polled).startswith("The Intervals API takes no calls before ")
    assert read_report(polled)["calls_left"] == 0
    polled.advance(minutes=1)
    assert read_report(polled)["ready"]


def test_an_upstream_that_has_failed_for_five_minutes_is_a_reason(polled):
    """Rules 7.16: an upstream that nobody asks is none, however old the last answer is."""
    polled.upstream.refuse(500, "INTERNAL")
    polled.advance(hours=2)
    assert read_report(polled)["ready"]
    polled.poll()
    polled.advance(seconds=2)
    assert get_reason(polled) == (
        "The Intervals API cannot be reached. There was no answer for 7204 s."
        " Stored editions are served."
    )
    polled.upstream.instead = None
    polled.advance(minutes=1)
    polled.poll()
    polled.advance(seconds=2)
    assert read_report(polled)["ready"]


def test_a_short_failure_of_the_upstream_is_no_reason(polled):
    """Rules 7.16."""
    polled.upstream.refuse_path("/events/new", 500, "INTERNAL")
    assert polled.client.get("/events/new.ics").status_code == 503
    polled.advance(seconds=2)
    assert read_report(polled)["ready"]


def test_a_rate_limit_that_is_used_up_is_a_reason(polled):
    """Rules 7.16."""
    polled.restart(rate=rate("1/day"))
    polled.advance(minutes=1)
    assert read_report(polled)["calls_left"] == 1
    polled.upstream.publish("other", "2026-05-20")
    assert polled.client.get("/events/other.ics").status_code == 200
    polled.advance(seconds=2)
    assert read_report(polled)["calls_left"] == 0
    assert get_reason(polled) == (
        "The rate limit of the Intervals API is used up. FEEDS_UPSTREAM_RATE sets it."
    )


def test_a_refresher_that_was_killed_is_a_reason_until_it_runs_again(polled):
    """Rules 7.16."""
    (file,) = polled.folder.glob("*.sqlite3")
    database = Database(f"sqlite:///{file}")
    database.overview.note_refresher(polled.clock() - timedelta(minutes=4))
    assert get_reason(polled) == ('The refresher has not run for 240 s. "feeds refresh" starts it.')
    database.overview.note_refresher(polled.clock())
    polled.advance(seconds=2)
    assert read_report(polled)["ready"]
    database.close()

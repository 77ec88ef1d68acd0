"""Rules 8.1 to 8.8, 8.12 and 8.13: when an edition ends, and who fetches the next one."""

import re
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

import pytest

from feeds.domain.quota import Rate
from tests.support.service import EVENT, a_run
from tests.support.waiting import wait_until

STARTS = datetime(2026, 8, 15, 13, tzinfo=UTC)
"""The start of ``a_run``, 08:00 in Chicago."""

ENDS = datetime(2026, 8, 15, 15, tzinfo=UTC)
"""The estimated end of ``a_run``, a 10K."""

A_MOMENT = 0.3
"""Seconds in which a thread that does not wait would be done."""


def max_age(service, form=".ics"):
    response = service.get(form)
    assert response.status_code == 200
    found = re.match(r"max-age=(\d+),", response.headers["Cache-Control"])
    assert found
    return int(found[1])


def start_of(service):
    return service.entries()["ten"]["DTSTART"].dt.strftime("%H:%M")


@pytest.mark.parametrize(
    ("now", "minutes"),
    [
        (STARTS - timedelta(days=80), 60),
        (STARTS - timedelta(days=14, hours=2), 60),
        (STARTS - timedelta(days=14), 15),
        (STARTS - timedelta(hours=50), 15),
        (STARTS - timedelta(hours=48), 5),
        (STARTS, 5),
        (ENDS - timedelta(minutes=5), 5),
        (ENDS, 60),
        (ENDS + timedelta(hours=46), 60),
        (ENDS + timedelta(hours=48), 24 * 60),
    ],
)
def test_max_age_goes_by_the_phase_of_the_event(service, now, minutes):
    """Rules 8.1."""
    service.clock.now = now
    service.announce(a_run())
    for form in (".ics", ".rss", ".json", ""):
        assert max_age(service, form) == minutes * 60


@pytest.mark.parametrize(
    ("now", "minutes"),
    [
        (ENDS - timedelta(minutes=5), 5),
        (ENDS, 15),
        (STARTS + timedelta(days=5, minutes=-15), 15),
        (STARTS + timedelta(days=5), 5),
        (STARTS + timedelta(days=7), 5),
        (ENDS + timedelta(days=7), 60),
        (STARTS + timedelta(days=30), 60),
        (STARTS + timedelta(days=46), 15),
    ],
)
def test_the_nearest_run_that_has_not_ended_decides_the_phase(service, now, minutes):
    """Rules 8.1: between two weekly sessions, and in the weeks before the next ones."""
    service.clock.now = now
    service.announce(a_run("a"), a_run("b", date="2026-08-22"), a_run("c", date="2026-10-14"))
    assert max_age(service) == minutes * 60


@pytest.mark.parametrize("now", [STARTS - timedelta(days=80), STARTS, ENDS + timedelta(days=9)])
def test_feeds_max_age_caps_max_age_in_every_phase(service, now):
    """Rules 8.1."""
    service.restart(max_age=timedelta(seconds=100))
    service.clock.now = now
    service.announce(a_run())
    assert max_age(service) == 100


def test_another_process_serves_a_new_edition_two_seconds_after_it_was_saved(announced, other):
    """Rules 8.3; the edition in the other process would last for an hour."""
    announced.restart(max_age=timedelta(minutes=1))
    announced.poll()
    announced.advance(minutes=1)
    announced.edit("ten", startTime="09:30")
    assert start_of(other) == "08:00"
    assert start_of(announced) == "09:30"
    announced.advance(seconds=2)
    assert start_of(other) == "09:30"
    assert announced.upstream.asked == [EVENT, EVENT]


@pytest.mark.parametrize(
    ("settings", "pauses"),
    [
        ({}, [60, 300, 900, 900, 3600]),
        ({"max_age": timedelta(seconds=200)}, [60, *[200] * 9, 200]),
        # The stretch for one event on this rate is 6 minutes.
        ({"rate": Rate(10, timedelta(minutes=30), 5)}, [360, 360, 900, 900, 3600]),
    ],
    ids=["ordinary", "FEEDS_MAX_AGE", "FEEDS_UPSTREAM_RATE"],
)
def test_an_edition_ends_sooner_while_a_removal_is_not_confirmed(announced, settings, pauses):
    """Rules 8.4."""
    announced.restart(**settings)
    announced.advance(hours=1)
    announced.delist("five")
    for seconds in pauses:
        announced.poll()
        assert max_age(announced) == seconds
        calls = len(announced.upstream.asked)
        announced.advance(seconds=seconds - 1)
        announced.poll()
        assert len(announced.upstream.asked) == calls
        announced.advance(seconds=1)


@pytest.mark.parametrize(
    ("before", "left"),
    [
        (timedelta(days=14, minutes=3), 15),
        (timedelta(days=14, minutes=40), 40),
        (timedelta(days=14, minutes=60), 60),
        (timedelta(hours=48, minutes=3), 5),
        (timedelta(hours=48, minutes=10), 10),
    ],
)
def test_an_edition_ends_with_the_shorter_max_age_of_the_phase_that_begins(service, before, left):
    """Rules 8.4: not before that phase begins."""
    service.clock.now = STARTS - before
    service.announce(a_run())
    assert max_age(service) == left * 60


@pytest.mark.parametrize(
    ("begins", "minutes"), [(ENDS, 5), (ENDS + timedelta(days=2), 60)], ids=["end", "long over"]
)
def test_a_phase_with_a_longer_max_age_ends_no_edition(service, begins, minutes):
    """Rules 8.4."""
    service.clock.now = begins - timedelta(seconds=3)
    service.announce(a_run())
    assert max_age(service) == minutes * 60


def test_the_clock_alone_ends_no_edition(service):
    """Rules 4.8: no call is made for an instant at which registration opens."""
    service.announce(a_run(registrationOpensAt="2026-05-20T12:10:00Z"))
    assert max_age(service) == 3600
    service.advance(minutes=59)
    service.poll(".rss")
    assert len(service.upstream.asked) == 1


@pytest.mark.parametrize("form", [".ics", ".rss", ".json", ""])
def test_no_answer_is_older_than_max_age_while_the_upstream_is_well(announced, form):
    """Rules 8.5."""
    before = announced.poll(form)
    announced.edit("ten", startTime="09:30")
    announced.advance(seconds=3599)
    assert announced.poll(form) == before
    announced.advance(seconds=1)
    assert announced.poll(form) != before
    assert announced.upstream.asked == [EVENT, EVENT]


def test_all_polls_past_max_age_wait_for_one_refresh(announced):
    """Rules 8.5 and 8.8."""
    announced.edit("ten", startTime="09:30")
    announced.advance(hours=1)
    with ThreadPoolExecutor(8) as threads:
        with announced.upstream.hold():
            polls = [threads.submit(start_of, announced) for _ in range(8)]
            wait_until(lambda: len(announced.upstream.asked) == 2, "the call of a refresh")
            assert not wait(polls, A_MOMENT).done
        assert [each.result() for each in polls] == ["09:30"] * 8
    assert announced.upstream.asked == [EVENT, EVENT]


def test_one_process_waits_for_the_refresh_of_another_process(announced, other):
    """Rules 8.8."""
    announced.edit("ten", startTime="09:30")
    announced.advance(hours=1)
    with ThreadPoolExecutor(2) as threads:
        with announced.upstream.hold():
            polls = [threads.submit(start_of, each) for each in (announced, other)]
            wait_until(lambda: len(announced.upstream.asked) == 2, "the call of a refresh")
            assert not wait(polls, A_MOMENT).done
        assert [each.result() for each in polls] == ["09:30"] * 2
    assert announced.upstream.asked == [EVENT, EVENT]


def test_an_unknown_id_is_remembered_as_404_for_ten_minutes_by_all_processes(announced, other):
    """Rules 8.12."""
    for elapsed in (0, 1, 598):
        announced.advance(seconds=elapsed)
        for process in (announced, other):
            assert process.client.get("/events/new.ics").status_code == 404
    assert announced.upstream.asked == [EVENT, "new"]
    announced.upstream.publish("new", "2026-08-15")
    announced.advance(seconds=1)
    assert announced.client.get("/events/new.ics").status_code == 200


def go(service):
    """Delete the event, and poll until the answers of rules 3.5 have said so."""
    service.delete()
    service.advance(hours=1)
    service.believe_removal()


def test_an_event_that_is_gone_is_asked_for_again_every_hour(announced):
    """Rules 8.13."""
    go(announced)
    assert max_age(announced) == 3600
    announced.upstream.calls.clear()
    for calls in (0, 1, 1, 2):
        announced.advance(minutes=30)
        announced.poll()
        assert announced.upstream.asked == [EVENT] * calls
    announced.publish()
    announced.advance(hours=1)
    assert not str(announced.entries()["ten"]["SUMMARY"]).startswith("No longer listed")


def test_feeds_max_age_caps_how_long_unknown_ids_and_events_that_are_gone_are_remembered(
    announced,
):
    """Rules 8.13."""
    announced.restart(max_age=timedelta(seconds=30))
    go(announced)
    assert max_age(announced) == 30
    announced.upstream.calls.clear()
    for _ in range(3):
        announced.client.get("/events/new.ics")
        announced.advance(seconds=30)
    assert announced.upstream.asked == ["new"] * 3

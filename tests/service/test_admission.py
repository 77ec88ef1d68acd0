"""Guesses: they delay no known event, and no id that another client asks for."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from feeds.domain.quota import Rate
from feeds.errors import EventNotFound, Overloaded, QuotaExhausted
from feeds.service.admission import (
    MAX_CONCURRENT_GUESSES,
    MAX_GUESSES,
    MAX_MISSES,
    MAX_WAITING_GUESSES,
)
from tests.support.waiting import PATIENCE
from tests.support.workers import get_hour, wait_for

STRANGER, SUBSCRIBER = "192.0.2.1", "192.0.2.2"
DAY = "2026-06-13"
MINUTE = timedelta(minutes=1)


def spend_misses(worker):
    """Make the stranger a client that guesses."""
    for number in range(MAX_MISSES):
        with pytest.raises(EventNotFound):
            worker.poll(f"missing-{number}", STRANGER)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_known_event_is_refreshed_while_ids_never_seen_hold_all_their_places(
    start_worker, upstream, clock, threads, in_memory
):
    worker = start_worker()
    (worker if in_memory else start_worker()).poll()
    clock.advance(hours=2)
    upstream.edit_run(startTime="13:00")
    with upstream.held() as gate:
        for number in range(4):
            threads.submit(worker.poll, f"unknown-{number}", f"192.0.2.{number}")
            gate.await_one()
        polling = threads.submit(worker.poll, "harbor", STRANGER)
        gate.await_one()
        gate.release(4)
        assert get_hour(wait_for(polling)) == 13


def test_a_full_queue_of_guesses_refuses_neither_a_known_event_nor_another_client(
    worker, upstream, clock
):
    worker.poll()
    upstream.publish("new", DAY)
    clock.advance(hours=2)
    spend_misses(worker)
    with ThreadPoolExecutor(MAX_GUESSES + 2) as threads, upstream.held() as gate:
        guesses = [
            threads.submit(worker.poll, f"guess-{number}", STRANGER)
            for number in range(MAX_GUESSES + 1)
        ]
        for _ in range(MAX_CONCURRENT_GUESSES):
            gate.await_one()
        ((refused,), _) = wait(guesses, PATIENCE, FIRST_COMPLETED)
        assert isinstance(refused.exception(), Overloaded)

        for number, (event_id, client) in enumerate([("harbor", STRANGER), ("new", SUBSCRIBER)]):
            polling = threads.submit(worker.poll, event_id, client)
            gate.await_one()
            gate.release(MAX_CONCURRENT_GUESSES + number)
            assert not polling.result(PATIENCE).failed
        assert sum(guess.done() for guess in guesses) == 1


def test_a_client_that_guesses_holds_few_threads_with_one_id(worker, upstream):
    spend_misses(worker)
    with ThreadPoolExecutor(MAX_WAITING_GUESSES + 1) as threads, upstream.held() as gate:
        guesses = [
            threads.submit(worker.poll, "guess", STRANGER) for _ in range(MAX_WAITING_GUESSES + 1)
        ]
        gate.await_one()
        ((refused,), _) = wait(guesses, PATIENCE, FIRST_COMPLETED)
        assert isinstance(refused.exception(), Overloaded)
        gate.release(0)
        errors = {type(guess.exception(PATIENCE)) for guess in guesses if guess is not refused}
    assert errors == {EventNotFound}


def test_a_client_that_turns_out_to_guess_leaves_the_places_of_others(worker, upstream):
    upstream.publish("new", DAY)
    with ThreadPoolExecutor(13) as threads, upstream.held() as gate:
        for number in range(12):
            threads.submit(worker.poll, f"guess-{number}", STRANGER)
        for _ in range(4):
            gate.await_one()
        for number in range(MAX_MISSES):  # each miss makes room for the next guess, but the last
            gate.release(number)
            if number < MAX_MISSES - 1:
                gate.await_one()
        for _ in range(MAX_CONCURRENT_GUESSES):
            gate.await_one()
        polling = threads.submit(worker.poll, "new", SUBSCRIBER)
        gate.await_one()
        gate.release(4 + MAX_MISSES - 1 + MAX_CONCURRENT_GUESSES)
        assert wait_for(polling).event.id == "new"


def test_calls_that_are_refused_to_a_client_that_guesses_are_made_for_another_client(
    start_worker, upstream
):
    worker = start_worker(rate=Rate(100, MINUTE, 100))
    upstream.publish("new", DAY)
    for number in range(12):
        with pytest.raises(EventNotFound):
            worker.poll(f"guess-{number}", STRANGER)
    with pytest.raises(QuotaExhausted):
        worker.poll("new", STRANGER)
    assert worker.get_edition("new", SUBSCRIBER).event.id == "new"


def test_ids_that_exist_spend_no_miss(start_worker, upstream):
    worker = start_worker(rate=Rate(100, MINUTE, 100))
    ids = [f"new-{number}" for number in range(20)]
    for event_id in ids:
        upstream.publish(event_id, DAY)
        worker.poll(event_id, SUBSCRIBER)
    assert upstream.asked == ids

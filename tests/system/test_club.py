"""A club with 40 events that nobody has polled before, and 300 subscribers at once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from signal import Signals
from time import monotonic

import pytest

from tests.support.deployment import PendingRequest, deploy
from tests.support.waiting import wait_until

EVENTS, WORKERS, POLLS = 40, 4, 300
CLUB = "club"


def publish_club(deployment, number):
    """Publish so many events of one organization, from next week on; their ids."""
    deployment.upstream.give_key_to(CLUB)
    today = datetime.now(UTC).date()
    ids = [f"race-{each:02}" for each in range(number)]
    for place, id_ in enumerate(ids):
        day = today + timedelta(days=7 + 3 * place)
        deployment.upstream.publish(id_, f"{day}", organizationId=CLUB)
    return ids


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_herd_on_a_cold_club_costs_one_call_for_the_list_and_one_for_each_event(
    engine, new_database, tmp_path
):
    with deploy(new_database(engine).url, tmp_path, WORKERS) as deployment:
        ids = publish_club(deployment, EVENTS)
        before = len(deployment.upstream.calls)
        url = deployment.service.url

        def poll_all(number):
            sent = [PendingRequest(url, "/events.ics") for _ in range(number)]
            return [each.read() for each in sent]

        answers = poll_all(POLLS)
        waiting = [answer for answer in answers if answer.status != 200]
        assert {answer.status for answer in waiting} <= {503}
        assert all(answer.headers["Retry-After"] for answer in waiting)

        def is_full():
            more = poll_all(8)
            assert {answer.status for answer in more} <= {200, 503}
            return all(answer.body.count(b"BEGIN:VEVENT") == EVENTS for answer in more)

        wait_until(is_full, "all workers to serve the club")
        calls = Counter(deployment.upstream.calls[before:])
        # The organization is known from the start of the service.
        lists = {"/events": 1, "/recurrences": 1}
        assert calls == lists | {f"/events/{id_}": 1 for id_ in ids}
        assert "Traceback" not in deployment.service.process.output


def test_a_service_that_fetches_a_club_stops_at_once(new_database, tmp_path):
    slow = {"FEEDS_UPSTREAM_RATE": "60/minute;burst=8"}
    with deploy(new_database("sqlite").url, tmp_path, 1, **slow) as deployment:
        publish_club(deployment, EVENTS)
        url = deployment.service.url
        wait_until(
            lambda: (
                PendingRequest(url, "/events.ics").read().status == 503
                and len(deployment.upstream.asked) > 3
            ),
            "the first events",
        )
        began = monotonic()
        deployment.service.process.send(Signals.SIGTERM)
        assert deployment.service.process.wait() == 0
        assert monotonic() - began < 10  # gunicorn would kill the worker after 20 seconds
        assert len(deployment.upstream.asked) < EVENTS

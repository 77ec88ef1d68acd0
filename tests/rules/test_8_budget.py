"""Rules 8.2, 8.14 to 8.20 and 8.23: the budget of calls, and what closes the upstream for all."""

from datetime import timedelta
from signal import SIGTERM

import pytest

from tests.support.processes import environment_for, rate, run, running
from tests.support.service import EVENT
from tests.support.waiting import wait_until

FAILED = "max-age=60, stale-if-error=604800"

FAR, ON = ("2026-08-15",), ("2026-05-10", "2026-05-22")
"""The days of an event that is far away, and of one whose next run starts within 48 hours."""


def publish_and_poll(service, days, number, age=timedelta(0)):
    """Poll so many new events on these days, at a rate that allows the calls; their ids.

    Returns after ``age``; half a day before, the recurrences are asked for (rules 9.8).
    """
    service.restart(rate=rate("1000000/day;burst=500000"))
    ids = [f"race-{each}" for each in range(number)]
    for event_id in ids:
        service.advance(seconds=1)  # since the sandbox has a rate limit, too
        service.upstream.publish(event_id, *days)
        assert service.client.get(f"/events/{event_id}.ics").status_code == 200
    if age:
        service.clock.now += age - timedelta(hours=12)
        service.upstream.publish("another", *days)
        assert service.client.get("/events/another.ics").status_code == 200
        service.advance(hours=12)
    service.upstream.calls.clear()
    return ids


def poll_each(service, ids, client="192.0.2.1"):
    """How many of these events were refreshed by a poll of each, by the client at this address."""
    before = len(service.upstream.asked)
    for event_id in ids:
        poll_as(service, event_id, client)
    return len(service.upstream.asked) - before


def poll_as(service, event_id, client, **headers):
    """The status of a poll by the client at this address."""
    path, address = f"/events/{event_id}.ics", {"REMOTE_ADDR": client}
    return service.client.get(path, environ_base=address, headers=headers).status_code


@pytest.mark.parametrize(
    ("limit", "events", "seconds"),
    [
        ("100/day", 1, 1728),
        ("100/day", 10, 17280),
        ("100/hour", 5, 360),
        ("100/minute", 10, 60),
    ],
)
def test_max_age_is_at_least_what_half_of_the_rate_can_carry(service, limit, events, seconds):
    """Rules 8.2; FEEDS_MAX_AGE is 60 seconds."""
    ids = publish_and_poll(service, ON, events)
    service.restart(rate=rate(limit), max_age=timedelta(seconds=60))
    service.advance(days=1)
    answer = service.client.get(f"/events/{ids[0]}.ics")
    assert answer.headers["Cache-Control"] == f"max-age={seconds}, stale-if-error=604800"


def test_the_page_shows_the_stretched_max_age(service):
    """Rules 8.2."""
    publish_and_poll(service, ON, 1)
    service.restart(rate=rate("100/day"))
    assert "29 minutes" in service.client.get("/events/race-0").text


def test_all_processes_share_one_budget(announced, other):
    """Rules 8.14: of a burst of 8, six calls are for events that are far away."""
    ids = publish_and_poll(announced, FAR, 9, age=timedelta(days=2))
    for process in (announced, other):
        process.restart(rate=rate("80/day;burst=8"))
    calls = [
        poll_each(process, ids[number::2]) for number, process in enumerate((announced, other))
    ]
    assert calls == [5, 1]


def test_a_call_counts_although_the_upstream_does_not_answer_it(service):
    """Rules 8.14."""
    ids = publish_and_poll(service, FAR, 8, age=timedelta(days=2))
    service.restart(rate=rate("80/day;burst=8"))
    service.upstream.stop()
    poll_each(service, ids[:5])
    service.upstream.restart()
    assert poll_each(service, ids[5:]) == 1


@pytest.mark.parametrize(
    ("given", "burst"),
    [("4/day", 1), ("40/day", 8), ("1000/day", 50), ("40/day;burst=20", 20)],
)
def test_the_burst_is_a_fifth_of_the_limit_and_at_most_50_unless_it_is_given(given, burst):
    """Rules 8.14."""
    assert rate(given).burst == burst


def test_no_window_has_more_calls_than_the_limit(service):
    """Rules 8.15: all of forty events are stale, and one of them is polled every second."""
    ids = publish_and_poll(service, ON, 40, age=timedelta(days=2))
    service.restart(rate=rate("12/minute;burst=6"))
    calls = []
    for second in range(180):
        calls += [second] * poll_each(service, [ids[second % 40]])
        service.advance(seconds=1)
    assert calls[:6] == list(range(6))
    assert 11 <= max(sum(0 <= call - begin < 60 for call in calls) for begin in calls) <= 12


@pytest.mark.parametrize(
    ("limit", "poll", "calls"),
    [
        ("80/day;burst=8", "of an event that is on", 8),
        ("80/day;burst=8", "of another event", 6),
        ("80/day;burst=8", "of an id never seen", 6),
        ("24/day;burst=8", "of an event that is on", 8),
        ("24/day;burst=8", "of another event", 6),
        ("24/day;burst=8", "of an id never seen", 5),
    ],
)
def test_a_call_spends_as_much_of_the_burst_as_its_priority_allows(service, limit, poll, calls):
    """Rules 8.16; a client is allowed five ids that do not exist."""
    days = FAR if "another" in poll else ON
    ids = publish_and_poll(service, days, 9, age=timedelta(days=2))
    service.restart(rate=rate(limit))
    if "never seen" in poll:
        ids = [f"guess-{number}" for number in range(9)]
    assert poll_each(service, ids) == calls


def test_ids_never_seen_have_at_most_half_of_the_limit(service):
    """Rules 8.16; of a bucket of limit / 2, three quarters can be spent at once."""
    service.restart(rate=rate("80/day;burst=80"))
    guesses = [f"guess-{number}" for number in range(80)]
    calls = [poll_each(service, [each], f"192.0.2.{number}") for number, each in enumerate(guesses)]
    assert calls == [1] * 30 + [0] * 50


def test_a_client_that_guesses_ids_leaves_a_quarter_of_the_limit_to_other_ids_never_seen(service):
    """Rules 8.16; ids that exist do not make a client one that guesses."""
    service.restart(rate=rate("80/day;burst=80"))
    real = [f"real-{number}" for number in range(20)]
    for event_id in real:
        service.upstream.publish(event_id, *FAR)
    assert poll_each(service, [f"guess-{number}" for number in range(40)], "192.0.2.2") == 10
    assert poll_each(service, real, "192.0.2.3") == 20


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (1, "{client}", True),
        (1, "192.0.2.9, {client}", True),  # what the client itself has sent
        (2, "{client}, 10.0.0.7", True),
        (0, "{client}", False),
        (1, "{client}, 192.0.2.9", False),
        (2, "{client}", False),
    ],
)
def test_clients_behind_trusted_proxies_are_told_apart_by_their_own_addresses(
    service, proxies, forwarded, found
):
    """Rules 8.16: a client has five guesses, and then a quarter of the rate for all that guess."""
    service.restart(rate=rate("80/day;burst=80"), trusted_proxies=proxies)
    clients = ("203.0.113.1", "203.0.113.2")
    for number in range(40):
        header = {"X-Forwarded-For": forwarded.format(client=clients[0])}
        poll_as(service, f"guess-{number}", "10.0.0.1", **header)
    service.upstream.publish("real", *FAR)
    header = {"X-Forwarded-For": forwarded.format(client=clients[1])}
    assert poll_as(service, "real", "10.0.0.1", **header) == (200 if found else 503)


@pytest.mark.parametrize("per_second", [1, 4])
def test_real_events_are_fetched_while_one_client_guesses_ids(service, per_second):
    """Rules 8.16, at the rate that is the default: twenty events, one every two seconds."""
    for number in range(20):
        service.upstream.publish(f"real-{number}", *FAR)
    statuses = []
    for second in range(15 + 40):
        for number in range(per_second):
            poll_as(service, f"guess-{second}-{number}", "192.0.2.2")
        if second >= 15 and second % 2:
            number = (second - 15) // 2
            statuses.append(poll_as(service, f"real-{number}", f"198.51.100.{number}"))
        service.advance(seconds=1)
    assert statuses == [200] * 20
    assert len(service.upstream.asked) < 20 + 25 + 5


def test_feeds_warm_leaves_half_of_the_burst_to_polls(upstream, tmp_path):
    """Rules 8.16; of the four calls, one is for the organization and one for the recurrences.

    The command counts the latter as no call of its own.
    """
    ids = [f"race-{number}" for number in range(9)]
    for event_id in ids:
        upstream.publish(event_id, *FAR)
    env = environment_for(upstream.url, tmp_path, FEEDS_UPSTREAM_RATE="80/day;burst=8")
    with running(tmp_path / "log", "warm", *ids, env=env) as process:
        wait_until(lambda: len(upstream.calls) >= 4, "four calls")
        process.send(SIGTERM)
        process.wait()
        assert "2 fetched with 3 calls" in process.output


def test_whoever_guesses_ids_does_not_starve_subscribers(service):
    """Rules 8.16: every poll of a day gets a new edition, on a plan of 100 calls a day."""
    [known] = publish_and_poll(service, FAR, 1)
    service.restart(rate=rate("100/day"))
    for guesses in range(0, 24 * 6, 6):
        for number in range(guesses, guesses + 6):
            service.client.get(f"/events/guess-{number}.ics")
            service.advance(minutes=10)
        assert poll_each(service, [known]) == 1
    assert 20 <= len(service.upstream.asked) - 24 <= 25


def is_closed_after(seconds, service, other):
    """Whether polls in both processes make no call, so much later and with a healthy upstream."""
    service.upstream.instead = None
    service.upstream.failing.clear()
    service.advance(seconds=seconds)
    calls = len(service.upstream.asked)
    answers = [service.client.get("/events/race-0.ics"), other.client.get("/events/race-1.ics")]
    failed = [answer.headers["Cache-Control"] == FAILED for answer in answers]
    made = len(service.upstream.asked) - calls
    assert (failed, made) in (([True, True], 0), ([False, False], 2))
    return made == 0


@pytest.fixture
def stale(announced, other):
    """Two processes, and ``EVENT`` and four more events whose editions are too old."""
    publish_and_poll(announced, FAR, 4)
    announced.restart()
    announced.advance(days=2)
    return announced


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 60), (7, 7), (59, 59), (-7, 60), (7200, 60), ("soon", 60)],
)
def test_a_429_closes_the_upstream_for_all_processes_until_retry_after(
    stale, other, retry_after, seconds
):
    """Rules 8.17; the window of the rate is a minute."""
    at = (stale.clock.timestamp() + retry_after) * 1000 if isinstance(retry_after, int) else "soon"
    stale.upstream.refuse(429, "RATE_LIMITED", **({"retryAfter": at} if retry_after else {}))
    stale.poll()
    assert is_closed_after(seconds - 1, stale, other)
    assert not is_closed_after(1, stale, other)


def forbid(service, *ids):
    """Answer 403 for these events from now on, and poll each."""
    for event_id in ids:
        service.upstream.refuse_path(f"/events/{event_id}", 403, "FORBIDDEN")
        assert service.client.get(f"/events/{event_id}.ics").headers["Cache-Control"] == FAILED


def hide(service):
    """Answer 404 for the event to a key that does not belong to the database's organization."""
    service.bind("another organization")
    service.delete()


REFUSALS = {
    "403": lambda service: service.upstream.refuse_path(f"/events/{EVENT}", 403, "FORBIDDEN"),
    "404 for a key of another organization": hide,
}
"""What the upstream answers about one event alone; each begins with a call of its function."""


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_of_one_event_closes_nothing(stale, other, refusal):
    """Rules 8.19 and 8.20."""
    good = stale.poll()
    stale.advance(hours=2)
    REFUSALS[refusal](stale)
    assert stale.poll() == good
    assert stale.get().headers["Cache-Control"] == FAILED
    assert not is_closed_after(0, stale, other)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_event_that_is_refused_again_and_again_is_asked_for_every_ten_minutes(
    stale, other, refusal
):
    """Rules 8.9, by all processes."""
    stale.poll()
    REFUSALS[refusal](stale)
    stale.advance(hours=2)
    for minutes in (1, 2, 5, 10, 10):
        calls = len(stale.upstream.asked)
        stale.poll()
        for seconds in (0, 60 * minutes - 1):
            stale.advance(seconds=seconds)
            for process in (stale, other):
                assert process.get().headers["Cache-Control"] == FAILED
        assert len(stale.upstream.asked) == calls + 1
        stale.advance(seconds=1)
    stale.upstream.failing.clear()
    stale.publish()
    assert other.get().headers["Cache-Control"] != FAILED
    stale.advance(hours=2)
    forbid(stale, EVENT)
    stale.advance(seconds=60)
    stale.upstream.failing.clear()
    assert stale.get().headers["Cache-Control"] != FAILED


def test_a_failure_of_another_kind_does_not_shorten_the_pauses_of_a_refused_event(stale):
    """Rules 8.9."""
    forbid(stale, EVENT)
    stale.advance(minutes=1)
    stale.upstream.refuse(500, "INTERNAL")
    stale.poll()
    stale.upstream.instead = None
    for minutes in (1, 2):
        stale.advance(minutes=minutes)
        calls = len(stale.upstream.asked)
        stale.poll()
        stale.advance(minutes=minutes)
        stale.poll()
        assert len(stale.upstream.asked) == calls + 1


def refuse_the_key(stale, _):
    stale.upstream.refuse(401, "UNAUTHORIZED")
    stale.poll()


def test_a_start_with_a_key_that_is_accepted_opens_the_upstream_again(stale, other):
    """Rules 8.18."""
    refuse_the_key(stale, other)
    stale.bind()
    assert not is_closed_after(0, stale, other)


def forbid_two_events(stale, other):
    forbid(stale, EVENT)
    forbid(other, "race-2")


@pytest.mark.parametrize("refuse", [refuse_the_key, forbid_two_events])
def test_a_401_and_a_403_for_two_known_events_close_the_upstream_for_a_minute(stale, other, refuse):
    """Rules 8.18 and 8.20."""
    refuse(stale, other)
    assert is_closed_after(59, stale, other)
    assert not is_closed_after(1, stale, other)


@pytest.mark.parametrize(("minutes", "fetched", "event_id"), [(0, 1, "race-2"), (1, 0, EVENT)])
def test_two_403_close_nothing_after_a_success_in_between_or_if_both_are_for_one_event(
    stale, other, minutes, fetched, event_id
):
    """Rules 8.20."""
    forbid(stale, EVENT)
    assert poll_each(other, ["race-3"][:fetched]) == fetched
    stale.advance(minutes=minutes)
    forbid(other, event_id)
    assert not is_closed_after(0, stale, other)


def test_events_that_were_refused_before_do_not_close_the_upstream_again(stale, other):
    """Rules 8.20."""
    forbid(stale, EVENT, "race-2")
    for _ in range(5):
        stale.advance(minutes=10)
        forbid(stale, EVENT, "race-2")
        calls = len(stale.upstream.asked)
        assert stale.client.get("/events/never-seen.ics").status_code == 404
        assert len(stale.upstream.asked) == calls + 1


def test_events_that_are_refused_for_hours_keep_no_other_event_stale(stale, other):
    """Rules 8.5 and 8.20: one is polled each half an hour, those that are refused each minute."""
    stale.bind("another organization")
    refused = [EVENT, "race-1", "race-2"]
    stale.delete()
    forbid(stale, "race-1", "race-2")
    stale.advance(minutes=1)
    for minute in range(240):
        stale.advance(minutes=1)
        for number, event_id in enumerate(refused):
            (stale, other)[number % 2].client.get(f"/events/{event_id}.ics")
        if minute % 30 == 0:
            answer = stale.client.get("/events/race-0.ics")
            assert answer.headers["Cache-Control"] != FAILED
    assert stale.upstream.asked.count(EVENT) < 30


def test_a_403_for_an_id_never_seen_is_an_unknown_id_and_closes_nothing(stale, other):
    """Rules 8.20."""
    stale.upstream.refuse_path("/events/new", 403, "FORBIDDEN")
    calls = len(stale.upstream.asked)
    for elapsed in (0, 599):
        stale.advance(seconds=elapsed)
        for process in (stale, other):
            assert process.client.get("/events/new.ics").status_code == 404
    assert len(stale.upstream.asked) == calls + 1
    assert not is_closed_after(0, stale, other)


def test_a_403_before_the_key_has_read_any_event_is_503(service):
    """Rules 8.20."""
    service.upstream.scopes.clear()
    response = service.get()
    assert response.status_code == 503
    assert response.text == "The Intervals API does not let the key read this.\n"


def test_an_unknown_setting_is_warned_about_and_not_refused(upstream, tmp_path):
    """Rules 8.23."""
    upstream.publish("new", *FAR)
    env = environment_for(upstream.url, tmp_path, FEEDS_TIMEZON="UTC", PORT_OF_FEEDS="1")
    done = run("warm", "new", env=env)
    assert done.returncode == 0
    assert "FEEDS_TIMEZON is no setting of this service." in done.stderr
    assert "PORT_OF_FEEDS" not in done.stderr

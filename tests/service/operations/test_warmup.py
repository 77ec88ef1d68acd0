"""The warm-up: which events it fetches, in which order, how long it waits, what it counts."""

import json
from datetime import datetime, timedelta
from signal import SIG_DFL, SIGINT, SIGTERM, signal
from threading import Event as Flag

import pytest
from click.testing import CliRunner
from werkzeug import Response

from feeds.cli import main
from feeds.domain.quota import Priority, Rate
from feeds.errors import InvalidResponse, RateLimited, Stopped
from feeds.sandbox import ORGANIZATION_ID
from feeds.service.operations.warmup import Tally, Warmup
from tests.support.processes import environment_for
from tests.support.upstream import SAMPLE_IDS
from tests.support.workers import DAY, SECOND

GENEROUS = Rate(100_000, timedelta(minutes=1), 10_000)
SMALL = Rate(100, DAY, 20)


class Skipping(Flag):
    """A flag for which waiting means that the clock moves; set after so many waits."""

    def __init__(self, clock, waits=1000):
        super().__init__()
        self.seconds = []
        self._clock, self._waits = clock, waits

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        self._clock.advance(seconds=timeout)
        if len(self.seconds) == self._waits:
            self.set()
        return self.is_set()


@pytest.fixture
def start_warmup(upstream, start_worker, clock):
    """Start one more warm-up on the same database, as one more command."""

    def start_warmup(ends=None, rate=GENEROUS):
        worker = start_worker(rate=rate)
        ends = ends or Skipping(clock)
        return Warmup(worker.refresh, worker.catalog_refresh, clock=clock, ends=ends)

    return start_warmup


def fetch_all(warmup, *ids, on_wait=lambda until: None):
    for id_ in ids:
        warmup.fetch(id_, on_wait)
    return warmup.tally


def test_all_events_of_the_organization_are_listed_once_whatever_the_number_of_pages(
    start_warmup, upstream
):
    ids = {f"club-{number:03}" for number in range(130)}
    for id_ in ids:
        upstream.publish(id_, "2026-06-13")
    warmup = start_warmup()
    listed = warmup.list_ids()
    assert len(listed) == len(set(listed))
    assert ids <= set(listed)
    assert upstream.calls == ["/events"] * 2
    assert warmup.tally == Tally(calls=3)


def test_a_list_that_repeats_itself_is_not_understood(start_warmup, upstream, clock):
    page = '{"data": [{"_id": "harbor", "date": "2026-06-13"}], "hasMore": true}'
    upstream.answer(200, "application/json", page)
    with pytest.raises(InvalidResponse):
        start_warmup(Skipping(clock, waits=1), SMALL).list_ids()
    assert upstream.calls == ["/events"] * 2


def test_the_next_event_is_listed_first_the_last_past_one_last_and_an_old_one_not_at_all(
    start_warmup, upstream
):
    upstream.give_key_to("club")
    days = {"b": "2026-05-21", "c": "2026-12-01", "d": "2026-05-19", "a": "2020-01-01"}
    for id_, day in days.items():
        upstream.publish(id_, day, organizationId="club")
    assert start_warmup().list_ids() == ["b", "c", "d"]


def test_a_refusal_of_the_list_stops_the_calls_of_all_processes(
    start_warmup, upstream, worker, clock
):
    ends = clock() + 50 * SECOND
    upstream.refuse(429, "RATE_LIMITED", retryAfter=ends.timestamp() * 1000)
    with pytest.raises(RateLimited):
        start_warmup().list_ids()
    refusal = worker.database.spend_call(GENEROUS.quota_for(Priority.URGENT), clock())
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_at == ends


def test_the_warm_up_waits_for_the_rate_limit_and_reports_that(start_warmup, clock, upstream):
    start = clock()
    warmup = start_warmup(rate=SMALL)
    reported: list[datetime] = []
    tally = fetch_all(warmup, *SAMPLE_IDS[:12], on_wait=reported.append)
    assert tally == Tally(fetched=SAMPLE_IDS[:12], calls=13)
    # Ten calls at once, one of them for the recurrences, and one more in each eightieth of a day.
    assert (clock() - start) / 3 == pytest.approx(DAY / 80, abs=SECOND)
    assert reported[0] == start + 60 * SECOND


def test_a_refused_call_is_made_again_when_the_refusal_ends(start_warmup, upstream, clock):
    ends = clock() + 50 * SECOND
    upstream.refuse(429, "RATE_LIMITED", retryAfter=ends.timestamp() * 1000)
    warmup = start_warmup()

    def end_refusal(until):
        upstream.instead = None
        assert until == ends

    assert fetch_all(warmup, "harbor", on_wait=end_refusal) == Tally(fetched=["harbor"], calls=3)


def test_an_event_that_another_process_fetches_is_awaited_without_a_report(
    start_warmup, worker, clock, upstream
):
    lease = worker.refresh.acquire("harbor", worker.refresh.read("harbor"))
    ends = Skipping(clock)
    warmup = start_warmup(ends)
    tally = fetch_all(warmup, "harbor", on_wait=pytest.fail)
    assert tally == Tally(fetched=["harbor"], calls=2)
    assert ends.seconds == pytest.approx([0.2] * 50)  # as long as the lease
    assert clock() == lease.at + 10 * SECOND


def test_a_stopped_warm_up_makes_no_further_call(start_warmup, upstream):
    ends = Flag()
    ends.set()
    with pytest.raises(Stopped):
        start_warmup(ends).fetch("harbor-festival")
    with pytest.raises(Stopped):
        start_warmup(ends).list_ids()
    assert upstream.calls == []


def test_a_warm_up_that_was_stopped_while_it_waited_goes_on_where_it_stopped(
    start_warmup, upstream, clock
):
    warmup = start_warmup(Skipping(clock, waits=1), SMALL)
    with pytest.raises(Stopped):
        fetch_all(warmup, *SAMPLE_IDS[:15])
    # One of the ten calls was for the recurrences.
    assert warmup.tally == Tally(fetched=SAMPLE_IDS[:9], calls=10)
    clock.advance(days=1)
    tally = fetch_all(start_warmup(rate=SMALL), *SAMPLE_IDS[:15])
    assert tally == Tally(fetched=SAMPLE_IDS[9:15], stored=SAMPLE_IDS[:9], calls=7)
    assert upstream.asked == SAMPLE_IDS[:15]


@pytest.fixture
def run_warm(upstream, tmp_path):
    """Run ``feeds warm`` in this process."""
    handlers = {number: signal(number, SIG_DFL) for number in (SIGINT, SIGTERM)}
    env = environment_for(upstream.url, tmp_path)
    yield lambda *ids, **more: CliRunner().invoke(main, ["warm", *ids], env=env | more)
    for number, handler in handlers.items():
        signal(number, handler)


def test_the_command_counts_calls_and_names_the_events_that_it_could_not_fetch(run_warm, upstream):
    upstream.put("torn", {"event": {"_id": "torn"}, "runs": []})
    done = run_warm("nothing", "harbor", "torn", "none")
    assert "1 fetched with 5 calls, 0 already stored." in done.output
    assert "2 unknown: nothing, none" in done.output
    assert "1 unreadable: torn" in done.output
    assert done.exit_code == 1


@pytest.mark.parametrize(
    "id_", ["", "a b", "/events", "../organization", "harbor?x=1", "x" * 65, "\udcff"], ids=ascii
)
def test_the_command_refuses_what_is_no_id_without_a_call(run_warm, upstream, id_):
    """Rules 1.6."""
    done = run_warm("harbor", id_)
    assert done.output.splitlines()[-1].endswith(" is no id of an event.")
    assert done.exit_code == 2
    assert upstream.calls == []


@pytest.mark.parametrize(("status", "code"), [(401, "UNAUTHORIZED"), (429, "RATE_LIMITED")])
def test_the_command_ends_with_a_line_if_the_database_is_lost_while_the_key_is_refused(
    run_warm, upstream, tmp_path, status, code
):
    refusal = Response(json.dumps({"error": {"code": code}}), status)

    def lose_database(environ, start_response):
        for path in tmp_path.glob("*.sqlite3"):
            path.rename(tmp_path / "elsewhere")
        return refusal(environ, start_response)

    upstream.instead = lose_database
    done = run_warm("harbor")
    assert isinstance(done.exception, SystemExit)
    assert done.output.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("ids", [("--all",), ("harbor",)])
def test_the_command_ends_at_once_when_the_key_is_wrong_and_goes_on_with_a_right_one(
    run_warm, upstream, ids
):
    done = run_warm(*ids, INTERVALS_PARTNER_API_KEY="wrong")
    assert done.output.endswith(
        "Error: The Intervals API does not accept the key. Check INTERVALS_PARTNER_API_KEY.\n"
    )
    assert done.exit_code == 1
    assert upstream.calls == ["/organization"]
    assert run_warm(*ids).exit_code == 0


@pytest.mark.parametrize(
    ("plan", "rate", "hinted"),
    [
        *(("free", rate, True) for rate in ("", "101/day", "5/hour;burst=5")),
        *(("free", rate, False) for rate in ("100/day", "100/day;burst=100", "4/hour;burst=4")),
        *((plan, "", False) for plan in ("premium", "enterprise")),
    ],
)
def test_the_command_says_when_the_plan_of_the_key_grants_less_than_the_settings(
    run_warm, upstream, plan, rate, hinted
):
    upstream.give_key_to(ORGANIZATION_ID, plan=plan)
    done = run_warm("harbor", FEEDS_UPSTREAM_RATE=rate)
    hint = (
        "the plan of the key is free, which grants 100 calls a day, and"
        " FEEDS_UPSTREAM_RATE is more. Set FEEDS_UPSTREAM_RATE=100/day,"
    )
    assert done.output.count(hint) == hinted
    assert done.exit_code == 0


def test_the_command_says_how_to_continue_after_an_error(run_warm, upstream):
    assert run_warm("harbor").exit_code == 0
    upstream.refuse_path("/events/new-year-run", 500, "INTERNAL")
    done = run_warm("harbor", "run-for-all", "new-year-run", "brick-city-5k")
    assert "1 fetched with 3 calls, 1 already stored." in done.output
    assert done.output.endswith(
        "Error: The Intervals API is out of order."
        " The same command continues where this one stopped.\n"
    )
    assert done.exit_code == 1

"""What a process counts: requests, polls, calls, renders, changes, errors."""

import pytest

from feeds import metrics
from feeds.app import create_app
from feeds.metrics.recorder import REPORTED_FOR
from tests.support.metrics import read, recording
from tests.support.processes import settings_for
from tests.support.service import EVENT, Service, a_run
from tests.support.upstream import EXAMPLE

FEED = f"/events/{EXAMPLE}.ics"
APPLE = {"User-Agent": "iOS/26.5 (23F77) dataaccessd/1.0"}


def feedly(number: int) -> dict[str, str]:
    return {"User-Agent": f"Feedly/1.0 (+http://www.feedly.com/fetcher.html; {number} subscribers)"}


@pytest.fixture
def seconds():
    """A clock of the recorder: a list with the time."""
    return [0.0]


@pytest.fixture
def recorder(seconds):
    with recording(lambda: seconds[0]) as recorder:
        yield recorder


@pytest.fixture
def counted(recorder, upstream, tmp_path, clock):
    """A client of an application that counts."""
    return create_app(settings_for(upstream.url, tmp_path), clock.timestamp).test_client()


@pytest.fixture
def service(recorder, upstream, clock, tmp_path):
    return Service(upstream, clock, tmp_path)


def test_nothing_is_counted_without_the_setting(upstream, tmp_path, clock):
    app = create_app(settings_for(upstream.url, tmp_path), clock.timestamp)

    assert app.test_client().get(FEED).status_code == 200
    assert metrics.get() is None
    assert app.after_request_funcs.get(None, []) == [
        each for each in app.after_request_funcs.get(None, []) if "count" not in each.__qualname__
    ]


def test_a_view_and_the_cache_count_a_request_in_the_same_way(counted, recorder):
    etag = counted.get(FEED, headers=APPLE).headers["ETag"]  # by the view
    assert not recorder.hits
    counted.get(FEED, headers=APPLE)  # by the cache
    counted.get(FEED, headers=APPLE | {"If-None-Match": etag})
    assert len(recorder.hits) == 2

    samples = read(recorder)
    route = {"route": "/events/<id>.ics", "format": "ics"}
    assert samples.get("feeds_requests_total", **route, outcome="200") == 2
    assert samples.get("feeds_requests_total", **route, outcome="304") == 1
    assert samples.get("feeds_polls_total", format="ics", client="apple") == 3
    assert samples.get("feeds_requests_total") == 3
    assert not recorder.hits


def test_pages_errors_and_redirects_are_counted_and_are_no_polls(counted, recorder):
    for path in (f"/events/{EXAMPLE}", f"{FEED}?run=none", "/nowhere", "/robots.TXT", "/x/y"):
        counted.get(path)
    counted.get("/robots.txt")
    counted.post(FEED)

    samples = read(recorder)
    assert samples.get("feeds_requests_total", route="/events/<id>", format="html") == 1
    assert samples.get("feeds_requests_total", route="/events/<id>.ics", outcome="refused") == 1
    assert samples.get("feeds_requests_total", route="/robots.txt", format="txt") == 1
    assert samples.get("feeds_requests_total", route="none", outcome="redirect") == 1
    assert samples.get("feeds_requests_total", route="none", outcome="refused") == 3
    assert samples.get("feeds_polls_total") == 0


def test_what_cannot_be_refreshed_counts_as_stale_from_the_view_and_from_the_cache(
    service, recorder
):
    service.announce(a_run())
    service.upstream.refuse(503, "UNAVAILABLE")
    service.advance(days=2)
    service.poll()
    service.poll()

    samples = read(recorder)
    assert samples.get("feeds_requests_total", outcome="stale") == 2
    assert samples.get("feeds_requests_total", outcome="200") == 1
    assert samples.get("feeds_polls_total") == 3
    assert samples.get("feeds_refresh_seconds_count", outcome="UpstreamUnavailable") >= 1
    assert samples.get("feeds_refresh_seconds_count", outcome="saved") == 1


def test_calls_of_the_upstream_are_counted_by_status(service, recorder):
    service.announce(a_run())
    service.advance(days=2)
    service.poll()
    assert service.client.get("/events/no-such-event.ics").status_code == 404

    samples = read(recorder)
    assert samples.get("feeds_upstream_call_seconds_count", outcome="200") >= 1
    assert samples.get("feeds_upstream_call_seconds_count", outcome="404") >= 1
    assert samples.get("feeds_upstream_call_seconds_sum") > 0


def test_each_change_is_counted_once_by_its_kind(service, recorder):
    service.announce(a_run())
    assert read(recorder).get("feeds_changes_noticed_total") == 0
    service.edit("ten", eventStatus="cancelled")
    for _ in range(2):
        service.advance(days=1)
        service.poll()

    samples = read(recorder)
    assert samples.get("feeds_changes_noticed_total", kind="cancelled") == 1
    assert samples.get("feeds_changes_noticed_total") == 1


def test_renders_are_counted_and_hits_are_not(service, recorder):
    service.announce(a_run())
    service.poll()
    service.poll(".json")
    service.get("")

    samples = read(recorder)
    assert samples.get("feeds_render_seconds_count", format="ics") == 1
    assert samples.get("feeds_render_seconds_count", format="json") == 1
    assert samples.get("feeds_render_seconds_count", format="page") == 1


def test_errors_of_the_database_are_counted(service, recorder):
    service.announce(a_run())
    (database,) = service.folder.glob("*.sqlite3")
    database.rename(database.with_suffix(".away"))
    service.client.get("/events/another-event.ics")

    assert read(recorder).get("feeds_database_errors_total", kind="OperationalError") >= 1


def test_the_subscribers_told_last_are_summed_over_services_and_feeds(counted, recorder, seconds):
    def get_told() -> float:
        return read(recorder).get("feeds_told_subscribers", format="ics")

    counted.get(FEED, headers=feedly(12))
    counted.get(FEED, headers=feedly(14))  # by the cache, after two more subscribed
    assert get_told() == 14

    counted.get(f"{FEED}?cancelled=drop", headers=feedly(2))
    counted.get(FEED, headers={"User-Agent": "NewsBlur Feed Fetcher - 3 subscribers"})
    assert get_told() == 19
    assert read(recorder).get("feeds_told_subscribers", format="rss") == 0

    seconds[0] = REPORTED_FOR + 1
    counted.get(FEED, headers=feedly(15))
    assert get_told() == 15


def test_the_subscribers_are_summed_once_for_all_hits_that_are_counted_together():
    """A sum for each hit let one client with many addresses take a whole core."""
    looks = 0

    def count_looks() -> float:
        nonlocal looks
        looks += 1
        return 0.0

    with recording(count_looks) as recorder:
        for number in range(200):
            url = "/events/x.ics", f"run={number}"
            recorder.hits.append((("x", "ics", url[1]), url, "200 OK", False, "R/1 (1 reader)"))
        assert read(recorder).get("feeds_told_subscribers", format="ics") == 200
    assert looks < 10 * 200


def test_no_metric_names_a_client_an_event_or_an_address(counted, recorder):
    address = {"REMOTE_ADDR": "203.0.113.77"}
    for _ in range(2):
        counted.get(f"{FEED}?run=r1", headers=feedly(3), environ_base=address)
    counted.get("/events/secret-event.ics", environ_base=address)

    text = read(recorder).text
    assert not [each for each in (EXAMPLE, "secret-event", "203.0.113", "Feedly") if each in text]


def test_hits_beyond_the_bound_are_dropped_instead_of_filling_the_memory(recorder):
    hit = (EVENT, "ics", ""), ("/events/x.ics", ""), "200 OK", False, None
    for _ in range(recorder.hits.maxlen + 10):
        recorder.hits.append(hit)

    assert read(recorder).get("feeds_requests_total") == recorder.hits.maxlen

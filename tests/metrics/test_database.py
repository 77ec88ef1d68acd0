"""Metrics from the database: the budget of calls, and how old the editions are."""

from datetime import timedelta

import pytest

from feeds.domain.freshness import compute_refresh_time, find_expiry
from feeds.domain.quota import Priority
from feeds.exporter.database import DatabaseCollector
from feeds.store.engines import create_engine
from tests.support.factories import NOW
from tests.support.metrics import Samples
from tests.support.processes import rate
from tests.support.service import Service, a_run

RATE = rate("100/minute;burst=20")


@pytest.fixture
def service(upstream, clock, tmp_path):
    return Service(upstream, clock, tmp_path)


def read(service: Service) -> Samples:
    (path,) = service.folder.glob("*.sqlite3")
    engine = create_engine(f"sqlite:///{path}")
    try:
        return Samples(DatabaseCollector(engine, RATE, lambda: service.clock.now).collect())
    finally:
        engine.close()


@pytest.mark.parametrize("seconds", [2, 60, 299, 300, 301, 900, 3600, 86_400, 10**6])
def test_the_time_of_a_refresh_tells_when_the_edition_expires(seconds):
    expires = NOW + timedelta(seconds=seconds)
    due = compute_refresh_time(NOW, expires)

    assert abs(find_expiry(NOW, due) - expires) < timedelta(milliseconds=1)


def test_the_budget_falls_with_each_call_and_is_full_again_later(url, database):
    quota = RATE.quota_for(Priority.URGENT)
    engine = create_engine(url)
    for _ in range(3):
        assert database.spend_call(quota, NOW) is None

    def left(later: timedelta = timedelta(0)) -> tuple[float, float]:
        samples = Samples(DatabaseCollector(engine, RATE, lambda: NOW + later).collect())
        name = "feeds_upstream_budget_calls"
        return samples.get(name, bucket="all"), samples.get(name, bucket="unseen")

    assert left() == (17, 17)
    assert left(timedelta(seconds=1)) == (18, 18)
    assert left(timedelta(minutes=1))[0] == 20
    while database.spend_call(quota, NOW) is None:
        pass
    assert left() == (0, 0)
    engine.close()


def test_a_closed_upstream_is_told_for_as_long_as_it_is_closed(service):
    service.announce(a_run())
    assert read(service).get("feeds_upstream_closed_seconds") == 0
    service.upstream.refuse(401, "UNAUTHORIZED")
    service.advance(days=2)
    service.poll()

    assert 0 < read(service).get("feeds_upstream_closed_seconds") <= 60
    service.advance(minutes=2)
    assert read(service).get("feeds_upstream_closed_seconds") == 0


def test_editions_are_counted_by_how_many_times_their_max_age_they_are_old(service):
    service.announce(a_run())

    def ages() -> dict[str, float]:
        samples = read(service)
        labels = ("1", "2", "10", "more")
        return {each: samples.get("feeds_editions", max_ages=each) for each in labels}

    assert ages() == {"1": 1, "2": 0, "10": 0, "more": 0}
    service.advance(minutes=61)  # the max-age of a race that is far ahead is an hour
    assert ages() == {"1": 0, "2": 1, "10": 0, "more": 0}
    service.advance(hours=4)
    assert ages() == {"1": 0, "2": 0, "10": 1, "more": 0}
    service.advance(days=3)
    assert ages() == {"1": 0, "2": 0, "10": 0, "more": 1}
    service.advance(days=7)  # nobody polls it any more
    assert ages() == {"1": 0, "2": 0, "10": 0, "more": 0}


def test_an_unavailable_database_is_told_and_its_metrics_are_absent(service):
    service.announce(a_run())
    assert read(service).get("feeds_database_up") == 1
    (path,) = service.folder.glob("*.sqlite3")
    path.rename(path.with_suffix(".away"))
    engine = create_engine(f"sqlite:///{path}")
    samples = Samples(DatabaseCollector(engine, RATE, lambda: service.clock.now).collect())

    assert samples.get("feeds_database_up") == 0
    assert samples.list_labels("feeds_upstream_budget_calls", "bucket") == set()
    assert samples.get("feeds_build_info") == 1

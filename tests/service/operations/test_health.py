"""Which listed events a service that is ready has stored, and what a database that hangs delays."""

from datetime import timedelta
from time import monotonic

import pytest
import sqlalchemy as sa

from feeds.domain.catalog import EVENTS, RUN_CLUB, EventList, ListedEvent
from feeds.domain.quota import Priority
from feeds.errors import EventNotFound, InvalidResponse, UpstreamTimeout
from feeds.service.operations.health import Health, build_report
from feeds.store.catalog import Part
from feeds.store.operations.overview import Vitals
from tests.support.databases import close_all, open_database
from tests.support.factories import NOW, a_run, an_edition, an_event
from tests.support.processes import rate
from tests.support.waiting import wait_until

DAY = timedelta(days=1)
RATE = rate("100/minute")
QUOTA = RATE.quota_for(Priority.URGENT)
TODAY = NOW.date()


def list_events(database, *listed):
    """Save the list of events, as the upstream sends it."""
    lease = database.acquire(EVENTS, "", QUOTA, NOW)
    value = EventList(listed)
    part = Part(name=EVENTS, token="", value=value, fetched=NOW, changed=NOW, due=NOW + DAY)
    database.save_part(part, lease)


def read_report(database):
    return build_report(database.overview.read_vitals(QUOTA, NOW), NOW)


def test_without_a_list_no_event_is_known_to_be_missing(database):
    assert read_report(database).events_missing is None


def test_listed_events_that_are_not_stored_are_missing(database):
    edition = an_edition(an_event(a_run(), id="stored"))
    assert database.save(None, edition, (NOW, NOW + DAY), NOW)
    ids = ("stored", "one", "other")
    list_events(database, *(ListedEvent(id_, day=TODAY) for id_ in ids))
    report = read_report(database)
    assert report.events_missing == 2
    assert report.reasons == ('2 listed events are not stored. "feeds warm --all" fetches all.',)
    assert not report.ready


def test_a_list_whose_events_are_all_stored_lacks_none(database):
    edition = an_edition(an_event(a_run(), id="stored"))
    assert database.save(None, edition, (NOW, NOW + DAY), NOW)
    list_events(database, ListedEvent("stored", day=TODAY))
    report = read_report(database)
    assert (report.events_missing, report.ready) == (0, True)


@pytest.mark.parametrize(
    ("error", "missing"), [(EventNotFound, 0), (InvalidResponse, 0), (UpstreamTimeout, 1)]
)
def test_an_event_that_was_refused_by_itself_is_not_missing(database, error, missing):
    list_events(database, ListedEvent("one", day=TODAY))
    lease = database.acquire("one", "", QUOTA, NOW)
    database.fail(lease, error(), NOW + timedelta(minutes=1))
    assert read_report(database).events_missing == missing


@pytest.mark.parametrize(
    ("listed", "missing"),
    [
        (ListedEvent("one", day=TODAY + 28 * DAY), 1),
        (ListedEvent("one", day=TODAY + 29 * DAY), 0),
        (ListedEvent("one", day=TODAY - 2 * DAY), 0),
        (ListedEvent("one", type=RUN_CLUB, day=TODAY - 99 * DAY), 1),
        (ListedEvent("one"), 1),
    ],
)
def test_only_events_that_start_within_28_days_are_missing(listed, missing):
    lacking = ((listed, None),)
    vitals = Vitals(
        answered=NOW, failed=None, closed=NOW, cause=None, calls=9, lacking=lacking, refresher=None
    )
    assert build_report(vitals, NOW).events_missing == missing


@pytest.mark.parametrize(
    ("ago", "ready"),
    [
        ({"seconds": -5}, True),
        ({"seconds": 179}, True),
        ({"minutes": 3}, False),
        ({"hours": 23, "minutes": 59}, False),
        ({"days": 1}, True),
    ],
)
def test_a_refresher_that_has_not_run_for_three_minutes_is_missed_for_a_day(database, ago, ready):
    database.overview.note_refresher(NOW - timedelta(**ago))
    report = read_report(database)
    assert report.ready == ready
    assert report.refresher_age == max(0, timedelta(**ago).total_seconds())
    database.overview.note_refresher(None)
    assert read_report(database).refresher_age is None


def test_a_database_that_hangs_delays_one_request_and_is_noticed_when_it_answers(
    postgres_url, clock, monkeypatch
):
    monkeypatch.setattr("feeds.service.operations.health.MAX_WAIT", 0.5)
    health = Health(open_database(postgres_url).overview, clock, RATE)
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE service IN ACCESS EXCLUSIVE MODE"))
        started = monotonic()
        reports = [health.check() for _ in range(20)]
        assert monotonic() - started < 5
    assert {report.reasons[0] for report in reports} == {
        "The database does not answer. Check whether another program has locked it."
    }
    wait_until(lambda: health.check().ready, "a report")
    close_all()

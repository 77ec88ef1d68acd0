"""The life of a race, as subscribers with a memory see it.

The organizer edits, time passes, a calendar and a feed reader poll. The tests look at what the two
hold in the end: each change once, and no cancellation that never was.
"""

import shutil
from datetime import UTC, datetime

import pytest

from feeds.app import create_app
from feeds.sandbox import ORGANIZATION_ID
from tests.support.clock import Clock
from tests.support.databases import bind_organization
from tests.support.processes import settings_for
from tests.support.subscribers import CalendarClient, ReaderClient
from tests.support.upstream import Upstream

CALENDAR, CHANNEL = "/events/harbor.ics", "/events/harbor.rss"
TEN, FIVE = "r10@intervals.run", "r5@intervals.run"


def run_document(id_, label, **fields):
    return {
        "_id": id_,
        "eventId": "harbor",
        "distanceMeters": 10_000 if label == "10K" else 5_000,
        "distanceStandard": label,
        "distanceLabel": label,
        "date": "2026-06-13",
        "startTime": "08:00",
    } | fields


class FollowedRace:
    """A race at the upstream, the service, and two subscribers who poll the service."""

    def __init__(self, upstream, folder, clock):
        self.upstream, self.folder, self.clock = upstream, folder, clock
        self.event = {
            "_id": "harbor",
            "name": "Harbor Run",
            "slug": "harbor-run",
            "type": "race",
            "date": "2026-06-13",
            "organizationId": ORGANIZATION_ID,
            "address": "Navy Pier, Chicago",
        }
        self.runs = {"r10": run_document("r10", "10K")}
        self.publish()
        self.calendar = CalendarClient(CALENDAR)
        self.reader = ReaderClient(CHANNEL)
        self.start_service()

    def start_service(self, **changes):
        """Start the service with these settings changed, as a deploy does."""
        self.client = self.create_client(**changes)

    def create_client(self, **changes):
        """Return a client of one more process of the service."""
        settings = settings_for(self.upstream.url, self.folder, **changes)
        client = create_app(settings, self.clock.timestamp).test_client()
        bind_organization(settings.database_url, self.clock())
        return client

    def publish(self):
        document = {"event": self.event, "runs": list(self.runs.values())}
        self.upstream.put("harbor", document)

    def edit(self, id_, **fields):
        self.runs[id_] = self.runs[id_] | fields
        self.publish()

    def add(self, id_, label, **fields):
        self.runs[id_] = run_document(id_, label, **fields)
        self.publish()

    def remove(self, id_):
        del self.runs[id_]
        self.publish()

    def poll(self):
        """Both subscribers poll; return the titles that the reader announces."""
        self.calendar.poll(self.client)
        return self.reader.poll(self.client, self.clock())

    def poll_later(self, **duration):
        """Both subscribers poll after this time; after 25 hours if none is given."""
        self.clock.advance(**duration or {"hours": 25})
        return self.poll()


@pytest.fixture
def clock():
    return Clock(datetime(2026, 3, 2, 9, tzinfo=UTC))


@pytest.fixture
def race(upstream, tmp_path, clock):
    return FollowedRace(upstream, tmp_path, clock)


def test_subscribers_see_each_change_in_the_life_of_a_race_once(race):
    calendar = race.calendar

    assert race.poll() == ["Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]
    assert calendar.shown == {TEN: "Harbor Run: 10K"}
    assert calendar.start(TEN) == "13 08:00"

    race.add("r5", "5K", startTime="09:00", registrationOpensAt="2026-03-20T12:00:00Z")
    assert race.poll_later() == ["Harbor Run: 5K, Sat 13 Jun 2026, 09:00"]
    assert calendar.shown == {TEN: "Harbor Run: 10K", FIVE: "Harbor Run: 5K"}

    race.edit("r10", startTime="07:30")
    assert race.poll_later() == ["Moved: Harbor Run: 10K, now Sat 13 Jun 2026, 07:30"]
    assert calendar.start(TEN) == "13 07:30"
    assert "Moved from Sat 13 Jun 2026, 08:00" in calendar.description(TEN)

    assert race.poll_later(days=20) == ["Registration is open: Harbor Run: 5K"]

    race.edit("r5", soldOut=True)
    assert race.poll_later() == ["Sold out: Harbor Run: 5K, Sat 13 Jun 2026, 09:00"]
    assert "Sold out." in calendar.description(FIVE)

    race.edit("r10", eventStatus="postponed")
    assert race.poll_later() == ["Postponed: Harbor Run: 10K, Sat 13 Jun 2026, 07:30"]
    assert calendar.shown[TEN] == "Postponed: Harbor Run: 10K"
    assert calendar.status(TEN) == "TENTATIVE"

    race.edit("r10", eventStatus="rescheduled", date="2026-06-20", startTime="08:15")
    assert race.poll_later() == ["Rescheduled: Harbor Run: 10K, now Sat 20 Jun 2026, 08:15"]
    assert calendar.shown[TEN] == "Rescheduled: Harbor Run: 10K"
    assert calendar.start(TEN) == "20 08:15"
    assert "Moved from Sat 13 Jun 2026, 07:30" in calendar.description(TEN)

    race.edit("r10", eventStatus="cancelled")
    assert race.poll_later() == ["Cancelled: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.shown[TEN] == "Cancelled: Harbor Run: 10K"
    assert calendar.status(TEN) == "CANCELLED"

    race.edit("r10", eventStatus="scheduled")
    assert race.poll_later() == ["Reinstated: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.shown[TEN] == "Harbor Run: 10K"
    assert calendar.status(TEN) == "CONFIRMED"

    race.edit("r10", eventStatus="cancelled")
    assert race.poll_later() == ["Cancelled: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.status(TEN) == "CANCELLED"

    race.remove("r5")
    assert race.poll_later() == race.poll_later(minutes=1) == []
    assert calendar.status(FIVE) == "CONFIRMED"
    assert race.poll_later(minutes=29) == [
        "No longer listed: Harbor Run: 5K, Sat 13 Jun 2026, 09:00"
    ]
    assert calendar.shown[FIVE] == "No longer listed: Harbor Run: 5K"
    assert calendar.status(FIVE) == "CANCELLED"

    race.upstream.delete("harbor")
    assert race.poll_later() == race.poll_later(minutes=1) == []
    assert calendar.shown[TEN] == "Cancelled: Harbor Run: 10K", "two 404s do not do (rules 3.5)"
    assert race.poll_later(minutes=29) == [
        "No longer listed: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"
    ]
    assert calendar.shown == {
        TEN: "No longer listed: Harbor Run: 10K",
        FIVE: "No longer listed: Harbor Run: 5K",
    }

    race.clock.advance(days=31)
    for path in (CALENDAR, CHANNEL, "/events/harbor"):
        assert race.client.get(path).status_code == 410


def test_a_race_without_changes_is_announced_once_and_answers_304(race):
    race.poll()
    first = dict(race.calendar.modified)
    for _ in range(60):
        assert race.poll_later(hours=5) == []
    assert race.calendar.modified == first
    for subscriber in (race.calendar, race.reader):
        assert set(subscriber.poller.statuses[1:]) == {304}


def test_subscribers_who_poll_seldom_see_each_change_once_and_the_last_state(race):
    calendar, reader = CalendarClient(CALENDAR), ReaderClient(CHANNEL)
    calendar.poll(race.client)
    reader.poll(race.client, race.clock())
    race.poll()
    for status in ("postponed", "scheduled", "cancelled", "scheduled", "cancelled"):
        race.edit("r10", eventStatus=status)
        race.poll_later()
    calendar.poll(race.client)

    assert calendar.shown == race.calendar.shown
    titles = reader.poll(race.client, race.clock())
    assert sorted(titles) == sorted(race.reader.announced[1:])
    kinds = [title.partition(":")[0] for title in race.reader.announced[1:]]
    assert kinds == ["Postponed", "Reinstated", "Cancelled", "Reinstated", "Cancelled"]


def test_a_deploy_with_another_timezone_and_url_updates_calendars_and_announces_nothing(race):
    race.poll()
    race.clock.advance(minutes=10)
    race.start_service(timezone="America/New_York", public_url="https://races.example.org")
    assert race.poll() == []
    assert race.calendar.entries[TEN]["DTSTART"].params["TZID"] == "America/New_York"
    assert race.calendar.start(TEN) == "13 08:00"
    assert "https://races.example.org" in race.calendar.description(TEN)


def test_a_database_restored_from_yesterday_announces_no_change_twice(race):
    race.poll()
    race.poll_later()
    race.clock.advance(hours=25)
    shutil.copytree(race.folder, yesterday := race.folder.parent / "yesterday")
    race.edit("r10", eventStatus="cancelled")
    assert race.poll() == ["Cancelled: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]

    race.clock.advance(hours=25)
    shutil.rmtree(race.folder)
    shutil.copytree(yesterday, race.folder)
    race.start_service()
    assert race.poll() == []
    assert race.calendar.status(TEN) == "CANCELLED"
    race.edit("r10", eventStatus="scheduled")
    assert race.poll_later() == ["Reinstated: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]
    assert race.calendar.status(TEN) == "CONFIRMED"


def test_after_a_lost_database_uids_stay_and_no_revision_falls(race):
    race.poll()
    race.edit("r10", startTime="07:30")
    race.poll_later()
    modified, sequence = race.calendar.modified[TEN], race.calendar.sequences[TEN]
    race.clock.advance(days=2)
    for path in race.folder.iterdir():
        path.unlink()
    race.start_service()
    assert race.poll() == []
    assert race.calendar.shown == {TEN: "Harbor Run: 10K"}
    assert race.calendar.modified[TEN] >= modified
    assert race.calendar.sequences[TEN] >= sequence
    race.edit("r10", eventStatus="cancelled")
    assert race.poll_later() == ["Cancelled: Harbor Run: 10K, Sat 13 Jun 2026, 07:30"]
    assert race.calendar.status(TEN) == "CANCELLED"


def test_after_a_clock_jumped_back_changes_are_seen_and_no_revision_falls(tmp_path, clock):
    with Upstream(Clock()).on() as upstream:  # its own clock is right
        race = FollowedRace(upstream, tmp_path, clock)
        race.poll()
        race.edit("r10", startTime="07:30")
        race.poll_later()
        modified, sequence = race.calendar.modified[TEN], race.calendar.sequences[TEN]
        clock.advance(days=-3)
        race.edit("r10", startTime="07:45")
        assert race.poll() == ["Moved: Harbor Run: 10K, now Sat 13 Jun 2026, 07:45"]
        assert race.calendar.start(TEN) == "13 07:45"
        assert race.calendar.modified[TEN] > modified
        assert race.calendar.sequences[TEN] > sequence
        assert race.poll_later(days=4) == []


def test_if_modified_since_finds_a_cancellation_after_the_clock_was_set_back(tmp_path, clock):
    with Upstream(Clock()).on() as upstream:
        race = FollowedRace(upstream, tmp_path, clock)
        race.add("r5", "5K")
        race.poll()
        clock.advance(hours=25)  # the clock is two hours fast
        race.edit("r5", startTime="09:00")
        race.poll()
        since = race.client.get(CALENDAR).headers["Last-Modified"]
        clock.advance(hours=-2)
        race.edit("r10", eventStatus="cancelled")
        race.poll()
        clock.advance(days=1)
        answer = race.client.get(CALENDAR, headers={"If-Modified-Since": since})
        assert answer.status_code == 200
        assert b"STATUS:CANCELLED" in answer.data


def test_a_404_after_a_change_of_the_api_key_cancels_no_run(race):
    """Rules 3.10: the refused key is no first answer."""
    race.poll()
    race.upstream.give_key_to("another")
    race.poll_later()
    race.upstream.give_key_to(ORGANIZATION_ID)
    race.upstream.refuse_path("/events/harbor", 404, "NOT_FOUND")
    assert race.poll_later() == []
    assert race.calendar.shown == {TEN: "Harbor Run: 10K"}
    assert race.calendar.status(TEN) == "CONFIRMED"


def test_404s_cancel_no_run_while_the_organization_of_the_key_is_unknown(race):
    """Rules 3.10."""
    race.poll()
    race.upstream.delete("harbor")
    race.upstream.refuse_path("/organization", 500, "INTERNAL")
    for _ in range(5):
        assert race.poll_later() == []
    assert race.calendar.shown == {TEN: "Harbor Run: 10K"}
    assert race.calendar.status(TEN) == "CONFIRMED"

"""A race's whole life, as its subscribers see it.

An organizer edits, time passes, subscribers poll. What is tested is what they hold in the end:
calendars and readers that keep state between polls, see each change once, and never a cancellation
that was none.
"""

import shutil
from datetime import UTC, datetime

import pytest

from feeds.app import create_app
from feeds.errors import SettingsError
from feeds.sandbox import ORGANIZATION_ID
from tests.support.processes import Clock, Upstream, settings_for
from tests.support.subscribers import CalendarClient, ReaderClient

TEN, FIVE = "r10@intervals.run", "r5@intervals.run"
BEGINNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


def a_run(id_, label, **fields):
    return {
        "_id": id_,
        "eventId": "harbor",
        "distanceMeters": 10_000 if label == "10K" else 5_000,
        "distanceStandard": label,
        "distanceLabel": label,
        "date": "2026-06-13",
        "startTime": "08:00",
    } | fields


class Organizer:
    """Publishes the event in the upstream."""

    def __init__(self, upstream):
        self._upstream = upstream
        self.event = {
            "_id": "harbor",
            "name": "Harbor Run",
            "slug": "harbor-run",
            "type": "race",
            "date": "2026-06-13",
            "organizationId": "k57abc123def456",
            "address": "Navy Pier, Chicago",
        }
        self.runs = {"r10": a_run("r10", "10K")}
        self.publish()

    def publish(self):
        self._upstream.put("harbor", {"event": self.event, "runs": list(self.runs.values())})

    def edit(self, id_, **fields):
        self.runs[id_] = self.runs[id_] | fields
        self.publish()

    def add(self, id_, label, **fields):
        self.runs[id_] = a_run(id_, label, **fields)
        self.publish()

    def remove(self, id_):
        del self.runs[id_]
        self.publish()


class World:
    """The service, its upstream, and everybody who polls it."""

    def __init__(self, upstream, folder, clock):
        self.upstream, self.folder, self.clock = upstream, folder, clock
        self.organizer = Organizer(upstream)
        self.calendar = CalendarClient("/events/harbor.ics")
        self.reader = ReaderClient("/events/harbor.rss")
        self.settings = settings_for(upstream.url, folder)
        self.start()

    def start(self, **changes):
        """Start the service, with other settings if there are any."""
        self.settings = settings_for(self.upstream.url, self.folder, **changes)
        self.client = create_app(self.settings, self.clock.timestamp).test_client()

    def poll(self):
        """Everybody polls; the answer is what the reader announces."""
        self.calendar.poll(self.client)
        return self.reader.poll(self.client, self.clock())

    def later(self, **duration):
        """Time passes, at least as long as the edition is fresh, and everybody polls."""
        self.clock.advance(**duration or {"hours": 25})
        return self.poll()

    @property
    def database(self):
        return self.folder / "feeds.sqlite3"


@pytest.fixture
def clock():
    return Clock(BEGINNING)


@pytest.fixture
def world(upstream, tmp_path, clock):
    return World(upstream, tmp_path, clock)


def test_a_race_tells_its_whole_life(world):
    organizer, calendar = world.organizer, world.calendar

    assert world.poll() == ["Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]
    assert calendar.shown == {TEN: "Harbor Run: 10K"}
    assert calendar.start(TEN) == "13 08:00"

    organizer.add("r5", "5K", startTime="09:00", registrationOpensAt="2026-03-20T12:00:00Z")
    assert world.later() == ["Harbor Run: 5K, Sat 13 Jun 2026, 09:00"]
    assert calendar.shown == {TEN: "Harbor Run: 10K", FIVE: "Harbor Run: 5K"}

    organizer.edit("r10", startTime="07:30")
    assert world.later() == ["Moved: Harbor Run: 10K, now Sat 13 Jun 2026, 07:30"]
    assert calendar.start(TEN) == "13 07:30"
    assert "Moved from Sat 13 Jun 2026, 08:00" in calendar.description(TEN)

    assert world.later(days=20) == ["Registration is open: Harbor Run: 5K"]

    organizer.edit("r5", soldOut=True)
    assert world.later() == ["Sold out: Harbor Run: 5K, Sat 13 Jun 2026, 09:00"]
    assert "Sold out." in calendar.description(FIVE)

    organizer.edit("r10", eventStatus="postponed")
    assert world.later() == ["Postponed: Harbor Run: 10K, Sat 13 Jun 2026, 07:30"]
    assert calendar.shown[TEN] == "Postponed: Harbor Run: 10K"
    assert calendar.status(TEN) == "TENTATIVE"

    organizer.edit("r10", eventStatus="rescheduled", date="2026-06-20", startTime="08:15")
    assert world.later() == ["Rescheduled: Harbor Run: 10K, now Sat 20 Jun 2026, 08:15"]
    assert calendar.shown[TEN] == "Rescheduled: Harbor Run: 10K"
    assert calendar.start(TEN) == "20 08:15"
    assert "Moved from Sat 13 Jun 2026, 07:30" in calendar.description(TEN)

    organizer.edit("r10", eventStatus="cancelled")
    assert world.later() == ["Cancelled: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.shown[TEN] == "Cancelled: Harbor Run: 10K"
    assert calendar.status(TEN) == "CANCELLED"

    organizer.edit("r10", eventStatus="scheduled")
    assert world.later() == ["Reinstated: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.shown[TEN] == "Harbor Run: 10K"
    assert calendar.status(TEN) == "CONFIRMED"

    organizer.edit("r10", eventStatus="cancelled")
    assert world.later() == ["Cancelled: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.status(TEN) == "CANCELLED"

    organizer.remove("r5")
    assert world.later() == ["No longer listed: Harbor Run: 5K, Sat 13 Jun 2026, 09:00"]
    assert calendar.shown[FIVE] == "No longer listed: Harbor Run: 5K"
    assert calendar.status(FIVE) == "CANCELLED"

    world.upstream.delete("harbor")
    assert world.later() == []
    assert calendar.shown[TEN] == "Cancelled: Harbor Run: 10K", "one answer proves nothing"
    assert world.later(seconds=61) == ["No longer listed: Harbor Run: 10K, Sat 20 Jun 2026, 08:15"]
    assert calendar.shown == {
        TEN: "No longer listed: Harbor Run: 10K",
        FIVE: "No longer listed: Harbor Run: 5K",
    }

    world.clock.advance(days=31)
    assert [world.client.get(f"/events/harbor.{each}").status_code for each in ("ics", "rss")] == [
        410,
        410,
    ]
    assert world.client.get("/events/harbor").status_code == 410


def test_nothing_is_told_when_nothing_changes(world):
    world.poll()
    kept = dict(world.calendar.modified)
    for _ in range(300):
        assert world.later(hours=1) == []
    assert world.calendar.modified == kept
    assert set(world.calendar._poller.statuses[1:]) == {304}
    assert set(world.reader._poller.statuses[1:]) == {304}


def test_a_deploy_that_changes_output_reaches_calendars_and_tells_readers_nothing(world):
    world.poll()
    world.clock.advance(minutes=10)
    world.start(public_url="https://races.example.org")
    assert world.poll() == []
    assert "https://races.example.org" in world.calendar.description(TEN)


def test_a_corrected_timezone_reaches_calendars_and_tells_readers_nothing(world):
    world.poll()
    world.clock.advance(minutes=10)
    world.start(timezone="America/New_York")
    assert world.poll() == []
    assert world.calendar.entries[TEN]["DTSTART"].params["TZID"] == "America/New_York"
    assert world.calendar.start(TEN) == "13 08:00"


def test_a_database_restored_from_yesterday_tells_nothing_twice(world):
    world.poll()
    world.later()
    world.clock.advance(hours=25)
    shutil.copytree(world.folder, yesterday := world.folder.parent / "yesterday")
    world.organizer.edit("r10", eventStatus="cancelled")
    assert world.poll() == ["Cancelled: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]

    world.clock.advance(hours=25)
    for path in world.folder.iterdir():
        path.unlink()
    for path in yesterday.iterdir():
        shutil.copy(path, world.folder / path.name)
    world.start()
    assert world.poll() == []
    assert world.calendar.status(TEN) == "CANCELLED"
    world.organizer.edit("r10", eventStatus="scheduled")
    assert world.later() == ["Reinstated: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]
    assert world.calendar.status(TEN) == "CONFIRMED"


def test_a_lost_database_keeps_identities_and_lets_no_stamp_fall(world):
    world.poll()
    world.organizer.edit("r10", startTime="07:30")
    world.later()
    before = dict(world.calendar.modified), dict(world.calendar.sequences)
    world.clock.advance(days=2)
    for path in world.folder.iterdir():
        path.unlink()
    world.start()
    assert world.poll() == []
    assert world.calendar.shown == {TEN: "Harbor Run: 10K"}
    assert world.calendar.modified[TEN] >= before[0][TEN]
    assert world.calendar.sequences[TEN] >= before[1][TEN]
    world.organizer.edit("r10", eventStatus="cancelled")
    assert world.later() == ["Cancelled: Harbor Run: 10K, Sat 13 Jun 2026, 07:30"]
    assert world.calendar.status(TEN) == "CANCELLED"


def test_who_polls_a_day_later_ends_with_the_truth_and_sees_each_change_once(world):
    late = CalendarClient("/events/harbor.ics"), ReaderClient("/events/harbor.rss")
    late[0].poll(world.client)
    late[1].poll(world.client, world.clock())
    world.poll()
    for status in ("postponed", "scheduled", "cancelled", "scheduled", "cancelled"):
        world.organizer.edit("r10", eventStatus=status)
        world.later()
    late[0].poll(world.client)
    assert late[0].shown == world.calendar.shown
    told = late[1].poll(world.client, world.clock())
    assert sorted(told) == sorted(world.reader.announced[1:])
    assert [title.partition(":")[0] for title in world.reader.announced[1:]] == [
        "Postponed",
        "Reinstated",
        "Cancelled",
        "Reinstated",
        "Cancelled",
    ]


def test_a_clock_that_jumped_back_lets_no_stamp_fall(tmp_path, clock):
    with Upstream(Clock()).on() as upstream:  # whose own clock is right
        world = World(upstream, tmp_path, clock)
        world.poll()
        world.organizer.edit("r10", startTime="07:30")
        world.later()
        modified, sequence = world.calendar.modified[TEN], world.calendar.sequences[TEN]
        world.clock.advance(days=-3)
        world.organizer.edit("r10", startTime="07:45")
        assert world.poll() == ["Moved: Harbor Run: 10K, now Sat 13 Jun 2026, 07:45"]
        assert world.calendar.start(TEN) == "13 07:45"
        assert world.calendar.modified[TEN] > modified
        assert world.calendar.sequences[TEN] > sequence
        assert world.later(days=4) == []


def test_who_asks_only_if_modified_since_learns_of_a_cancellation_after_a_clock_was_put_right(
    tmp_path, clock
):
    with Upstream(Clock()).on() as upstream:
        world = World(upstream, tmp_path, clock)
        world.organizer.add("r5", "5K")
        world.poll()
        clock.advance(hours=25)  # two of them too many
        world.organizer.edit("r5", startTime="09:00")
        world.poll()
        since = world.client.get("/events/harbor.ics").headers["Last-Modified"]
        clock.advance(hours=-2)
        world.organizer.edit("r10", eventStatus="cancelled")
        world.poll()
        clock.advance(days=1)
        answered = world.client.get("/events/harbor.ics", headers={"If-Modified-Since": since})
        assert answered.status_code == 200
        assert b"STATUS:CANCELLED" in answered.data


def test_two_processes_tell_one_story_while_one_of_them_cannot_reach_the_upstream(world):
    other = create_app(world.settings, world.clock.timestamp).test_client()
    world.poll()
    other.get("/events/harbor.ics")
    world.clock.advance(hours=25)
    world.upstream.answer(500, "text/html", "")
    assert b"STATUS:CONFIRMED" in other.get("/events/harbor.ics").data
    world.upstream.instead = None
    world.organizer.edit("r10", eventStatus="cancelled")
    world.later(seconds=59)
    assert world.calendar.status(TEN) == "CONFIRMED", "a failure is remembered by all"
    world.later(seconds=1)
    assert world.calendar.status(TEN) == "CANCELLED"
    world.clock.advance(seconds=2)
    assert b"STATUS:CANCELLED" in other.get("/events/harbor.ics").data


def test_a_deploy_that_changes_no_entry_moves_last_modified_with_the_bytes(world):
    world.organizer.event |= {"lat": 41.89, "lng": -87.6}
    world.organizer.publish()
    world.poll()
    kept = dict(world.calendar.modified)
    world.clock.advance(minutes=10)
    world.start(timezone="Europe/Paris")  # whose VTIMEZONE is in every calendar
    before = world.calendar._poller.last_modified
    assert world.poll() == []
    assert world.calendar._poller.statuses[-1] == 200
    assert world.calendar._poller.last_modified != before
    assert world.calendar.modified == kept


def test_a_channel_was_built_when_it_was_last_modified_also_after_a_deploy(world):
    world.poll()
    world.clock.advance(hours=5)
    world.start(public_url="https://races.example.org")
    channel = world.client.get("/events/harbor.rss")
    built = channel.headers["Last-Modified"].replace("GMT", "+0000")
    assert f"<lastBuildDate>{built}</lastBuildDate>".encode() in channel.data


class TestNoFalseCancellation:
    """Section 3's safeguards, each as an organizer, a proxy or a slip brings it about."""

    def shown_as_before(self, world):
        assert world.calendar.shown[TEN] == "Harbor Run: 10K"
        assert world.calendar.status(TEN) == "CONFIRMED"
        assert not [title for title in world.reader.announced if "10K" in title][1:]

    def test_a_run_that_does_not_decode_keeps_its_last_good_version(self, world):
        world.poll()
        world.organizer.edit("r10", date="soon")
        for _ in range(3):
            assert world.later() == []
        self.shown_as_before(world)

    def test_a_document_that_is_not_understood_as_a_whole_proves_nothing_by_what_it_lacks(
        self, world
    ):
        world.organizer.add("r5", "5K")
        world.poll()
        world.organizer.runs["r5"]["date"] = "soon"
        world.organizer.remove("r10")
        for _ in range(3):
            world.later()
        self.shown_as_before(world)

    def test_one_stray_404_proves_nothing(self, world):
        world.poll()
        world.upstream.refuse(404, "NOT_FOUND")
        world.later()
        world.upstream.instead = None
        world.later(seconds=61)
        world.upstream.refuse(404, "NOT_FOUND")
        world.later()
        self.shown_as_before(world)

    def test_two_404s_within_a_minute_prove_nothing(self, world):
        world.poll()
        world.upstream.refuse(404, "NOT_FOUND")
        world.later()
        world.later(seconds=59)
        self.shown_as_before(world)

    def test_a_404_of_a_proxy_proves_nothing_however_often(self, world):
        world.poll()
        world.upstream.answer(404, "text/html", "<h1>Not found</h1>")
        for _ in range(5):
            world.later()
        self.shown_as_before(world)

    def test_a_list_of_runs_that_is_empty_once_proves_nothing(self, world):
        world.poll()
        runs, world.organizer.runs = world.organizer.runs, {}
        world.organizer.publish()
        world.later()
        self.shown_as_before(world)
        world.organizer.runs = runs
        world.organizer.publish()
        world.later(seconds=61)
        self.shown_as_before(world)

    def test_a_list_of_runs_that_stays_empty_is_believed(self, world):
        world.poll()
        world.organizer.remove("r10")
        world.later()
        assert world.later(seconds=61) == [
            "No longer listed: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"
        ]
        assert world.calendar.status(TEN) == "CANCELLED"

    def test_a_key_of_another_organization_proves_nothing(self, world):
        world.poll()
        world.upstream.give_key_to("another")
        for _ in range(5):
            world.later()
        assert world.upstream.calls.count("/organization") > 1
        self.shown_as_before(world)

    def test_nor_does_a_stray_404_when_the_right_key_is_back(self, world):
        world.poll()
        world.upstream.give_key_to("another")
        world.later()
        world.upstream.give_key_to(ORGANIZATION_ID)
        world.upstream.refuse_path("/events/harbor", 404, "NOT_FOUND")
        world.later()
        self.shown_as_before(world)

    def test_an_event_without_runs_that_was_over_is_not_called_off_when_it_goes(self, world):
        world.organizer.remove("r10")
        world.organizer.publish()
        assert world.poll() == ["Harbor Run, Sat 13 Jun 2026"]
        world.clock.now = datetime(2026, 6, 16, tzinfo=UTC)
        world.poll()
        world.upstream.delete("harbor")
        world.later()
        assert world.later(hours=2) == []
        assert world.calendar.shown == {"harbor@intervals.run": "Harbor Run"}
        assert world.calendar.status("harbor@intervals.run") == "CONFIRMED"

    def test_a_key_that_may_not_say_whose_it_is_is_believed_after_two_answers(self, world):
        world.upstream.scopes.discard("read:series")
        world.poll()
        world.upstream.delete("harbor")
        world.later()
        self.shown_as_before(world)
        assert world.later(seconds=61) == [
            "No longer listed: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"
        ]

    def test_an_organization_that_cannot_be_asked_for_proves_nothing(self, world):
        world.poll()
        world.upstream.delete("harbor")
        world.upstream.refuse_path("/organization", 500, "INTERNAL")
        for _ in range(5):
            world.later()
        self.shown_as_before(world)

    def test_past_runs_that_are_tidied_away_make_no_news_and_leave_after_30_days(self, world):
        world.organizer.add("r5", "5K", date="2026-09-05")
        world.poll()
        world.clock.now = datetime(2026, 6, 14, 12, tzinfo=UTC)
        world.poll()
        before = world.calendar.entries[TEN].to_ical()
        world.organizer.remove("r10")
        assert world.later() == []
        assert world.calendar.entries[TEN].to_ical() == before
        assert world.later(days=31) == []
        assert world.calendar.shown == {FIVE: "Harbor Run: 5K"}
        assert world.client.get("/events/harbor.ics?run=r10").status_code == 404

    def test_a_run_that_comes_back_is_itself_again(self, world):
        world.organizer.add("r5", "5K")
        world.poll()
        created = world.calendar.entries[TEN]["CREATED"].dt
        ten = world.organizer.runs["r10"]
        world.organizer.remove("r10")
        world.later()
        world.later(days=35)
        assert TEN not in world.calendar.shown
        world.organizer.runs["r10"] = ten
        world.organizer.publish()
        assert world.later() == ["Reinstated: Harbor Run: 10K, Sat 13 Jun 2026, 08:00"]
        assert world.calendar.shown[TEN] == "Harbor Run: 10K"
        assert world.calendar.entries[TEN]["CREATED"].dt == created


def test_a_database_is_bound_to_its_upstream(world, tmp_path):
    with pytest.raises(SettingsError, match="use another database for another upstream"):
        create_app(settings_for("http://127.0.0.1:9", tmp_path), world.clock.timestamp)

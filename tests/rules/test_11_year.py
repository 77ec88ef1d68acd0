"""Rules 11.1 to 11.13: a year of a club, for calendars and feed readers that remember."""

import re
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.clock import START
from tests.support.club import CLUB, Club
from tests.support.service import a_5k, a_run
from tests.support.subscribers import CalendarClient, ReaderClient
from tests.support.waiting import wait_until

ZONE = ZoneInfo("America/Chicago")
FIRST, WEEKS, AHEAD = date(2026, 5, 26), 52, 4
"""The first session, for how many weeks there is one, and how many weeks ahead they are listed."""

ADDRESSES = {
    "club": "/events",
    "group": "/groups/north",
    "mine": "/events?event=summer&event=winter&run=s9",
}
SCOPED = ("/groups", "/groups/north/events", "/organization", "/recurrences")
OFF = {"cancelled": "Cancelled: ", "postponed": "Postponed: "}


class Year:
    """The club's organizer, and the subscribers of its feeds.

    ``gone`` are the deleted events with their documents and the day of their deletion.
    """

    def __init__(self, club):
        self.club = club
        self.gone = {}
        self.day = 0
        self.answers = {}
        self.calendars, self.readers = {}, {}
        for name, address in ADDRESSES.items():
            path, _, query = address.partition("?")
            query = f"?{query}" if query else ""
            self.calendars[name] = CalendarClient(f"{path}.ics{query}")
            self.readers[name] = ReaderClient(f"{path}.rss{query}")

    def hold_sessions(self):
        """Publish the sessions of the coming weeks, as they were changed before."""
        held = {run["_id"]: run for run in self.club.documents.get("runners", {}).get("runs", [])}
        today = self.club.clock.now.date()
        for number in range(WEEKS):
            when = FIRST + timedelta(weeks=number)
            if when <= today + timedelta(weeks=AHEAD):
                new = a_5k(f"s{number}", date=f"{when}", startTime="18:30")
                held.setdefault(f"s{number}", new)
        self.club.hold("runners", "2023-01-03", *held.values(), type="runClub")

    def delete(self, id_):
        self.gone[id_] = self.club.documents[id_], self.day
        self.club.remove(id_)

    def lose_scopes(self):
        """Have the key lose all scopes but that of events."""
        failing = self.club.upstream.failing
        self.answers = {path: failing.get(path) for path in SCOPED}
        for path in SCOPED:
            self.club.upstream.refuse_path(path, 403, "FORBIDDEN")

    def regain_scopes(self):
        failing = self.club.upstream.failing
        for path, answer in self.answers.items():
            failing.pop(path)
            if answer:
                failing[path] = answer

    def find_truth(self, name):
        """What a calendar shows by UID: summary and start; None for what it may show or not."""
        truth: dict[str, Any] = {}
        for id_, document in self.club.documents.items():
            self._add(truth, name, id_, document, "")
        for id_, (document, day) in self.gone.items():
            ended = max(run["date"] for run in document["runs"]) < str(START + timedelta(day))
            if self.day - day < 29:
                self._add(truth, name, id_, document, "" if ended else "No longer listed: ")
            elif self.day - day < 32:
                self._add(truth, name, id_, document, None)
        return truth

    def _add(self, truth, name, id_, document, prefix):
        runs = {run["_id"]: run for run in document["runs"]}
        last = max(find_start(run).date() for run in runs.values())
        age = (self.club.clock.now.date() - last).days
        repeats = document["event"]["type"] == "runClub"
        if not repeats and age > 63 and name != "mine":  # what is named stays while it is stored
            return
        if name == "group" and id_ not in ("summer", "runners"):
            return
        for run_id, run in runs.items():
            if name == "mine" and id_ not in ("summer", "winter") and run_id != "s9":
                continue
            status = OFF.get(run.get("eventStatus", ""), "")
            label = f"{document['event']['name']} – {run['distanceLabel']}"
            unsure = prefix is None or (not repeats and age > 57)
            uid = f"{run_id}@intervals.run"
            truth[uid] = None if unsure else (f"{prefix or status}{label}", find_start(run))

    def poll(self):
        """Poll all feeds once: nothing vanishes, and nothing is cancelled that takes place."""
        now = self.club.clock.now
        for name, calendar in self.calendars.items():
            truth, before = self.find_truth(name), set(calendar.entries)
            calendar.poll(self.club.client)
            assert before & truth.keys() <= calendar.entries.keys(), f"{name}, day {self.day}"
            for uid, entry in calendar.entries.items():
                told = truth.get(uid)
                if told and entry["STATUS"] == "CANCELLED":
                    assert re.match("Cancelled|No longer listed", told[0])
            self.readers[name].poll(self.club.client, now)

    def poll_until_known(self):
        """Poll every eleven minutes until each calendar shows the truth; the number of polls."""

        def is_known():
            self.club.advance(minutes=11)
            self.poll()
            return not any(map(self.list_differences, self.calendars))

        wait_until(is_known, f"the truth on day {self.day}")

    def list_differences(self, name):
        """What a calendar shows otherwise than it is."""
        truth = self.find_truth(name)
        entries = self.calendars[name].entries
        shown = {uid: (str(each["SUMMARY"]), each["DTSTART"].dt) for uid, each in entries.items()}
        return [
            (uid, shown.get(uid), truth.get(uid, "absent"))
            for uid in shown.keys() | truth.keys()
            if shown.get(uid) != truth.get(uid, "absent")
            and not (uid in truth and truth[uid] is None)
        ]


def find_start(run):
    day, clock = date.fromisoformat(run["date"]), time.fromisoformat(run["startTime"])
    return datetime.combine(day, clock, ZONE)


@pytest.fixture
def year(upstream, clock, tmp_path):
    club = Club(upstream, clock, tmp_path)
    club.fetch("/robots.txt")
    club.bind(CLUB)
    year = Year(club)
    for id_, day in (("spring", "2026-06-20"), ("autumn", "2026-10-10"), ("winter", "2026-12-19")):
        club.hold(id_, day)
    club.hold("summer", "2026-08-15", a_run("ten"), a_5k("five", startTime="09:00"))
    year.hold_sessions()
    club.group("north", "summer", "runners")
    return year


def test_subscribers_of_a_club_end_equal_to_the_truth_and_are_told_each_change_once(year):
    """Rules 11.2, 11.5, 11.7, 11.8, 11.11 and 11.16."""
    club, upstream = year.club, year.club.upstream
    plan = {
        14: lambda: club.hold("charity", "2026-09-05"),
        28: lambda: club.change("summer", "ten", startTime="07:30"),
        63: lambda: club.change("summer", "five", eventStatus="cancelled"),
        77: lambda: club.change("runners", "s12", eventStatus="cancelled"),
        91: lambda: year.delete("autumn"),
        133: lambda: club.change("winter", eventStatus="postponed"),
        154: lambda: year.delete("charity"),
        189: lambda: club.hold("next", "2027-04-17"),
    }
    faults = {
        42: lambda: club.answer_list([club.documents["summer"]["event"]], more=True),
        49: lambda: upstream.refuse(500, "INTERNAL"),
        105: year.lose_scopes,
        140: club.lose_database,
        168: lambda: club.answer_list([]),
    }
    for year.day in range(0, 364, 7):
        club.clock.now = START + timedelta(days=year.day)
        if year.day == 112:
            year.regain_scopes()
        year.hold_sessions()
        if year.day in plan:
            plan[year.day]()
        if year.day in faults:
            faults[year.day]()
            for _ in range(4):
                club.advance(minutes=11)
                year.poll()
        upstream.instead = None
        club.list_all()
        year.poll_until_known()

    told = Counter(year.readers["club"].announced)
    assert {title for title, times in told.items() if times > 1} == set()
    changes = [each for each in told if re.match("Moved|Cancelled|Postponed|No longer", each)]
    assert sorted(each.partition(",")[0] for each in changes) == [
        "Cancelled: Runners Run – 5K",
        "Cancelled: Summer Run – 5K",
        "Moved: Summer Run – 10K",
        "No longer listed: Autumn Run – 10K",
        "Postponed: Winter Run – 10K",
    ]
    races = [each for each in told if each not in changes and "Runners" not in each]
    assert sorted(each.partition(",")[0] for each in races) == [
        "Autumn Run – 10K",
        "Charity Run – 10K",
        "Next Run – 10K",
        "Spring Run – 10K",
        "Summer Run – 10K",
        "Summer Run – 5K",
        "Winter Run – 10K",
    ]
    assert len([each for each in told if each.startswith("Runners")]) >= WEEKS - 2
    mine = [each for each in year.readers["mine"].announced if ": " in each]
    assert sorted(each.partition(",")[0] for each in mine) == [
        "Cancelled: Summer Run – 5K",
        "Moved: Summer Run – 10K",
        "Postponed: Winter Run – 10K",
    ]
    assert {status for each in year.calendars.values() for status in each.poller.statuses} <= {
        200,
        304,
        503,
        404,
    }

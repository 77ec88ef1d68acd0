"""Rules 9.1 to 9.6: a run club over a year, for a calendar and a feed reader that remember."""

from collections import Counter
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.support.clock import START
from tests.support.service import EVENT, a_5k, an_event
from tests.support.subscribers import CalendarClient, ReaderClient

ZONE = ZoneInfo("America/Chicago")
FIRST, PAST, AHEAD = date(2026, 5, 26), 10, 8
"""The day of session 0, how many sessions had ended before it, for how many weeks to publish."""

HOLIDAYS = range(28, 33)
"""The weeks without a session."""

NAME = "Lakeside Run Club – 5K"
DAYS = 365


class Club:
    """The organizer: ``runs`` are the sessions as they are, ``news`` the changes to tell."""

    def __init__(self, service):
        self.service = service
        self.runs = {}
        self.news = []
        self.documents = {}

    def publish(self, day):
        """Publish the sessions of the coming weeks; the document is kept."""
        today = (FIRST - timedelta(days=6)) + timedelta(days=day)
        for number in range(-PAST, (today - FIRST).days // 7 + AHEAD + 1):
            if number not in HOLIDAYS:
                when = (FIRST + timedelta(weeks=number)).isoformat()
                session = a_5k(f"s{number}", date=when, startTime="18:30")
                self.runs.setdefault(f"s{number}", session)
        event = an_event(name="Lakeside Run Club", type="runClub", date="2026-03-17")
        document = {"event": event, "runs": list(self.runs.values())}
        self.documents[day] = deepcopy(document)
        self.serve(document)

    def serve(self, document):
        self.service.upstream.put(EVENT, document)

    def edit(self, id_, word, **fields):
        self.runs[id_] |= fields
        now = ", now" if word == "Moved" else ","
        self.news.append(f"{word}: {NAME}{now} {self.format_start(id_)}")

    def serve_broken(self, day, id_, **fields):
        """Serve the document of a day with a session that cannot be read."""
        runs = [run | fields if run["_id"] == id_ else run for run in self.runs.values()]
        self.serve(self.documents[day] | {"runs": runs})

    def find_start(self, id_):
        run = self.runs[id_]
        day, clock = date.fromisoformat(run["date"]), time.fromisoformat(run["startTime"])
        return datetime.combine(day, clock, ZONE)

    def format_start(self, id_):
        return self.find_start(id_).strftime("%a, %b %-d, %Y, %-I:%M %p")


def test_subscribers_of_a_run_club_end_equal_to_the_truth_and_are_told_each_change_once(service):
    """Rules 9.1 to 9.6; sessions are on Tuesdays, polls at 07:00 on Tuesdays and Wednesdays."""
    club = Club(service)
    calendar = CalendarClient(f"/events/{EVENT}.ics")
    reader = ReaderClient(f"/events/{EVENT}.rss")
    edits = {
        40: ("s9", "Moved", {"date": "2026-07-29", "startTime": "19:00"}),
        75: ("s13", "Cancelled", {"eventStatus": "cancelled"}),  # three weeks ahead
        6 + 7 * 20: ("s20", "Cancelled", {"eventStatus": "cancelled"}),  # tonight
        170: ("s26", "Cancelled", {"eventStatus": "cancelled"}),
        172: ("s26", "Reinstated", {"eventStatus": "scheduled"}),
    }
    faults = {
        90: lambda: club.serve_broken(90, "s13", date="soon", eventStatus="scheduled"),
        110: lambda: club.serve_broken(110, "s16", eventStatus={"code": 2}),
        131: lambda: club.serve(club.documents[118]),  # lacks the sessions published last
    }
    most = 0
    for day in range(DAYS):
        if day % 7 not in (0, 6) and not {day, day - 1} & (edits.keys() | faults.keys()):
            continue
        service.clock.now = START + timedelta(days=day)
        if day in edits:
            id_, word, fields = edits[day]
            club.edit(id_, word, **fields)
        club.publish(day)
        if day in faults:
            faults[day]()
        calendar.poll(service.client)
        most = max(most, len(reader.poll(service.client, service.clock.now)))

    shown = {uid.removesuffix("@intervals.run"): each for uid, each in calendar.entries.items()}
    assert {id_: each["DTSTART"].dt for id_, each in shown.items()} == {
        id_: club.find_start(id_) for id_ in club.runs
    }
    assert {id_ for id_, each in shown.items() if each["STATUS"] != "CONFIRMED"} == {"s13", "s20"}
    untouched = club.runs.keys() - {id_ for id_, *_ in edits.values()}
    assert all(shown[id_]["LAST-MODIFIED"] == shown[id_]["CREATED"] for id_ in untouched)
    week = service.clock.now + timedelta(days=7)
    sessions = [
        f"{NAME}, {club.format_start(id_)}"
        for id_, run in club.runs.items()
        if int(id_[1:]) >= 0 and id_ != "s13" and club.find_start(id_) <= week
    ]
    assert Counter(reader.announced) == Counter(sessions + club.news)
    assert len(club.news) == 5
    assert len(sessions) == 47
    assert most <= 2

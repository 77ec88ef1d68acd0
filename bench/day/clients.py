"""The clients of a simulated day: which kinds, how often they poll, what they take from a feed.

| kind        | of 100 | polls every           | conditional requests |
|-------------|--------|-----------------------|----------------------|
| Google      | 35     | 4 to 24 h, at random  | no                   |
| Outlook     | 15     | 3 to 24 h, at random  | no                   |
| Apple       | 20     | 15 min, 1 h or a day  | yes                  |
| Thunderbird | 5      | 30 min                | yes                  |
| ICSx5       | 5      | 4 h                   | yes                  |
| reader      | 20     | 1 h                   | yes                  |

Of ten Apple calendars, one polls every 15 minutes, four every hour, five every day. The first poll
is at a random time within the interval. ICSx5 takes an entry only if its LAST-MODIFIED rose; a feed
reader announces each guid once.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import feedparser
from icalendar import Calendar

from bench.day.organizer import Change, Organizer, Prefix, Shown
from feeds.web.conditional import OK, WsgiResponse

HOUR = 3600.0
CONDITIONAL = ("Apple", "Thunderbird", "ICSx5", "reader")
"""The kinds that send If-None-Match."""

OFF = (Prefix.CANCELLED, Prefix.NO_LONGER_LISTED)
PREFIXES = tuple(prefix for prefix in Prefix if prefix)
SHARES = {"Google": 35, "Outlook": 15, "Apple": 20, "Thunderbird": 5, "ICSx5": 5, "reader": 20}


class Vevent(NamedTuple):
    modified: datetime
    shown: Shown


class Delays(NamedTuple):
    """Seconds until clients saw changes: of the service, and of an ideal service.

    ``reverted`` and ``ideal_reverted`` are changes that were reverted before the client's next
    poll.
    """

    seconds: list[float]
    ideal_seconds: list[float]
    reverted: list[Change]
    ideal_reverted: list[Change]


class Mistakes(NamedTuple):
    """Changes that a client missed or announced twice, and cancellations that were never true."""

    missed: int
    repeated: int
    false_cancellations: int


class Client:
    """One subscriber of one event; ``choose_interval`` returns the seconds to its next poll."""

    def __init__(self, kind: str, event_id: str, choose_interval: Callable[[], float]) -> None:
        self.kind = kind
        self.event_id = event_id
        self.extension = "rss" if kind == "reader" else "ics"
        self.choose_interval = choose_interval
        self._validators: dict[str, str] = {}
        self._body = b""
        self._vevents: dict[str, Vevent] = {}
        self._titles: dict[str, str] = {}
        self._seen: list[Change] = []
        self._ideal_seen: list[Change] = []
        self._false_cancellations = 0

    def build_request(self) -> dict[str, str]:
        """The WSGI environment of a poll (PEP 3333)."""
        validators = self._validators if self.kind in CONDITIONAL else {}
        return {"REQUEST_METHOD": "GET"} | validators

    def take_response(self, response: WsgiResponse, ever_true: Mapping[str, set[Shown]]) -> None:
        """Update what the client shows; ``ever_true`` are all true states so far, by run."""
        if response.status != OK:
            return
        self._validators = {"HTTP_IF_NONE_MATCH": dict(response.headers)["ETag"]}
        if response.body == self._body:
            return
        self._body = response.body
        if self.extension == "rss":
            self._titles |= _parse_changes(response.body)
            return
        polled = _parse_vevents(response.body)
        self._false_cancellations += sum(
            vevent.shown.prefix in OFF and vevent.shown not in ever_true[run_id]
            for run_id, vevent in polled.items()
        )
        self._vevents = {
            run_id: self._vevents[run_id]
            if self.kind == "ICSx5"
            and run_id in self._vevents
            and vevent.modified <= self._vevents[run_id].modified
            else vevent
            for run_id, vevent in polled.items()
        }

    def record_seen(self, changes: list[Change], now: datetime, delays: Delays) -> None:
        """Add to ``delays`` the changes first seen in this poll, here and with an ideal service."""
        for change in changes:
            if change not in self._ideal_seen:
                self._ideal_seen.append(change)
                if change is changes[-1] or self.extension == "rss":
                    delays.ideal_seconds.append((now - change.at).total_seconds())
                else:
                    delays.ideal_reverted.append(change)
        for number, change in reversed(list(enumerate(changes))):
            if change not in self._seen:
                if self._shows(change):
                    delays.seconds.append((now - change.at).total_seconds())
                elif self._seen and any(each in self._seen for each in changes[number + 1 :]):
                    delays.reverted.append(change)
                else:
                    continue
                self._seen.append(change)

    def find_mistakes(self, true: Mapping[str, Shown], changes: list[Change]) -> Mistakes:
        """The mistakes at the end of the day; ``true`` is the state of the event's runs then."""
        if self.extension == "ics":
            shown = {run_id: vevent.shown for run_id, vevent in self._vevents.items()}
            missed = sum(shown.get(run_id) != state for run_id, state in true.items())
            return Mistakes(missed, 0, self._false_cancellations)
        announced = Counter(
            prefix
            for title in self._titles.values()
            for prefix in PREFIXES
            if title.startswith(prefix)
        )
        expected = Counter(change.prefix for change in changes)
        surplus = announced - expected
        return Mistakes(
            missed=(expected - announced).total(),
            repeated=sum(surplus[prefix] for prefix in expected),
            false_cancellations=sum(surplus[prefix] for prefix in OFF if prefix not in expected),
        )

    def _shows(self, change: Change) -> bool:
        if self.extension == "rss":
            return any(title.startswith(change.prefix) for title in self._titles.values())
        return all(
            run_id in self._vevents and self._vevents[run_id].shown == shown
            for run_id, shown in change.runs.items()
        )


def create_clients(organizer: Organizer, each: int, random: Random) -> list[Client]:
    """``each`` clients for each event, of random kinds."""
    kinds = random.choices(list(SHARES), list(SHARES.values()), k=each * len(organizer.ids))
    return [
        Client(kind, organizer.ids[number // each], _create_interval(kind, random))
        for number, kind in enumerate(kinds)
    ]


def _create_interval(kind: str, random: Random) -> Callable[[], float]:
    """A function that returns the seconds to the next poll."""
    if kind == "Google":
        return lambda: random.uniform(4 * HOUR, 24 * HOUR)
    if kind == "Outlook":
        return lambda: random.uniform(3 * HOUR, 24 * HOUR)
    fixed = {"Thunderbird": 0.5, "ICSx5": 4.0, "reader": 1.0}
    apple = random.choices((0.25, 1.0, 24.0), (1, 4, 5))[0]
    hours = fixed.get(kind, apple)
    return lambda: hours * HOUR


@lru_cache(maxsize=4096)
def _parse_vevents(body: bytes) -> dict[str, Vevent]:
    """The VEVENTs of a calendar by the ids of their runs."""
    parsed = {}
    vevents: list[Any] = Calendar.from_ical(body).walk("VEVENT")
    for vevent in vevents:
        title = str(vevent["SUMMARY"])
        prefix = next(prefix for prefix in Prefix if title.startswith(prefix))
        shown = Shown(prefix, vevent["DTSTART"].dt.strftime("%Y-%m-%d %H:%M"))
        run_id = str(vevent["UID"]).partition("@")[0]
        parsed[run_id] = Vevent(vevent["LAST-MODIFIED"].dt, shown)
    return parsed


@lru_cache(maxsize=4096)
def _parse_changes(body: bytes) -> dict[str, str]:
    """The titles of a channel's change items by guid; only their guids have a slash."""
    return {entry.id: entry.title for entry in feedparser.parse(body).entries if "/" in entry.id}

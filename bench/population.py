"""Who polls on a simulated day, how often, and what each kind of client believes.

| kind        | of 100 | polls every            | asks with validators |
|-------------|--------|------------------------|----------------------|
| Google      | 35     | 4 to 24 h, each time   | no                   |
| Outlook     | 15     | 3 to 24 h, each time   | no                   |
| Apple       | 20     | 15 min, 1 h or a day   | yes                  |
| Thunderbird | 5      | 30 min                 | yes                  |
| ICSx5       | 5      | 4 h                    | yes                  |
| reader      | 20     | 1 h                    | yes                  |

Of ten Apple calendars one is set to 15 minutes, four to an hour, five to a day. The first poll
falls anywhere within the interval. ICSx5 takes an entry only if its LAST-MODIFIED rose; a reader
announces a guid once.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import feedparser
from icalendar import Calendar

from bench.organizer import Change, Organizer, Shown, Word
from feeds.web.conditional import OK, WsgiResponse

HOUR = 3600.0
POLITE = ("Apple", "Thunderbird", "ICSx5", "reader")
OFF = (Word.CANCELLED, Word.NO_LONGER_LISTED)
WORDS = tuple(word for word in Word if word)
WEIGHTS = {"Google": 35, "Outlook": 15, "Apple": 20, "Thunderbird": 5, "ICSx5": 5, "reader": 20}


class Vevent(NamedTuple):
    modified: datetime
    shown: Shown


class Delays(NamedTuple):
    """Seconds from changes to their being seen: by the clients, and by those of an ideal service.

    Those that were undone before the client, or the ideal one's, polled again are told apart.
    """

    ours: list[float]
    ideal: list[float]
    undone: list[Change]
    ideal_undone: list[Change]


class Wrongs(NamedTuple):
    """Changes that a client missed, and was told twice, and cancellations that never were."""

    missed: int
    twice: int
    false: int


class Client:
    """One subscriber of one event."""

    def __init__(self, kind: str, event_id: str, interval: Callable[[], float]) -> None:
        self.kind = kind
        self.event_id = event_id
        self.extension = "rss" if kind == "reader" else "ics"
        self.interval = interval
        self._validators: dict[str, str] = {}
        self._body = b""
        self._entries: dict[str, Vevent] = {}
        self._told: dict[str, str] = {}
        self._seen: list[Change] = []
        self._ideal_seen: list[Change] = []
        self.false = 0

    @property
    def request(self) -> dict[str, str]:
        """What it asks with, named as in PEP 3333."""
        validators = self._validators if self.kind in POLITE else {}
        return {"REQUEST_METHOD": "GET"} | validators

    def take(self, answer: WsgiResponse, ever: Mapping[str, set[Shown]]) -> None:
        """Believe an answer; ``ever`` is what has ever been true of each run."""
        if answer.status != OK:
            return
        self._validators = {"HTTP_IF_NONE_MATCH": dict(answer.headers)["ETag"]}
        if answer.body == self._body:
            return
        self._body = answer.body
        if self.extension == "rss":
            self._told |= _items(answer.body)
            return
        polled = _vevents(answer.body)
        self.false += sum(
            vevent.shown.word in OFF and vevent.shown not in ever[uid]
            for uid, vevent in polled.items()
        )
        self._entries = {
            uid: self._entries[uid]
            if self.kind == "ICSx5"
            and uid in self._entries
            and vevent.modified <= self._entries[uid].modified
            else vevent
            for uid, vevent in polled.items()
        }

    def note(self, changes: list[Change], now: datetime, delays: Delays) -> None:
        """Note what it sees, and what it would see of a service that asks for each poll."""
        for change in changes:
            if change not in self._ideal_seen:
                self._ideal_seen.append(change)
                if change is changes[-1] or self.extension == "rss":
                    delays.ideal.append((now - change.at).total_seconds())
                else:
                    delays.ideal_undone.append(change)
        for number, change in reversed(list(enumerate(changes))):
            if change not in self._seen:
                if self._sees(change):
                    delays.ours.append((now - change.at).total_seconds())
                elif self._seen and any(each in self._seen for each in changes[number + 1 :]):
                    delays.undone.append(change)
                else:
                    continue
                self._seen.append(change)

    def _sees(self, change: Change) -> bool:
        if self.extension == "rss":
            return any(title.startswith(change.word) for title in self._told.values())
        return all(
            uid in self._entries and self._entries[uid].shown == shown
            for uid, shown in change.runs.items()
        )

    def wrongs(self, truth: Mapping[str, Shown], changes: list[Change]) -> Wrongs:
        """What is wrong in the end; ``truth`` is what is true of the event's runs."""
        if self.extension == "ics":
            shown = {uid: vevent.shown for uid, vevent in self._entries.items()}
            missed = sum(shown.get(uid) != true for uid, true in truth.items())
            return Wrongs(missed, 0, self.false)
        told = Counter(
            word for title in self._told.values() for word in WORDS if title.startswith(word)
        )
        true = Counter(change.word for change in changes)
        more = told - true
        return Wrongs(
            missed=(true - told).total(),
            twice=sum(more[word] for word in true),
            false=sum(more[word] for word in OFF if word not in true),
        )


def subscribers(organizer: Organizer, each: int, random: Random) -> list[Client]:
    """So many for each event."""
    kinds = random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=each * len(organizer.ids))
    return [
        Client(kind, organizer.ids[number // each], _interval(kind, random))
        for number, kind in enumerate(kinds)
    ]


def _interval(kind: str, random: Random) -> Callable[[], float]:
    """How many seconds lie before its next poll."""
    if kind == "Google":
        return lambda: random.uniform(4 * HOUR, 24 * HOUR)
    if kind == "Outlook":
        return lambda: random.uniform(3 * HOUR, 24 * HOUR)
    fixed = {"Thunderbird": 0.5, "ICSx5": 4.0, "reader": 1.0}
    apple = random.choices((0.25, 1.0, 24.0), (1, 4, 5))[0]
    hours = fixed.get(kind, apple)
    return lambda: hours * HOUR


@lru_cache(maxsize=4096)
def _vevents(body: bytes) -> dict[str, Vevent]:
    """By the ids of runs."""
    found = {}
    vevents: list[Any] = Calendar.from_ical(body).walk("VEVENT")
    for vevent in vevents:
        title = str(vevent["SUMMARY"])
        word = next(word for word in Word if title.startswith(word))
        shown = Shown(word, vevent["DTSTART"].dt.strftime("%Y-%m-%d %H:%M"))
        uid = str(vevent["UID"]).partition("@")[0]
        found[uid] = Vevent(vevent["LAST-MODIFIED"].dt, shown)
    return found


@lru_cache(maxsize=4096)
def _items(body: bytes) -> dict[str, str]:
    """Titles by guid, those that tell of changes: their guid says which."""
    return {entry.id: entry.title for entry in feedparser.parse(body).entries if "/" in entry.id}

"""The organizer of a simulated day: the events, what is done to them and when, and what is true.

It answers as the upstream does, at once, and remembers when it was asked, by whom.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from feeds.domain import quota
from feeds.domain.model import Event
from feeds.domain.quota import Priority
from feeds.errors import EventNotFound
from feeds.upstream import schema as documents
from feeds.upstream.client import FetchResult
from feeds.upstream.schema import Document

ORGANIZATION = "bench"
HOME = "America/Chicago"
ZONE = ZoneInfo(HOME)
GAP = timedelta(hours=8)
"""How long a change lasts at least that is undone later in the day."""

DAY = timedelta(days=1)


class Shown(NamedTuple):
    """What a calendar shows of a run: what its title starts with, and its local start."""

    word: str
    start: str


class Word(StrEnum):
    """What a title starts with: the state of a run, or the news of it."""

    MOVED = "Moved: "
    CANCELLED = "Cancelled: "
    REINSTATED = "Reinstated: "
    NO_LONGER_LISTED = "No longer listed: "
    NONE = ""


class Change(NamedTuple):
    """What readers are told with these words once, and how calendars show its runs from then on."""

    at: datetime
    event_id: str
    word: Word
    runs: dict[str, Shown]


class Organizer:
    """``start`` is midnight; ``counts`` are the events that each thing happens to."""

    def __init__(
        self, start: datetime, events: int, counts: dict[str, int], random: Random
    ) -> None:
        self.now = start
        self.calls: list[tuple[datetime, str]] = []
        self.changes: dict[str, list[Change]] = {}
        self.shown: dict[str, dict[str, Shown]] = {}
        self.ever: dict[str, set[Shown]] = {}
        self.plan: list[tuple[datetime, Callable[[], None]]] = []
        self._start = start
        self._random = random
        self._documents: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int] = {}
        self._away: set[str] = set()
        self._once: dict[str, str] = {}
        for number in range(events):
            self._add(f"event{number}", _day(start, number, events))
        self._plan(counts)

    @property
    def ids(self) -> list[str]:
        return list(self._documents)

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        once = self._once.pop(event_id, "")
        if once == "missing" or event_id in self._away:
            raise EventNotFound
        document = self._documents[event_id]
        version = f'"{self._versions[event_id]}"'
        if once == "emptied":
            document, version = document | {"runs": []}, '"emptied"'
        if etag == version:
            return FetchResult(None, etag)
        return FetchResult(json.dumps({"data": document}).encode(), version)

    def span(self, event_id: str) -> tuple[datetime, datetime]:
        """From the start of its first run to the end of its last, an hour after that starts."""
        starts = [
            datetime.fromisoformat(shown.start).replace(tzinfo=ZONE)
            for shown in self.shown[event_id].values()
        ]
        return min(starts), max(starts) + timedelta(hours=2)

    def _add(self, event_id: str, day: date) -> None:
        runs = [
            {
                "_id": f"{event_id}-{label}",
                "eventId": event_id,
                "distanceMeters": meters,
                "distanceStandard": label,
                "distanceLabel": label,
                "date": day.isoformat(),
                "startTime": time,
            }
            for label, meters, time in (("5K", 5000, "18:00"), ("10K", 10000, "19:00"))
        ]
        event = {
            "_id": event_id,
            "name": f"Race {event_id}",
            "slug": event_id,
            "type": "race",
            "date": day.isoformat(),
            "organizationId": ORGANIZATION,
            "address": {"venue": "Harbor Park", "city": "Duluth", "state": "MN"},
        }
        self._documents[event_id] = {"event": event, "runs": runs}
        self._versions[event_id] = 1
        self.changes[event_id] = []
        self.shown[event_id] = {}
        self._is_true(event_id, {str(run["_id"]): _shown(run) for run in runs})

    def _plan(self, counts: dict[str, int]) -> None:
        """Each thing happens to events of its own, at any time of the day; none that is past."""
        ahead = [id_ for id_, document in self._documents.items() if self._is_ahead(document)]
        self._random.shuffle(ahead)
        for what, count in counts.items():
            for id_ in [ahead.pop() for _ in range(count)]:
                pair = what in ("reinstated", "restored")
                last = DAY - GAP if pair else DAY
                at = self._start + self._random.random() * last
                self._schedule(at, getattr(self, f"_{what}"), id_)
                if pair:
                    later = at + GAP + self._random.random() * (self._start + last - at)
                    self._schedule(later, self._again, id_)
        self.plan.sort(key=lambda each: each[0])

    def _is_ahead(self, document: dict[str, Any]) -> bool:
        return bool(document["event"]["date"] > self._start.date().isoformat())

    def _schedule(self, at: datetime, act: Callable[[str], None], event_id: str) -> None:
        def happens() -> None:
            self.now = at
            act(event_id)

        self.plan.append((at, happens))

    def _moved(self, id_: str) -> None:
        self._edit(id_, Word.MOVED, startTime=f"{self._random.randint(6, 11):02}:15")

    def _cancelled(self, id_: str) -> None:
        self._edit(id_, Word.CANCELLED, eventStatus="cancelled")

    _reinstated = _cancelled

    def _again(self, id_: str) -> None:
        if id_ in self._away:
            self._away.remove(id_)
            runs = {run["_id"]: _shown(run) for run in self._documents[id_]["runs"]}
            self._tell(id_, Word.REINSTATED, runs)
        else:
            self._edit(id_, Word.REINSTATED, eventStatus="scheduled")

    def _run_removed(self, id_: str) -> None:
        run, *others = self._documents[id_]["runs"]
        self._replace(id_, others)
        self._tell(id_, Word.NO_LONGER_LISTED, {run["_id"]: _unlisted(run)})

    def _restored(self, id_: str) -> None:
        self._away.add(id_)
        runs = {run["_id"]: _unlisted(run) for run in self._documents[id_]["runs"]}
        self._tell(id_, Word.NO_LONGER_LISTED, runs)

    def _missing_once(self, id_: str) -> None:
        self._once[id_] = "missing"

    def _emptied_once(self, id_: str) -> None:
        self._once[id_] = "emptied"
        self._versions[id_] += 1  # else "not modified" is the right answer

    def _edit(self, id_: str, word: Word, **fields: str) -> None:
        """Change the first run."""
        first, *others = self._documents[id_]["runs"]
        first = first | fields
        self._replace(id_, [first, *others])
        self._tell(id_, word, {first["_id"]: _shown(first)})

    def _replace(self, id_: str, runs: list[dict[str, Any]]) -> None:
        self._documents[id_] = self._documents[id_] | {"runs": runs}
        self._versions[id_] += 1

    def _tell(self, id_: str, word: Word, runs: dict[str, Shown]) -> None:
        self.changes[id_].append(Change(self.now, id_, word, runs))
        self._is_true(id_, runs)

    def _is_true(self, id_: str, runs: dict[str, Shown]) -> None:
        self.shown[id_] |= runs
        for uid, shown in runs.items():
            self.ever.setdefault(uid, set()).add(shown)


class Line:
    """The organizer as ``feeds.service.update.Source``; ``calls`` names who asked."""

    def __init__(self, organizer: Organizer, clock: Callable[[], datetime], who: str) -> None:
        self._organizer = organizer
        self._clock = clock
        self._who = who

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        share = quota.choose_priority(self._organizer.span(event_id), self._clock())
        near = self._who == "polls" and share is Priority.URGENT
        self._called("polls of near events" if near else self._who)
        return self._organizer.fetch(event_id, etag)

    def decode(self, body: bytes, event_id: str, known: Event | None) -> Document:
        return documents.decode(body, event_id, known)

    def fetch_organization(self) -> str:
        self._called("the organization")
        return ORGANIZATION

    def _called(self, who: str) -> None:
        self._organizer.calls.append((self._clock(), who))


def _day(start: datetime, number: int, events: int) -> date:
    """One in 20 starts within 48 h, one in 5 within 14 days, one in 10 is past, the rest later."""
    share = number / events
    if share < 0.05:
        days = 1
    elif share < 0.25:
        days = 3 + number % 11
    elif share < 0.35:
        days = -5 - number % 30
    else:
        days = 20 + number % 200
    return start.date() + timedelta(days=days)


def _shown(run: dict[str, Any]) -> Shown:
    word = Word.CANCELLED if run.get("eventStatus") == "cancelled" else Word.NONE
    return Shown(word, f"{run['date']} {run['startTime']}")


def _unlisted(run: dict[str, Any]) -> Shown:
    return Shown(Word.NO_LONGER_LISTED, _shown(run).start)

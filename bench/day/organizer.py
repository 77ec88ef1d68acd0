"""The organizer of a simulated day: the events, the changes to them, and what is true when.

The organizer takes the place of the upstream, responds at once, and records each call.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from feeds.domain import quota
from feeds.domain.catalog import Organization
from feeds.domain.quota import Priority
from feeds.errors import EventNotFound
from feeds.upstream.client import FetchResult
from feeds.upstream.lists import Page

ORGANIZATION = "bench"
HOME = "America/Chicago"
ZONE = ZoneInfo(HOME)
MIN_DURATION = timedelta(hours=8)
"""The shortest time after which a change is reverted."""

DAY = timedelta(days=1)


class Prefix(StrEnum):
    """How a title begins, for a status of a run or for a change of it."""

    MOVED = "Moved: "
    CANCELLED = "Cancelled: "
    REINSTATED = "Reinstated: "
    NO_LONGER_LISTED = "No longer listed: "
    NONE = ""


class Shown(NamedTuple):
    """What a calendar shows of a run: the prefix of its title, its local start."""

    prefix: str
    start: str


class Change(NamedTuple):
    """A change that feed readers announce once with ``prefix``; ``runs`` is the new state by id."""

    at: datetime
    event_id: str
    prefix: Prefix
    runs: dict[str, Shown]


class Organizer:
    """``start`` is midnight; ``counts`` and ``weeks`` are those of ``Scenario``.

    ``calls`` are the recorded calls with their purposes, ``plan`` the actions of the day.
    ``changes`` are those made so far and ``true`` the present state of the runs, by event;
    ``ever_true`` are all states since the start, by run.
    """

    def __init__(
        self,
        start: datetime,
        events: int,
        counts: dict[str, int],
        random: Random,
        weeks: range = range(0),
    ) -> None:
        self.calls: list[tuple[datetime, str]] = []
        self.changes: dict[str, list[Change]] = {}
        self.true: dict[str, dict[str, Shown]] = {}
        self.ever_true: dict[str, set[Shown]] = {}
        self.plan: list[tuple[datetime, Callable[[], None]]] = []
        self._now = start
        self._start = start
        self._random = random
        self._documents: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int] = {}
        self._delisted: set[str] = set()
        self._answered_once: dict[str, str] = {}
        for number in range(events):
            if weeks:
                first = start.date() + timedelta(days=1 + number % 7)
                self._add_club(
                    f"club{number}", [first + week * timedelta(days=7) for week in weeks]
                )
            else:
                self._add_event(f"event{number}", _choose_day(start, number, events))
        self._make_plan(counts)

    @property
    def ids(self) -> list[str]:
        return list(self._documents)

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        once = self._answered_once.pop(event_id, "")
        if once == "404" or event_id in self._delisted:
            raise EventNotFound
        document = self._documents[event_id]
        version = f'"{self._versions[event_id]}"'
        if once == "without runs":
            document, version = document | {"runs": []}, '"without runs"'
        if etag == version:
            return FetchResult(None, etag)
        return FetchResult(json.dumps({"data": document}).encode(), version)

    def list_spans(self, event_id: str) -> list[tuple[datetime, datetime]]:
        """When each run takes place: from its start to two hours after it."""
        starts = [
            datetime.fromisoformat(shown.start).replace(tzinfo=ZONE)
            for shown in self.true[event_id].values()
        ]
        return [(start, start + timedelta(hours=2)) for start in starts]

    def _add_event(self, event_id: str, day: date) -> None:
        self._publish(
            event_id,
            "race",
            [
                _build_run(event_id, label, label, meters, f"{day.isoformat()} {time}")
                for label, meters, time in (("5K", 5000, "18:00"), ("10K", 10000, "19:00"))
            ],
        )

    def _add_club(self, event_id: str, days: list[date]) -> None:
        runs = [
            _build_run(event_id, str(number), "5K", 5000, f"{day.isoformat()} 18:00")
            for number, day in enumerate(days)
        ]
        self._publish(event_id, "runClub", runs)

    def _publish(self, event_id: str, type_: str, runs: list[dict[str, Any]]) -> None:
        event = {
            "_id": event_id,
            "name": f"Race {event_id}",
            "slug": event_id,
            "type": type_,
            "date": runs[0]["date"],
            "organizationId": ORGANIZATION,
            "address": {"venue": "Harbor Park", "city": "Duluth", "state": "MN"},
        }
        self._documents[event_id] = {"event": event, "runs": runs}
        self._versions[event_id] = 1
        self.changes[event_id] = []
        self.true[event_id] = {}
        self._set_true(event_id, {str(run["_id"]): _show(run) for run in runs})

    def _make_plan(self, counts: dict[str, int]) -> None:
        """Give each event at most one action, at a random time; no past event has one."""
        actions: dict[str, tuple[Callable[[str], None], Callable[[str], None] | None]] = {
            "move": (self._move, None),
            "cancel": (self._cancel, None),
            "cancel and reinstate": (self._cancel, self._reinstate),
            "remove run": (self._remove_run, None),
            "delist and restore": (self._delist, self._restore),
            "answer 404 once": (self._answer_404_once, None),
            "answer without runs once": (self._answer_without_runs_once, None),
        }
        ahead = [id_ for id_, document in self._documents.items() if self._is_ahead(document)]
        self._random.shuffle(ahead)
        for name, number in counts.items():
            act, revert = actions[name]
            for id_ in [ahead.pop() for _ in range(number)]:
                last = DAY - MIN_DURATION if revert else DAY
                at = self._start + self._random.random() * last
                self._schedule(at, act, id_)
                if revert:
                    latest = self._start + last - at
                    self._schedule(at + MIN_DURATION + self._random.random() * latest, revert, id_)
        self.plan.sort(key=lambda each: each[0])

    def _is_ahead(self, document: dict[str, Any]) -> bool:
        return bool(document["runs"][-1]["date"] > self._start.date().isoformat())

    def _split_runs(
        self, id_: str
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
        """The runs before the next one, the next one, and those after it."""
        runs = self._documents[id_]["runs"]
        today = self._start.date().isoformat()
        number = next(number for number, run in enumerate(runs) if run["date"] > today)
        return runs[:number], runs[number], runs[number + 1 :]

    def _schedule(self, at: datetime, act: Callable[[str], None], event_id: str) -> None:
        def run() -> None:
            self._now = at
            act(event_id)

        self.plan.append((at, run))

    def _move(self, id_: str) -> None:
        self._edit(id_, Prefix.MOVED, startTime=f"{self._random.randint(6, 11):02}:15")

    def _cancel(self, id_: str) -> None:
        self._edit(id_, Prefix.CANCELLED, eventStatus="cancelled")

    def _reinstate(self, id_: str) -> None:
        self._edit(id_, Prefix.REINSTATED, eventStatus="scheduled")

    def _remove_run(self, id_: str) -> None:
        before, run, after = self._split_runs(id_)
        self._replace_runs(id_, [*before, *after])
        self._record_change(id_, Prefix.NO_LONGER_LISTED, {run["_id"]: _show_unlisted(run)})

    def _delist(self, id_: str) -> None:
        self._delisted.add(id_)
        runs = {run["_id"]: _show_unlisted(run) for run in self._documents[id_]["runs"]}
        self._record_change(id_, Prefix.NO_LONGER_LISTED, runs)

    def _restore(self, id_: str) -> None:
        self._delisted.remove(id_)
        runs = {run["_id"]: _show(run) for run in self._documents[id_]["runs"]}
        self._record_change(id_, Prefix.REINSTATED, runs)

    def _answer_404_once(self, id_: str) -> None:
        self._answered_once[id_] = "404"

    def _answer_without_runs_once(self, id_: str) -> None:
        self._answered_once[id_] = "without runs"
        self._versions[id_] += 1  # the next document is a new one, so no 304

    def _edit(self, id_: str, prefix: Prefix, **fields: str) -> None:
        """Change the next run."""
        before, run, after = self._split_runs(id_)
        run = run | fields
        self._replace_runs(id_, [*before, run, *after])
        self._record_change(id_, prefix, {run["_id"]: _show(run)})

    def _replace_runs(self, id_: str, runs: list[dict[str, Any]]) -> None:
        self._documents[id_] = self._documents[id_] | {"runs": runs}
        self._versions[id_] += 1

    def _record_change(self, id_: str, prefix: Prefix, runs: dict[str, Shown]) -> None:
        self.changes[id_].append(Change(self._now, id_, prefix, runs))
        self._set_true(id_, runs)

    def _set_true(self, id_: str, runs: dict[str, Shown]) -> None:
        self.true[id_] |= runs
        for run_id, shown in runs.items():
            self.ever_true.setdefault(run_id, set()).add(shown)


class OrganizerSource:
    """The organizer as a ``feeds.service.update.Source`` whose calls have a purpose."""

    def __init__(self, organizer: Organizer, clock: Callable[[], datetime], purpose: str) -> None:
        self._organizer = organizer
        self._clock = clock
        self._purpose = purpose

    def fetch(self, event_id: str, etag: str | None) -> FetchResult:
        priority = quota.choose_priority(self._organizer.list_spans(event_id), self._clock())
        kind = "urgent" if priority is Priority.URGENT else "ordinary"
        self._record_call(f"{kind} polls" if self._purpose == "polls" else self._purpose)
        return self._organizer.fetch(event_id, etag)

    def fetch_organization(self, seconds: float) -> Organization:  # noqa: ARG002 - there is no network
        self._record_call("the organization")
        return Organization(ORGANIZATION, ORGANIZATION)

    def fetch_page(self, path: str, after: str | None = None) -> Page:  # noqa: ARG002 - one page
        self._record_call(path)
        return Page([], None)

    def _record_call(self, purpose: str) -> None:
        self._organizer.calls.append((self._clock(), purpose))


def _choose_day(start: datetime, number: int, events: int) -> date:
    """Of 20 events, 1 starts within 48 h, 4 within 14 days, 2 are past, the others are later."""
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


def _build_run(event_id: str, name: str, label: str, meters: int, start: str) -> dict[str, Any]:
    date, time = start.split()
    return {
        "_id": f"{event_id}-{name}",
        "eventId": event_id,
        "distanceMeters": meters,
        "distanceStandard": label,
        "distanceLabel": label,
        "date": date,
        "startTime": time,
    }


def _show(run: dict[str, Any]) -> Shown:
    prefix = Prefix.CANCELLED if run.get("eventStatus") == "cancelled" else Prefix.NONE
    return Shown(prefix, f"{run['date']} {run['startTime']}")


def _show_unlisted(run: dict[str, Any]) -> Shown:
    return Shown(Prefix.NO_LONGER_LISTED, _show(run).start)

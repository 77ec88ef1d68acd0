"""The organizer of a walk: some events with their runs, and random edits of them."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from msgspec import Struct, field

ORGANIZATION = "walk"
DISTANCES = (("5K", 5_000.0), ("10K", 10_000.0), ("Marathon", 42_195.0))
STATUSES = ("scheduled", "cancelled", "postponed", "rescheduled")
PLACES = ("Navy Pier, Chicago", "Montrose Harbor, Chicago", "Old School, Evanston")
UNREADABLE = {"distanceMeters": "ten"}
"""A field with which a run does not decode."""


class Published(Struct):
    """An event as the organizer has it: the fields of the event, and of its runs by id.

    ``removed`` are runs that the organizer has removed, ``broken`` the ids of runs that do not
    decode.
    """

    fields: dict[str, Any]
    runs: dict[str, dict[str, Any]]
    removed: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    deleted: bool = False

    def list_runs(self) -> list[dict[str, Any]]:
        return [run | (UNREADABLE if id_ in self.broken else {}) for id_, run in self.runs.items()]


class Organizer:
    """``events`` are by id. ``now`` is the time that the organizer's dates are chosen from."""

    def __init__(self, random: Random, start: datetime, *, days: int) -> None:
        self._random = random
        self._number = 0
        self.events: dict[str, Published] = {}
        for number in range(random.choice((2, 2, 3))):
            id_ = f"e{number}"
            day = (start + timedelta(days=days + random.randrange(days))).date().isoformat()
            fields = {
                "_id": id_,
                "name": f"Race {number}",
                "slug": id_,
                "type": "race",
                "date": day,
                "organizationId": ORGANIZATION,
                "address": PLACES[0],
                "lat": 41.8917,
                "lng": -87.6043,
                "description": "Text 0",
            }
            self.events[id_] = Published(fields, {})
            for _ in range(random.choice((1, 2, 2, 3))):
                self._add_run(self.events[id_])

    def edit(self, id_: str, kind: str, now: datetime) -> str:
        """Make a random edit of this kind; ``now`` is the service's time. Returns what was done."""
        event, random = self.events[id_], self._random
        some = random.sample(sorted(event.runs), k=min(len(event.runs), random.choice((1, 1, 2))))
        runs = [event.runs[each] for each in some]
        match kind:
            case "start":
                time = f"{random.randint(6, 10):02}:{random.choice((0, 15)):02}"
                change: dict[str, Any] = {"startTime": time}
            case "date":
                day = datetime.fromisoformat(runs[0]["date"]) if runs else now
                change = {"date": (day + timedelta(days=random.choice((-1, 1)))).date().isoformat()}
            case "status":
                change = {"eventStatus": random.choice(STATUSES)}
            case "sold out":
                change = {"soldOut": random.random() < 0.5}
            case "override":
                change = {"registrationOverride": random.choice((None, "paused", "closed"))}
            case "opens" | "closes":
                at = now + timedelta(seconds=random.choice((-3600, 5, 60, 600, 7200, 90_000)))
                at += timedelta(seconds=random.randrange(5))
                name = "registrationOpensAt" if kind == "opens" else "registrationClosesAt"
                change = {name: random.choice((at, at, at, None))}
                change = {each: at and f"{at:%Y-%m-%dT%H:%M:%SZ}" for each, at in change.items()}
            case "distance":
                label, meters = random.choice(DISTANCES)
                change = {"distanceStandard": label, "distanceLabel": label}
                change["distanceMeters"] = meters
            case _:
                return self._edit_event(event, kind)
        for run in runs:
            run.update(change)
        return f"{kind} of {some}: {change}"

    def _edit_event(self, event: Published, kind: str) -> str:
        random = self._random
        match kind:
            case "place" | "degrees" | "text":
                event.fields |= self._choose_fields(event, kind)
            case "add run":
                if len(event.runs) + len(event.removed) < 4:
                    return f"{kind} {self._add_run(event)}"
            case "remove run" if event.runs:
                id_ = random.choice(sorted(event.runs))
                event.removed[id_] = event.runs.pop(id_)
                return f"{kind} {id_}"
            case "return run" if event.removed:
                id_ = random.choice(sorted(event.removed))
                event.runs[id_] = event.removed.pop(id_)
                if random.random() < 0.4:
                    event.broken.add(id_)
                return f"{kind} {id_} {sorted(event.broken)}"
            case "break run" if event.runs:
                event.broken ^= {random.choice(sorted(event.runs))}
                return f"{kind} {sorted(event.broken)}"
            case "delete":
                event.deleted = not event.deleted
        return f"{kind}: {event.fields['address']} {event.fields['lat']} {event.deleted}"

    def _choose_fields(self, event: Published, kind: str) -> dict[str, Any]:
        random = self._random
        latitude = round(event.fields["lat"] + random.choice((1, 2)) * 1e-7, 7)
        return {
            "place": {"address": random.choice(PLACES)},
            "degrees": {"lat": latitude},
            "text": {"description": f"Text {random.randrange(5)}"},
        }[kind]

    def mend(self) -> None:
        """Let all runs decode again."""
        for event in self.events.values():
            event.broken.clear()

    def _add_run(self, event: Published) -> str:
        self._number += 1
        id_ = f"{event.fields['_id']}-{self._number}"
        label, meters = self._random.choice(DISTANCES)
        event.runs[id_] = {
            "_id": id_,
            "eventId": event.fields["_id"],
            "distanceMeters": meters,
            "distanceStandard": label,
            "distanceLabel": label,
            "date": event.fields["date"],
            "startTime": "08:00",
        }
        return id_


def encode(fields: dict[str, Any], runs: list[Any]) -> tuple[bytes, str]:
    """The body of a document and its ETag."""
    body = json.dumps({"data": {"event": fields, "runs": runs}}).encode()
    return body, f'"{sha256(body).hexdigest()[:12]}"'


def parse_instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None

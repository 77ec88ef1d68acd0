"""What feeds state about runs, and how one statement differs from the last (rules 1.5 and 5.4)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from msgspec import json

from bench.walking.organizer import parse_instant

KINDS = {
    "cancelled": "cancelled",
    "postponed": "postponed",
    "rescheduled": "rescheduled",
}
OVERRIDES = {
    "paused": "registration-paused",
    "closed": "registration-closed",
    None: "registration-reopened",
}


class State(NamedTuple):
    """What a feed says about a run; ``start`` is a wall time."""

    start: str
    status: str
    sold_out: bool
    override: str | None
    opens: str | None
    closes: str | None
    distance: tuple[str, str, float]
    place: str
    point: tuple[float, float]
    text: str


class Form(NamedTuple):
    """A JSON Feed: the guids of its items, and the states of its runs."""

    guids: frozenset[str]
    states: Mapping[str, State]

    def hide_unlisted(self, *told: str) -> "Form":
        """The same, as if no run but ``told`` was told as no longer listed."""
        states = self.states.items()
        return Form(
            self.guids,
            {id_: each if id_ in told else each._replace(status="") for id_, each in states},
        )


def takes_entries(state: State) -> bool:
    off = state.status in ("cancelled", "unlisted")
    return not (off or state.sold_out or state.override)


def find_changes(was: State, now: State) -> Iterator[tuple[str, str]]:
    """The changes between two states: kind, and the value of the guid (rules 1.5 and 5.4)."""
    if now.status == "unlisted":
        if was.status != now.status:
            yield "no-longer-listed", ""
        return
    places = [quote(now.place, safe=":")] if was.place != now.place else []
    rescheduled = was.status != now.status == "rescheduled"
    if was.status != now.status:
        if kind := KINDS.get(now.status):
            yield kind, "/".join([f"{now.start}:00", *places] if rescheduled else [])
        elif was.status in ("cancelled", "postponed", "unlisted"):
            yield "reinstated", ""
    starts = [f"{now.start}:00"] if was.start != now.start else []
    if (starts or places) and not rescheduled:
        yield "moved", "/".join([*starts, *places])
    if was.sold_out != now.sold_out:
        yield ("sold-out" if now.sold_out else "places-again"), ""
    if was.override != now.override:
        yield OVERRIDES[now.override], ""
    if was.closes and now.closes and was.closes < now.closes:
        yield "registration-extended", f"{parse_instant(now.closes):%Y%m%dT%H%M%SZ}"


def build_guid(named: str, kind: str, value: str, nth: int) -> str:
    parts = (f"{named}@intervals.run", kind, value, str(nth) if nth > 1 else "")
    return "/".join(part for part in parts if part)


def read_form(body: bytes) -> Form:
    """A JSON Feed as subscribers' scripts read it."""
    feed = json.decode(body)
    items = feed["items"]
    # The event's own text ends the item of a run, and that of a change for which a run is off.
    ends = ("@intervals.run", *(f"/{kind}" for kind in ("cancelled", "no-longer-listed")))
    texts = {
        item["content_html"].rpartition("<p>")[2].removesuffix("</p>")
        for item in items
        if re.sub(r"/\d+$", "", item["id"]).endswith(ends)
    }
    text = min((each for each in texts if not each.startswith("<a ")), default="")
    return Form(
        frozenset(item["id"] for item in items),
        {
            members["id"]: _read_state(members, text)
            for members in feed["_intervals"]["runs"]
            if "distance" in members
        },
    )


def _read_state(members: dict[str, Any], text: str) -> State:
    window, distance = members["registration"], members["distance"]
    return State(
        members["start"][:16],
        members["status"],
        members["sold_out"],
        window.get("override"),
        window.get("opens"),
        window.get("closes"),
        (distance["label"], distance["standard"], distance["meters"]),
        members["location"],
        tuple(members["point"]),
        text,
    )

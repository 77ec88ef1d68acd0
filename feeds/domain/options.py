"""Options of a feed: parsed from a query, and written back in canonical form."""

import re
from collections.abc import Collection, Iterable
from urllib.parse import quote

from msgspec import Struct

from feeds.domain.model import DISTANCES, Run
from feeds.errors import BadOption


class Options(Struct, frozen=True):
    """A subscriber's choice: which runs, and how they are shown."""

    run: tuple[str, ...] = ()
    distance: tuple[str, ...] = ()
    cancelled: str = "mark"
    busy: bool = False
    registration: bool = False
    download: bool = False


CANCELLED_MODES = ("mark", "keep", "drop")

_MANY = {
    "run": (re.compile(r"[A-Za-z0-9_-]{1,64}"), "the id of a run"),
    "distance": (re.compile("|".join(DISTANCES)), f"one of {', '.join(DISTANCES)}"),
}
_ONE = {
    "cancelled": (re.compile("|".join(CANCELLED_MODES)), f"one of {', '.join(CANCELLED_MODES)}"),
    "busy": (re.compile("[01]"), "0 or 1"),
    "registration": (re.compile("[01]"), "0 or 1"),
    "download": (re.compile("[01]"), "0 or 1"),
}

MAX_VALUES = 100
"""The most values of a repeatable option in one query."""


def parse(query: Iterable[tuple[str, str]], taken: Collection[str]) -> Options:
    """The options in the pairs of a query, of those that a format takes; others are ignored.

    Raises ``BadOption``, whose message names the option and its valid values.
    """
    found: dict[str, list[str]] = {}
    for name, value in query:
        if name in taken:
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        pattern, takes = (_MANY | _ONE)[name]
        if name in _ONE and len(values) > 1:
            raise BadOption(f"{name} can be given once; it takes {takes}.")
        if len(values) > MAX_VALUES:
            raise BadOption(f"{name} can be given {MAX_VALUES} times at most.")
        if not all(pattern.fullmatch(value) for value in values):
            raise BadOption(f"{name} takes {takes}.")
    return Options(
        run=tuple(sorted(set(found.get("run", ())))),
        distance=tuple(sorted(set(found.get("distance", ())), key=DISTANCES.index)),
        cancelled=found.get("cancelled", ["mark"])[0],
        busy=found.get("busy") == ["1"],
        registration=found.get("registration") == ["1"],
        download=found.get("download") == ["1"],
    )


def parse_event_id(text: str) -> str:
    """The id of an event in pasted text: the id itself, or an address that contains it.

    Raises ``BadOption``.
    """
    path = re.split("[?#]", text.strip())[0].rstrip("/")
    found = re.search(r"/events/([^/.]+)", path)
    id_ = found[1] if found else re.sub(r"(?i)\.(ics|rss|json)$", "", path.rpartition("/")[2])
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id_):
        raise BadOption("Paste the id of an event, or its address on Intervals.")
    return id_


def to_query(options: Options) -> str:
    """The canonical query of a feed: sorted, without defaults and ``download``."""
    pairs = [("busy", "1")] if options.busy else []
    if options.cancelled != "mark":
        pairs.append(("cancelled", options.cancelled))
    pairs += [("distance", each) for each in options.distance]
    if options.registration:
        pairs.append(("registration", "1"))
    pairs += [("run", each) for each in options.run]
    return "&".join(f"{name}={quote(value)}" for name, value in pairs)


def selects(options: Options, run: Run) -> bool:
    """Whether a feed with these options shows this run."""
    return (not options.run or run.id in options.run) and (
        not options.distance or run.distance_standard in options.distance
    )

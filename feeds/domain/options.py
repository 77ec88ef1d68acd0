"""Options of a feed: parsed from a query, and written back in canonical form."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Iterable
from urllib.parse import quote

from msgspec import Struct

from feeds.domain.entries import Entry
from feeds.domain.model import DISTANCES, ID_PATTERN, Run
from feeds.errors import BadOption


class Options(Struct, frozen=True):
    """A subscriber's choice: which runs, and how they are shown.

    The feed of a collection has those of the ``event`` ids and the ``run`` ids together. ``first``
    and ``last`` are days (``from`` and ``to`` of the query); ``virtual`` is ``yes`` for virtual
    runs only, ``no`` for others only. ``limit`` and ``days`` say how many runs ahead, or of how
    many days ahead; 0 for all.
    """

    run: tuple[str, ...] = ()
    event: tuple[str, ...] = ()
    type: str = ""
    distance: tuple[str, ...] = ()
    virtual: str = ""
    first: dt.date | None = None
    last: dt.date | None = None
    limit: int = 0
    days: int = 0
    cancelled: str = "mark"
    busy: bool = False
    registration: bool = False
    download: bool = False


CANCELLED_MODES = ("mark", "keep", "drop")
TYPES = ("race", "runClub", "timeTrial", "other")
"""The types of events of the partner API, as ``?type=`` takes them."""

_FLAG = (re.compile("[01]"), "0 or 1")
_DATE = (re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), "a date such as 2026-06-14")
_NUMBER = (re.compile("[1-9][0-9]{0,2}"), "a number from 1 to 999")
_MANY = {
    "event": (re.compile(ID_PATTERN), "the id of an event"),
    "run": (re.compile(ID_PATTERN), "the id of a run"),
    "distance": (re.compile("|".join(DISTANCES)), f"one of {', '.join(DISTANCES)}"),
}
_ONE = {
    "cancelled": (re.compile("|".join(CANCELLED_MODES)), f"one of {', '.join(CANCELLED_MODES)}"),
    "type": (re.compile("|".join(TYPES)), f"one of {', '.join(TYPES)}"),
    "virtual": (re.compile("yes|no"), "yes or no"),
    "from": _DATE,
    "to": _DATE,
    "limit": _NUMBER,
    "days": _NUMBER,
    "busy": _FLAG,
    "registration": _FLAG,
    "download": _FLAG,
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
    first, last = (_parse_date(name, found) for name in ("from", "to"))
    if first and last and first > last:
        raise BadOption("from must not be after to.")
    return Options(
        run=tuple(sorted(set(found.get("run", ())))),
        event=tuple(sorted(set(found.get("event", ())))),
        type=found.get("type", [""])[0],
        distance=tuple(sorted(set(found.get("distance", ())), key=DISTANCES.index)),
        virtual=found.get("virtual", [""])[0],
        first=first,
        last=last,
        limit=int(found.get("limit", ["0"])[0]),
        days=int(found.get("days", ["0"])[0]),
        cancelled=found.get("cancelled", ["mark"])[0],
        busy=found.get("busy") == ["1"],
        registration=found.get("registration") == ["1"],
        download=found.get("download") == ["1"],
    )


def select_understood(
    query: Iterable[tuple[str, str]], taken: Collection[str]
) -> list[tuple[str, str]]:
    """The pairs of a query without those that make ``parse`` raise ``BadOption``.

    Of too many values, the first ones stay; of two days in the wrong order, the first one.
    """
    found: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()
    for name, value in query:
        if name not in taken:
            found.append((name, value))
            continue
        is_day = name in ("from", "to")
        days = [each for each in found if is_day and each[0] in ("from", "to")]
        try:
            parse([*days, (name, value)], taken)
        except BadOption:
            continue
        if counts[name] == (MAX_VALUES if name in _MANY else 1):
            continue
        counts[name] += 1
        found.append((name, value))
    return found


def parse_understood(
    query: Iterable[tuple[str, str]], taken: Collection[str]
) -> tuple[Options, bool]:
    """The options in what ``select_understood`` keeps of a query, and whether it keeps all."""
    pairs = list(query)
    understood = select_understood(pairs, taken)
    return parse(understood, taken), set(understood) == set(pairs)


def _parse_date(name: str, found: dict[str, list[str]]) -> dt.date | None:
    """The date of an option, None without it; raises ``BadOption``."""
    if name not in found:
        return None
    try:
        return dt.date.fromisoformat(found[name][0])
    except ValueError:
        raise BadOption(f"{name} takes {_DATE[1]}.") from None


def parse_event_id(text: str) -> str:
    """The id of an event in pasted text: the id itself, or an address that contains it.

    Raises ``BadOption``.
    """
    path = re.split("[?#]", text.strip())[0].rstrip("/")
    found = re.search(r"/events/([^/.]+)", path)
    id_ = found[1] if found else re.sub(r"(?i)\.(ics|rss|json)$", "", path.rpartition("/")[2])
    if not re.fullmatch(ID_PATTERN, id_):
        raise BadOption("Paste the id of an event, or its address on Intervals.")
    return id_


def to_query(options: Options) -> str:
    """The canonical query of a feed: sorted, without defaults and ``download``."""
    pairs = [
        ("busy", "1" if options.busy else ""),
        ("cancelled", options.cancelled if options.cancelled != "mark" else ""),
        ("days", str(options.days or "")),
        *(("distance", each) for each in options.distance),
        *(("event", each) for each in options.event),
        ("from", options.first.isoformat() if options.first else ""),
        ("limit", str(options.limit or "")),
        ("registration", "1" if options.registration else ""),
        *(("run", each) for each in options.run),
        ("to", options.last.isoformat() if options.last else ""),
        ("type", options.type),
        ("virtual", options.virtual),
    ]
    return "&".join(f"{name}={quote(value)}" for name, value in pairs if value)


def selects(options: Options, event_id: str, run: Run) -> bool:
    """Whether a feed with these options is about this run of this event, whenever it takes place.

    The guid of an item is made of the runs that a feed is about.
    """
    named = options.event or options.run
    if named and event_id not in options.event and run.id not in options.run:
        return False
    return not options.distance or run.distance_standard in options.distance


def shows(options: Options, entry: Entry) -> bool:
    event, run, period = entry.event, entry.run, entry.period
    if not selects(options, event.id, run) or (options.type and event.type != options.type):
        return False
    if options.virtual and (options.virtual == "yes") != run.virtual:
        return False
    return (options.first is None or options.first <= period.last_day) and (
        options.last is None or period.first_day <= options.last
    )

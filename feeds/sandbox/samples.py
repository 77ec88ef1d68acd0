"""Sample documents: a folder of JSON files, with dates that follow the calendar.

A file holds either one event as the API answers it inside ``data``::

    {"event": {"_id": ..., "date": "{+1 sat2}", ...}, "runs": [...]}

or an organization and what it has besides events::

    {"organization": {"_id", "name", "slug", "roles"},
     "groups": [Group with "events": [<event _id>, ...]], "recurrences": [...]}

**Date tokens** in strings become dates (YYYY-MM-DD) when the folder is read. They are counted from
the current month (UTC), so that they stay the same all month long: ``{month day}`` or
``{month day shift}``.

=========  ===================================================================================
month      ``+1`` the next one, ``-1`` the last one, ``+0`` the current one;
           ``next mar`` the first March from the current month on
day        ``15`` that day, the last one if the month is shorter; ``sat2`` the second Saturday
           (``mon`` to ``sun``, ``1`` to ``4``)
shift      ``+1`` a day later, ``-1`` a day earlier
=========  ===================================================================================

So ``{+1 sat2 +1}`` is the day after the second Saturday of next month, ``{next mar sun2}`` is when
American clocks go forward, and ``{-1 15}T09:00:00-06:00`` was in the middle of last month. Braces
that do not start with ``+``, ``-`` or ``next`` are left as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from feeds.sandbox.memory import Document

SAMPLES = Path(__file__).with_name("samples")

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CANDIDATE = re.compile(r"\{(?:[+-]|next )[^{}]*\}")
_TOKEN = re.compile(
    rf"""\{{ (?: (?P<months>[+-][0-9]{{1,2}}) | next[ ](?P<named>{"|".join(_MONTHS)}) )
    [ ] (?: (?P<day>[1-9]|[12][0-9]|3[01]) | (?P<weekday>{"|".join(_WEEKDAYS)})(?P<nth>[1-4]) )
    (?: [ ] (?P<shift>[+-][0-9]{{1,2}}) )? \}}""",
    re.VERBOSE,
)

_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _Event(msgspec.Struct, rename={"id": "_id", "organization_id": "organizationId"}):
    id: _Id
    name: str
    slug: str
    type: str
    date: date
    organization_id: str


class _Run(msgspec.Struct, rename="camel"):
    event_id: _Id
    distance_meters: float
    distance_standard: str
    distance_label: str
    date: date
    id: _Id = msgspec.field(name="_id")


class _EventFile(msgspec.Struct):
    event: _Event
    runs: list[_Run]


class _Organization(msgspec.Struct, rename={"id": "_id"}):
    id: str
    name: str
    slug: str
    roles: list[str]


class _Group(msgspec.Struct, rename={"id": "_id", "organization_id": "organizationId"}):
    id: str
    organization_id: str
    name: str
    slug: str
    status: str
    events: list[str]


class _Recurrence(msgspec.Struct, rename={"id": "_id", "event_id": "eventId"}):
    id: str
    event_id: str
    schedule: dict[str, Any]
    status: str


class _OrganizationFile(msgspec.Struct):
    organization: _Organization
    groups: list[_Group] = []
    recurrences: list[_Recurrence] = []


@dataclass
class Library:
    """What a folder holds: documents by event id, organizations by id, event ids by group id."""

    documents: dict[str, Document] = field(default_factory=dict)
    organizations: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)
    group_events: dict[str, list[str]] = field(default_factory=dict)
    recurrences: list[dict[str, Any]] = field(default_factory=list)


def load(folder: Path, today: date) -> Library:
    """Read all ``*.json`` of the folder, with the tokens resolved for the month of ``today``.

    ValueError, one line that names the file and the fault, if a file is not JSON, is neither kind,
    lacks a required field, holds a bad token or repeats an event's id.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    library = Library()
    for path in sorted(folder.glob("*.json")):
        try:
            _add(library, resolve(msgspec.json.decode(path.read_bytes()), today))
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise ValueError(f"{path.name}: {error}") from error
    return library


def resolve(value: Any, today: date) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON with its date tokens resolved; ValueError for a bad one."""
    if isinstance(value, str):
        return _CANDIDATE.sub(lambda token: _resolved(token[0], today), value)
    if isinstance(value, list):
        return [resolve(item, today) for item in value]
    if isinstance(value, dict):
        return {name: resolve(item, today) for name, item in value.items()}
    return value


def _add(library: Library, content: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(content, Mapping) and "organization" in content:
        msgspec.convert(content, _OrganizationFile)
        organization = content["organization"]
        library.organizations[organization["_id"]] = organization
        library.recurrences += content.get("recurrences", [])
        for group in content.get("groups", []):
            library.groups.append({k: v for k, v in group.items() if k != "events"})
            library.group_events[group["_id"]] = group["events"]
        return
    id_ = msgspec.convert(content, _EventFile).event.id
    if id_ in library.documents:
        raise ValueError(f"another file has the event {id_}")
    library.documents[id_] = content


def _resolved(token: str, today: date) -> str:
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise ValueError(f"not a date token: {token}")
    if parts["named"]:
        months = (_MONTHS.index(parts["named"]) + 1 - today.month) % 12
    else:
        months = int(parts["months"])
    first = _first_of_month(today, months)
    if parts["weekday"]:
        ahead = (_WEEKDAYS.index(parts["weekday"]) - first.weekday()) % 7
        day = first + timedelta(days=ahead, weeks=int(parts["nth"]) - 1)
    else:
        last = _first_of_month(first, 1) - timedelta(days=1)
        day = min(first.replace(day=1) + timedelta(days=int(parts["day"]) - 1), last)
    return (day + timedelta(days=int(parts["shift"] or 0))).isoformat()


def _first_of_month(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)

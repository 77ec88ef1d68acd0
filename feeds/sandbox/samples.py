"""Sample events: a folder of JSON files.

A file has either an event, as the API returns it inside ``data``::

    {"event": {"_id": ..., "date": "{+1 sat2}", ...}, "runs": [...]}

or an organization with its groups and recurrences::

    {"organization": {"_id", "name", "slug", "roles"},
     "groups": [Group with "events": [<event _id>, ...]], "recurrences": [...]}

Strings can contain date tokens: ``feeds.sandbox.date_tokens``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec

from feeds.sandbox.date_tokens import resolve_date_tokens
from feeds.sandbox.documents import Document

SAMPLES = Path(__file__).with_name("samples")

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
class Samples:
    """The contents of a folder.

    Documents are by event id, organizations by id, the ids of a group's events by group id.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    organizations: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)
    group_events: dict[str, list[str]] = field(default_factory=dict)
    recurrences: list[dict[str, Any]] = field(default_factory=list)


def load_samples(folder: Path, today: date) -> Samples:
    """Read all ``*.json`` of the folder, with date tokens resolved for ``today``.

    ValueError, one line with the file's name and its error, if a file is not JSON, has neither an
    event nor an organization, lacks a required field, has a wrong token or repeats an event's id.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    samples = Samples()
    for path in sorted(folder.glob("*.json")):
        try:
            text = resolve_date_tokens(path.read_text("utf-8"), today)
            _add_file(samples, msgspec.json.decode(text))
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise ValueError(f"{path.name}: {error}") from error
    return samples


def _add_file(samples: Samples, content: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(content, Mapping) and "organization" in content:
        msgspec.convert(content, _OrganizationFile)
        organization = content["organization"]
        samples.organizations[organization["_id"]] = organization
        samples.recurrences += content.get("recurrences", [])
        for group in content.get("groups", []):
            samples.groups.append({k: v for k, v in group.items() if k != "events"})
            samples.group_events[group["_id"]] = group["events"]
        return
    id_ = msgspec.convert(content, _EventFile).event.id
    if id_ in samples.documents:
        raise ValueError(f"another file has the event {id_}")
    samples.documents[id_] = content

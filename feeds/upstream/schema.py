"""Decode the partner API's documents: JSON to an event with its runs (rules 3.5 to 3.7).

The fields that the API's reference requires are required: a run that does not decode keeps its last
good version. An optional field that is not understood keeps the value last understood. Unknown
fields are ignored. Each finding is logged once (``feeds.upstream.optional``).
"""

import json
import logging
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field, structs

from feeds.domain import feed
from feeds.domain.history.delisting import run_sort_key
from feeds.domain.history.unread import keep_last_read
from feeds.domain.model import DISTANCES, ID_PATTERN, Event, Run
from feeds.errors import InvalidResponse
from feeds.text.cleaning import clean_line
from feeds.upstream import fields
from feeds.upstream.optional import (
    EVENT_FIELDS,
    RUN_FIELDS,
    findings,
    read_optional,
    shorten,
)

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Struct)

Identifier = Annotated[str, Meta(pattern=rf"\A{ID_PATTERN}\Z")]

MAX_METERS = 10_000_000
"""The length of a run; a quarter of the Earth's circumference."""

MAX_RUNS = 2_000
"""Runs of one event; no organizer makes a longer list."""

MAX_DIGITS = 400
"""Digits of an integer; longer integers are read as floats, which are infinite."""

STANDARDS = {"".join(name.split()).casefold(): name for name in DISTANCES}
"""The documented standard distances, for ``fields.find_word``."""


class Document(Struct, frozen=True):
    """An event with the runs that are listed, and whether each of them decoded.

    Only a complete document proves that a run which it lacks is no longer listed (rules 3.5).
    """

    event: Event
    complete: bool


class _WireEvent(Struct, rename="camel"):
    id: Identifier = field(name="_id")
    name: str
    slug: str
    type: str
    date: str
    organization_id: str


class _WireRun(Struct, rename="camel"):
    id: Identifier = field(name="_id")
    event_id: str
    distance_meters: float | str
    distance_standard: str
    distance_label: str
    date: str


def decode(body: bytes, event_id: str, known: Event | None = None) -> Document:
    """Decode the body of an answer to ``/events/:id``.

    ``known`` is the last good event. An optional field that is not understood has the value of
    ``known``, unless ``known`` has not read that field either. A listed run that does not decode is
    the last good version of the run, if its id can be read and is known; else the run is left out.

    Raises ``InvalidResponse`` for anything that is not a document of this event.
    """
    try:
        data = json.loads(body, parse_constant=_refuse_constant, parse_int=_parse_integer)["data"]
        listed = data["runs"]
        event = keep_last_read(_build_event(data["event"]), known)
        if known and known.point and fields.is_zero(data["event"]):
            event = structs.replace(event, point=known.point)  # a place that has been filled in
        if event.id != event_id:
            raise InvalidResponse("The Intervals API sent another event.")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        # Only the kind is logged: a ValidationError's text may quote the document.
        log.info("event %s does not decode: %s", event_id, type(error).__name__)
        raise InvalidResponse("The Intervals API sent an answer that cannot be read.") from None
    if not isinstance(listed, list) or len(listed) > MAX_RUNS:
        raise InvalidResponse("The Intervals API sent an event without a list of runs.")
    runs, complete = _decode_runs(
        listed, event, {run.id: run for run in known.runs} if known else {}
    )
    findings.finish(f"event {event.id}")
    if len(runs) > feed.MAX_RUNS:
        findings.warning(f"event {event.id}: {len(runs)} runs, a feed shows {feed.MAX_RUNS}")
    return Document(event=structs.replace(event, runs=runs), complete=complete)


def _decode_runs(
    listed: list[Any], event: Event, known: Mapping[str, Run]
) -> tuple[tuple[Run, ...], bool]:
    """Return the runs in their order, and whether each of the listed runs decoded."""
    runs: dict[str, Run] = {}
    unread: dict[str, Run] = {}
    complete = True
    for raw in listed:
        run = _decode_run(raw, event)
        if run is None:
            complete = False
            if last := known.get(_name_run(_read_id(raw) or "", event)):
                unread[last.id] = structs.replace(last, unlisted=None, withdrawn=False, left=False)
        elif run.id in runs:
            findings.warning(f"event {event.id}: run {run.id} is listed twice, the first is taken")
        else:
            runs[run.id] = keep_last_read(run, known.get(run.id))
    return tuple(sorted((unread | runs).values(), key=run_sort_key)), complete


def _decode_run(raw: object, event: Event) -> Run | None:
    """Return the run, or ``None`` if the run does not decode."""
    id_ = _read_id(raw)
    what = f"event {event.id}" if id_ is None else f"event {event.id}, run {id_!r:.80}"
    try:
        return _build_run(raw, event)  # type: ignore[arg-type]  # convert refuses any other
    except (ValueError, TypeError, OverflowError) as error:
        findings.warning(f"{what}: a run does not decode: {type(error).__name__}")
        return None


def _read_id(raw: object) -> str | None:
    id_ = raw.get("_id") if isinstance(raw, dict) else None
    return id_ if isinstance(id_, str) else None


def _name_run(id_: str, event: Event) -> str:
    """The id of a run. One with the id of its event would have the event's UID (rules 1.2)."""
    return f"{id_[:60]}-run" if id_ == event.id else id_


for _class in (_WireEvent, _WireRun):
    # msgspec 0.22 inspects a class at its first use. A second thread that uses the class during
    # the inspection crashes the process. So the first use is here, at import.
    msgspec.json.Decoder(_class)


def _convert(raw: object, kind: type[S]) -> S:
    """Convert an object to a struct; raises ``ValueError`` if a required field does not fit."""
    if not isinstance(raw, dict):
        raise msgspec.ValidationError("not an object")
    names = kind.__struct_encode_fields__
    return msgspec.convert({name: raw[name] for name in names if name in raw}, kind)


def _build_event(raw: dict[str, Any]) -> Event:
    wire = _convert(raw, _WireEvent)
    what = f"event {wire.id}"
    optional = read_optional(raw, EVENT_FIELDS, what)
    type_ = _read_name(wire.type, fields.TYPES, optional, "type", what)
    return Event(
        id=wire.id,
        organization_id=clean_line(wire.organization_id)[: fields.MAX_LABEL],
        name=shorten(
            clean_line(wire.name) or clean_line(wire.slug) or wire.id,
            fields.MAX_NAME,
            f"{what}: name",
        ),
        slug=clean_line(wire.slug)[: fields.MAX_LABEL],
        type=type_ or "other",
        date=fields.parse_date(wire.date),
        **optional,
    )


def _build_run(raw: dict[str, Any], event: Event) -> Run:
    wire = _convert(raw, _WireRun)
    what = f"event {event.id}, run {wire.id}"
    if wire.event_id != event.id:
        raise ValueError("a run of another event")
    meters = fields.parse_number(wire.distance_meters)
    if not 0 <= meters <= MAX_METERS:
        raise ValueError("not the length of a run")
    standard = fields.shorten(clean_line(wire.distance_standard), fields.MAX_LABEL)
    optional = read_optional(raw, RUN_FIELDS, what)
    name = _read_name(standard, STANDARDS, optional, "distance_standard", what)
    return Run(
        id=_name_run(wire.id, event),
        distance_meters=meters + 0.0,  # 0.0 for -0.0, as in parse_point
        distance_standard=name or "Other",
        distance_label=shorten(
            clean_line(wire.distance_label) or standard or wire.id,
            fields.MAX_LABEL,
            f"{what}: distanceLabel",
        ),
        date=fields.parse_date(wire.date),
        **optional,
    )


def _read_name(
    text: str, words: Mapping[str, str], optional: dict[str, Any], field: str, what: str
) -> str | None:
    """Return a documented name, as ``fields.find_word`` finds it.

    Any other one makes the field unread: what is known of the event or the run stays.
    """
    name = fields.find_word(text, words)
    if name is None:
        member = "".join(part.title() if at else part for at, part in enumerate(field.split("_")))
        findings.warning(f"{what}: {member} {text!r:.80} is not known")
        optional["unread"] += (field,)
    return name


def _parse_integer(digits: str) -> float:
    """Parse an integer. Python's ``int`` raises an error for more than 4,300 digits."""
    return int(digits) if len(digits) < MAX_DIGITS else float(digits)


def _refuse_constant(constant: str) -> float:
    """Refuse NaN and Infinity, which ``json`` accepts and JSON does not (RFC 8259 6)."""
    raise ValueError(f"{constant} is not JSON")

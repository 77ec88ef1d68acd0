"""Decode the partner API's documents: JSON to an event with its runs (rules 3.5 to 3.7).

The fields that the API's reference requires are required. The rest is liberal: an optional field
that does not decode is absent, a run that does not decode keeps its last good version, ``null``
means absent, unknown fields are ignored. Each finding is logged once (``FindingLog``).
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from time import monotonic
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field, structs

from feeds.domain import feed
from feeds.domain.delisting import run_sort_key
from feeds.domain.model import DISTANCES, Event, Run
from feeds.domain.status import STORED_BY_SPELLING
from feeds.errors import InvalidResponse
from feeds.logs import FindingLog
from feeds.upstream import fields

log = logging.getLogger(__name__)
findings = FindingLog(log, monotonic)

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

Identifier = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
Meters = Annotated[float, Meta(ge=0, le=10_000_000)]

MAX_RUNS = 2_000
"""Runs of one event; no organizer makes a longer list."""

MAX_DIGITS = 400
"""Digits of an integer; longer integers are read as floats, which are infinite."""

TYPES = {"race": "race", "runclub": "runClub", "timetrial": "timeTrial", "other": "other"}
OVERRIDES = {"paused": "paused", "closed": "closed"}
"""Words of the API in lower case, and the words of the model."""


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
    start_time: str | None = None
    end_date: str | None = None
    end_time: str | None = None
    address: str | dict[str, Any] | None = None
    lat: float | None = None
    lng: float | None = None
    description: str | None = None
    website_url: str | None = None
    registration_url: str | None = None


class _WireRun(Struct, rename="camel"):
    id: Identifier = field(name="_id")
    event_id: str
    distance_meters: Meters
    distance_standard: str
    distance_label: str
    date: str
    start_time: str | None = None
    event_status: str | None = None
    registration_url: str | None = None
    registration_opens_at: str | None = None
    registration_closes_at: str | None = None
    registration_override: str | None = None
    sold_out: bool = False
    is_virtual: bool = False
    is_relay: bool = False
    is_walking: bool = False


def decode(body: bytes, event_id: str, known: Event | None = None) -> Document:
    """Decode the body of an answer to ``/events/:id``.

    ``known`` is the last good event. A listed run that does not decode is the last good version of
    the run, if its id can be read and is known; else the run is left out.

    Raises ``InvalidResponse`` for anything that is not a document of this event.
    """
    try:
        data = json.loads(body, parse_constant=_refuse_constant, parse_int=_parse_integer)["data"]
        listed = data["runs"]
        wire = _convert(data["event"], _WireEvent, f"event {event_id}")
        if wire.id != event_id:
            raise InvalidResponse("The Intervals API sent another event.")
        event = _build_event(wire)
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
        log_once(f"event {event.id}: {len(runs)} runs, a feed shows {feed.MAX_RUNS}")
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
            if last := known.get(_read_id(raw) or ""):
                unread[last.id] = structs.replace(last, unlisted=None, withdrawn=False, left=False)
        elif run.id in runs:
            log_once(f"event {event.id}: run {run.id} is listed twice, the first is taken")
        else:
            runs[run.id] = run
    return tuple(sorted((unread | runs).values(), key=run_sort_key)), complete


def _decode_run(raw: object, event: Event) -> Run | None:
    """Return the run, or ``None`` if the run does not decode."""
    id_ = _read_id(raw)
    what = f"event {event.id}" if id_ is None else f"event {event.id}, run {id_!r:.80}"
    try:
        wire = _convert(raw, _WireRun, what)
        if wire.event_id != event.id:
            raise ValueError("a run of another event")  # noqa: TRY301 - one way to fail
        return _build_run(wire, event)
    except (ValueError, TypeError, OverflowError) as error:
        log_once(f"{what}: a run does not decode: {type(error).__name__}")
        return None


def _read_id(raw: object) -> str | None:
    id_ = raw.get("_id") if isinstance(raw, dict) else None
    return id_ if isinstance(id_, str) else None


_get_fields = lru_cache(structs.fields)

for _class in (_WireEvent, _WireRun):
    # msgspec 0.22 inspects a class at its first use. A second thread that uses the class during
    # the inspection crashes the process. So the first use is here, at import.
    msgspec.json.Decoder(_class)


def _convert(raw: object, kind: type[S], what: str) -> S:
    """Convert an object to a struct, without the optional fields that do not fit.

    Raises ``msgspec.ValidationError``, a ``ValueError``, if a required field does not fit.
    """
    if not isinstance(raw, dict):
        raise msgspec.ValidationError("not an object")
    fitting = {}
    for field_ in _get_fields(kind):
        name = field_.encode_name
        value = raw.get(name)
        if value is None:
            continue
        if not field_.required:
            try:
                msgspec.convert(value, field_.type)
            except (ValueError, OverflowError):  # a lone surrogate is no ValidationError
                log_once(f"{what}: {name} does not decode and is left out")
                continue
        fitting[name] = value
    return msgspec.convert(fitting, kind)


def _build_event(wire: _WireEvent) -> Event:
    what = f"event {wire.id}"
    return Event(
        id=wire.id,
        organization_id=fields.clean_line(wire.organization_id)[: fields.MAX_LABEL],
        name=_shorten(
            fields.clean_line(wire.name) or fields.clean_line(wire.slug) or wire.id,
            fields.MAX_NAME,
            f"{what}: name",
        ),
        slug=fields.clean_line(wire.slug)[: fields.MAX_LABEL],
        type=_normalize_word(wire.type, TYPES, f"{what}: type") or "other",
        date=fields.parse_date(wire.date),
        start_time=_parse_optional(fields.parse_time, wire.start_time, f"{what}: startTime"),
        end_date=_parse_optional(fields.parse_date, wire.end_date, f"{what}: endDate"),
        end_time=_parse_optional(fields.parse_time, wire.end_time, f"{what}: endTime"),
        location=_shorten(
            fields.format_address(wire.address) or "", fields.MAX_PLACE, f"{what}: address"
        )
        or None,
        point=fields.parse_point(wire.lat, wire.lng),
        description=_shorten(
            fields.clean_text(wire.description or ""),
            fields.MAX_DESCRIPTION,
            f"{what}: description",
        )
        or None,
        website_url=_parse_optional(fields.parse_url, wire.website_url, f"{what}: websiteUrl"),
        registration_url=_parse_optional(
            fields.parse_url, wire.registration_url, f"{what}: registrationUrl"
        ),
    )


def _build_run(wire: _WireRun, event: Event) -> Run:
    what = f"event {event.id}, run {wire.id}"
    standard = fields.shorten(fields.clean_line(wire.distance_standard), fields.MAX_LABEL)
    if standard not in DISTANCES:
        log_once(f"{what}: distanceStandard {standard!r:.80} is not known")
    return Run(
        id=wire.id,
        distance_meters=wire.distance_meters + 0.0,  # 0.0 for -0.0, as in parse_point
        distance_standard=standard if standard in DISTANCES else "Other",
        distance_label=_shorten(
            fields.clean_line(wire.distance_label) or standard or wire.id,
            fields.MAX_LABEL,
            f"{what}: distanceLabel",
        ),
        date=fields.parse_date(wire.date),
        start_time=_parse_optional(fields.parse_time, wire.start_time, f"{what}: startTime"),
        status=_normalize_word(wire.event_status, STORED_BY_SPELLING, f"{what}: eventStatus")
        or "scheduled",
        registration_url=_parse_optional(
            fields.parse_url, wire.registration_url, f"{what}: registrationUrl"
        ),
        registration_opens=_parse_optional(
            fields.parse_instant, wire.registration_opens_at, f"{what}: registrationOpensAt"
        ),
        registration_closes=_parse_optional(
            fields.parse_instant, wire.registration_closes_at, f"{what}: registrationClosesAt"
        ),
        registration_override=_normalize_word(
            wire.registration_override, OVERRIDES, f"{what}: registrationOverride"
        ),
        sold_out=wire.sold_out,
        virtual=wire.is_virtual,
        relay=wire.is_relay,
        walking=wire.is_walking,
    )


def _normalize_word(text: str | None, words: Mapping[str, str], what: str) -> str | None:
    """Return the model's word for a word of the API; an unknown word stays as it is."""
    word = fields.shorten(fields.clean_line(text or ""), fields.MAX_WORD)
    known = words.get(word.casefold())
    if word and not known:
        log_once(f"{what} {word!a:.80} is not known")
    return known or word or None


def _shorten(text: str, limit: int, what: str) -> str:
    """Return a text of at most ``limit`` characters."""
    if len(text) > limit:
        log_once(f"{what} has {len(text)} characters and is cut off after {limit}")
    return fields.shorten(text, limit)


def _parse_optional(parse: Callable[[str], T], text: str | None, what: str) -> T | None:
    """Return the parsed text; ``None`` if the text is blank or does not parse."""
    if text is None or not text.strip():
        return None
    try:
        return parse(text.strip())
    except (ValueError, OverflowError):
        log_once(f"{what} does not decode and is left out")
        return None


def _parse_integer(digits: str) -> float:
    """Parse an integer. Python's ``int`` raises an error for more than 4,300 digits."""
    return int(digits) if len(digits) < MAX_DIGITS else float(digits)


def _refuse_constant(constant: str) -> float:
    """Refuse NaN and Infinity, which ``json`` accepts and JSON does not (RFC 8259 6)."""
    raise ValueError(f"{constant} is not JSON")


def log_once(finding: str) -> None:
    """Log a finding about an event, which begins with the words ``event`` and its id."""
    findings.warning(finding)

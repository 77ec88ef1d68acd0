"""What the partner API's documents say: JSON to an event, strict where it must be.

What the API page requires is required. All else is taken as it can be: an optional field that does
not decode is absent, a run that does not decode keeps its last good version, ``null`` means absent,
unknown fields are ignored. Each such finding is logged once.
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from feeds.domain.delisting import run_sort_key
from feeds.domain.model import DISTANCES, Event, Run
from feeds.domain.status import STORED_BY_SPELLING
from feeds.errors import InvalidResponse
from feeds.upstream import fields as values

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

Identifier = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
Meters = Annotated[float, Meta(ge=0, le=10_000_000)]


MOST_RUNS = 2_000
"""Runs of one event; a longer list is none that an organizer made."""


MOST_DIGITS = 400


class Document(Struct, frozen=True):
    """An event, and whether all that it lists as runs was understood.

    Only a complete document proves, by what it lacks, that a run is no longer listed.
    """

    event: Event
    complete: bool


class _Event(Struct, rename="camel"):
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


class _Run(Struct, rename="camel"):
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
    """The event of an answer to ``/events/:id``.

    ``known`` is the event as last understood: its runs stand in for those that do not decode, and
    stay when they are missing from a document that was not understood as a whole.
    Raises ``Nonsense`` for anything that is not a document of this event.
    """
    try:
        data = json.loads(body, parse_constant=_no_number, parse_int=_integer)["data"]
        listed = data["runs"]
        wire = _strict_and_liberal(data["event"], _Event, f"event {event_id}")
        if wire.id != event_id:
            raise InvalidResponse("The Intervals API sent another event.")
        event = _event(wire)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        # A ValidationError's text may quote the document: the log gets its kind alone.
        log.info("event %s does not decode: %s", event_id, type(error).__name__)
        raise InvalidResponse("The Intervals API sent an answer that cannot be read.") from None
    if not isinstance(listed, list) or len(listed) > MOST_RUNS:
        raise InvalidResponse("The Intervals API sent an event without a list of runs.")
    runs, complete = _runs(listed, event, {run.id: run for run in known.runs} if known else {})
    return Document(event=msgspec.structs.replace(event, runs=runs), complete=complete)


def _runs(
    listed: list[Any], event: Event, known: Mapping[str, Run]
) -> tuple[tuple[Run, ...], bool]:
    runs: dict[str, Run] = {}
    complete = True
    for raw in listed:
        run = _run_or_none(raw, event)
        if run is None:
            complete = False
        elif run.id in runs:
            _tell_once(f"event {event.id}: run {run.id} is listed twice, the first is taken")
        else:
            runs[run.id] = run
    if not complete:  # for what was not understood, and for what it may have hidden
        runs = dict(known) | runs
    return tuple(sorted(runs.values(), key=run_sort_key)), complete


def _run_or_none(raw: object, event: Event) -> Run | None:
    id_ = raw.get("_id") if isinstance(raw, dict) else None
    what = f"event {event.id}, run {id_!r:.80}" if isinstance(id_, str) else f"event {event.id}"
    try:
        wire = _strict_and_liberal(raw, _Run, what)
        if wire.event_id != event.id:
            raise ValueError("a run of another event")  # noqa: TRY301 - one way to fail
        return _run(wire, event)
    except (ValueError, TypeError, OverflowError) as error:
        _tell_once(f"{what}: a run does not decode: {type(error).__name__}")
        return None


_fields = lru_cache(msgspec.structs.fields)

for _each in (_Event, _Run):
    # msgspec learns what a class is made of when it is first asked for, and is not done when it
    # lets another thread go on, which then crashes the process: so it is asked here.
    msgspec.json.Decoder(_each)


def _strict_and_liberal(raw: object, kind: type[S], what: str) -> S:
    """``raw`` as ``kind``: strict for required fields; optional ones that do not fit are left out.

    Raises ``msgspec.ValidationError``, a ``ValueError``.
    """
    if not isinstance(raw, dict):
        raise msgspec.ValidationError("not an object")
    fields = {}
    for each in _fields(kind):
        value = raw.get(each.encode_name)
        if value is None:
            continue
        if not each.required:
            try:
                msgspec.convert(value, each.type)
            except (ValueError, OverflowError):  # half a surrogate pair is no ValidationError
                _tell_once(f"{what}: {each.encode_name} does not decode and is left out")
                continue
        fields[each.encode_name] = value
    return msgspec.convert(fields, kind)


def _event(wire: _Event) -> Event:
    what = f"event {wire.id}"
    return Event(
        id=wire.id,
        organization_id=values.clean_line(wire.organization_id),
        name=values.clean_line(wire.name) or values.clean_line(wire.slug) or wire.id,
        slug=values.clean_line(wire.slug),
        type=_word(wire.type, TYPES, f"{what}: type") or "other",
        date=values.parse_date(wire.date),
        start_time=_optional(values.parse_time, wire.start_time, f"{what}: startTime"),
        end_date=_optional(values.parse_date, wire.end_date, f"{what}: endDate"),
        end_time=_optional(values.parse_time, wire.end_time, f"{what}: endTime"),
        location=values.read_location(wire.address),
        point=values.parse_point(wire.lat, wire.lng),
        description=values.clean_text(wire.description or "") or None,
        website_url=_optional(values.parse_url, wire.website_url, f"{what}: websiteUrl"),
        registration_url=_optional(
            values.parse_url, wire.registration_url, f"{what}: registrationUrl"
        ),
    )


def _run(wire: _Run, event: Event) -> Run:
    what = f"event {event.id}, run {wire.id}"
    standard = values.clean_line(wire.distance_standard)
    if standard not in DISTANCES:
        _tell_once(f"{what}: distanceStandard {standard!r:.80} is not known")
    return Run(
        id=wire.id,
        distance_meters=wire.distance_meters + 0.0,  # without the sign of zero, as in a point
        distance_standard=standard if standard in DISTANCES else "Other",
        distance_label=values.clean_line(wire.distance_label) or standard or wire.id,
        date=values.parse_date(wire.date),
        start_time=_optional(values.parse_time, wire.start_time, f"{what}: startTime"),
        status=_word(wire.event_status, STORED_BY_SPELLING, f"{what}: eventStatus") or "scheduled",
        registration_url=_optional(
            values.parse_url, wire.registration_url, f"{what}: registrationUrl"
        ),
        registration_opens=_optional(
            values.parse_instant, wire.registration_opens_at, f"{what}: registrationOpensAt"
        ),
        registration_closes=_optional(
            values.parse_instant, wire.registration_closes_at, f"{what}: registrationClosesAt"
        ),
        registration_override=_word(
            wire.registration_override, OVERRIDES, f"{what}: registrationOverride"
        ),
        sold_out=wire.sold_out,
        virtual=wire.is_virtual,
        relay=wire.is_relay,
        walking=wire.is_walking,
    )


TYPES = {"race": "race", "runclub": "runClub", "timetrial": "timeTrial", "other": "other"}
OVERRIDES = {"paused": "paused", "closed": "closed"}


def _word(text: str | None, words: Mapping[str, str], what: str) -> str | None:
    """The word as the model has it; one that is not known as it came."""
    word = values.clean_line(text or "")
    known = words.get(word.casefold())
    if word and not known:
        _tell_once(f"{what} {word!r:.80} is not known")
    return known or word or None


def _optional(read: Callable[[str], T], text: str | None, what: str) -> T | None:
    if text is None or not text.strip():
        return None
    try:
        return read(text.strip())
    except (ValueError, OverflowError):
        _tell_once(f"{what} does not decode and is left out")
        return None


def _integer(digits: str) -> float:
    """Python refuses to read very long ones, and with them the whole document."""
    return int(digits) if len(digits) < MOST_DIGITS else float(digits)


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


@lru_cache(maxsize=1000)
def _tell_once(finding: str) -> None:
    log.warning("%s", finding)

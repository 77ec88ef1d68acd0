"""Decoding documents of the partner API: required fields are strict, all others liberal."""

import itertools
import json
import logging
import subprocess
import sys
import unicodedata
from datetime import UTC, date, datetime, time

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.domain.model import Event, Run
from feeds.errors import InvalidResponse
from feeds.upstream import fields, optional
from feeds.upstream.fields import YEARS
from feeds.upstream.optional import EVENT_FIELDS, RUN_FIELDS
from feeds.upstream.schema import MAX_RUNS, Document, decode

EVENT = {
    "_id": "e1",
    "name": "Harbor Run",
    "slug": "harbor-run",
    "type": "race",
    "date": "2025-06-14",
    "organizationId": "k57",
    "startTime": "08:00",
    "endDate": "2025-06-15",
    "endTime": "14:30:15",
    "address": {"venue": "Lighthouse Beach", "city": "Evanston"},
    "lat": 42.05,
    "lng": -87.67,
    "description": "Along the shore.",
    "websiteUrl": "https://club.example/harbor",
    "registrationUrl": "https://club.example/harbor/join",
}
RUN = {
    "_id": "r1",
    "eventId": "e1",
    "distanceMeters": 5000,
    "distanceStandard": "5K",
    "distanceLabel": "5K fun run",
    "date": "2025-06-14",
    "startTime": "08:10",
    "eventStatus": "postponed",
    "registrationUrl": "https://club.example/harbor/join/5k",
    "registrationOpensAt": "2025-01-01T00:00:00-06:00",
    "registrationClosesAt": "2025-06-13T18:00:00Z",
    "registrationOverride": "paused",
    "soldOut": True,
    "isVirtual": True,
    "isRelay": True,
    "isWalking": True,
}
OTHER_RUN = {
    "_id": "r2",
    "eventId": "e1",
    "distanceMeters": 10000.5,
    "distanceStandard": "10K",
    "distanceLabel": "10K",
    "date": "2025-06-14",
    "startTime": "09:30",
}

EVENT_REQUIRED = ("_id", "name", "slug", "type", "date", "organizationId")
EVENT_OPTIONAL = tuple(key for key in EVENT if key not in EVENT_REQUIRED)
RUN_REQUIRED = (*("_id", "eventId", "distanceMeters", "distanceStandard", "distanceLabel", "date"),)
RUN_OPTIONAL = tuple(key for key in RUN if key not in RUN_REQUIRED)

KINDS = {
    "string": "\N{EN DASH}",
    "surrogate": "\ud800",
    "number": 7.5,
    "bool": True,
    "list": ["08:00"],
    "object": {"a": 1},
    "null": None,
}
TEXT = frozenset({"string", "surrogate"})
FITTING = {
    **dict.fromkeys(("lat", "lng", "distanceMeters"), frozenset({"number"})),
    **dict.fromkeys(("soldOut", "isVirtual", "isRelay", "isWalking"), frozenset({"bool"})),
    **dict.fromkeys(("name", "slug", "type", "organizationId", "description"), TEXT),
    **dict.fromkeys(("distanceStandard", "distanceLabel"), TEXT),
    **dict.fromkeys(("eventStatus", "registrationOverride"), TEXT),
    "address": TEXT | {"object"},
}
"""The kinds of JSON value that fit a field; for fields not named here, no kind fits."""


def misfits(keys):
    """Pairs of a key and a value that does not fit."""
    return [
        pytest.param(key, value, id=f"{key}-{kind}")
        for key in keys
        for kind, value in KINDS.items()
        if kind not in FITTING.get(key, frozenset())
    ]


def encode(event=EVENT, runs=(RUN,)):
    return json.dumps({"data": {"event": event, "runs": runs}}).encode()


def event_with(**members):
    return decode(encode(EVENT | members), "e1").event


def run_with(**members):
    [run] = decode(encode(runs=[RUN | members]), "e1").event.runs
    return run


def without(members, key):
    return {each: value for each, value in members.items() if each != key}


def with_runs(*runs):
    return msgspec.structs.replace(KNOWN, runs=runs)


KNOWN = decode(encode(runs=[RUN, OTHER_RUN]), "e1").event
FIRST, SECOND = KNOWN.runs
UNCHANGED = Document(event=KNOWN, complete=False)
"""The document of ``KNOWN`` if a listed run did not decode."""

DELISTED_EVENT = with_runs(
    *(
        msgspec.structs.replace(run, unlisted=datetime(2025, 5, 1, tzinfo=UTC), withdrawn=True)
        for run in KNOWN.runs
    )
)

BARE_EVENT = {key: EVENT[key] for key in EVENT_REQUIRED}
BARE_RUN = {key: RUN[key] for key in RUN_REQUIRED}


@pytest.fixture
def findings(caplog):
    """Return what is logged from here on, as if no finding had been logged before."""
    optional.findings.clear()
    caplog.set_level(logging.DEBUG)
    return lambda: [record.getMessage() for record in caplog.records]


# Whole documents


def test_every_documented_field_is_decoded():
    run = Run(
        id="r1",
        distance_meters=5000,
        distance_standard="5K",
        distance_label="5K fun run",
        date=date(2025, 6, 14),
        start_time=time(8, 10),
        status="postponed",
        registration_url="https://club.example/harbor/join/5k",
        registration_opens=datetime(2025, 1, 1, 6, tzinfo=UTC),
        registration_closes=datetime(2025, 6, 13, 18, tzinfo=UTC),
        registration_override="paused",
        sold_out=True,
        virtual=True,
        relay=True,
        walking=True,
    )
    event = Event(
        id="e1",
        organization_id="k57",
        name="Harbor Run",
        slug="harbor-run",
        type="race",
        date=date(2025, 6, 14),
        start_time=time(8),
        end_date=date(2025, 6, 15),
        end_time=time(14, 30, 15),
        location="Lighthouse Beach, Evanston",
        point=(42.05, -87.67),
        description="Along the shore.",
        website_url="https://club.example/harbor",
        registration_url="https://club.example/harbor/join",
        runs=(run,),
    )
    assert decode(encode(), "e1") == Document(event, complete=True)


def test_a_document_of_required_fields_alone_decodes(findings):
    names = ("id", "organization_id", "name", "slug", "type", "date")
    run_names = ("id", "distance_meters", "distance_standard", "distance_label", "date")
    run = Run(**{name: getattr(FIRST, name) for name in run_names})
    event = Event(**{name: getattr(KNOWN, name) for name in names}, runs=(run,))
    assert decode(encode(BARE_EVENT, [BARE_RUN]), "e1") == Document(event, complete=True)
    assert findings() == []


@pytest.mark.parametrize("known", [None, KNOWN], ids=["unknown event", "known event"])
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" \n", b'"text"', b"7", b"null", b"true", b"[]", b"{}", b"<html></html>"),
        *(encode()[:-1], encode()[:99], encode() + b"}", encode() * 2),
        *(encode().replace(b"5K", b"\xff\xff"), b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000),
        *(encode(runs=[float(number)]) for number in ("nan", "inf", "-inf")),
        *(b'{"data":' * 50_000 + b"1" + b"}" * 50_000, b'{"data": ' + b"9" * 5000 + b"}"),
        *(b'{"data": null}', b'{"data": []}', b'{"data": "event, runs"}', b'{"data": 7}'),
        *(b'{"data": {}}', b'{"data": {"runs": []}}'),
        b'{"error": {"code": "NOT_FOUND", "message": ""}}',
        json.dumps({"data": {"event": EVENT}}).encode(),
        *(encode(runs=runs) for runs in (None, {}, {"r1": RUN}, "[]", 0, False)),
        *(encode(event=event) for event in (None, [], [EVENT], "e1", 1)),
        encode(EVENT | {"_id": "E1"}),
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_body_that_is_no_document_of_the_event_is_an_invalid_response(body, known):
    with pytest.raises(InvalidResponse):
        decode(body, "e1", known)


def test_a_byte_order_mark_is_ignored():
    assert decode(b"\xef\xbb\xbf" + encode(), "e1") == decode(encode(), "e1")


def test_the_error_and_the_log_do_not_quote_the_document(caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(InvalidResponse) as caught:
        decode(encode(EVENT | {"date": "a private word"}), "e1")
    assert "private" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "event e1 does not decode" in caplog.text
    assert "private" not in caplog.text


# Required fields


@pytest.mark.parametrize(("key", "value"), misfits(EVENT_REQUIRED))
def test_an_event_whose_required_field_does_not_fit_is_an_invalid_response(key, value):
    with pytest.raises(InvalidResponse):
        decode(encode(EVENT | {key: value}), "e1", KNOWN)


@pytest.mark.parametrize(("key", "value"), misfits(RUN_REQUIRED))
def test_a_run_whose_required_field_does_not_fit_is_replaced_by_its_last_good_version(key, value):
    body = encode(runs=[RUN | {key: value}, OTHER_RUN])
    without_first = Document(event=with_runs(SECOND), complete=False)
    assert decode(body, "e1", KNOWN) == (without_first if key == "_id" else UNCHANGED)
    assert decode(body, "e1") == without_first


@pytest.mark.parametrize(
    "number",
    ["-1", "-0.5", "10000001", "1" + "0" * 400, "1e308", "1e400", '"5,000"'],
    ids=str.strip,
)
def test_a_run_with_an_impossible_distance_does_not_decode(number):
    body = encode().replace(b'"distanceMeters": 5000', f'"distanceMeters": {number}'.encode())
    assert decode(body, "e1", KNOWN) == Document(event=with_runs(FIRST), complete=False)


@pytest.mark.parametrize("meters", [0, 0.1, 42195, 42195.0, 10_000_000, -0.0])
def test_a_possible_distance_is_taken_and_never_minus_zero(meters):
    """Equal runs have equal bytes."""
    assert str(run_with(distanceMeters=meters).distance_meters) == str(meters + 0.0)


@pytest.mark.parametrize(
    "id_", ["", "a b", "a/b", "a\n", "a" * 65, "é", "\ud800", "../e1", "r1@intervals.run"]
)
def test_a_run_whose_id_does_not_fit_in_a_url_does_not_decode(id_):
    document = decode(encode(runs=[RUN | {"_id": id_}]), "e1")
    assert document == Document(event=with_runs(), complete=False)


@pytest.mark.parametrize("blank", ["", " ", "\x00", "\u2028"])
def test_a_blank_name_falls_back_to_slug_or_standard_distance_and_then_to_the_id(blank):
    assert event_with(name=blank).name == "harbor-run"
    assert event_with(name=blank, slug=blank).name == "e1"
    assert run_with(distanceLabel=blank).distance_label == "5K"
    assert run_with(distanceLabel=blank, distanceStandard=blank).distance_label == "r1"


# Optional fields


DATES = (
    *(f"{YEARS.start - 1}-12-31", f"{YEARS.stop}-01-01", "0001-01-01", "9999-12-31"),
    *("2025-02-29", "2025-02-30", "2025-13-01", "2025-00-10", "2025-06-00", "2025-6-14"),
    *("20250614", "2025-W24-6", "2025-06-14T8", "2025-06-14 later", "2025-06-14T25:00", ""),
    *("14.06.2025", "+2025-06-14", "2025-06-14T08:00Zebra"),
    "２０２５-06-14",  # noqa: RUF001 - digits that fromisoformat might accept
)
TIMES = (
    *("24:01", "8:0", "08:00:60", "08:60", "25:00", "-1:00", "08", "08:00:00.5", "24:00:01"),
    *("08:00Z", "08:00+02:00", "8 am", "00:30 AM", "13:00 PM", "08:0\n0", "TBD", "", "0860"),
    "０８:00",  # noqa: RUF001 - digits that int accepts
)
INSTANTS = (
    *("2025-01-01T00:00:00", "2025-01-01", "2025-01-01T24:00:00Z", "2025-02-30T00:00:00Z"),
    *("2025-01-01T00:00:00+99:00", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
    *(f"{YEARS.start - 1}-12-31T23:59:59Z", f"{YEARS.stop}-01-01T00:00:00Z"),
    *("1735689600000", "tomorrow", ""),
)
INVALID = [
    *(("endDate", text) for text in DATES),
    *(("endTime", text) for text in TIMES),
    *(("registrationOpensAt", text) for text in INSTANTS),
]
FIELDS = {member: field for field in EVENT_FIELDS + RUN_FIELDS for member in field.members}


def decode_with(key, members, known=None):
    """The event and the run, of which one has these members in place of one field."""
    event, run = (
        {name: value for name, value in whole.items() if name not in FIELDS[key].members}
        | (members if key in whole else {})
        for whole in (EVENT, RUN)
    )
    document = decode(encode(event, [run]), "e1", known)
    assert document.complete
    return document.event, document.event.runs[0]


NOT_NULL = [case for case in misfits(EVENT_OPTIONAL) + misfits(RUN_OPTIONAL) if case.values[1]]


@pytest.mark.parametrize(("key", "value"), [*NOT_NULL, *INVALID])
def test_an_optional_field_that_is_not_understood_is_unread_unless_it_was_read_before(key, value):
    name = FIELDS[key].name
    found = decode_with(key, {key: value})
    for each, plain in zip(found, decode_with(key, {}), strict=True):
        assert each.unread in ((), (name,))
        assert strip(each) == strip(plain)
    assert any(each.unread for each in found)
    assert decode_with(key, {key: value}, KNOWN) == (with_runs(FIRST), FIRST)
    unread_event, unread_run = found
    again = msgspec.structs.replace(unread_event, runs=(unread_run,))
    assert decode_with(key, {key: value}, again) == found


def strip(each):
    """The event without its runs, or the run, as if all had been understood."""
    runs = {"runs": ()} if isinstance(each, Event) else {}
    return msgspec.structs.replace(each, unread=(), **runs)


@pytest.mark.parametrize("key", [*EVENT_OPTIONAL, *RUN_OPTIONAL])
def test_an_optional_field_that_is_null_is_absent_also_if_it_was_read_before(key):
    nothing = dict.fromkeys(FIELDS[key].members)
    assert decode_with(key, nothing, KNOWN) == decode_with(key, {})


@pytest.mark.parametrize(
    "key", ["startTime", "eventStatus", "registrationUrl", "registrationOpensAt"]
)
def test_white_space_around_a_value_is_ignored(key, findings):
    assert run_with(**{key: f" {RUN[key]}\n"}) == FIRST
    assert findings() == []


# Dates and times


@pytest.mark.parametrize("text", DATES)
def test_an_event_or_a_run_with_an_invalid_date_does_not_decode(text):
    with pytest.raises(InvalidResponse):
        decode(encode(EVENT | {"date": text}), "e1")
    document = decode(encode(runs=[RUN | {"date": text}]), "e1", KNOWN)
    assert document == Document(event=with_runs(FIRST), complete=False)


UTC_2025 = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (fields.parse_date, f"{YEARS.start}-01-01", date(YEARS.start, 1, 1)),
        (fields.parse_date, f"{YEARS.stop - 1}-12-31", date(YEARS.stop - 1, 12, 31)),
        (fields.parse_date, "2024-02-29", date(2024, 2, 29)),
        (fields.parse_time, "00:00", time(0)),
        (fields.parse_time, "8:05", time(8, 5)),
        (fields.parse_time, "23:59", time(23, 59)),
        (fields.parse_time, "8:00:30", time(8, 0, 30)),
        (fields.parse_time, "23:59:59", time(23, 59, 59)),
        (fields.parse_instant, "2025-01-01T00:00:00Z", UTC_2025),
        (fields.parse_instant, "2025-01-01T00:00:00.987Z", UTC_2025),
        (fields.parse_instant, "2024-12-31T18:00-06:00", UTC_2025),
        (fields.parse_instant, "2025-01-01T05:30:00+0530", UTC_2025),
    ],
)
def test_dates_times_and_instants_in_whole_seconds_of_utc_are_parsed(parse, text, value):
    assert parse(text) == value
    assert getattr(parse(text), "tzinfo", None) is getattr(value, "tzinfo", None)


# Words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *(("scheduled", "scheduled"), ("cancelled", "cancelled"), ("canceled", "cancelled")),
        *(("Cancelled", "cancelled"), ("CANCELED", "cancelled"), (" cancelled\n", "cancelled")),
        *(("postponed", "postponed"), ("Postponed", "postponed"), ("rescheduled", "rescheduled")),
    ],
)
def test_a_status_is_decoded_in_any_case_and_spelling(word, status, findings):
    assert run_with(eventStatus=word).status == status
    assert findings() == []


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        *(("race", "race"), ("runClub", "runClub"), ("RunClub", "runClub")),
        *(("timeTrial", "timeTrial"), ("other", "other"), ("Run club", "runClub")),
    ],
)
def test_the_documented_types_are_read_and_log_nothing(word, type_, findings):
    assert event_with(type=word).type == type_
    assert findings() == []


@pytest.mark.parametrize(
    ("key", "attribute"),
    [("eventStatus", "status"), ("registrationOverride", "registration_override")],
)
def test_an_unknown_word_is_kept_and_logged(key, attribute, findings):
    document = decode(encode(runs=[RUN | {key: "On\u2028Hold"}]), "e1")
    assert getattr(document.event.runs[0], attribute) == "On Hold"
    assert document.complete
    assert findings() == [f"event e1, run r1: {key} 'On Hold' is not known"]


def test_an_unknown_standard_distance_becomes_other_and_is_logged(findings):
    assert run_with(distanceStandard="7K").distance_standard == "Other"
    assert findings() == ["event e1, run r1: distanceStandard '7K' is not known"]


# The list of runs


@pytest.mark.parametrize(
    "raw", [None, 7, 1.5, True, "r1", "", [], [RUN], {}, {"_id": "r1"}], ids=repr
)
def test_a_listed_item_that_is_no_run_leaves_the_other_runs_as_they_are(raw):
    assert decode(encode(runs=[raw, RUN, raw, OTHER_RUN]), "e1") == UNCHANGED


def test_a_run_of_another_event_does_not_decode():
    body = encode(runs=[RUN, OTHER_RUN | {"eventId": "e2"}])
    assert decode(body, "e1") == Document(event=with_runs(FIRST), complete=False)
    assert decode(body, "e1", KNOWN) == UNCHANGED


def test_the_first_of_runs_with_the_same_id_is_taken(findings):
    document = decode(encode(runs=[RUN, RUN | {"startTime": "09:00"}, OTHER_RUN]), "e1")
    assert document == Document(event=KNOWN, complete=True)
    assert findings() == ["event e1: run r1 is listed twice, the first is taken"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_one_run_that_decodes_is_taken_of_runs_with_the_same_id(order):
    runs = [without(RUN, "date"), RUN | {"startTime": "09:00"}][::order]
    document = decode(encode(runs=runs), "e1", KNOWN)
    assert [run.start_time for run in document.event.runs] == [time(9)]


@pytest.mark.parametrize("broken", [[], [None], [{"_id": "r9"}], [without(OTHER_RUN, "_id")]])
def test_a_document_has_only_the_runs_that_are_listed_or_whose_id_is(broken):
    document = decode(encode(runs=[RUN | {"startTime": "09:00"}, *broken]), "e1", KNOWN)
    assert [run.start_time for run in document.event.runs] == [time(9)]
    assert document.complete == (not broken)


def test_an_unreadable_run_that_was_no_longer_listed_is_listed_as_it_was_known():
    document = decode(encode(runs=[without(RUN, "date"), None]), "e1", DELISTED_EVENT)
    assert document == Document(event=with_runs(FIRST), complete=False)


@pytest.mark.parametrize("broken", [[], [None]], ids=["complete", "incomplete"])
def test_runs_are_in_the_same_order_however_they_are_listed(broken):
    third, fourth = OTHER_RUN | {"_id": "r3"}, RUN | {"_id": "r4", "date": "2025-06-13"}
    documents = [
        decode(encode(runs=runs), "e1")
        for runs in itertools.permutations([RUN, OTHER_RUN, third, fourth, *broken])
    ]
    assert all(document == documents[0] for document in documents)
    assert [run.id for run in documents[0].event.runs] == ["r4", "r1", "r2", "r3"]


def test_more_than_2000_runs_are_an_invalid_response():
    assert decode(encode(runs=[RUN] * MAX_RUNS), "e1").event.runs
    with pytest.raises(InvalidResponse):
        decode(encode(runs=[RUN] * (MAX_RUNS + 1)), "e1")


# Findings


def test_each_finding_is_a_short_printable_line_whatever_the_document_holds(findings):
    text = "\r\nCRITICAL \u2028\ud800\x1b[31m" + "x" * 10_000
    runs = [
        RUN | {"eventStatus": text, "distanceStandard": text},
        RUN | {"_id": text, "soldOut": text},
    ]
    decode(encode(EVENT | {"type": text, "startTime": text}, runs), "e1")
    assert len(findings()) == 5
    for finding in findings():
        assert finding.isascii()
        assert finding.isprintable()
        assert len(finding) < 200


# Any document

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Values that a document may hold in any place, some almost right, some far from right.
TEXTS = st.text(st.characters(exclude_categories=()))
WORDS = st.sampled_from(
    [
        *("e1", "r1", "r2", "race", "cancelled", "paused", "5K", "x" * 65, "2025-06-14"),
        *("2025-02-30", "08:00", "24:00", "2025-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"),
        *("0001-01-01T00:00:00+23:59", "https://a.example/\ud800", "https://ü.example", "http://["),
        *("\ud800", "\x00", "\r\n", "1e400"),
    ]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 2**64])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | TEXTS | st.sampled_from(["venue", "city"]), inner, max_size=4)
    ),
    max_leaves=10,
)


def iterate_texts(value):
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from iterate_texts(each)
        case list() | tuple():
            for each in value:
                yield from iterate_texts(each)


def check(body, known=None):
    """Check that the body decodes to an event that every format can write, or is refused."""
    try:
        document = decode(body, "e1", known)
    except InvalidResponse:
        return
    event = document.event
    assert event.id == "e1"
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
    for text in iterate_texts(msgspec.to_builtins(event)):
        control = {each for each in text if unicodedata.category(each) in ("Cc", "Cs")}
        assert control <= {"\n", "\t"}
        assert text.strip() == text
    assert len({run.id for run in event.runs}) == len(event.runs)
    assert all(run.unlisted is None for run in event.runs)


def encode_without_nan(runs, event=EVENT):
    """Encode with numbers that are too large in place of NaN and Infinity, which JSON lacks."""
    return encode(event, runs).replace(b"NaN", b"1e999").replace(b"Infinity", b"1e999")


@unhurried
@given(VALUES, st.binary())
@example(None, b"\xff\xfe{")
@example(None, b"\xed\xa0\x80")
def test_any_json_or_bytes_decode_soundly_or_are_refused(value, body):
    check(body)
    check(json.dumps(value).encode())
    check(json.dumps({"data": value}).encode())
    check(encode(event=value), KNOWN)
    check(encode(runs=value), DELISTED_EVENT)


@unhurried
@given(
    st.dictionaries(st.sampled_from(sorted(EVENT)), VALUES),
    st.dictionaries(st.sampled_from(sorted(RUN)), VALUES),
    st.booleans(),
)
def test_any_values_of_fields_decode_soundly_or_are_refused(event, run, known):
    check(encode(EVENT | event, [RUN | run, OTHER_RUN]), DELISTED_EVENT if known else None)


@unhurried
@given(
    st.dictionaries(st.sampled_from(sorted(EVENT_OPTIONAL)), VALUES),
    st.dictionaries(st.sampled_from(sorted(RUN_OPTIONAL)), VALUES),
)
def test_any_values_of_optional_fields_leave_the_name_and_the_runs_listed(event, run):
    document = decode(encode_without_nan([RUN | run, OTHER_RUN], EVENT | event), "e1")
    assert document.event.name == KNOWN.name
    assert {each.id for each in document.event.runs} == {"r1", "r2"}
    assert SECOND in document.event.runs
    assert document.complete


def test_an_unknown_number_of_5000_digits_is_ignored():
    body = encode(runs=[RUN | {"maxParticipants": 0}]).replace(
        b'"maxParticipants": 0', b'"maxParticipants": ' + b"9" * 5000
    )
    assert len(body) > 5000
    assert decode(body, "e1").complete


def test_msgspec_has_inspected_all_classes_when_the_service_is_imported():
    """Two threads that decode a class for the first time crash msgspec 0.22."""
    script = """
import sys
import msgspec
import feeds.app
from types import SimpleNamespace
from feeds.upstream import schema
from feeds.store import rows

def record(frame, event, _):
    caller = frame.f_back and frame.f_back.f_code.co_name
    if frame.f_code.co_name == "get_class_annotations" and caller != "fields":
        print(frame.f_locals["obj"])

sys.setprofile(record)
event = schema.decode(sys.stdin.buffer.read(), "e1").event
rows.read_event(SimpleNamespace(id="e1", document=msgspec.json.encode(event)))
rows.json.decode(b'{"start": "2026-06-14", "zone": "UTC"}', type=rows.State)
"""
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, input=encode(), stdout=subprocess.PIPE, check=True).stdout
    assert output == b""


LONG = "a " * 300_000


@pytest.mark.parametrize(
    ("event", "run", "read", "limit"),
    [
        ({"name": LONG}, {}, lambda event: event.name, 300),
        ({"slug": LONG}, {}, lambda event: event.slug, 100),
        ({"address": LONG}, {}, lambda event: event.location, 500),
        ({"address": {"street": LONG, "city": LONG}}, {}, lambda event: event.location, 500),
        ({"description": LONG}, {}, lambda event: event.description, 20_000),
        ({}, {"distanceLabel": LONG}, lambda event: event.runs[0].distance_label, 100),
        ({}, {"eventStatus": LONG}, lambda event: event.runs[0].status, 60),
        ({}, {"registrationOverride": LONG}, lambda e: e.runs[0].registration_override, 60),
    ],
    ids=lambda each: next(iter(each), "") if isinstance(each, dict) else "",
)
def test_a_text_that_is_too_long_is_cut_off(event, run, read, limit):
    found = read(decode(encode(EVENT | event, [RUN | run]), "e1").event)
    assert limit - 2 <= len(found) <= limit


def test_a_cut_off_text_is_logged_once_and_ends_with_an_ellipsis(findings):
    for _ in range(2):
        assert (
            decode(encode(EVENT | {"name": "x" * 301}, [RUN]), "e1").event.name == "x" * 299 + "…"
        )
    assert findings() == ["event e1: name has 301 characters and is cut off after 300"]


def test_an_address_of_a_website_that_is_too_long_is_absent():
    url = f"https://{'é' * 800_000}.example"
    assert decode(encode(EVENT | {"websiteUrl": url}, [RUN]), "e1").event.website_url is None


def test_a_document_of_2000_unreadable_runs_writes_20_lines_however_often_it_is_fetched(findings):
    odd = dict.fromkeys(("startTime", "eventStatus", "registrationOpensAt"), "\x00?")
    runs = [RUN | odd | {"_id": f"r{number}", "distanceStandard": "?"} for number in range(2_000)]
    for _ in range(3):
        decode(encode(runs=runs), "e1")
    assert len(findings()) == 20
    assert findings()[-1] == "event e1: 7981 more findings like these"


@pytest.mark.parametrize("unit", ["a ", "<a", "&#9", '"', "\n ", "\r", "\u2028", "é", ",a "])
def test_a_decoded_event_has_a_bounded_size_whatever_the_texts_of_its_document(unit):
    text = unit * (400_000 // len(unit))
    texts = dict.fromkeys(("name", "slug", "organizationId", "address", "description"), text)
    urls = dict.fromkeys(("websiteUrl", "registrationUrl"), f"https://club.example/{text}")
    words = dict.fromkeys(("distanceLabel", "eventStatus", "registrationOverride"), f"{text}b")
    times = dict.fromkeys(("startTime", "registrationOpensAt"), text)
    event = decode(encode(EVENT | texts | urls, [RUN | words | urls | times]), "e1").event
    assert len(repr(event)) < 100_000
